"""Rows of all tenants, by which the timer finds the tenants whose changes wait, and a reader those that moved.

They are in the partition of the sweep. Version 0.2 leaves alone what it does not know there; in a partition of their
own they would end its backup.

:waiting:{tenant}:   changes of this tenant may wait for the relay: written beside a change, at most once a minute
:moved:{tenant}:     the newest number of the tenant's feed: written by the relay
"""

from contextlib import suppress
from datetime import datetime, timedelta

from scim_core.caches import Fresh
from scim_core.clock import Clock, instant_text
from scim_core.model import Column
from scim_core.storage.feed_port import MovedFeed
from scim_core.storage.port import StorageError, VersionConflict
from scim_core.storage.tables import keys
from scim_core.storage.tables.errors import RowFailure
from scim_core.storage.tables.keys import SWEEP
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows

RUNG_SECONDS = 60
"""A process rings once in this time for a tenant."""

WAITS = timedelta(seconds=3 * RUNG_SECONDS)
"""How long a tenant counts as waiting after it was rung for: longer than a process stays silent, and clocks differ."""

TENANTS_REMEMBERED = 10_000
"""Tenants of which a process knows when it rang last."""

MAX_ATTEMPTS = 5
"""How often a newest number is written again while others write it. A later one makes up for a lost one."""


class Doorbell:
    """What one process remembers of its ringing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung: Fresh[str, None] = Fresh(TENANTS_REMEMBERED, RUNG_SECONDS)

    def due(self, tenant: str) -> datetime | None:
        """The present, if it is time to ring for this tenant. Whoever is told so rings: nobody else is told."""
        now = self._clock()
        if self._rung.get(tenant, now.timestamp()) is not None:
            return None
        self._rung.put(tenant, None, now.timestamp())
        return now

    async def ring(self, rows: Rows, tenant: str, now: datetime) -> None:
        """The timer knows of this tenant. A failure is no failure of the change: the round of all tenants finds it."""
        with suppress(StorageError):
            await rows.transact(SWEEP, [ringing(tenant, now)])


def ringing(tenant: str, now: datetime) -> RowOperation:
    """The tenant counts as waiting from now on."""
    properties = dict[str, Column](tenant=tenant, id="", lastModified=instant_text(now))
    return RowOperation(Verb.UPSERT, Role.FEED, keys.waiting(tenant), properties)


async def waiting(rows: Rows) -> list[tuple[str, str, str]]:
    """The tenants that count as waiting; for each, the instant (UTC text) and the ETag of its row."""
    found = await read_range(rows, SWEEP, keys.waiting_tenants())
    return [(row.properties["tenant"], row.properties["lastModified"], row.etag) for row in found]


async def calm(rows: Rows, tenant: str, rung: str, etag: str, now: datetime) -> None:
    """The tenant, whose changes were relayed now, does not count as waiting if it was rung for long ago."""
    if rung < instant_text(now - WAITS):
        with suppress(RowFailure, VersionConflict):  # somebody has rung
            await rows.transact(SWEEP, [RowOperation(Verb.DELETE, Role.FEED, keys.waiting(tenant), etag=etag)])


async def move(rows: Rows, moved: MovedFeed) -> None:
    """The tenant's newest number is this one, or a greater one that another process has written."""
    key = keys.moved(moved.tenant)
    number = str(moved.number)
    properties = dict[str, Column](tenant=moved.tenant, id="", number=number, lastModified=moved.time)
    for _ in range(MAX_ATTEMPTS):
        there = await rows.get(SWEEP, key)
        if there is not None and int(there.properties["number"]) >= moved.number:
            return
        verb, etag = (Verb.REPLACE, there.etag) if there else (Verb.INSERT, "")
        with suppress(RowFailure, VersionConflict):
            await rows.transact(SWEEP, [RowOperation(verb, Role.FEED, key, properties, etag)])
            return


async def moved_feeds(rows: Rows) -> list[MovedFeed]:
    """The newest numbers of all feeds."""
    found = await read_range(rows, SWEEP, keys.moved_tenants())
    return [
        MovedFeed(row.properties["tenant"], int(row.properties["number"]), row.properties["lastModified"])
        for row in found
    ]
