"""Why requests did not do all that they asked for, counted; and what to tell the customer.

To find the declared name that somebody meant takes milliseconds, so it is looked for once for each name, and only for
causes that are told.
"""

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from scim_core.caches import Bounded
from scim_core.clock import instant_text
from scim_core.protocol.nearest_name import UNITS_PER_NAME, nearest_name
from scim_core.protocol.schemas import Catalogue
from scim_core.storage.feed_port import Attempt, AttemptOutcome

type TypedName = tuple[str, str]
"""The name of an attribute, after that of its resource type."""

type Meanings = dict[TypedName, str | None]
"""The declared names that were meant by others; None where none is like it."""

type NameSearch = Callable[[], Meanings]
"""Looks for them."""

NAMES_REMEMBERED = 1_000
"""Ignored names whose nearest declared name is remembered."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why requests did not do all that they asked for: how often, of whom at last, and what to tell the customer."""

    outcome: str
    cause: str
    advice: str
    count: int
    first: str
    last: str
    example: str
    request: str


REASONS_OF_A_UNIT = 8
"""Reasons that are counted in one unit of computing. Measured: 0.6 microseconds each, and 2.5 if all are different."""


class _Reason(NamedTuple):
    """What was wrong, and what to tell. Of a name that was `ignored`, the advice is still to be found."""

    outcome: str
    cause: str
    advice: str
    resource_type: str = ""
    ignored: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """A reason, and the attempts that had it, oldest first."""

    reason: _Reason
    attempts: list[Attempt]


def counting_units(attempts: Iterable[Attempt]) -> int:
    """What it costs to count the reasons of these attempts. Each can have a hundred, which are texts in quotes."""
    return sum(item.text.count('"') for item in attempts) // (2 * REASONS_OF_A_UNIT)


def counted(attempts: Iterable[Attempt]) -> list[Counted]:
    """The reasons of these attempts, which are the oldest first. The most frequent reason is the first."""
    found: dict[_Reason, list[Attempt]] = {}
    for item in attempts:
        for reason in _reasons(item):
            found.setdefault(reason, []).append(item)
    return sorted((Counted(*pair) for pair in found.items()), key=lambda item: -len(item.attempts))


def ignored_names(causes: Iterable[Counted]) -> list[TypedName]:
    """The names that these causes say were ignored, each after its resource type."""
    return [(item.reason.resource_type, item.reason.ignored) for item in causes if item.reason.ignored]


class Meant:
    """The declared names that were meant by ignored ones, of one catalogue. It remembers what it has looked for."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: Bounded[TypedName, tuple[str | None]] = Bounded(NAMES_REMEMBERED)

    def found(self, names: Iterable[TypedName]) -> Meanings:
        """What was meant by each; None if no declared name is like it. It takes milliseconds a name, and remembers
        nothing, so it can run in a thread.
        """
        return {name: self._nearest(*name) for name in names}

    async def of(
        self, names: Iterable[TypedName], computing: Callable[[int, NameSearch], Awaitable[Meanings]]
    ) -> Meanings:
        """What was meant by each. `computing` looks for those for which nobody has looked yet: so many units."""
        wanted = dict.fromkeys(names)
        known = {name: held[0] for name in wanted if (held := self._known.get(name)) is not None}
        unknown = [name for name in wanted if name not in known]
        found = await computing(UNITS_PER_NAME * len(unknown), lambda: self.found(unknown))
        for name, meant in found.items():
            self._known.put(name, (meant,))
        return known | found

    def _nearest(self, type_name: str, name: str) -> str | None:
        resource_type = self._catalogue.named(type_name)
        return nearest_name(self._catalogue, resource_type, name) if resource_type else None


def told(names: Meanings, item: Counted) -> Cause:
    """The cause for people. `names` has the declared name that was meant by one that was ignored, as Meant finds it."""
    reason, last = item.reason, item.attempts[-1]
    note = json.loads(last.text)
    asked = note.get("asked", {})
    example = asked.get("userName") or asked.get("displayName") or last.id
    times = instant_text(item.attempts[0].at), instant_text(last.at)
    advice = reason.advice
    if reason.ignored:
        advice = _advice(reason.resource_type, reason.ignored, names[reason.resource_type, reason.ignored])
    return Cause(reason.outcome, reason.cause, advice, len(item.attempts), *times, example, note.get("request", ""))


def _reasons(attempt: Attempt) -> Iterable[_Reason]:
    """What was wrong with the request; nothing if it only changed nothing."""
    note = json.loads(attempt.text)
    outcome = str(attempt.outcome)
    if attempt.outcome in (AttemptOutcome.REFUSED, AttemptOutcome.PUT_OFF):
        cause = f"{note.get('status')} {note.get('scimType') or ''}".strip()
        yield _Reason(outcome, cause, note.get("sentence", ""))
    for name in note.get("ignored", ()):
        yield _Reason(outcome, f"ignored: {name}", "", attempt.resource_type, name)
    if note.get("skippedMembers"):
        yield _Reason(
            outcome,
            f"skipped members of the group {attempt.id}",
            "These members do not exist here. Assign them to the application, so that they are created first.",
        )
    if note.get("malformedMembers"):
        yield _Reason(
            outcome,
            f"members of the group {attempt.id} that are named by no id",
            "A member must be named by the id that this service gave it. Map members as references.",
        )
    for path in note.get("skippedOperations", ()):
        advice = "The user was deactivated, although this part of the request was refused."
        yield _Reason(outcome, f"skipped: {path}", advice)


def _advice(type_name: str, name: str, meant: str | None) -> str:
    advice = f"Did you mean {meant}? Change the target of this mapping." if meant else "Remove this mapping."
    return f"{type_name} has no attribute {name}. {advice}"
