"""How a copy follows the feed, without any input or output: a generator says what to do next, and is told the outcome.

Feed and AsyncFeed carry out the steps. So the logic is here once, and a test drives it without a network or a clock.
"""

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from scim_feed.answers import Answer, Resync, Unusable, document_of
from scim_feed.pages import Malformed, Page, TenantHead, entries_of, heads_of, member, snapshot_of, text

FIRST_BACKOFF = 1.0
"""Seconds before the second try. Each further one waits twice as long."""

MAX_BACKOFF = 60.0
"""Longest pause between two tries, unless the service asks for a longer one."""

QUIET_SHARE = 20
"""A feed is asked again after one in so many parts of the time for which it has been quiet, but not below `poll`."""

_AFTER = "after:"
_SNAPSHOT = "snapshot:"

_log = logging.getLogger("scim_feed")


class Overtaken(Exception):
    """A store raises it in `apply` if the saved cursor is no longer `page.after`: another reader was quicker."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this GET. The outcome is an Answer, or Unusable if there was none."""

    path: str
    query: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Load:
    """Load the cursor. The outcome is its text, or None."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply this page. The outcome is whether the store took it."""

    page: Page


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds, or until somebody rings if `can_be_rung`."""

    seconds: float
    can_be_rung: bool = False


type Step = Ask | Load | Apply | Pause
type Steps = Generator[Step, Any]
"""Steps to carry out one after another. Each is answered with its outcome by `send`."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks at the feed, the most of them when it is quiet, and how long the service may wait."""

    poll: float
    idle: float
    wait: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """A timer in seconds, chance from 0 to 1, and ids for snapshots."""

    timer: Callable[[], float]
    chance: Callable[[], float]
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Position:
    """Where the copy is: after a cursor of the feed, or before a page of a snapshot (None: the first one)."""

    saved: str | None
    snapshot: str | None
    place: str | None

    @classmethod
    def read(cls, saved: str | None, new_id: Callable[[], str]) -> "Position":
        """The position of a text that a store has saved; without one, before a new snapshot. Raises ValueError."""
        if not saved:
            return cls(None, new_id(), None)
        if saved.startswith(_AFTER):
            return cls(saved, None, saved.removeprefix(_AFTER))
        if saved.startswith(_SNAPSHOT):
            id_, _, place = saved.removeprefix(_SNAPSHOT).partition(":")
            if id_ and place:
                return cls(saved, id_, place)
        raise ValueError("The saved cursor was not made by scim_feed. Delete it, and a snapshot is taken.")

    def question(self, wait: int) -> Ask:
        """What to ask the service at this position."""
        if self.snapshot:
            return Ask("snapshot", {"page": self.place} if self.place else {})
        return Ask("changes", {"after": self.place or ""} | ({"wait": str(wait)} if wait else {}))

    def page(self, document: Any) -> tuple[Page, bool]:
        """The page that this document is, and whether there is more at once. Raises Malformed."""
        cursor = text(document, "cursor")
        if not self.snapshot:
            changes, more = entries_of(document), member(document, "more", bool)
            if (changes or more) and cursor == self.place:
                raise Malformed("The cursor does not move.")
            return Page(tuple(changes), _AFTER + cursor, self.saved), more
        following = text(document, "next") if document.get("next", ...) is not None else None
        if following and following == self.place:
            raise Malformed("The snapshot does not move.")
        after = f"{_SNAPSHOT}{self.snapshot}:{following}" if following else _AFTER + cursor
        return Page(tuple(snapshot_of(document)), after, self.saved, self.snapshot, following is None), True


def following(pace: Pace, around: Surroundings, *, forever: bool) -> Steps:
    """The steps by which a store follows the feed: forever, or until there is no more. Raises Refused, ValueError."""
    position = Position.read((yield Load()), around.new_id)
    failures, moved, wait = 0, around.timer(), pace.wait if forever else 0
    while True:
        asked = around.timer()
        try:
            page, more = position.page(document_of(_given((yield position.question(wait)))))
        except (Unusable, Malformed) as trouble:
            failures += 1
            _log.warning("The feed cannot be read now (%s). It is asked again.", trouble)
            yield Pause(_backoff(failures, getattr(trouble, "retry_after", None), around.chance))
            continue
        except Resync as reason:
            failures += 1
            _log.warning("The copy is made again from a snapshot (%s).", reason)
            position = Position(position.saved, around.new_id(), None)
            yield Pause(_backoff(failures, None, around.chance))
            continue
        failures = 0
        if page.cursor != position.saved:
            if not (yield Apply(page)):
                yield Pause(_backoff(1, None, around.chance))
                position = Position.read((yield Load()), around.new_id)
                continue
            position, moved = Position.read(page.cursor, around.new_id), around.timer()
        if not more:
            if not forever:
                return
            now = around.timer()
            pause = min(max(pace.poll, (now - moved) / QUIET_SHARE), max(pace.poll, pace.idle))
            yield Pause(max(0.0, pause - (now - asked)) if wait else pause, can_be_rung=True)


def heads_in(outcome: Answer | Unusable, asked: Ask | None = None) -> tuple[list[TenantHead], Ask | None]:
    """The customers in the outcome of Ask("tenants"), and what asks for the next page. Raises Refused, Unusable."""
    try:
        heads, page = heads_of(document_of(_given(outcome)))
    except Malformed as error:
        raise Unusable(f"The answer cannot be read: {error}") from error
    if asked and page and page == asked.query.get("page"):
        raise Unusable("The list of customers does not move.")
    return heads, Ask("tenants", {"page": page}) if page else None


def _given(outcome: Answer | Unusable) -> Answer:
    """The answer. Raises Unusable if there was none."""
    if isinstance(outcome, Unusable):
        raise outcome
    return outcome


def _backoff(failures: int, asked_for: float | None, chance: Callable[[], float]) -> float:
    """Seconds to wait after so many failures, spread by chance, so that readers do not come back together."""
    half = min(FIRST_BACKOFF * 2.0 ** min(failures - 1, 10), MAX_BACKOFF) / 2
    return max(half, asked_for or 0.0) + half * chance()
