"""Two ways to make the same REST requests to Table Storage: by hand with aiohttp, and as the product makes them.

The first way is what these requests cost at least in this language: it signs, sends, and reads the answer. It repeats
nothing, limits no time, and tells no errors apart.
"""

import base64
import hmac
import json
import re
import time
from collections.abc import Sequence
from typing import Any, Protocol, Self
from urllib.parse import quote
from wsgiref.handlers import format_date_time

import aiohttp
from yarl import URL

from bench.directory import TENANT
from scim_core.settings import StorageSettings
from scim_core.storage.tables import directory_rows, keys
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import RowOperation, Verb
from scim_core.storage.tables.rows import Row, RowPage, Token
from scim_core.storage.tables.service_limits import PAGE_ROWS

_PARTITION = keys.partition(TENANT)
_READ = {"Accept": "application/json;odata=minimalmetadata"}
_VERSION = {"x-ms-version": "2019-02-02", "DataServiceVersion": "3.0"}
_STATUS = re.compile(rb"^HTTP/1\.1 (\d+)", re.MULTILINE)
_METHODS = {Verb.UPSERT: "PUT", Verb.MERGE: "PATCH", Verb.REPLACE: "PUT", Verb.DELETE: "DELETE"}


class BareError(Exception):
    """A request was refused, so the measurement is worthless."""


class Table(Protocol):
    """The calls to the table of one tenant."""

    async def get(self, key: str, select: str | None = None) -> Row | None:
        """The row, or None."""

    async def page(
        self, key_range: KeyRange, *, limit: int = PAGE_ROWS, select: str | None = None, token: Token | None = None
    ) -> RowPage:
        """One page of the range."""

    async def transact(self, operations: Sequence[RowOperation]) -> None:
        """All of the operations happened."""

    async def close(self) -> None:
        """No connection is open."""


class ProductTable:
    """The calls as the product makes them."""

    def __init__(self, settings: StorageSettings) -> None:
        self._rows = directory_rows(settings)

    async def get(self, key: str, select: str | None = None) -> Row | None:
        """See Table."""
        return await self._rows.get(TENANT, key, select=select)

    async def page(
        self, key_range: KeyRange, *, limit: int = PAGE_ROWS, select: str | None = None, token: Token | None = None
    ) -> RowPage:
        """See Table."""
        return await self._rows.page(TENANT, key_range, limit=limit, select=select, token=token)

    async def transact(self, operations: Sequence[RowOperation]) -> None:
        """See Table."""
        await self._rows.transact(TENANT, operations)

    async def close(self) -> None:
        """See Table."""
        await self._rows.close()


class BareTable:
    """The same requests by hand. The session is opened by the first call. Raises BareError."""

    def __init__(self, settings: StorageSettings) -> None:
        parts = dict(item.split("=", 1) for item in (settings.storage_connection or "").split(";") if item)
        self._account, self._key = parts["AccountName"], base64.b64decode(parts["AccountKey"])
        self._endpoint = parts["TableEndpoint"].rstrip("/")
        self._rows = f"{self._endpoint}/{settings.table_name}"
        self._session: aiohttp.ClientSession | None = None

    async def get(self, key: str, select: str | None = None) -> Row | None:
        """See Table."""
        status, body, _ = await self._send("GET", f"{self._row(key)}{f'?$select={select}' if select else ''}", _READ)
        if status == 404:  # noqa: PLR2004  Not Found
            return None
        return _row(json.loads(body))

    async def page(
        self, key_range: KeyRange, *, limit: int = PAGE_ROWS, select: str | None = None, token: Token | None = None
    ) -> RowPage:
        """See Table."""
        text = f"PartitionKey eq '{_PARTITION}' and RowKey ge '{key_range.low}' and RowKey lt '{key_range.high}'"
        query = f"$top={limit}&$filter={quote(text, safe='')}{f'&$select={select}' if select else ''}"
        query += "".join(f"&Next{name}={quote(value, safe='')}" for name, value in (token or {}).items())
        _, body, headers = await self._send("GET", f"{self._rows}()?{query}", _READ)
        following = {
            name: headers[f"x-ms-continuation-Next{name}"]
            for name in ("PartitionKey", "RowKey")
            if f"x-ms-continuation-Next{name}" in headers
        }
        return RowPage([_row(row) for row in json.loads(body)["value"]], following or None)

    async def transact(self, operations: Sequence[RowOperation]) -> None:
        """See Table."""
        parts = [self._part(number, operation) for number, operation in enumerate(operations)]
        head = "--batch_0\r\nContent-Type: multipart/mixed; boundary=changeset_0\r\n\r\n"
        text = f"{head}{''.join(parts)}--changeset_0--\r\n\r\n--batch_0--\r\n"
        headers = {"Content-Type": "multipart/mixed; boundary=batch_0", "Accept": "application/json"}
        _, body, _ = await self._send("POST", f"{self._endpoint}/$batch", headers, text.encode())
        if not all(status.startswith(b"2") for status in _STATUS.findall(body)):
            raise BareError(body[:500])

    async def close(self) -> None:
        """See Table."""
        if self._session is not None:
            await self._session.close()

    def _row(self, key: str) -> str:
        return f"{self._rows}(PartitionKey='{_PARTITION}',RowKey='{quote(key, safe='')}')"

    def _part(self, number: int, operation: RowOperation) -> str:
        head = (
            f"--changeset_0\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-ID: {number}\r\n\r\n"
        )
        if operation.verb is Verb.INSERT:
            line = f"POST {self._rows} HTTP/1.1\r\nPrefer: return-no-content\r\n"
        else:
            line = f"{_METHODS[operation.verb]} {self._row(operation.key)} HTTP/1.1\r\n"
        if operation.verb not in (Verb.INSERT, Verb.UPSERT):
            line += f"If-Match: {operation.etag or '*'}\r\n"
        line += "Accept: application/json;odata=minimalmetadata\r\nDataServiceVersion: 3.0\r\n"
        if operation.verb is Verb.DELETE:
            return f"{head}{line}\r\n\r\n"
        body = json.dumps({"PartitionKey": _PARTITION, "RowKey": operation.key, **operation.properties})
        return f"{head}{line}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}\r\n"

    async def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[int, bytes, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
        date, address = format_date_time(time.time()), URL(url)
        said = "\n".join((method, "", headers.get("Content-Type", ""), date, f"/{self._account}{address.raw_path}"))
        signature = base64.b64encode(hmac.digest(self._key, said.encode(), "sha256")).decode()
        signed = {"x-ms-date": date, "Authorization": f"SharedKey {self._account}:{signature}"}
        sent = self._session.request(method, address, data=body, headers={**_VERSION, **headers, **signed})
        async with sent as answer:
            content = await answer.read()
            if answer.status >= 400 and answer.status != 404:  # noqa: PLR2004  refused; what is not there is an answer
                raise BareError(f"{answer.status} {content[:500]!r}")
            return answer.status, content, answer.headers

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _row(properties: dict[str, Any]) -> Row:
    return Row(properties, properties.pop("odata.etag", ""))


WAYS: dict[str, type[BareTable | ProductTable]] = {"bare": BareTable, "ours": ProductTable}
"""The two ways, by the names of their routes in bench/bare_app."""
