"""A resource's document as POST, PUT and PATCH make it (RFC 7644 sections 3.3 and 3.5).

In a change, the models of scim2-models validate and apply only here: the caller has documents. The caller applies a
DocumentChange again when another change came first.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from scim2_models import Context, Resource

from scim_core.model import Json
from scim_core.protocol.json_text import check_text
from scim_core.protocol.names import check_names
from scim_core.protocol.patch_cost import document_units
from scim_core.protocol.patch_refusals import OperationRefused
from scim_core.protocol.representation import check_required, to_document, to_model, with_hidden
from scim_core.protocol.request_rules import may_be_broken
from scim_core.protocol.schemas import POLICY, ResourceType

ACTIVE = "active"
"""The attribute that says whether a user may sign in (RFC 7643 section 4.1.1)."""

_OF_EVERY_PART = ("schemas", "id")

CREATION, REPLACEMENT = Context.RESOURCE_CREATION_REQUEST, Context.RESOURCE_REPLACEMENT_REQUEST


@dataclass(frozen=True, slots=True)
class Changed:
    """A document after a change, and the operations that were skipped."""

    document: Json
    skipped: tuple[OperationRefused, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """A change of a resource's document, and the units of work that it takes on a document.

    `apply` makes the new document of the stored one, which stays as it is.
    """

    units: Callable[[Json], int]
    apply: Callable[[Json], Changed]


def creation(resource_type: ResourceType, shaped: Json, resource_id: str) -> Json:
    """The document of a new resource, from a body that leniency has shaped.

    Raises ValidationError, InvalidSyntaxException, InvalidValueException, RequestTooLarge.
    """
    model = _validated(resource_type, _with_active(resource_type, shaped, {ACTIVE: True}), CREATION)
    document = stored_form(resource_type, model, resource_id)
    check_names(resource_type, document)
    return document


def replacement(resource_type: ResourceType, shaped: Json, resource_id: str) -> DocumentChange:
    """The change that a PUT of this body makes. When applied, it raises as creation, and MutabilityException."""

    def replaced(document: Json) -> Changed:
        original = to_model(resource_type, document)
        model = _validated(resource_type, _with_active(resource_type, shaped, document), REPLACEMENT)
        model.replace(original)
        after = with_hidden(resource_type, stored_form(resource_type, model, resource_id), document)
        check_names(resource_type, after, document)
        return Changed(after)

    shaped_units = document_units(shaped)
    return DocumentChange(lambda document: document_units(document) + shaped_units, replaced)


def _with_active(resource_type: ResourceType, shaped: Json, determined: Json) -> Json:
    """The body. If it does not say whether the resource is active, it says what is determined (ADR 0038)."""
    if not resource_type.can_be_inactive or shaped.get(ACTIVE) is not None or ACTIVE not in determined:
        return shaped
    return shaped | {ACTIVE: determined[ACTIVE]}


def deactivated(resource_type: ResourceType, document: Json) -> Json:
    """The document with `active` false, and otherwise as it is."""
    inactive = to_document(resource_type, to_model(resource_type, document | {ACTIVE: False}))
    return with_hidden(resource_type, inactive, document)


def reactivated(document: Json, was: Json) -> Json:
    """The document with `active` as `was` has it, or without it, and otherwise as it is.

    No schema is asked: what is stored stays, also what no file declares that is at hand.
    """
    others = {name: value for name, value in document.items() if name != ACTIVE}
    return document | was if ACTIVE in was else others


def changed_attributes(resource_type: ResourceType, before: Json, after: Json) -> tuple[str, ...]:
    """The names of the attributes whose values differ, as the schemas spell them; those of an extension after its URN.

    Members are no part of a document. A name that no schema has is left out.
    """
    differing = _differing(before, after)
    changed = [name for name in resource_type.document_names if name in differing]
    for urn in filter(differing.__contains__, resource_type.extensions):
        inner = _differing(before.get(urn, {}), after.get(urn, {}))
        changed += [f"{urn}:{name}" for name in resource_type.extension_names[urn] if name in inner]
    return tuple(changed)


def _differing(before: Json, after: Json) -> set[str]:
    """The names under which the two have different values. Few of all names in the schemas are in a document."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def stored_form(resource_type: ResourceType, model: Resource[Any], resource_id: str) -> Json:
    """The document of a model, with this id. Raises InvalidValueException, InvalidSyntaxException, RequestTooLarge."""
    document = to_document(resource_type, model, resource_id)
    check_stored_form(resource_type, document)
    return document


def check_stored_form(resource_type: ResourceType, document: Json, before: Json | None = None) -> None:
    """Raises what stored_form raises of a document; `before` is the one that a PATCH has changed."""
    check_required(resource_type, document, before)
    check_text(document)  # escapes within a path or an app role's JSON text are read after the body was checked


def part_of(document: Json, names: Collection[str]) -> Json:
    """The part of the document that these attributes and extensions are. Each part also names what it is a part of."""
    return {name: value for name, value in document.items() if name in names or name in _OF_EVERY_PART}


def with_part(resource_type: ResourceType, document: Json, names: Collection[str], part: Json) -> Json:
    """The document, with these attributes and extensions as the part has them. It is as canonical as the two are.

    A name that no schema declares is left out, as a model leaves it out.
    """
    values = {name: value for name, value in document.items() if name not in names} | part
    order = (*_OF_EVERY_PART, *resource_type.document_names, *resource_type.extensions)
    whole = {name: values[name] for name in order if name in values}
    whole["schemas"] = [resource_type.schema, *(urn for urn in resource_type.extensions if urn in whole)]
    return whole


def _validated(resource_type: ResourceType, shaped: Json, context: Context) -> Resource[Any]:
    asked = context if may_be_broken(resource_type, shaped) else Context.DEFAULT
    return resource_type.model.model_validate(shaped, scim_ctx=asked, scim_policy=POLICY)
