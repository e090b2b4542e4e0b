"""What the pages ask of storage and registry. Only reads: an identity that can write nothing sees every page."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from scim_core.caches import Bounded
from scim_core.clock import Clock, instant_text
from scim_core.console.health import COUNTED, Customer, HoldState, customer_of
from scim_core.feed.finding import FoundResource, type_in
from scim_core.feed.hooks.states import HookState, is_of, state_of
from scim_core.feed.log import Event, Log, event_of, event_of_attempt
from scim_core.feed.mass_changes import active_before, mass_change
from scim_core.mass_change_settings import USUAL, MassChangeSettings
from scim_core.messages import HttpError
from scim_core.protocol.schemas import Catalogue
from scim_core.registry import APPLICATIONS, DEFAULT_TENANT, Registry, Tenant
from scim_core.service.hold import HELD
from scim_core.storage.feed_port import Attempt, AttemptOutcome, LogRow, MovedFeed
from scim_core.storage.hook_port import Hook, HookStorage

CUSTOMERS_SHOWN = 50
"""Customers on one page. Each costs two reads: its last day, and whom it has lost."""

COUNTED_ACTIVE = 2_000
"""Active users of a customer that one page counts: two answers of Table Storage, and one more for each 1,000 inactive
users among them. So beyond some 220 losses the share does not matter, until the timer of the SCIM app has counted, and
noted that they are few.
"""

SEARCHED_CUSTOMERS = 20
"""Customers that are searched at once, when nobody says which. Each costs some ten reads."""

NAMES_READ = 50
"""Names of members, groups or people on one page that are read. Of the others the ids are shown."""

CHANGING = frozenset({"create", "replace", "patch", "delete"})
"""The operations that leave a line when they change something, or are refused."""

TAIL_EVENTS = 25
"""Lines of the live tail. It is read every two seconds."""

TAIL_TIME = timedelta(hours=24)
"""How far back the live tail looks for refusals."""

ENTRIES_REMEMBERED = 1_000
"""Entries of the log that the live tails remember: forty customers at once, at some kilobytes each."""

FORMER_NAMES_READ = 8
"""People who are gone whose former names one page looks up. Each costs a read of their log."""

AT_ONCE = 8
"""Customers whose last day is read at the same time."""


@dataclass(frozen=True, slots=True)
class FeedState:
    """How far a customer's feed has come, the changes that wait for it, and its hooks."""

    moved: MovedFeed | None
    waiting: Sequence[str]
    hooks: Sequence[HookState]


