"""What a store is given: pages of changes. They are read from the service's JSON, whole or not at all."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


class Malformed(ValueError):
    """The JSON is not what the service's description says. Nothing of it is used."""


@dataclass(frozen=True, slots=True)
class Put:
    """Insert or update this resource. `resource` is its SCIM representation, without members and groups."""

    type: str
    id: str
    resource: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Omitted:
    """The resource is there, and it is too large for a page. Keep what you have of it. What you have may be old."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete this resource, if you have it, and every membership in which it is the group or the member."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Join:
    """The member is in the group. Insert the pair, if you do not have it. An end of it may come later."""

    group: str
    member: str


@dataclass(frozen=True, slots=True)
class Leave:
    """The member is not in the group. Delete the pair, if you have it."""

    group: str
    member: str


type Change = Put | Omitted | Delete | Join | Leave
"""One step of a page. Each can be done again without harm."""


@dataclass(frozen=True, slots=True)
class Page:
    """Changes to apply in their order, and the cursor to save in the same transaction.

    `after` is the cursor that was loaded before; None if there was none. `snapshot` is the id of the snapshot that the
    page belongs to; None for a page of the feed. Mark with it what the page names. `completes_snapshot`: after this
    page, delete what has another mark, and each membership with an end that you do not have.
    """

    changes: tuple[Change, ...]
    cursor: str
    after: str | None = None
    snapshot: str | None = None
    completes_snapshot: bool = False


@dataclass(frozen=True, slots=True)
class TenantHead:
    """A customer, the newest number of its feed, and when it moved (RFC 3339)."""

    tenant: str
    number: int
    time: str


def changes_of(entry: Any) -> Iterator[Change]:
    """What an entry of the feed, or the `data` of a webhook's event, asks for. Raises ValueError if it is malformed.

    What decides is whether there is a resource now, and which pairs are there now. The kind of change does not.
    """
    kind, id_ = text(entry, "type"), text(entry, "id")
    if text(entry, "change") == "deleted" or entry.get("resource", ...) is None:
        yield Delete(kind, id_)
    elif "resource" in entry:
        yield Put(kind, id_, member(entry, "resource", dict))
    elif entry.get("omitted") is True:
        yield Omitted(kind, id_)
    elif entry["change"] in ("created", "updated"):
        raise Malformed("An entry has neither its resource nor `omitted`.")
    yield from (Join(id_, other) for other in ids(entry, "joined"))
    yield from (Leave(id_, other) for other in ids(entry, "left"))


def entries_of(document: Any) -> list[Change]:
    """The changes of a page of the feed, whose numbers follow one another. Raises Malformed."""
    entries = member(document, "entries", list)
    numbers = [member(entry, "number", int) for entry in entries]
    if any(later != earlier + 1 for earlier, later in itertools.pairwise(numbers)):
        raise Malformed("The numbers of the entries do not follow one another.")
    return [change for entry in entries for change in changes_of(entry)]


def snapshot_of(document: Any) -> list[Change]:
    """The changes that a page of a snapshot asks for. Raises Malformed."""
    changes = list[Change]()
    for item in member(document, "resources", list):
        kind, id_ = text(item, "type"), text(item, "id")
        is_omitted = "resource" not in item and item.get("omitted") is True
        changes.append(Omitted(kind, id_) if is_omitted else Put(kind, id_, member(item, "resource", dict)))
    for pair in member(document, "memberships", list):
        changes.append(Join(text(pair, "group"), text(pair, "member")))
    return changes


def heads_of(document: Any) -> tuple[list[TenantHead], str]:
    """The customers of a page, and the name of the next page; empty: there is none. Raises Malformed."""
    heads = member(document, "tenants", list)
    following = text(document, "next") if document.get("next") is not None else ""
    found = [TenantHead(text(head, "tenant"), member(head, "number", int), text(head, "time")) for head in heads]
    return found, following


def member[T](document: Any, name: str, kind: type[T]) -> T:
    """The value of this name, if it is of this kind. Raises Malformed."""
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Malformed(f"`{name}` is missing, or of another kind.")
    return value


def text(document: Any, name: str) -> str:
    """The text of this name, which is not empty. Raises Malformed."""
    value = member(document, name, str)
    if not value:
        raise Malformed(f"`{name}` is empty.")
    return value


def ids(entry: dict[str, Any], name: str) -> list[str]:
    """The ids of this name; none if there is no such name. Raises Malformed."""
    values = member(entry, name, list) if name in entry else []
    if not all(isinstance(value, str) and value for value in values):
        raise Malformed(f"`{name}` holds something that is no id.")
    return values
