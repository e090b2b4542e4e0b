"""Any JSON anywhere: the answer is always a success or a clear refusal, and the directory stays readable."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scim_core.protocol.schemas import load_catalogue
from tests.memory_rows import memory_storage
from tests.properties.strategies import texts
from tests.scim import ENTERPRISE, GLOBAL_RELAY, Client, Clock, endpoint_over, path

USERS, GROUPS = (load_catalogue().resource_types[name] for name in ("users", "groups"))
SUB_ATTRIBUTES = ["value", "type", "primary", "display", "$ref", "formatted", "givenName", "region", "displayName", "x"]
NAMES = [
    *(attribute.name for attribute in USERS.attributes.values()),
    *(attribute.name for attribute in GROUPS.attributes.values()),
    *("id", "meta", "schemas", "password", "manager", "department", "shoeSize", ENTERPRISE, GLOBAL_RELAY),
    *(f"{ENTERPRISE}:manager", f"{GLOBAL_RELAY}:extensionAttribute1", f"{USERS.schema}:title"),
]
PATHS = [
    *NAMES,
    *(
        "name.givenName",
        "emails.value",
        'emails[type eq "work"]',
        'emails[type eq "work"].value',
        "emails[primary eq true]",
    ),
    *(
        "emails[value pr]",
        'emails[not (type eq "x")].display',
        'roles[primary eq "True"].value',
        'members[value eq "x"]',
    ),
    *(
        'members[value eq "x"].display',
        "members.value",
        'groups[value eq "x"]',
        "meta.version",
        "name[x eq 1]",
        "a.b.c",
    ),
    *(
        "",
        " ",
        "[",
        "emails[",
        'emails[type eq "work"',
        'emails[x eq "y"].value',
        f"{ENTERPRISE}:manager.value",
        "emails[]",
    ),
]

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0, -1, 2**63, 10**400])
simple = (
    st.none()
    | st.booleans()
    | numbers
    | texts
    | st.sampled_from(["", "True", "work", "2020-01-01T00:00:00Z", '{"value": 1}'])
)
keys = st.sampled_from([*SUB_ATTRIBUTES, *NAMES[:3], ENTERPRISE]) | texts
values = st.recursive(
    simple, lambda some: st.lists(some, max_size=3) | st.dictionaries(keys, some, max_size=3), max_leaves=8
)
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "replace", "remove", "Add", "REMOVE", "move", None, 5])},
    optional={"path": st.sampled_from(PATHS) | texts | simple, "value": values},
)


async def populated() -> tuple[Client, str, str]:
    """A client, and the paths of a user and of a group with that user in it."""
    client = Client(endpoint_over(memory_storage(), Clock()))
    user = await client.user(emails=[{"value": "a", "type": "work"}], active=True, name={"givenName": "g"})
    return client, path(user), path(await client.group("group", user))


async def unharmed(client: Client) -> None:
    """Everything there is can be listed, sorted, searched and projected."""
    for url in ("/Users", "/Groups"):
        for query in ({}, {"sortBy": "id"}, {"filter": "not (shoeSize pr)"}, {"attributes": "meta"}):
            answer = await client.get(url, **query)
            assert answer.status == 200
            assert answer.document["totalResults"] == len(answer.document["Resources"])


def clear(status: int, *successes: int) -> bool:
    return status in successes or status in (400, 404, 409, 413)


@given(st.sampled_from(NAMES), values, st.sampled_from(["/Users", "/Groups"]))
async def test_any_attribute_may_have_any_value(name: str, value: Any, url: str) -> None:
    client, user, group = await populated()
    body = {"userName": "x", "displayName": "x", name: value}
    assert clear((await client.post(url, body)).status, 201)
    assert clear((await client.put(user if url == "/Users" else group, body)).status, 200)
    await unharmed(client)


@given(
    values,
    st.sampled_from(["POST", "PUT", "PATCH"]),
    st.sampled_from(["/Users", "/Groups", "/.search", "/Users/.search"]),
)
async def test_any_body_may_be_sent_anywhere(body: Any, method: str, url: str) -> None:
    client, user, group = await populated()
    target = {"/Users": user, "/Groups": group}.get(url, url) if method != "POST" else url
    answer = await client.send(method, target, b"null" if body is None else body)
    assert clear(answer.status, 200, 201, 204, 405)
    await unharmed(client)


@given(st.lists(operations, max_size=4))
async def test_any_operations_may_be_sent(changes: list[Any]) -> None:
    client, user, group = await populated()
    for url in (user, group):
        before = await client.get(url)
        answer = await client.patch(url, *changes)
        assert clear(answer.status, 200, 204)
        if answer.status >= 400:
            assert (await client.get(url)).body == before.body
        else:
            stored = (await client.get(url)).document
            assert (await client.put(url, stored)).document == stored
    await unharmed(client)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: values | st.sampled_from(PATHS)
            for name in ("filter", "sortBy", "sortOrder", "startIndex", "count", "attributes", "excludedAttributes")
        },
    )
)
async def test_any_search_may_be_asked_for(fields: dict[str, Any]) -> None:
    client, _, _ = await populated()
    for url in ("/.search", "/Users/.search", "/Groups/.search"):
        assert clear((await client.post(url, fields)).status, 200)


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('()[]". eqandotpr\\'), max_size=60))
async def test_any_text_may_be_a_filter(text: str) -> None:
    client, _, _ = await populated()
    for fields in ({"filter": text}, {"filter": f"userName {text}"}, {"filter": f'emails[type eq "work" {text}'}):
        assert clear((await client.get("/Users", **fields)).status, 200)


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
async def test_any_bytes_may_be_a_body(body: bytes) -> None:
    client, user, _ = await populated()
    for method, url in (("POST", "/Users"), ("PUT", user), ("PATCH", user), ("POST", "/.search")):
        assert clear((await client.send(method, url, body)).status, 200, 201)
    await unharmed(client)


@given(
    st.text(max_size=60), st.text(max_size=60), st.sampled_from(["GET", "POST", "put", "Delete", "OPTIONS", "é", ""])
)
async def test_any_path_and_query_may_be_asked_for(url: str, query: str, method: str) -> None:
    client, _, _ = await populated()
    safe = url.encode("utf-8", "replace").decode().replace("?", "")
    answer = await client.send(method, f"/{safe}?{query}")
    assert clear(answer.status, 200, 405, 501)
    await unharmed(client)
