"""What a change does to rows: plain values, planned in changes.py and sent by rows.py."""

from dataclasses import dataclass, field
from enum import StrEnum, auto

from scim_core.model import Column


class Verb(StrEnum):
    """What is done to a row, and what must be there before: nothing, anything, or the row."""

    INSERT = auto()
    UPSERT = auto()
    MERGE = auto()
    REPLACE = auto()
    DELETE = auto()


class Role(StrEnum):
    """What a row is for its change. So a failure at this row has a meaning."""

    RESOURCE = auto()
    INDEX = auto()
    MEMBERSHIP = auto()
    OTHER = auto()
    """The resource at the other end of a membership."""
    PENDING = auto()
    """What a change beyond one transaction has left to do."""
    OUTBOX = auto()
    """What the change says of itself. No other change inserts this row: if it is there, the change has happened."""
    FEED = auto()
    """What the relay makes of it."""


@dataclass(frozen=True, slots=True)
class RowOperation:
    """One row operation. With an `etag` the row must still be in that state; `about` is an attribute or an id."""

    verb: Verb
    role: Role
    key: str
    properties: dict[str, Column] = field(default_factory=dict)
    etag: str = ""
    about: str = ""
