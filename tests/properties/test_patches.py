"""A PATCH makes of a document what scim2-models makes of it when it is given all of it, and every operation.

Only the part that the operations write goes through the models, and an operation that assigns one value is no message.
"""

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scim2_models import Context, PatchOp, SCIMException

from scim_core.comparison import has_one_form
from scim_core.model import Json
from scim_core.protocol.documents import creation, stored_form
from scim_core.protocol.leniency import Leniency
from scim_core.protocol.patch_application import modification
from scim_core.protocol.patch_operations import PatchRequest, patch_request
from scim_core.protocol.patch_refusals import OperationRefused
from scim_core.protocol.representation import to_model
from scim_core.protocol.schemas import COMPARISON, POLICY, load_catalogue
from tests.global_relay import built
from tests.properties.strategies import names, texts, users

USERS = load_catalogue().resource_types["users"]
ID = "01900000-0000-7000-8000-000000000001"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

SINGLE = ("title", "nickName", "externalId", "locale", f"{ENTERPRISE}:department", f"{ENTERPRISE.lower()}:costCenter")

assigning = st.builds(lambda path, value: {"path": path, "value": value}, st.sampled_from(SINGLE), texts)
naming = st.builds(lambda value: {"path": "userName", "value": value}, names)
activating = st.sampled_from([{"path": "active", "value": value} for value in (True, False, "False")])
further = st.builds(
    lambda path, value: {"path": path, "value": value},
    st.sampled_from(["name.givenName", f"{ENTERPRISE}:manager.value", 'emails[type eq "work"].value']),
    texts,
)
elements = st.builds(
    lambda path, kind, value: {"path": path, "value": [{"type": kind, "value": value}]},
    st.sampled_from(["emails", "phoneNumbers"]),
    st.sampled_from(["work", "home"]),
    texts,
)
written = st.builds(
    lambda op, operation: {"op": op, **operation},
    st.sampled_from(["add", "replace"]),
    st.one_of(assigning, naming, activating, further, elements),
)
removed = st.builds(
    lambda path: {"op": "remove", "path": path}, st.sampled_from([*SINGLE, "name", "phoneNumbers", ENTERPRISE])
)
operations = st.lists(st.one_of(written, written, removed), min_size=1, max_size=4)


def by_the_library(document: Json, request: PatchRequest) -> Json:
    """What scim2-models makes of the whole document. Raises SCIMException, ValidationError."""
    sent = [item.to_json() for item in request.operations]
    patch_type: Any = PatchOp[USERS.model]  # type: ignore[name-defined]
    message = {"schemas": [str(patch_type.__schema__)], "Operations": sent}
    model = to_model(USERS, document)
    patch = patch_type.model_validate(message, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY)
    plain = has_one_form(str([sent, document]))
    patch.patch(model, scim_policy=POLICY if plain else COMPARISON)
    return stored_form(USERS, model, ID)


def by_us(document: Json, request: PatchRequest) -> Json:
    change = modification(USERS, request)
    assert change is not None
    return change.apply(document).document


@given(users, operations)
def test_a_patch_makes_what_scim2_models_makes_of_the_whole_document(user: Any, sent: list[Json]) -> None:
    document = creation(USERS, Leniency(USERS).resource(built(user)), ID)
    request = patch_request(Leniency(USERS), {"Operations": sent})
    try:
        expected = by_the_library(document, request)
    except (SCIMException, ValidationError):
        expected = None
    try:
        result = by_us(document, request)
    except (OperationRefused, SCIMException, ValidationError):
        assert expected is None
        return
    if expected is not None:  # what is refused can be skipped in a resource that is deactivated (ADR 0036)
        assert result == expected
        assert list(result) == list(expected)


@given(users, operations)
def test_a_patch_leaves_the_document_that_it_is_given_as_it_is(user: Any, sent: list[Json]) -> None:
    shaped = Leniency(USERS).resource(built(user))
    document, same = creation(USERS, shaped, ID), creation(USERS, shaped, ID)
    request = patch_request(Leniency(USERS), {"Operations": sent})
    with suppress(OperationRefused, SCIMException, ValidationError):
        by_us(document, request)
    assert document == same
