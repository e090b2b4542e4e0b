"""RFC 7644 section 3.7: many operations in one request."""

import asyncio
import json
import logging
from hashlib import sha256
from typing import Any

import pytest

from scim_core import Settings, build, work
from scim_core.access.authenticator import Authenticator
from scim_core.access.principal import Principal
from scim_core.messages import Caller
from scim_core.protocol import limits
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.reading import read_range
from tests.bulk import bulk, group, id_of, patch, post, statuses, user
from tests.memory_rows import MemoryRows, memory_storage
from tests.scim import (
    BASE,
    ENTERPRISE,
    GLOBAL_RELAY,
    PATCH_OP,
    TOKEN,
    Client,
    Clock,
    Json,
    add,
    endpoint_over,
    member_ids,
    path,
    remove,
    replace,
)
from tests.transcript import RecordedRows, Transcript


async def named(client: Client, url: str = "/Users") -> dict[str, Json]:
    """All users or groups by their names."""
    listed = (await client.get(url, count=1_000)).document["Resources"]
    return {item.get("userName") or item["displayName"]: item for item in listed}


async def test_the_configuration_announces_it(client: Client) -> None:
    announced = (await client.get("/ServiceProviderConfig")).document["bulk"]
    assert announced == {"supported": True, "maxOperations": 1_000, "maxPayloadSize": 16 * 1024 * 1024}


async def test_every_method_on_every_type(client: Client) -> None:
    """The example of section 3.7.3, with groups."""
    kept, gone = await client.user("kept"), await client.user("gone")
    old, left = await client.group("old", kept), await client.group("left")
    results = await bulk(
        client,
        user("qwerty", "Alice"),
        {"method": "PUT", "path": path(kept), "bulkId": "ytrewq", "data": {"userName": "Bob"}},
        {**patch(path(kept), replace("nickName", "x")), "bulkId": "tweq"},
        {"method": "DELETE", "path": path(gone), "version": gone["meta"]["version"]},
        group("new", kept["id"]),
        {"method": "PUT", "path": path(old), "data": {"displayName": "older", "members": []}},
        patch(path(old), add("members", [{"value": kept["id"]}])),
        {"method": "DELETE", "path": path(left)},
    )
    assert statuses(results) == ["201", "200", "200", "204", "201", "200", "204", "204"]
    assert [result["method"] for result in results] == ["POST", "PUT", "PATCH", "DELETE"] * 2
    assert [result.get("bulkId") for result in results] == ["qwerty", "ytrewq", "tweq", None, "new", None, None, None]
    users, groups = await named(client), await named(client, "/Groups")
    assert set(users) == {"Alice", "Bob"}
    assert {name: member_ids(item) for name, item in groups.items()} == {"new": [kept["id"]], "older": [kept["id"]]}
    locations = [result["location"].removeprefix(BASE) for result in results]
    assert locations[0] == path(users["Alice"])
    assert locations[1:4] == [path(kept), path(kept), path(gone)]
    assert results[2]["version"] != results[1]["version"]
    assert results[6]["version"] == groups["older"]["meta"]["version"]


