"""What hooks get in a turn of the timer, and the line of the log that says so: the alert for hooks counts it."""

import logging
from collections.abc import Sequence
from dataclasses import asdict

from scim_core.feed.hooks.delivery import Delivered, Hooks

MAX_BROKEN = 20
"""Errors that one line of the log names. The next turn meets those again that are left."""

NO_MASTER_KEY = "SCIM_MASTER_KEY is not set, so nothing can be signed, and nothing is sent."
"""Why hooks get nothing, though there are some."""

log = logging.getLogger(__name__)


async def deliver(hooks: Hooks, tenants: Sequence[str]) -> None:
    """What is due of these tenants is sent, and counted in the log. Raises StorageBusy."""
    if not hooks.can_sign:
        extra = {"operation": "hooks", "blocked": len(tenants)}
        log.error("hooks: %s blocked: %s", len(tenants), NO_MASTER_KEY, extra=extra)
        return
    done = await hooks.turn(tenants)
    told = f". An error of this service: {', '.join(done.broken[:MAX_BROKEN])}" if done.broken else ""
    log.log(
        _level(done),
        "hooks: %s batches taken, %s attempts failed, %s blocked, %s dead%s",
        done.taken,
        done.failed,
        done.blocked,
        done.dead,
        told,
        extra={"operation": "hooks", **asdict(done), "broken": len(done.broken)},
    )


def _level(done: Delivered) -> int:
    if done.broken:
        return logging.ERROR
    return logging.WARNING if done.blocked or done.dead else logging.INFO
