"""How far a hook has come with a tenant's feed, and how what it has missed is sent again: for people."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scim_core.feed.hooks.addresses import shown_url
from scim_core.storage.hook_port import ALL_TENANTS, DeadBatch, Hook, HookCursor, HookFormat, HookStorage, Stream


class NoReplay(Exception):
    """There is nothing that could be sent again. The text says why."""


@dataclass(frozen=True, slots=True)
class HookState:
    """How far a hook has come with one tenant. `behind` counts entries; `replay` is None if none is under way."""

    hook: Hook
    tenant: str
    events: HookCursor
    behind: int
    dead: Sequence[DeadBatch]
    replay: HookCursor | None

    @property
    def target(self) -> str:
        """Where the hook sends, for people."""
        return shown_url(self.hook.url)


def is_of(hook: Hook, tenant: str) -> bool:
    """Whether the hook sends this tenant's events."""
    return hook.tenant in (ALL_TENANTS, tenant)


async def state_of(storage: HookStorage, hook: Hook, tenant: str, number: int) -> HookState:
    """The state of this hook; `number` is the newest of the tenant's feed. Raises StorageBusy."""
    events = await storage.hook_cursor(tenant, hook.id, Stream.EVENTS) or HookCursor("", 0)
    replay = await storage.hook_cursor(tenant, hook.id, Stream.REPLAY)
    dead = await storage.dead_batches(tenant, hook.id)
    return HookState(hook, tenant, events, max(0, number - events.number), dead, replay)


async def states_of(storage: HookStorage, hooks: Sequence[Hook], tenant: str, number: int) -> list[HookState]:
    """The states of these hooks, with one read; `number` is the newest of the tenant's feed. Raises StorageBusy."""
    found = await storage.hook_streams(tenant)
    states = []
    for hook in hooks:
        events = found.cursors.get((hook.id, Stream.EVENTS)) or HookCursor("", 0)
        replay = found.cursors.get((hook.id, Stream.REPLAY))
        states.append(
            HookState(hook, tenant, events, max(0, number - events.number), found.dead.get(hook.id, ()), replay)
        )
    return states


async def replay_of_dead(storage: HookStorage, hook: Hook, tenant: str) -> HookCursor:
    """From the first dead batch to the last. If all are of epochs that have ended, the receiver will be told so.

    Raises NoReplay, StorageBusy.
    """
    dead = await storage.dead_batches(tenant, hook.id)
    if not dead:
        raise NoReplay(f"The hook {hook.id} has no dead batch of the tenant {tenant}.")
    epoch = (await storage.feed_head(tenant)).epoch
    found = [item for item in dead if item.epoch == epoch] or [item for item in dead if item.epoch == dead[0].epoch]
    start, end = found[0].first, max(item.last for item in found)
    return HookCursor(found[0].epoch, start - 1, start=start, end=end)


async def require_idle(storage: HookStorage, hook: Hook, tenant: str) -> HookCursor | None:
    """The replay that was given up; None if there is none. Raises NoReplay if one is under way, or none can be."""
    if hook.format is HookFormat.DOORBELL:
        raise NoReplay("A queue gets doorbells: nothing in it can be replayed. Who gets one reads the feed.")
    if hook.disabled or not tenant or not is_of(hook, tenant):
        raise NoReplay("Say of which tenant, with --tenant ID, of a hook that has not ended and has its events.")
    there = await storage.hook_cursor(tenant, hook.id, Stream.REPLAY)
    if there is not None and not there.stopped:
        raise NoReplay(f"A replay is under way, up to number {there.end}. `hooks list` shows how far it is.")
    return there


async def begin_replay(
    storage: HookStorage, hook: Hook, tenant: str, wanted: HookCursor, *, there: HookCursor | None, now: str
) -> None:
    """The entries are sent again within minutes. `there` is what require_idle has found. Raises VersionConflict."""
    cursor = replace(wanted, etag=there.etag) if there is not None else wanted
    await storage.save_hook_cursor(tenant, hook.id, Stream.REPLAY, cursor)
    await storage.mark_due(tenant, now)
