"""Log records that clients can cause as often as they like: the first of a cause at once, then numbers.

Within a minute, the 1st, 10th, 100th and 1000th of a cause make a record, which says how many there were since the
record before. The next request after the minute reports the rest: the host drops what is logged outside of a request.
"""

from collections.abc import Callable
from dataclasses import dataclass

from scim_core.clock import Timer

COUNTING_SECONDS = 60
"""How long records of one cause are counted. Then the rest is reported, and the next one is a first one again."""

MAX_SOURCES = 200
"""Causes with their sources that have records of their own within a minute. Further sources share one record for each
cause: whoever has many addresses must not fill the log."""

MAX_CAUSES = 400
"""Records of their own within a minute, those for several sources included. Beyond that, causes share a record if their
first words are the same. It shows the last of them."""

SEVERAL_SOURCES = "several"
"""The source of a record that counts further sources."""

type Write = Callable[[int, str], None]
"""Makes a record. It is given how often something happened since the last record, and the source."""


@dataclass(slots=True)
class _Counted:
    write: Write
    total: int = 0
    unreported: int = 0


class CountedLog:
    """Counts for one process. The first word of a cause is a text of ours, such as the record's."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._since = 0.0
        self._counted: dict[tuple[tuple[object, ...], str], _Counted] = {}

    def note(self, cause: tuple[object, ...], source: str, write: Write) -> None:
        """It happened once more. `write` is called now or later, with this time among its number."""
        self.catch_up()
        if not self._counted:
            self._since = self._timer()
        key = (cause, source)
        if key not in self._counted and len(self._counted) >= MAX_SOURCES:
            key = (cause, SEVERAL_SOURCES)
        if key not in self._counted and len(self._counted) >= MAX_CAUSES:
            key = (cause[:1], SEVERAL_SOURCES)
        counted = self._counted.setdefault(key, _Counted(write))
        counted.write = write
        counted.total += 1
        counted.unreported += 1
        if _is_power_of_ten(counted.total):
            _report(key[1], counted)

    def catch_up(self) -> None:
        """If the minute is over, the records have said everything that happened in it."""
        if not self._counted or self._timer() - self._since < COUNTING_SECONDS:
            return
        over, self._counted = self._counted, {}
        for (_, source), counted in over.items():
            if counted.unreported:
                _report(source, counted)


def _report(source: str, counted: _Counted) -> None:
    number, counted.unreported = counted.unreported, 0
    counted.write(number, source)


def _is_power_of_ten(number: int) -> bool:
    return str(number).rstrip("0") == "1"
