"""Bulks that no honest client sends: refused as a whole if they are no bulk, else operation by operation."""

import json
from typing import Any

import pytest

from scim_core.protocol.limits import MAX_BODY_BYTES, MAX_BULK_BYTES, MAX_NODES
from scim_core.work import MAX_UNITS, UNITS_PER_TURN
from tests.bulk import BULK_REQUEST, bulk, group, id_of, patch, post, statuses, user
from tests.hostile.test_bodies import NO_JSON
from tests.hostile.test_units_of_work import counting
from tests.scim import PATCH_OP, USER, Client, Json, add, member_ids, path, replace


async def there(client: Client) -> int:
    """How many resources there are."""
    return sum([(await client.get(url)).document["totalResults"] for url in ("/Users", "/Groups")])


async def refused(client: Client, body: Any) -> tuple[int, str | None]:
    """The status and type of a refusal, which has changed nothing."""
    answer = await client.post("/Bulk", body)
    assert await there(client) == 0
    return answer.status, answer.document.get("scimType")


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
async def test_what_is_no_clean_json_is_refused(client: Client, body: bytes) -> None:
    assert await refused(client, body) == (400, "invalidSyntax")


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
async def test_data_that_is_no_clean_json_refuses_the_whole_bulk(client: Client, body: bytes) -> None:
    """As nothing was changed yet, the client sends all of it again."""
    fine = json.dumps(user("fine")).encode()
    whole = b'{"Operations": [%b, {"method": "POST", "path": "/Users", "bulkId": "1", "data": %b}, %b]}'
    answer = await client.post("/Bulk", whole % (fine, body, fine.replace(b"fine", b"too")))
    if answer.status == 200:  # white space and two objects are no data, and not broken either
        assert body.strip() == b""
    assert answer.status == 400
    assert answer.document["scimType"] == "invalidSyntax"
    assert await there(client) == 0


@pytest.mark.parametrize(
    "body",
    [
        *(None, True, 0, "x", [], [{}], {}, {"Operations": None}, {"Operations": {}}, {"Operations": "x"}),
        {"Operations": [], "operations": []},
        {"schemas": [PATCH_OP], "Operations": []},
        {"schemas": [USER.replace("schemas:core:2.0:User", "api:messages:2.0:SearchRequest")], "Operations": []},
    ],
    ids=str,
)
async def test_what_is_no_bulk_is_refused(client: Client, body: Any) -> None:
    assert await refused(client, json.dumps(body).encode()) == (400, "invalidSyntax")


