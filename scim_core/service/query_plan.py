"""A filter -> a lookup that finds its matches without reading everything.

An `exact` lookup is the answer. Any other finds more, and each resource is tested by the whole filter. The plan of each
request is logged.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from scim2_models import AttributeBinding, ScimFilter
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

from scim_core.clock import instant_text
from scim_core.model import Index, IndexEntry
from scim_core.protocol.datetimes import with_offset
from scim_core.protocol.schemas import ResourceType
from scim_core.storage.port import WHOLE_KEY_CHARACTERS, ColumnTest

MAX_TESTS = 8
"""Tests that one scan gives to the storage: Table Storage takes 15 comparisons in a filter, and the range has some."""


@dataclass(frozen=True, slots=True)
class ById:
    """The resource with this id, if there is one."""

    id: str
    rank = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """The group with this id, if this resource is a member of it."""

    group_id: str
    member_id: str
    rank = 0


@dataclass(frozen=True, slots=True)
class ByIndex:
    """The resources that hold an index entry, or one whose key starts with the entry's."""

    entry: IndexEntry
    prefix: bool = False

    @property
    def rank(self) -> int:
        """The lower, the fewer resources it finds."""
        return 5 if self.prefix else 1 if self.entry.unique else 2


@dataclass(frozen=True, slots=True)
class GroupsOf:
    """The groups of which this resource is a member."""

    member_id: str
    rank = 3


