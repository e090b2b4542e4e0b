"""The calls to Table Storage of each operation, made without a service provider around them.

Each function takes the number of a request and prepares what it sends. It returns a function that makes the same calls
as the operation, one after the other or at the same time, and answers with what it read. `tables` has two ways to make
a call: by hand, and as the product does.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from bench.directory import group_id, said, stored_group, stored_user, user_id, user_name, user_type
from bench.tables import Table
from scim_core.model import Membership, MembershipEdits, StoredResource
from scim_core.protocol.representation import index_entries
from scim_core.storage.tables import changes, keys
from scim_core.storage.tables.entities import from_entity, index_keys, to_properties
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.rows import Row

type Calls = Callable[[Table], Awaitable[str]]

POPULATION = 1_000
"""Users that exist when the measurement begins. With them a list of 100 is one page of many, and they are stored within
seconds. Requests with higher numbers begin with the first user again."""

MEMBERS = 100
"""Members that a group has before others join it: the last of the users. Most groups have some, so this is not 0."""

LIST_COUNT = 100
"""Resources of a list page. Clients that synchronise ask for as many, and Entra does."""

NEXT_PAGE = "bare:101"
"""Names the position where the next page of the list begins."""

POSTED = 1_000_000
"""The number of the first user that a POST creates: far above the others, so that this user does not exist yet."""

_EDGE = "group,member,type,edges"
"""The properties that the storage asks for where it reads a membership."""


@dataclass(frozen=True)
class Timed:
    """How many seconds each of some calls took, and the processor seconds of this process for all of them."""

    seconds: list[float]
    cpu_seconds: float


async def timed(table: Table, all_calls: Sequence[Calls], side_by_side: int) -> Timed:
    """These calls are made, with this number of them under way at the same time."""
    queue: Iterator[Calls] = iter(all_calls)
    seconds: list[float] = []

    async def work() -> None:
        for calls in queue:
            started = time.perf_counter()
            await calls(table)
            seconds.append(time.perf_counter() - started)

    before = time.process_time()
    async with asyncio.TaskGroup() as workers:
        for _ in range(side_by_side):
            workers.create_task(work())
    return Timed(seconds, time.process_time() - before)


def joining(number: int) -> tuple[int, int]:
    """The group that the request of this number changes, and the user that it adds.

    When all users have joined, the next group follows: a user who is a member already costs no write.
    """
    return divmod(number, POPULATION - MEMBERS)


def get_user(number: int) -> Calls:
    """GET of a user: its row and its memberships, at the same time."""
    number %= POPULATION

    async def calls(table: Table) -> str:
        row = await _user_and_groups(table, number)
        return str(row.properties["d0"])

    return calls


def match_none(number: int) -> Calls:
    """A match query that finds no user: a read of an index row that is not there."""
    key = _user_name_key(f"nobody.{number:06}@example.com")

    async def calls(table: Table) -> str:
        return str(await table.get(key, "id"))

    return calls


def match_one(number: int) -> Calls:
    """A match query that finds a user: the index row, then what a GET reads."""
    key, get = _user_name_key(user_name(number % POPULATION)), get_user(number)

    async def calls(table: Table) -> str:
        await table.get(key, "id")
        return await get(table)

    return calls


def list_page(_: int) -> Calls:
    """The first page of a list, asked for again: its rows and the total at once, then the memberships and whether
    the position is still stored.
    """
    users = keys.resources("User")

    async def calls(table: Table) -> str:
        page, _ = await asyncio.gather(table.page(users, limit=LIST_COUNT + 1), _all_rows(table, users, "id"))
        read = [row.properties for row in page.rows]
        edges = keys.groups_of(read[0]["id"], read[LIST_COUNT - 1]["id"])
        await asyncio.gather(_all_rows(table, edges, _EDGE), _present(table, keys.bookmark(NEXT_PAGE)))
        return ",".join(properties["d0"] for properties in read)

    return calls


def get_group(_: int) -> Calls:
    """GET of a group without its members: its row."""
    key = keys.resource("Group", group_id(0))

    async def calls(table: Table) -> str:
        return str((await _present(table, key)).properties["d0"])

    return calls


def patch_group(number: int) -> Calls:
    """PATCH that adds a member: the group and the missing edge at the same time, then one transaction."""
    group_number, member = joining(number)
    group = stored_group(group_number)
    edge = Membership(group.id, user_id(member))
    edge_key = keys.member(edge.group_id, edge.member_id)
    edits = MembershipEdits(add=(edge,))
    change = changes.membership_change(_as_read(group), edits, said("Group", group.id), guarded=False)
    operations = change.operations(edits)

    async def calls(table: Table) -> str:
        await asyncio.gather(table.get(keys.resource("Group", group.id)), table.get(edge_key, _EDGE))
        await table.transact(operations)
        return ""

    return calls


def patch_user(number: int) -> Calls:
    """PATCH or PUT of what is not indexed: what a GET reads, then the row, if it is still as it was read."""
    number %= POPULATION
    user = stored_user(number)
    changed = replace(user, document=user.document | {"title": "Director"})

    async def calls(table: Table) -> str:
        row = await _user_and_groups(table, number)
        await table.transact([replace(first, etag=row.etag), *others])
        return str(row.properties["d0"])

    change = changes.update(_as_read(changed), MembershipEdits(), said("User", user.id))
    first, *others = change.operations(change.edits)
    return calls


def post_user(number: int) -> Calls:
    """POST of a user: one transaction with its row and its index rows."""
    user = stored_user(POSTED + number)
    change = changes.creation(user, (), said("User", user.id))
    operations = change.operations(change.edits)

    async def calls(table: Table) -> str:
        await table.transact(operations)
        return str(operations[0].properties["d0"])

    return calls


def delete_user(number: int) -> Calls:
    """DELETE of a user that a POST made: what a GET reads, then one transaction."""
    user = _as_read(stored_user(POSTED + number))
    resource, *others = changes.departure(user, said("User", user.id))

    async def calls(table: Table) -> str:
        row = await _user_and_groups(table, POSTED + number)
        await table.transact([replace(resource, etag=row.etag), *others])
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
    read = from_entity(resource.resource_type, to_properties(resource, index_keys(resource), "", ""), 'W/"etag"')
    return replace(resource, etag=read.etag)


async def _present(table: Table, key: str) -> Row:
    row = await table.get(key)
    assert row is not None, key
    return row


async def _user_and_groups(table: Table, number: int) -> Row:
    edges = keys.groups_of(user_id(number), user_id(number))
    row, _ = await asyncio.gather(_present(table, _user_key(number)), _all_rows(table, edges, _EDGE))
    return row


async def _all_rows(table: Table, key_range: KeyRange, select: str) -> int:
    found, token = 0, None
    while True:
        page = await table.page(key_range, select=select, token=token)
        found, token = found + len(page.rows), page.token
        if token is None:
            return found