WRONG: dict[str, Any] = {
    "null": None,
    "a number": 1,
    "a text": "POST",
    "an array": [],
    "nothing": {},
    "no method": {"path": "/Users", "bulkId": "1", "data": {"userName": "x"}},
    "GET": {"method": "GET", "path": "/Users"},
    "another method": {"method": "POST ", "path": "/Users", "bulkId": "1", "data": {"userName": "x"}},
    "a method that is an array": {"method": ["POST"], "path": "/Users", "bulkId": "1", "data": {"userName": "x"}},
    "no path": {"method": "POST", "bulkId": "1", "data": {"userName": "x"}},
    "an empty path": {"method": "POST", "path": "", "bulkId": "1", "data": {"userName": "x"}},
    "a path that is a number": {"method": "POST", "path": 5, "bulkId": "1", "data": {"userName": "x"}},
    "no bulkId": {"method": "POST", "path": "/Users", "data": {"userName": "x"}},
    "an empty bulkId": {"method": "POST", "path": "/Users", "bulkId": "", "data": {"userName": "x"}},
    "a bulkId that is a number": {"method": "POST", "path": "/Users", "bulkId": 1, "data": {"userName": "x"}},
    "a version that is an object": {"method": "DELETE", "path": "/Users/1", "version": {}},
    "no data": {"method": "POST", "path": "/Users", "bulkId": "1"},
    "null as data": {"method": "POST", "path": "/Users", "bulkId": "1", "data": None},
    "a text as data": {"method": "POST", "path": "/Users", "bulkId": "1", "data": '{"userName": "x"}'},
    "an array as data": {"method": "POST", "path": "/Users", "bulkId": "1", "data": [{"userName": "x"}]},
    "a method twice": {"method": "POST", "METHOD": "POST", "path": "/Users", "bulkId": "1", "data": {"userName": "x"}},
    "data twice": {
        "method": "POST",
        "path": "/Users",
        "bulkId": "1",
        "data": {"userName": "x"},
        "Data": {"userName": "y"},
    },
    "a bulk": post("/Bulk", "1", schemas=[BULK_REQUEST], Operations=[user("inner")]),
    "a bulk in another spelling": post("//bulk/", "1", Operations=[user("inner")]),
    "a search": post("/Users/.search", "1", filter="userName pr"),
    "a search of all": post("/.search", "1"),
    "/Me": post("/Me", "1", userName="x"),
    "discovery": {"method": "DELETE", "path": "/Schemas"},
    "nothing that there is": post("/Shoes", "1", size=1),
    "something outside": post("/../../oauth2/token", "1", size=1),
    "a whole URL": post("https://scim.example.com/scim/v2/Users", "1", userName="x"),
    "a path that goes on": post("/Users/1/2/3", "1", userName="x"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_a_wrong_operation_fails_alone(client: Client, wrong: Any) -> None:
    results = await bulk(client, user("before"), wrong, group("after", "bulkId:before"))
    assert [results[0]["status"], results[2]["status"]] == ["201", "201"]
    assert 400 <= int(results[1]["status"]) < 500
    assert await there(client) == 2
    assert member_ids((await client.get("/Groups")).document["Resources"][0]) == [id_of(results[0])]


async def test_data_is_not_taken_for_that_of_another_operation(client: Client) -> None:
    """An escape in the name, empty data, and data in places where it is none."""
    body = (
        b'{"data": {"userName": "no"}, "Operations": [{"method": "DELETE", "path": "/Users/1", "d\\u0061ta": {}},'
        b'{"method": "POST", "path": "/Users", "bulkId": "1", "\\u0064ata": {"userName": "one"}},'
        b'{"method": "POST", "path": "/Users", "bulkId": "2", "x": {"data": {"userName": "no"}}, "data": []},'
        b'[{"data": {"userName": "no"}}],'
        b'{"method": "POST", "path": "/Users", "bulkId": "3", "data": {"userName": "three", "data": {"a": [{}]}}}]}'
    )
    results = (await client.post("/Bulk", body)).document["Operations"]
    assert statuses(results) == ["404", "201", "400", "400", "201"]
    names = [item["userName"] for item in (await client.get("/Users")).document["Resources"]]
    assert sorted(names) == ["one", "three"]


@pytest.mark.parametrize("number", [1_001, 10_000])
@pytest.mark.parametrize("operation", [user("x"), {}, None, 1, []], ids=str)
async def test_too_many_operations_are_refused_as_a_whole(client: Client, operation: Any, number: int) -> None:
    assert (await refused(client, {"Operations": [operation] * number}))[0] == 413


async def test_a_bulk_beyond_its_size_is_refused_as_a_whole(client: Client) -> None:
    body = json.dumps({"Operations": [user("x", title="x" * 1_000_000)] * 17}).encode()
    assert len(body) > MAX_BULK_BYTES
    assert (await refused(client, body))[0] == 413
    # Between the operations there is no room for more than another body has.
    for filler in (" " * MAX_BODY_BYTES, f'"x": "{"x" * MAX_BODY_BYTES}",'):
        spaced = f'{{{filler}"Operations": []}}'
        assert (await refused(client, spaced.encode()))[0] == 413
    assert (await refused(client, {"Operations": [], "x": [0] * (MAX_NODES + 1)}))[0] == 413


async def test_the_data_of_one_operation_is_no_larger_than_another_body(client: Client) -> None:
    large = [
        user("1", title="x" * 400_000, nickName="x" * 400_000, locale="x" * 400_000),
        user("2", x=[0] * (MAX_NODES + 1)),
        user("2b", **{f"x{number}": "x" * 9_000 for number in range(200)}),
        user("3", emails=[{"value": str(number)} for number in range(600)]),
    ]
    results = await bulk(client, *large, group("g", "bulkId:1"), user("4"))
    assert statuses(results) == ["413", "413", "413", "413", "409", "201"]
    assert await there(client) == 1


async def test_many_members_are_read_as_in_any_other_body(client: Client) -> None:
    members = [f"{number:08x}-0000-7000-8000-000000000000" for number in range(20_000)]
    one = await client.user("one")
    with counting() as counted:
        results = await bulk(client, group("g", *members, one["id"]), patch(path(one), replace("title", "x")))
    assert statuses(results) == ["201", "200"]
    assert counted.units < MAX_UNITS / 4
    assert member_ids((await client.get("/Groups")).document["Resources"][0]) == [one["id"]]


async def test_a_bulk_id_that_several_have_is_nobodys(client: Client) -> None:
    results = await bulk(client, user("1", "x"), user("1", "y"), group("g", "bulkId:1"), {**user("2"), "method": "PUT"})
    assert statuses(results) == ["400", "400", "409", "405"]
    assert await there(client) == 0


@pytest.mark.parametrize("size", [2, 50, 300])
async def test_a_circle_of_any_size_is_linked(client: Client, size: int) -> None:
    results = await bulk(client, *(group(str(n), f"bulkId:{(n + 1) % size}") for n in range(size)))
    assert set(statuses(results)) == {"201"}
    ids = [id_of(result) for result in results]
    groups = {item["id"]: item for item in (await client.get("/Groups", count=1_000)).document["Resources"]}
    assert [member_ids(groups[ids[n]]) for n in range(size)] == [[ids[(n + 1) % size]] for n in range(size)]


async def test_a_circle_of_fifty_that_cannot_close_is_gone(client: Client) -> None:
    operations = [group(str(n), f"bulkId:{(n + 1) % 50}") for n in range(50)]
    operations[31]["data"]["members"].append({"value": "bulkId:31"})
    results = await bulk(client, *operations)
    assert statuses(results) == ["409"] * 31 + ["400"] + ["409"] * 18
    assert await there(client) == 0


async def test_everything_refers_to_everything(client: Client) -> None:
    operations = [group(str(n), *(f"bulkId:{other}" for other in range(30) if other != n)) for n in range(30)]
    results = await bulk(client, *operations)
    assert set(statuses(results)) == {"201"}
    assert all(len(member_ids(item)) == 29 for item in (await client.get("/Groups")).document["Resources"])


async def test_a_chain_as_long_as_a_bulk_is_followed(client: Client) -> None:
    operations = [user(str(n), manager=f"bulkId:{n + 1}") for n in range(999)]
    results = await bulk(client, *operations, user("999"))
    assert set(statuses(results)) == {"201"}


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"method": "DELETE", "path": "/Users/bulkId:1"}, "404"),
        ({"method": "PUT", "path": "/Users/bulkId:1", "data": {"userName": "x"}}, "404"),
        (patch("/Groups/bulkId:1", add("members", [{"value": "bulkId:1"}])), "400"),
        ({"method": "DELETE", "path": "/Groups/bulkId:"}, "404"),
        ({"method": "DELETE", "path": "/Groups/bulkId:bulkId:1"}, "400"),
        ({"method": "DELETE", "path": "/bulkId:1/bulkId:1"}, "404"),
    ],
)
async def test_references_to_the_wrong_thing(client: Client, operation: Json, status: str) -> None:
    results = await bulk(client, group("1"), operation)
    assert statuses(results) == ["201", status]


