"""What this endpoint does with each target of an attribute mapping, before anything is sent."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from scim2_models import InvalidPathException

from scim_core.protocol.nearest_name import nearest_name
from scim_core.protocol.patch_operations import UnknownPath, target_of
from scim_core.protocol.patch_targets import AttributeTarget
from scim_core.protocol.schemas import Catalogue, ResourceType
from scim_core.protocol.synchronization_schema import AttributeMapping, ObjectMapping

_ALWAYS = "always"
_USERS = "User"
_SELECTION = re.compile(r"\[.*\]")


class Verdict(StrEnum):
    """What becomes of what is sent for a target."""

    KEPT = "kept"
    IGNORED = "ignored"
    REFUSED = "refused"
    READ_ONLY = "read-only"
    SCANNED = "not indexed"
    TWICE = "mapped twice"
    FLOW = "not always sent"
    MISSING = "missing"
    OFF = "switched off"


@dataclass(frozen=True, slots=True)
class MappingFinding:
    """The verdict on one target, and what to do about it; no advice where nothing is wrong."""

    resource_type: str
    target: str
    verdict: Verdict
    advice: str = ""


def lint_mappings(catalogue: Catalogue, mappings: Sequence[ObjectMapping]) -> list[MappingFinding]:
    """A finding for each target, in the order of the file, and one for each target that has to be there.

    The last one is there if the file sends no users.
    """
    found = [finding for mapping in mappings for finding in _of_objects(catalogue, mapping)]
    return [*found, *_of_users(catalogue, mappings)]


def _of_users(catalogue: Catalogue, mappings: Sequence[ObjectMapping]) -> Iterator[MappingFinding]:
    users = catalogue.named(_USERS)
    if users is not None and not any(item.enabled and catalogue.named(_type_name(item)) is users for item in mappings):
        advice = (
            "No mapping of users is switched on, so nobody is created here. Is this the file of another application?"
        )
        yield MappingFinding(users.name, "", Verdict.MISSING, advice)


def _type_name(mapping: ObjectMapping) -> str:
    return mapping.target_object_name.rpartition(":")[2]


def _of_objects(catalogue: Catalogue, mapping: ObjectMapping) -> Iterator[MappingFinding]:
    name = _type_name(mapping)
    resource_type = catalogue.named(name)
    if resource_type is None:
        kinds = ", ".join(item.name for item in catalogue)
        yield MappingFinding(name, "", Verdict.REFUSED, f"There is no resource type of this name. There are {kinds}.")
    elif not mapping.enabled:
        yield MappingFinding(name, "", Verdict.OFF, "Nothing of this type is sent. Switch the mapping on if it should.")
    else:
        yield from _of_actions(resource_type, mapping)
        yield from _ObjectLint(catalogue, resource_type, mapping).findings()


def _of_actions(resource_type: ResourceType, mapping: ObjectMapping) -> Iterator[MappingFinding]:
    consequences = {
        "add": "Who is new is never created here.",
        "update": "No change arrives here. Who is disabled in Entra stays active here.",
        "delete": "Who leaves the scope is neither disabled nor deleted here.",
    }
    for action, consequence in consequences.items():
        if action not in mapping.actions:
            advice = f"The action {action.title()} is not chosen. {consequence}"
            yield MappingFinding(resource_type.name, "", Verdict.FLOW, advice)


class _ObjectLint:
    """Looks at the mapping of one resource type."""

    def __init__(self, catalogue: Catalogue, resource_type: ResourceType, mapping: ObjectMapping) -> None:
        self._catalogue = catalogue
        self._type = resource_type
        self._mappings = mapping.attribute_mappings
        self._times = Counter(_same(item.target_attribute_name) for item in self._mappings)
        self._mapped: set[str] = set()

    def findings(self) -> Iterator[MappingFinding]:
        """What is found of each target, then of those that are missing."""
        for item in self._mappings:
            found = list(self._of(item))
            yield from found or [self._finding(item, Verdict.KEPT)]
        yield from self._missing()

    def _of(self, item: AttributeMapping) -> Iterator[MappingFinding]:
        name = item.target_attribute_name
        try:
            target = target_of(self._type, name)
        except UnknownPath:
            yield self._finding(item, Verdict.IGNORED, self._unknown(name))
            return
        except InvalidPathException as error:
            yield self._finding(item, Verdict.REFUSED, f"{error.detail} A PATCH with it is answered with 400.")
            return
        self._mapped.add(target.attribute.name.lower())
        if target.read_only and not target.of_members:
            yield self._finding(item, Verdict.READ_ONLY, _read_only(target))
            return
        if self._times[_same(name)] > 1:
            advice = "Two mappings write to this target: what is sent last stays. Remove one of them."
            yield self._finding(item, Verdict.TWICE, advice)
        if item.matching_priority > 0 and not self._type.is_indexed(_searched(target)):
            advice = "Entra looks resources up by it, and each look-up reads all of them. Match by "
            indexed = ", ".join(self._type.indexed_names)
            yield self._finding(item, Verdict.SCANNED, f"{advice}one of: {indexed}.")
        if lost := _flow(target, item.flow_type):
            yield self._finding(item, Verdict.FLOW, lost)

    def _unknown(self, name: str) -> str:
        nearest = nearest_name(self._catalogue, self._type, name)
        meant = f" Did you mean {nearest}?" if nearest else " /Schemas lists the attributes that there are."
        return f"No schema declares it. In a POST it is ignored. A PATCH with it as path is answered with 400.{meant}"

    def _missing(self) -> Iterator[MappingFinding]:
        for attribute in self._type.attributes.values():
            if attribute.required and attribute.name.lower() not in self._mapped:
                advice = "It is required. Without it, each POST is answered with 400."
                yield MappingFinding(self._type.name, attribute.name, Verdict.MISSING, advice)
        if self._type.can_be_inactive and "active" not in self._mapped:
            advice = "Who is disabled in Entra stays active here. Map it."
            yield MappingFinding(self._type.name, "active", Verdict.MISSING, advice)
        if not any(item.matching_priority > 0 for item in self._mappings):
            advice = "No target is a matching attribute. Entra then creates who is here already, and gets 409."
            yield MappingFinding(self._type.name, "", Verdict.MISSING, advice)

    def _finding(self, item: AttributeMapping, verdict: Verdict, advice: str = "") -> MappingFinding:
        return MappingFinding(self._type.name, item.target_attribute_name, verdict, advice)


def _same(target: str) -> str:
    """What two spellings of one target have in common."""
    return "".join(target.lower().split())


def _read_only(target: AttributeTarget) -> str:
    if target.attribute.name == "password":
        return "Passwords are never stored: what is sent is ignored. Remove the mapping."
    return "Only this service writes it. What is sent is ignored or answered with 400. Remove the mapping."


def _searched(target: AttributeTarget) -> str:
    """The path that a filter on this target looks up. What selects values, such as a type, is tested afterwards."""
    return _SELECTION.sub("", target.path)


def _flow(target: AttributeTarget, flow_type: str) -> str:
    """What does not arrive with this flow type, if that is dangerous, else "". Other attributes are a choice."""
    if flow_type.lower() == _ALWAYS:
        return ""
    if target.attribute.name == "active":
        return f"With the flow type {flow_type}, a deactivation may never be sent. Choose Always."
    if target.of_members:
        return f"With the flow type {flow_type}, nobody who leaves the group is removed here. Choose Always."
    return ""
