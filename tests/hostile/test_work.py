"""What one request may compute: units of work and turns are counted, and no time is measured."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from scim_core import work as module
from scim_core.endpoint import endpoint as endpoint_module
from scim_core.service import filter_test, portions
from scim_core.storage.tables import TableStorage
from scim_core.work import BURST_UNITS, MAX_UNITS, UNITS_PER_TURN, Shares, Work
from tests.memory_rows import memory_storage
from tests.scim import Client, Clock, Json, endpoint_over, path
from tests.tenancy import Service, settings

TERMS = " or ".join(['phoneNumbers[value co "zz"]'] * 234)
"""The filter of a review: with 500 numbers in each of 200 users it took 318 seconds."""


@dataclass
class Turns:
    """The units between two moments at which others run, and how many functions went to a thread."""

    all: list[int] = field(default_factory=lambda: [0])
    threads: int = 0

    @property
    def longest(self) -> int:
        return max(self.all)

    @property
    def spent(self) -> int:
        return sum(self.all)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    """What requests compute from now on."""
    found = Turns()
    charge, next_turn, in_thread = module._Share.charge, module._Share.next_turn, module._Share.in_thread

    def counted(share: Any, units: int) -> None:
        found.all[-1] += units
        charge(share, units)

    async def noted(share: Any, *turn: Any) -> None:
        await next_turn(share, *turn)
        found.all.append(0)

    async def threaded(share: Any, function: Callable[[], Any]) -> Any:
        found.threads += 1
        found.all.append(0)
        return await in_thread(share, function)

    monkeypatch.setattr(module._Share, "charge", counted)
    monkeypatch.setattr(module._Share, "next_turn", noted)
    monkeypatch.setattr(module._Share, "in_thread", threaded)
    return found


def small_turns(monkeypatch: pytest.MonkeyPatch, units: int) -> None:
    monkeypatch.setattr(module, "UNITS_PER_TURN", units)
    monkeypatch.setattr(module, "UNITS_AT_ONCE", units)
    monkeypatch.setattr(filter_test, "UNITS_PER_TURN", units)


async def many_valued(client: Client, number: int, values: int = 500) -> None:
    for user in range(number):
        await client.user(f"user{user}", phoneNumbers=[{"value": f"+{item}"} for item in range(values)])


async def test_a_filter_of_too_many_comparisons_is_refused_before_it_is_tested(client: Client, turns: Turns) -> None:
    await many_valued(client, 11)  # 104,000 units each
    before = turns.spent
    for answer in (
        await client.post("/Users/.search", {"filter": TERMS}),
        await client.post("/.search", {"filter": TERMS}),
        await client.post("/Users/.search", {"filter": TERMS, "sortBy": "userName"}),
    ):
        assert (answer.status, answer.document["scimType"]) == (400, "tooMany")
        assert "too much computing for its filter" in answer.document["detail"]
    assert turns.spent - before < 3 * 12_000  # reading the filter and the users


async def test_the_comparisons_of_one_resource_are_many_turns(
    client: Client, monkeypatch: pytest.MonkeyPatch, turns: Turns
) -> None:
    await many_valued(client, 2, 50)
    small_turns(monkeypatch, 200)
    turns.all[:] = [0]
    assert await client.found("/Users", " or ".join(['phoneNumbers[value co "zz"]'] * 20)) == []
    assert turns.spent > 20 * 50
    assert turns.longest <= 250  # a turn, or the reading of the filter


async def test_conditions_on_one_element_go_to_a_thread(
    client: Client, monkeypatch: pytest.MonkeyPatch, turns: Turns
) -> None:
    await many_valued(client, 1, 50)
    small_turns(monkeypatch, 100)
    text = "phoneNumbers[" + " and ".join(['value co "+"'] * 10) + ' and value eq "+7"]'
    assert len(await client.found("/Users", text)) == 1
    assert turns.threads >= 1


LONG_LISTS: dict[str, tuple[str, Json]] = {
    "a filter": ("/Users", {"filter": 'title co "z" or phoneNumbers.value co "z"'}),
    "sorting": ("/Users", {"sortBy": "phoneNumbers.value", "count": 1000}),
    "a long page": ("/Users", {"count": 1000}),
    "a projected page": ("/Users", {"count": 1000, "attributes": "userName,phoneNumbers.value"}),
    "all types": ("/.search", {"count": 1000}),
    "all types, sorted": ("/.search", {"count": 1000, "sortBy": "userName"}),
}


@pytest.mark.parametrize(("url", "query"), LONG_LISTS.values(), ids=LONG_LISTS)
async def test_others_run_after_every_turn_of_a_long_list(
    client: Client, monkeypatch: pytest.MonkeyPatch, turns: Turns, url: str, query: Json
) -> None:
    await many_valued(client, 60, 10)
    small_turns(monkeypatch, 200)
    turns.all[:] = [0]
    answer = await (client.post(url, query) if url == "/.search" else client.get(url, **query))
    assert answer.status == 200
    assert len(turns.all) > 3
    assert turns.longest <= 500  # a turn, and a portion that was read


async def test_a_large_group_is_rendered_and_written_in_turns(
    client: Client, monkeypatch: pytest.MonkeyPatch, turns: Turns
) -> None:
    users = [await client.user(f"user{number}") for number in range(600)]
    group = await client.group("group", *users)
    small_turns(monkeypatch, 50)
    turns.all[:] = [0]
    shown = await client.document(group)
    assert len(shown["members"]) == 600
    turns.all.remove(turns.longest)  # the reading, which is counted afterwards
    assert turns.longest <= 100  # what a request costs by itself
    for query, names in (
        ({"attributes": "members.value"}, {"value"}),
        ({"excludedAttributes": "members.$ref"}, {"value", "type"}),
    ):
        document = (await client.get(path(group), **query)).document
        assert [set(item) for item in document["members"]] == [names] * 600
        assert {item["value"] for item in document["members"]} == {user["id"] for user in users}
    assert "members" not in (await client.get(path(group), excludedAttributes="members")).document


async def test_the_deadline_holds_for_computing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory nothing is waited for, so that only a turn that ends can end the request."""
    await many_valued(client, 20, 10)
    small_turns(monkeypatch, 1)
    monkeypatch.setattr(endpoint_module, "REQUEST_SECONDS", 0)
    answer = await client.get("/Users", filter='title co "z"')
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


