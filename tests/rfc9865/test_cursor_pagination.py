"""RFC 9865 section 2: pages by cursor, of every list, and what a walk sees while others write."""

from typing import Any

import pytest

from scim_core.service import cursor_search, list_cursors, lookups, portions
from scim_core.service.list_cursors import CURSOR_SECONDS
from scim_core.storage.tables import TableStorage
from tests.contract.builders import also_on_azurite
from tests.memory_rows import memory_storage
from tests.scim import LIST, Client, Clock, Json, add, attribute, endpoint_over, path, references, replace, schema_files
from tests.walking import MASTER_KEY, ask, ids, page, pages, walker

TWELVE = [f"user{number:02}" for number in range(12)]


@pytest.fixture(scope="module")
async def twelve() -> Client:
    client = walker(memory_storage(), Clock())
    for name in TWELVE:
        await client.user(name, title=name[-1], active=name < "user06", externalId="same")
    return client


@pytest.fixture
def client(storage: TableStorage, clock: Clock) -> Client:
    return walker(storage, clock)


def names(of: Json) -> list[str]:
    return [item.get("userName") or item["displayName"] for item in of["Resources"]]


async def test_a_page_by_cursor_is_a_list_response_without_start_index(twelve: Client) -> None:
    first = await page(twelve, count=5)
    assert list(first) == ["schemas", "totalResults", "itemsPerPage", "nextCursor", "Resources"]
    assert (first["schemas"], first["totalResults"], first["itemsPerPage"]) == ([LIST], 12, 5)
    second = await page(twelve, count=5, cursor=first["nextCursor"])
    assert list(second) == ["schemas", "totalResults", "itemsPerPage", "previousCursor", "nextCursor", "Resources"]
    last = await page(twelve, count=5, cursor=second["nextCursor"])
    assert list(last) == ["schemas", "totalResults", "itemsPerPage", "previousCursor", "Resources"]
    assert [names(item) for item in (first, second, last)] == [TWELVE[:5], TWELVE[5:10], TWELVE[10:]]
    assert {item["totalResults"] for item in (first, second, last)} == {12}
    assert first["Resources"][0] == await twelve.document(first["Resources"][0])


@pytest.mark.parametrize("query", ["cursor", "cursor=", "CURSOR=", "count=3&cursor&filter=userName%20pr"])
async def test_an_empty_cursor_asks_for_the_first_page(twelve: Client, query: str) -> None:
    first = (await twelve.get(f"/Users?{query}")).document
    assert "startIndex" not in first
    assert names(first)[:3] == TWELVE[:3]


@pytest.mark.parametrize("query", [{}, {"startIndex": 1}])
async def test_index_paging_stays_the_default(twelve: Client, query: Json) -> None:
    by_index = (await twelve.get("/Users", count=5, **query)).document
    assert list(by_index) == ["schemas", "totalResults", "startIndex", "itemsPerPage", "Resources"]
    assert (await twelve.post("/Users/.search", {"count": 5, "cursor": None, **query})).document == by_index


@pytest.mark.parametrize(
    "filter_text", ['userName eq "nobody"', "title pr and title eq x", 'id eq "x"', 'groups eq "x"']
)
async def test_an_empty_list_is_one_page(twelve: Client, filter_text: str) -> None:
    found = await page(twelve, filter=filter_text)
    assert found == {"schemas": [LIST], "totalResults": 0, "itemsPerPage": 0, "Resources": []}


async def test_count_0_asks_for_the_total_alone(twelve: Client) -> None:
    for query in ({}, {"filter": "title pr"}, {"sortBy": "title"}):
        assert await page(twelve, count=0, **query) == {
            "schemas": [LIST],
            "totalResults": 12,
            "itemsPerPage": 0,
            "Resources": [],
        }
        assert "nextCursor" not in await page(twelve, count=-3, **query)


async def test_a_page_holds_no_more_than_the_greatest_page(client: Client) -> None:
    for number in range(1010):
        await client.user(f"user{number}")
    first = await page(client, count=5000)
    rest = await page(client, count=5000, cursor=first["nextCursor"])
    assert (first["itemsPerPage"], rest["itemsPerPage"], rest["totalResults"]) == (1000, 10, 1010)
    assert (await page(client))["itemsPerPage"] == 100


async def test_a_cursor_knows_the_count_of_its_walk(twelve: Client) -> None:
    first = await page(twelve, count=5)
    assert names(await page(twelve, cursor=first["nextCursor"])) == TWELVE[5:10]


