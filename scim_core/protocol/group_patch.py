"""Splits a group's POST, PUT or PATCH into membership edits and the rest.

Memberships are rows, so a PATCH that adds one member must never need the others. The operations on `members` are
folded, in order (RFC 7644 section 3.5.2), into one `MembershipPatch`. It knows whether the present members matter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from scim2_models.path import CompareOperator, Comparison, LogicalExpr, LogicalOperator, Not

from scim_core.model import GROUP, Json, Membership, MembershipEdits
from scim_core.protocol.leniency import UNASSIGNED
from scim_core.protocol.limits import MAX_MEMBER_COMPARISONS, MAX_MEMBERS, at_most, comparisons
from scim_core.protocol.patch_operations import PatchOperation, PatchRequest
from scim_core.protocol.patch_targets import AttributeTarget
from scim_core.protocol.references import named_id
from scim_core.protocol.representation import ShownMember
from scim_core.protocol.schemas import COMPARISON, ResourceType

MATCHED_TOGETHER = 1_000
"""Members that are matched in one model of a group."""

MATCH_UNITS = 1
"""Units of work that a member costs when path filters are matched with it."""

COMPARISON_UNITS = 2
"""Units of work of one comparison with one member."""


REFERENCES = frozenset({"value", "$ref"})
"""The sub-attributes that name a member."""


@dataclass(frozen=True, slots=True)
class NamedMembers:
    """The members that a value or a filter names, each with its resource type, and how many are named by no id."""

    kinds: Mapping[str, str]
    malformed: int = 0


@dataclass
class MembershipPatch:
    """What the operations folded so far do to a group's members.

    With `replaces`, present members go if they are not added again. `conditions` select present members that go, with
    so many `comparisons`. Without both, the edits follow from the ids alone. `shown` is how clients see a member. The
    group is a resource of the type `group_type`. `malformed` members are named by no id.
    """

    shown: ShownMember
    group_type: str = GROUP
    replaces: bool = False
    added: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    conditions: list[Path[Any]] = field(default_factory=list)
    comparisons: int = 0
    malformed: int = 0

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

    def add(self, members: NamedMembers) -> None:
        """These members are in."""
        self.malformed += members.malformed
        self.added |= members.kinds
        self.removed -= members.kinds.keys()

    def remove(self, members: NamedMembers) -> None:
        """These members are out."""
        self.malformed += members.malformed
        for member_id in members.kinds:
            self.added.pop(member_id, None)
        self.removed |= members.kinds.keys()

    def replace(self, members: NamedMembers) -> None:
        """These members, and no others, are in.

        Raises InvalidValueException for members that are all named by no id: a mistake may not empty a group.
        """
        if members.malformed and not members.kinds:
            raise InvalidValueException(
                detail="None of the members is named by the id of a resource. An empty array removes all members."
            )
        self.malformed += members.malformed
        self.replaces, self.added, self.removed, self.conditions = True, dict(members.kinds), set(), []

    def edits(self, group_id: str, present: Sequence[Membership]) -> MembershipEdits:
        """The edits that bring the group from `present` to what the request asks.

        `present` is every membership; if that is enough, only those of the ids that the request names.
        """
        by_id = {item.member_id: item for item in present}
        condemned = self.selected(self.conditions, present)
        leaving = {
            member_id
            for member_id in by_id
            if member_id not in self.added and (self.replaces or member_id in self.removed or member_id in condemned)
        }
        joining = [(member_id, kind) for member_id, kind in self.added.items() if member_id not in by_id]
        return MembershipEdits(
            add=tuple(Membership(group_id, member_id, kind, self.group_type) for member_id, kind in joining),
            remove=tuple(by_id[member_id] for member_id in sorted(leaving)),
        )

    def selected(self, conditions: Sequence[Path[Any]], memberships: Sequence[Membership]) -> set[str]:
        """The ids of the members that one of the conditions selects. Members are matched as they are shown."""
        selected: set[str] = set()
        for condition in conditions:
            group_type = condition.models[0]
            for some in batched(memberships, MATCHED_TOGETHER, strict=False):
                members = [self.shown(item) for item in some]
                with COMPARISON:
                    found = condition.get(group_type.model_validate({condition.parts[0]: members}), strict=False)
                selected.update(item.value for item in found or ())
        return selected


def split(
    resource_type: ResourceType, request: PatchRequest, shown: ShownMember
) -> tuple[MembershipPatch, PatchRequest]:
    """The operations on members, folded, and the request without them.

    Raises OperationRefused, RequestTooLarge.
    """
    patch = MembershipPatch(shown, resource_type.name)
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


def take_members(resource_type: ResourceType, shaped: Json) -> NamedMembers:
    """The members in a POST or PUT body. They are taken out of the body, because they are rows at rest.

    The body of another resource type stays as it is. Raises as members_named.
    """
    return (
        members_named(resource_type, shaped.pop(str(resource_type.memberships), None))
        if resource_type.has_members
        else NamedMembers({})
    )


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
        patch.replace(NamedMembers({}) if value is UNASSIGNED else members_named(resource_type, value))


def _selected_member(resource_type: ResourceType, target: AttributeTarget, value: Any) -> NamedMembers:
    """The member that a filter and a value name together."""
    selected = _selected_members(resource_type, target.value_filter)
    if selected is None or len(selected.kinds) + selected.malformed != 1:
        raise InvalidFilterException(
            detail=f'{target.path}: a member to add is named as {resource_type.memberships}[value eq "id"].'
        )
    named = members_named(resource_type, [value] if value else [])
    if named.malformed > selected.malformed or named.kinds.keys() - selected.kinds.keys():
        raise MutabilityException(detail=f"{target.path}: the id of a member cannot change; remove it and add another.")
    return named if named.kinds else selected


def _fold_removal(resource_type: ResourceType, patch: MembershipPatch, target: AttributeTarget, value: Any) -> None:
    if target.value_filter is None:
        if value is UNASSIGNED:
            patch.replace(NamedMembers({}))
        else:
            patch.remove(members_named(resource_type, value))
    elif (selected := _selected_members(resource_type, target.value_filter)) is not None:
        patch.remove(selected)
    else:
        patch.comparisons += comparisons(target.value_filter)
        at_most(MAX_MEMBER_COMPARISONS, patch.comparisons, "comparisons with every member")
        path = f"{resource_type.memberships}[{_with_ids(resource_type, target.value_filter)}]"
        ScimFilter[resource_type.model](path)  # type: ignore[name-defined]  # raises for an unknown attribute
        condition: Path[Any] = Path[resource_type.model](path)  # type: ignore[name-defined]
        added = [Membership("", *member) for member in patch.added.items()]
        patch.remove(NamedMembers(dict.fromkeys(patch.selected([condition], added), "")))
        patch.conditions.append(condition)


def _selected_members(resource_type: ResourceType, node: Any) -> NamedMembers | None:
    """The members that a value filter names by their ids or `$ref`s alone; None for any other filter."""
    named = _selecting_texts(node)
    if named is None:
        return None
    ids = [named_id(text, resource_type.endpoints) for text in named]
    return NamedMembers({item: resource_type.usual_member for item in ids if item}, ids.count(None))


def _selecting_texts(node: Any) -> list[str] | None:
    if isinstance(node, LogicalExpr) and node.op == LogicalOperator.or_:
        parts = [_selecting_texts(term) for term in node.terms]
        return None if any(part is None for part in parts) else [item for part in parts for item in part or ()]
    if isinstance(node, Comparison) and node.op == CompareOperator.eq and str(node.attr_path).lower() in REFERENCES:
        return [str(node.value)]
    return None


def _with_ids(resource_type: ResourceType, node: Any) -> Any:
    """The filter with ids as they are shown, where it compares `value` with one that is written in another way."""
    match node:
        case LogicalExpr(terms=terms):
            return replace(node, terms=tuple(_with_ids(resource_type, term) for term in terms))
        case Not(expr=inner):
            return Not(_with_ids(resource_type, inner))
        case Comparison(attr_path=attribute, op=op, value=str(text)) if str(attribute).lower() == "value" and op in (
            CompareOperator.eq,
            CompareOperator.ne,
        ):
            return replace(node, value=named_id(text, resource_type.endpoints) or text)
    return node


def members_named(resource_type: ResourceType, value: Any) -> NamedMembers:
    """The members that a value names: User, if it can be, is their resource type if the client does not say it.

    Raises InvalidValueException when an item names nothing, RequestTooLarge for more than MAX_MEMBERS.
    """
    at_most(MAX_MEMBERS, len(value or ()), "members")
    kinds: dict[str, str] = {}
    malformed = 0
    for member_id, kind in _named(resource_type, value):
        if member_id is None:
            malformed += 1
        else:
            kinds[member_id] = kind
    return NamedMembers(kinds, malformed)


def _named(resource_type: ResourceType, value: Any) -> Iterator[tuple[str | None, str]]:
    kinds = sorted(resource_type.membership_types, key=len, reverse=True)  # of two that a hint holds, the longer one
    usual = resource_type.usual_member
    for item in value or ():
        if item == {}:
            yield None, ""
            continue
        text = item.get("value") or item.get("$ref") if isinstance(item, dict) else None
        if not isinstance(text, str):
            raise InvalidValueException(
                detail="Each of the members must be an object whose value is the id of a member."
            )
        # Only the part before the id counts: a host may have any name, and the text need not be a URL.
        endpoint = "".join(str(item.get("$ref") or text).split("/")[-2:-1])
        hint = f"{item.get('type') or ''} {endpoint}".lower()
        kind = next((kind for kind in kinds if kind != usual and kind.lower() in hint), usual)
        yield named_id(text, resource_type.endpoints), kind
