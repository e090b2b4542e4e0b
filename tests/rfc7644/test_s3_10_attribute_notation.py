"""RFC 7644 section 3.10: the name of an attribute means the same wherever a client may write it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.memory_rows import memory_storage
from tests.scim import ENTERPRISE, GLOBAL_RELAY, USER, Client, Clock, endpoint_over, path, replace

ATTRIBUTES = {
    "title": USER,
    "nickName": USER,
    "department": ENTERPRISE,
    "costCenter": ENTERPRISE,
    "extensionAttribute1": GLOBAL_RELAY,
}
"""Attributes that hold one text, with the schema that declares each."""

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(endpoint_over(memory_storage(), Clock()))


def in_any_case(text: str, upper: list[bool]) -> str:
    return "".join(
        letter.upper() if upper[number % len(upper)] else letter.lower() for number, letter in enumerate(text)
    )


@given(
    name=st.sampled_from(sorted(ATTRIBUTES)),
    joined=st.sampled_from([None, ":", "."]),
    upper=st.lists(st.booleans(), min_size=1, max_size=5),
)
async def test_short_and_long_names_mean_the_same_in_all_six_places(
    client: Client, name: str, joined: str | None, upper: list[bool]
) -> None:
    schema = ATTRIBUTES[name]
    written = in_any_case(name if joined is None else f"{schema}{joined}{name}", upper)
    user = (
        await client.post("/Users", {"schemas": [USER], "userName": f"person {next(NUMBERS)}", written: "before"})
    ).document
    url = path(user)

    def value_in(document: dict[str, object]) -> object:
        holder = document if schema == USER else document.get(schema, {})
        return holder.get(name) if isinstance(holder, dict) else None

    assert value_in(user) == "before", "a body"
    changed = (await client.patch(url, replace(written, "after"))).document
    assert value_in(changed) == "after", "a path"
    one = f'id eq "{user["id"]}"'
    assert [item["id"] for item in await client.found("/Users", f'{one} and {written} eq "after"')] == [user["id"]]
    assert value_in((await client.get(url, attributes=written)).document) == "after"
    hidden = (await client.get(url, excludedAttributes=written)).document
    assert value_in(hidden) is None
    assert "userName" in hidden
    assert (await client.get("/Users", filter=one, sortBy=written)).document["totalResults"] == 1
    assert (await client.delete(url)).status == 204


async def test_a_short_name_sorts_by_the_extensions_attribute(client: Client) -> None:
    for number in (2, 3, 1):
        await client.user(f"sorted {number}", **{ENTERPRISE: {"costCenter": f"c{number}"}})
    for name in ("costCenter", f"{ENTERPRISE}.costcenter"):
        found = await client.get("/Users", filter='userName sw "sorted"', sortBy=name)
        assert [item["userName"] for item in found.document["Resources"]] == ["sorted 1", "sorted 2", "sorted 3"]


async def test_attributes_may_be_given_twice(client: Client) -> None:
    user = await client.user("twice", title="T", nickName="N")
    shown = await client.get(f"{path(user)}?attributes=title&attributes=nickName")
    assert (shown.document["title"], shown.document["nickName"]) == ("T", "N")
    hidden = await client.get(f"{path(user)}?excludedAttributes=title&excludedattributes=nickName")
    assert not {"title", "nickName"} & hidden.document.keys()
