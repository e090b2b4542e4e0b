"""Leniency brings any JSON into shape once: what it yields and the models accept, it leaves alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scim2_models import SCIMException

from scim_core.protocol.leniency import Leniency
from scim_core.protocol.patch_operations import patch_request
from scim_core.protocol.schemas import POLICY, load_catalogue
from tests.properties.strategies import texts
from tests.scim import ENTERPRISE, GLOBAL_RELAY

CATALOGUE = load_catalogue()
NAMES = [
    "userName",
    "active",
    "name",
    "emails",
    "roles",
    "manager",
    "displayName",
    "groups",
    "id",
    "schemas",
    "shoeSize",
]
NAMES += [
    ENTERPRISE,
    f"{ENTERPRISE}:manager",
    f"{GLOBAL_RELAY}:extensionAttribute1",
    "value",
    "type",
    "primary",
    "display",
]
NAMES += ["members", "givenName", "$ref", "department", "x"]


def spelt(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name, name.lower(), name.upper()])


simple = (
    st.none()
    | st.booleans()
    | st.sampled_from(["True", "false", "", "x", 5, 1.5, '{"value": "a", "displayName": "b"}', "{"])
    | texts
)
keys = st.sampled_from(NAMES).flatmap(spelt)
payloads = st.recursive(
    simple, lambda some: st.lists(some, max_size=3) | st.dictionaries(keys, some, max_size=4), max_leaves=12
)


@given(st.dictionaries(keys, payloads, max_size=6), st.sampled_from(["users", "groups"]))
async def test_what_it_yields_it_leaves_alone(payload: dict[str, Any], endpoint: str) -> None:
    resource_type = CATALOGUE.resource_types[endpoint]
    try:
        shaped = Leniency(resource_type).resource(payload)
        resource_type.model.model_validate(shaped, scim_policy=POLICY)
    except (SCIMException, ValidationError):
        return
    again = Leniency(resource_type)
    assert again.resource(shaped) == shaped
    assert again.ignored == []


@given(
    st.lists(
        st.fixed_dictionaries(
            {"op": st.sampled_from(["add", "Replace", "REMOVE"])}, optional={"path": keys, "value": payloads}
        ),
        max_size=4,
    )
)
async def test_operations_that_it_yields_it_leaves_alone(operations: list[dict[str, Any]]) -> None:
    users = CATALOGUE.resource_types["users"]
    try:
        shaped = patch_request(Leniency(users), {"Operations": operations}).operations
    except SCIMException:
        return
    again = Leniency(users)
    repeated = patch_request(again, {"Operations": [operation.to_json() for operation in shaped]}).operations
    assert [operation.to_json() for operation in repeated] == [operation.to_json() for operation in shaped]
    assert again.ignored == []


@pytest.mark.parametrize("payload", [None, [], "x", 5, True, 1.5])
def test_what_is_no_object_is_refused(payload: Any) -> None:
    leniency = Leniency(CATALOGUE.resource_types["users"])
    with pytest.raises(SCIMException):
        leniency.resource(payload)
    with pytest.raises(SCIMException):
        patch_request(leniency, payload)
