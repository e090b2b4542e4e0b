"""How much a request may compute, and how requests share the one core of an instance.

All requests of an instance run on one event loop. So what one of them computes, the others wait for. Each request has a
Work, which is handed to whatever computes. It counts units before they are computed, refuses what is beyond the budget
of a request, and lets the others go on after each turn. A tenant that computes more than its share waits (ADR 0014).
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

from scim_core.caches import Bounded
from scim_core.clock import Timer
from scim_core.messages import HttpError

UNITS_PER_SECOND = 100_000
"""Units that one core computes in a second: a unit is ten microseconds. What costs how many units was measured, and
stands with each cost. A slower core makes turns longer, and refuses nothing more."""

UNITS_PER_TURN = 2_000
"""Most units between two moments at which other requests run: 20 milliseconds."""

MAX_UNITS = 1_000_000
"""Most units of one request: ten seconds of one core. At a tenant's share these are 20 seconds, half of
REQUEST_SECONDS. 10,000 users of 6 KB that are tested by an ordinary filter and sorted take half of it."""

UNITS_PER_REQUEST = 100
"""What a request costs apart from what it counts: routes, credentials, and the calls of the storage."""

UNITS_OF_A_TENANT = UNITS_PER_SECOND / 2
"""Units of one tenant in a second when there are others: half of a core, which is half of an instance."""

BURST_UNITS = 4 * UNITS_OF_A_TENANT
"""Unused units that a tenant can save up: those of four seconds, as with its requests."""

MAX_WAITING = 32
"""Requests of one tenant that wait for its share. Each keeps what it has read. Further ones are refused with 429."""

MAX_THREADS = 2
"""Computations in threads at a time. Each one makes the event loop wait five milliseconds longer for its turn."""

MAX_SHARES = 10_000
"""Tenants whose use is remembered. One that is forgotten starts with all that a tenant can save up."""

type Pause = Callable[[float], Awaitable[None]]
"""Lets others run for at least so many seconds; 0 lets those run that can run now."""


class TooMuchWork(Exception):
    """A request asks for more computing than one request may. The text says of what."""


class Work:
    """What one request computes. It is used by one request, in a `with` block that ends with the request."""

    def __init__(self, share: "_Share") -> None:
        self._share = share
        self._in_turn = 0
        self._waits = False
        self.spent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._waits:
            self._share.waiting -= 1
            self._waits = False

    def require(self, units: int, what: str) -> None:
        """Raises TooMuchWork when so many more units are beyond the budget. `what` completes "for ..."."""
        if self.spent + units > MAX_UNITS:
            raise TooMuchWork(
                f"The request asks for too much computing for {what}. Ask for less at once, or send several requests."
            )

    async def spend(self, units: int, what: str) -> None:
        """Counts units that are computed next, without an await. Others run first if they do not fit the turn.

        Waits while the tenant is beyond its share. Raises TooMuchWork, and HttpError 429 when too many wait.
        """
        self.require(units, what)
        if self._share.in_debt:
            self._take_place()
        await self._count(units)

    async def conclude(self, units: int) -> None:
        """Counts as `spend` does, and refuses nothing: for the answer to a change that is stored already."""
        await self._count(units)

    async def run[T](self, units: int, what: str, function: Callable[[], T]) -> T:
        """What the pure function returns. It is computed at once if it fits a turn, otherwise in a thread.

        A function for a thread is Python code: one call into C does not let others run. It must not log. It goes on
        after the request's deadline, and the units bound it. Raises what spend raises.
        """
        await self.spend(units, what)
        if units <= UNITS_PER_TURN:
            return function()
        self._in_turn = 0
        return await self._share.in_thread(function)

    async def _count(self, units: int) -> None:
        self.spent += units
        if self._share.in_debt or 0 < self._in_turn > UNITS_PER_TURN - units:
            await self._share.next_turn()
            self._in_turn = 0
        self._in_turn += units
        self._share.charge(units)

    def _take_place(self) -> None:
        """The request counts as waiting until it ends: it is refused the first time or not at all."""
        if self._waits:
            return
        if self._share.waiting >= MAX_WAITING:
            raise HttpError(
                429,
                "This customer's requests need more computing than its share, and too many wait already. Wait.",
                Retry_After=str(max(1, math.ceil(self._share.seconds_of_debt))),
            )
        self._share.waiting += 1
        self._waits = True


class Shares:
    """The shares of all tenants in this process. Without a `rate` nobody waits for a share."""

    def __init__(self, timer: Timer, pause: Pause, *, rate: float | None) -> None:
        self._timer = timer
        self._pause = pause
        self._rate = rate
        self._threads = asyncio.Semaphore(MAX_THREADS)
        self._shares: Bounded[str, _Share] = Bounded(MAX_SHARES)

    def work(self, tenant: str) -> Work:
        """The work of a new request of this tenant."""
        share = self._shares.get(tenant)
        if share is None:
            share = _Share(self._timer, self._pause, self._rate, self._threads)
            self._shares.put(tenant, share)
        return Work(share)


class _Share:
    """What one tenant has used. Its requests take turns: while others wait, each of its turns is followed by theirs."""

    def __init__(self, timer: Timer, pause: Pause, rate: float | None, threads: asyncio.Semaphore) -> None:
        self.waiting = 0
        self._timer = timer
        self._pause = pause
        self._rate = rate
        self._threads = threads
        self._turns = asyncio.Lock()
        self._units: float = BURST_UNITS
        self._since = timer()

    @property
    def in_debt(self) -> bool:
        """Whether the tenant has used more than its share, by a unit or more."""
        return self._left() <= -1

    @property
    def seconds_of_debt(self) -> float:
        """How long the tenant must wait until it has its share again."""
        return max(0, -self._left() / self._rate) if self._rate else 0

    def _left(self) -> float:
        now = self._timer()
        self._units = min(BURST_UNITS, self._units + (now - self._since) * self._rate) if self._rate else BURST_UNITS
        self._since = now
        return self._units

    def charge(self, units: int) -> None:
        """The units are used."""
        self._units -= units

    async def next_turn(self) -> None:
        """Returns when others have run, those of the tenant that came before, and when the tenant has its share."""
        async with self._turns:
            await self._pause(self.seconds_of_debt)
            while self.in_debt:
                await self._pause(self.seconds_of_debt)

    async def in_thread[T](self, function: Callable[[], T]) -> T:
        """What the function returns. The tenant's next turn, and a third thread, wait until it is done."""
        with ExitStack() as places:
            await self._turns.acquire()
            places.callback(self._turns.release)
            await self._threads.acquire()
            places.callback(self._threads.release)
            thread = asyncio.ensure_future(asyncio.to_thread(function))
            # A thread cannot be stopped. It keeps its places until it is done, whatever becomes of its request.
            thread.add_done_callback(partial(_ended, places.pop_all()))
        return await asyncio.shield(thread)


def _ended(places: ExitStack, thread: asyncio.Future[object]) -> None:
    places.close()
    if not thread.cancelled():
        thread.exception()  # perhaps nobody waits for it any more
