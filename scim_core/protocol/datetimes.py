"""The values of dateTime attributes (RFC 7643 section 2.3.5) as clients write them: the offset may be missing."""

import re
from datetime import datetime

_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)([Zz]|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


def with_offset(text: str) -> str | None:
    """The dateTime with an offset: UTC where it has none, and the first instant of a date alone. None for other text.

    Instants with an offset and instants without cannot be compared with each other.
    """
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return None
    date, time, offset = found.groups()
    whole = f"{date}T{time or '00:00:00'}{(offset or 'Z').upper()}"
    try:
        datetime.fromisoformat(whole)
    except ValueError:  # a thirteenth month
        return None
    return whole
