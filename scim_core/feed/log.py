"""The provisioning log for people: what happened to somebody, why somebody is in no group, what was refused.

Only reads. Each question costs few calls of the storage, whatever the size of the directory.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from scim_core.clock import Clock, instant_text
from scim_core.feed.causes import Cause, Counted, Meant, counted, counting_units, ignored_names, told
from scim_core.feed.finding import FoundResource, find
from scim_core.ids import given_at, is_id
from scim_core.model import Json, Membership, StoredResource
from scim_core.protocol.schemas import USER, Catalogue
from scim_core.storage.feed_port import MAX_LOGGED, SEEN, Attempt, AttemptOutcome, FeedStorage, LogRow
from scim_core.work import computed_for_nobody

ATTEMPTS_READ = 2_000
"""Attempts that one question reads: two answers of Table Storage."""

CHANGES_READ = 1_000
"""Changes of a tenant that one question reads: one answer of Table Storage."""

CHANGES_OF_REQUEST = 10
"""Changes of one request that are told. Only a bulk has made more, and each of them costs a read."""

OF_REQUEST = timedelta(minutes=2)
"""How long after its id was made a request may have made its changes: it has 60 seconds, and clocks differ."""

DAYS = 7
"""How far back attempts are looked for, unless somebody says how far: the newest are the ones that are asked about."""

NAMED_GROUPS = 3
"""Groups whose names are shown with a person. Of the others the ids are."""

ATTEMPTS_KEPT = 30
"""Days for which attempts are there at all: see ATTEMPT_DAYS."""

_SKIPPED = "is no member. A request named this id when there was no such user here, so it was skipped."
_DELETED = "is no member, because the user was deleted."
_GROUP_REFUSED = "is no member. No request has added this user. The last change of the group was refused."
_NEVER = "is no member, and no request has asked for it: the identity provider never sent it."


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a timeline. `what` is a word, `detail` says which values or why, `note` is all that is kept.

    `attributes` are the names of all that changed, also of what has no value in the note; `joined` and `left` are ids
    of members. `type` is that of the resource.
    """

    time: str
    what: str
    detail: str
    by: str
    request: str
    note: Json
    resource: str = ""
    group: str = ""
    type: str = ""
    attributes: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody's present state and what happened, oldest first. `groups` are ids with names, as far as known."""

    found: FoundResource
    groups: dict[str, str]
    events: list[Event]


@dataclass(frozen=True, slots=True)
class Why:
    """Whether somebody is in a group, and the event that made it so. `verdict` is the sentence that answers."""

    verdict: str
    member: bool
    event: Event | None


type Counting = Callable[[int, int], Awaitable[None]]
"""Is told how many rows were read, with notes of how many characters together: it can count them, wait, or raise."""


class Computing(Protocol):
    """Computes what takes so many units, without holding up others."""

    async def __call__[T](self, units: int, function: Callable[[], T]) -> T:
        """What the pure function returns. It can run in a thread."""