async def test_a_text_that_only_looks_like_a_reference_stays(client: Client) -> None:
    texts = ["bulkId", "xbulkId:1", "bulkId:", "see bulkId:1", "bulkid:1"]
    results = await bulk(client, *(user(f"u{n}", title=text) for n, text in enumerate(texts)), user("1"))
    assert set(statuses(results)) == {"201"}
    shown = {item["userName"]: item.get("title") for item in (await client.get("/Users")).document["Resources"]}
    assert [shown[f"u{n}"] for n in range(len(texts))] == texts


async def test_a_bulk_of_brackets_is_refused_in_turns(client: Client) -> None:
    """16 MiB of brackets: they are looked through as far as a bulk of members has some, and nothing is parsed."""
    brackets = b'{"Operations": [{"method": "POST", "path": "/Users", "bulkId": "1", "data": {"x": [%b[]]}}]}'
    with counting() as counted:
        assert (await refused(client, brackets % (b"[]," * (5 * 1024 * 1024))))[0] == 413
    assert counted.units < MAX_UNITS / 10
    assert counted.longest <= UNITS_PER_TURN


async def test_a_thousand_large_users_fit_the_work_of_a_request(client: Client) -> None:
    """6 KB and more than a hundred values each, as with every attribute that Entra can map."""
    numbers = [{"value": f"+1 {number:060}", "type": f"kind {number}", "display": "x" * 60} for number in range(35)]
    operations = [user(f"{number:040}", phoneNumbers=numbers, name={"givenName": "x" * 40}) for number in range(1_000)]
    assert len(json.dumps(operations[0]["data"])) > 6_000
    with counting() as counted:
        results = await bulk(client, *operations)
    assert statuses(results) == ["201"] * 1_000
    assert counted.units < MAX_UNITS / 2
