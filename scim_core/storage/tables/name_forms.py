"""The keys of one index entry: that of today, and those that version 0.2 gives to equal values. Pure.

Version 0.2 finds a value by its key in lower case, and keeps it unique by that. While there may be names that it has
stored, a value has rows under several keys, and is looked up under several. docs/adr/0029 says why that suffices.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from enum import StrEnum

from scim_core.comparison import former_of_capitals, former_spellings
from scim_core.model import Index, IndexEntry, StoredResource, names_of
from scim_core.storage.tables import keys
from scim_core.storage.tables.service_limits import MAX_INDEX_ROWS


class NameForm(StrEnum):
    """Which keys the values of a resource have. A value of one form has one key in each of these."""

    FORMER = "former"
    """The key of version 0.2 at least: all that there is before `admin reindex` has run."""

    BOTH = "both"
    """The key of today as well: what `admin reindex` brings about."""

    FOLDED = "folded"
    """The key of today alone: all that is used once the names of the type are complete."""


def _under(entry: IndexEntry, some: Iterable[str]) -> frozenset[IndexEntry]:
    return frozenset(replace(entry, key=key, former=None) for key in some)


def claimed(entry: IndexEntry) -> frozenset[IndexEntry]:
    """The entries that a value which is new to its resource has while version 0.2 may run.

    That is its own key, and the key by which version 0.2 looks for it as it was sent. A unique one also has the key by
    which version 0.2 looks for its capitals, so that it does not create them.
    """
    if entry.former is None:
        return frozenset({entry})
    of_capitals = {former_of_capitals(entry.key)} if entry.unique else set()
    return _under(entry, {entry.key, entry.former, *of_capitals})


def looked_up(entry: IndexEntry) -> frozenset[IndexEntry]:
    """The entries under which a resource with an equal value may be found."""
    if entry.former is None:
        return frozenset({entry})
    return _under(entry, {entry.key, entry.former, *former_spellings(entry.key)})


def required(entry: IndexEntry, form: NameForm) -> frozenset[IndexEntry]:
    """The entries that a stored value must have in this form."""
    if entry.former is None:
        return frozenset({entry})
    in_form = {NameForm.FORMER: {entry.former}, NameForm.BOTH: {entry.key, entry.former}, NameForm.FOLDED: {entry.key}}
    return _under(entry, in_form[form])


def allowed(entry: IndexEntry, form: NameForm) -> frozenset[IndexEntry]:
    """The entries that a stored value may have in this form."""
    return required(entry, form) if form is NameForm.FOLDED else claimed(entry)


def is_held(resource: StoredResource, entry: IndexEntry, listed: Collection[str]) -> bool:
    """Whether the resource, which lists these index rows, has had this value before."""
    former = required(entry, NameForm.FORMER)
    return all(keys.index(resource.resource_type, item, resource.id) in listed for item in former)


def resolved(resource: StoredResource, listed: Collection[str], *, folded: bool) -> StoredResource:
    """The resource with an entry for each of its index rows; `listed` are those that it has.

    A value that it has had before keeps the rows that it has: then no other resource with an equal value, which
    version 0.2 has stored, stops a change of something else. If there are too many rows, a value that is not unique
    has one, as version 0.2 has it.
    """
    by_entry = {entry: _rows_of(resource, entry, listed, folded=folded) for entry in resource.index}
    if len(frozenset[IndexEntry]().union(*by_entry.values())) > MAX_INDEX_ROWS and not folded:
        by_entry |= {entry: required(entry, NameForm.FORMER) for entry in resource.index if not entry.unique}
    index = frozenset[IndexEntry]().union(*by_entry.values())
    is_new = {entry.value for entry in resource.index} <= {entry.value for entry in index}
    names = {names_of(resource.resource_type)} if resource.indexes and is_new else frozenset[Index]()
    return replace(resource, index=index, indexes=resource.indexes | names)


def _rows_of(
    resource: StoredResource, entry: IndexEntry, listed: Collection[str], *, folded: bool
) -> frozenset[IndexEntry]:
    if entry.former is None:
        return frozenset({entry})
    new = required(entry, NameForm.FOLDED)
    has_new = all(keys.index(resource.resource_type, item, resource.id) in listed for item in new)
    if folded and (has_new or not is_held(resource, entry, listed)):
        return new
    if not is_held(resource, entry, listed):
        return claimed(entry)
    there = (item for item in claimed(entry) if keys.index(resource.resource_type, item, resource.id) in listed)
    return frozenset(there)
