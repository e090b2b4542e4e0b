"""A resource's document as POST, PUT and PATCH make it (RFC 7644 sections 3.3 and 3.5).

In a change, the models of scim2-models validate and apply only here: the caller has documents. The caller applies a
DocumentChange again when another change came first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from scim2_models import Context, PatchOp, Resource

from scim_core.model import Json
from scim_core.protocol.elements import as_it_was_said, with_primary, without_emptied
from scim_core.protocol.json_text import check_text
from scim_core.protocol.patch_cost import document_units, patch_units
from scim_core.protocol.patch_operations import AttributeTarget, PatchOperation
from scim_core.protocol.representation import check_required, to_document, to_model
from scim_core.protocol.schemas import POLICY, ResourceType


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """A change of a resource's document, and the units of work that it takes on a document.

    `apply` makes the new document of the stored one, which stays as it is.
    """

    units: Callable[[Json], int]
    apply: Callable[[Json], Json]


def creation(resource_type: ResourceType, shaped: Json, resource_id: str) -> Json:
    """The document of a new resource, from a body that leniency has shaped.

    Raises ValidationError, InvalidSyntaxException, InvalidValueException, RequestTooLarge.
    """
    model = _validated(resource_type, shaped, Context.RESOURCE_CREATION_REQUEST)
    return _document(resource_type, model, resource_id)


def replacement(resource_type: ResourceType, shaped: Json, resource_id: str) -> DocumentChange:
    """The change that a PUT of this body makes. When applied, it raises as creation, and MutabilityException."""

    def replaced(document: Json) -> Json:
        original = to_model(resource_type, document)
        model = _validated(resource_type, shaped, Context.RESOURCE_REPLACEMENT_REQUEST)
        model.replace(original)
        return _document(resource_type, model, resource_id)

    shaped_units = document_units(shaped)
    return DocumentChange(lambda document: document_units(document) + shaped_units, replaced)


def modification(
    resource_type: ResourceType, operations: Sequence[PatchOperation], resource_id: str
) -> DocumentChange | None:
    """The change that these operations of a PATCH make, in order, all or none; None when there are none.

    Raises ValidationError. When applied, the change raises as creation, and MutabilityException, NoTargetException,
    InvalidPathException, InvalidFilterException.
    """
    if not operations:
        return None
    patch_type: Any = PatchOp[resource_type.model]  # type: ignore[name-defined]
    message = {"schemas": [str(patch_type.__schema__)], "Operations": [item.to_json() for item in operations]}
    patch = patch_type.model_validate(message, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY)

    not_primary = any(item.selects_not_primary for item in operations)
    unassigned = {
        item.target.attribute.name for item in operations if isinstance(item.target, AttributeTarget) and item.unassigns
    }

    def patched(document: Json) -> Json:
        model = to_model(resource_type, with_primary(resource_type, document) if not_primary else document)
        patch.patch(model, scim_policy=POLICY)
        changed = _document(resource_type, model, resource_id)
        if not_primary:
            changed = as_it_was_said(resource_type, changed, document)
        return without_emptied(resource_type, changed, document, unassigned) if unassigned else changed

    return DocumentChange(partial(patch_units, operations), patched)


def _document(resource_type: ResourceType, model: Resource[Any], resource_id: str) -> Json:
    model.id = resource_id
    document = to_document(resource_type, model)
    check_required(resource_type, document)
    check_text(document)  # escapes within a path or an app role's JSON text are read after the body was checked
    return document


def _validated(resource_type: ResourceType, shaped: Json, context: Context) -> Resource[Any]:
    return resource_type.model.model_validate(shaped, scim_ctx=context, scim_policy=POLICY)