class Reading:
    """Answers what the pages ask. `limits` say what a mass change is. Every method may raise StorageBusy."""

    def __init__(
        self,
        storage: HookStorage,
        registry: Registry,
        catalogue: Catalogue,
        clock: Clock,
        limits: MassChangeSettings = USUAL,
    ) -> None:
        self.limits = limits
        self.log = Log(storage, catalogue, clock)
        self._storage = storage
        self._registry = registry
        self._catalogue = catalogue
        self._clock = clock
        self._entries: Bounded[tuple[str, str], LogRow] = Bounded(ENTRIES_REMEMBERED)

    async def tenants(self) -> list[Tenant]:
        """All customers, ordered by id. The tenant of the settings is one if no other is, or if it has moved."""
        found = {item.id: item async for item in self._registry.tenants() if item.id != APPLICATIONS}
        if DEFAULT_TENANT not in found and (not found or DEFAULT_TENANT in await self._moved()):
            found[DEFAULT_TENANT] = _of_the_settings()
        return sorted(found.values(), key=lambda item: item.id)

    async def tenant(self, tenant_id: str) -> Tenant:
        """The customer of this id. Raises HttpError 404."""
        found = await self._registry.load(tenant_id) if tenant_id != APPLICATIONS else None
        if found is None and tenant_id == DEFAULT_TENANT:
            return _of_the_settings()
        if found is None:
            raise HttpError(404, "There is no such customer.")
        return found

    async def customers(self, tenants: Iterable[Tenant]) -> list[Customer]:
        """These tenants with their health: at most CUSTOMERS_SHOWN."""
        moved, turn = await self._moved(), asyncio.Semaphore(AT_ONCE)

        async def one(tenant: Tenant) -> Customer:
            async with turn:
                return await self._customer(tenant, moved.get(tenant.id))

        return list(await asyncio.gather(*map(one, islice(tenants, CUSTOMERS_SHOWN))))

    async def customer(self, tenant: Tenant) -> Customer:
        """This tenant with its health."""
        return await self._customer(tenant, (await self._moved()).get(tenant.id))

    async def find(self, tenant: Tenant, text: str) -> list[FoundResource]:
        """Whom and what a text finds with this customer, of every resource type."""
        found = await asyncio.gather(*(self.log.find(tenant.id, text, item.name) for item in self._catalogue))
        return [item for some in found for item in some]

    async def located(self, tenant: Tenant, resource_id: str) -> FoundResource:
        """The resource of this id, also one that is gone. Raises HttpError 404."""
        types = [item.name for item in self._catalogue]
        found = await asyncio.gather(*(self._storage.read(tenant.id, name, [resource_id]) for name in types))
        for name, [stored] in zip(types, found, strict=True):
            if stored:
                return FoundResource(name, resource_id, stored)
        rows = await self._storage.log_of(tenant.id, resource_id)
        if not rows:
            raise HttpError(404, "There is nobody of this id here, and the log does not know it.")
        return FoundResource(type_in(rows), resource_id, None)

    def has_members(self, found: FoundResource) -> bool:
        """Whether others are its members, as they are of a group."""
        resource_type = self._catalogue.named(found.resource_type)
        return resource_type is not None and resource_type.has_members

    async def names(self, tenant: Tenant, ids: Iterable[str]) -> dict[str, str]:
        """The names of these resources, as far as they are there: of the first NAMES_READ ids."""
        wanted = list(islice(dict.fromkeys(filter(None, ids)), NAMES_READ))
        if not wanted:
            return {}
        types = [item.name for item in self._catalogue]
        found = await asyncio.gather(*(self._storage.read(tenant.id, name, wanted) for name in types))
        shown = {
            item.id: FoundResource(name, item.id, item).name
            for name, some in zip(types, found, strict=True)
            for item in some
            if item
        }
        gone = [item for item in wanted if item not in shown][:FORMER_NAMES_READ]
        rows = await asyncio.gather(*(self._storage.log_of(tenant.id, item) for item in gone))
        former = {item: former_name(map(event_of, some)) for item, some in zip(gone, rows, strict=True)}
        return shown | {item: f"{name} (deleted)" for item, name in former.items() if name}

    async def feed(self, tenant: Tenant) -> FeedState:
        """How far the feed and its hooks have come."""
        moved = (await self._moved()).get(tenant.id)
        waiting, hooks = await asyncio.gather(self._storage.waiting(tenant.id), self._storage.hooks())
        number = moved.number if moved else 0
        states = [await state_of(self._storage, item, tenant.id, number) for item in hooks if is_of(item, tenant.id)]
        return FeedState(moved, waiting, states)

    async def hook(self, tenant: Tenant, hook_id: str) -> Hook:
        """The hook of this id that sends the customer's events. Raises HttpError 404."""
        found = [item for item in await self._storage.hooks() if item.id == hook_id and is_of(item, tenant.id)]
        if not found:
            raise HttpError(404, "There is no such hook.")
        return found[0]

    async def hook_state(self, tenant: Tenant, hook: Hook) -> HookState:
        """How far this hook has come with the customer's feed."""
        moved = (await self._moved()).get(tenant.id)
        return await state_of(self._storage, hook, tenant.id, moved.number if moved else 0)

    async def tail(self, tenant: Tenant) -> list[Event]:
        """The newest changes, refusals, and requests of an open setup link, oldest first: at most TAIL_EVENTS."""
        since = self._clock() - TAIL_TIME
        rows, attempts, seen = await asyncio.gather(
            self._storage.newest(tenant.id, TAIL_EVENTS),
            self._storage.attempts(tenant.id, since=since, limit=TAIL_EVENTS),
            self._seen(tenant, since),
        )
        whole = await asyncio.gather(*(self._whole(tenant, row) for row in rows))
        events = [*map(event_of, rows, whole), *map(event_of_attempt, attempts), *seen]
        return sorted(events, key=lambda item: item.time)[-TAIL_EVENTS:]

    async def hold(self, tenant: Tenant) -> HoldState:
        """Whom the customer has lost within an hour, and whether further losses are held."""
        now, losses = self._clock(), await self._storage.losses(tenant.id)
        types = [item.name for item in self._catalogue if item.can_be_inactive]
        before = await active_before(self._storage, types, self.limits, tenant.id, losses, now=now, most=COUNTED_ACTIVE)
        mass = None if before is None else mass_change(tenant.id, losses, self.limits, before, now)
        holds = tenant.hold or not tenant.created  # of the tenant of the settings, a setting of the app says it
        return HoldState(losses, mass, losses.held if holds else "")

    async def put_off(self, tenant: Tenant, since: str) -> list[Attempt]:
        """The deactivations and deletions that were held since then, as far as the log has them, oldest first."""
        found = await self.log.attempts(tenant.id, datetime.fromisoformat(since))
        said = f'"sentence":{json.dumps(HELD, ensure_ascii=False)}'
        return [item for item in found if item.outcome is AttemptOutcome.PUT_OFF and said in item.text]

    async def _seen(self, tenant: Tenant, since: datetime) -> list[Event]:
        """The requests of an open setup link. A change among them has a line of its own already."""
        if not tenant.setup.is_open(instant_text(self._clock())):
            return []
        seen = await self._storage.seen(tenant.id, since=since, limit=TAIL_EVENTS, newest=True)
        return [event for event in map(event_of_attempt, seen) if event.note.get("operation") not in CHANGING]

    async def _whole(self, tenant: Tenant, row: LogRow) -> LogRow | None:
        """The row with its note, which never changes: it is read once, however often the tail is."""
        if row.note:  # it waits for the relay, and is whole
            return row
        key = (tenant.id, row.entry)
        known = self._entries.get(key) or await self._storage.log_entry(*key)
        if known:
            self._entries.put(key, known)
        return known

    async def _customer(self, tenant: Tenant, moved: MovedFeed | None) -> Customer:
        now = self._clock()
        attempts, hold = await asyncio.gather(
            self._storage.attempts(tenant.id, since=now - timedelta(days=1), limit=COUNTED), self.hold(tenant)
        )
        return customer_of(tenant, moved, attempts, hold, now)

    async def _moved(self) -> dict[str, MovedFeed]:
        return {item.tenant: item for item in await self._storage.moved_feeds()}


def _of_the_settings() -> Tenant:
    return Tenant(DEFAULT_TENANT, "The tenant of the settings", "")


def former_name(events: Iterable[Event]) -> str:
    """The last name that the log knows, of somebody who is gone; empty if it knows none."""
    notes = [event.note.get(moment, {}) for event in events for moment in ("before", "after")]
    found = [note.get("userName") or note.get("displayName") or "" for note in notes]
    return str(next(filter(None, reversed(found)), ""))
