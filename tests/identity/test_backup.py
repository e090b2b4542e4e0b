"""The scheduled backup: every tenant into a container of blobs, with the platform's identity, and back."""

import hashlib
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import httpx
import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import ContainerClient

from scim_core.storage.maintenance.backup import BackupFailed, export_all
from scim_core.storage.port import StorageError
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.identity.conftest import token
from tests.identity.test_managed_identity import TOKEN, run
from tests.memory_rows import MemoryRows
from tests.running import ROOT, clean_environment, running_app
from tests.worker.processes import until

_numbers = count(1)
BACK_UP = (
    "import asyncio, os, scim_core; asyncio.run(scim_core.back_up(scim_core.Settings.from_environment(os.environ)))"
)


class Platforms:
    """The identity of this test, for which the account keeps the container."""

    def get_token(self, *_: str, **__: object) -> AccessToken:
        return AccessToken(token()["access_token"], int(time.time()) + 3600)


@pytest.fixture
def container(blob_url: str, certificate) -> ContainerClient:
    url = f"{blob_url}/exports{next(_numbers)}"
    client = ContainerClient.from_container_url(url, Platforms(), connection_verify=str(certificate.path))
    client.create_container()
    return client


@pytest.fixture
def settings(environment: dict[str, str], container: ContainerClient) -> dict[str, str]:
    return environment | {
        "SCIM_TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest(),
        "SCIM_TABLE_NAME": f"backup{next(_numbers)}",
        "SCIM_BACKUP_CONTAINER_URL": container.url,
    }


def backup(settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BACK_UP]
    environment = clean_environment() | settings
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_timer_backs_up_and_the_blob_restores(settings, container, tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/scim+json"}
    with running_app(ROOT, settings | {"SCIM_BACKUP_SCHEDULE": "*/3 * * * * *"}) as app:
        created = httpx.post(f"{app.url}/scim/v2/Users", headers=headers, json={"userName": "ann@example.com"})
        assert created.status_code == 201
        before = app.said().count("backup was called")
        assert until(lambda: app.said().count("backup was called") > before + 1), app.said()
        assert "failed" not in app.said()
        assert '"operation": "backup"' in app.said()
    names = sorted(blob.name for blob in container.list_blobs())
    assert all(name.startswith("default/") and name.endswith(".ndjson") for name in names)
    file = tmp_path / "restored.ndjson"
    file.write_bytes(container.download_blob(names[-1]).readall())

    emptied = settings | {"SCIM_TABLE_NAME": f"backup{next(_numbers)}"}
    restored = run(emptied, "import", str(file))

    assert restored.returncode == 0, restored.stderr
    with running_app(ROOT, emptied) as app:
        url = f"{app.url}/scim/v2/Users/{created.json()['id']}"
        assert httpx.get(url, headers=headers).json()["userName"] == "ann@example.com"


def test_a_container_that_is_not_there_fails_the_backup_with_a_sentence(settings, container) -> None:
    with running_app(ROOT, settings) as app:
        httpx.post(
            f"{app.url}/scim/v2/Users",
            headers={"Authorization": f"Bearer {TOKEN}"},
            json={"userName": "ann@example.com"},
        )
    container.delete_container()
    done = backup(settings)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("BackupFailed: 1 of 1 tenants were not exported.")
    assert "ContainerNotFound" in done.stderr
    assert "AccountKey" not in done.stderr


def test_without_a_setting_there_is_no_backup(environment) -> None:
    settings = environment | {"SCIM_TOKEN_SHA256": "0" * 64, "SCIM_BACKUP_SCHEDULE": "* * * * * *"}
    with running_app(ROOT, settings | {"SCIM_SWEEP_SCHEDULE": "* * * * * *"}) as app:
        assert until(lambda: "sweep was called" in app.said())
        assert "backup was called" not in app.said()


class Shelf:
    """A store that remembers, and fails for some."""

    def __init__(self, failing: str) -> None:
        self.kept: dict[str, bytes] = {}
        self._failing = failing

    async def put(self, name, content) -> None:
        found = b"".join([piece async for piece in content])
        if name.startswith(self._failing):
            raise StorageError("full")
        self.kept[name] = found

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_tenant_that_fails_does_not_keep_the_others_from_theirs(caplog) -> None:
    rows = MemoryRows()
    for tenant in ("a", "b", "c"):
        await rows.transact(tenant, [RowOperation(Verb.INSERT, Role.OTHER, "User:1", {"id": "1"})])
    shelf = Shelf("b/")
    with pytest.raises(BackupFailed, match="1 of 3"):
        await export_all(rows, shelf, lambda: datetime(2026, 11, 25, 2, 15, tzinfo=UTC))
    assert sorted(shelf.kept) == ["a/2026-11-25T021500Z.ndjson", "c/2026-11-25T021500Z.ndjson"]
    assert [record.tenant for record in caplog.records if record.levelname == "WARNING"] == ["b"]
