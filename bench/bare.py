"""The calls to Table Storage of each operation, made without a service provider around them.

Each function takes the number of a request and prepares what it sends. It returns a function that makes the same calls
as the operation, one after the other or at the same time, and answers with what it read.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from bench.directory import TENANT, group_id, said, stored_group, stored_user, user_id, user_name, user_type
from scim_core.model import Membership, MembershipEdits, StoredResource
from scim_core.protocol.representation import index_entries
from scim_core.storage.port import PagePosition
from scim_core.storage.tables import changes, keys
from scim_core.storage.tables.entities import from_entity, page_position_properties, to_properties
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.service_limits import PAGE_ROWS

type Entry = tuple[str, dict[str, Any], dict[str, Any]]
type Calls = Callable[[TableClient], Awaitable[str]]

POPULATION = 1_000
"""Users that exist when the measurement begins. With them a list of 100 is one page of many, and they are stored within
seconds. Requests with higher numbers begin with the first user again."""

MEMBERS = 100
"""Members that a group has before others join it: the last of the users. Most groups have some, so this is not 0."""

LIST_COUNT = 100
"""Resources of a list page. Clients that synchronise ask for as many, and Entra does."""

POSTED = 1_000_000
"""The number of the first user that a POST creates: far above the others, so that this user does not exist yet."""

_EDGE = "group,member,type,edges"
"""The properties that the storage asks for where it reads a membership."""

_RANGE = "PartitionKey eq @partition and RowKey ge @low and RowKey lt @high"
"""The query with which the storage reads a range of rows."""

_PARTITION = keys.partition(TENANT)


async def durations(table: TableClient, all_calls: Sequence[Calls], side_by_side: int) -> list[float]:
    """How many seconds each of these took, with this number of them under way at the same time."""
    queue: Iterator[Calls] = iter(all_calls)
    seconds: list[float] = []

    async def work() -> None:
        for calls in queue:
            started = time.perf_counter()
            await calls(table)
            seconds.append(time.perf_counter() - started)

    async with asyncio.TaskGroup() as workers:
        for _ in range(side_by_side):
            workers.create_task(work())
    return seconds


def joining(number: int) -> tuple[int, int]:
    """The group that the request of this number changes, and the user that it adds.

    When all users have joined, the next group follows: a user who is a member already costs no write.
    """
    return divmod(number, POPULATION - MEMBERS)


def get_user(number: int) -> Calls:
    """GET of a user: its row and its memberships, at the same time."""
    number %= POPULATION

    async def calls(table: TableClient) -> str:
        row = await _user_and_groups(table, number)
        return str(row["d0"])

    return calls


def match_none(number: int) -> Calls:
    """A match query that finds no user: a read of an index row that is not there."""
    key = _user_name_key(f"nobody.{number:06}@example.com")

    async def calls(table: TableClient) -> str:
        return str(await _row_or_none(table, key, "id"))

    return calls


def match_one(number: int) -> Calls:
    """A match query that finds a user: the index row, then what a GET reads."""
    key, get = _user_name_key(user_name(number % POPULATION)), get_user(number)

    async def calls(table: TableClient) -> str:
        await _row(table, key, "id")
        return await get(table)

    return calls


def list_page(_: int) -> Calls:
    """The first page of a list: its rows and the total at once, then the memberships and the position at once."""
    users = keys.resources("User")
    position = page_position_properties(PagePosition(user_id(LIST_COUNT), POPULATION, "2026-11-23T12:10:00.000000Z"))
    entry = _entry(RowOperation(Verb.UPSERT, Role.RESOURCE, keys.bookmark("bare:101"), position))

    async def calls(table: TableClient) -> str:
        page, _ = await asyncio.gather(_first_rows(table, users, LIST_COUNT + 1), _all_rows(table, users, "id"))
        edges = keys.groups_of(page[0]["id"], page[LIST_COUNT - 1]["id"])
        await asyncio.gather(_all_rows(table, edges, _EDGE), table.submit_transaction([entry]))
        return ",".join(row["d0"] for row in page)

    return calls


def get_group(_: int) -> Calls:
    """GET of a group without its members: its row."""
    key = keys.resource("Group", group_id(0))

    async def calls(table: TableClient) -> str:
        return str((await _row(table, key))["d0"])

    return calls


def patch_group(number: int) -> Calls:
    """PATCH that adds a member: the group and the missing edge at the same time, then one transaction."""
    group_number, member = joining(number)
    group = stored_group(group_number)
    edge = Membership(group.id, user_id(member))
    edge_key = keys.member(edge.group_id, edge.member_id)
    edits = MembershipEdits(add=(edge,))
    change = changes.membership_change(_as_read(group), edits, said("Group", group.id), guarded=False)
    entries = _entries(change.operations(edits))

    async def calls(table: TableClient) -> str:
        await asyncio.gather(_row(table, keys.resource("Group", group.id)), _row_or_none(table, edge_key, _EDGE))
        await table.submit_transaction(entries)
        return ""

    return calls


def patch_user(number: int) -> Calls:
    """PATCH or PUT of what is not indexed: what a GET reads, then the row, if it is still as it was read."""
    number %= POPULATION
    user = stored_user(number)
    changed = replace(user, document=user.document | {"title": "Director"})

    async def calls(table: TableClient) -> str:
        row = await _user_and_groups(table, number)
        await table.submit_transaction([(kind, entity, options | _unchanged(row)), *others])
        return str(row["d0"])

    change = changes.update(_as_read(changed), MembershipEdits(), said("User", user.id))
    (kind, entity, options), *others = _entries(change.operations(change.edits))
    return calls


def post_user(number: int) -> Calls:
    """POST of a user: one transaction with its row and its index rows."""
    user = stored_user(POSTED + number)
    change = changes.creation(user, (), said("User", user.id))
    entries = _entries(change.operations(change.edits))

    async def calls(table: TableClient) -> str:
        await table.submit_transaction(entries)
        return str(entries[0][1]["d0"])

    return calls


def delete_user(number: int) -> Calls:
    """DELETE of a user that a POST made: what a GET reads, then one transaction."""
    user = _as_read(stored_user(POSTED + number))
    (kind, entity, options), *others = _entries(changes.departure(user, said("User", user.id)))

    async def calls(table: TableClient) -> str:
        row = await _user_and_groups(table, POSTED + number)
        await table.submit_transaction([(kind, entity, options | _unchanged(row)), *others])
        return ""

    return calls


OPERATIONS: dict[str, Callable[[int], Calls]] = {
    "get_user": get_user,
    "match_none": match_none,
    "match_one": match_one,
    "list_page": list_page,
    "get_group": get_group,
    "patch_group": patch_group,
    "patch_user": patch_user,
    "post_user": post_user,
    "delete_user": delete_user,
}


def _user_key(number: int) -> str:
    return keys.resource("User", user_id(number))


def _user_name_key(name: str) -> str:
    [entry] = [item for item in index_entries(user_type(), {"userName": name}) if item.unique]
    return keys.unique_index("User", entry)


def _as_read(resource: StoredResource) -> StoredResource:
    """The resource with the parts that a read adds: an ETag and the keys of its index rows."""
    read = from_entity(resource.resource_type, to_properties(resource, "", ""), 'W/"etag"')
    return replace(resource, etag=read.etag)


def _entries(operations: Sequence[RowOperation]) -> list[Entry]:
    return [_entry(operation) for operation in operations]


def _entry(operation: RowOperation) -> Entry:
    entity = {"PartitionKey": _PARTITION, "RowKey": operation.key, **operation.properties}
    match operation.verb:
        case Verb.INSERT:
            return "create", entity, {"response_preference": "return-no-content"}
        case Verb.UPSERT:
            return "upsert", entity, {"mode": UpdateMode.REPLACE}
        case Verb.MERGE:
            return "update", entity, {"mode": UpdateMode.MERGE}
        case Verb.REPLACE:
            return "update", entity, {"mode": UpdateMode.REPLACE}
        case Verb.DELETE:
            return "delete", entity, {}


async def _row(table: TableClient, key: str, select: str | None = None) -> Any:
    return await table.get_entity(_PARTITION, key, select=select)


async def _row_or_none(table: TableClient, key: str, select: str) -> Any:
    try:
        return await _row(table, key, select)
    except ResourceNotFoundError:
        return None


async def _user_and_groups(table: TableClient, number: int) -> Any:
    edges = keys.groups_of(user_id(number), user_id(number))
    row, _ = await asyncio.gather(_row(table, _user_key(number)), _all_rows(table, edges, _EDGE))
    return row


async def _first_rows(table: TableClient, key_range: KeyRange, limit: int) -> list[Any]:
    found = table.query_entities(_RANGE, parameters=_parameters(key_range), results_per_page=limit)
    return [row async for row in await anext(found.by_page())]


async def _all_rows(table: TableClient, key_range: KeyRange, select: str) -> int:
    found = table.query_entities(
        _RANGE, parameters=_parameters(key_range), results_per_page=PAGE_ROWS, select=select.split(",")
    )
    return sum([len([row async for row in page]) async for page in found.by_page()])


def _unchanged(row: Any) -> dict[str, Any]:
    return {"etag": row.metadata["etag"], "match_condition": MatchConditions.IfNotModified}


def _parameters(key_range: KeyRange) -> dict[str, str]:
    return {"partition": _PARTITION, "low": key_range.low, "high": key_range.high}
