"""The audit trail of administrative changes: what a record holds, and the chain that the records make.

Each record holds the hash of the one before. So a record that was changed, removed or put in shows. docs/storage.md
says what the chain cannot show. Pure: no I/O, no clock.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import NamedTuple

from scim_core.model import Column

HASH = "hash"
"""The property that holds a record's own hash. The hash is of all its other properties and its number."""


class AuditOutcome(StrEnum):
    """How a change ended. What is done in one transaction has no other outcome than the first two."""

    DONE = "done"
    UNCHANGED = "unchanged"
    """All was already as the operator wanted it."""
    BEGAN = "began"
    """The change takes several transactions. If no later record has its correlation id, it was broken off."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change: the identity that is signed in to the storage, the tool, the machine and its user."""

    identity: str
    tool: str
    host: str
    user: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One administrative change. It never holds a secret, and no hash of one.

    `credential` is an id and `label` its label. `changed` names the fields that changed, with a space between two.
    `before` and `after` are their values, as JSON. `identity`, `tool`, `host` and `user` are the Actor's.
    """

    time: str
    event: str
    method: str
    tenant: str
    credential: str
    label: str
    changed: str
    before: str
    after: str
    outcome: str
    correlation_id: str
    identity: str
    tool: str
    host: str
    user: str


class Position(NamedTuple):
    """A record's place in the chain: its number, counted from 1, and its hash. Nothing is before the first."""

    number: int
    hash: str


START = Position(0, "")
"""Where the chain starts."""


@dataclass(frozen=True, slots=True)
class NumberedRecord:
    """A record as it was read. A later version may have written properties that this one does not know."""

    number: int
    properties: Mapping[str, Column]

    def text(self, name: str) -> str:
        """A property of the record. Empty for one that it does not have."""
        return str(self.properties.get(name, ""))


def sealed(entry: AuditEntry, last: Position) -> tuple[Position, dict[str, Column]]:
    """The record that follows the last one: its place, and its properties."""
    properties: dict[str, Column] = asdict(entry) | {"previous": last.hash}
    place = Position(last.number + 1, record_hash(last.number + 1, properties))
    return place, properties | {HASH: place.hash}


def record_hash(number: int, properties: Mapping[str, Column]) -> str:
    """The hash of a record of this number: SHA-256, in hexadecimal digits."""
    content = {name: value for name, value in properties.items() if name != HASH}
    # Another program may have written a value of any type. `default` keeps such a record from ending the walk.
    text = json.dumps([number, content], sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


class ChainCheck:
    """Reads the records of a chain in their order and finds where it breaks. `noted` is where it should end at least.

    Others may append while the records are read. So more records than noted are no fault.
    """

    def __init__(self, noted: Position) -> None:
        self._noted = noted
        self.last = START

    def follow(self, record: NumberedRecord) -> Iterator[str]:
        """What is wrong at this record, a sentence for each fault."""
        number, last = record.number, self.last
        own = record.text(HASH)
        if number != last.number + 1:
            yield f"{_those(last.number + 1, number - 1)} missing."
        elif record.text("previous") != last.hash:
            yield f"Record {number} does not follow record {last.number}: one of the two was replaced."
        if own != record_hash(number, record.properties):
            yield f"Record {number} of {record.text('time')[:19]}Z was changed after it was written."
        if number == self._noted.number and own != self._noted.hash:
            yield f"Record {number} is not the one that the registry has noted as the last one: it was replaced."
        self.last = Position(number, own)

    def end(self) -> Iterator[str]:
        """What is missing after the last record."""
        if self.last.number < self._noted.number:
            yield f"{_those(self.last.number + 1, self._noted.number)} missing."


def _those(first: int, last: int) -> str:
    return f"Record {first} is" if first == last else f"Records {first} to {last} are"
