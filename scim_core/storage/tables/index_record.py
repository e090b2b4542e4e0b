"""Which indexes beyond the first ones are complete for a tenant: the record, a row of its partition. Pure.

An index is in one of these states. docs/adr/0025 says how the record stays true.

absent     nothing is known of it: it is not used
building   `admin reindex` writes what is missing; a writer that does not keep it removes this state first
complete   every resource has its rows in it: searches use it
withdrawn  it was complete; a writer that does not keep it has withdrawn it, and writes once all have forgotten it
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from scim_core.clock import instant_text
from scim_core.model import Column

RECORD_SECONDS = 60
"""How long an instance believes a record that it has read: one point read a minute for a tenant that is written to."""

STORED_SECONDS = 10
"""Longest time from the instant that a change of a record names to the moment when others can read it: one call."""

SKEW_SECONDS = 10
"""How far the clocks of two instances may be apart."""

USED_SECONDS = 60
"""Longest time from a request's look at a record to the end of its last call that relies on it. A request ends after 40
seconds. A call that has begun by then may take 10 more.
"""

FORGOTTEN_AFTER = timedelta(seconds=RECORD_SECONDS + STORED_SECONDS + SKEW_SECONDS + USED_SECONDS)
"""So long after the instant that a change of a record names, nothing that is running relies on the older record: no
search that was planned by it, and no write.
"""


class IndexState(StrEnum):
    """What a record says of an index that it names."""

    BUILDING = "building"
    COMPLETE = "complete"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class TypeRecord:
    """What is recorded of one resource type: the state of each index and since when, by the index's name.

    Every resource that was created before `verified` has been looked at.
    """

    verified: datetime
    states: Mapping[str, tuple[IndexState, datetime]] = field(default_factory=dict)

    def named(self, *states: IndexState) -> frozenset[str]:
        """The indexes that are in one of these states."""
        return frozenset(name for name, (state, _) in self.states.items() if state in states)

    def having(self, names: Collection[str], state: IndexState, now: datetime) -> "TypeRecord":
        """The same with these indexes in this state from now on."""
        return replace(self, states={**self.states, **dict.fromkeys(names, (state, now))})

    def without(self, names: Collection[str], now: datetime) -> "TypeRecord":
        """The same, but these indexes are given up: complete ones are withdrawn, ones being built are forgotten."""
        used = self.named(IndexState.COMPLETE) & set(names)
        forgotten = self.named(IndexState.BUILDING) & set(names)
        left = {name: state for name, state in self.states.items() if name not in forgotten}
        return replace(self, states=left).having(used, IndexState.WITHDRAWN, now)

    def waits_until(self, kept: Collection[str]) -> datetime | None:
        """When a writer that keeps only these indexes may write: nobody uses the withdrawn ones any more. None: now."""
        since = [
            when for name, (state, when) in self.states.items() if state is IndexState.WITHDRAWN and name not in kept
        ]
        return max(since) + FORGOTTEN_AFTER if since else None


_NOTHING = TypeRecord(datetime.min.replace(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class IndexRecord:
    """What is recorded of the resource types of a tenant, by name. `etag` is empty for a record not stored yet."""

    types: Mapping[str, TypeRecord] = field(default_factory=dict)
    etag: str = ""

    def of(self, resource_type: str) -> TypeRecord:
        """What is recorded of the type: of a type without an entry, nothing."""
        return self.types.get(resource_type, _NOTHING)

    def having(self, resource_type: str, of_type: TypeRecord) -> "IndexRecord":
        """The same with this entry for the type."""
        return replace(self, types={**self.types, resource_type: of_type})


def to_record(properties: Mapping[str, Any], etag: str) -> IndexRecord:
    """The record of a row that was read."""
    types = {
        resource_type: TypeRecord(
            _instant(of_type["verified"]),
            {name: (IndexState(state), _instant(since)) for name, (state, since) in of_type["indexes"].items()},
        )
        for resource_type, of_type in json.loads(properties["types"]).items()
    }
    return IndexRecord(types, etag)


def record_properties(record: IndexRecord) -> dict[str, Column]:
    """The row of a record: one line of JSON."""
    types = {
        resource_type: {
            "verified": instant_text(of_type.verified),
            "indexes": {name: [state.value, instant_text(since)] for name, (state, since) in of_type.states.items()},
        }
        for resource_type, of_type in record.types.items()
    }
    return {"types": json.dumps(types, sort_keys=True)}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
