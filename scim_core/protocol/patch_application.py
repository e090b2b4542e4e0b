"""A PATCH of a document (RFC 7644 section 3.5.2): as a whole, or operation by operation if one is refused."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError
from scim2_models import Context, PatchOp, SCIMException, ScimPolicy

from scim_core.comparison import has_one_form
from scim_core.model import Json
from scim_core.protocol.documents import (
    ACTIVE,
    Changed,
    DocumentChange,
    check_stored_form,
    part_of,
    with_part,
)
from scim_core.protocol.elements import as_it_was_said, with_primary, without_emptied
from scim_core.protocol.names import check_names
from scim_core.protocol.patch_cost import patch_units
from scim_core.protocol.patch_operations import PatchOperation, PatchRequest
from scim_core.protocol.patch_refusals import OperationRefused
from scim_core.protocol.patch_targets import AttributeTarget, ExtensionTarget
from scim_core.protocol.representation import to_document, to_model, with_hidden
from scim_core.protocol.schemas import COMPARISON, POLICY, ResourceType
from scim_core.protocol.stored_documents import as_declared


def modification(resource_type: ResourceType, request: PatchRequest) -> DocumentChange | None:
    """The change that the operations of a PATCH make, in order, all or none; None when there are none.

    If the result is deactivated, what is refused is skipped (ADR 0036). When applied, the change raises
    OperationRefused, InvalidValueException, RequestTooLarge.
    """
    if not resource_type.can_be_inactive and request.refused:
        raise request.refused[0]
    if not request.operations and not request.refused:
        return None
    patch = _Patch(resource_type, request)
    return DocumentChange(partial(patch_units, request.operations), patch.apply)


class _Patch:
    """A PATCH of one resource, which is applied as a whole, or else operation by operation."""

    def __init__(self, resource_type: ResourceType, request: PatchRequest) -> None:
        self._resource_type = resource_type
        self._request = request

    def apply(self, document: Json) -> Changed:
        """The document after the operations. Raises OperationRefused unless the result is deactivated."""
        if not self._request.refused:
            try:
                return Changed(self._after(document, self._request.operations))
            except (SCIMException, ValidationError):
                pass  # which operation it was is found out below
        return self._one_by_one(document)

    def _after(self, document: Json, operations: Sequence[PatchOperation]) -> Json:
        if not operations:
            return document
        resource_type = self._resource_type
        stored, document = document, as_declared(resource_type, document)
        # Only what the operations write goes through the models: they copy and compare all that they are given.
        written = {item.target.held_as for item in operations}
        changed = self._applied(part_of(document, written), operations)
        changed = with_hidden(resource_type, with_part(resource_type, document, written, changed), stored)
        check_stored_form(resource_type, changed, document)
        check_names(resource_type, changed, stored)
        return changed

    def _applied(self, part: Json, operations: Sequence[PatchOperation]) -> Json:
        """What the operations make of this part of the document, which has all that they write."""
        resource_type = self._resource_type
        if all(item.assigns_one_value for item in operations):
            # to_model would leave out a value of another type than is declared; here it is refused.
            assigned = resource_type.model.model_validate(_assigned(part, operations), scim_policy=POLICY)
            return to_document(resource_type, assigned)
        not_primary = any(item.selects_not_primary for item in operations)
        model = to_model(resource_type, with_primary(resource_type, part) if not_primary else part)
        _message(resource_type, operations).patch(model, scim_policy=_policy(operations, part))
        changed = to_document(resource_type, model)
        if not_primary:
            changed = as_it_was_said(resource_type, changed, part)
        unassigned = {
            item.target.attribute.name
            for item in operations
            if isinstance(item.target, AttributeTarget) and item.unassigns
        }
        return without_emptied(resource_type, changed, part, unassigned) if unassigned else changed

    def _one_by_one(self, document: Json) -> Changed:
        """The document after what can be applied, if it is deactivated. Otherwise raises the first refusal."""
        good, refused = self._tried(document)
        changed, skipped = self._storable(document, good)
        refused += skipped
        refused.sort(key=lambda item: item.number)
        if refused and changed.get(ACTIVE) is not False:
            raise refused[0]
        return Changed(changed, tuple(refused))

    def _storable(self, document: Json, good: Sequence[PatchOperation]) -> tuple[Json, list[OperationRefused]]:
        """The document after as many of these operations as can be stored together, and why the others are refused.

        A name that becomes blank, say, is noticed only in the result. Then the operations on names are left out, and
        if that is not enough, all but those on `active`.
        """
        not_on_names = [item for item in good if not any(item.is_on(name) for name in self._resource_type.unique_names)]
        try:
            return self._after(document, good), []
        except (SCIMException, ValidationError) as error:
            refusal = error
        try:
            return self._after(document, not_on_names), _refused(good, not_on_names, refusal)
        except (SCIMException, ValidationError) as error:
            on_active = [item for item in good if item.is_on(ACTIVE)]
            return self._after(document, on_active), _refused(good, on_active, error)

    def _tried(self, document: Json) -> tuple[list[PatchOperation], list[OperationRefused]]:
        """The operations that can be applied one after the other, and why the others cannot be."""
        good: list[PatchOperation] = []
        refused = list(self._request.refused)
        document = as_declared(self._resource_type, document)
        model = to_model(self._resource_type, with_primary(self._resource_type, document))
        policy = _policy(self._request.operations, document)
        for operation in self._request.operations:
            try:
                _message(self._resource_type, [operation]).patch(model, scim_policy=policy)
            except (SCIMException, ValidationError) as error:
                refused.append(operation.refused(error))
            else:
                good.append(operation)
        return good, refused


def _refused(
    good: Sequence[PatchOperation], kept: Sequence[PatchOperation], error: SCIMException | ValidationError
) -> list[OperationRefused]:
    stays = set(map(id, kept))
    return [operation.refused(error) for operation in good if id(operation) not in stays]


def _assigned(part: Json, operations: Sequence[PatchOperation]) -> Json:
    """The part with these values. The model looks at them as at any others: scim2-models has nothing to apply."""
    assigned = dict(part)
    for item in operations:
        if isinstance(item.target, AttributeTarget):
            value, extension = {item.target.attribute.name: item.value}, item.target.extension
            assigned |= {extension: assigned.get(extension, {}) | value} if extension else value
    return assigned


def _message(resource_type: ResourceType, operations: Sequence[PatchOperation]) -> Any:
    """The operations as the model of a PatchOp message. Raises ValidationError."""
    patch_type: Any = PatchOp[resource_type.model]  # type: ignore[name-defined]
    message = {"schemas": [str(patch_type.__schema__)], "Operations": [item.to_json() for item in operations]}
    return patch_type.model_validate(message, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY)


def _policy(operations: Sequence[PatchOperation], document: Json) -> ScimPolicy:
    """The policy under which the operations compare as ADR 0029 says."""
    if not any(map(_compares, operations)):
        return POLICY
    return POLICY if _is_plain([item.to_json() for item in operations]) and _is_plain(document) else COMPARISON


def _compares(operation: PatchOperation) -> bool:
    """Whether the operation looks for a value among others."""
    target = operation.target
    if isinstance(target, ExtensionTarget) or target.value_filter is not None:
        return True
    return target.attribute.multi_valued and operation.op != "replace"


def _is_plain(texts: Any) -> bool:
    """Whether these texts compare alike under POLICY and COMPARISON. Nearly all do, and POLICY is much quicker."""
    return has_one_form(json.dumps(texts, ensure_ascii=False))
