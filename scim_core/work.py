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

UNITS_PER_TURN = 500
"""Most units between two moments at which other requests run: five milliseconds. A GET of another tenant goes on in
about ten steps, and each of them may have to wait for a turn."""

UNITS_AT_ONCE = 2_000
"""Most units that are computed on the event loop without a pause, where no piece is smaller: 20 milliseconds. What
takes longer goes to a thread. That disturbs others less than such a pause, and more than many turns."""

MAX_UNITS = 1_000_000
"""Most units of one request: ten seconds of one core. At a tenant's share these are 20 seconds, half of
REQUEST_SECONDS. 10,000 users of 6 KB that are tested by an ordinary filter and sorted take half of it."""

UNITS_PER_REQUEST = 100
"""What a request costs apart from what it counts: routes, credentials, and the calls of the storage."""

UNITS_OF_A_TENANT = 50_000
"""Units of one tenant in a second when there are others: half of a core, which is half of an instance."""

BURST_UNITS = 200_000
"""Unused units that a tenant can save up: those of four seconds, as with its requests."""

MAX_WAITING = 64
"""Requests of one tenant that wait for its share, or to read much. Each keeps its body, and what it has read. Further
ones are refused with 429."""

MAX_THREADS = 2
"""Computations in threads at a time. Each one makes the event loop wait SWITCH_SECONDS longer for its turn."""

ITERATIONS = 5
"""Iterations of the event loop between two turns: a request of another tenant takes several steps at once."""

SLOWEST = 10
"""So many times slower than measured a core may be, or seem to be, since others use it. A turn counts no longer."""

SHORTEST = 0.0001
"""Seconds for which it is not worth to wait."""

SWITCH_SECONDS = 0.0005
"""How long a thread computes before another one that waits may go on. The event loop waits so long many times in a
request, whenever it has called the system. Python's own five milliseconds made such a request take seconds."""

MAX_LARGE_READERS = 4
"""Requests of one tenant at a time that read many resources or members. Each may hold an answer of MAX_ANSWER_BYTES, or
100,000 members, in several forms: about 100 MB."""

MAX_SHARES = 10_000
"""Tenants whose use is remembered. One that is forgotten starts with all that a tenant can save up."""

type Pause = Callable[[float], Awaitable[None]]
"""Lets others run for at least so many seconds; 0 lets those run that can run now."""


class TooMuchWork(Exception):
    """A request asks for more computing than one request may. The text says of what."""


class BeyondShare(HttpError):
    """Too many requests of a tenant wait for its share already: 429."""


class Work:
    """What one request computes. It is used by one request, in a `with` block that ends with the request."""

    def __init__(self, share: "_Share") -> None:
        self._share = share
        self._in_turn = 0
        self._began = share.now()
        self._waits = False
        self._reads_much = False
        self._admission = asyncio.Lock()
        self.spent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._waits:
            self._share.waiting -= 1
            self._waits = False
        if self._reads_much:
            self._share.large_readers.release()
            self._reads_much = False

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

    async def run[T](self, units: int, what: str | None, function: Callable[[], T]) -> T:
        """What the pure function returns. It is computed in a thread if it takes more than UNITS_AT_ONCE.

        Counts as `spend` does, or as `conclude` if `what` is None.

        A function for a thread is Python code: one call into C does not let others run. It must not log. It goes on
        after the request's deadline, and the units bound it. Raises what spend raises.
        """
        if what is None:
            await self.conclude(units)
        else:
            await self.spend(units, what)
        if units <= UNITS_AT_ONCE:
            return function()
        self._in_turn = 0
        return await self._share.in_thread(function)

    async def expect_much(self) -> None:
        """Returns when few other requests of the tenant read much. Raises HttpError 429 when too many wait for that.

        The request counts as one that reads much until it ends.
        """
        async with self._admission:
            if self._reads_much:
                return
            if self._share.large_readers.locked():
                self._take_place()
            await self._share.large_readers.acquire()
            self._reads_much = True

    def portion(self) -> asyncio.Lock:
        """Held while one portion is read and cut down to what is kept: the tenant's requests do so one by one."""
        return self._share.portions

    async def _count(self, units: int) -> None:
        self.spent += units
        if self._share.in_debt or 0 < self._in_turn > UNITS_PER_TURN - units:
            await self._share.next_turn(self._in_turn, self._began)
            self._in_turn, self._began = 0, self._share.now()
        self._in_turn += units
        self._share.charge(units)

    def _take_place(self) -> None:
        """The request counts as waiting until it ends: it is refused the first time or not at all."""
        if self._waits:
            return
        if self._share.waiting >= MAX_WAITING:
            raise BeyondShare(
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
        self.large_readers = asyncio.Semaphore(MAX_LARGE_READERS)
        self.portions = asyncio.Lock()
        self._timer = timer
        self._pause = pause
        self._rate = rate
        self._threads = threads
        self._turns = asyncio.Lock()
        self._units: float = BURST_UNITS
        self._since = self._free_at = timer()

    @property
    def in_debt(self) -> bool:
        """Whether the tenant has used more than its share, by a unit or more."""
        return self._rate is not None and self._left() <= -1

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

    def now(self) -> float:
        """The instant by the timer."""
        return self._timer()

    async def next_turn(self, units: int, began: float) -> None:
        """Returns when others have run, those of the tenant that came before, and when the tenant has its share.

        `units` were computed since `began`. If others share the instance, nothing of the tenant is computed for as long
        as that took: half of the time is theirs, also on a slower core.
        """
        if self._rate:
            now = self._timer()
            took = min(now - began, SLOWEST * units / UNITS_PER_SECOND)
            self._free_at = max(now, self._free_at) + took
        async with self._turns:
            for _ in range(ITERATIONS):
                await self._pause(self._wait())
            while self._wait():
                await self._pause(self._wait())

    def _wait(self) -> float:
        """Seconds until the tenant may compute again."""
        wait = max(self.seconds_of_debt if self.in_debt else 0, self._free_at - self._timer())
        return wait if self._rate and wait > SHORTEST else 0

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


async def computed_for_nobody[T](units: int, function: Callable[[], T]) -> T:
    """What the pure function returns, where no tenant is charged: in a thread, if it takes more than UNITS_AT_ONCE.

    It must not log.
    """
    return function() if units <= UNITS_AT_ONCE else await asyncio.to_thread(function)
