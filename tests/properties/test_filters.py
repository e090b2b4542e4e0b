"""A search finds what ScimFilter.match finds, whatever plan it takes through indexes, columns and memberships."""

import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scim2_models import InvalidFilterException, ScimFilter

from scim_core.protocol.filter_leniency import parse_filter, read_filter
from scim_core.protocol.representation import to_model
from scim_core.protocol.schemas import ResourceType, load_catalogue
from scim_core.service import filter_test
from scim_core.work import UNITS_PER_TURN
from tests.memory_rows import memory_storage
from tests.scim import ENTERPRISE, Client, Clock, Json, endpoint_over

CATALOGUE = load_catalogue()

VALUES = ["a", "A", "ab", "b", "Ä", "a\u0308", "work", "home", "x@y", "1", ""]
STRINGS = ["userName", "externalId", "displayName", "title", "emails", "emails.value", "emails.type", "name.givenName"]
STRINGS += [f"{ENTERPRISE}:department", "manager", "department", "shoeSize", "name.shoeSize", "meta.resourceType"]
OPERATORS = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]
TIMES = ["2026-11-23T09:05:00.02Z", "2026-11-23T10:05:00.04+01:00", "2020-01-01T00:00:00Z", "2026-11-23T09:05:00.03Z"]
TIMES += ["2026-11-23T09:05:00.03", "2026-11-23"]
IDS = "IDS"
"""Stands for the ids of the population, which are not known before it is there."""


class World:
    """A handful of users and groups with overlapping values, the same for each test."""

    def __init__(self) -> None:
        self.client = Client(endpoint_over(memory_storage(), Clock()))
        self.ids: list[str] = []

    @classmethod
    async def populated(cls) -> "World":
        world = cls()
        people: list[Json] = [
            {"externalId": "a", "displayName": "A", "active": True, "emails": [{"value": "a", "type": "work"}]},
            {"externalId": "A", "title": "ab", "active": False, "emails": [{"value": "x@y", "type": "home"}]},
            {
                "displayName": "Ä",
                "name": {"givenName": "b"},
                "emails": [{"value": "A"}, {"value": "b", "type": "Work"}],
            },
            {"externalId": "1", "displayName": "ab", ENTERPRISE: {"department": "1", "manager": {"value": "a"}}},
            {},
        ]
        users = [
            await world.client.user(name, **item)
            for name, item in zip(["a", "Äb", "B", "work", "x@y"], people, strict=True)
        ]
        groups = [await world.client.group("A", *users[:2], externalId="a")]
        groups.append(await world.client.group("ab", users[1], groups[0]))
        groups.append(await world.client.group("Ä", externalId="1"))
        world.ids = [item["id"] for item in (*users, *groups)]
        return world

    async def matching(self, url: str, text: str) -> tuple[list[str], list[str]]:
        """The ids that a search finds, and those of all resources that the filter itself matches."""
        everything = (await self.client.get(url)).document["Resources"]
        resource_type = CATALOGUE.resource_types[url.strip("/").lower()]
        scim_filter = parse_filter(resource_type, text)
        expected = [item["id"] for item in everything if scim_filter.match(to_model(resource_type, item))]
        return [item["id"] for item in await self.client.found(url, text)], expected


@functools.cache
def comparisons() -> st.SearchStrategy[str]:
    """Comparisons of every kind of attribute."""
    strings = st.builds(
        lambda name, op, value: f"{name} {op} {json.dumps(value)}",
        st.sampled_from([*STRINGS, "members", "groups", "members.type"]),
        st.sampled_from(OPERATORS),
        st.sampled_from(VALUES),
    )
    ids = st.builds(
        lambda name, op, place: f"{name} {op} {IDS}{place}",
        st.sampled_from(["id", "members", "members.value", "groups", "groups.value", "manager"]),
        st.sampled_from(["eq", "eq", "eq", "ne", "sw", "gt"]),
        st.integers(0, 8),
    )
    booleans = st.builds(
        lambda op, value: f"active {op} {value}",
        st.sampled_from(["eq", "ne"]),
        st.sampled_from(["true", "false", "null", '"True"']),
    )
    times = st.builds(
        lambda name, op, value: f'meta.{name} {op} "{value}"',
        st.sampled_from(["created", "lastModified"]),
        st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]),
        st.sampled_from(TIMES),
    )
    present = st.builds("{} pr".format, st.sampled_from([*STRINGS, "members", "groups", "active", "id", "meta"]))
    return st.one_of(strings, ids, booleans, times, present)


