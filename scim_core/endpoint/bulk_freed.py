"""Which unique values the deletions of a bulk free: so they keep the order of the request with writes of them."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import replace

from scim_core.endpoint.bulk_operation import Prepared
from scim_core.ids import is_id
from scim_core.protocol.bulk_plan import Described
from scim_core.protocol.bulk_references import PREFIX
from scim_core.protocol.costs import read_units
from scim_core.protocol.schemas import ResourceType

type Held = Callable[[str, ResourceType, Sequence[str]], Awaitable[Mapping[str, frozenset[tuple[str, str]]]]]
"""The unique values of resources of a tenant, by their ids. It may raise StorageBusy."""


async def with_freed(operations: Sequence[Prepared], described: Sequence[Described], held: Held) -> list[Described]:
    """The operations, where each deletion also changes the unique values that it frees.

    These are what the resource has now, and what earlier operations of the bulk give it. A resource is read only if an
    earlier operation writes unique values of its type. Raises StorageBusy.
    """
    freeing = _freeing(operations, described)
    ids: defaultdict[str, list[str]] = defaultdict(list)
    types: dict[str, ResourceType] = {}
    for number in freeing:
        if is_id(operations[number].named.lower()):
            resource_type = operations[number].call.resource_type
            types[resource_type.name] = resource_type
            ids[resource_type.name].append(operations[number].named.lower())
    values: dict[tuple[str, str], frozenset[Hashable]] = {}
    for name, resource_type in types.items():
        call = operations[freeing[0]].call
        found = await held(call.tenant, resource_type, list(dict.fromkeys(ids[name])))
        await call.work.conclude(read_units(len(found)))
        values |= {(name, id_): frozenset((name, *value) for value in some) for id_, some in found.items()}
    given = _given(operations)
    freed = list(described)
    for number in freeing:
        key = described[number].frees, _about(operations[number])
        gains = (some for place, some in given[key] if place < number or operations[place].operation.method == "POST")
        freed[number] = replace(
            freed[number], changes=freed[number].changes.union(values.get(key, frozenset()), *gains)
        )
    return freed


def _freeing(operations: Sequence[Prepared], described: Sequence[Described]) -> list[int]:
    """The deletions before which another operation writes unique values of the same type."""
    taken: set[str] = set()
    found = []
    for number, item in enumerate(described):
        if item.frees in taken:
            found.append(number)
        taken |= {item.takes} - {""}
    return [number for number in found if operations[number].named]


def _given(
    operations: Sequence[Prepared],
) -> defaultdict[tuple[str, str], list[tuple[int, frozenset[Hashable]]]]:
    """The unique values that operations give to a resource, each with the operation's number."""
    given: defaultdict[tuple[str, str], list[tuple[int, frozenset[Hashable]]]] = defaultdict(list)
    for number, item in enumerate(operations):
        if item.written:
            given[item.call.resource_type.name, _about(item)].append((number, item.written))
    return given


def _about(prepared: Prepared) -> str:
    """The id, or the reference, of the resource that an operation is about; that of a POST is its own bulkId."""
    if prepared.operation.method == "POST":
        return PREFIX + prepared.operation.bulk_id
    named = prepared.named
    return named if named.startswith(PREFIX) else named.lower()
