"""What differs between the users of an identity provider and those of a tenant's directory. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from scim_core.admin.user_list import ListedUser
from scim_core.comparison import folded
from scim_core.model import Json


class Difference(StrEnum):
    """How a user differs. Those of DANGEROUS can still log in."""

    DISABLED_THERE = "active here, disabled there"
    GONE_THERE = "active here, gone there"
    MISSING_HERE = "missing here"
    DISABLED_HERE = "disabled here, active there"
    OTHER_NAME = "differing name"
    LISTED_TWICE = "listed twice"


DANGEROUS = frozenset({Difference.DISABLED_THERE, Difference.GONE_THERE})
"""Somebody who is disabled or gone at the identity provider is active here."""


@dataclass(frozen=True, slots=True)
class DirectoryUser:
    """A user of the directory: what is compared, and the id by which an operator finds it."""

    id: str
    user_name: str
    active: bool
    names: Mapping[str, str]

    @classmethod
    def of(cls, resource_id: str, document: Json) -> "DirectoryUser":
        """The user of this document. Without `active`, a user is active (RFC 7643 section 4.1.1)."""
        name = document.get("name") or {}
        names = {
            "displayName": document.get("displayName"),
            "name.givenName": name.get("givenName"),
            "name.familyName": name.get("familyName"),
        }
        kept = {path: text for path, text in names.items() if text}
        return cls(resource_id, document["userName"], document.get("active") is not False, kept)


@dataclass(frozen=True, slots=True)
class Differing:
    """One difference. `detail` says what stands where, "" where there is nothing to say."""

    kind: Difference
    user_name: str
    id: str = ""
    detail: str = ""


def differences(here: Iterable[DirectoryUser], there: Iterable[ListedUser]) -> Iterator[Differing]:
    """What differs, users of the directory first. Users are the same if their user names are, in any letter case.

    A name is compared only if some user of the directory has one: otherwise the customer does not map it.
    """
    directory = {folded(user.user_name): user for user in here}
    mapped = {path for user in directory.values() for path in user.names}
    listed: dict[str, ListedUser] = {}
    for item in there:
        if folded(item.user_name) in listed:
            yield Differing(Difference.LISTED_TWICE, item.user_name)
        listed[folded(item.user_name)] = item
    for key, user in directory.items():
        yield from _of_user(user, listed.get(key), mapped)
    for key, item in listed.items():
        if item.active and key not in directory:
            yield Differing(Difference.MISSING_HERE, item.user_name)


def _of_user(user: DirectoryUser, item: ListedUser | None, mapped: set[str]) -> Iterator[Differing]:
    if item is None:
        if user.active:
            yield Differing(Difference.GONE_THERE, user.user_name, user.id)
        return
    if user.active != item.active:
        kind = Difference.DISABLED_THERE if user.active else Difference.DISABLED_HERE
        yield Differing(kind, user.user_name, user.id)
    for path, text in item.names.items():
        ours = user.names.get(path, "")
        if path in mapped and text != ours.strip():
            detail = f"{path} is {ours!r} here, {text!r} there"
            yield Differing(Difference.OTHER_NAME, user.user_name, user.id, detail)
