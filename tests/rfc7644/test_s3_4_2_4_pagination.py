"""RFC 7644 sections 3.4.2 and 3.4.2.4: list responses and their pages."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from scim_core.service.page_positions import POSITION_LIFETIME
from scim_core.storage.tables import TableStorage
from tests.memory_rows import memory_storage
from tests.scim import LIST, Client, Clock, Json, add, endpoint_over, path, references

TWELVE = [f"user{number:02}" for number in range(12)]


@pytest.fixture(scope="module")
async def twelve() -> Client:
    client = Client(endpoint_over(memory_storage(), Clock()))
    for name in TWELVE:
        await client.user(name, title=name[-1], active=name < "user06", emails=[{"value": f"{name}@x"}])
    return client


def names(page: Json) -> list[str]:
    return [item["userName"] for item in page["Resources"]]


async def test_a_list_has_the_form_of_a_list_response(twelve: Client) -> None:
    page = (await twelve.get("/Users")).document
    assert list(page) == ["schemas", "totalResults", "startIndex", "itemsPerPage", "Resources"]
    assert (page["schemas"], page["totalResults"], page["startIndex"], page["itemsPerPage"]) == ([LIST], 12, 1, 12)
    assert names(page) == TWELVE
    assert page["Resources"][0] == await twelve.document(page["Resources"][0])


@pytest.mark.parametrize("url", ["/Users", "/Groups"])
async def test_an_empty_list_is_a_list(client: Client, url: str) -> None:
    page = (await client.get(url)).document
    assert page == {"schemas": [LIST], "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": []}


FILTERS = [
    None,
    "userName pr",
    'userName sw "user"',
    'emails ew "@x"',
    "active eq true or active eq false",
    "meta.created pr",
]


@pytest.mark.parametrize("filter_text", FILTERS)
@pytest.mark.parametrize(
    ("start", "count", "part"),
    [
        (1, 5, TWELVE[0:5]),
        (6, 5, TWELVE[5:10]),
        (11, 5, TWELVE[10:12]),
        (12, 1, TWELVE[11:12]),
        (1, 12, TWELVE[0:12]),
        (1, 13, TWELVE[0:12]),
        (1, 1000, TWELVE[0:12]),
        (1, 1001, TWELVE[0:12]),
        (1, 10**30, TWELVE[0:12]),
        (13, 5, TWELVE[12:12]),
        (10**30, 5, TWELVE[12:12]),
        (1, 0, TWELVE[0:0]),
        (5, 0, TWELVE[0:0]),
    ],
)
async def test_a_page_is_a_part_of_the_list(
    twelve: Client, filter_text: str | None, start: int, count: int, part: list[str]
) -> None:
    query: dict[str, Any] = {"startIndex": start, "count": count} | ({"filter": filter_text} if filter_text else {})
    page = (await twelve.get("/Users", **query)).document
    assert names(page) == part
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (12, start, len(part))


@pytest.mark.parametrize("start", [0, -1, -(10**20), ""])
async def test_a_start_below_one_is_one(twelve: Client, start: Any) -> None:
    page = (await twelve.get("/Users", startIndex=start, count=2)).document
    assert (page["startIndex"], names(page)) == (1, TWELVE[:2])


@pytest.mark.parametrize("count", [-1, -(10**20)])
async def test_a_count_below_zero_is_zero(twelve: Client, count: int) -> None:
    page = (await twelve.get("/Users", count=count)).document
    assert (page["totalResults"], page["itemsPerPage"], page["Resources"]) == (12, 0, [])


@pytest.mark.parametrize("value", ["x", "1.5", "1e3", "0x10", "1 2", "null", "9" * 5000, "½"])
@pytest.mark.parametrize("name", ["startIndex", "count"])
async def test_what_is_no_integer_is_refused(twelve: Client, name: str, value: str) -> None:
    answer = await twelve.get("/Users", **{name: value})
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
    assert name in answer.document["detail"]


async def test_a_page_holds_a_hundred_unless_asked_and_never_more_than_a_thousand(client: Client) -> None:
    for number in range(1010):
        await client.user(f"user{number}")
    config = (await client.get("/ServiceProviderConfig")).document
    assert (await client.get("/Users")).document["itemsPerPage"] == config["pagination"]["defaultPageSize"] == 100
    most = (await client.get("/Users", count=5000)).document
    assert (most["itemsPerPage"], most["totalResults"]) == (1000, 1010)
    assert config["filter"]["maxResults"] == config["pagination"]["maxPageSize"] == 1000
    rest = (await client.get("/Users", startIndex=1001, count=5000)).document
    assert (rest["itemsPerPage"], rest["startIndex"]) == (10, 1001)


@pytest.mark.parametrize("name", ["aadOptscim062020", "code", "api-version", "x", "$skip"])
async def test_unknown_parameters_are_ignored(twelve: Client, name: str) -> None:
    page = (await twelve.get(f"/Users?{name}&{name}=&{name}=x&count=1")).document
    assert names(page) == TWELVE[:1]


type Between = Callable[[int], Awaitable[Any]]


async def walk(client: Client, between: Between, *, count: int = 3, url: str = "/Users", **query: Any) -> list[str]:
    """The ids seen by a client that reads page after page until totalResults; `between` runs after each page."""
    seen: list[str] = []
    start, pages = 1, 0
    while True:
        page = (await client.get(url, startIndex=start, count=count, **query)).document
        assert page["startIndex"] == start
        seen += [item["id"] for item in page["Resources"]]
        start += page["itemsPerPage"]
        pages += 1
        if start > page["totalResults"] or not page["Resources"]:
            return seen
        await between(pages)


WALKS = [
    ("/Users", {}),
    ("/Users", {"filter": "active eq true"}),
    ("/Users", {"filter": 'userName co "user"'}),
    ("/Users", {"filter": 'userName sw "user"'}),
    ("/Users", {"filter": 'title eq "same" or nickName pr'}),
    ("/Users", {"filter": 'externalId eq "same"'}),
    ("/Users", {"filter": 'displayName eq "same" or emails eq "same"'}),
    ("/Users", {"filter": "meta.created pr", "attributes": "userName"}),
    ("/Groups", {}),
    ("/Groups", {"filter": 'externalId eq "same"'}),
]


class Population:
    """Ten resources that are matched by every filter of WALKS, and the means to change them."""

    def __init__(self, client: Client, url: str) -> None:
        self.client = client
        self.make = client.user if url == "/Users" else client.group
        self.ids: list[str] = []
        self.url = url

    async def grow(self, number: int = 1) -> None:
        same: Json = {"externalId": "same", "active": True, "title": "same", "displayName": "same", "emails": "same"}
        same = same if self.url == "/Users" else {"externalId": "same"}
        for _ in range(number):
            self.ids.append((await self.make(f"user{len(self.ids)}", **same))["id"])

    async def remove(self, place: int) -> str:
        gone = self.ids[place]
        await self.client.delete(f"{self.url}/{gone}")
        return gone


@pytest.mark.parametrize(("url", "query"), WALKS)
@pytest.mark.parametrize("count", [1, 3, 4, 10, 11])
async def test_a_walk_sees_everything_once_in_order(client: Client, url: str, query: Json, count: int) -> None:
    people = Population(client, url)
    await people.grow(10)

    async def nothing(_: int) -> None:
        return

    assert await walk(client, nothing, count=count, url=url, **query) == people.ids
    assert await walk(client, nothing, count=count, url=url, **query) == people.ids


@pytest.mark.parametrize(("url", "query"), WALKS)
async def test_what_exists_throughout_a_walk_is_seen_exactly_once(client: Client, url: str, query: Json) -> None:
    people = Population(client, url)
    await people.grow(20)
    gone: set[str] = set()

    async def churn(page: int) -> None:
        if page == 1:
            gone.add(await people.remove(0))  # seen already
            gone.add(await people.remove(2))  # the last of the page
        if page == 2:
            gone.add(await people.remove(7))  # not seen yet
            await people.grow(2)
        if page == 3:
            gone.add(await people.remove(1))
            gone.add(await people.remove(-1))

    seen = await walk(client, churn, url=url, **query)
    assert len(seen) == len(set(seen))
    assert set(people.ids[:20]) - gone <= set(seen)
    assert seen == sorted(seen)


@pytest.mark.parametrize(("url", "query"), WALKS[:2])
async def test_a_walk_that_pauses_for_long_still_ends(client: Client, clock: Clock, url: str, query: Json) -> None:
    people = Population(client, url)
    await people.grow(10)

    async def pause(_: int) -> None:
        clock.now += POSITION_LIFETIME + timedelta(seconds=1)

    assert await walk(client, pause, url=url, **query) == people.ids


async def test_pages_may_be_read_in_any_order_and_size(twelve: Client) -> None:
    for start, count in ((9, 2), (4, 3), (1, 1), (11, 9), (4, 3), (7, 2), (2, 10), (9, 2), (1, 12)):
        page = (await twelve.get("/Users", startIndex=start, count=count)).document
        assert names(page) == TWELVE[start - 1 : start - 1 + count]
        assert page["totalResults"] == 12


async def test_walks_of_different_searches_do_not_disturb_each_other(twelve: Client) -> None:
    first = await twelve.get("/Users", count=4)
    active = await twelve.get("/Users", count=4, filter="active eq true")
    odd = await twelve.get("/Users", count=4, filter='userName ew "1"')
    assert [names(page.document) for page in (first, active, odd)] == [TWELVE[:4], TWELVE[:4], ["user01", "user11"]]
    assert names((await twelve.get("/Users", startIndex=5, count=4)).document) == TWELVE[4:8]
    assert names((await twelve.get("/Users", startIndex=5, count=4, filter="active eq true")).document) == TWELVE[4:6]


async def test_the_total_of_a_new_walk_is_new(client: Client) -> None:
    people = Population(client, "/Users")
    await people.grow(5)
    assert (await client.get("/Users", count=2)).document["totalResults"] == 5
    await people.remove(0)
    assert (await client.get("/Users", count=2)).document["totalResults"] == 4
    await people.grow(2)
    assert (await client.get("/Users", count=2)).document["totalResults"] == 6


async def test_two_instances_serve_one_walk(storage: TableStorage, clock: Clock) -> None:
    one, other = (Client(endpoint_over(storage, clock)) for _ in range(2))
    people = Population(one, "/Users")
    await people.grow(10)
    seen = names((await one.get("/Users", count=3)).document)
    await people.remove(1)
    seen += names((await other.get("/Users", count=3, startIndex=4)).document)
    seen += names((await one.get("/Users", count=3, startIndex=7)).document)
    seen += names((await other.get("/Users", count=3, startIndex=10)).document)
    assert seen == [f"user{number}" for number in range(10)]


async def test_a_walk_of_the_members_of_a_group_is_not_disturbed(client: Client) -> None:
    users = [await client.user(f"user{number}") for number in range(12)]
    group = await client.group("group")
    await client.patch(path(group), add("members", references(*users)))

    async def leave(page: int) -> None:
        await client.delete(path(users[page - 1]))

    seen = await walk(client, leave, filter=f'groups eq "{group["id"]}"')
    assert len(seen) == len(set(seen))
    assert {item["id"] for item in users[4:]} <= set(seen)


async def test_a_list_shows_members_and_groups_unless_excluded(client: Client) -> None:
    users = [await client.user(f"user{number}") for number in range(3)]
    groups = [await client.group("one", *users[:2]), await client.group("two", *users)]
    assert (await client.get("/Groups")).document["Resources"] == groups
    shown = (await client.get("/Users")).document["Resources"]
    assert shown == [await client.document(user) for user in users]
    assert [len(item["groups"]) for item in shown] == [2, 2, 1]
    excluded = (await client.get("/Groups", excludedAttributes="members")).document["Resources"]
    assert all("members" not in item for item in excluded)
