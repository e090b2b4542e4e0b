"""Who was deactivated, deleted or removed from a group in a time, as the log tells it: what an undo can put back.

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
    """What becomes of one resource, or of memberships of one group."""

    TO_UNDO = "will be put back"
    UNDONE = "put back"
    AS_BEFORE = "is as before already"
    CHANGED = "was changed since"
    ASKED_AGAIN = "was to be inactive or gone again since"
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
    deactivation, `deleted_since` that another deletion came later. `asked` is when another request has asked last that
    it be inactive or deleted, and has changed nothing: UTC text, empty if none has. `inactive` says how its last change
    has left it, and `others_deactivated` where others have done that last, unless it was active again later.
    """

    resource_type: str
    id: str
    name: str = ""
    deactivation: LogRow | None = None
    deletion: LogRow | None = None
    was: Json = field(default_factory=dict)
    changed: bool = False
    deleted_since: bool = False
    asked: str = ""
    inactive: bool = False
    others_deactivated: str = ""

    @property
    def asked_again(self) -> bool:
        """Whether somebody else wants it to be inactive or deleted, and has said so since it was lost."""
        last = self.deactivation if self.inactive_at_last else self.deletion
        return last is not None and self.asked >= last.time

    @property
    def stays_inactive(self) -> bool:
        """Whether somebody else wants it to be inactive, or has changed it since it was deactivated."""
        asked = self.deactivation is not None and self.asked >= self.deactivation.time
        return self.changed or asked

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
        if ACTIVE in before or ACTIVE in after:
            self.inactive = after.get(ACTIVE) is False
            if not self.inactive:
                self.others_deactivated = ""
            elif not chosen.includes(row.time, note):
                self.others_deactivated = row.place
        if not chosen.includes(row.time, note):
            self.changed = self.changed or (self.deactivation is not None and note.get("method") != UNDO)
        elif after.get(ACTIVE) is False and before.get(ACTIVE) is not False:
            self.deactivation, self.changed = row, False
            self.was = {ACTIVE: before[ACTIVE]} if ACTIVE in before else {}


@dataclass(slots=True)
class MemberHistory:
    """What the log says of one member's place in one group.

    `removal` is the last chosen change that removed a member whom the others wanted there, and `note` says by whose
    request. `wanted` is what the others have said last, or what was so before. `left` is where the member last left,
    and empty while it is one. `changed` says that somebody else has said since that it is no member.
    """

    wanted: bool | None = None
    left: str = ""
    removal: LogRow | None = None
    note: Json = field(default_factory=dict)
    changed: bool = False

    def take(self, row: LogRow, note: Json, *, joined: bool, chosen: bool) -> None:
        """The next change of the group: by this request the member has joined or left."""
        if not chosen:
            self.wanted, self.changed = joined, not joined
            return
        if self.wanted is None:
            self.wanted = not joined
        if self.wanted and not joined:
            self.removal, self.note, self.changed = row, note, False


@dataclass(slots=True)
class Told:
    """What the log tells: the history of each resource by its id, and the places in each group by the member's id."""

    histories: dict[str, History] = field(default_factory=dict)
    places: dict[str, dict[str, MemberHistory]] = field(default_factory=dict)

    @property
    def lost(self) -> list[History]:
        """The resources that were deactivated or deleted by the chosen changes, in the order of these."""
        found = [(item.loss.place, item) for item in self.histories.values() if item.loss]
        return [item for _, item in sorted(found, key=lambda pair: pair[0], reverse=True)]

    def left_after(self, group_id: str, member_id: str, change: LogRow) -> bool:
        """Whether the member was removed from the group by a change of the group after this change."""
        place = self.places.get(group_id, {}).get(member_id)
        return place is not None and bool(place.left) and place.left < change.place

    def inactive_after(self, member_id: str, change: LogRow) -> bool:
        """Whether the others have deactivated the member after this change, and it is inactive still."""
        history = self.histories.get(member_id)
        return history is not None and "" < history.others_deactivated < change.place

    def is_inactive(self, member_id: str) -> bool:
        """Whether its last change in this time has deactivated it."""
        return member_id in self.histories and self.histories[member_id].inactive


def told(rows: Iterable[LogRow], attempts: Iterable[Attempt], chosen: Chosen) -> Told:
    """What these rows tell, which are in the order of their stamps, and these attempts."""
    found = Told()
    decided: dict[str, tuple[LogRow, Json]] = {}
    for row in rows:
        note = note_of(row)
        history = found.histories.setdefault(row.id, History(row.resource_type, row.id))
        history.take(row, note, chosen)
        if row.change in (FeedChange.MEMBERS, FeedChange.UPDATED):
            decided[row.change_id] = row, note
            _move(found, row, decided.get(row.part_of or row.change_id), chosen)
    for attempt in attempts:
        _ask(found, attempt, chosen)
    return found


def _move(found: Told, row: LogRow, decided: tuple[LogRow, Json] | None, chosen: Chosen) -> None:
    """The members have joined and left. A step of a large change is of the time and the request that decided it."""
    decision, note = decided or (row, {})
    is_chosen = decided is not None and chosen.includes(decision.time, note)
    places = found.places.setdefault(row.id, {}) if row.joined or row.left else found.places.get(row.id, {})
    if note.get("method") == "PUT" and not is_chosen:  # it names the members that there are to be
        for place in places.values():
            place.wanted = not place.left
            place.changed = place.changed or bool(place.left)
    for ids, joined in ((row.left, False), (row.joined, True)):
        for member in ids:
            place = places.setdefault(member, MemberHistory())
            place.left = "" if joined else row.place
            place.take(decision, note, joined=joined, chosen=is_chosen)


def _ask(found: Told, attempt: Attempt, chosen: Chosen) -> None:
    """The history knows if this attempt has asked for a loss, and changed nothing. One put off is sent again."""
    history = found.histories.get(attempt.id)
    if history is None or attempt.outcome is AttemptOutcome.PUT_OFF:
        return
    note, time = json.loads(attempt.text), instant_text(attempt.at)
    asks = note.get("method") == "DELETE" or note.get("asked", {}).get(ACTIVE) is False
    if asks and not chosen.includes(time, note):
        history.asked = max(history.asked, time)


def note_of(row: LogRow) -> dict[str, Any]:
    """What the log keeps of a change."""
    found: dict[str, Any] = json.loads(row.note) if row.note else {}
    return found


def _name(values: Json) -> Any:
    return values.get("userName") or values.get("displayName")
