"""Two real processes serve one directory: whatever they do at the same time, nothing is lost, nothing is left over."""

import asyncio
import hashlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle

import httpx
import pytest

from bench.directory import TENANT, store_users, user_id
from devhost.azurite import Azurite
from scim_core.settings import StorageSettings
from scim_core.storage.maintenance.checking import check
from scim_core.storage.tables import TableStorage, table_storage
from tests.running import ROOT, running_app
from tests.scim import PATCH_OP, Json, add, replace

RACES = 50
"""With real processes; test_interleavings.py has five hundred in this one."""

RACES_AT_ONCE = 8
MEDIA_TYPE = "application/scim+json"


@dataclass
class Service:
    """Two endpoints of one directory, and the storage behind them. Requests go to them alternately."""

    clients: list[httpx.AsyncClient]
    storage: TableStorage
    _turns: Iterator[httpx.AsyncClient] = field(init=False)

    def __post_init__(self) -> None:
        self._turns = cycle(self.clients)

    async def send(self, method: str, url: str, body: Json | None = None, **headers: str) -> httpx.Response:
        """The answer of the endpoint that comes next."""
        given = {} if body is None else {"content-type": MEDIA_TYPE, **headers}
        answer = await next(self._turns).request(method, f"/scim/v2{url}", json=body, headers=given)
        assert answer.status_code < 500 or answer.headers.get("retry-after"), answer.text
        return answer

    async def patch(self, url: str, *operations: Json, **headers: str) -> httpx.Response:
        return await self.send("PATCH", url, {"schemas": [PATCH_OP], "Operations": operations}, **headers)

    async def group(self, name: str) -> str:
        """The id of a new group."""
        return str((await self.send("POST", "/Groups", {"displayName": name})).json()["id"])

    async def clean(self) -> bool:
        return (await check(self.storage.rows, TENANT)).findings == []


@pytest.fixture(scope="module")
async def service(azurite: Azurite) -> AsyncIterator[Service]:
    token = secrets.token_urlsafe(32)
    settings = {
        "SCIM_TOKEN_SHA256": hashlib.sha256(token.encode()).hexdigest(),
        "SCIM_STORAGE_CONNECTION": azurite.connection_string,
        "SCIM_TABLE_NAME": "processes",
    }
    storage = table_storage(StorageSettings.from_environment(settings))
    await storage.ping()
    with ExitStack() as stack:
        apps = [stack.enter_context(running_app(ROOT, settings, ("--quiet",))) for _ in range(2)]
        clients = [
            httpx.AsyncClient(
                base_url=app.url,
                headers={"authorization": f"Bearer {token}"},
                timeout=60,
                limits=httpx.Limits(max_connections=50),
            )
            for app in apps
        ]
        yield Service(clients, storage)
        await asyncio.gather(*(client.aclose() for client in clients))
    await storage.close()


async def statuses(answers: Iterable[Awaitable[httpx.Response]]) -> Counter[int]:
    """How often each status was answered, when all were asked for at once."""
    return Counter(answer.status_code for answer in await asyncio.gather(*answers))


async def test_of_fifty_creates_of_one_name_exactly_one_succeeds(service: Service) -> None:
    found = await statuses(service.send("POST", "/Users", {"userName": "Same"}) for _ in range(50))
    assert found == {201: 1, 409: 49}
    assert await service.clean()


async def test_a_hundred_members_that_join_at_once_are_all_in(service: Service) -> None:
    await store_users(service.storage, range(5_000, 5_100))
    group = await service.group("Everybody")
    members = [{"value": user_id(number)} for number in range(5_000, 5_100)]
    found = await statuses(service.patch(f"/Groups/{group}", add("members", [member])) for member in members)
    assert found == {204: 100}
    after = (await service.send("GET", f"/Groups/{group}")).json()["members"]
    assert sorted(item["value"] for item in after) == [item["value"] for item in members]
    assert await service.clean()


async def test_a_hundred_changes_of_one_user_at_once_are_all_made(service: Service) -> None:
    user = (await service.send("POST", "/Users", {"userName": "busy"})).json()
    url = f"/Users/{user['id']}"
    found = await statuses(service.patch(url, add("roles", [{"value": f"role {number}"}])) for number in range(100))
    assert found == {200: 100}
    roles = (await service.send("GET", url)).json()["roles"]
    assert sorted(item["value"] for item in roles) == sorted(f"role {number}" for number in range(100))


ATTRIBUTES = ["title", "nickName", "displayName", "preferredLanguage", "locale", "timezone", "userType", "profileUrl"]


async def test_changes_of_different_attributes_at_once_are_all_made(service: Service) -> None:
    user = (await service.send("POST", "/Users", {"userName": "many sided"})).json()
    url = f"/Users/{user['id']}"
    found = await statuses(service.patch(url, replace(name, f"x {name}")) for name in ATTRIBUTES)
    assert found == {200: len(ATTRIBUTES)}
    after = (await service.send("GET", url)).json()
    assert {name: after[name] for name in ATTRIBUTES} == {name: f"x {name}" for name in ATTRIBUTES}


async def test_only_one_of_those_that_name_the_same_version_succeeds(service: Service) -> None:
    user = (await service.send("POST", "/Users", {"userName": "versioned"})).json()
    condition = {"if-match": user["meta"]["version"]}
    found = await statuses(
        service.patch(f"/Users/{user['id']}", replace("title", f"{number}"), **condition) for number in range(20)
    )
    assert found == {200: 1, 412: 19}


async def test_large_changes_of_one_group_at_once_are_all_made(service: Service) -> None:
    await store_users(service.storage, range(6_000, 6_200))
    group = await service.group("Large")
    parts = [[{"value": user_id(number)} for number in range(first, first + 50)] for first in range(6_000, 6_200, 50)]
    found = await statuses(service.patch(f"/Groups/{group}", add("members", part)) for part in parts)
    assert found == {204: 4}
    after = (await service.send("GET", f"/Groups/{group}")).json()["members"]
    assert [item["value"] for item in after] == [item["value"] for part in parts for item in part]
    assert await service.clean()


async def test_a_member_that_joins_while_it_is_deleted_leaves_no_membership(service: Service) -> None:
    await store_users(service.storage, range(RACES))
    groups = [await service.group(f"Racing {number}") for number in range(RACES_AT_ONCE)]
    numbers = iter(range(RACES))
    seen: Counter[tuple[int, int]] = Counter()

    async def race(group: str) -> None:
        for number in numbers:
            member = user_id(number)
            joining, leaving = await asyncio.gather(
                service.patch(f"/Groups/{group}", add("members", [{"value": member}])),
                service.send("DELETE", f"/Users/{member}"),
            )
            seen[joining.status_code, leaving.status_code] += 1

    await asyncio.gather(*map(race, groups))
    assert seen == {(204, 204): RACES}
    for group in groups:
        assert "members" not in (await service.send("GET", f"/Groups/{group}")).json()
    assert await service.clean()
