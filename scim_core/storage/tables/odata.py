"""Filters of range reads. Values never enter the text of a filter: the SDK quotes them as parameters."""

from collections.abc import Sequence

from scim_core.model import Column
from scim_core.storage.port import ColumnTest, TooLarge
from scim_core.storage.tables.entities import column_property
from scim_core.storage.tables.keys import KeyRange

MAX_COMPARISONS = 15
"""Comparisons of one filter: the service's own limit."""

_RANGE = "PartitionKey eq @partition and RowKey ge @low and RowKey lt @high"
_RANGE_COMPARISONS = 3


def range_filter(partition: str, keys: KeyRange, tests: Sequence[ColumnTest] = ()) -> tuple[str, dict[str, Column]]:
    """The filter of a range of rows that pass all tests, and its parameters. Raises TooLarge beyond MAX_COMPARISONS."""
    if _RANGE_COMPARISONS + len(tests) > MAX_COMPARISONS:
        raise TooLarge(
            f"The storage can test {MAX_COMPARISONS - _RANGE_COMPARISONS} columns at once, not {len(tests)}."
        )
    parameters: dict[str, Column] = {"partition": partition, "low": keys.low, "high": keys.high}
    text = _RANGE
    for number, test in enumerate(tests):
        text += f" and {column_property(test.column)} {test.operator} @test{number}"
        parameters[f"test{number}"] = test.value
    return text, parameters
