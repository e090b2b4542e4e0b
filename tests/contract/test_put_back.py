"""What a deletion has kept is used once: a resource is created again of the state that was read, or not at all."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from scim_core.model import IndexEntry
from scim_core.storage.port import NotFound, VersionConflict
from scim_core.storage.tables import TableStorage, gone_keys
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.service_limits import MAX_INDEX_ROWS
from tests.contract.builders import NOW, TENANT, also_on_azurite, create, stored, user

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def deleted(storage: TableStorage) -> None:
    await storage.delete(TENANT, await stored(storage, user(1)), [], now=NOW, keep=True)


@also_on_azurite
async def test_of_two_who_have_read_the_same_one_puts_back_whatever_came_between(storage: TableStorage) -> None:
    values = [IndexEntry("emails.value", f"{number}@example.com") for number in range(MAX_INDEX_ROWS - 2)]
    ann = replace(user(1), index=frozenset([*user(1).index, *values]))
    await create(storage, ann)
    await deleted(storage)
    [first] = [second] = await storage.gone_since(TENANT, LONG_AGO)
    await storage.create(TENANT, ann, kept=first.state)
    await storage.create(TENANT, ann, kept=second.state)
    assert (await stored(storage, ann)).document == ann.document
    await deleted(storage)
    with pytest.raises(VersionConflict):
        await storage.create(TENANT, ann, kept=second.state)
    assert await storage.read(TENANT, "User", [ann.id]) == [None]
    states = {item.state for item in await storage.gone_since(TENANT, LONG_AGO)}
    assert (len(states), first.state in states) == (2, False)


@also_on_azurite
async def test_what_is_kept_no_more_is_not_put_back(storage: TableStorage) -> None:
    await create(storage, user(1))
    await deleted(storage)
    [gone] = await storage.gone_since(TENANT, LONG_AGO)
    key = gone.state.split(" ")[0]
    assert gone_keys.deletion_of(key) == key
    await storage.rows.transact(TENANT, [RowOperation(Verb.DELETE, Role.FEED, key)])
    with pytest.raises(NotFound):
        await storage.create(TENANT, user(1), kept=gone.state)
    assert await storage.read(TENANT, "User", [user(1).id]) == [None]
