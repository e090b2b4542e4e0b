"""Whether resources match a filter. A resource for which that takes long is tested term by term."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from scim2_models import Resource, ScimFilter
from scim2_models.path import LogicalExpr, LogicalOperator, Not, ValuePath

from scim_core.model import Membership, StoredResource
from scim_core.protocol.costs import FilterCost, model_units
from scim_core.protocol.schemas import COMPARISON
from scim_core.work import UNITS_PER_TURN, Work

WHAT = "its filter"
"""What the units are for, in the sentence of a refusal."""


class FilterTest:
    """Tests the resources of one type for one request."""

    def __init__(self, scim_filter: ScimFilter[Any], work: Work, memberships: str | None) -> None:
        """`memberships` is the attribute in which the type shows these, if any."""
        self._filter = scim_filter
        self._memberships = memberships
        self._work = work
        self._cost = FilterCost(scim_filter.ast)
        self._parts: dict[str, tuple[ScimFilter[Any], FilterCost]] = {}

    def require(self, portion: Sequence[StoredResource]) -> None:
        """Raises TooMuchWork when testing these resources, without memberships, is beyond the budget."""
        units = sum(model_units(stored.document, 0) + self._units(self._cost, stored, 0) for stored in portion)
        self._work.require(units, WHAT)

    def _units(self, cost: FilterCost, stored: StoredResource, memberships: int) -> int:
        return cost.units(stored.document, self._memberships, memberships)

    async def matches(
        self, stored: StoredResource, memberships: Sequence[Membership], model: Callable[[], Resource[Any]]
    ) -> bool:
        """Whether this resource, whose model is made on demand, matches. Raises TooMuchWork before it is computed."""
        of_model = model_units(stored.document, len(memberships))
        units = of_model + self._units(self._cost, stored, len(memberships))
        if units <= UNITS_PER_TURN:
            return await self._work.run(units, WHAT, lambda: _matches(self._filter, model()))
        self._work.require(units, WHAT)
        resource = await self._work.run(of_model, WHAT, model)
        return await self._holds(self._filter.ast, resource, lambda cost: self._units(cost, stored, len(memberships)))

    async def _holds(self, node: Any, resource: Resource[Any], units: Callable[[FilterCost], int]) -> bool:
        """Whether the part of the filter holds. Each comparison is a piece of its own."""
        match node:
            case LogicalExpr(op=op, terms=terms):
                decisive = op == LogicalOperator.or_
                for term in terms:
                    if await self._holds(term, resource, units) == decisive:
                        return decisive
                return not decisive
            case Not(expr=inner):
                return not await self._holds(inner, resource, units)
            case ValuePath(val_filter=LogicalExpr(op=LogicalOperator.or_, terms=terms)):
                for term in terms:  # an element that fulfils one of the terms fulfils them
                    if await self._holds(replace(node, val_filter=term), resource, units):
                        return True
                return False
        part, cost = self._part(node)
        return await self._work.run(units(cost), WHAT, lambda: _matches(part, resource))

    def _part(self, node: Any) -> tuple[ScimFilter[Any], FilterCost]:
        """The part of the filter as a filter, and what it costs."""
        key = str(node)
        if key not in self._parts:
            self._parts[key] = type(self._filter)(node), FilterCost(node)
        return self._parts[key]


def _matches(scim_filter: ScimFilter[Any], resource: Resource[Any]) -> bool:
    with COMPARISON:
        return scim_filter.match(resource)
