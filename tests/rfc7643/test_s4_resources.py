"""RFC 7643 section 4: the whole of a user and of a group, as the Global Relay tutorial maps them."""

from typing import Any

from tests.global_relay import USER_TARGETS, built
from tests.scim import ENTERPRISE, GLOBAL_RELAY, USER, Client, Json, path, without

VALUES: dict[str, Any] = {target: f"value of {target}" for target in USER_TARGETS} | {"active": False}


async def test_all_67_targets_are_created_at_once(client: Client) -> None:
    answer = await client.post("/Users", built(VALUES))
    assert answer.status == 201
    assert without(answer.document, "id", "meta") == {"schemas": [USER, ENTERPRISE, GLOBAL_RELAY], **built(VALUES)}
    assert await client.document(answer.document) == answer.document


def _sorted(user: Json) -> Json:
    """The user with the elements of each attribute in the order of their types."""
    return {
        name: sorted(value, key=lambda item: item["type"]) if isinstance(value, list) and name != "schemas" else value
        for name, value in without(user, "id", "meta").items()
    }


async def test_all_67_targets_are_patched_in_one_request(client: Client) -> None:
    user = await client.user("before")
    verbose: list[Json] = [
        {"op": "Add", "path": target, "value": str(value) if target == "active" else value}
        for target, value in VALUES.items()
    ]
    answer = await client.patch(path(user), *verbose)
    assert answer.status == 200
    expected = _sorted({"schemas": [USER, ENTERPRISE, GLOBAL_RELAY], **built(VALUES)})
    assert _sorted(answer.document) == expected
    other = await client.user("other")
    gathered = VALUES | {"userName": "another"}
    at_once = await client.patch(path(other), {"op": "replace", "value": gathered})
    assert _sorted(at_once.document) == expected | {"userName": "another"}
    one_by_one = await client.user("last")
    for target, value in (VALUES | {"userName": "the last"}).items():
        assert (await client.patch(path(one_by_one), {"op": "replace", "path": target, "value": value})).status == 200
    assert _sorted(await client.document(one_by_one)) == expected | {"userName": "the last"}


async def test_every_target_can_be_cleared_again(client: Client) -> None:
    required = {"userName"}
    for nothing in ("", None):
        user = (await client.post("/Users", built(VALUES | {"userName": f"clear{nothing}"}))).document
        clearing = [{"op": "replace", "path": target, "value": nothing} for target in VALUES if target not in required]
        answer = await client.patch(path(user), *clearing)
        assert without(answer.document, "id", "meta", "userName") == {"schemas": [USER]}


async def test_every_target_can_be_filtered(client: Client) -> None:
    user = (await client.post("/Users", built(VALUES))).document
    await client.user("another", active=True)
    for target, value in VALUES.items():
        quoted = str(value).replace("\\", "\\\\").replace('"', '\\"')
        assert await client.found("/Users", f'{target} eq "{quoted}"') == [user], target
        assert await client.found("/Users", f"{target} pr and userName sw value") == [user], target
