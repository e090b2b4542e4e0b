"""The storage refuses, breaks off, stalls, is busy, answers in pieces: nothing is lost, and no request lasts.

Every fault meets every operation in this process; over HTTP, each kind of fault meets one.
"""

import itertools
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from devhost.azurite import Azurite
from scim_core.endpoint import endpoint
from scim_core.settings import StorageSettings
from scim_core.storage.maintenance.checking import check
from scim_core.storage.tables import TableStorage, azure_rows, client, large_change_runner, table_rows
from tests.faults.conftest import held
from tests.faults.disturbed_rows import BREAKING, Fault, FaultyRows
from tests.faults.proxy import Proxy, proxy
from tests.faults.test_death import CASES, TENANT, Start
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, Json, add, endpoint_over, path, references, replace
from tests.tables import new_table

pytestmark = pytest.mark.usefixtures("_small_transactions", "_impatient")

STOPPED = ["a user is renamed", "many members are added", "a user in many groups is deleted"]
MANY = "many members are added"
FEW_CALLS = "a user is renamed"
"""Where each call waits in vain for an answer, few of them show it."""


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repetitions come at once, and a call waits less than a second for an answer."""
    monkeypatch.setattr(client, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(large_change_runner, "REFUSED_SECONDS", 0.001)
    monkeypatch.setattr(client, "READ_SECONDS", 0.3)
    monkeypatch.setattr(azure_rows, "CALL_SECONDS", 1)


@pytest.fixture(scope="module")
async def start() -> Start:
    return await Start.made()


@dataclass(frozen=True)
class Faulty:
    """A client of a directory behind a network that fails, and a storage that reaches the same directory without it."""

    between: FaultyRows | Proxy
    client: Client
    directly: TableStorage

    async def clean(self) -> bool:
        return (await check(self.directly.rows, TENANT)).findings == []


async def in_process(start: Start) -> Faulty:
    """New rows in memory."""
    rows = await start.written_to(MemoryRows())
    between = FaultyRows(rows)
    return Faulty(between, Client(endpoint_over(TableStorage(between), Clock())), TableStorage(rows))


@pytest.fixture
async def faulty(start: Start) -> Faulty:
    return await in_process(start)


@pytest.fixture
async def over_http(azurite: Azurite, start: Start) -> AsyncIterator[Faulty]:
    """Azurite behind a proxy."""
    environment = new_table(azurite)
    async with proxy(azurite) as between:
        through = environment | {"SCIM_STORAGE_CONNECTION": between.connection}
        rows, behind = (table_rows(StorageSettings.from_environment(way)) for way in (environment, through))
        await start.written_to(rows)
        yield Faulty(between, Client(endpoint_over(TableStorage(behind), Clock())), TableStorage(rows))
        await behind.close()
        await rows.close()


async def whole(start: Start, name: str) -> Json:
    """What the directory holds after this case when nothing goes wrong."""
    if name not in start.undisturbed:
        undisturbed = Client(endpoint_over(TableStorage(await start.written_to(MemoryRows())), Clock()))
        assert (await CASES[name].act(undisturbed, start.directory)).status < 300
        start.undisturbed[name] = await held(undisturbed)
    return start.undisturbed[name]


async def succeeds_once(start: Start, faulty: Faulty, name: str, fault: Fault) -> None:
    """The operation happens once though every call fails once."""
    faulty.between.fault = lambda _, before: None if before else fault
    answer = await CASES[name].act(faulty.client, start.directory)
    assert answer.status in (200, 201, 204)
    assert any(str(fault) in call for call in faulty.between.seen)
    faulty.between.fault = lambda *_: None
    assert await held(faulty.client) == await whole(start, name)
    assert await faulty.clean()


@pytest.mark.parametrize("fault", [item for item in Fault if item is not Fault.CONFLICT])
@pytest.mark.parametrize("name", CASES)
async def test_every_operation_succeeds_once_though_every_call_fails_once(
    start: Start, faulty: Faulty, name: str, fault: Fault
) -> None:
    await succeeds_once(start, faulty, name, fault)


@pytest.mark.parametrize("fault", [item for item in Fault if item is not Fault.CONFLICT])
async def test_so_it_does_over_http(start: Start, over_http: Faulty, fault: Fault) -> None:
    await succeeds_once(start, over_http, FEW_CALLS if fault is Fault.SILENT else MANY, fault)


async def meets_another(start: Start, faulty: Faulty, name: str, at: int) -> int:
    """The operation happens once though this call meets another transaction; how many calls it took."""
    return await meets(start, faulty, name, lambda number, _: Fault.CONFLICT if number == at else None)


async def meets(start: Start, faulty: Faulty, name: str, fault: Callable[[int, int], Fault | None]) -> int:
    faulty.between.fault = fault
    answer = await CASES[name].act(faulty.client, start.directory)
    assert answer.status in (200, 201, 204)
    calls = faulty.between.calls
    faulty.between.fault = lambda *_: None
    await faulty.directly.sweep(before="9999", seconds=20)
    assert await held(faulty.client) == await whole(start, name)
    assert await faulty.clean()
    return calls


@pytest.mark.parametrize("name", CASES)
async def test_every_operation_succeeds_once_though_one_of_its_transactions_meets_another(
    start: Start, name: str
) -> None:
    for at in itertools.count():
        if await meets_another(start, await in_process(start), name, at) <= at:
            break
    assert at > 0


async def test_so_it_does_where_the_service_says_409(start: Start, over_http: Faulty) -> None:
    seen = over_http.between.seen
    await meets(start, over_http, FEW_CALLS, lambda *_: None if "POST conflict" in seen else Fault.CONFLICT)
    assert "POST conflict" in seen


async def stops_answering(start: Start, faulty: Faulty, fault: Fault, name: str, works: int) -> None:
    """After some calls that work, the storage answers no more: the client gets 503, or the operation has happened."""
    faulty.between.fault = lambda number, _: fault if number >= works else None
    started = time.monotonic()
    answer = await CASES[name].act(faulty.client, start.directory)
    assert time.monotonic() - started < 20
    if answer.status == 503:
        assert int(answer.headers["retry-after"]) > 0
        assert "again" in answer.document["detail"]
    else:
        assert answer.status in (200, 204)
    faulty.between.fault = lambda *_: None
    await faulty.directly.sweep(before="9999", seconds=20)
    found = await held(faulty.client)
    assert found in (start.held, await whole(start, name))
    if answer.status != 503:
        assert found != start.held
    assert await faulty.clean()


@pytest.mark.parametrize("fault", BREAKING)
@pytest.mark.parametrize("works", [*range(13), 20])
@pytest.mark.parametrize("name", STOPPED)
async def test_a_storage_that_stops_answering_is_503_with_retry_after(
    start: Start, faulty: Faulty, fault: Fault, works: int, name: str
) -> None:
    await stops_answering(start, faulty, fault, name, works)


@pytest.mark.parametrize("fault", BREAKING)
async def test_so_is_one_that_stops_answering_over_http(start: Start, over_http: Faulty, fault: Fault) -> None:
    name, works = (FEW_CALLS, 2) if fault is Fault.SILENT else (MANY, 5)
    await stops_answering(start, over_http, fault, name, works)


async def test_a_request_that_takes_too_long_in_all_is_503(
    start: Start, faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind, directly = faulty.client, faulty.directly
    monkeypatch.setattr(endpoint, "REQUEST_SECONDS", 0.02)
    faulty.between.fault = lambda *_: Fault.SLOW
    started = time.monotonic()
    answer = await behind.delete(path(start.directory.users[0]))
    assert time.monotonic() - started < 1
    assert (answer.status, int(answer.headers["retry-after"]) > 0) == (503, True)
    faulty.between.fault = lambda *_: None
    await directly.sweep(before="9999", seconds=20)
    assert await faulty.clean()


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
    user = (await behind.patch(path(start.directory.users[3]), replace("title", "rings"))).document
    left = iter(range(5))

    async def overtake(kind: str) -> None:
        if kind == "transact" and (number := next(left, None)) is not None:
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

    async def lose(kind: str) -> None:
        faulty.between.fault = lambda *_: Fault.RESET if kind == "transact" and next(lost, False) else None

    faulty.between.before = lose
    user = await behind.document(start.directory.users[4])
    answer = await behind.patch(path(user), replace("title", "x"), headers={"if-match": user["meta"]["version"]})
    assert (answer.status, answer.document["title"]) == (200, "x")


async def test_a_deletion_whose_answer_was_lost_is_204(start: Start, faulty: Faulty) -> None:
    behind = faulty.client
    faulty.between.fault = lambda _, before: None if before else Fault.RESET
    assert (await behind.delete(path(start.directory.users[4]))).status == 204


async def test_members_that_join_while_the_storage_stumbles_are_all_there(start: Start, faulty: Faulty) -> None:
    behind = faulty.client
    faulty.between.fault = lambda number, _: list(Fault)[number % 4] if number % 3 == 0 else None
    for user in start.directory.users:
        assert (await behind.patch(path(start.directory.none), add("members", references(user)))).status == 204
    faulty.between.fault = lambda *_: None
    assert len((await behind.document(start.directory.none))["members"]) == len(start.directory.users)
    assert await faulty.clean()
