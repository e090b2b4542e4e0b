"""The three calls to Table Storage that nearly all requests wait for: a point read, a page of rows, a transaction.

They go through azure-core's pipeline with the credential, the headers and the repetitions of azure-data-tables' own
client. What is sent and what is answered is written and read by `wire_text`, and not by the SDK, which takes many times
as long (ADR 0044).
"""

from collections.abc import Sequence
from copy import copy
from typing import Any

from azure.core.exceptions import DecodeError, HttpResponseError, ServiceResponseError
from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline import policies as azure_policies
from azure.core.pipeline.transport import AioHttpTransport, HttpRequest
from azure.data.tables import TableTransactionError
from azure.data.tables.aio import TableClient

from scim_core.storage.tables import wire_text
from scim_core.storage.tables.odata import Filter
from scim_core.storage.tables.row_operations import RowOperation
from scim_core.storage.tables.rows import Row, RowPage, Token

REPEATED: dict[str, Any] = {"retry_on_methods": ["GET", "POST"]}
"""By itself the SDK does not repeat a transaction whose connection broke. Most of ours can be: docs/storage.md."""

SENT_ONCE: dict[str, Any] = {"retry_total": 0}
"""By itself the SDK repeats every transaction after 500, 503, 504 and an answer with Retry-After."""

LEFT_OUT = (
    azure_policies.RequestIdPolicy,
    azure_policies.UserAgentPolicy,
    azure_policies.ProxyPolicy,
    azure_policies.ContentDecodePolicy,
    azure_policies.AsyncRedirectPolicy,
    azure_policies.CustomHookPolicy,
    azure_policies.NetworkTraceLoggingPolicy,
    azure_policies.DistributedTracingPolicy,
    azure_policies.HttpLoggingPolicy,
)
"""Policies of the SDK's client that these calls do without: they log, trace, follow redirections, and decode. The name
of the service is always the same, so it is a header like the others."""

CHOOSES_A_HOST = "StorageHosts"
"""The policy that reads the URL of each request again, to choose between the two hosts of an account. We have one, and
the retry policy is told of no other. It has no public name (ADR 0044)."""

_NO_ROW = frozenset({"ResourceNotFound", "EntityNotFound"})
_ACCEPTED = 202
_CONTINUATION = "x-ms-continuation-Next"


class Wire:
    """The calls to one table. Raises azure-core's errors as the table's client does: `errors` translates them."""

    def __init__(self, table: TableClient, transport: AioHttpTransport) -> None:
        # A pipeline links its policies to each other, so those of the table's own pipeline stay as they are.
        policies = [copy(policy) for policy in kept_policies(table)]
        self._pipeline: AsyncPipeline[Any, Any] = AsyncPipeline(transport, policies)
        self._account = table.url
        self._rows = f"{table.url}/{table.table_name}"
        always = {"x-ms-version": table.api_version, "DataServiceVersion": "3.0", "User-Agent": _user_agent(table)}
        self._reading = {**always, "Accept": "application/json;odata=minimalmetadata"}
        self._writing = {**always, "MaxDataServiceVersion": "3.0;NetFx", "Accept": "application/json"}

    async def row(self, partition: str, key: str, select: str | None) -> Row | None:
        """The row, or None. Raises AzureError."""
        url = wire_text.row_url(self._rows, wire_text.quoted_key(partition), key)
        response = await self._read(f"{url}?$select={wire_text.quoted(select)}" if select else url)
        if not _succeeded(response) and _said(response, response.body())[0] in _NO_ROW:
            return None
        _require_success(response)
        try:
            return wire_text.row(response.body().decode())
        except ValueError as error:
            raise DecodeError("The answer is not a row.", response=response, error=error) from error

    async def page(self, wanted: Filter, limit: int, select: str | None, token: Token | None) -> RowPage:
        """One page of the rows that pass the filter, from the token on. Raises AzureError."""
        response = await self._read(f"{self._rows}()?{wire_text.page_query(wanted, limit, select, token)}")
        _require_success(response)
        try:
            rows = await wire_text.rows(response.body().decode())
        except ValueError as error:
            raise DecodeError("The answer is not a page of rows.", response=response, error=error) from error
        following = {name: response.headers.get(f"{_CONTINUATION}{name}") or "" for name in ("PartitionKey", "RowKey")}
        return RowPage(rows, following if any(following.values()) else None)

    async def transact(self, partition: str, operations: Sequence[RowOperation], *, repeatable: bool) -> list[str]:
        """The ETags afterwards, as Rows.transact says. Raises AzureError: TableTransactionError names an operation."""
        boundary, body = await wire_text.transaction(self._rows, partition, operations)
        headers = {**self._writing, "Content-Type": f"multipart/mixed; boundary={boundary}"}
        request = HttpRequest("POST", f"{self._account}/$batch", headers, data=body)
        options = REPEATED if repeatable else SENT_ONCE
        # The rest of an answer that has begun is read here: when it breaks off, the transaction is not sent again.
        response = await self._send(request, stream=True, **options)
        await response.load_body()
        if response.status_code != _ACCEPTED:
            raise _refusal(response, response.status_code, response.body())
        answered = wire_text.transaction_answer(response.body())
        if answered.refused:
            raise _refusal(response, answered.status, answered.refused, TableTransactionError)
        if len(answered.etags) != len(operations):
            raise ServiceResponseError("The answer does not say what became of each operation.")
        return answered.etags

    async def _read(self, url: str) -> Any:
        return await self._send(HttpRequest("GET", url, self._reading), stream=False)

    async def _send(self, request: HttpRequest, **options: Any) -> Any:
        return (await self._pipeline.run(request, **options)).http_response


def own_policies(table: TableClient) -> list[Any]:
    """The policies of the table's own pipeline, in the order in which a request passes them."""
    return table._policies  # noqa: SLF001  the one private name: ADR 0044


def kept_policies(table: TableClient) -> list[Any]:
    """Those of them that these calls pass."""
    return [
        policy
        for policy in own_policies(table)
        if not isinstance(policy, LEFT_OUT) and type(policy).__name__ != CHOOSES_A_HOST
    ]


def _user_agent(table: TableClient) -> str:
    """How the table's own pipeline names the service."""
    [name] = [item.user_agent for item in own_policies(table) if isinstance(item, azure_policies.UserAgentPolicy)]
    return name


def _succeeded(response: Any) -> bool:
    return bool(200 <= response.status_code < 300)  # noqa: PLR2004  the successes of HTTP


def _require_success(response: Any) -> None:
    if not _succeeded(response):
        raise _refusal(response, response.status_code, response.body())


def _said(response: Any, body: bytes) -> tuple[str | None, str]:
    """The error code, and the message."""
    code, message = wire_text.refusal(body)
    return code or response.headers.get("x-ms-error-code"), message


def _refusal(
    response: Any, status: int, body: bytes, kind: type[HttpResponseError] = HttpResponseError
) -> HttpResponseError:
    code, message = _said(response, body)
    error: Any = kind(message=message, response=response)
    error.status_code, error.error_code = status, code
    return error  # type: ignore[no-any-return]  # error_code is not in the type, and in all errors of the SDK
