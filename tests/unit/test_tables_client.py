"""The connection, against a server that misbehaves in ways Azurite cannot."""

import asyncio
import base64
import json
import platform
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.policies import UserAgentPolicy

from scim_core.settings import StorageSettings
from scim_core.storage.port import PagePosition, StorageBusy, TooLarge
from scim_core.storage.tables import TableStorage, client, table_storage
from scim_core.storage.tables.wire import own_policies
from scim_core.version import __version__

type Reply = tuple[int, dict[str, str]]
"""A status, 0 for none, and headers."""

BUSY: Reply = (503, {})
COME_LATER = (503, {"Retry-After": "60"})
NO_ROW = (404, {"x-ms-error-code": "ResourceNotFound"})
TOO_LARGE = (413, {"x-ms-error-code": "RequestBodyTooLarge"})
HANG_UP: Reply = (0, {})
POSITION = PagePosition("1", 1, "now")


def settings(**changes: str) -> StorageSettings:
    return StorageSettings.from_environment(changes)


@asynccontextmanager
async def answering(*answers: Reply) -> AsyncIterator[tuple[TableStorage, Callable[[], int]]]:
    """A storage whose server gives these answers in turn, and how many it has given."""
    left = list(answers)

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        status, headers = left.pop(0)
        if not status:
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=status or 200, headers=headers)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}/a"
    storage = table_storage(settings(SCIM_STORAGE_CONNECTION=f"AccountName=a;AccountKey=a2V5;TableEndpoint={endpoint}"))
    try:
        yield storage, lambda: len(answers) - len(left)
    finally:
        await storage.close()
        await runner.cleanup()


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.01)


@pytest.mark.parametrize("failures", [[BUSY], [HANG_UP], [BUSY, HANG_UP, BUSY]])
async def test_a_read_is_repeated_until_it_is_answered(failures: list[Reply]) -> None:
    async with answering(*failures, NO_ROW) as (storage, given):
        assert await storage.read("t", "User", ["1"]) == [None]
        assert given() == len(failures) + 1


@pytest.mark.parametrize("failures", [[BUSY], [HANG_UP], [HANG_UP, BUSY, HANG_UP]])
async def test_a_change_is_repeated_until_it_is_answered(failures: list[Reply]) -> None:
    async with answering(*failures, TOO_LARGE) as (storage, given):
        with pytest.raises(TooLarge):
            await storage.save_page_position("t", "key", POSITION)
        assert given() == len(failures) + 1


async def test_repetitions_end() -> None:
    async with answering(*[BUSY] * 8) as (storage, given):
        with pytest.raises(StorageBusy):
            await storage.ping()
        assert given() == 1 + client.RETRIES
        with pytest.raises(StorageBusy):
            await storage.save_page_position("t", "key", POSITION)
        assert given() == 2 * (1 + client.RETRIES)


async def test_a_service_that_wants_a_long_pause_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scim_core.storage.tables.azure_rows.CALL_SECONDS", 1)
    async with answering(COME_LATER) as (storage, given):
        with pytest.raises(StorageBusy):
            await asyncio.wait_for(storage.ping(), 30)
        assert given() == 1


async def test_with_an_account_url_the_platforms_identity_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(
        SCIM_STORAGE_ACCOUNT_URL="https://account.table.core.windows.net", SCIM_STORAGE_IDENTITY_CLIENT_ID="client"
    )
    kinds = []
    for environment in ({"IDENTITY_ENDPOINT": "http://127.0.0.1:1/token", "IDENTITY_HEADER": "x"}, {}):
        monkeypatch.delenv("IDENTITY_ENDPOINT", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        connection = client.connect(found)
        kinds.append(type(connection.credential).__name__)
        assert connection.table.url == "https://account.table.core.windows.net"
        await connection.close()
    assert kinds == ["ManagedIdentityCredential", "DefaultAzureCredential"]


async def test_to_name_itself_the_service_asks_no_process_what_the_platform_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "platform", lambda: pytest.fail("this starts a process"))
    key = "AccountName=account;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:1/account"
    connection = client.connect(settings(SCIM_STORAGE_CONNECTION=key))
    [policy] = [item for item in own_policies(connection.table) if isinstance(item, UserAgentPolicy)]
    assert policy.user_agent == f"scim/{__version__}"
    await connection.close()


async def test_a_storage_that_was_never_used_can_be_closed() -> None:
    await table_storage(settings(SCIM_STORAGE_CONNECTION="UseDevelopmentStorage=true")).close()


class SignedIn:
    """A credential whose tokens name an identity, or one with which nobody is signed in."""

    def __init__(self, claims: dict[str, str] | None) -> None:
        self._claims = claims
        self.scopes: list[str] = []
        self.closed = False

    async def get_token(self, *scopes: str, **_: object) -> AccessToken:
        self.scopes += scopes
        if self._claims is None:
            raise ClientAuthenticationError("run az login as ann@example.com")
        payload = base64.urlsafe_b64encode(json.dumps(self._claims).encode()).rstrip(b"=").decode()
        return AccessToken(f"e30.{payload}.signature", 0)

    async def close(self) -> None:
        self.closed = True


ACCOUNT = {"SCIM_STORAGE_ACCOUNT_URL": "https://account.table.core.windows.net"}


async def test_who_is_signed_in_is_asked_of_the_token_for_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = SignedIn({"upn": "ann@example.com", "oid": "1", "tid": "2"})
    monkeypatch.setattr(client, "identity", lambda _: identity)
    assert await client.signed_in(settings(**ACCOUNT)) == "upn=ann@example.com oid=1 tid=2"
    assert identity.scopes == ["https://storage.azure.com/.default"]
    assert identity.closed


async def test_if_nobody_is_signed_in_that_is_an_error_and_nothing_is_left_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    identity = SignedIn(None)
    monkeypatch.setattr(client, "identity", lambda _: identity)
    with pytest.raises(StorageBusy):
        await client.signed_in(settings(**ACCOUNT))
    assert identity.closed
