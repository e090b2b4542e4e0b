"""The provisioning log in pages, the newest first: for programs, such as the support tool of a vendor.

A page joins two streams, changes and attempts, by their times. Its cursor says how far each of them has been told. So
an entry is told once, whatever is added between two pages.
"""

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from scim_core.clock import instant_text
from scim_core.feed.causes import Counted
from scim_core.feed.finding import FoundResource
from scim_core.feed.log import ATTEMPTS_READ, Event, Log, asks_for, event_of, event_of_attempt, former_names
from scim_core.storage.feed_port import Attempt

MAX_EVENTS = 100
"""Entries of one page of the log."""

_PLACE, _NUMBER = "[0-9]{16}:[0-9a-f]{24}", "[1-9][0-9]{0,14}"
_CURSOR = r"l\.(?P<walk>[0-9a-f]{{16}})\.(?P<changes>{changes})?\.(?P<attempts>{place})?"
_BY_NUMBER = re.compile(_CURSOR.format(changes=_NUMBER, place=_PLACE))
"""Of entries of all resources, whose changes are numbered, and of causes, which are counted."""

_BY_PLACE = re.compile(_CURSOR.format(changes=_PLACE, place=_PLACE))
"""Of one resource."""

_START = "", ""
_LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)


class UnknownPage(Exception):
    """The page is none of ours, or was given for another question (HTTP 400). The text says what to do."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries, the newest first. `next` asks for the next page; None after the last one.

    A page can be empty and have a next one: of the attempts that were read none was asked for.
    """

    events: list[Event]
    next: str | None


@dataclass(frozen=True, slots=True)
class _Stream:
    """What was read, the newest first: places with what makes their events; whether there is more.

    None is at a place that is not asked for. An event is made when it is told: most of what is read is not.
    """

    items: Sequence[tuple[str, Callable[[], Event] | None]]
    more: bool


@dataclass(slots=True)
class _Asked:
    """What is asked for: of a tenant, of one resource or of all (empty `id`), since when; by names, too."""

    tenant: str
    id: str
    since: datetime | None = None
    names: Collection[str] = ()

    def walk(self, question: str) -> str:
        """What names the question, so that a page is not taken for one of another."""
        asked = "\n".join((question, self.tenant, self.id, self.since.isoformat() if self.since else ""))
        return hashlib.sha256(asked.encode()).hexdigest()[:16]

    def concerns(self, attempt: Attempt) -> bool:
        """Whether the attempt is one of this resource."""
        return attempt.id == self.id or asks_for(attempt, self.names)


