"""A turn of the timer serves every tenant: neither a new hook, nor an error, nor many others hold one up for long."""

import asyncio
import logging
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from scim_core.clock import instant_text
from scim_core.feed.hooks.delivery import KNOWN_SECONDS, TENANTS_AT_ONCE, TURN_SECONDS, YOUNG
from scim_core.feed.hooks.sending import LOOK_UPS, Tried, resolved
from scim_core.storage.hook_port import ALL_TENANTS
from scim_core.storage.tables import TableStorage
from tests.contract.builders import TENANT, create, user
from tests.hooks.receiver import HOOK, Receiver, add_hook, hooks_over
from tests.scim import Clock, endpoint_over
from tests.tenancy import Timer
from tests.transcript import transcript


@pytest.mark.parametrize("tenant", [TENANT, ALL_TENANTS])
async def test_what_a_process_changes_before_it_knows_of_a_new_hook_comes_with_the_next_turns(
    storage: TableStorage, clock: Clock, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, timer = Receiver(), Timer()
    of_writer, of_timer = (hooks_over(storage, receiver, clock, timer=timer) for _ in range(2))
    await create(storage, user(1))
    await of_writer.deliver(TENANT)  # it has looked, and believes for a while that there is no hook
    await of_timer.marked()
    await add_hook(storage, replace(HOOK, tenant=tenant, since=instant_text(clock())), number=1)
    timer.now += 1
    await of_timer.turn(await of_timer.marked())
    clock.advance(seconds=KNOWN_SECONDS - 2)
    timer.now += KNOWN_SECONDS - 2
    await create(storage, user(2))
    await storage.relay(TENANT)
    await of_writer.deliver(TENANT)
    assert receiver.processed == {}, "the process does not know of the hook yet"
    clock.advance(seconds=60)
    timer.now += 60
    await of_timer.turn(await of_timer.marked())
    assert receiver.processed == {TENANT: [2]}
    clock.advance(seconds=YOUNG.total_seconds())

    async def moved_feeds() -> None:
        raise AssertionError("a hook that all know of costs no look at its tenants")

    monkeypatch.setattr(storage, "moved_feeds", moved_feeds)
    await of_timer.marked()


async def test_an_error_in_what_one_tenant_is_sent_keeps_nothing_from_others_and_the_log_names_it(
    storage: TableStorage, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await storage.save_hook(replace(HOOK, tenant=ALL_TENANTS))
    for tenant in ("a", "b", "c"):
        await storage.create(tenant, user(1))

    class Broken(Receiver):
        async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
            if b"tenant=b" in body:
                raise KeyError("ann@example.com")
            return await super().send(url, headers, body)

    receiver = Broken()
    endpoint = endpoint_over(storage, clock, SCIM_MASTER_KEY="A" * 43 + "=")
    endpoint._hooks = hooks_over(storage, receiver, clock)
    caplog.set_level(logging.INFO, "scim_core.endpoint")
    await endpoint.tend_feeds()
    assert receiver.processed == {"a": [1], "c": [1]}
    [record, *_] = [record for record in caplog.records if vars(record).get("operation") == "hooks"]
    assert (vars(record)["blocked"], vars(record)["left"], record.levelno) == (1, 1, logging.ERROR)
    assert "hook h1 of b: KeyError" in record.getMessage()
    assert "ann@example.com" not in caplog.text
    assert "b" in await storage.tenants_to_deliver()


async def test_tenants_that_a_turn_did_not_reach_are_the_first_of_the_next(storage: TableStorage, clock: Clock) -> None:
    timer = Timer()
    await storage.save_hook(replace(HOOK, tenant=ALL_TENANTS))
    tenants = [f"t{number:02}" for number in range(TENANTS_AT_ONCE + 2)]
    for tenant in tenants:
        await storage.create(tenant, user(1))

    class Slow(Receiver):
        """Each batch takes a turn, and then the tenant has another change."""

        async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
            attempt = await super().send(url, headers, body)
            tenant = self.requests[-1][1][0]["source"].partition("tenant=")[2]
            await storage.create(tenant, user(1 + len(self.requests)))
            timer.now += TURN_SECONDS
            return attempt

    receiver = Slow()
    hooks = hooks_over(storage, receiver, clock, timer=timer)
    for _ in range(len(tenants)):
        await hooks.turn(await hooks.marked())
    assert sorted(receiver.processed) == tenants


async def test_many_tenants_are_marked_side_by_side(storage: TableStorage, clock: Clock) -> None:
    await storage.save_hook(replace(HOOK, tenant=ALL_TENANTS))
    for number in range(3 * TENANTS_AT_ONCE):
        await storage.create(f"t{number:02}", user(1))
        await storage.relay(f"t{number:02}")
    with transcript(storage) as recorded:
        assert len(await hooks_over(storage, Receiver(), clock).marked()) == 3 * TENANTS_AT_ONCE
    assert recorded.round_trips <= 4 + 3


async def test_look_ups_of_names_that_hang_hold_up_no_thread_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def hanging(*_: Any, **__: Any) -> list[Any]:
        answer.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.7", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))  # a small instance
    look_ups = [asyncio.create_task(resolved("product.example", 443)) for _ in range(LOOK_UPS)]
    await asyncio.sleep(0)  # all have begun
    try:
        async with asyncio.timeout(30):
            assert await asyncio.to_thread(lambda: "computed") == "computed"
    finally:
        answer.set()
    assert await asyncio.gather(*look_ups) == [["203.0.113.7"]] * LOOK_UPS
