"""The keys of the provisioning log: of changes, by their resource, and of attempts. The newest come first.

log:{id}:{place}       a change among those of a resource
attempt:{place}        a request that did not do all that it asked for
attempt:seen-{stamp}:{id}  any other request, while a setup link of the tenant is open

A range is read from its least key on, and who asks about a log wants to know what happened last. So a place has, in the
place of the stamp, how far it is from the end of all stamps: {rest}:{id of the change or of the attempt}.
"""

from scim_core.storage.tables.codec import ABOVE_ALL, BELOW_ALL, encode, fit
from scim_core.storage.tables.keys import ID_LIMIT, KeyRange, of_kind

_SEEN = "seen-"
_STAMP_DIGITS = 16
_LAST_STAMP = 10**_STAMP_DIGITS - 1


def place(stamp: str, entry_id: str) -> str:
    """The place of an entry among others of the log. An older one has a greater place."""
    return f"{_LAST_STAMP - int(stamp):0{_STAMP_DIGITS}}:{entry_id}"


def place_of(key: str) -> str:
    """The place in the key of a row of the log, or of a change that waits for the relay."""
    kind, *_, stamp_or_rest, entry_id = key.replace(_SEEN, "").split(":")
    return place(stamp_or_rest, entry_id) if kind == "change" else f"{stamp_or_rest}:{entry_id}"


def logged(resource_id: str, stamp: str, change_id: str) -> str:
    """The row of a change among those of a resource."""
    return f"log:{_id(resource_id)}:{place(stamp, change_id)}"


def logged_of(resource_id: str, since: str = "", after: str = "") -> KeyRange:
    """The rows of the log of a resource: since this stamp, and those that follow the place `after`, which are older."""
    return _from(of_kind(f"log:{_id(resource_id)}"), since, after)


def attempt(stamp: str, attempt_id: str) -> str:
    """The row of a request that did not do all that it asked for."""
    return f"attempt:{place(stamp, attempt_id)}"


def seen(stamp: str, attempt_id: str) -> str:
    """The row of any other request, which a setup page shows, in the order of the stamps: it tells the first ones."""
    return f"attempt:{_SEEN}{stamp}:{attempt_id}"


def attempts(since: str = "", after: str = "") -> KeyRange:
    """The rows of attempts: since this stamp, and those that follow the place `after`, which are older.

    Those that only a setup page shows are not among them.
    """
    return _from(_attempts(), since, after)


def attempts_before(stamp: str) -> KeyRange:
    """The rows of attempts that are older than this stamp."""
    return _from(_attempts(), "", place(stamp, ABOVE_ALL))


def seen_since(stamp: str = "", before: str = "") -> KeyRange:
    """The rows for a setup page, from this stamp on; older than the stamp `before`, if one is given."""
    whole = of_kind("attempt")
    return KeyRange(f"{whole.low}{_SEEN}{stamp}", f"{whole.low}{_SEEN}{before}" if before else whole.high)


def seen_before(stamp: str) -> KeyRange:
    """The rows for a setup page that are older than this stamp."""
    return KeyRange(seen_since().low, seen_since(stamp).low)


def _attempts() -> KeyRange:
    return KeyRange(of_kind("attempt").low, seen_since().low)


def _from(whole: KeyRange, since: str, after: str) -> KeyRange:
    low = f"{whole.low}{after}{BELOW_ALL}" if after else whole.low
    return KeyRange(low, f"{whole.low}{place(since, ABOVE_ALL)}" if since else whole.high)


def _id(text: str) -> str:
    return fit(encode(text), ID_LIMIT)
