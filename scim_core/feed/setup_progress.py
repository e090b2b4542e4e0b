"""How far the setup of a tenant has come, by the requests that came since its setup link was made.

It is for the customer's administrator, who may see no directory. So it names attributes, times and numbers, and nobody.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from scim_core.caches import Bounded
from scim_core.chosen_schemas import AS_BY_DEFAULT, ChosenSchemas
from scim_core.clock import Clock, instant_text
from scim_core.feed.causes import Meant
from scim_core.ids import first_id
from scim_core.protocol.sub_catalogues import MAX_SETS, Catalogues
from scim_core.storage.feed_port import Attempt, AttemptOutcome, FeedStorage, Mistake
from scim_core.work import Work

ROWS_READ = 1_000
"""Rows that a page reads, of the first ones of its own, and of the newest of the log: one answer of Table Storage each.
The first ones tell what has been reached. A creation that comes after them is found in the directory."""

RECENT = timedelta(hours=1)
"""If there are more of its own, the page also reads those of so long ago: they tell what happens now."""

NAMES_SHOWN = 50
"""Most ignored attributes that a page names, and most causes of refusals. A mapping has some seventy targets."""

UNITS_PER_SEEN_ROW = 10
"""What it costs to read a row, and to count what it tells: 40 microseconds, and twice that with 60 ignored names."""

_PAGE = "a setup page"

CREATED = 201
"""The status of a creation."""

LOGGED = "logged"
"""What is in the note of a row if the log has its request as well: the page counts it once."""


@dataclass(frozen=True, slots=True)
class Denial:
    """The newest request that was not let in, if none was since. `sentence` is what it was answered."""

    time: str
    status: int
    mistake: Mistake
    sentence: str


@dataclass(frozen=True, slots=True)
class IgnoredName:
    """An attribute that no schema declares, the declared one that it may mean, and in how many requests it came."""

    resource_type: str
    name: str
    meant: str | None
    count: int


@dataclass(frozen=True, slots=True)
class RefusedFor:
    """Why requests were refused: a sentence without anybody's values, how often, and when at last."""

    cause: str
    sentence: str
    count: int
    last: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been reached. Instants are UTC text, empty for what has not happened yet.

    `arrived` and `last` are the first and the newest request with a good credential. `created` has the first creation
    by resource type.
    """

    arrived: str
    last: str
    requests: int
    denial: Denial | None
    created: dict[str, str]
    ignored: tuple[IgnoredName, ...]
    refused: tuple[RefusedFor, ...]


class SetupProgress:
    """Reads how far tenants have come."""

    def __init__(self, storage: FeedStorage, catalogues: Catalogues, clock: Clock) -> None:
        self._storage = storage
        self._catalogues = catalogues
        self._clock = clock
        self._meant: Bounded[ChosenSchemas, Meant] = Bounded(MAX_SETS)

    async def of(self, tenant: str, since: datetime, work: Work, chosen: ChosenSchemas = AS_BY_DEFAULT) -> Progress:
        """What the requests since this instant have reached, of a tenant with this choice.

        Raises StorageBusy, and what `work` raises.
        """
        names = self._names(chosen)
        seen, logged = await asyncio.gather(
            self._seen(tenant, since), self._storage.attempts(tenant, since=since, limit=ROWS_READ)
        )
        rows = [*seen, *logged]
        found = await work.run(UNITS_PER_SEEN_ROW * len(rows), _PAGE, lambda: _progress(rows))
        if len(seen) >= ROWS_READ:
            found = replace(found, created=_earliest(found.created, await self._first_created(tenant, since, chosen)))
        meant = await names.of(map(_key, found.ignored), lambda units, search: work.run(units, _PAGE, search))
        return replace(found, ignored=tuple(replace(item, meant=meant[_key(item)]) for item in found.ignored))

    def _names(self, chosen: ChosenSchemas) -> Meant:
        known = self._meant.get(chosen)
        if known is None:
            known = Meant(self._catalogues.of(chosen))
            self._meant.put(chosen, known)
        return known

    async def _seen(self, tenant: str, since: datetime) -> list[Attempt]:
        rows = await self._storage.seen(tenant, since=since, limit=ROWS_READ)
        if len(rows) < ROWS_READ:
            return rows
        recent = await self._storage.seen(tenant, since=max(since, self._clock() - RECENT), limit=ROWS_READ)
        return [*rows, *(row for row in recent if row.at > rows[-1].at)]

    async def _first_created(self, tenant: str, since: datetime, chosen: ChosenSchemas) -> dict[str, str]:
        """When the first resource of each type was created since then, of those that are still there."""
        first = first_id(since)
        types = [item.name for item in self._catalogues.of(chosen)]
        pages = await asyncio.gather(*(self._storage.page(tenant, name, after=first, limit=1) for name in types))
        return {item.resource_type: item.created for page in pages for item in page.resources}


def _earliest(*some: dict[str, str]) -> dict[str, str]:
    """The earliest instant of each resource type."""
    return {name: min(held[name] for held in some if name in held) for given in some for name in given}


def _progress(rows: Iterable[Attempt]) -> Progress:
    """What these rows tell. It is not known yet which attributes the ignored ones may mean."""
    told = [(row, _note(row)) for row in sorted(rows, key=lambda row: row.at)]
    counted = [row for row, note in told if row.outcome is not AttemptOutcome.DENIED and not note.get(LOGGED)]
    let_in = [row for row, _ in told if row.outcome is not AttemptOutcome.DENIED]
    denied = [(row, note) for row, note in told if row.outcome is AttemptOutcome.DENIED]
    return Progress(
        arrived=instant_text(let_in[0].at) if let_in else "",
        last=instant_text(let_in[-1].at) if let_in else "",
        requests=sum(1 + row.others for row in counted),
        denial=_denial(*denied[-1]) if denied and (not let_in or let_in[-1].at < denied[-1][0].at) else None,
        created=_created(told),
        ignored=_ignored(told),
        refused=_refused(told),
    )


def _key(item: IgnoredName) -> tuple[str, str]:
    return item.resource_type, item.name


def _ignored(told: Iterable[tuple[Attempt, dict[str, Any]]]) -> tuple[IgnoredName, ...]:
    counts: dict[tuple[str, str], int] = {}
    for row, note in told:
        for name in note.get("ignored", ()):
            counts[row.resource_type, name] = counts.get((row.resource_type, name), 0) + 1
    shown = sorted(counts, key=lambda key: -counts[key])[:NAMES_SHOWN]
    return tuple(IgnoredName(*key, None, counts[key]) for key in shown)


def _created(told: Iterable[tuple[Attempt, dict[str, Any]]]) -> dict[str, str]:
    created: dict[str, str] = {}
    for row, note in told:
        answered = row.outcome is AttemptOutcome.ANSWERED and note.get("status") == CREATED
        in_part = row.outcome is AttemptOutcome.IN_PART and note.get("method") == "POST"
        if answered or in_part:
            created.setdefault(row.resource_type, instant_text(row.at))
    return created


def _denial(row: Attempt, note: dict[str, Any]) -> Denial:
    return Denial(instant_text(row.at), note["status"], Mistake(note["mistake"]), note["sentence"])


def _refused(told: Iterable[tuple[Attempt, dict[str, Any]]]) -> tuple[RefusedFor, ...]:
    causes: dict[tuple[str, str], list[Attempt]] = {}
    for row, note in told:
        if row.outcome is AttemptOutcome.REFUSED:
            cause = f"{note.get('status', '')} {note.get('scimType') or ''}".strip()
            causes.setdefault((cause, str(note.get("sentence", ""))), []).append(row)
    found = [RefusedFor(*key, len(rows), instant_text(rows[-1].at)) for key, rows in causes.items()]
    return tuple(sorted(found, key=lambda item: -item.count)[:NAMES_SHOWN])


def _note(row: Attempt) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row.text) if row.text else {}
    return found
