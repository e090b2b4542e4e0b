"""A walk over pages that ends before the last one closes its generator: the garbage collector finds nothing of it."""

import inspect
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

from scim_core.model import IndexEntry
from scim_core.storage.tables import TableRegistry, TableStorage
from tests.contract.builders import TENANT, id_of, user
from tests.memory_rows import MemoryRows


@contextmanager
def generators() -> Iterator[list[AsyncGenerator[Any]]]:
    """The asynchronous generators that are started within the block."""
    started: list[AsyncGenerator[Any]] = []
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=started.append)
    try:
        yield started
    finally:
        sys.set_asyncgen_hooks(*hooks)


def all_closed(started: list[AsyncGenerator[Any]]) -> bool:
    return bool(started) and all(inspect.getasyncgenstate(item) == inspect.AGEN_CLOSED for item in started)


async def test_a_limited_look_up_by_a_prefix_leaves_no_generator_open() -> None:
    storage = TableStorage(MemoryRows())
    for number in range(1, 4):
        await storage.create(TENANT, user(number))
    with generators() as started:
        found = await storage.find(TENANT, "User", IndexEntry("externalId", "x-"), prefix=True, limit=1)
    assert found == [id_of(1)]
    assert all_closed(started)


async def test_an_erasure_leaves_no_generator_open() -> None:
    rows = MemoryRows()
    await TableStorage(rows).create(TENANT, user(1))
    with generators() as started:
        removed = [number async for number in TableRegistry(rows).erase(TENANT)]
    assert sum(removed) > 1
    assert all_closed(started)
