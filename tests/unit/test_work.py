"""What a request may compute, and how tenants share an instance. Units and turns are counted; no time passes."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from scim_core.messages import HttpError
from scim_core.work import (
    BURST_UNITS,
    ITERATIONS,
    MAX_LARGE_READERS,
    MAX_THREADS,
    MAX_UNITS,
    MAX_WAITING,
    UNITS_AT_ONCE,
    UNITS_OF_A_TENANT,
    UNITS_PER_SECOND,
    UNITS_PER_TURN,
    Shares,
    TooMuchWork,
    Work,
)


class Time:
    """A timer that only pauses move. It remembers each pause."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def alone(time: Time) -> Shares:
    """One tenant has the instance for itself."""
    return Shares(time, time.pause, rate=None)


@pytest.fixture
def shares(time: Time) -> Shares:
    return Shares(time, time.pause, rate=UNITS_OF_A_TENANT)


async def test_units_are_counted(alone: Shares) -> None:
    with alone.work("acme") as work:
        await work.spend(3, "a test")
        await work.conclude(4)
        assert work.spent == 7


async def test_what_fits_a_turn_is_computed_without_a_pause(alone: Shares, time: Time) -> None:
    with alone.work("acme") as work:
        await work.spend(UNITS_PER_TURN - 1, "a test")
        await work.spend(1, "a test")
        assert time.pauses == []
        await work.spend(1, "a test")
        assert time.pauses == [0] * ITERATIONS


async def test_no_turn_is_longer_than_it_may_be(time: Time) -> None:
    turns = [0]

    async def pause(_: float) -> None:
        turns.append(0)

    with Shares(time, pause, rate=None).work("acme") as work:
        for units in [300, 5, UNITS_PER_TURN, 1, 499, 2, 200, 200, 200] * 20:
            await work.spend(units, "a test")
            turns[-1] += units
    assert max(turns) <= UNITS_PER_TURN
    assert sum(turns) == work.spent


async def test_beyond_the_budget_nothing_is_counted(alone: Shares) -> None:
    with alone.work("acme") as work:
        await work.spend(MAX_UNITS, "a test")
        with pytest.raises(TooMuchWork, match="too much computing for a filter"):
            work.require(1, "a filter")
        with pytest.raises(TooMuchWork):
            await work.spend(1, "a test")
        with pytest.raises(TooMuchWork):
            await work.run(1, "a test", lambda: pytest.fail("it was computed"))
        assert work.spent == MAX_UNITS
        await work.conclude(1)  # a change that is stored is answered


async def test_a_short_function_runs_on_the_loop_and_a_long_one_in_a_thread(alone: Shares) -> None:
    with alone.work("acme") as work:
        assert await work.run(UNITS_AT_ONCE, "a test", threading.get_ident) == threading.get_ident()
        assert await work.run(UNITS_AT_ONCE + 1, "a test", threading.get_ident) != threading.get_ident()


