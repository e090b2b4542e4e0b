"""A body that breaks no rule of requests becomes the document that the models make of it when they look for the rules.

One that breaks a rule is refused with the same words.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scim2_models import Context, SCIMException

from scim_core.model import Json
from scim_core.protocol.documents import ACTIVE, creation, stored_form
from scim_core.protocol.leniency import Leniency
from scim_core.protocol.request_rules import may_be_broken
from scim_core.protocol.schemas import POLICY, ResourceType, load_catalogue
from tests.global_relay import built
from tests.properties.strategies import users

USERS = load_catalogue().resource_types["users"]
ID = "01900000-0000-7000-8000-000000000001"
CORE, FURTHER = "urn:example:core:2.0:Car", "urn:example:extension:2.0:Car"

TEXT = {"type": "string", "required": False, "mutability": "readWrite"}


def _attribute(name: str, **said: Any) -> Json:
    return {"name": name, **TEXT, **said}


_PARTS = [
    _attribute("value", required=True),
    _attribute("type"),
    _attribute("primary", type="boolean"),
    _attribute("checked", mutability="readOnly"),
]
SCHEMAS = [
    {
        "id": CORE,
        "name": "Car",
        "attributes": [
            _attribute("name", required=True),
            _attribute("Checked", mutability="readOnly"),
            _attribute("keys", type="complex", multiValued=True, required=True, subAttributes=_PARTS),
            _attribute("engine", type="complex", subAttributes=[*_PARTS, _attribute("fuels", multiValued=True)]),
        ],
    },
    {
        "id": FURTHER,
        "name": "Further",
        "attributes": [
            _attribute("lane", required=True),
            _attribute("tyres", type="complex", multiValued=True, subAttributes=_PARTS),
        ],
    },
]
TYPE = {"id": "Car", "name": "Car", "endpoint": "/Cars", "schema": CORE, "indexed": ["name"]}


@pytest.fixture(scope="module")
def cars(tmp_path_factory: pytest.TempPathFactory) -> ResourceType:
    """A type with a required attribute at each level, and read-only ones."""
    folder = tmp_path_factory.mktemp("definitions")
    for name in ("schemas", "resource-types"):
        (folder / name).mkdir()
    for number, schema in enumerate(SCHEMAS):
        (folder / "schemas" / f"{number}.json").write_text(json.dumps(schema))
    (folder / "resource-types" / "car.json").write_text(json.dumps(TYPE))
    return load_catalogue(folder).resource_types["cars"]


texts: st.SearchStrategy[Any] = st.sampled_from(["a", "b", "", None, 7, [], {}])
flags = st.sampled_from([True, False, None, "True", 1, "yes"])
parts = st.fixed_dictionaries(
    {}, optional={"value": texts, "type": texts, "primary": flags, "checked": texts, "unknown": texts, "fuels": texts}
)
several = st.one_of(texts, st.lists(st.one_of(parts, texts), max_size=3))
bodies = st.fixed_dictionaries(
    {},
    optional={
        "name": texts,
        "checked": texts,
        "keys": several,
        "engine": st.one_of(parts, texts),
        "id": texts,
        "meta": parts,
        "externalId": texts,
        FURTHER: st.fixed_dictionaries({}, optional={"lane": texts, "tyres": several}),
    },
)
marked = st.lists(
    st.fixed_dictionaries({"value": st.sampled_from(["a", "b", "c"]), "primary": flags}), min_size=1, max_size=3
)


def by_the_library(resource_type: ResourceType, shaped: Json) -> Json:
    """What the models make of the body when they look for these rules. Raises SCIMException, ValidationError."""
    without = resource_type.can_be_inactive and shaped.get(ACTIVE) is None
    body = shaped | {ACTIVE: True} if without else shaped
    model = resource_type.model.model_validate(body, scim_ctx=Context.RESOURCE_CREATION_REQUEST, scim_policy=POLICY)
    return stored_form(resource_type, model, ID)


def outcome(make: Any, *arguments: Any) -> Any:
    """The document with its order, or what was said against it."""
    try:
        return json.dumps(make(*arguments))
    except (SCIMException, ValidationError) as error:
        return str(error)


def shaped_or_none(resource_type: ResourceType, body: Json) -> Json | None:
    try:
        return Leniency(resource_type).resource(body)
    except SCIMException:
        return None


@given(body=bodies)
def test_a_body_becomes_what_the_models_make_of_it_as_a_request(cars: ResourceType, body: Json) -> None:
    shaped = shaped_or_none(cars, body)
    if shaped is not None:
        assert outcome(creation, cars, shaped, ID) == outcome(by_the_library, cars, shaped)


@given(user=users, emails=marked, missing=st.sampled_from(["", "userName", "name"]))
def test_a_user_becomes_what_the_models_make_of_it_as_a_request(user: Any, emails: Any, missing: str) -> None:
    body = {name: value for name, value in built(user).items() if name != missing} | {"emails": emails}
    shaped = shaped_or_none(USERS, body)
    if shaped is not None:
        assert outcome(creation, USERS, shaped, ID) == outcome(by_the_library, USERS, shaped)


@given(users)
def test_the_models_are_not_asked_for_these_rules_where_a_body_breaks_none(user: Any) -> None:
    assert not may_be_broken(USERS, Leniency(USERS).resource(built(user)))


def test_each_rule_is_asked_for(cars: ResourceType) -> None:
    good: Json = {"name": "a", "keys": [{"value": "1", "primary": True}, {"value": "2"}]}
    assert not may_be_broken(cars, good)
    assert may_be_broken(cars, good | {"name": None})
    assert may_be_broken(cars, good | {"checked": "x"})
    assert may_be_broken(cars, good | {"keys": []})
    assert may_be_broken(cars, good | {"keys": [{"type": "1"}]})
    assert may_be_broken(cars, good | {"keys": [{"value": "1", "checked": "x"}]})
    assert may_be_broken(cars, good | {"keys": [{"value": "1", "primary": True}, {"value": "2", "primary": 1}]})
    assert may_be_broken(cars, good | {"engine": {"type": "1"}})
    assert may_be_broken(cars, good | {FURTHER: {"tyres": []}})
    assert may_be_broken(cars, good | {FURTHER: {"lane": "1", "tyres": [{"type": "x"}]}})
    assert not may_be_broken(cars, good | {FURTHER: {"lane": "1", "tyres": [{"value": "x"}]}})