@functools.cache
def value_paths() -> st.SearchStrategy[str]:
    """Selections of elements."""
    inner = st.builds(
        lambda name, op, value: f"{name} {op} {json.dumps(value)}",
        st.sampled_from(["value", "type", "display"]),
        st.sampled_from(["eq", "ne", "co", "sw"]),
        st.sampled_from(VALUES),
    ) | st.builds(lambda place: f"value eq {IDS}{place}", st.integers(0, 8))
    combined = st.recursive(
        inner,
        lambda some: (
            st.builds("{} and {}".format, some, some)
            | st.builds("({} or {})".format, some, some)
            | st.builds("not ({})".format, some)
        ),
        max_leaves=3,
    )
    return st.builds("{}[{}]".format, st.sampled_from(["emails", "members", "groups", "phoneNumbers"]), combined)


filters = st.recursive(
    comparisons() | value_paths(),
    lambda some: st.one_of(
        st.builds("{} and {}".format, some, some),
        st.builds("({} or {})".format, some, some),
        st.builds("not ({})".format, some),
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("units_at_once", [UNITS_PER_TURN, 0], ids=["at once", "term by term"])
@given(text=filters, url=st.sampled_from(["/Users", "/Groups"]))
@example(text=f"id eq {IDS}5 and members eq {IDS}0", url="/Groups")
@example(text=f'id eq {IDS}5 and members eq {IDS}0 and not (externalId eq "1")', url="/Groups")
@example(text=f'members eq {IDS}1 or displayName eq "ab"', url="/Groups")
@example(text=f"groups eq {IDS}5 and active eq true", url="/Users")
@example(text='externalId eq "a" or externalId eq "A" or emails eq "b"', url="/Users")
async def test_a_search_finds_what_the_filter_matches(units_at_once: int, text: str, url: str) -> None:
    world = await World.populated()
    for place, resource_id in enumerate([*world.ids, "nobody"]):
        text = text.replace(f"{IDS}{place}", f'"{resource_id}"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filter_test, "UNITS_PER_TURN", units_at_once)
        found, expected = await world.matching(url, text)
    assert found == expected


TEXTS = st.text(st.sampled_from("aZ9 @.-_'()[]\\\"/:\t\x7f\u00c4")) | st.text()
PLAIN = st.builds(
    "{} {}{}{}{}".format,
    st.sampled_from(
        [*STRINGS, "USERNAME", "externalid", "id", "active", "groups", "members", "meta", "x509", "username2"]
    ),
    st.sampled_from(["eq", "EQ", "ne"]),
    st.sampled_from([" ", "  ", ""]),
    TEXTS.map(lambda text: f'"{text}"') | TEXTS.map(json.dumps) | TEXTS,
    st.sampled_from(["", " ", ' and userName eq "a"']),
)


@given(text=PLAIN, resource_type=st.sampled_from(list(CATALOGUE)))
@example(text='userName eq "a@b"', resource_type=CATALOGUE.resource_types["users"])
@example(text='displayName eq "DOMAIN\\tom"', resource_type=CATALOGUE.resource_types["groups"])
def test_a_plain_look_up_is_the_filter_that_its_text_is(text: str, resource_type: ResourceType) -> None:
    def outcome(read: Callable[[ResourceType, str], ScimFilter[Any]]) -> tuple[object, ...]:
        try:
            found = read(resource_type, text)
        except InvalidFilterException as error:
            return (error.detail,)
        return str(found), found.ast, found.model

    assert outcome(parse_filter) == outcome(read_filter)
