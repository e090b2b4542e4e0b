"""What Table Storage is sent, and what it answers: URLs, the multipart body of a transaction, rows as JSON.

All values are strings and Booleans, so JSON says them without a word about their types. Long texts are read and written
in turns, so that other requests run in between.
"""

import asyncio
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from scim_core.storage.tables.odata import Filter
from scim_core.storage.tables.row_operations import RowOperation, Verb
from scim_core.storage.tables.rows import Row, Token

TURN_CHARACTERS = 500_000
"""Characters of JSON that are read or written before others run: two to three milliseconds. A page of 1,000 users of
1.5 KB takes three turns of that, and the largest transaction ten."""

_METHODS = {Verb.UPSERT: "PUT", Verb.MERGE: "PATCH", Verb.REPLACE: "PUT", Verb.DELETE: "DELETE"}
_STATUS, _ETAG, _BLANK_LINE, _BOUNDARY = b"\nHTTP/1.1 ", b"\r\netag:", b"\r\n\r\n", b"\r\n--"
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.~-]")
_XML_CODE = re.compile(rb"<(?:\w+:)?code>([^<]*)<", re.IGNORECASE)
_VALUES = re.compile(r'"value"\s*:\s*\[\s*')
_BETWEEN_ROWS = re.compile(r"[\s,]*")
_TYPED = "@odata.type"
_read_value = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class TransactionAnswer:
    """The ETags of the rows, or the status and the body with which the first refused operation was answered."""

    etags: list[str]
    status: int = 0
    refused: bytes = b""


def quoted(text: str) -> str:
    """The text as a part of a URL."""
    # In a key a colon or two are not plain. For this, `quote` takes three times as long.
    return _NOT_PLAIN.sub(_percent_encoded, text) if text.isascii() else quote(text, safe="")


def _percent_encoded(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def row_url(rows: str, quoted_partition: str, key: str) -> str:
    """The URL of a row; `rows` is that of its table."""
    return f"{rows}(PartitionKey='{quoted_partition}',RowKey='{quoted_key(key)}')"


def quoted_key(key: str) -> str:
    """The key of a row or a partition as it stands in quotation marks in a URL."""
    return quoted(key.replace("'", "''"))


def page_query(wanted: Filter, limit: int, select: str | None, token: Token | None) -> str:
    """The query of a range read."""
    parts = [f"$top={limit}", *([f"$select={quoted(select)}"] if select else []), f"$filter={quoted(wanted)}"]
    parts += [f"Next{name}={quoted(value)}" for name, value in (token or {}).items() if value]
    return "&".join(parts)


async def transaction(rows: str, partition: str, operations: Sequence[RowOperation]) -> tuple[str, bytes]:
    """The boundary and the body of a transaction."""
    unguessable = secrets.token_hex(16)
    batch, changeset = f"batch_{unguessable}", f"changeset_{unguessable}"
    quoted_partition, in_turn = quoted_key(partition), 0
    parts = [f"--{batch}\r\nContent-Type: multipart/mixed; boundary={changeset}\r\n\r\n"]
    for number, operation in enumerate(operations):
        part = _operation(rows, partition, quoted_partition, operation)
        in_turn += len(part)
        if in_turn > TURN_CHARACTERS:
            await asyncio.sleep(0)
            in_turn = 0
        parts.append(
            f"--{changeset}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-ID: {number}\r\n\r\n{part}\r\n"
        )
    parts.append(f"--{changeset}--\r\n\r\n--{batch}--\r\n")
    return batch, "".join(parts).encode()


def _operation(rows: str, partition: str, quoted_partition: str, operation: RowOperation) -> str:
    """One operation as an HTTP request."""
    if operation.verb is Verb.INSERT:
        head = f"POST {rows} HTTP/1.1\r\nPrefer: return-no-content\r\n"
    else:
        head = f"{_METHODS[operation.verb]} {row_url(rows, quoted_partition, operation.key)} HTTP/1.1\r\n"
        if operation.verb is not Verb.UPSERT:
            head += f"If-Match: {operation.etag or '*'}\r\n"
    head += "Accept: application/json;odata=minimalmetadata\r\nDataServiceVersion: 3.0\r\n"
    if operation.verb is Verb.DELETE:
        return f"{head}\r\n"
    body = json.dumps({"PartitionKey": partition, "RowKey": operation.key, **operation.properties})
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"


def transaction_answer(body: bytes) -> TransactionAnswer:
    """What became of the operations, as far as the body says it."""
    etags = []
    for part in body.split(_STATUS)[1:]:
        head, ended, rest = part.partition(_BLANK_LINE)
        if not (ended and head[:3].isdigit()):
            break
        if not head.startswith(b"2"):
            return TransactionAnswer([], int(head[:3]), rest.partition(_BOUNDARY)[0] or b"{}")
        at = head.lower().find(_ETAG)
        etags.append(head[at + len(_ETAG) :].partition(b"\r\n")[0].decode().strip() if at >= 0 else "")
    return TransactionAnswer(etags)


def row(text: str) -> Row:
    """The row of a point read. Raises ValueError."""
    return _row(json.loads(text), typed=_TYPED in text)


async def rows(text: str) -> list[Row]:
    """The rows of a range read. Raises ValueError."""
    start = _VALUES.search(text)
    if start is None:
        raise ValueError("no rows")
    typed = _TYPED in text
    found, at, pause_at = [], start.end(), start.end() + TURN_CHARACTERS
    while not text.startswith("]", at):
        if at > pause_at:
            await asyncio.sleep(0)
            pause_at = at + TURN_CHARACTERS
        properties, at = _read_value(text, at)
        found.append(_row(properties, typed=typed))
        between = _BETWEEN_ROWS.match(text, at)
        at = between.end() if between else at
    return found


def _row(properties: dict[str, Any], *, typed: bool) -> Row:
    """What is not a property of ours is left out: the time of the last change, and what the service says of types.

    `typed` says that it may have said something of types. Most pages say nothing, and have thousands of properties.
    """
    properties.pop("Timestamp", None)
    properties.pop("odata.metadata", None)
    etag = properties.pop("odata.etag", "")
    if typed:
        for name in [name for name in properties if name.endswith(_TYPED)]:
            del properties[name]
    return Row(properties, etag)


def refusal(body: bytes) -> tuple[str | None, str]:
    """The error code of a refusal, if its body says one, and the message. The body is JSON or XML."""
    try:
        said = json.loads(body)["odata.error"]
        return str(said["code"]), str(said["message"]["value"])
    except (ValueError, KeyError, TypeError):
        code = _XML_CODE.search(body)
        return (code[1].decode() if code else None), ""
