"""A resource's document as POST, PUT and PATCH make it (RFC 7644 sections 3.3 and 3.5).

In a change, the models of scim2-models validate and apply only here: the caller has documents. The caller applies a
DocumentChange again when another change came first.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from scim2_models import Context, PatchOp, Resource

from scim_core.comparison import has_one_form
from scim_core.model import Json
from scim_core.protocol.json_text import check_text
from scim_core.protocol.names import check_names
from scim_core.protocol.patch_cost import document_units, patch_units
from scim_core.protocol.patch_operations import ExtensionTarget, PatchOperation
from scim_core.protocol.representation import check_required, to_document, to_model
from scim_core.protocol.schemas import COMMON, COMPARISON, POLICY, ResourceType


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
    document = _document(resource_type, model, resource_id)
    check_names(resource_type, document)
    return document


def replacement(resource_type: ResourceType, shaped: Json, resource_id: str) -> DocumentChange:
    """The change that a PUT of this body makes. When applied, it raises as creation, and MutabilityException."""

    def replaced(document: Json) -> Json:
        original = to_model(resource_type, document)
        model = _validated(resource_type, shaped, Context.RESOURCE_REPLACEMENT_REQUEST)
        model.replace(original)
        after = _document(resource_type, model, resource_id)
        check_names(resource_type, after, document)
        return after

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
    compares = any(map(_compares, operations))
    plain = _is_plain(message)

    def patched(document: Json) -> Json:
        model = to_model(resource_type, document)
        patch.patch(model, scim_policy=COMPARISON if compares and not (plain and _is_plain(document)) else POLICY)
        after = _document(resource_type, model, resource_id)
        check_names(resource_type, after, document)
        return after

    return DocumentChange(partial(patch_units, operations), patched)


def _compares(operation: PatchOperation) -> bool:
    """Whether the operation looks for a value among others."""
    target = operation.target
    if isinstance(target, ExtensionTarget) or target.value_filter is not None:
        return True
    return target.attribute.multi_valued and operation.op != "replace"


def _is_plain(texts: Json) -> bool:
    """Whether these texts compare alike under POLICY and COMPARISON. Nearly all do, and POLICY is much quicker."""
    return has_one_form(json.dumps(texts, ensure_ascii=False))


def changed_attributes(resource_type: ResourceType, before: Json, after: Json) -> tuple[str, ...]:
    """The names of the attributes whose values differ, as the schemas spell them; those of an extension after its URN.

    Members are no part of a document. A name that no schema has is left out.
    """
    core = {"externalid": COMMON["externalid"], **resource_type.attributes}
    changed = [item.name for item in core.values() if before.get(item.name) != after.get(item.name)]
    for urn, attributes in resource_type.extensions.items():
        old, new = before.get(urn, {}), after.get(urn, {})
        changed += [f"{urn}:{item.name}" for item in attributes.values() if old.get(item.name) != new.get(item.name)]
    return tuple(changed)


def _document(resource_type: ResourceType, model: Resource[Any], resource_id: str) -> Json:
    model.id = resource_id
    document = to_document(resource_type, model)
    check_required(resource_type, document)
    check_text(document)  # escapes within a path or an app role's JSON text are read after the body was checked
    return document


def _validated(resource_type: ResourceType, shaped: Json, context: Context) -> Resource[Any]:
    return resource_type.model.model_validate(shaped, scim_ctx=context, scim_policy=POLICY)
