"""Entries of the feed as SCIM events (RFC 9967): what a security event token claims of them, before it is signed.

They are notices: the names of attributes and no values. All of it follows from the entry's row, which never changes. So
a repetition claims what the first attempt has claimed.
"""

from collections.abc import Sequence
from datetime import datetime

from scim_core.feed.entries import names_of
from scim_core.ids import ID_CHARACTERS, given_at
from scim_core.messages import FEED_PATH
from scim_core.model import Json
from scim_core.protocol.schemas import ResourceType
from scim_core.storage.feed_port import FeedChange, FeedRow
from scim_core.storage.hook_port import Hook
from scim_core.storage.port import Mark

PREFIX = "urn:ietf:params:scim:event:prov:"

CREATE = f"{PREFIX}create:notice"
PUT = f"{PREFIX}put:notice"
PATCH = f"{PREFIX}patch:notice"
DELETE = f"{PREFIX}delete"
ACTIVATE = f"{PREFIX}activate"
DEACTIVATE = f"{PREFIX}deactivate"

EVENT_URIS = (CREATE, PATCH, PUT, DELETE, ACTIVATE, DEACTIVATE)
"""What is sent of RFC 9967 section 7.4, and so what ServiceProviderConfig announces."""

VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
"""The event about nothing, by which receivers are tried: that of the Shared Signals Framework 1.0."""

_MEMBERS = "members"
"""The attribute that shows the members of a group (RFC 7643 section 4.2)."""


def claims(hook: Hook, row: FeedRow, resource_type: ResourceType | None, *, tenant: str, epoch: str) -> Json:
    """What the token of an entry claims (RFC 8417 section 2.2), without `jti` and `iat`.

    The resource type is None if it is not served any more.
    """
    endpoint = resource_type.endpoint if resource_type else f"/{row.resource_type}"
    members = (resource_type.memberships if resource_type else None) or _MEMBERS
    return {
        "iss": hook.base_url,
        "aud": [audience(hook)],
        "txn": f"{tenant}:{epoch}:{row.number}",
        "toe": int(datetime.fromisoformat(row.time).timestamp()),
        "sub_id": {"format": "scim", "uri": f"{endpoint}/{row.id}"},
        "events": _events(row, names_of(row, resource_type), members),
    }


def claims_of_resync(hook: Hook, tenant: str, epoch: str, number: int) -> Json:
    """The claims of the word that entries up to this number may be missing. RFC 9967 has no event for it."""
    return {
        "iss": hook.base_url,
        "aud": [audience(hook)],
        "txn": f"{tenant}:{epoch}:{number}:resync",
        "sub_id": {"format": "uri", "uri": f"{hook.base_url}{FEED_PATH}/changes?tenant={tenant}"},
        "events": {resync_uri(hook.base_url): {"number": number}},
    }


def claims_of_test(hook: Hook) -> Json:
    """The claims of the event about nothing."""
    return {
        "iss": hook.base_url,
        "aud": [audience(hook)],
        "sub_id": {"format": "opaque", "id": hook.id},
        "events": {VERIFICATION: {}},
    }


def audience(hook: Hook) -> str:
    """The `aud` of a hook's tokens: no other hook has it, so a token for one receiver is none for another."""
    return f"{hook.base_url}{FEED_PATH}/hooks/{hook.id}"


def resync_uri(base_url: str) -> str:
    """The event's own URI, below the address of the service: nobody else gives it a meaning."""
    return f"{base_url}{FEED_PATH}/events/resync"


def issued_at(webhook_id: str) -> int:
    """The `iat` of what has this id: when the id was given. A repetition has the same."""
    return given_at(webhook_id[-ID_CHARACTERS:]) // 1000


def _events(row: FeedRow, attributes: Sequence[str], members: str) -> Json:
    """The events of one change: several, if it did several things to the resource (RFC 9967 section 2.1).

    `attributes` are those that it tells. `members` is the attribute that shows members who joined or left.
    """
    if row.change is FeedChange.DELETED:
        return {DELETE: {}}
    names = [*attributes, *([members] if row.joined or row.left else [])]
    if row.change is FeedChange.CREATED:
        return {CREATE: {"attributes": names}}
    activation: Json = {uri: {} for mark, uri in _OF_ACTIVE.items() if mark in row.marks}
    return {_modified(row): {"attributes": names}} | activation


def _modified(row: FeedRow) -> str:
    """Where the entry says no method: PUT, which the RFC defines as an update; of members alone PATCH."""
    usual = Mark.PATCH if row.change is FeedChange.MEMBERS else Mark.PUT
    return PATCH if Mark.PATCH in (row.marks or (usual,)) else PUT


_OF_ACTIVE = {Mark.ACTIVATED: ACTIVATE, Mark.DEACTIVATED: DEACTIVATE}
