"""The contract of the feed for a long time: python -m bench.feed_long --changes 100000 --writers 8 [--azurite].

Writers with clocks 5 seconds apart, relays and readers that die at random, now and then a new epoch, a trimming and a
new reader. At the end the copies equal the directory, no change is lost, none is invented, and no number is missing.
"""

import argparse
import asyncio
import time
from contextlib import nullcontext
from random import Random

from devhost.azurite import Azurite
from scim_core.settings import StorageSettings
from scim_core.storage.tables import TableStorage, changes, large_change, large_change_runner, table_rows
from scim_core.storage.tables.rows import Rows
from tests.contract.builders import TENANT
from tests.feed.copying import (
    Copy,
    Made,
    Writer,
    consuming,
    directory,
    feed_of,
    followed,
    relaying,
    require_whole,
    settled,
    stop_all,
)
from tests.memory_rows import MemoryRows
from tests.tables import new_table


def small_transactions() -> None:
    """Changes of more than four memberships are large, and a step makes three: so there are many."""
    changes.TRANSACTION_OPERATIONS = 14  # type: ignore[attr-defined]
    large_change_runner.STEP = 3  # type: ignore[attr-defined]
    large_change.PART_IDS = 5


async def run(rows: Rows, number: int, writers: int, seed: int) -> None:
    """The run, and its figures. Raises AssertionError."""
    chance, made, stop, began = Random(seed), Made(), asyncio.Event(), time.monotonic()
    copies = [Copy()]
    relays = [asyncio.create_task(relaying(rows, chance, stop)) for _ in range(3)]
    readers = [asyncio.create_task(consuming(rows, chance, stop, copies)) for _ in range(2)]
    epochs = asyncio.create_task(new_epochs(rows, chance, stop))

    async def work(writer: Writer) -> None:
        for _ in range(number // writers):
            await writer.change()

    several = [Writer(rows, item, chance, made, users=60, groups=12) for item in range(writers)]
    await asyncio.gather(*map(work, several))
    seconds = time.monotonic() - began
    deaths = await stop_all(stop, *relays, *readers, epochs)
    await settled(rows)
    entries = await require_whole(rows, made)
    expected = await directory(rows)
    for begins in (copies[-1], Copy()):
        copy = await followed(feed_of(rows), begins)
        assert copy.resources == expected.resources, "the copy has other resources"
        assert copy.pairs == expected.pairs, "the copy has other memberships"
    print(
        f"{len(made.answered)} changes in {seconds:.0f} s, {dict(made.kinds)}; entries {dict(entries)}; relays died "
        f"{sum(deaths[:3])} times, readers {sum(deaths[3:5])} times, {deaths[5]} new epochs; {len(copies)} pages; "
        f"at the end {len(expected.resources)} resources, {len(expected.pairs)} memberships: no gap, no regression, "
        "nothing lost, nothing invented, both copies equal the directory"
    )


async def new_epochs(rows: Rows, chance: Random, stop: asyncio.Event) -> int:
    """Now and then every copy has to begin again. How often that was."""
    count = 0
    while not stop.is_set():
        await asyncio.sleep(chance.uniform(1, 4))
        await TableStorage(rows).new_epoch(TENANT)
        count += 1
    return count


async def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.feed_long")
    parser.add_argument("--changes", type=int, default=100_000)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--azurite", action="store_true", help="over Azurite, not in this process")
    given = parser.parse_args()
    small_transactions()
    with Azurite.start() if given.azurite else nullcontext() as azurite:
        rows: Rows = table_rows(StorageSettings.from_environment(new_table(azurite))) if azurite else MemoryRows()
        await run(rows, given.changes, given.writers, given.seed)
        await rows.close()


if __name__ == "__main__":
    asyncio.run(main())
