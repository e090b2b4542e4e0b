"""What an undo reads of the log costs a call for each thousand rows of its time: docs/operate/people.md says so."""

from datetime import timedelta
from typing import Any

from scim_core.clock import instant_text
from scim_core.storage.tables import TableStorage, log_keys
from scim_core.storage.tables.outbox import stamp
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import RowPage
from tests.mass_changes.incident import TENANT
from tests.memory_rows import MemoryRows
from tests.scim import Clock


class CountedRows(MemoryRows):
    """Counts the range reads."""

    pages = 0

    async def page(self, *given: Any, **named: Any) -> RowPage:
        self.pages += 1
        return await super().page(*given, **named)


async def test_each_thousand_rows_since_the_time_are_a_call_and_older_ones_are_not_sent() -> None:
    rows, clock = CountedRows(), Clock()
    since = clock()

    def row(number: int, seconds: int, **pointer: str) -> RowOperation:
        time, id_ = since + timedelta(seconds=seconds), f"{number:08}-0000-7000-8000-000000000000"
        key = log_keys.logged(id_, stamp(time, ""), f"{number}{seconds}")
        said = {"id": id_, "type": "User", "change": "updated", "lastModified": instant_text(time), **pointer}
        return RowOperation(Verb.INSERT, Role.FEED, key, {**said})

    numbers = range(2_500)
    operations = [row(number, seconds) for number in numbers for seconds in (-1, 1)]
    operations += [row(number, 2, of="another row", change="left") for number in numbers]
    for start in range(0, len(operations), 100):
        await rows.transact(TENANT, operations[start : start + 100])
    found = await TableStorage(rows, clock).log_since(TENANT, since)
    assert (len(found), rows.pages) == (2_500, 5)
