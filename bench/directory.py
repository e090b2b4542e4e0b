"""The people and groups of the measurements: of usual size, and with numbers, so that every process can name them."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

from scim_core.clock import utc_now
from scim_core.model import Membership, MembershipEdits, StoredResource
from scim_core.protocol.representation import columns, index_entries, to_document, to_model
from scim_core.protocol.schemas import ResourceType, load_catalogue
from scim_core.storage.feed_port import FeedChange
from scim_core.storage.tables import TableStorage, changes
from scim_core.storage.tables.outbox import OutboxRow, outbox_row
from scim_core.storage.tables.row_operations import Role, RowOperation
from scim_core.storage.tables.service_limits import TRANSACTION_OPERATIONS

TENANT = "default"
USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"

_SIDE_BY_SIDE = 4
"""Transactions under way at the same time. They are enough to keep Azurite busy: it uses one processor."""

_CHANGE_ID = "0123456789abcdef01234567"
"""As long as the storage's own, so that rows have the same size."""

_NOW = "2026-11-23T12:00:00.000000Z"
"""The creation time of all that is stored here, so that every run has the same rows."""

_CATALOGUE = load_catalogue()


def user_type() -> ResourceType:
    """The resource type User."""
    return _CATALOGUE.resource_types["users"]


def user_id(number: int) -> str:
    """The id of this user. Higher numbers come later in a list."""
    return f"01900000-0000-7000-8000-{number:012x}"


def group_id(number: int) -> str:
    """The id of this group."""
    return f"01900000-0000-7000-9000-{number:012x}"


def user_name(number: int) -> str:
    """The userName of this user."""
    return f"person.{number:06}@example.com"


def user(number: int) -> dict[str, Any]:
    """What a client provisions for this user: 1.3 KB of JSON, as Entra's default attribute mapping makes it."""
    given, family = f"Given{number:06}", f"Family{number:06}"
    return {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "externalId": f"e{number:08}-7d42-4831-a406-ecf8166f5f6a",
        "userName": user_name(number),
        "name": {"formatted": f"{given} {family}", "familyName": family, "givenName": given},
        "displayName": f"{given} {family}",
        "title": "Tour Guide",
        "preferredLanguage": "en-US",
        "active": True,
        "emails": [{"value": user_name(number), "type": "work", "primary": True}],
        "phoneNumbers": [
            {"value": f"+1 201 555 {number:06}", "type": "work"},
            {"value": f"+1 202 555 {number:06}", "type": "mobile"},
        ],
        "addresses": [
            {
                "type": "work",
                "formatted": "100 Universal City Plaza, Hollywood",
                "streetAddress": "100 Universal City Plaza",
                "locality": "Hollywood",
                "region": "CA",
                "postalCode": "91608",
                "country": "US",
            }
        ],
        ENTERPRISE_URN: {"employeeNumber": str(number), "department": "Tour Operations", "division": "Theme Park"},
    }


def group(number: int) -> dict[str, Any]:
    """What a client provisions for this group, without members."""
    return {"schemas": [GROUP_URN], "displayName": f"Group {number:06}", "externalId": f"g{number:08}"}


def stored_user(number: int) -> StoredResource:
    """The user as it is stored."""
    return _stored(user_type(), user_id(number), user(number))


def stored_group(number: int) -> StoredResource:
    """The group as it is stored."""
    return _stored(_CATALOGUE.resource_types["groups"], group_id(number), group(number))


def _stored(resource_type: ResourceType, resource_id: str, payload: dict[str, Any]) -> StoredResource:
    document = to_document(resource_type, to_model(resource_type, payload | {"id": resource_id}))
    return StoredResource(
        resource_type=resource_type.name,
        id=resource_id,
        document=document,
        created=_NOW,
        last_modified=_NOW,
        version=f"01900000-0000-7000-a000-{resource_id[-12:]}",
        index=index_entries(resource_type, document),
        columns=columns(document),
    )


def said(resource_type: str, resource_id: str) -> OutboxRow:
    """What a change of this resource says of itself, made now."""
    change, change_id = FeedChange.UPDATED, f"{resource_id[-12:]:0>24}"
    return outbox_row(change, resource_type, resource_id, change_id=change_id, now=utc_now(), after="")


async def store_users(storage: TableStorage, numbers: Iterable[int], tenant: str = TENANT) -> None:
    """The users of these numbers are stored as the storage's own rows, several in one transaction."""
    await _transact(
        storage,
        tenant,
        ([*changes.creation(stored_user(number), (), said("User", user_id(number))).own] for number in numbers),
    )


async def store_group(storage: TableStorage, number: int, members: Iterable[int], tenant: str = TENANT) -> None:
    """The group of this number, with these users as members, is stored in the same way. The users' rows stay."""
    group = stored_group(number)
    await storage.create(tenant, group)
    await _transact(storage, tenant, (_edge_rows(group, member) for member in members))


def _edge_rows(group: StoredResource, member: int) -> list[RowOperation]:
    edits = MembershipEdits(add=(Membership(group.id, user_id(member)),))
    rows = changes.edge_operations(changes.key_of(group), edits, _CHANGE_ID)
    return [row for row in rows if row.role is Role.MEMBERSHIP]


async def _transact(storage: TableStorage, tenant: str, parts: Iterable[list[RowOperation]]) -> None:
    """Parts of a few operations each are written, as many in one transaction as fit."""
    transactions = _filled(parts)

    async def work() -> None:
        for operations in transactions:
            await storage.rows.transact(tenant, operations)

    async with asyncio.TaskGroup() as workers:
        for _ in range(_SIDE_BY_SIDE):
            workers.create_task(work())


def _filled(parts: Iterable[list[RowOperation]]) -> Iterator[list[RowOperation]]:
    operations: list[RowOperation] = []
    for part in parts:
        if len(operations) + len(part) > TRANSACTION_OPERATIONS:
            yield operations
            operations = []
        operations += part
    if operations:
        yield operations