async def test_an_operation_is_answered_as_the_request_by_itself_is(client: Client) -> None:
    """Errors, leniency and what is ignored: a bulk adds nothing and leaves nothing out."""
    there = await client.user("there", emails=[{"value": "a@b", "type": "work"}])
    cases: list[tuple[str, str, Any]] = [
        ("POST", "/Users", {"userName": "THERE"}),
        ("POST", "/Users", {"userName": ""}),
        ("POST", "/Users", {"userName": "x", "active": "perhaps"}),
        ("POST", "/Users", {"schemas": [PATCH_OP], "userName": "x"}),
        ("PUT", path(there), {"displayName": "no name"}),
        ("PUT", "/Users/nobody", {"userName": "x"}),
        ("PATCH", path(there), {"Operations": [replace("shoeSize", 1)]}),
        ("PATCH", path(there), {"Operations": [replace("Active", "False"), add("title", "x")]}),
        ("PATCH", path(there), {"Operations": [replace('emails[type eq "home"].value', "y")]}),
        ("PATCH", path(there), {}),
        ("PATCH", "/Groups/nobody", {"Operations": []}),
        ("POST", "/Shoes", {"size": 1}),
        ("PUT", "/Users", {"userName": "x"}),
        ("DELETE", "/Groups", None),
        ("DELETE", "/Users/nobody", None),
        ("DELETE", path(there), None),
    ]
    other = Client(endpoint_over(memory_storage(), Clock()))
    twin = await other.user("there", emails=[{"value": "a@b", "type": "work"}])
    operations = [
        {"method": method, "path": url.replace(there["id"], twin["id"]), "bulkId": str(number), "data": data}
        for number, (method, url, data) in enumerate(cases)
    ]
    results = await bulk(other, *operations)
    for (method, url, data), result in zip(cases, results, strict=True):
        single = await client.send(method, url, data)
        assert result["status"] == str(single.status), (method, url, data, result)
        if single.status >= 400:
            expected = {key: value for key, value in single.document.items() if key != "detail"}
            assert {key: value for key, value in result["response"].items() if key != "detail"} == expected


async def test_references_in_any_value(client: Client) -> None:
    results = await bulk(
        client,
        user("boss"),
        user("one", **{ENTERPRISE: {"manager": {"value": "bulkId:boss", "displayName": "kept out"}}}),
        user("two", **{ENTERPRISE: {"manager": {"$ref": "../Users/bulkId:boss"}}}),
        user("three", **{f"{ENTERPRISE}:manager": "bulkId:boss"}),
        user("four", **{GLOBAL_RELAY: {"extensionAttribute1": "bulkId:boss"}}),
        group("team", "bulkId:one", "bulkId:two"),
        post("/Groups", "by ref", displayName="by ref", members=[{"$ref": f"{BASE}/Users/bulkId:three"}]),
        group("teams", "bulkId:team", "bulkId:one"),
        patch("/Users/bulkId:four", replace("manager", "bulkId:one")),
        patch("/Users/bulkId:boss", {"op": "add", "value": {f"{ENTERPRISE}:manager": {"value": "bulkId:two"}}}),
        patch(
            "/Groups/bulkId:teams",
            add("members", [{"value": "bulkId:three"}, {"value": "bulkId:four"}]),
            remove('members[value eq "bulkId:one"]'),
            remove(f'members[$ref eq "{BASE}/Users/bulkId:four"]'),
        ),
    )
    assert statuses(results) == ["201"] * 8 + ["200", "200", "204"]
    users, groups = await named(client), await named(client, "/Groups")
    managers = {name: item[ENTERPRISE]["manager"]["value"] for name, item in users.items() if ENTERPRISE in item}
    ids = {name: item["id"] for name, item in (users | groups).items()}
    boss, one, two = ids["boss"], ids["one"], ids["two"]
    assert managers == {"one": boss, "two": boss, "three": boss, "four": one, "boss": two}
    assert users["four"][GLOBAL_RELAY]["extensionAttribute1"] == boss
    assert member_ids(groups["team"]) == sorted([one, two])
    assert member_ids(groups["by ref"]) == [ids["three"]]
    assert member_ids(groups["teams"]) == sorted([ids["team"], ids["three"]])
    assert [item["type"] for item in groups["teams"]["members"] if item["value"] == ids["team"]] == ["Group"]


@pytest.mark.parametrize("name", ["1", "Zoë", "a/b", "bulkId:x", "x y", "\\", "'", "\u2028", "😀"])
async def test_a_bulk_id_may_be_any_text(client: Client, name: str) -> None:
    results = await bulk(client, group("g", f"bulkId:{name}", name="g"), user(name, "u"))
    assert statuses(results) == ["201", "201"]
    assert member_ids((await named(client, "/Groups"))["g"]) == [id_of(results[1])]