async def test_what_a_function_in_a_thread_raises_reaches_the_caller(alone: Shares) -> None:
    with alone.work("acme") as work:
        with pytest.raises(ZeroDivisionError):
            await work.run(UNITS_AT_ONCE + 1, "a test", lambda: 1 // 0)
        assert await work.run(UNITS_AT_ONCE + 1, "a test", lambda: 1) == 1


async def threads_of(shares: Shares, tenants: list[str]) -> AsyncIterator[int]:
    """How many functions of these tenants run at a time, each time that one is let go on."""
    running, started, go_on = list[str](), threading.Semaphore(0), threading.Semaphore(0)

    def function(tenant: str) -> None:
        running.append(tenant)
        started.release()
        go_on.acquire()
        running.remove(tenant)

    async def one(tenant: str) -> None:
        with shares.work(tenant) as work:
            await work.run(UNITS_AT_ONCE + 1, "a test", lambda: function(tenant))

    tasks = [asyncio.create_task(one(tenant)) for tenant in tenants]
    for _ in tenants:
        await asyncio.to_thread(started.acquire)
        await asyncio.sleep(0.01)  # long enough for a thread that must not start
        yield len(running)
        go_on.release()
    await asyncio.gather(*tasks)


async def test_a_tenant_has_one_thread_at_a_time(alone: Shares) -> None:
    assert [number async for number in threads_of(alone, ["acme"] * 3)] == [1, 1, 1]


async def test_an_instance_has_few_threads_at_a_time(alone: Shares) -> None:
    assert max([number async for number in threads_of(alone, list("abcde"))]) == MAX_THREADS


async def test_a_thread_whose_request_has_ended_still_counts(alone: Shares) -> None:
    started, go_on = threading.Event(), threading.Event()

    def function() -> None:
        started.set()
        go_on.wait()
        raise ValueError

    async def one() -> None:
        with alone.work("acme") as work:
            await work.run(UNITS_AT_ONCE + 1, "a test", function)

    request = asyncio.create_task(one())
    await asyncio.to_thread(started.wait)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    with alone.work("acme") as other:
        later = asyncio.create_task(other.run(UNITS_AT_ONCE + 1, "a test", go_on.is_set))
        await asyncio.sleep(0.01)
        assert not later.done()
        go_on.set()
        assert await later


async def test_a_deadline_ends_a_request_that_computes(time: Time) -> None:
    async def pause(_: float) -> None:
        await asyncio.sleep(0)

    async def endless(work: Work) -> None:
        while True:
            await work.spend(UNITS_PER_TURN, "a test")
            work.spent = 0

    with pytest.raises(TimeoutError), Shares(time, pause, rate=None).work("acme") as work:
        async with asyncio.timeout(0):
            await endless(work)


async def test_alone_a_tenant_does_not_wait(alone: Shares, time: Time) -> None:
    for _ in range(5):
        with alone.work("acme") as work:
            await work.spend(MAX_UNITS, "a test")
    assert set(time.pauses) <= {0}


async def test_a_tenant_that_has_used_what_it_saved_gets_half_of_a_core(shares: Shares, time: Time) -> None:
    with shares.work("acme") as work:
        await work.spend(int(BURST_UNITS), "a test")
        for _ in range(10):
            await work.spend(UNITS_PER_TURN, "a test")
    computing = 9 * UNITS_PER_TURN / UNITS_PER_SECOND
    assert time.now == pytest.approx(2 * computing)


async def test_half_of_the_time_is_for_others_on_a_slow_core_too(shares: Shares, time: Time) -> None:
    """The core is four times slower than measured. Two requests of the tenant share its half."""
    with shares.work("acme") as one, shares.work("acme") as other:
        for _ in range(10):
            for work in (one, other):
                await work.spend(UNITS_PER_TURN, "a test")
                time.now += 4 * UNITS_PER_TURN / UNITS_PER_SECOND
    computing = 20 * 4 * UNITS_PER_TURN / UNITS_PER_SECOND
    assert sum(time.pauses) >= 0.8 * computing


async def test_another_tenant_does_not_wait(shares: Shares, time: Time) -> None:
    with shares.work("acme") as work, shares.work("other") as other:
        await work.spend(MAX_UNITS, "a test")
        await other.spend(UNITS_PER_TURN, "a test")
    assert time.pauses == []


async def test_waiting_requests_of_a_tenant_go_on_in_the_order_in_which_they_came(shares: Shares) -> None:
    order = list[int]()

    async def one(number: int) -> None:
        with shares.work("acme") as work:
            await work.spend(UNITS_PER_TURN, "a test")
            order.append(number)

    with shares.work("acme") as work:
        await work.spend(int(BURST_UNITS) + 1, "a test")
    await asyncio.gather(*(one(number) for number in range(10)))
    assert order == list(range(10))


async def test_one_request_of_a_tenant_computes_while_its_others_wait_for_their_turns(alone: Shares) -> None:
    """Between two turns of a tenant the loop runs. Another tenant waits for one turn, not for one of each request."""
    computed = list[int]()
    loop_runs = 0

    async def one() -> None:
        with alone.work("acme") as work:
            for _ in range(5):
                await work.spend(UNITS_PER_TURN, "a test")
                computed.append(loop_runs)

    requests = asyncio.gather(*(one() for _ in range(8)))
    while not requests.done():
        await asyncio.sleep(0)
        loop_runs += 1
    later = computed[8:]  # the first turn of each needs no waiting
    assert max(later.count(run) for run in later) == 1


async def test_too_many_waiting_requests_of_a_tenant_are_refused(shares: Shares, time: Time) -> None:
    resumed = asyncio.Event()

    async def pause(seconds: float) -> None:
        await resumed.wait()
        time.now += seconds

    shares = Shares(time, pause, rate=UNITS_OF_A_TENANT)

    async def one(units: int) -> None:
        with shares.work("acme") as work:
            await work.spend(units, "a test")
            await work.spend(units, "a test")

    with shares.work("acme") as work:
        await work.spend(int(BURST_UNITS + 3 * UNITS_OF_A_TENANT), "a test")
    waiting = [asyncio.create_task(one(1)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(HttpError) as refused:
        await one(1)
    assert refused.value.status == 429
    assert refused.value.headers["Retry-After"] == "3"
    with shares.work("other") as other:
        await other.spend(1, "a test")
    resumed.set()
    await asyncio.gather(*waiting)
    await one(1)


async def test_a_request_that_ends_while_it_waits_leaves_its_place(time: Time) -> None:
    async def pause(_: float) -> None:
        await asyncio.Event().wait()

    shares = Shares(time, pause, rate=UNITS_OF_A_TENANT)

    async def one() -> None:
        with shares.work("acme") as work:
            await work.spend(1, "a test")

    with shares.work("acme") as work:
        await work.spend(int(BURST_UNITS) + 1, "a test")
    for _ in range(2):
        waiting = [asyncio.create_task(one()) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        for request in waiting:
            request.cancel()
        assert all(
            isinstance(item, asyncio.CancelledError) for item in await asyncio.gather(*waiting, return_exceptions=True)
        )


async def test_few_requests_of_a_tenant_read_much_at_a_time(alone: Shares) -> None:
    reading, most = 0, 0

    async def one(tenant: str) -> None:
        nonlocal reading, most
        with alone.work(tenant) as work:
            await asyncio.gather(work.expect_much(), work.expect_much())
            reading += 1
            most = max(most, reading)
            await asyncio.sleep(0)
            reading -= 1

    await asyncio.gather(*(one("acme") for _ in range(3 * MAX_LARGE_READERS)))
    assert most == MAX_LARGE_READERS
    await asyncio.gather(*(one(f"tenant {number}") for number in range(3 * MAX_LARGE_READERS)))
    assert most == 3 * MAX_LARGE_READERS


async def test_too_many_requests_that_would_read_much_are_refused(alone: Shares) -> None:
    async def one() -> None:
        with alone.work("acme") as work:
            await work.expect_much()
            await asyncio.Event().wait()

    requests = [asyncio.create_task(one()) for _ in range(MAX_LARGE_READERS + MAX_WAITING)]
    await asyncio.sleep(0)
    with alone.work("acme") as work, pytest.raises(HttpError) as refused:
        await work.expect_much()
    assert refused.value.status == 429
    for request in requests:
        request.cancel()
    await asyncio.gather(*requests, return_exceptions=True)
    with alone.work("acme") as work:
        await work.expect_much()