EVERY_LIST = [
    ("/Users", {}),
    ("/Users/.search", {}),
    ("/Groups", {}),
    ("/Groups/.search", {}),
    ("/.search", {}),
    ("/.search", {"filter": "displayName pr or userName pr"}),
    ("/.search", {"filter": "userName pr"}),
    ("/Users", {"filter": "active eq true"}),
    ("/Users", {"filter": 'userName co "user"'}),
    ("/Users", {"filter": 'userName sw "user"'}),
    ("/Users", {"filter": 'userName sw "user" and active eq true'}),
    ("/Users", {"filter": 'externalId eq "same"'}),
    ("/Users", {"filter": 'externalId eq "same" and title pr'}),
    ("/Users", {"filter": 'displayName eq "same" or emails eq "same"'}),
    ("/Users", {"filter": 'groups eq "{group}"'}),
    ("/Users", {"filter": 'groups eq "{group}" and title pr'}),
    ("/Users", {"filter": "groups pr"}),
    ("/Users", {"filter": "meta.created pr", "attributes": "userName"}),
    ("/Users", {"excludedAttributes": "groups"}),
    ("/Groups", {"filter": 'externalId eq "same"'}),
    ("/Groups", {"filter": "members pr", "excludedAttributes": "members"}),
    ("/Groups", {"filter": 'members eq "{user}"'}),
    ("/Groups", {"filter": 'id eq "{group}" and members eq "{user}"'}),
    ("/Users", {"sortBy": "title"}),
    ("/Users", {"sortBy": "title", "sortOrder": "descending", "filter": "active eq true"}),
    ("/Users/.search", {"sortBy": "meta.created", "sortOrder": "descending"}),
    ("/Groups", {"sortBy": "displayName"}),
    ("/.search", {"sortBy": "displayName"}),
]


@pytest.fixture(scope="module")
async def populated() -> tuple[Client, Json]:
    """A client of a directory, and the ids by which the filters name a group and a user."""
    client = walker(memory_storage(), Clock())
    same: Json = {"externalId": "same", "displayName": "same", "emails": "same", "active": True}
    users = [await client.user(f"user{number}", title=f"{number % 3}", **same) for number in range(10)]
    groups = [await client.group(f"group{number}", *users, externalId="same") for number in range(7)]
    return client, {"{group}": groups[0]["id"], "{user}": users[0]["id"]}


def filled(query: Json, known: Json) -> Json:
    text = query.get("filter", "")
    for mark, resource_id in known.items():
        text = text.replace(mark, resource_id)
    return query | ({"filter": text} if text else {})


@pytest.mark.parametrize(("url", "query"), EVERY_LIST)
@pytest.mark.parametrize("count", [1, 3, 10, 11])
async def test_the_pages_of_every_list_are_the_list(
    populated: tuple[Client, Json], url: str, query: Json, count: int
) -> None:
    client, known = populated
    whole = (await ask(client, url, {**filled(query, known), "count": 1000})).document
    walked = await pages(client, url, count=count, **filled(query, known))
    assert [item for one in walked for item in one["Resources"]] == whole["Resources"] != []
    assert all(one["itemsPerPage"] <= count for one in walked)
    assert {one.get("totalResults", whole["totalResults"]) for one in walked} == {whole["totalResults"]}


@pytest.mark.parametrize(("url", "query"), EVERY_LIST[:2] + EVERY_LIST[11:12] + EVERY_LIST[14:15] + EVERY_LIST[23:])
async def test_the_total_is_told_where_it_costs_little(populated: tuple[Client, Json], url: str, query: Json) -> None:
    client, known = populated
    whole = (await ask(client, url, filled(query, known))).document["totalResults"]
    assert {one["totalResults"] for one in await pages(client, url, count=3, **filled(query, known))} == {whole}


async def test_the_total_is_left_out_where_everything_had_to_be_read(twelve: Client) -> None:
    walked = await pages(twelve, count=5, filter="title pr")
    assert [one.get("totalResults") for one in walked] == [None, None, None]
    assert (await page(twelve, count=12, filter="title pr"))["totalResults"] == 12


class Population:
    """Resources that are matched by a filter, and the means to change them."""

    def __init__(self, client: Client, url: str) -> None:
        self.client = client
        self.kind = "/Groups" if url == "/Groups" else "/Users"
        self.ids: list[str] = []

    async def grow(self, number: int = 1) -> None:
        same: Json = {"externalId": "same", "active": True, "title": "same", "displayName": "same", "emails": "same"}
        for _ in range(number):
            name = f"name{len(self.ids)}"
            if self.kind == "/Users":
                made = await self.client.user(name, **same)
            else:
                made = await self.client.group(name, externalId="same")
            self.ids.append(made["id"])

    async def remove(self, place: int) -> str:
        gone = self.ids[place]
        assert (await self.client.delete(f"{self.kind}/{gone}")).status == 204
        return gone