async def test_references_may_point_forward(client: Client) -> None:
    results = await bulk(
        client,
        patch("/Groups/bulkId:g", add("members", [{"value": "bulkId:u2"}])),
        group("g", "bulkId:u1", "bulkId:inner"),
        group("inner", "bulkId:u2"),
        user("u2", manager="bulkId:u1"),
        user("u1"),
    )
    assert statuses(results) == ["204", "201", "201", "201", "201"]
    ids = [id_of(result) for result in results]
    groups = await named(client, "/Groups")
    assert member_ids(groups["g"]) == sorted([ids[2], ids[3], ids[4]])
    assert member_ids(groups["inner"]) == [ids[3]]


async def test_references_in_a_circle_are_linked_once_all_are_created(client: Client) -> None:
    results = await bulk(
        client,
        group("a", "bulkId:b", "bulkId:u"),
        group("b", "bulkId:c"),
        group("c", "bulkId:a", "bulkId:outside"),
        user("u", title="kept", **{ENTERPRISE: {"department": "d", "manager": {"value": "bulkId:v"}}}),
        user("v", manager="bulkId:u"),
        user("self", manager={"value": "bulkId:self"}),
        user("outside"),
        patch("/Groups/bulkId:a", remove('members[value eq "bulkId:u"]')),
    )
    assert statuses(results) == ["201"] * 7 + ["204"]
    a, b, c, u, v, own, outside, _ = (id_of(result) for result in results)
    groups, users = await named(client, "/Groups"), await named(client)
    assert member_ids(groups["a"]) == [b]
    assert member_ids(groups["b"]) == [c]
    assert member_ids(groups["c"]) == sorted([a, outside])
    assert users["u"][ENTERPRISE]["manager"]["value"] == v
    assert (users["u"][ENTERPRISE]["department"], users["u"]["title"]) == ("d", "kept")
    assert users["v"][ENTERPRISE]["manager"]["value"] == u
    assert users["self"][ENTERPRISE]["manager"]["value"] == own


async def test_where_one_of_a_circle_fails_none_is_left(client: Client) -> None:
    await client.user("taken")
    results = await bulk(
        client,
        group("a", "bulkId:b"),
        group("b", "bulkId:a", "bulkId:u"),
        user("u", "taken", manager="bulkId:v"),
        user("v", manager="bulkId:u"),
        user("fine"),
        user("after", manager="bulkId:v"),
    )
    assert statuses(results) == ["409", "409", "409", "409", "201", "409"]
    assert results[2]["response"]["scimType"] == "uniqueness"
    assert "userName" in results[3]["response"]["detail"]  # the reason, which is the other's
    assert "'v'" in results[5]["response"]["detail"]
    assert set(await named(client)) == {"taken", "fine"}
    assert await named(client, "/Groups") == {}


async def test_where_a_link_cannot_be_made_what_was_created_is_deleted(client: Client) -> None:
    results = await bulk(client, group("a", "bulkId:b"), group("b", "bulkId:b", "bulkId:a"), group("c"))
    assert statuses(results) == ["409", "400", "201"]
    assert results[1]["response"]["detail"].startswith("A group cannot be a member of itself. (request ")
    assert "member of itself" in results[0]["response"]["detail"]
    assert set(await named(client, "/Groups")) == {"c"}
    # The names are free again.
    assert statuses(await bulk(client, group("a", "bulkId:b"), group("b", "bulkId:a"))) == ["201", "201"]


async def test_what_cannot_be_deleted_again_is_said(client: Client, storage: TableStorage) -> None:
    with pytest.MonkeyPatch.context() as context:
        context.setattr(storage, "delete", _busy)
        results = await bulk(client, group("a", "bulkId:b"), group("b", "bulkId:b", "bulkId:a"))
    assert statuses(results) == ["503", "503"]
    left = await named(client, "/Groups")
    assert set(left) == {"a", "b"}
    for result in results:
        assert "Delete it yourself" in result["response"]["detail"]


async def _busy(*_: Any, **__: Any) -> None:
    raise StorageBusy("it is busy")


