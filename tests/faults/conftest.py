"""Changes that are large at ten memberships already, and what a directory holds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scim_core.service import group_snapshots, service_provider
from scim_core.settings import StorageSettings
from scim_core.storage.tables import TableStorage, changes, large_change, large_change_runner, table_rows, writing
from scim_core.storage.tables.rows import Rows
from tests.faults.directory import Directory
from tests.faults.rollout import Rollout, searches_planned
from tests.memory_rows import MemoryRows
from tests.scim import Client, Json
from tests.tables import new_table


@pytest.fixture
def _small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions plan for 14 operations, so that four memberships take more than one; a step makes three.

    More than ten memberships do not fit the deciding transaction, and are written before it.
    """
    monkeypatch.setattr(changes, "TRANSACTION_OPERATIONS", 14)
    monkeypatch.setattr(large_change_runner, "STEP", 3)
    monkeypatch.setattr(large_change_runner, "PARTS_AT_ONCE", 2)
    monkeypatch.setattr(large_change, "PART_IDS", 5)


@pytest.fixture
async def directory(storage: TableStorage) -> Directory:
    return await Directory.made(storage)


@pytest.fixture
def _nobody_has_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes are decided, but nobody applies them: not the request itself, and not another one that meets them."""
    monkeypatch.setattr(writing, "APPLY_SECONDS", 0)
    monkeypatch.setattr(group_snapshots, "READER_SECONDS", 0)
    monkeypatch.setattr(service_provider, "WRITER_SECONDS", 0)


async def held(client: Client) -> Json:
    """What a client finds in the directory, by name: users without id, meta and groups; groups with members' names.

    The groups that users show must be those whose members they are.
    """
    users = (await client.get("/Users", count=1000)).document["Resources"]
    groups = (await client.get("/Groups", count=1000)).document["Resources"]
    names = {item["id"]: item.get("userName") or item["displayName"] for item in (*users, *groups)}
    assert len(set(names.values())) == len(users) + len(groups)
    members = {
        group["displayName"]: sorted(names[item["value"]] for item in group.get("members", ())) for group in groups
    }
    shown = {user["userName"]: sorted(names[item["value"]] for item in user.get("groups", ())) for user in users}
    assert shown == {name: sorted(group for group, some in members.items() if name in some) for name in shown}
    plain = {user["userName"]: {k: v for k, v in user.items() if k not in ("id", "meta", "groups")} for user in users}
    for group in groups:
        assert (await client.get(f"/Groups/{group['id']}", excludedAttributes="members")).status == 200
    return {"users": plain, "groups": members}


def _new_rows(request: pytest.FixtureRequest) -> Rows:
    if getattr(request, "param", "memory") == "memory":
        return MemoryRows()
    return table_rows(StorageSettings.from_environment(new_table(request.getfixturevalue("azurite"))))


@pytest.fixture
async def rollout(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rollout]:
    """A table that nobody has used, in memory unless the test says azurite, for instances with files of their own."""
    rows = _new_rows(request)
    with searches_planned() as plans:
        yield Rollout(rows, tmp_path, plans)
    await rows.close()
