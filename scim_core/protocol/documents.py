"""A resource's document as POST, PUT and PATCH make it (RFC 7644 sections 3.3 and 3.5).

In a change, the models of scim2-models validate and apply only here: the caller has documents. A change of a document
is a function. The caller applies it again when another change came first.
"""

from collections.abc import Callable, Sequence
from typing import Any

from scim2_models import Context, PatchOp, Resource

from scim_core.model import Json
from scim_core.protocol.patch_operations import PatchOperation
from scim_core.protocol.representation import check_required, to_document, to_model
from scim_core.protocol.schemas import COMMON, POLICY, ResourceType
from scim_core.protocol.strict_json import check_text

type DocumentChange = Callable[[Json], Json]
"""From the stored document of a resource to the new one. The given document stays as it is."""


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

    return replaced


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

    def patched(document: Json) -> Json:
        model = to_model(resource_type, document)
        patch.patch(model, scim_policy=POLICY)
        return _document(resource_type, model, resource_id)

    return patched


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