async def test_who_refers_to_what_failed_fails_and_changes_nothing(client: Client) -> None:
    there = await client.group("there")
    results = await bulk(
        client,
        user("u", ""),
        group("g", "bulkId:u"),
        group("h", "bulkId:g"),
        patch(path(there), add("members", [{"value": "bulkId:u"}])),
        patch("/Users/bulkId:u", replace("title", "x")),
        group("i", "bulkId:nobody"),
    )
    assert statuses(results) == ["400", "409", "409", "409", "409", "400"]
    assert results[5]["response"]["scimType"] == "invalidValue"
    assert await named(client) == {}
    assert await named(client, "/Groups") == {"there": there}


@pytest.mark.parametrize("accepted", [1, 2, 3, 7])
async def test_no_more_operations_fail_than_the_client_accepts(client: Client, accepted: int) -> None:
    operations = [
        operation for n in range(6) for operation in (user(f"{n}"), {"method": "DELETE", "path": f"/Users/{n}"})
    ]
    results = await bulk(client, *operations, failOnErrors=accepted)
    failed = [result for result in results if result["status"] == "404"]
    assert len(failed) == min(accepted, 6)
    assert len(await named(client)) == len(results) - len(failed)
    assert len(results) < len(operations) or accepted == 7
    # Nothing was begun after the last error that is accepted.
    if accepted == 1:
        assert [result["method"] for result in results] == ["POST", "DELETE"]


@pytest.mark.parametrize("wrong", ["1", 0, -1, 1.5, True, [], {}])
async def test_a_wrong_number_of_errors_is_refused(client: Client, wrong: Any) -> None:
    answer = await client.post("/Bulk", {"Operations": [user("u")], "failOnErrors": wrong})
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
    assert await named(client) == {}


async def test_without_a_limit_all_operations_are_tried(client: Client) -> None:
    results = await bulk(client, *(user(str(number), "same") for number in range(5)), user("other"), failOnErrors=None)
    assert statuses(results) == ["201", "409", "409", "409", "409", "201"]


async def test_a_version_is_a_condition(client: Client) -> None:
    there = await client.user("there")
    version = there["meta"]["version"]
    results = await bulk(
        client,
        patch(path(there), replace("title", "1"), version=version),
        patch(path(there), replace("title", "2"), version=version),
        {"method": "PUT", "path": path(there), "data": {"userName": "x"}, "version": 'W/"other"'},
        {"method": "DELETE", "path": path(there), "version": version},
    )
    assert statuses(results) == ["200", "412", "412", "412"]
    assert (await client.document(there))["title"] == "1"


async def test_operations_on_one_resource_keep_their_order(client: Client) -> None:
    there, other = await client.user("there"), await client.group("g")
    names = [patch(path(there), replace("title", str(number))) for number in range(30)]
    results = await bulk(
        client,
        *names,
        patch(path(other), add("members", [{"value": there["id"].upper()}])),
        {"method": "DELETE", "path": path(there)},
        patch(path(there), replace("title", "late")),
        user("again", "there"),
    )
    assert statuses(results) == ["200"] * 30 + ["204", "204", "404", "201"]
    assert member_ids(await client.document(other)) == []


async def test_writers_of_one_unique_value_keep_their_order(client: Client) -> None:
    old = await client.user("old")
    results = await bulk(
        client,
        user("1", "Name"),
        user("2", "NAME"),
        patch(path(old), replace("userName", "name")),
        patch(path(old), {"op": "replace", "value": {"userName": "free"}}),
        user("3", "Free"),
        group("Name"),
    )
    assert statuses(results) == ["201", "409", "409", "200", "409", "201"]


async def test_a_name_is_free_after_an_earlier_deletion(client: Client) -> None:
    there = [await client.user(f"user {number}") for number in range(20)]
    deletions = [{"method": "DELETE", "path": path(item)} for item in there]
    results = await bulk(client, *deletions, *(user(str(number), f"USER {number}") for number in range(20)))
    assert statuses(results) == ["204"] * 20 + ["201"] * 20


