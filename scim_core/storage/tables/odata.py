"""Filters of range reads. Values never enter the text of a filter: the SDK quotes them as parameters."""

from collections.abc import Sequence
from datetime import datetime

from scim_core.model import Column
from scim_core.storage.port import ColumnTest, TooLarge
from scim_core.storage.tables.entities import column_property
from scim_core.storage.tables.keys import KeyRange

type Filter = tuple[str, dict[str, Column | datetime]]
"""The text of a filter, and its parameters."""

MAX_COMPARISONS = 15
"""Comparisons of one filter: the service's own limit."""

_RANGE = "PartitionKey eq @partition and RowKey ge @low and RowKey lt @high"
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
    parameters: dict[str, Column | datetime] = {"partition": partition, "low": keys.low, "high": keys.high}
    text = _RANGE
    if since is not None:
        text += " and Timestamp ge @since"
        parameters["since"] = since
    for number, test in enumerate(tests):
        text += f" and {column_property(test.column)} {test.operator} @test{number}"
        parameters[f"test{number}"] = test.value
    return text, parameters


def partitions_after(partition: str) -> Filter:
    """The filter of all rows of the partitions after this one."""
    return "PartitionKey gt @partition", {"partition": partition}
