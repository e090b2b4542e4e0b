"""The one name of the SDK that is private: a new version that moves it, or what stands behind it, fails here.

ADR 0044 says what would break. These tests look at the policies themselves, and the others in tests/contract at what
they do.
"""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline import policies as azure_policies
from azure.data.tables import AccountSasPermissions, ResourceTypes, generate_account_sas
from azure.data.tables.aio import TableClient
from hypothesis import given
from hypothesis import strategies as st

from devhost.azurite import ACCOUNT, Azurite
from scim_core.storage.tables import wire_text
from scim_core.storage.tables.azure_rows import AzureRows
from scim_core.storage.tables.client import Connection
from scim_core.storage.tables.row_operations import Verb
from scim_core.storage.tables.wire import Wire, kept_policies, own_policies
from tests.contract.sides import TENANT, Identity, PauselessTransport, operation
from tests.tables import new_table

CREDENTIALS: dict[str, tuple[Any, str]] = {
    "key": (AzureNamedKeyCredential("account", "a2V5"), "SharedKeyCredentialPolicy"),
    "signature": (AzureSasCredential("sig=x"), "AzureSasCredentialPolicy"),
    "token": (Identity(), "AsyncBearerTokenChallengePolicy"),
}


def table_with(kind: str) -> TableClient:
    return TableClient("https://account.table.core.windows.net", "scim", credential=CREDENTIALS[kind][0])


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_the_policies_of_the_sdks_client_are_those_that_we_know(kind: str) -> None:
    """A further one would be kept, so it must be looked at. One that has gone, or has another place, as well."""
    assert [type(policy).__name__ for policy in own_policies(table_with(kind))] == [
        "RequestIdPolicy",
        "StorageHeadersPolicy",
        "UserAgentPolicy",
        "ProxyPolicy",
        CREDENTIALS[kind][1],
        "ContentDecodePolicy",
        "AsyncRedirectPolicy",
        "StorageHosts",
        "AsyncTablesRetryPolicy",
        "CustomHookPolicy",
        "NetworkTraceLoggingPolicy",
        "DistributedTracingPolicy",
        "HttpLoggingPolicy",
    ]


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_headers_credential_and_repetitions_are_kept_and_repetitions_come_last(kind: str) -> None:
    kept = kept_policies(table_with(kind))
    names = ["StorageHeadersPolicy", CREDENTIALS[kind][1], "AsyncTablesRetryPolicy"]
    assert [type(policy).__name__ for policy in kept] == names
    assert isinstance(kept[-1], azure_policies.AsyncRetryPolicy)


async def test_the_sdks_own_pipeline_stays_as_it_is() -> None:
    """Policies know the one after them: those of the SDK's client still know their own."""
    transport = PauselessTransport()
    table = TableClient("https://a.table.core.windows.net", "scim", credential=Identity(), transport=transport)  # type: ignore[arg-type]
    linked = [policy for policy in own_policies(table) if isinstance(policy, azure_policies.AsyncHTTPPolicy)]
    before = [policy.next for policy in linked]
    Wire(table, transport)
    assert [policy.next for policy in linked] == before
    await table.close()


def test_a_pipeline_links_its_policies() -> None:
    """Otherwise the wire would need no copies of them."""
    policy = azure_policies.AsyncRetryPolicy()
    AsyncPipeline(PauselessTransport(), [policy])
    first = policy.next
    AsyncPipeline(PauselessTransport(), [policy])
    assert policy.next is not first