async def test_independent_operations_run_side_by_side_and_no_more_than_said(
    client: Client, storage: TableStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _most_at_once(storage, monkeypatch) as seen:
        await bulk(client, *(user(str(number)) for number in range(50)))
    assert max(seen) == limits.BULK_SIDE_BY_SIDE == 16
    with _most_at_once(storage, monkeypatch) as seen:
        await bulk(client, *(user(f"x{number}") for number in range(50)), failOnErrors=3)
    assert max(seen) == 3


class _most_at_once:  # noqa: N801 -- used as a function
    """How many creates run at the same time."""

    def __init__(self, storage: TableStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        self._storage, self._monkeypatch = storage, monkeypatch

    def __enter__(self) -> list[int]:
        seen: list[int] = []
        running = 0
        create = type(self._storage).create

        async def counted(*arguments: Any, **more: Any) -> None:
            nonlocal running
            running += 1
            seen.append(running)
            for _ in range(500):  # turns of the event loop, in which others can begin
                await asyncio.sleep(0)
            try:
                await create(self._storage, *arguments, **more)
            finally:
                running -= 1

        self._monkeypatch.setattr(self._storage, "create", counted)
        return seen

    def __exit__(self, *_: object) -> None:
        self._monkeypatch.undo()


class Elapsing:
    """A timer that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def elapsing() -> Elapsing:
    return Elapsing()


@pytest.fixture
def timed(storage: TableStorage, clock: Clock, elapsing: Elapsing) -> Client:
    environment = {
        "SCIM_TOKEN_SHA256": sha256(TOKEN.encode()).hexdigest(),
        "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
    }
    return Client(build(Settings.from_environment(environment), storage, clock, timer=elapsing))


@pytest.mark.parametrize("accepted", [None, 50])
async def test_when_the_time_is_over_the_rest_is_503_and_the_bulk_200(
    timed: Client, storage: TableStorage, elapsing: Elapsing, monkeypatch: pytest.MonkeyPatch, accepted: int | None
) -> None:
    create = storage.create
    created = 0

    async def slow(*arguments: Any, **more: Any) -> None:
        nonlocal created
        await create(*arguments, **more)
        created += 1
        if created == 20:
            elapsing.now += limits.BULK_SECONDS

    monkeypatch.setattr(storage, "create", slow)
    results = await bulk(
        timed, *(user(str(number)) for number in range(100)), group("a", "bulkId:a"), failOnErrors=accepted
    )
    done = [result for result in results if result["status"] == "201"]
    assert 20 <= len(done) < 20 + limits.BULK_SIDE_BY_SIDE
    late = [result for result in results if result["status"] == "503"]
    assert len(late) == (accepted or 101 - len(done))
    assert len(results) == len(done) + len(late)
    assert all("did not begin" in result["response"]["detail"] for result in late)
    assert len(await named(timed)) == len(done)


async def test_the_time_of_a_bulk_begins_with_its_request(
    timed: Client, elapsing: Elapsing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the time of the request would be over before that of the bulk, and what was done would not be told."""
    authenticate = Authenticator.authenticate

    async def slow(authenticator: Authenticator, caller: Caller) -> Principal:
        elapsing.now += limits.BULK_SECONDS
        return await authenticate(authenticator, caller)

    with monkeypatch.context() as patched:
        patched.setattr(Authenticator, "authenticate", slow)
        results = await bulk(timed, user("late"))
    assert statuses(results) == ["503"]
    assert "did not begin" in results[0]["response"]["detail"]
    assert await named(timed) == {}


async def test_what_takes_too_long_is_cut_off_and_the_bulk_is_answered(
    client: Client, storage: TableStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("scim_core.endpoint.bulk_run.BULK_END_SECONDS", 0.05)
    monkeypatch.setattr(storage, "create", never)
    there = await client.get("/Users")
    results = await bulk(client, user("never"))
    assert statuses(results) == ["503"]
    assert "may have been made, or not" in results[0]["response"]["detail"]
    assert there.status == 200


async def test_a_bulk_has_the_work_of_one_request(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MAX_UNITS", 3_000)
    results = await bulk(client, *(user(str(number)) for number in range(100)))
    assert set(statuses(results)) == {"201", "413"}
    assert "too much computing" in results[-1]["response"]["detail"]
    assert len(await named(client)) == statuses(results).count("201")


async def test_a_patch_may_be_a_bare_array_of_operations(client: Client) -> None:
    there = await client.user("there")
    operation = {"method": "patch", "path": path(there)[1:], "data": [replace("title", "x")]}
    assert statuses(await bulk(client, operation)) == ["200"]
    assert (await client.document(there))["title"] == "x"


async def test_names_of_the_message_are_read_in_any_case(client: Client) -> None:
    body = {
        "operations": [{"METHOD": "post", "Path": "Users/", "BULKID": "1", "Data": {"USERNAME": "x"}}],
        "SCHEMAS": [],
    }
    answer = await client.post("/bulk", body)
    assert statuses(answer.document["Operations"]) == ["201"]


async def test_an_empty_bulk_is_answered(client: Client) -> None:
    assert await bulk(client) == []


async def test_each_operation_has_a_line_in_the_log_and_an_entry_in_the_feed(
    client: Client, storage: TableStorage, caplog: pytest.LogCaptureFixture
) -> None:
    there = await client.user("secret-there")
    await storage.relay("default")
    with caplog.at_level(logging.INFO, "scim_core.endpoint.endpoint"):
        results = await bulk(
            client,
            user("secret-1", "secret-one"),
            patch(path(there), replace("title", "secret")),
            user("secret-2", "secret-there"),
            {"method": "DELETE", "path": "/Users/secret"},
            {"method": "DELETE", "path": path(there)},
            post("/Secrets", "secret-3"),
            group("secret", "bulkId:secret", "bulkId:secret-1"),
        )
    lines = [record.__dict__ for record in caplog.records]
    shown = [(line["method"], line["operation"], line["status"], line.get("result")) for line in lines]
    assert sorted(shown[:-1], key=str) == sorted(
        [
            ("POST", "create", 201, "created"),
            ("PATCH", "patch", 200, "changed"),
            ("POST", "create", 409, None),
            ("DELETE", "delete", 404, None),
            ("DELETE", "delete", 204, "deleted"),
            ("POST", "unknown", 404, None),
            # A group that is a member of itself is created, cannot be linked, and is deleted.
            ("POST", "create", 201, "created"),
            ("POST", "replace", 400, None),
            ("POST", "delete", 204, "deleted"),
        ],
        key=str,
    )
    assert shown[-1] == ("POST", "bulk", 200, None)
    resources = {line.get("resource") for line in lines}
    assert {there["id"], id_of(results[0])} <= resources
    assert len({line["correlation_id"] for line in lines if "correlation_id" in line}) == 1
    assert "secret" not in str([(line["msg"], line["args"]) for line in lines] + [sorted(map(str, resources))])
    rows = await read_range(storage.rows, "default", keys.of_kind("change"))
    notes = [json.loads(row.properties["n0"]) for row in rows]
    assert sorted(note["method"] for note in notes) == ["DELETE", "PATCH", "POST", "POST", "POST"]
    assert len({note["request"] for note in notes}) == 1


@pytest.mark.parametrize("before", ["", "/", "//"])
@pytest.mark.parametrize("after", ["", "/", "//"])
async def test_slashes_around_a_path_do_not_matter_and_are_not_told(client: Client, before: str, after: str) -> None:
    there = await client.user("there")
    [changed, nowhere] = await bulk(
        client,
        patch(f"{before}Users//{there['id']}{after}", replace("title", "x")),
        {"method": "DELETE", "path": f"{before}Shoes{after}"},
    )
    assert (changed["status"], changed["location"]) == ("200", f"{BASE}{path(there)}")
    assert "There is nothing at /scim/v2/Shoes." in nowhere["response"]["detail"]


@pytest.mark.parametrize("slashes", ["/", "//"])
@pytest.mark.parametrize("operation", [{"method": "DELETE"}, {"method": "PUT", "data": {"userName": "x"}}], ids=str)
@pytest.mark.parametrize(
    ("below", "status"),
    [("Users", "405"), ("users/", "405"), ("Users/no-id", "404"), ("Users/a b/", "404"), ("Users/1/2/3", "404")],
)
async def test_an_operation_that_is_no_creation_tells_where_it_was_sent_to_also_if_it_fails(
    client: Client, operation: Json, slashes: str, below: str, status: str
) -> None:
    """RFC 7644 section 3.7: location is REQUIRED in a response, except in the event of a POST failure."""
    [failed] = await bulk(client, {**operation, "path": f"{slashes}{below}"})
    assert failed["status"] == status
    assert failed["location"] == f"{BASE}/{below.strip('/').replace('users', 'Users').replace(' ', '%20')}"
    assert "//" not in failed["response"]["detail"]


async def test_an_operation_without_a_place_tells_none(client: Client) -> None:
    results = await bulk(
        client,
        {"method": "DELETE", "path": "/Shoes/1"},
        {"method": "DELETE", "path": "/Users/bulkId:nobody"},
        {"method": "DELETE", "path": "https://scim.example.com/scim/v2/Users/1"},
        post("/Users/1/2", "1", userName="x"),
        {"method": "DELETE", "path": f"/Users/{'x' * 5_000}"},
    )
    assert [result.get("location") for result in results] == [None] * 5


async def test_a_deletion_waits_for_an_earlier_write_of_the_name_that_it_frees(client: Client) -> None:
    """The write waits for something else, and the deletion could begin at once. It would make the write possible."""
    there, other = await client.user("x"), await client.group("y")
    manager = {ENTERPRISE: {"manager": {"value": "bulkId:boss"}}}
    results = await bulk(
        client,
        user("boss"),
        user("taken", "X", **manager),
        {"method": "DELETE", "path": path(there)},
        group("taken too", "bulkId:boss", name="y"),
        {"method": "DELETE", "path": path(other)},
        user("free", "x"),
    )
    assert statuses(results) == ["201", "409", "204", "409", "204", "201"]


async def test_a_deletion_waits_for_writes_of_what_the_bulk_itself_has_given_to_the_resource(client: Client) -> None:
    there = await client.user("x")

    def below(boss: str) -> Json:
        return {ENTERPRISE: {"manager": {"value": f"bulkId:{boss}"}}}

    results = await bulk(
        client,
        user("boss"),
        user("boss1", **below("boss")),
        user("boss2", **below("boss1")),
        patch(path(there), replace("userName", "renamed")),
        user("made"),
        user("first", "Renamed", **below("boss2")),
        user("second", "Made", **below("boss2")),
        {"method": "DELETE", "path": path(there)},
        {"method": "DELETE", "path": "/Users/bulkId:made"},
    )
    assert statuses(results) == ["201", "201", "201", "200", "201", "409", "409", "204", "204"]


async def test_a_resource_is_read_for_its_names_only_where_an_earlier_operation_writes_names_of_its_type(
    clock: Clock,
) -> None:
    recorded = Transcript()
    client = Client(endpoint_over(TableStorage(RecordedRows(MemoryRows(), recorded), clock), clock))

    async def calls(*operations: Json) -> int:
        before = len(recorded.calls)
        assert all(result["status"] < "300" for result in await bulk(client, *operations))
        return len(recorded.calls) - before

    users = [await client.user(f"there{number}") for number in range(8)]
    deletions = [{"method": "DELETE", "path": path(item)} for item in users]
    alone, creation = await calls(*deletions[:2]), await calls(user("a"))
    assert await calls(*deletions[2:4], user("b")) == alone + creation
    assert await calls(group("c"), *deletions[4:6]) == alone + await calls(group("d"))
    assert await calls(user("e"), *deletions[6:8]) > alone + creation
