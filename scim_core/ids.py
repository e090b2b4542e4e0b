"""Ids of resources: UUID version 7 (RFC 9562). Their text order is the order of creation."""

import re
import secrets
from datetime import datetime

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The text of a UUID of any version, in lower case."""

ID_CHARACTERS = 36
"""The length of an id."""


def uuid7(instant: datetime) -> str:
    """A new id: 48 bits of milliseconds, then 74 random ones."""
    return _uuid7(instant, secrets.randbits(80))


def first_id(instant: datetime) -> str:
    """The lowest id that can be given from this instant on. Lower ids are older."""
    return _uuid7(instant, 0)


def given_at(resource_id: str) -> int:
    """The milliseconds since 1970 at which an id was given."""
    return int(resource_id[:8] + resource_id[9:13], 16)


def is_id(text: str) -> bool:
    """Whether the text has the form of our ids. Other texts cannot name a resource of ours (ids are caseExact)."""
    return UUID.fullmatch(text) is not None


def _uuid7(instant: datetime, rest: int) -> str:
    milliseconds = int(instant.timestamp() * 1000)
    value = (milliseconds << 80) | rest
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
