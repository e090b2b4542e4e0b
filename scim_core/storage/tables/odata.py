"""Filters of range reads. A value enters the text of a filter only as `literal` quotes it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from scim_core.model import Column
from scim_core.storage.port import ColumnTest, TooLarge
from scim_core.storage.tables.entities import column_property
from scim_core.storage.tables.keys import KeyRange

type Filter = str
"""The text of a filter, with its values."""

MAX_COMPARISONS = 15
"""Comparisons of one filter: the service's own limit."""

_RANGE_COMPARISONS = 3


def range_filter(
    partition: str, keys: KeyRange, tests: Sequence[ColumnTest] = (), since: datetime | None = None
) -> Filter:
    """The filter of a range of rows that pass all tests and, with `since`, were written then or later.

    Raises TooLarge beyond MAX_COMPARISONS.
    """
    comparisons = _RANGE_COMPARISONS + (since is not None)
    if comparisons + len(tests) > MAX_COMPARISONS:
        raise TooLarge(f"The storage can test {MAX_COMPARISONS - comparisons} columns at once, not {len(tests)}.")
    text = f"PartitionKey eq {literal(partition)} and RowKey ge {literal(keys.low)} and RowKey lt {literal(keys.high)}"
    if since is not None:
        text += f" and Timestamp ge {literal(since)}"
    return text + "".join(
        f" and {column_property(test.column)} {test.operator} {literal(test.value)}" for test in tests
    )


def partitions_after(partition: str) -> Filter:
    """The filter of all rows of the partitions after this one."""
    return f"PartitionKey gt {literal(partition)}"


def literal(value: Column | datetime) -> str:
    """The value as OData writes it. Whatever a text holds, it stays one text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"datetime'{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'"
    return "'" + value.replace("'", "''") + "'"
