"""The feed under all that can go wrong at once: writers with wrong clocks, relays and readers that die at random.

bench/feed_long.py runs the same for 100,000 changes.
"""

import asyncio
from random import Random

import pytest

from scim_core.storage.maintenance.checking import check
from scim_core.storage.tables import TableStorage
from tests.contract.builders import TENANT
from tests.faults.disturbed_rows import StumblingRows
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

WRITERS = 6


@pytest.mark.usefixtures("_small_transactions")
@pytest.mark.parametrize(
    ("storage", "seed", "changes_each", "kinds"),
    [
        ("memory", 1, 60, {"created", "updated", "members"}),
        ("memory", 2, 60, {"created", "updated", "members"}),
        ("azurite", 3, 10, {"created"}),  # few changes, in an order that depends on the machine
    ],
    indirect=["storage"],
)
async def test_a_copy_equals_the_directory_whoever_dies(
    storage: TableStorage, seed: int, changes_each: int, kinds: set[str]
) -> None:
    chance, made, stop = Random(seed), Made(), asyncio.Event()
    rows = StumblingRows(storage.rows, chance)
    copies = [Copy()]
    relays = [asyncio.create_task(relaying(rows, chance, stop)) for _ in range(3)]
    readers = [asyncio.create_task(consuming(rows, chance, stop, copies)) for _ in range(2)]
    writers = [Writer(rows, number, chance, made, users=20, groups=5) for number in range(WRITERS)]

    async def work(writer: Writer) -> None:
        for _ in range(changes_each):
            await writer.change()

    await asyncio.gather(*map(work, writers))
    deaths = await stop_all(stop, *relays, *readers)
    assert sum(deaths[:3]) > 0 < sum(deaths[3:])
    await settled(rows)
    entries = await require_whole(storage.rows, made)
    assert set(entries) >= kinds
    assert (await check(storage.rows, TENANT)).findings == []
    expected = await directory(storage.rows)
    for begins in (copies[-1], Copy()):
        copy = await followed(feed_of(storage.rows), begins)
        assert copy.resources == expected.resources
        assert copy.pairs == expected.pairs