class LogPages:
    """The log of each tenant in pages. Every method may raise UnknownPage and StorageBusy."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def timeline(self, tenant: str, found: FoundResource, *, page: str | None, limit: int) -> LogPage:
        """What happened to this resource, with what was refused of it, also by the names of one who is gone."""
        asked = _Asked(tenant, found.id)
        if found.stored is None:
            asked.names = former_names(await self._log.changes_of(tenant, found.id, limit=MAX_EVENTS))
        return await self._of_resource(asked, page, limit)

    async def entries(
        self, tenant: str, resource_id: str, since: datetime | None, *, page: str | None, limit: int
    ) -> LogPage:
        """What happened to one resource, or with an empty id to all, since then.

        Of all resources: the changes that the relay has numbered, without their values.
        """
        asked = _Asked(tenant, resource_id, since)
        if resource_id:
            return await self._of_resource(asked, page, limit)
        walk = asked.walk("entries")
        changes_after, attempts_after = _position(page, walk, _BY_NUMBER)
        rows, attempts = await asyncio.gather(
            self._log.newest(tenant, limit, int(changes_after) if changes_after else None),
            self._attempts(tenant, since, attempts_after, limit),
        )
        first = instant_text(since) if since else ""
        numbered = [row for row in reversed(rows) if row.place]
        kept = [row for row in numbered if row.time >= first]
        more = len(numbered) == limit and len(kept) == limit
        changes = _Stream([(row.place, partial(event_of, row)) for row in kept], more)
        return _page(walk, (changes, _shown(attempts, limit, None)), (changes_after, attempts_after), limit)

    async def refusals(
        self, tenant: str, since: datetime | None, *, page: str | None, limit: int
    ) -> tuple[list[Counted], str | None, int]:
        """Reasons since then, or of the last days; the page after them; how many attempts were counted and have no row.

        Later pages are about the attempts of the first one. What was noted since is left out.
        """
        walk = _Asked(tenant, "", since).walk("refusals")
        told, newest = _position(page, walk, _BY_NUMBER)
        attempts = [item for item in await self._log.attempts(tenant, since) if item.place >= newest]
        causes = await self._log.counted(attempts)
        end = int(told or 0) + limit
        newest = newest or (attempts[-1].place if attempts else "")
        following = _cursor(walk, (str(end), newest)) if end < len(causes) else None
        return causes[end - limit : end], following, sum(item.others for item in attempts)

    async def _of_resource(self, asked: "_Asked", page: str | None, limit: int) -> LogPage:
        walk = asked.walk("entries")
        changes_after, attempts_after = _position(page, walk, _BY_PLACE)
        rows, attempts = await asyncio.gather(
            self._log.changes_of(asked.tenant, asked.id, since=asked.since, after=changes_after, limit=limit),
            self._attempts(asked.tenant, asked.since, attempts_after, ATTEMPTS_READ),
        )
        changes = _Stream([(row.place, partial(event_of, row)) for row in reversed(rows)], len(rows) == limit)
        own = {item.place for item in attempts if asked.concerns(item)}
        streams = changes, _shown(attempts, ATTEMPTS_READ, own)
        return _page(walk, streams, (changes_after, attempts_after), limit)

    async def _attempts(self, tenant: str, since: datetime | None, after: str, limit: int) -> list[Attempt]:
        return await self._log.attempts(tenant, since or _LONG_AGO, limit=limit, after=after)


def _shown(attempts: Sequence[Attempt], limit: int, places: Collection[str] | None) -> _Stream:
    """The attempts as a stream. Those at other places than these are not asked for."""
    return _Stream(
        [
            (item.place, partial(event_of_attempt, item) if places is None or item.place in places else None)
            for item in reversed(attempts)
        ],
        len(attempts) == limit,
    )


def _page(walk: str, streams: Sequence[_Stream], after: Sequence[str], limit: int) -> LogPage:
    """The newest events of both streams, as long as it is known which one is the newest."""
    events, places, heads = list[Event](), list(after), [0] * len(streams)
    upcoming = dict[int, Event]()
    while True:
        for number, stream in enumerate(streams):
            while heads[number] < len(stream.items) and number not in upcoming:
                place, made = stream.items[heads[number]]
                if made is not None:
                    upcoming[number] = made()
                else:
                    places[number], heads[number] = place, heads[number] + 1
            if number not in upcoming and stream.more:
                return LogPage(events, _cursor(walk, places))
        if not upcoming or len(events) == limit:
            return LogPage(events, _cursor(walk, places) if upcoming else None)
        number = max(upcoming, key=lambda some: upcoming[some].time)
        events.append(upcoming.pop(number))
        places[number], heads[number] = streams[number].items[heads[number]][0], heads[number] + 1


def _cursor(walk: str, places: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(f"l.{walk}.{places[0]}.{places[1]}".encode()).decode().rstrip("=")


def _position(page: str | None, walk: str, form: re.Pattern[str]) -> tuple[str, str]:
    """How far each stream has been told. Raises UnknownPage."""
    if page is None:
        return _START
    try:
        text = base64.b64decode(page + "=" * (-len(page) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    found = form.fullmatch(text)
    if found is None or found["walk"] != walk:
        raise UnknownPage(
            "This page is none of ours, or was given for other parameters. Send the `next` of an answer, with the same "
            "parameters, or leave `page` out."
        )
    return found["changes"] or "", found["attempts"] or ""