async def test_what_is_read_is_bounded_by_the_largest_resource(
    client: Client, storage: TableStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[int]()
    page = storage.page

    async def noted(*args: Any, **options: Any) -> Any:
        answer = await page(*args, **options)
        read.append(sum(resource.size for resource in answer.resources))
        return answer

    monkeypatch.setattr(storage, "page", noted)
    for number in range(60):
        await client.user(f"user{number}", title="x" * 100_000)
    monkeypatch.setattr(portions, "PORTION_CHARACTERS", 500_000)
    for query in ({"filter": 'title eq "y"'}, {"sortBy": "userName"}, {"count": 1000}):
        read.clear()
        assert (await client.get("/Users", **query)).status == 200
        assert max(read[1:]) < 500_000
    assert read[0] < 500_000  # by now it is known how large they are


async def test_no_more_is_read_than_an_answer_holds(
    client: Client, storage: TableStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        await client.user(f"user{number}", title="x" * 1_000)
    monkeypatch.setattr(portions, "PORTION_CHARACTERS", 5_000)
    monkeypatch.setattr(portions, "MAX_ANSWER_BYTES", 10_000)
    monkeypatch.setattr("scim_core.service.root_search.MAX_ANSWER_BYTES", 10_000)
    await client.get("/Users", count=1)
    read = list[int]()
    page = storage.page

    async def noted(*args: Any, **options: Any) -> Any:
        answer = await page(*args, **options)
        read.append(len(answer.resources))
        return answer

    monkeypatch.setattr(storage, "page", noted)
    answer = (await client.get("/Users", count=60)).document
    assert 1 < answer["itemsPerPage"] < 10
    assert sum(read) < 15


async def test_with_a_registry_a_tenant_beyond_its_share_waits_and_others_do_not() -> None:
    shares = Service(settings()).endpoint._gate.shares
    with shares.work("contoso") as work:
        await work.spend(int(BURST_UNITS) + 100, "a test")
    with shares.work("contoso") as work:
        waiting = asyncio.create_task(work.spend(1, "a test"))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        waiting.cancel()
    with shares.work("fabrikam") as work:
        await work.spend(UNITS_PER_TURN, "a test")


async def test_one_tenant_alone_never_waits_for_a_share() -> None:
    endpoint = endpoint_over(memory_storage(), Clock())
    for _ in range(3):
        with endpoint._gate.shares.work("default") as work:
            async with asyncio.timeout(1):
                await work.spend(MAX_UNITS, "a test")


async def test_every_request_has_a_work_and_gives_its_places_back(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = list[Work]()
    make = Shares.work

    def noted(shares: Shares, tenant: str) -> Work:
        works.append(make(shares, tenant))
        return works[-1]

    monkeypatch.setattr(Shares, "work", noted)
    group = await client.group("group", await client.user())
    for answer in (
        await client.get("/Users", count=1000),
        await client.get(path(group)),
        await client.get("/Users", filter="title pr", sortBy="userName"),
        await client.get("/Users", filter="nonsense"),
    ):
        assert answer.status in (200, 400)
    assert len(works) == 6
    assert all(item.spent >= module.UNITS_PER_REQUEST for item in works)
    assert {item._share.large_readers._value for item in works} == {module.MAX_LARGE_READERS}


async def test_a_list_that_would_wait_behind_too_many_is_told_to_come_back(
    clock: Clock, storage: TableStorage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = endpoint_over(storage, clock)
    monkeypatch.setattr(module, "MAX_WAITING", 0)
    client = Client(endpoint)
    user = await client.user()
    with ExitStack() as others:
        for _ in range(module.MAX_LARGE_READERS):
            await others.enter_context(endpoint._gate.shares.work("default")).expect_much()
        answer = await client.get("/Users", count=100)
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert "too many wait" in answer.document["detail"]
        assert await client.document(user) == user
    assert "event=rate-limited" in caplog.text
    assert 'reason="the share of the tenant"' in caplog.text
    assert (await client.get("/Users", count=100)).status == 200
