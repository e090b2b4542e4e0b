"""The scheduled backup: every tenant into a container of blobs, with the platform's identity, and back."""

import hashlib
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import ContainerClient

from scim_core.storage.maintenance.backup import BackupFailed, export_all
from scim_core.storage.port import StorageError
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.certificates import Certificate
from tests.commands import SIGNING
from tests.identity.conftest import in_azure, running_platform, token
from tests.identity.test_managed_identity import TOKEN, run
from tests.memory_rows import MemoryRows
from tests.running import ROOT, clean_environment, running_app
from tests.worker.processes import PATIENCE_SECONDS, until

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/scim+json"}
BACK_UP = (
    "import asyncio, os, scim_core; asyncio.run(scim_core.back_up(scim_core.Settings.from_environment(os.environ)))"
)


class Platforms:
    """The identity of this test, for which the account keeps the container."""

    def get_token(self, *_: str, **__: object) -> AccessToken:
        return AccessToken(token()["access_token"], int(time.time()) + 3600)


@dataclass(frozen=True)
class BackedUp:
    """A directory with one user, of which the timer has made a backup."""

    settings: dict[str, str]
    user: dict[str, Any]
    blobs: dict[str, bytes]
    asked: str
    container: ContainerClient


@pytest.fixture(scope="module")
def backed_up(account_url: str, blob_url: str, blob_log: Path, certificate: Certificate) -> Iterator[BackedUp]:
    container = ContainerClient.from_container_url(
        f"{blob_url}/exports", Platforms(), connection_verify=str(certificate.path)
    )
    container.create_container()
    assert until(lambda: "restype=container" in blob_log.read_text())  # a line comes after the answer
    before = len(blob_log.read_text())
    with running_platform() as platform:
        settings = in_azure(account_url, certificate, platform) | {
            "SCIM_TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest(),
            "SCIM_TABLE_NAME": "backup1",
            "SCIM_BACKUP_CONTAINER_URL": container.url,
            **SIGNING,
        }
        with running_app(ROOT, settings | {"SCIM_BACKUP_SCHEDULE": "* * * * * *"}) as app:
            url = f"{app.url}/scim/v2/Users"
            created = httpx.post(url, headers=HEADERS, json={"userName": "ann@example.com"}, timeout=PATIENCE_SECONDS)
            assert created.status_code == 201
            # Some may fail where the machine is busy: two within one second have the same name.
            assert until(lambda: 'backup: 1 rows {"operation": "backup"' in app.said()), app.said()
        assert until(lambda: "comp=blocklist" in blob_log.read_text()[before:])
        asked = blob_log.read_text()[before:]
        blobs = {blob.name: container.download_blob(blob.name).readall() for blob in container.list_blobs()}
        yield BackedUp(settings, created.json(), blobs, asked, container)
    container.close()


def test_the_timer_backs_up_and_the_blob_restores(backed_up: BackedUp, tmp_path: Path) -> None:
    assert all(name.startswith("default/") and name.endswith(".ndjson") for name in backed_up.blobs)
    file = tmp_path / "restored.ndjson"
    file.write_bytes(backed_up.blobs[max(backed_up.blobs)])

    emptied = backed_up.settings | {"SCIM_TABLE_NAME": "backup2"}
    restored = run(emptied, "import", str(file))

    assert restored.returncode == 0, restored.stderr
    with running_app(ROOT, emptied) as app:
        url = f"{app.url}/scim/v2/Users/{backed_up.user['id']}"
        assert httpx.get(url, headers=HEADERS, timeout=PATIENCE_SECONDS).json()["userName"] == "ann@example.com"


def test_a_backup_only_writes_blocks_so_a_role_that_reads_and_deletes_nothing_is_enough(backed_up: BackedUp) -> None:
    """A role that may only add would not do: a blob of blocks needs write (infra/modules/custom-roles.bicep)."""
    asked = re.findall(r'"([A-Z]+) /[^ ?"]+\??([^ "]*) HTTP', backed_up.asked)

    assert {(method, *parse_qs(query).get("comp", [])) for method, query in asked} == {
        ("PUT", "block"),
        ("PUT", "blocklist"),
    }


def test_a_container_that_is_not_there_fails_the_backup_with_a_sentence(backed_up: BackedUp) -> None:
    elsewhere = {"SCIM_BACKUP_CONTAINER_URL": f"{backed_up.container.url}-of-nobody"}
    command = [sys.executable, "-c", BACK_UP]
    environment = clean_environment() | backed_up.settings | elsewhere
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("BackupFailed: 1 of 1 tenants were not exported.")
    assert "ContainerNotFound" in done.stderr
    assert "AccountKey" not in done.stderr


class Shelf:
    """A store that remembers, and fails for some."""

    def __init__(self, failing: str) -> None:
        self.kept: dict[str, bytes] = {}
        self._failing = failing

    async def put(self, name: str, content: AsyncIterator[bytes]) -> None:
        found = b"".join([piece async for piece in content])
        if name.startswith(self._failing):
            raise StorageError("full")
        self.kept[name] = found

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_tenant_that_fails_does_not_keep_the_others_from_theirs(caplog: pytest.LogCaptureFixture) -> None:
    rows = MemoryRows()
    for tenant in ("a", "b", "c"):
        await rows.transact(tenant, [RowOperation(Verb.INSERT, Role.OTHER, "User:1", {"id": "1"})])
    shelf = Shelf("b/")
    with pytest.raises(BackupFailed, match="1 of 3"):
        await export_all(rows, shelf, None, lambda: datetime(2026, 11, 25, 2, 15, tzinfo=UTC))
    assert sorted(shelf.kept) == ["a/2026-11-25T021500Z.ndjson", "c/2026-11-25T021500Z.ndjson"]
    unsigned, failed = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "SCIM_BACKUP_KEY is not set" in unsigned.getMessage()
    assert failed.__dict__["tenant"] == "b"
