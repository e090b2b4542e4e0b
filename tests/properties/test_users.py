"""What is sent is what is stored, shown and found, for users over all 67 targets of the Global Relay tutorial."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scim_core.protocol.representation import to_document, to_model
from scim_core.protocol.schemas import load_catalogue
from scim_core.storage.tables import TableStorage
from tests.global_relay import built
from tests.memory_rows import memory_storage
from tests.properties.strategies import as_name, targets, texts, users
from tests.scim import Client, Clock, Json, endpoint_over, path, without

USERS = load_catalogue().resource_types["users"]


def new_client(storage: TableStorage | None = None) -> Client:
    return Client(endpoint_over(storage or memory_storage(), Clock()))


def content(document: Json) -> Json:
    """What a client has written of a user, with the elements of each attribute in a fixed order."""
    return {
        name: sorted(value, key=lambda item: str(item.get("type"))) if isinstance(value, list) else value
        for name, value in without(document, "id", "meta", "schemas").items()
    }


@given(users)
async def test_a_user_comes_back_exactly_as_it_was_sent(values: dict[str, Any]) -> None:
    client = new_client()
    sent = built(values)
    answer = await client.post("/Users", sent)
    assert answer.status == 201
    assert without(answer.document, "id", "meta", "schemas") == sent
    assert await client.document(answer.document) == answer.document
    [listed] = (await client.get("/Users")).document["Resources"]
    assert listed == answer.document


@given(users)
async def test_a_stored_document_is_what_its_model_says(values: dict[str, Any]) -> None:
    storage = memory_storage()
    answer = await new_client(storage).post("/Users", built(values))
    [stored] = await storage.read("default", "User", [answer.document["id"]])
    assert stored is not None
    assert to_document(USERS, to_model(USERS, stored.document)) == stored.document


@given(users)
async def test_a_put_of_what_a_get_shows_changes_nothing(values: dict[str, Any]) -> None:
    client = new_client()
    user = (await client.post("/Users", built(values))).document
    answer = await client.put(path(user), user)
    assert (answer.status, answer.document) == (200, user)


@given(
    users, targets.filter(bool), st.sets(st.sampled_from(["title", "name.givenName", 'emails[type eq "work"].value']))
)
async def test_both_dialects_of_patch_come_to_the_same(before: Any, changes: Any, cleared: set[str]) -> None:
    changes = changes | dict.fromkeys(cleared, "")
    after = {name: value for name, value in {**before, **changes}.items() if value != ""}
    legacy = [
        {"op": "Replace", "path": target, "value": str(value) if target == "active" else value}
        for target, value in changes.items()
    ]
    brackets = [{"op": "replace", "path": target, "value": value} for target, value in changes.items() if "[" in target]
    gathered = {target: value for target, value in changes.items() if "[" not in target}
    together = [*brackets, {"op": "replace", "value": gathered}]
    for operations in (legacy, together, [{"op": "add", "value": changes}]):
        client = new_client()
        user = (await client.post("/Users", built(before))).document
        answer = await client.patch(path(user), *operations)
        assert answer.status == 200, answer.document
        assert content(answer.document) == content(built(after))
        again = await client.patch(path(user), *operations)
        assert again.document == answer.document


@given(st.lists(texts.filter(str.strip), min_size=1, max_size=4, unique=True), st.booleans(), st.data())
async def test_whatever_is_stored_is_found_by_equality(
    values: list[str], ascii_only: bool, data: st.DataObject
) -> None:
    client = new_client()
    created = {}
    for number, value in enumerate(values):
        same = {"externalId": value, "displayName": value, "emails": [{"value": value, "type": "work"}]}
        answer = await client.post("/Users", {"userName": as_name(f"{number}{value}"), **same})
        created[answer.document["id"]] = value
    resource_id, value = data.draw(st.sampled_from(sorted(created.items())))
    number = list(created).index(resource_id)

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=ascii_only)

    for text in (
        f"userName eq {quoted(as_name(f'{number}{value}'))}",
        f"externalId eq {quoted(value)}",
        f"displayName eq {quoted(value)}",
        f"emails eq {quoted(value)}",
        f'emails[type eq "work"].value eq {quoted(value)}',
        f"externalId eq {quoted(value)} and displayName ne null",
        f"not (externalId ne {quoted(value)})",
    ):
        found = await client.found("/Users", text)
        assert resource_id in [item["id"] for item in found]
