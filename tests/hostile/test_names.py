"""Names that would break a line or look like others: refused with the code point, however they are sent."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.scim import Client, Json, add, path, replace

# ruff: noqa: RUF001 -- letters that look alike are what it is about

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"

REFUSED = {
    **{chr(point): f"U+{point:04X}" for point in (*range(0x20), *range(0x7F, 0xA0))},
    "\u2028": "U+2028 (LINE SEPARATOR)",
    "\u2029": "U+2029 (PARAGRAPH SEPARATOR)",
    "\u202a": "U+202A (LEFT-TO-RIGHT EMBEDDING)",
    "\u202c": "U+202C (POP DIRECTIONAL FORMATTING)",
    "\u202e": "U+202E (RIGHT-TO-LEFT OVERRIDE)",
    "\u2066": "U+2066 (LEFT-TO-RIGHT ISOLATE)",
    "\u2069": "U+2069 (POP DIRECTIONAL ISOLATE)",
}

ENDS = {" ": "U+0020 (SPACE)", "\u00a0": "U+00A0 (NO-BREAK SPACE)", "\u3000": "U+3000 (IDEOGRAPHIC SPACE)"}


async def refused(answer: Any, said: str) -> None:
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue"), answer.document
    assert said in answer.document["detail"]


@pytest.mark.parametrize(("character", "said"), REFUSED.items(), ids=REFUSED.values())
@pytest.mark.parametrize(("url", "attribute"), [("/Users", "userName"), ("/Groups", "displayName")])
async def test_what_breaks_a_name_is_refused_and_named(
    client: Client, url: str, attribute: str, character: str, said: str
) -> None:
    answer = await client.post(url, {attribute: f"ann{character}b"})
    await refused(answer, f"{attribute} holds {said} as its character 4.")
    assert (await client.get(url)).document["totalResults"] == 0


@pytest.mark.parametrize(("space", "said"), ENDS.items(), ids=ENDS.values())
async def test_white_space_at_either_end_is_refused(client: Client, space: str, said: str) -> None:
    for name, where in ((f"{space}ann", "begins"), (f"ann{space}", "ends")):
        for url, attribute in (("/Users", "userName"), ("/Groups", "displayName")):
            await refused(await client.post(url, {attribute: name}), f"{attribute} {where} with {said}.")
    assert (await client.post("/Users", {"userName": f"a{space}n"})).status == 201


@pytest.mark.parametrize("name", [" ", "\u3000", "\t", "\n", "\u2029", ""])
async def test_a_name_of_nothing_is_refused(client: Client, name: str) -> None:
    for url, attribute in (("/Users", "userName"), ("/Groups", "displayName")):
        answer = await client.post(url, {attribute: name})
        assert (answer.status, answer.document["scimType"]) == (400, "invalidValue"), name


Way = Callable[[Client, Json, str], Awaitable[Any]]
WAYS: dict[str, Way] = {
    "PUT": lambda client, user, name: client.put(path(user), {"userName": name}),
    "a path": lambda client, user, name: client.patch(path(user), replace("userName", name)),
    "add to a path": lambda client, user, name: client.patch(path(user), add("userName", name)),
    "a path in capitals": lambda client, user, name: client.patch(path(user), replace("USERNAME", name)),
    "a path with the URN": lambda client, user, name: client.patch(path(user), replace(f"{USER}:userName", name)),
    "no path": lambda client, user, name: client.patch(path(user), {"op": "replace", "value": {"userName": name}}),
    "add without a path": lambda client, user, name: client.patch(
        path(user), {"op": "add", "value": {"userName": name}}
    ),
    "no path and the URN": lambda client, user, name: client.patch(
        path(user), {"op": "replace", "value": {f"{USER}:userName": name}}
    ),
    "the URN as an object": lambda client, user, name: client.patch(
        path(user), {"op": "replace", "path": USER, "value": {"userName": name}}
    ),
    "among others": lambda client, user, name: client.patch(
        path(user), replace("title", "x"), replace("userName", name), replace("nickName", "N")
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_no_way_sets_such_a_name(client: Client, way: Way) -> None:
    user = await client.user("ann")
    for name, said in (("a\u202eb", "U+202E"), ("a\x00b", "U+0000"), ("ann ", "U+0020"), ("a\nb", "U+000A")):
        await refused(await way(client, user, name), said)
        assert await client.document(user) == user


async def test_no_way_sets_such_a_name_of_a_group(client: Client) -> None:
    group = await client.group("staff")
    for answer in (
        await client.put(path(group), {"displayName": "a\u202eb"}),
        await client.patch(path(group), replace("displayName", "a\u202eb")),
        await client.patch(path(group), {"op": "replace", "value": {"displayName": "a\u202eb"}}),
        await client.patch(path(group), {"op": "add", "value": {f"{GROUP}:displayName": "a\u202eb"}}),
    ):
        await refused(answer, "displayName holds U+202E (RIGHT-TO-LEFT OVERRIDE) as its character 2.")


async def test_other_attributes_are_stored_as_sent_and_found(client: Client) -> None:
    odd = " a\tb\n\u202ec\x7f "
    user = await client.user("ann", displayName=odd, title=odd, externalId=odd)
    assert (user["displayName"], user["title"], user["externalId"]) == (odd, odd, odd)
    for attribute in ("displayName", "title", "externalId"):
        assert await client.names(f"{attribute} eq {json.dumps(odd)}") == ["ann"]


async def stored_by_version_0_2(client: Client, storage: TableStorage, name: str) -> Json:
    """A user whose row is as version 0.2 stored it, which refused no character."""
    user = await client.user("ann", title="Director")
    key = keys.resource("User", user["id"])
    row = await storage.rows.get("default", key)
    assert row is not None
    document = json.loads(row.properties["d0"]) | {"userName": name}
    change = RowOperation(Verb.MERGE, Role.RESOURCE, key, {"d0": json.dumps(document)})
    await storage.rows.transact("default", [change])
    return user | {"userName": name}


@pytest.mark.parametrize("name", [" ann ", "a\u202eb", "a\x00b", "ann\n"])
async def test_a_stored_name_stops_no_other_change(client: Client, storage: TableStorage, name: str) -> None:
    user = await stored_by_version_0_2(client, storage, name)
    deactivated = await client.patch(path(user), replace("active", value=False))
    assert (deactivated.status, deactivated.document["userName"]) == (200, name)
    repeated = await client.patch(path(user), replace("userName", name), replace("active", value=True))
    assert (repeated.status, repeated.document["active"]) == (200, True)
    whole = {"userName": name, "active": False, "title": "Director"}
    assert (await client.put(path(user), whole)).status == 200  # as Okta deactivates
    assert (await client.put(path(user), whole | {"userName": f"{name}\n"})).status == 400
    assert (await client.patch(path(user), replace("userName", "ann"))).status == 200


async def test_homographs_are_allowed_and_stay_distinct(client: Client) -> None:
    names = ["paypal", "pаypal", "раураl", "ｐaypal", "pay\u200bpal", "ﬁx", "fix", "straße", "strasse", "ı", "i"]
    for name in names:
        await client.user(name)
        await client.group(name)
    for name in names:
        assert await client.names(f'userName eq "{name}"') == [name]
        assert await client.names(f'displayName eq "{name}"', "/Groups") == [name]


async def test_names_are_compared_alike_wherever_they_are_compared(client: Client) -> None:
    for number, name in enumerate(("ΟΔΟΣ", "οδοσα", "ΟΔΟΡ")):
        await client.user(f"{name}@x", displayName=name, title=name, externalId=f"ΟΔΟΣ{number}")
    for attribute, end in (("userName", "@x"), ("displayName", ""), ("title", "")):
        for spelling in ("ΟΔΟΣ", "οδοσ", "οδος"):
            same = ["ΟΔΟΣ@x"]
            assert await client.names(f'{attribute} eq "{spelling}{end}"') == same
            assert await client.names(f'{attribute} co "{spelling}"') == ["ΟΔΟΣ@x", "οδοσα@x"]
            assert await client.names(f'{attribute} sw "{spelling}"') == ["ΟΔΟΣ@x", "οδοσα@x"]
            assert await client.names(f'{attribute} ew "{spelling[2:]}{end}"') == same
            assert len(await client.names(f'{attribute} ne "{spelling}{end}"')) == 2
            assert await client.names(f'{attribute} eq "x" or not ({attribute} ne "{spelling}{end}")') == same
    ordered = (await client.get("/Users", sortBy="title")).document["Resources"]
    assert [user["title"] for user in ordered] == ["ΟΔΟΡ", "ΟΔΟΣ", "οδοσα"]
    assert await client.names('externalId eq "οδοσ0"') == []


async def test_values_are_compared_alike_by_a_patch(client: Client) -> None:
    user = await client.user("ann", emails=[{"value": "ΟΔΟΣ@x", "type": "work"}, {"value": "ß@x", "type": "home"}])
    changed = await client.patch(path(user), replace('emails[value eq "οδοσ@x"].display', "Street"))
    assert changed.document["emails"][0] == {"value": "ΟΔΟΣ@x", "type": "work", "display": "Street"}
    kept = await client.patch(path(user), {"op": "remove", "path": 'emails[value eq "ss@x"]'})
    assert len(kept.document["emails"]) == 2
    left = await client.patch(path(user), {"op": "remove", "path": "emails", "value": [{"value": "οδος@x"}]})
    assert [item["value"] for item in left.document["emails"]] == ["ß@x"]
