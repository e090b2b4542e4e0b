"""Who was deactivated or deleted in a time, as the provisioning log tells it: what an undo can put back.

Pure: rows of the log in, the history of each resource out. What came after decides whether it may be put back: whoever
was changed since by somebody else is left alone.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from scim_core.clock import instant_text
from scim_core.model import Json
from scim_core.protocol.documents import ACTIVE
from scim_core.storage.feed_port import Attempt, AttemptOutcome, FeedChange, LogRow

UNDO = "undo"
"""The method that the log names for what an undo has put back."""


class Fate(StrEnum):
    """What becomes of one resource."""

    TO_UNDO = "will be put back"
    UNDONE = "put back"
    AS_BEFORE = "is as before already"
    CHANGED = "was changed since"
    ASKED_AGAIN = "was to be inactive again since"
    TAKEN = "its name is taken"
    NOT_KEPT = "its document is not kept"
    UNDECLARED = "no file declares its resource type"


LEFT_ALONE = frozenset({Fate.CHANGED, Fate.ASKED_AGAIN, Fate.TAKEN, Fate.NOT_KEPT, Fate.UNDECLARED})
"""What an operator has to look at."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which changes are to be undone: those from `since` to before `until` (UTC text), by this credential if one is
    named, by its id or its name.
    """

    since: str
    until: str
    credential: str = ""

    def includes(self, time: str, note: Json) -> bool:
        """Whether a change of this time is one of them, or a request that has changed nothing."""
        if not self.since <= time < self.until or note.get("method") == UNDO:
            return False
        return self.credential in ("", note.get("credentialId"), note.get("credential"))


@dataclass(slots=True)
class History:
    """What the log says of one resource.

    `deactivation` and `deletion` are the last ones among the chosen changes. `was` has `active` as it was before that
    deactivation, if the document had it. `changed` says that another change of its attributes came after the
    deactivation, `deleted_since` that another deletion came later. `asked_again` says that another request has asked
    for the deactivation since, and found it done.
    """

    resource_type: str
    id: str
    name: str = ""
    deactivation: LogRow | None = None
    deletion: LogRow | None = None
    was: Json = field(default_factory=dict)
    changed: bool = False
    deleted_since: bool = False
    asked_again: bool = False

    @property
    def stays_inactive(self) -> bool:
        """Whether somebody else wants it to be inactive, or has changed it since it was deactivated."""
        return self.changed or self.asked_again

    @property
    def loss(self) -> LogRow | None:
        """The change by which it was lost."""
        return self.deletion or self.deactivation

    @property
    def inactive_at_last(self) -> bool:
        """Whether it was deactivated after it was deleted, if it was: somebody had put it back in between."""
        if self.deactivation is None or self.deletion is None:
            return self.deactivation is not None
        return self.deactivation.place < self.deletion.place  # the newest has the least place

    def take(self, row: LogRow, note: Json, chosen: Chosen) -> None:
        """The next change of the resource."""
        before, after = note.get("before", {}), note.get("after", {})
        self.name = str(_name(after) or _name(before) or self.name)
        match row.change:
            case FeedChange.DELETED:
                if chosen.includes(row.time, note):
                    self.deletion, self.deleted_since = row, False
                else:
                    self.deleted_since = True
            case FeedChange.CREATED:
                self.deleted_since = False
            case FeedChange.UPDATED:
                self._updated(row, note, chosen)

    def _updated(self, row: LogRow, note: Json, chosen: Chosen) -> None:
        before, after = note.get("before", {}), note.get("after", {})
        if not chosen.includes(row.time, note):
            self.changed = self.changed or (self.deactivation is not None and note.get("method") != UNDO)
        elif after.get(ACTIVE) is False and before.get(ACTIVE) is not False:
            self.deactivation, self.changed = row, False
            self.was = {ACTIVE: before[ACTIVE]} if ACTIVE in before else {}


@dataclass(slots=True)
class Told:
    """What the log tells: the history of each resource by its id, and the places where members last left a group."""

    histories: dict[str, History] = field(default_factory=dict)
    left: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def lost(self) -> list[History]:
        """The resources that were deactivated or deleted by the chosen changes, in the order of these."""
        found = [(item.loss.place, item) for item in self.histories.values() if item.loss]
        return [item for _, item in sorted(found, key=lambda pair: pair[0], reverse=True)]

    def left_after(self, group_id: str, member_id: str, change: LogRow) -> bool:
        """Whether the member was removed from the group by a change of the group after this change."""
        left = self.left.get((group_id, member_id))
        return left is not None and left < change.place


def told(rows: Iterable[LogRow], attempts: Iterable[Attempt], chosen: Chosen) -> Told:
    """What these rows tell, which are in the order of their stamps, and these attempts."""
    found = Told()
    for row in rows:
        history = found.histories.setdefault(row.id, History(row.resource_type, row.id))
        history.take(row, note_of(row), chosen)
        if row.change in (FeedChange.MEMBERS, FeedChange.UPDATED):
            found.left |= {(row.id, member): row.place for member in row.left}
            for member in row.joined:
                found.left.pop((row.id, member), None)
    for attempt in attempts:
        _ask(found, attempt, chosen)
    return found


def _ask(found: Told, attempt: Attempt, chosen: Chosen) -> None:
    """The history knows if this attempt has asked for the deactivation again. One that is put off is sent again."""
    history = found.histories.get(attempt.id)
    if history is None or history.deactivation is None or attempt.outcome is AttemptOutcome.PUT_OFF:
        return
    note, time = json.loads(attempt.text), instant_text(attempt.at)
    is_again = note.get("asked", {}).get(ACTIVE) is False and time >= history.deactivation.time
    history.asked_again = history.asked_again or (is_again and not chosen.includes(time, note))


def note_of(row: LogRow) -> dict[str, Any]:
    """What the log keeps of a change."""
    found: dict[str, Any] = json.loads(row.note) if row.note else {}
    return found


def _name(values: Json) -> Any:
    return values.get("userName") or values.get("displayName")