WHILE_OTHERS_WRITE = [
    ("/Users", {}),
    ("/Users/.search", {"filter": "active eq true"}),
    ("/Users", {"filter": 'title co "same"'}),
    ("/Users", {"filter": 'userName sw "name"'}),
    ("/Users", {"filter": 'externalId eq "same"'}),
    ("/Users", {"filter": 'externalId eq "same" and title eq "same"'}),
    ("/Users", {"filter": 'displayName eq "same" or emails eq "same"'}),
    ("/Users", {"sortBy": "externalId"}),
    ("/Users", {"sortBy": "userName", "sortOrder": "descending"}),
    ("/Groups", {"filter": 'externalId eq "same"'}),
    ("/.search", {"filter": "displayName pr"}),
]


@also_on_azurite
@pytest.mark.parametrize(("url", "query"), WHILE_OTHERS_WRITE)
async def test_what_matches_throughout_a_walk_is_seen_exactly_once(client: Client, url: str, query: Json) -> None:
    people = Population(client, url)
    await people.grow(20)
    others = await client.group("another", externalId="same") if url == "/.search" else None
    gone: set[str] = set()

    async def churn(number: int) -> None:
        if number == 1:
            gone.add(await people.remove(0))  # seen already
            gone.add(await people.remove(2))  # the last of the page
        if number == 2:
            gone.add(await people.remove(7))  # not seen yet
            await people.grow(2)
        if number == 3:
            gone.add(await people.remove(1))
            gone.add(await people.remove(-1))

    seen = ids(await pages(client, url, between=churn, count=3, **query))
    assert len(seen) == len(set(seen))
    throughout = set(people.ids[:20]) - gone | ({others["id"]} if others else set())
    assert throughout <= set(seen)


async def test_who_comes_to_match_and_goes_again_disturbs_nobody(client: Client) -> None:
    users = [await client.user(f"user{number}", title="in" if number % 2 else "out") for number in range(20)]

    async def swap(number: int) -> None:
        for user in (users[0], users[18]):  # before the walk, and after it
            await client.patch(path(user), replace("title", "in" if number % 2 else "out"))
        await client.patch(path(users[3]), replace("userName", f"renamed{number}"))

    seen = ids(await pages(client, between=swap, count=2, filter='title eq "in"'))
    assert len(seen) == len(set(seen))
    assert {user["id"] for user in users[1::2]} <= set(seen)


async def test_a_resource_whose_value_stays_is_met_once_in_a_sorted_list(client: Client) -> None:
    users = [await client.user(f"user{number}", title=f"{number % 4}") for number in range(20)]

    async def move(number: int) -> None:
        await client.patch(path(users[number]), replace("title", str(9 - number)))

    seen = ids(await pages(client, between=move, count=3, sortBy="title"))
    stayed = [user["id"] for user in users[7:]]
    assert sorted(item for item in seen if item in stayed) == stayed


@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize("sort_by", ["title", "meta.created", "active", "emails", "name.familyName", "id"])
async def test_a_sorted_walk_goes_on_where_its_last_resource_was(client: Client, sort_by: str, order: str) -> None:
    for number in range(9):
        some: Json = (
            {"title": "ß", "emails": [{"value": f"{number}@x"}], "name": {"familyName": "É"}} if number % 3 else {}
        )
        await client.user(f"user{number}", active=bool(number % 2), **some)
    query: Json = {"sortBy": sort_by, "sortOrder": order, "count": 2}
    whole = ids([(await client.get("/Users", **query | {"count": 100})).document])
    first = await page(client, **query)
    await client.delete(f"/Users/{first['Resources'][-1]['id']}")
    seen, cursor = ids([first]), first["nextCursor"]
    while cursor:
        following = await page(client, cursor=cursor, **query)
        seen, cursor = seen + ids([following]), following.get("nextCursor")
    assert seen == whole


async def test_a_value_that_no_cursor_can_hold_is_refused(client: Client) -> None:
    for number in range(4):
        await client.user(f"user{number}", title="x" * 501)
    answer = await client.get("/Users", cursor="", count=2, sortBy="title")
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
    assert "Sort by another attribute, or use startIndex" in answer.document["detail"]
    assert len((await page(client, count=4, sortBy="title"))["Resources"]) == 4


async def test_values_of_different_types_have_no_order(
    storage: TableStorage, clock: Clock, schema_directory: Any
) -> None:
    urn = "urn:example:Device"
    schema = {"id": urn, "name": "Device", "attributes": [attribute("displayName", "integer")]}
    kind = {"id": "Device", "name": "Device", "endpoint": "/Devices", "schema": urn}
    schema_files(schema_directory, device=schema, devices=kind)
    client = Client(
        endpoint_over(storage, clock, SCIM_SCHEMA_DIRECTORY=str(schema_directory), SCIM_MASTER_KEY=MASTER_KEY)
    )
    await client.user(displayName="one")
    assert (await client.post("/Devices", {"schemas": [urn], "displayName": 1})).status == 201
    for query in ({"cursor": ""}, {}):
        answer = await client.post("/.search", {"sortBy": "displayName", **query})
        assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
        assert "have no order" in answer.document["detail"]
    assert len(await pages(client, "/Devices", sortBy="displayName")) == 1


