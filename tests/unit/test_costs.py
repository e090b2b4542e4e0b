"""What computing costs is known before it is computed. The numbers are units; no time is measured."""

from typing import Any

import pytest

from scim_core.protocol.costs import (
    SORTED_RESOURCE,
    FilterCost,
    extent,
    full_units,
    json_units,
    model_units,
    projection_units,
    read_units,
)
from scim_core.protocol.filter_leniency import parse_filter
from scim_core.protocol.limits import MAX_MEMBERS, MAX_SCAN
from scim_core.protocol.schemas import load_catalogue
from scim_core.work import MAX_UNITS, UNITS_PER_REQUEST
from tests.global_relay import USER_TARGETS, built
from tests.scim import USER, Json

USERS = load_catalogue().resource_types["users"]

PERSON: Json = {"schemas": [USER], **built(dict.fromkeys(USER_TARGETS, "x" * 40))}
"""A user with the 67 attributes of the Global Relay mapping."""


def cost(text: str, document: Json) -> int:
    return FilterCost(parse_filter(USERS, text).ast).units(document, None, 0)


def phones(number: int) -> Json:
    return {"phoneNumbers": [{"value": f"+{item}", "type": "work"} for item in range(number)]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("abc", (1, 1, 3)),
        (5, (1, 1, 0)),
        ([], (0, 0, 0)),
        ([{"a": "xy", "b": [1, 2]}, "z"], (2, 4, 3)),
        ({"a": {"b": {"c": "xyz"}}}, (1, 1, 3)),
    ],
)
def test_the_extent_of_a_value(value: Any, expected: tuple[int, int, int]) -> None:
    found = extent(value)
    assert (found.elements, found.values, found.characters) == expected


def test_a_filter_costs_its_comparisons_times_the_values_that_they_test() -> None:
    one = 'phoneNumbers[value co "x"]'
    assert cost(one, phones(500)) > 400
    assert cost(" or ".join([one] * 234), phones(500)) > 234 * 400
    assert cost('phoneNumbers[type eq "work" and value co "x"]', phones(500)) > 800
    assert cost(" or ".join([one] * 234), phones(1)) < 1_000
    assert cost('phoneNumbers.value co "x"', phones(500)) < 100
    assert cost('not (phoneNumbers[value co "x"])', phones(500)) == cost(one, phones(500))


def test_long_texts_cost_their_characters() -> None:
    assert cost('title co "x"', {"title": "x" * 480_000}) > 100
    assert cost('displayName co "x"', {"title": "x" * 480_000}) < 10


def test_an_attribute_of_an_extension_costs_what_it_holds() -> None:
    document = {"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"division": "x" * 480_000}}
    assert cost('division co "x"', document) > 100


def test_members_cost_as_much_as_elements() -> None:
    groups = load_catalogue().resource_types["groups"]
    found = FilterCost(parse_filter(groups, 'members[value co "x"]').ast)
    assert found.units({}, "members", MAX_MEMBERS) > 80_000


@pytest.mark.parametrize(
    "text",
    [
        'title co "president" and active eq true',
        'name.familyName eq "Jensen" or emails[type eq "work" and value ew "@example.com"]',
        'addresses[country eq "US"] and not (phoneNumbers pr) and meta.created gt "2026-01-01T00:00:00Z"',
        " or ".join(f'title eq "{number}"' for number in range(10)),
    ],
)
def test_an_ordinary_filter_examines_as_many_persons_as_it_may(text: str) -> None:
    """What README promises: 10,000 resources are examined by an ordinary filter."""
    size = extent(PERSON).characters * 2
    each = model_units(PERSON, 0) + cost(text, PERSON) + read_units(1, size)
    assert UNITS_PER_REQUEST + MAX_SCAN * each <= MAX_UNITS


def test_as_many_persons_are_sorted_as_may_be() -> None:
    shown = {"id": "x" * 36, "name": PERSON["name"]}
    each = read_units(1, 6_000) + model_units(shown, 0) + 2 * SORTED_RESOURCE
    page = 1_000 * (full_units(10) + json_units(PERSON) + projection_units(PERSON, 3))
    assert UNITS_PER_REQUEST + MAX_SCAN * each + page <= MAX_UNITS


def test_a_group_of_as_many_members_as_a_request_may_name_is_shown() -> None:
    members = [{"value": "x" * 36, "$ref": "x" * 80, "type": "User"}] * MAX_MEMBERS
    assert 2 * full_units(MAX_MEMBERS) + projection_units({}, 200) + json_units(members) <= MAX_UNITS