async def test_a_shared_access_signature_opens_the_table(azurite: Azurite) -> None:
    key = next(part for part in azurite.connection_string.split(";") if part.startswith("AccountKey="))
    until = "2099-01-01T00:00:00Z"
    permission = AccountSasPermissions(
        read=True, add=True, create=True, update=True, delete=True, list=True, write=True
    )
    signature = generate_account_sas(
        AzureNamedKeyCredential(ACCOUNT, key.removeprefix("AccountKey=")),
        resource_types=ResourceTypes(service=True, object=True, container=True),
        permission=permission,
        expiry=until,
    )
    endpoint = f"http://127.0.0.1:{azurite.port}/{ACCOUNT}"
    connection_string = f"TableEndpoint={endpoint};SharedAccessSignature={signature}"
    transport = PauselessTransport()
    name = new_table(azurite)["SCIM_TABLE_NAME"]
    table = TableClient.from_connection_string(connection_string, name, transport=transport)
    rows = AzureRows(lambda: Connection(table, transport))
    await rows.transact(TENANT, [operation(Verb.INSERT, "a", x="1")])
    row = await rows.get(TENANT, "a", select="x")
    assert row is not None
    assert row.properties == {"x": "1"}
    await rows.close()


# Long texts


async def turns_during(work: Any) -> int:
    """How often others could run until the work was done."""
    turns, done = 0, False

    async def other() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    await asyncio.sleep(0)
    before = turns
    await work
    found = turns - before
    done = True
    await task
    return found


async def test_others_run_while_a_long_page_is_read() -> None:
    row = {"odata.etag": "1", "RowKey": "a", "d0": "x" * 5_000}
    for rows in (1, 99, 250, 1_000):
        text = json.dumps({"odata.metadata": "http://a/$metadata#scim", "value": [row] * rows})
        turns = await turns_during(wire_text.rows(text))
        assert len(text) // (wire_text.TURN_CHARACTERS + 6_000) <= turns <= len(text) // wire_text.TURN_CHARACTERS


async def test_others_run_while_a_large_transaction_is_written() -> None:
    for rows in (1, 9, 100):
        operations = [operation(Verb.INSERT, f"{number}", d0="x" * 30_000) for number in range(rows)]
        _, body = await wire_text.transaction("http://a/t", "p", operations)
        turns = await turns_during(wire_text.transaction("http://a/t", "p", operations))
        assert turns == len(body) // (wire_text.TURN_CHARACTERS + 30_000)


@pytest.mark.parametrize("between", ["", " ", "\r\n  "])
async def test_rows_are_found_however_the_json_is_laid_out(between: str) -> None:
    rows = [{"odata.etag": f"{number}", "x": '"value":[{},'} for number in range(3)]
    values = f",{between}".join(json.dumps(row) for row in rows)
    text = f'{{{between}"odata.metadata":"u",{between}"value"{between}:{between}[{between}{values}{between}]{between}}}'
    assert [(row.etag, row.properties) for row in await wire_text.rows(text)] == [
        (row["odata.etag"], {"x": row["x"]}) for row in rows
    ]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_is_quoted_in_a_url_as_python_quotes_it(text: str) -> None:
    assert wire_text.quoted(text) == quote(text, safe="")


@pytest.mark.parametrize("number", range(128))
def test_each_ascii_character_is_quoted_as_python_quotes_it(number: int) -> None:
    assert wire_text.quoted(f"a{chr(number)}") == quote(f"a{chr(number)}", safe="")


@pytest.mark.parametrize(
    "answer", ["", "HTTP/1.1 204 No", "HTTP/1.1 20", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 409 No\r\nA: b\r\n"]
)
def test_what_is_cut_off_says_nothing_of_its_operation(answer: str) -> None:
    done = 'a\r\nHTTP/1.1 204 No Content\r\nA: b\r\nETag: W/"1"\r\n\r\n'
    assert wire_text.transaction_answer(f"{done}\r\n--a\r\n{answer}".encode()).etags == ['W/"1"']


def test_a_refused_operation_is_told_with_its_body() -> None:
    body = b'--a\r\nX: y\r\n\r\nHTTP/1.1 412 No\r\nEtag: x\r\n\r\n{"odata.error":1}\r\n\r\n--a--\r\n'
    answered = wire_text.transaction_answer(body)
    assert (answered.etags, answered.status, answered.refused.strip()) == ([], 412, b'{"odata.error":1}')
