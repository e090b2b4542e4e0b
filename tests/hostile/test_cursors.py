"""Cursors that are cut, changed, made up, or of something else: each is refused, and none tells anything."""

import base64
import random

import pytest

from scim_core.service.list_cursors import MAX_CURSOR_CHARACTERS, MAX_TRAIL
from tests.memory_rows import memory_storage
from tests.scim import Client, Clock, Json, endpoint_over
from tests.tenancy import Service, document, settings
from tests.walking import MASTER_KEY, WITH_CURSORS, ask, page, walker

QUERY: Json = {"filter": "active eq true", "sortBy": "userName", "attributes": "userName,title", "count": 2}


@pytest.fixture(scope="module")
async def six() -> Client:
    client = walker(memory_storage(), Clock())
    for number in range(6):
        await client.user(f"user{number}@example.com", active=True, title="secret")
    return client


async def refused(client: Client, url: str, query: Json) -> bool:
    answer = await ask(client, url, query)
    return (answer.status, answer.document.get("scimType")) == (400, "invalidCursor")


async def test_a_cursor_that_is_cut_or_longer_is_refused(six: Client) -> None:
    cursor = (await page(six, count=2))["nextCursor"]
    for length in range(1, len(cursor)):
        assert await refused(six, "/Users", {"cursor": cursor[:length]})
    for more in ("A", "AAAA", "=", ".", "-", cursor):
        assert await refused(six, "/Users", {"cursor": cursor + more})
    assert await refused(six, "/Users/.search", {"cursor": "A" * (MAX_CURSOR_CHARACTERS + 4)})


async def test_a_cursor_with_another_character_is_refused(six: Client) -> None:
    cursor = (await page(six, count=2))["nextCursor"]
    for place, letter in enumerate(cursor):
        other = "B" if letter == "A" else chr(ord(letter) + 1)  # the last ones may stand for the same bytes
        assert await refused(six, "/Users", {"cursor": cursor[:place] + other + cursor[place + 1 :]})


async def test_made_up_bytes_are_refused(six: Client) -> None:
    drawn = random.Random(9865)
    for size in (0, 1, 12, 13, 27, 28, 29, 60, 200):
        made_up = base64.urlsafe_b64encode(drawn.randbytes(size)).decode().rstrip("=")
        assert not made_up or await refused(six, "/Users", {"cursor": made_up})


OTHER_QUERIES: dict[str, Json] = {
    "another filter": {"filter": "active eq false"},
    "no filter": {"filter": ""},
    "another attribute": {"sortBy": "title"},
    "another order": {"sortOrder": "descending"},
    "no order": {"sortBy": ""},
    "other attributes": {"attributes": "userName"},
    "all attributes": {"attributes": ""},
    "attributes left out": {"attributes": "", "excludedAttributes": "userName,title"},
}


@pytest.mark.parametrize("other", OTHER_QUERIES.values(), ids=OTHER_QUERIES)
async def test_a_cursor_of_another_query_is_refused(six: Client, other: Json) -> None:
    cursor = (await page(six, **QUERY))["nextCursor"]
    assert (await ask(six, "/Users", {**QUERY, "cursor": cursor})).status == 200
    assert await refused(six, "/Users", {**QUERY, **other, "cursor": cursor})


@pytest.mark.parametrize("url", ["/Groups", "/Groups/.search", "/.search"])
async def test_a_cursor_of_other_types_is_refused(six: Client, url: str) -> None:
    cursor = (await page(six, count=2))["nextCursor"]
    assert await refused(six, url, {"cursor": cursor})
    assert await refused(six, "/Users", {"cursor": (await page(six, "/.search", count=2))["nextCursor"]})


async def test_the_endpoint_and_its_search_are_one_list(six: Client) -> None:
    cursor = (await page(six, count=2))["nextCursor"]
    listed = (await page(six, count=2, cursor=cursor))["Resources"]
    assert (await page(six, "/Users/.search", count=2, cursor=cursor))["Resources"] == listed


async def test_a_cursor_of_another_deployment_is_refused() -> None:
    storage, clock = memory_storage(), Clock()
    one = walker(storage, clock)
    other_key = base64.urlsafe_b64encode(bytes(32)).decode()
    other = Client(endpoint_over(storage, clock, SCIM_MASTER_KEY=other_key))
    for number in range(3):
        await one.user(f"user{number}")
    assert await refused(other, "/Users", {"cursor": (await page(one, count=1))["nextCursor"]})


async def test_a_cursor_tells_nothing_and_is_never_the_same_twice(six: Client) -> None:
    cursors = [(await page(six, **QUERY))["nextCursor"] for _ in range(3)]
    assert len(set(cursors)) == len({cursor[:16] for cursor in cursors}) == 3
    for cursor in cursors:
        opened = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        for known in (b"user", b"example", b"secret", b"userName", b"active", MASTER_KEY.encode()):
            assert known not in opened


async def test_cursors_stay_short_however_long_the_walk(six: Client) -> None:
    lengths, cursor = list[int](), ""
    for number in range(60):
        await six.user(f"another{number}")
    while True:
        found = await page(six, count=1, cursor=cursor)
        if "nextCursor" not in found:
            break
        cursor = found["nextCursor"]
        lengths.append(len(cursor))
    assert len(lengths) > 2 * MAX_TRAIL
    assert max(lengths) < 1_000
    assert len(set(lengths[MAX_TRAIL:])) == 1


async def test_a_sorted_walk_over_long_values_has_cursors_that_fit_a_request_line() -> None:
    client = walker(memory_storage(), Clock())
    for number in range(12):
        await client.user(f"user{number:02}", title="\U00010348" * 499 + chr(97 + number))
    cursor, seen = "", list[str]()
    while True:
        found = await page(client, count=1, cursor=cursor, sortBy="title")
        seen += [item["userName"] for item in found["Resources"]]
        cursor = found.get("nextCursor", "")
        assert len(cursor) <= 4_100
        if not cursor:
            break
    assert seen == [f"user{number:02}" for number in range(12)]


async def test_a_cursor_of_another_tenant_is_refused() -> None:
    service = Service(settings(**WITH_CURSORS))
    one, other = [await service.tenant(name) for name in ("one", "other")]
    for issued in (one, other):
        for number in range(4):
            made = await service.send("POST", "/scim/v2/Users", issued.secret, {"userName": f"user{number}"})
            assert made.status == 201
    first = document(await service.send("GET", "/scim/v2/Users?cursor&count=2", one.secret))
    url = f"/scim/v2/Users?count=2&cursor={first['nextCursor']}"
    answer = await service.send("GET", url, other.secret)
    assert (answer.status, document(answer)["scimType"]) == (400, "invalidCursor")
    assert "userName" not in answer.body.decode()
    assert (await service.send("GET", url)).status == 401
    service.restart()
    following = document(await service.send("GET", url, one.secret))
    assert [item["userName"] for item in following["Resources"]] == ["user2", "user3"]


async def test_a_revoked_credential_goes_on_with_no_cursor() -> None:
    service = Service(settings(**WITH_CURSORS))
    issued = await service.tenant("one")
    for number in range(4):
        await service.send("POST", "/scim/v2/Users", issued.secret, {"userName": f"user{number}"})
    first = document(await service.send("GET", "/scim/v2/Users?cursor&count=2", issued.secret))
    await service.administration.revoke(issued.tenant.id, issued.credential.id)
    service.restart()
    answer = await service.send("GET", f"/scim/v2/Users?count=2&cursor={first['nextCursor']}", issued.secret)
    assert answer.status == 401