@pytest.mark.parametrize(("url", "query"), [("/Users", {}), ("/.search", {}), ("/Users", {"sortBy": "title"})])
async def test_previous_cursors_lead_back(populated: tuple[Client, Json], url: str, query: Json) -> None:
    client, _ = populated
    walked = await pages(client, url, count=2, **query)
    back = [walked[-1]]
    while cursor := back[-1].get("previousCursor"):
        back.append(await page(client, url, count=2, cursor=cursor, **query))
    assert [one["Resources"] for one in reversed(back)] == [one["Resources"] for one in walked[-len(back) :]]
    assert len(back) == min(len(walked), list_cursors.MAX_TRAIL + 1)
    forth = await page(client, url, count=2, cursor=back[-2]["nextCursor"], **query)
    assert forth["Resources"] == back[-3]["Resources"]


async def test_a_cursor_survives_a_restart_and_is_known_to_every_instance(storage: TableStorage, clock: Clock) -> None:
    cursor, seen = "", list[str]()
    await Population(walker(storage, clock), "/Users").grow(10)
    while True:
        found = await page(walker(storage, clock), count=3, cursor=cursor)
        seen += names(found)
        if "nextCursor" not in found:
            break
        cursor = found["nextCursor"]
    assert seen == [f"name{number}" for number in range(10)]


async def test_a_page_can_be_asked_for_again(twelve: Client) -> None:
    first = await page(twelve, count=5)
    again = [await page(twelve, count=5, cursor=first["nextCursor"]) for _ in range(2)]
    assert again[0]["Resources"] == again[1]["Resources"]


async def test_cursors_of_two_walks_do_not_disturb_each_other(client: Client) -> None:
    people = Population(client, "/Users")
    await people.grow(6)
    one = await page(client, count=2)
    await people.remove(0)
    other = await page(client, count=2)
    assert names(await page(client, count=2, cursor=one["nextCursor"])) == ["name2", "name3"]
    assert names(await page(client, count=2, cursor=other["nextCursor"])) == ["name3", "name4"]


async def test_a_walk_goes_on_as_long_as_its_pages_do_not_wait_too_long(client: Client, clock: Clock) -> None:
    await Population(client, "/Users").grow(10)

    async def pause(_: int) -> None:
        clock.advance(seconds=CURSOR_SECONDS - 1)

    assert len(ids(await pages(client, count=2, between=pause))) == 10


async def test_a_search_that_examines_very_much_goes_on_with_the_next_page(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursor_search, "MAX_SCAN", 20)
    monkeypatch.setattr(portions, "MAX_PORTION", 20)
    for number in range(100):
        await client.user(f"user{number}", **({"title": "x"} if number in (5, 50, 98) else {}))
    walked = await pages(client, count=2, filter="title pr")
    assert len(ids(walked)) == 3
    assert [] in [one["Resources"] for one in walked]
    assert len(walked) == 5


@pytest.mark.parametrize(
    "filter_text", ["title pr", 'externalId eq "same" and title pr', 'userName sw "user" and title pr']
)
async def test_a_search_that_computes_very_much_goes_on_with_the_next_page(
    client: Client, monkeypatch: pytest.MonkeyPatch, filter_text: str
) -> None:
    monkeypatch.setattr(cursor_search, "PAGE_UNITS", 1)
    monkeypatch.setattr(portions, "FIRST_PORTION", 4)
    monkeypatch.setattr(portions, "MAX_PORTION", 4)
    for number in range(20):
        await client.user(f"user{number}", externalId="same", **({"title": "x"} if number in (5, 18) else {}))
    walked = await pages(client, count=10, filter=filter_text)
    assert len(walked) > 2
    assert [item["userName"] for one in walked for item in one["Resources"]] == ["user5", "user18"]


async def test_members_of_a_group_are_walked_however_many_they_are(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [await client.user(f"user{number}") for number in range(12)]
    group = await client.group("group", *users)
    await client.patch(path(group), add("members", references(await client.group("nested"))))
    for module in (cursor_search, lookups):
        monkeypatch.setattr(module, "MAX_SCAN", 5)
    answer = await client.get("/Users", filter=f'groups eq "{group["id"]}"')
    assert answer.document["scimType"] == "tooMany"
    walked = await pages(client, count=3, filter=f'groups eq "{group["id"]}"')
    assert ids(walked) == [user["id"] for user in users]
