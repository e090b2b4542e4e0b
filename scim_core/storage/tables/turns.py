"""Computing with many rows, in turns: other requests run in between. The number of rows is bounded by the callers."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import batched

TURN = 2_000
"""Rows that one turn computes with. Making a key or a membership takes some microseconds: ten milliseconds a turn."""


async def in_turns[T](items: Iterable[T]) -> AsyncIterator[tuple[T, ...]]:
    """The items, some at a time. Others run between one part and the next."""
    for number, some in enumerate(batched(items, TURN, strict=False)):
        if number:
            await asyncio.sleep(0)
        yield some
