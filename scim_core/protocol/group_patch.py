"""Splits a group's POST, PUT or PATCH into membership edits and the rest.

Memberships are rows, so a PATCH that adds one member must never need the others. The operations on `members` are
folded, in order (RFC 7644 section 3.5.2), into one `MembershipPatch`. It knows whether the present members matter.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from scim2_models import (
    InvalidFilterException,
    InvalidValueException,
    MutabilityException,
    Path,
    SCIMException,
    ScimFilter,
)
from scim2_models.path import AttrPath, CompareOperator, Comparison, LogicalExpr, LogicalOperator

from scim_core.model import Json, Membership, MembershipEdits
from scim_core.protocol.leniency import UNASSIGNED
from scim_core.protocol.limits import MAX_MEMBER_COMPARISONS, MAX_MEMBERS, at_most, comparisons
from scim_core.protocol.patch_operations import AttributeTarget, PatchOperation, PatchRequest
from scim_core.protocol.schemas import COMPARISON, ResourceType

MEMBERS = "members"

MATCHED_TOGETHER = 1_000
"""Members that are matched in one model of a group."""

MATCH_UNITS = 1
"""Units of work that a member costs when path filters are matched with it."""

COMPARISON_UNITS = 2
"""Units of work of one comparison with one member."""


@dataclass
class MembershipPatch:
    """What the operations folded so far do to a group's members.

    With `replaces`, present members go if they are not added again. `conditions` select present members that go, with
    so many `comparisons`. Without both, the edits follow from the ids alone.
    """

    replaces: bool = False
    added: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    conditions: list[Path[Any]] = field(default_factory=list)
    comparisons: int = 0

    def __bool__(self) -> bool:
        """Whether the request touches members at all."""
        return self.replaces or bool(self.added or self.removed or self.conditions)

    @property
    def needs_present_members(self) -> bool:
        """Whether the edits depend on who is a member now."""
        return self.replaces or bool(self.conditions)

    def units(self, present: int) -> int:
        """The units of work that `edits` takes with so many present members."""
        each = 1 + (MATCH_UNITS + COMPARISON_UNITS * self.comparisons if self.conditions else 0)
        return 1 + len(self.added) // 2 + each * present

    @property
    def named(self) -> list[str]:
        """The ids that the request names."""
        return sorted({*self.added, *self.removed})

    def finds_done(self, present: Sequence[Membership]) -> bool:
        """Whether a part of the request is done already: an id to add is a member, or an id to remove is not a member.

        `present` are the memberships of the ids that the request names.
        """
        there = {item.member_id for item in present}
        return not there.isdisjoint(self.added) or not self.removed <= there

    def add(self, members: dict[str, str]) -> None:
        """These members, of these resource types, are in."""
        self.added |= members
        self.removed -= members.keys()

    def remove(self, ids: Collection[str]) -> None:
        """These members are out."""
        for member_id in ids:
            self.added.pop(member_id, None)
        self.removed |= set(ids)

    def replace(self, members: dict[str, str]) -> None:
        """These members, and no others, are in."""
        self.replaces, self.added, self.removed, self.conditions = True, dict(members), set(), []

    def edits(self, group_id: str, present: Sequence[Membership]) -> MembershipEdits:
        """The edits that bring the group from `present` to what the request asks.

        `present` is every membership; if that is enough, only those of the ids that the request names.
        """
        by_id = {item.member_id: item for item in present}
        condemned = _selected(self.conditions, present)
        leaving = {
            member_id
            for member_id in by_id
            if member_id not in self.added and (self.replaces or member_id in self.removed or member_id in condemned)
        }
        joining = [(member_id, kind) for member_id, kind in self.added.items() if member_id not in by_id]
        return MembershipEdits(
            add=tuple(Membership(group_id, member_id, kind) for member_id, kind in joining),
            remove=tuple(by_id[member_id] for member_id in sorted(leaving)),
        )


def _selected(conditions: Sequence[Path[Any]], memberships: Sequence[Membership]) -> set[str]:
    """The ids of the members that one of the conditions selects."""
    selected: set[str] = set()
    for condition in conditions:
        group_type = condition.models[0]
        for some in batched(memberships, MATCHED_TOGETHER, strict=False):
            members = [{"value": item.member_id, "type": item.member_type} for item in some]
            with COMPARISON:
                found = condition.get(group_type.model_validate({MEMBERS: members}), strict=False)
            selected.update(item.value for item in found or ())
    return selected


def split(resource_type: ResourceType, request: PatchRequest) -> tuple[MembershipPatch, PatchRequest]:
    """The operations on members, folded, and the request without them.

    Raises OperationRefused, RequestTooLarge.
    """
    patch = MembershipPatch()
    rest: list[PatchOperation] = []
    for operation in request.operations:
        target = operation.target
        if isinstance(target, AttributeTarget) and target.of_members:
            try:
                _fold(resource_type, patch, operation, target)
            except SCIMException as error:
                raise operation.refused(error) from None
        else:
            rest.append(operation)
    at_most(MAX_MEMBERS, len(patch.added) + len(patch.removed), "members")
    return patch, PatchRequest(rest, request.refused)


def take_members(resource_type: ResourceType, shaped: Json) -> dict[str, str]:
    """The `members` of a POST or PUT body. They are taken out of the body, because they are rows at rest.

    The body of another resource type stays as it is. Raises as members_named.
    """
    return members_named(resource_type, shaped.pop(MEMBERS, None)) if resource_type.has_members else {}


def _fold(
    resource_type: ResourceType, patch: MembershipPatch, operation: PatchOperation, target: AttributeTarget
) -> None:
    if target.sub_attribute is not None:
        raise MutabilityException(
            detail=f"{target.path}: the attributes of a member cannot change; remove the member and add another."
        )
    value = operation.value
    if operation.op == "remove":
        _fold_removal(resource_type, patch, target, value)
    elif target.value_filter is not None:
        patch.add(_selected_member(resource_type, target, value))
    elif operation.op == "add":
        patch.add(members_named(resource_type, value))
    else:
        patch.replace({} if value is UNASSIGNED else members_named(resource_type, value))


def _selected_member(resource_type: ResourceType, target: AttributeTarget, value: Any) -> dict[str, str]:
    """The member that a filter and a value name together."""
    selected = _selected_ids(target.value_filter)
    if selected is None or len(selected) != 1:
        raise InvalidFilterException(detail=f'{target.path}: a member to add is named as members[value eq "id"].')
    named = members_named(resource_type, [value] if value else [])
    if named.keys() - set(selected):
        raise MutabilityException(detail=f"{target.path}: the id of a member cannot change; remove it and add another.")
    return named or dict.fromkeys(selected, "User")


def _fold_removal(resource_type: ResourceType, patch: MembershipPatch, target: AttributeTarget, value: Any) -> None:
    if target.value_filter is None:
        if value is UNASSIGNED:
            patch.replace({})
        else:
            patch.remove(members_named(resource_type, value))
    elif (selected := _selected_ids(target.value_filter)) is not None:
        patch.remove(selected)
    else:
        patch.comparisons += comparisons(target.value_filter)
        at_most(MAX_MEMBER_COMPARISONS, patch.comparisons, "comparisons with every member")
        ScimFilter[resource_type.model](target.path)  # type: ignore[name-defined]  # raises for an unknown attribute
        condition: Path[Any] = Path[resource_type.model](target.path)  # type: ignore[name-defined]
        patch.remove(_selected([condition], [Membership("", *member) for member in patch.added.items()]))
        patch.conditions.append(condition)


def _selected_ids(node: Any) -> list[str] | None:
    """The ids that a value filter names, if it has only comparisons `value eq`; None for any other filter."""
    if isinstance(node, LogicalExpr) and node.op == LogicalOperator.or_:
        parts = [_selected_ids(term) for term in node.terms]
        return None if any(part is None for part in parts) else [item for part in parts for item in part or ()]
    if isinstance(node, Comparison) and node.op == CompareOperator.eq and node.attr_path == AttrPath("value"):
        return [str(node.value)]
    return None


def members_named(resource_type: ResourceType, value: Any) -> dict[str, str]:
    """The ids in a `members` value, each with its resource type: User if the client does not say it.

    Raises InvalidValueException when an item names no id, RequestTooLarge for more than MAX_MEMBERS.
    """
    at_most(MAX_MEMBERS, len(value or ()), "members")
    return dict(_named(resource_type, value))


def _named(resource_type: ResourceType, value: Any) -> Iterator[tuple[str, str]]:
    kinds = resource_type.attributes[MEMBERS].sub_attributes["$ref"].reference_types
    for item in value or ():
        member_id = item.get("value") if isinstance(item, dict) else None
        if not isinstance(member_id, str):
            raise InvalidValueException(
                detail="Each of the members must be an object whose value is the id of a member."
            )
        # Only the part before the id counts: a host may have any name, and the text need not be a URL.
        endpoint = "".join(str(item.get("$ref") or "").split("/")[-2:-1])
        hint = f"{item.get('type') or ''} {endpoint}".lower()
        yield member_id, next((kind for kind in kinds if kind != "User" and kind.lower() in hint), "User")
