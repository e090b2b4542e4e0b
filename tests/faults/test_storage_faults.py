"""The storage refuses, breaks off, stalls, is busy, answers in pieces: nothing is lost, and no request lasts."""

import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import web

from devhost.azurite import Azurite
from scim_core.endpoint import endpoint
from scim_core.settings import StorageSettings
from scim_core.storage.maintenance.checking import check
from scim_core.storage.tables import TableStorage, client, rows, table_storage
from tests.faults.conftest import held
from tests.faults.proxy import Fault, Proxy, proxy
from tests.faults.test_death import CASES, TENANT, Start
from tests.scim import Client, Clock, Json, add, endpoint_over, path, references, replace

pytestmark = pytest.mark.usefixtures("_small_transactions", "_impatient")

STOPPED = ["a user is renamed", "many members are added", "a user in many groups is deleted"]

_tables = (f"fault{number}" for number in itertools.count())


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repetitions come at once, and silence is borne for less than a second."""
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(client, "READ_SECONDS", 0.3)
    monkeypatch.setattr(rows, "CALL_SECONDS", 1)


@pytest.fixture(scope="module")
async def start(azurite: Azurite) -> Start:
    return await Start.made(azurite)


@pytest.fixture
async def between(azurite: Azurite) -> AsyncIterator[Proxy]:
    async with proxy(azurite) as made:
        yield made


def storage_at(connection: str, table: str) -> TableStorage:
    settings = {"SCIM_STORAGE_CONNECTION": connection, "SCIM_TABLE_NAME": table}
    return table_storage(StorageSettings.from_environment(settings))


@dataclass(frozen=True)
class Faulty:
    """A client of a directory behind the proxy, and a storage that reaches the same one past it."""

    between: Proxy
    client: Client
    directly: TableStorage


@pytest.fixture
async def faulty(azurite: Azurite, start: Start, between: Proxy) -> AsyncIterator[Faulty]:
    table = next(_tables)
    directly, behind = storage_at(azurite.connection_string, table), storage_at(between.connection, table)
    await directly.rows.transact(TENANT, start.rows)
    yield Faulty(between, Client(endpoint_over(behind, Clock())), directly)
    await behind.close()
    await directly.close()


async def whole(azurite: Azurite, start: Start, name: str) -> Json:
    """What the directory holds after this case when nothing goes wrong."""
    storage = storage_at(azurite.connection_string, next(_tables))
    await storage.rows.transact(TENANT, start.rows)
    undisturbed = Client(endpoint_over(storage, Clock()))
    assert (await CASES[name].act(undisturbed, start.directory)).status < 300
    after = await held(undisturbed)
    await storage.close()
    return after


async def clean(storage: TableStorage) -> bool:
    return (await check(storage.rows, TENANT)).findings == []


@pytest.mark.parametrize("fault", [item for item in Fault if item is not Fault.SILENT])
@pytest.mark.parametrize("name", CASES)
async def test_every_operation_succeeds_once_though_every_call_fails_once(
    azurite: Azurite, start: Start, faulty: Faulty, name: str, fault: Fault
) -> None:
    behind, directly = faulty.client, faulty.directly
    faulty.between.fault = lambda _, before: None if before else fault
    answer = await CASES[name].act(behind, start.directory)
    assert answer.status in (200, 201, 204)
    assert any(str(fault) in call for call in faulty.between.seen)
    faulty.between.fault = lambda *_: None
    assert await held(behind) == await whole(azurite, start, name)
    assert await clean(directly)


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.RESET, Fault.BUSY, Fault.FAILED, Fault.TIMED_OUT, Fault.SILENT])
@pytest.mark.parametrize("situation", list(itertools.product(STOPPED, [0, 5])), ids=lambda pair: f"{pair[0]} {pair[1]}")
async def test_a_storage_that_stops_answering_is_503_with_retry_after(
    azurite: Azurite, start: Start, faulty: Faulty, fault: Fault, situation: tuple[str, int]
) -> None:
    behind, directly, (name, works) = faulty.client, faulty.directly, situation
    faulty.between.fault = lambda number, _: fault if number >= works else None
    started = time.monotonic()
    answer = await CASES[name].act(behind, start.directory)
    assert time.monotonic() - started < 20
    if answer.status == 503:
        assert int(answer.headers["retry-after"]) > 0
        assert "again" in answer.document["detail"]
    else:
        assert answer.status in (200, 204)
    faulty.between.fault = lambda *_: None
    await directly.sweep(before="9999", seconds=20)
    found = await held(behind)
    assert found in (start.held, await whole(azurite, start, name))
    if answer.status != 503:
        assert found != start.held
    assert await clean(directly)


async def test_a_request_that_takes_too_long_in_all_is_503(
    start: Start, faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind, directly = faulty.client, faulty.directly
    monkeypatch.setattr(endpoint, "REQUEST_SECONDS", 0.2)
    faulty.between.fault = lambda *_: Fault.SLOW
    started = time.monotonic()
    answer = await behind.delete(path(start.directory.users[0]))
    assert time.monotonic() - started < 1
    assert (answer.status, int(answer.headers["retry-after"]) > 0) == (503, True)
    faulty.between.fault = lambda *_: None
    await directly.sweep(before="9999", seconds=20)
    assert await clean(directly)


async def test_reads_are_whole_through_empty_pages(start: Start, faulty: Faulty) -> None:
    behind = faulty.client
    faulty.between.fault = lambda *_: Fault.EMPTY_PAGE
    assert await held(behind) == start.held
    assert any("empty_page" in call for call in faulty.between.seen)


@pytest.mark.parametrize("conditional", [False, True])
async def test_changes_that_are_overtaken_over_and_over_are_made_unless_the_client_named_a_version(
    start: Start, faulty: Faulty, conditional: bool
) -> None:
    behind, directly = faulty.client, faulty.directly
    rival = Client(endpoint_over(directly, Clock()))
    user = await behind.document(start.directory.users[3])
    left = iter(range(5))

    async def overtake(request: web.Request) -> None:
        if request.method == "POST" and (number := next(left, None)) is not None:
            await rival.patch(path(user), add("emails", [{"value": f"{number}@example.com"}]))

    faulty.between.before = overtake
    headers = {"if-match": user["meta"]["version"]} if conditional else {}
    answer = await behind.patch(path(user), replace("title", "Director"), headers=headers)
    after = await behind.document(user)
    if conditional:
        assert answer.status == 412
        assert [item["value"] for item in after["emails"]] == ["0@example.com"]
    else:
        assert answer.status == 200
        assert after["title"] == "Director"
        assert len(after["emails"]) == 5


async def test_a_change_whose_answer_was_lost_is_not_refused_to_the_client_that_named_the_version(
    start: Start, faulty: Faulty
) -> None:
    behind = faulty.client
    lost = iter([True])

    async def lose(request: web.Request) -> None:
        faulty.between.fault = lambda *_: Fault.RESET if request.method == "POST" and next(lost, False) else None

    faulty.between.before = lose
    user = await behind.document(start.directory.users[4])
    answer = await behind.patch(path(user), replace("title", "x"), headers={"if-match": user["meta"]["version"]})
    assert (answer.status, answer.document["title"]) == (200, "x")


async def test_a_deletion_whose_answer_was_lost_is_204(start: Start, faulty: Faulty) -> None:
    behind = faulty.client
    faulty.between.fault = lambda _, before: None if before else Fault.RESET
    assert (await behind.delete(path(start.directory.users[4]))).status == 204


async def test_members_that_join_while_the_storage_stumbles_are_all_there(start: Start, faulty: Faulty) -> None:
    behind, directly = faulty.client, faulty.directly
    faulty.between.fault = lambda number, _: list(Fault)[number % 4] if number % 3 == 0 else None
    for user in start.directory.users:
        assert (await behind.patch(path(start.directory.none), add("members", references(user)))).status == 204
    faulty.between.fault = lambda *_: None
    assert len((await behind.document(start.directory.none))["members"]) == len(start.directory.users)
    assert await clean(directly)
