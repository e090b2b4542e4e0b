"""Sees mass changes: many active users of a tenant that are deactivated or deleted within an hour.

The relay counts them. This compares the count with the number of active users, and marks the tenant as held if it has
asked for that. It runs after a relay, when the answer has been sent, so it logs nothing; the timer tells.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scim_core.caches import Bounded
from scim_core.clock import Clock, instant_text
from scim_core.mass_change_settings import MassChangeSettings
from scim_core.storage.feed_port import LOSS_WINDOW, FeedStorage, LossCount, Losses
from scim_core.storage.port import StorageError

COUNTED_AHEAD = 2
"""So many times the active users are counted that say that these losses are few. Then more losses need no new count."""

MAX_ATTEMPTS = 5
"""How often a mark is written again because others relay. The next change, or the timer, makes up for it."""

REMEMBERED = 10_000
"""Tenants of which a process knows what it has told of them."""

GROWN_PERCENT = 10
"""By so much a mass change that was told has grown when it is told again. For each time the active users are counted,
and that can be nearly all of them.
"""

RELEASED_HOURS = 4
"""For how long nothing is held after a release: several cycles of an identity provider, which come each 40 minutes."""


@dataclass(frozen=True, slots=True)
class MassChange:
    """Who has lost how many active users within an hour, by which credential most of them, and since when is held."""

    tenant: str
    count: int
    credential: str
    by_credential: int
    held: str


@dataclass(frozen=True, slots=True)
class Alarms:
    """The mass changes to tell of, and the tenants of which nobody could tell, with the reason."""

    changes: Sequence[MassChange]
    unknown: Mapping[str, str]


class MassChanges:
    """The mass changes of all tenants, as one process sees them. `holds` says if further ones of a tenant are held.

    `types` are the names of the resource types that can be inactive.
    """

    def __init__(
        self,
        storage: FeedStorage,
        types: Sequence[str],
        limits: MassChangeSettings,
        holds: Callable[[str], Awaitable[bool]],
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._types = types
        self._limits = limits
        self._holds = holds
        self._clock = clock
        self._suspected = set[str]()
        self._told: Bounded[str, tuple[tuple[LossCount, ...], bool]] = Bounded(REMEMBERED)

    def suspect(self, tenant: str) -> None:
        """This process may have deactivated or deleted somebody of this tenant."""
        self._suspected.add(tenant)

    def suspected(self, tenant: str) -> bool:
        """Whether this process may have done that since it was asked last. Ask before a relay, and look after it."""
        is_suspected = tenant in self._suspected
        self._suspected.discard(tenant)
        return is_suspected

    async def look(self, tenant: str) -> None:
        """A tenant that asks for it is held if there is a mass change, as far as it is relayed. Raises StorageError.

        Nothing is counted where that could hold nobody: the timer tells of it.
        """
        if not await self._holds(tenant):
            return
        losses = await self._storage.losses(tenant)
        if not losses.held and instant_text(self._clock()) >= losses.free_until:
            await self.judged(tenant, losses)

    async def alarms(self, losses: Mapping[str, Losses]) -> Alarms:
        """The mass changes among these losses that this process has not told yet, or that have grown by a tenth."""
        found, unknown = list[MassChange](), dict[str, str]()
        for tenant, item in losses.items():
            if self._is_told(tenant, item):
                continue
            try:
                seen = await self.judged(tenant, item)
            except StorageError as error:
                unknown[tenant] = str(error)
                continue
            self._told.put(tenant, (item.counts, seen is not None))
            found += [seen] if seen else []
        return Alarms(found, unknown)

    def _is_told(self, tenant: str, losses: Losses) -> bool:
        """Whether these losses are those that were judged last, or little more than a mass change that was told."""
        counts, was_mass = self._told.get(tenant) or ((), False)
        if counts == losses.counts or not was_mass:
            return counts == losses.counts
        now = self._clock()
        told, lost = (sum(item.within(now).values()) for item in (replace(losses, counts=counts), losses))
        return lost * 100 < told * (100 + GROWN_PERCENT)

    async def judged(self, tenant: str, losses: Losses) -> MassChange | None:
        """The mass change that these losses are, if they are one. Then the tenant is held, if it asks for that.

        Raises StorageError.
        """
        for _ in range(MAX_ATTEMPTS):
            now = self._clock()
            before = await active_before(self._storage, self._types, self._limits, tenant, losses, now=now)
            if before is None:
                return None
            seen, time = mass_change(tenant, losses, self._limits, before, now), instant_text(now)
            if seen:
                held = losses.held or (time if time >= losses.free_until and await self._holds(tenant) else "")
                after, seen = replace(losses, held=held), replace(seen, held=held)
            else:
                until = instant_text(now + LOSS_WINDOW)
                after = replace(losses, safe=self._limits.percent * before // 100, safe_until=until)
            if after == losses or await self._storage.judge(tenant, after):
                return seen
            losses = await self._storage.losses(tenant)
        return seen


async def active_before(
    storage: FeedStorage,
    types: Sequence[str],
    limits: MassChangeSettings,
    tenant: str,
    losses: Losses,
    *,
    now: datetime,
    most: int = sys.maxsize,
) -> int | None:
    """How many users were active before these losses, as far as it matters. None: they are few, and none is counted.

    Those are counted who are active still: some more than make these losses few, and at most so many.
    """
    count, percent = sum(losses.within(now).values()), limits.percent
    is_safe = count <= losses.safe and instant_text(now) < losses.safe_until
    if count <= limits.users or is_safe:
        return None
    enough = min(most, COUNTED_AHEAD * (count * (100 - percent) // percent + 1))
    found = 0
    for name in types:
        found += await storage.active(tenant, name, enough - found) if found < enough else 0
    return count + found


def mass_change(
    tenant: str, losses: Losses, limits: MassChangeSettings, before: int, now: datetime
) -> MassChange | None:
    """The mass change that these losses are, of so many active users before. None if the share is small."""
    lost = losses.within(now)
    count = sum(lost.values())
    if count * 100 <= limits.percent * before:
        return None
    credential, number = next(iter(lost.items()))
    return MassChange(tenant, count, credential, number, losses.held)


def free_until(clock: Clock) -> str:
    """Until when nothing is held after a release that is made now (UTC text)."""
    return instant_text(clock() + timedelta(hours=RELEASED_HOURS))
