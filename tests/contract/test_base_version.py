"""The version of a group's last change as a whole: it tells readers whether more than single members has changed."""

from dataclasses import replace

import pytest

from scim_core.model import MembershipEdits, StoredResource
from scim_core.storage.port import Storage
from tests.contract.builders import NOW, TENANT, adding, create, edge, group, removing, stored, user


async def moved(storage: Storage, version: str) -> StoredResource:
    return replace(await stored(storage, group(10)), version=version, last_modified=NOW)


@pytest.fixture
async def filled(storage: Storage) -> Storage:
    await create(storage, *(user(number) for number in range(1, 4)))
    await storage.create(TENANT, group(10), [edge(10, 1), edge(10, 2)])
    return storage


async def versions(storage: Storage) -> tuple[str, str]:
    after = await stored(storage, group(10))
    return after.version, after.base_version


async def test_single_members_leave_it(filled: Storage) -> None:
    assert await versions(filled) == ("g10-1", "g10-1")
    await filled.edit_members(TENANT, await moved(filled, "v2"), adding(edge(10, 3)), guarded=False)
    assert await versions(filled) == ("v2", "g10-1")
    await filled.edit_members(TENANT, await moved(filled, "v3"), removing(edge(10, 3)), guarded=False)
    assert await versions(filled) == ("v3", "g10-1")
    await filled.delete(TENANT, await stored(filled, user(1)), [edge(10, 1)], now=NOW)
    version, base_version = await versions(filled)
    assert (version != "v3", base_version) == (True, "g10-1")


async def test_a_change_as_a_whole_moves_it(filled: Storage) -> None:
    read = await stored(filled, group(10))
    await filled.update(TENANT, group(10, "renamed", version="v2", etag=read.etag))
    assert await versions(filled) == ("v2", "v2")
    edits = MembershipEdits(add=(edge(10, 3),), remove=(edge(10, 1),))
    await filled.edit_members(TENANT, await moved(filled, "v3"), edits, guarded=True)
    assert await versions(filled) == ("v3", "v3")
