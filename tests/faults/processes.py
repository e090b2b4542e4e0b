"""Processes that serve one table: undisturbed ones, ones behind a faulty network, and ones that die."""

from dataclasses import dataclass
from random import Random

from scim_core.storage.tables import TableStorage
from scim_core.storage.tables.rows import Rows
from tests.faults.disturbed_rows import Death, Fault, FaultyRows, MortalRows, StumblingRows
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, endpoint_over


@dataclass(frozen=True)
class Process:
    """An endpoint on a storage of its own, and a client of it."""

    storage: TableStorage
    client: Client


@dataclass(frozen=True)
class Trouble:
    """Calls `first` to `first + calls - 1` of a request meet this fault."""

    fault: Fault
    first: int
    calls: int

    def __call__(self, number: int, _: int) -> Fault | None:
        return self.fault if self.first <= number < self.first + self.calls else None


class Processes:
    """The processes that serve one new table. How long their calls take is random."""

    def __init__(self, seed: int) -> None:
        self._rows = MemoryRows()
        self._chance = Random(seed)
        self._clock = Clock()
        self.healthy = [self._process(self._stumbling()) for _ in range(2)]
        self._between = FaultyRows(self._stumbling())
        self._troubled = self._process(self._between)

    def mortal(self, death: Death) -> Process:
        """A new process, until it dies."""
        return self._process(MortalRows(self._stumbling(), death))

    def troubled(self, trouble: Trouble) -> Process:
        """A process whose next calls meet trouble."""
        self._between.calls, self._between.fault = 0, trouble
        return self._troubled

    def _stumbling(self) -> Rows:
        return StumblingRows(self._rows, self._chance)

    def _process(self, rows: Rows) -> Process:
        storage = TableStorage(rows)
        return Process(storage, Client(endpoint_over(storage, self._clock)))