class Log:
    """Answers questions about the tenants of one deployment. Every method may raise StorageBusy, or as `counting` and
    `computing`.
    """

    def __init__(
        self,
        storage: FeedStorage,
        catalogue: Catalogue,
        clock: Clock,
        counting: Counting | None = None,
        *,
        computing: Computing = computed_for_nobody,
        meant: Meant | None = None,
    ) -> None:
        self._storage = storage
        self._catalogue = catalogue
        self._clock = clock
        self._counting = counting
        self._computing = computing
        self._meant = meant or Meant(catalogue)

    async def find(self, tenant: str, text: str, type_name: str = USER) -> list[FoundResource]:
        """Whom a text finds: see `find`."""
        return await find(self._storage, self._catalogue, tenant, text, type_name)

    async def find_group(self, tenant: str, text: str) -> list[FoundResource]:
        """Which resources with members a text finds, of all types that have some."""
        types = [item.name for item in self._catalogue if item.has_members]
        found = await asyncio.gather(*(self.find(tenant, text, name) for name in types))
        return [item for some in found for item in some]

    def days_ago(self, days: int = DAYS) -> datetime:
        """The instant so many days ago."""
        return self._clock() - timedelta(days=days)

    async def attempts(
        self, tenant: str, since: datetime | None = None, *, limit: int | None = None, after: str = ""
    ) -> list[Attempt]:
        """The newest attempts since then, or of the last DAYS, older than the place `after`, oldest first.

        At most `limit`, or ATTEMPTS_READ.
        """
        start, most = since or self.days_ago(), limit or ATTEMPTS_READ
        found = await self._storage.attempts(tenant, since=start, limit=most, after=after)
        await self._count(len(found), sum(len(item.text) for item in found))
        return found

    async def changes_of(
        self, tenant: str, resource_id: str, *, since: datetime | None = None, after: str = "", limit: int = MAX_LOGGED
    ) -> list[LogRow]:
        """The changes of a resource: see FeedStorage.log_of."""
        found = await self._storage.log_of(tenant, resource_id, since=since, after=after, limit=limit)
        await self._count(len(found), sum(len(row.note) for row in found))
        return found

    async def newest(self, tenant: str, limit: int, before: int | None = None) -> list[LogRow]:
        """The newest changes of all resources: see FeedStorage.newest."""
        found = await self._storage.newest(tenant, limit, before)
        await self._count(len(found), 0)
        return found

    async def _count(self, rows: int, characters: int) -> None:
        if self._counting:
            await self._counting(rows, characters)

    async def events(self, tenant: str, resource_id: str = "", since: datetime | None = None) -> list[Event]:
        """What happened to one resource, or to all, since then or in the last DAYS, oldest first.

        Of all resources the newest changes are told, each without its values: the log of the resource has these.
        """
        start = since or self.days_ago()
        changes = (
            self.changes_of(tenant, resource_id, since=start) if resource_id else self.newest(tenant, CHANGES_READ)
        )
        rows, attempts = await asyncio.gather(changes, self.attempts(tenant, start))
        told = [event_of(row) for row in rows if row.time >= instant_text(start)]
        told += [event_of_attempt(item) for item in attempts if resource_id in ("", item.id)]
        return sorted(told, key=lambda item: item.time)

    async def of_request(self, tenant: str, request_id: str, since: datetime | None = None) -> list[Event]:
        """What the request of this id did, or was to do, since then or in the last DAYS, oldest first.

        Its changes are found if they are among the newest CHANGES_READ, and if the id is ours, which tells the time. A
        client that sends a traceparent has ids of its own: then those of the newest CHANGES_OF_REQUEST are told.
        """
        attempts, rows = await asyncio.gather(self.attempts(tenant, since), self.newest(tenant, CHANGES_READ))
        made = _given(request_id)
        if made:
            rows = [row for row in rows if abs(datetime.fromisoformat(row.time) - made) <= OF_REQUEST]
            rows.sort(key=lambda row: abs(datetime.fromisoformat(row.time) - made))
        else:
            rows.reverse()
        found = await asyncio.gather(*(self._storage.log_entry(tenant, row.entry) for row in rows[:CHANGES_OF_REQUEST]))
        named = (item for item in attempts if f'"{request_id}"' in item.text)  # the others' notes need no reading
        told = [*(event_of(row) for row in found if row), *map(event_of_attempt, named)]
        return sorted((item for item in told if item.request == request_id), key=lambda item: item.time)

    async def unknown(self, tenant: str, text: str) -> list[Event]:
        """The refusals of somebody who is not there: their creation was asked for under this name or externalId."""
        sought = text.casefold()
        return [event_of_attempt(item) for item in await self.attempts(tenant) if sought in asked_names(item)]

    async def person(self, tenant: str, found: FoundResource) -> Person:
        """The timeline of a resource, with its refusals of the last days."""
        rows, attempts, edges = await asyncio.gather(
            self.changes_of(tenant, found.id),
            self.attempts(tenant),
            self._storage.groups_of(tenant, [found.id]),
        )
        ids = [edge.group_id for edge in edges.get(found.id, ())]
        shown = await self._groups(tenant, edges.get(found.id, [])[:NAMED_GROUPS])
        names = {item.id: str(item.document.get("displayName", "")) for item in shown if item}
        former = frozenset[str]() if found.stored else former_names(rows)
        own = [item for item in attempts if item.id == found.id or asks_for(item, former)]
        events = [*map(event_of, rows), *map(event_of_attempt, own)]
        return Person(found, {id_: names.get(id_, "") for id_ in ids}, sorted(events, key=lambda item: item.time))

    async def _groups(self, tenant: str, edges: Sequence[Membership]) -> list[StoredResource | None]:
        """The groups of these memberships."""
        ids = dict[str, list[str]]()
        for edge in edges:
            ids.setdefault(edge.group_type, []).append(edge.group_id)
        found = await asyncio.gather(*(self._storage.read(tenant, kind, some) for kind, some in ids.items()))
        return [item for some in found for item in some]

    async def why(self, tenant: str, user: FoundResource, group: FoundResource) -> Why:
        """Why this user is in this group, or not."""
        edges, rows, attempts = await asyncio.gather(
            self._storage.present(tenant, group.id, [user.id]),
            self.changes_of(tenant, user.id),
            self.attempts(tenant, self.days_ago(ATTEMPTS_KEPT)),
        )
        event = await self._moved(tenant, [row for row in rows if row.of == group.id])
        if edges:
            said = (
                f"has been a member since {event.time}." if event else "is a member. The log does not go back so far."
            )
            return Why(said, member=True, event=event)
        of_group = [item for item in attempts if item.id == group.id]
        skipped = [item for item in of_group if user.id in _note(item.text).get("skippedMembers", ())]
        if skipped and (event is None or instant_text(skipped[-1].at) > event.time):
            return Why(_SKIPPED, member=False, event=event_of_attempt(skipped[-1]))
        if user.stored is None:
            deleted = [event_of(row) for row in rows if row.change == "deleted"]
            return Why(_DELETED, member=False, event=deleted[-1] if deleted else event)
        if event:
            return Why(f"is no member. The membership was removed at {event.time}.", member=False, event=event)
        refused = [item for item in of_group if item.outcome is AttemptOutcome.REFUSED]
        if refused:
            return Why(_GROUP_REFUSED, member=False, event=event_of_attempt(refused[-1]))
        return Why(_NEVER, member=False, event=None)

    async def _moved(self, tenant: str, moves: list[LogRow]) -> Event | None:
        """The last time that somebody joined or left a group. The row of the group knows by whose request."""
        if not moves:
            return None
        return event_of(moves[-1], await self._storage.log_entry(tenant, moves[-1].entry))

    async def refusals(self, tenant: str, since: datetime | None = None) -> list[Cause]:
        """The causes since then, or of the last DAYS, the most frequent first."""
        return await self.told(await self.counted(await self.attempts(tenant, since)))

    async def told(self, causes: Sequence[Counted]) -> list[Cause]:
        """The causes for people. Names that were meant are looked for where nobody has looked yet."""
        names = await self._meant.of(ignored_names(causes), self._computing)
        return [told(names, item) for item in causes]

    async def counted(self, attempts: Sequence[Attempt]) -> list[Counted]:
        """The reasons of these attempts, as `counted` has them."""
        return await self._computing(counting_units(attempts), lambda: counted(attempts))


