"""Calls timer-triggered functions on their schedule. The host in Azure calls each timer on one instance only."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from devhost import worker
from devhost.errors import DevhostError
from devhost.worker import InvocationError, Timer

log = logging.getLogger("devhost")

_FIELDS = 6


def usable(timers: Sequence[Timer]) -> list[Timer]:
    """The timers whose schedules the host takes: six fields, seconds first. The log names the others.

    The host leaves out a function whose schedule is wrong. All others work.
    """
    found = []
    for timer in timers:
        try:
            _occurrences(timer)
        except DevhostError as error:
            log.error("%s is left out. %s", timer.name, error)  # noqa: TRY400 -- the sentence says all
        else:
            found.append(timer)
    return found


async def run(timers: Sequence[Timer]) -> None:
    """Every timer is called at its times until this is cancelled. A failed call is logged, and the timer goes on."""
    await asyncio.gather(*map(_run, timers))


async def _run(timer: Timer) -> None:
    for moment in _occurrences(timer):
        await asyncio.sleep((moment - datetime.now(UTC)).total_seconds())
        try:
            await worker.tick(timer)
        except InvocationError as error:
            log.error("%s failed\n%s", timer.name, error)  # noqa: TRY400 - the worker's text holds the traceback
        else:
            log.info("%s was called by its timer", timer.name)


def _occurrences(timer: Timer) -> CronSim:
    if len(timer.schedule.split()) != _FIELDS:  # with five fields, cronsim takes the first one as minutes
        raise DevhostError(f"The schedule {timer.schedule!r} of {timer.name} must have six fields, seconds first.")
    try:
        return CronSim(timer.schedule, datetime.now(UTC))
    except CronSimError as error:
        raise DevhostError(f"The schedule {timer.schedule!r} of {timer.name} is wrong: {error}.") from None