@dataclass(frozen=True, slots=True)
class MembersOf:
    """The members of this group, if it is of one of these types."""

    group_id: str
    group_types: tuple[str, ...] = field(default=(), repr=False)
    rank = 4


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The resources that any of these lookups finds."""

    lookups: tuple["Lookup", ...]
    rank = 6


@dataclass(frozen=True, slots=True)
class Scan:
    """All resources that pass the tests storage can make by itself."""

    tests: tuple[ColumnTest, ...] = ()
    rank = 9


Lookup = ById | Edge | ByIndex | GroupsOf | MembersOf | AnyOf | Scan


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """What to look up; whether this is `exact`, the answer itself; whether the filter looks at memberships."""

    lookup: Lookup
    exact: bool
    reads_memberships: bool = False

    @property
    def ids_suffice(self) -> bool:
        """Whether the ids that it finds are the answer. No resource may have an id that the filter names itself."""
        return self.exact and not _names_ids(self.lookup)

    def __str__(self) -> str:
        """For the log: the kind of the plan, and the attributes that it uses. Never their values."""
        return f"{_named(self.lookup)}, {'exact' if self.exact else 'superset'}"


def _names_ids(lookup: Lookup) -> bool:
    return any(map(_names_ids, lookup.lookups)) if isinstance(lookup, AnyOf) else isinstance(lookup, ById)


def _named(lookup: Lookup) -> str:
    match lookup:
        case ByIndex(entry=entry, prefix=prefix):
            return f"{'prefix' if prefix else 'index'} {entry.attribute}"
        case AnyOf(lookups=()):
            return "nothing"
        case AnyOf(lookups=lookups):
            return f"any of {len(lookups)}"
        case Scan(tests=tests):
            return f"scan {' '.join(test.column for test in tests)}".strip()
    return type(lookup).__name__


def plan(resource_type: ResourceType, scim_filter: ScimFilter[Any] | None, complete: Collection[Index]) -> QueryPlan:
    """The cheapest plan for a filter over resources of this type. It uses only complete indexes."""
    if scim_filter is None:
        return QueryPlan(Scan(), exact=True)
    planner = _Planner(resource_type, scim_filter, complete)
    found = planner.visit(scim_filter.ast)
    return QueryPlan(found.lookup, found.exact, reads_memberships=planner.sees_memberships and not found.exact)


class _Planner(FilterVisitor[QueryPlan]):
    def __init__(self, resource_type: ResourceType, scim_filter: ScimFilter[Any], complete: Collection[Index]) -> None:
        self.resource_type = resource_type
        self.filter = scim_filter
        self.complete = complete
        self.sees_memberships = False

    def visit_comparison(self, node: Comparison) -> QueryPlan:
        binding = self.filter.resolve_comparison(node.attr_path, strict=False)
        return _NOTHING if binding is None else self._comparison(binding, node.op, node.value)

    def visit_present(self, node: Present) -> QueryPlan:
        binding = self.filter.resolve(node.attr_path, strict=False)
        if binding is None:
            return _NOTHING
        self._note(binding)
        return _SCAN

    def visit_not(self, node: Not) -> QueryPlan:
        self.visit(node.expr)
        return _SCAN

    def visit_logical_expr(self, node: LogicalExpr) -> QueryPlan:
        plans = [self.visit(term) for term in node.terms]
        return _any_of(plans) if node.op == LogicalOperator.or_ else _all_of(plans)

    def visit_value_path(self, node: ValuePath) -> QueryPlan:
        """The most selective equality inside the brackets. It is exact only if it is the only term."""
        outer = self.filter.resolve(node.attr_path, strict=False)
        if outer is None:
            return _NOTHING
        self._note(outer)
        inner = node.val_filter
        terms = inner.terms if isinstance(inner, LogicalExpr) and inner.op == LogicalOperator.and_ else (inner,)
        plans = [self._inner(node.attr_path, term) for term in terms if isinstance(term, Comparison)]
        best = min(plans, key=lambda item: item.lookup.rank, default=_SCAN)
        return QueryPlan(best.lookup, exact=best.exact and len(terms) == 1)

    def _inner(self, outer: AttrPath, term: Comparison) -> QueryPlan:
        """A comparison inside the brackets. Values that are not complex have no sub-attributes and yet a `value`."""
        path = AttrPath(outer.attr, term.attr_path.attr, outer.uri)
        plain = term.attr_path == AttrPath(term.attr_path.attr)
        binding = self.filter.resolve_comparison(path, strict=False) if plain else None
        return _SCAN if binding is None else self._comparison(binding, term.op, term.value)

    def _note(self, binding: AttributeBinding) -> None:
        if binding.field_name == self.resource_type.membership_field:
            self.sees_memberships = True

    def _comparison(self, binding: AttributeBinding, op: CompareOperator, value: Any) -> QueryPlan:
        self._note(binding)
        of_core = binding.model is self.resource_type.model  # an extension may have an `active` of its own
        if of_core and binding.field_name == "meta":
            return _instant(binding.sub_field_name, op, value)
        if of_core and op == CompareOperator.eq:
            return self._equality(binding, value)
        if op == CompareOperator.sw and isinstance(value, str) and value:
            return self._indexed(binding, value, prefix=True)
        return _SCAN

    def _equality(self, binding: AttributeBinding, value: Any) -> QueryPlan:
        truth = binding.target_type is bool and str(value).lower() in ("true", "false")
        if binding.field_name == "active" and truth:
            return QueryPlan(Scan((ColumnTest("active", "eq", str(value).lower() == "true"),)), exact=True)
        if not isinstance(value, str):
            return _SCAN
        if binding.field_name == "id":
            return QueryPlan(ById(value), exact=True)
        shown = self.resource_type.membership_field
        if (binding.field_name, binding.sub_field_name) == (shown, "value"):
            types = self.resource_type.membership_types
            return QueryPlan(GroupsOf(value) if self.resource_type.has_members else MembersOf(value, types), exact=True)
        return self._indexed(binding, value, prefix=False)

    def _indexed(self, binding: AttributeBinding, value: str, *, prefix: bool) -> QueryPlan:
        for indexed in self.resource_type.indexed:
            ours = (indexed.binding.model, indexed.binding.field_name, indexed.binding.sub_field_name)
            same = ours == (binding.model, binding.field_name, binding.sub_field_name)
            if same and indexed.index in self.complete:
                entry = indexed.entry(value)
                return QueryPlan(ByIndex(entry, prefix), exact=not prefix and len(entry.key) <= WHOLE_KEY_CHARACTERS)
        return _SCAN


_SCAN = QueryPlan(Scan(), exact=False)
_NOTHING = QueryPlan(AnyOf(()), exact=True)
"""For an attribute that the resource type does not have: no comparison with it matches (RFC 7644 section 3.4.2.1)."""
_INSTANTS = {"created": "created", "last_modified": "lastModified"}
_TESTS = {CompareOperator.eq, CompareOperator.gt, CompareOperator.ge, CompareOperator.lt, CompareOperator.le}


def _instant(sub_attribute: str | None, op: CompareOperator, value: Any) -> QueryPlan:
    column = _INSTANTS.get(sub_attribute or "")
    whole = with_offset(value) if isinstance(value, str) else None
    if column is None or op not in _TESTS or whole is None:
        return _SCAN
    try:
        text = instant_text(datetime.fromisoformat(whole).astimezone(UTC))
    except OverflowError:  # an instant at the very start or end of the calendar, in another time zone
        return _SCAN
    return QueryPlan(Scan((ColumnTest(column, op.value, text),)), exact=True)


def _any_of(plans: list[QueryPlan]) -> QueryPlan:
    if any(isinstance(item.lookup, Scan) for item in plans):
        return _SCAN
    lookups = tuple(dict.fromkeys(lookup for item in plans for lookup in _parts(item.lookup)))
    return QueryPlan(lookups[0] if len(lookups) == 1 else AnyOf(lookups), exact=all(item.exact for item in plans))


def _parts(lookup: Lookup) -> tuple[Lookup, ...]:
    return lookup.lookups if isinstance(lookup, AnyOf) else (lookup,)


def _all_of(plans: list[QueryPlan]) -> QueryPlan:
    if _NOTHING in plans:
        return _NOTHING
    scans = [item for item in plans if isinstance(item.lookup, Scan)]
    if len(scans) == len(plans):
        tests = tuple(_tests(plans))
        exact = all(item.exact for item in plans) and len(tests) <= MAX_TESTS
        return QueryPlan(Scan(tests[:MAX_TESTS]), exact)
    lookups = [item.lookup for item in plans]
    ids = [item for item in lookups if isinstance(item, ById)]
    members = [item for item in lookups if isinstance(item, GroupsOf)]
    if ids and members:
        both = len(plans) == 2 and all(item.exact for item in plans)  # noqa: PLR2004
        return QueryPlan(Edge(ids[0].id, members[0].member_id), exact=both)
    return QueryPlan(min(lookups, key=lambda item: item.rank), exact=False)


def _tests(plans: Iterable[QueryPlan]) -> Iterable[ColumnTest]:
    for item in plans:
        if isinstance(item.lookup, Scan):
            yield from item.lookup.tests