def _given(request_id: str) -> datetime | None:
    """When our id was given; None for one that is not ours. Anybody can make one of a time that there is not."""
    try:
        return datetime.fromtimestamp(given_at(request_id) / 1000, UTC) if is_id(request_id) else None
    except (ValueError, OverflowError, OSError):
        return None


def event_of(row: LogRow, whole: LogRow | None = None) -> Event:
    """The change as a line; of a member's row `whole` is the row of the group, which knows by whose request."""
    note = _note((whole or row).note)
    return Event(
        row.time,
        row.change,
        _detail(row, note),
        _by(note),
        note.get("request", ""),
        note,
        row.id,
        row.of,
        row.resource_type,
        row.attributes,
        row.joined,
        row.left,
    )


def event_of_attempt(attempt: Attempt) -> Event:
    """The attempt as a line."""
    note = _note(attempt.text)
    if attempt.outcome in (AttemptOutcome.REFUSED, AttemptOutcome.PUT_OFF, *SEEN):
        detail = f"{note.get('status', '')} {note.get('sentence') or note.get('operation', '')}"
    else:
        detail = _ignored(note) or "everything was so already"
    request = note.get("request", "")
    return Event(
        instant_text(attempt.at),
        str(attempt.outcome),
        detail,
        _by(note),
        request,
        note,
        attempt.id,
        type=attempt.resource_type,
    )


def _detail(row: LogRow, note: Json) -> str:
    if row.of:
        return f"group {row.of}"
    before, after = note.get("before", {}), note.get("after", {})
    if row.change == "deleted":
        name = before.get("userName") or before.get("displayName")
        return f"was {name}" if name else ""
    values = [f"{name}: {_shown(before, name)} -> {_shown(after, name)}" for name in {**before, **after}]
    others = [name for name in row.attributes if name not in before and name not in after]
    members = [f"{len(ids)} {word}" for word, ids in (("joined", row.joined), ("left", row.left)) if ids]
    return "; ".join(filter(None, [*values, ", ".join(others), *members, _ignored(note)]))


def _ignored(note: Json) -> str:
    told = [("ignored", note.get("ignored")), ("skipped", note.get("skippedOperations"))]
    told.append(("skipped members", note.get("skippedMembers")))
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in told if names)


def _shown(values: Json, name: str) -> str:
    return json.dumps(values[name], ensure_ascii=False) if name in values else "(nothing)"


def _by(note: Json) -> str:
    return " ".join(filter(None, (note.get("method"), "by", note.get("credential")))) if note.get("method") else ""


def _note(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def asked_names(attempt: Attempt) -> set[str]:
    """The names under which somebody was to be created, comparable."""
    asked = _note(attempt.text).get("asked", {})
    return {value.casefold() for value in asked.values() if isinstance(value, str)}


def asks_for(attempt: Attempt, names: Collection[str]) -> bool:
    """Whether somebody was to be created under one of these names, which are comparable."""
    return bool(names) and not asked_names(attempt).isdisjoint(names)


def former_names(rows: Iterable[LogRow]) -> frozenset[str]:
    """The user names that somebody has had, comparable."""
    notes = [_note(row.note) for row in rows]
    names = (note.get(moment, {}).get("userName", "") for note in notes for moment in ("before", "after"))
    return frozenset(name.casefold() for name in names if name)
