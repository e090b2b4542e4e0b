"""The scheduled export of every tenant into a container of immutable blobs. The timer in function_app.py calls it."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Protocol

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AioHttpTransport

from scim_core.settings import StorageSettings
from scim_core.storage.maintenance.exporting import export, tenants
from scim_core.storage.maintenance.signing import BackupKey
from scim_core.storage.port import StorageError
from scim_core.storage.tables import table_rows
from scim_core.storage.tables.client import connect
from scim_core.storage.tables.rows import Rows

BLOCK_BYTES = 4 * 1024 * 1024
"""Bytes that are kept in memory and sent together. A blob holds 50,000 blocks: 195 GiB, far beyond any tenant."""

_NAME = "%Y-%m-%dT%H%M%SZ.ndjson"

NOT_SIGNED = "exports are not signed, because SCIM_BACKUP_KEY is not set"

log = logging.getLogger(__name__)


class BackupFailed(StorageError):
    """Not every tenant has been exported; the text says how many, the log which and why."""


class Store(Protocol):
    """Where backups are kept."""

    async def put(self, name: str, content: AsyncIterator[bytes]) -> None:
        """The blob of this name has this content. If the content breaks off, there is no blob. Raises StorageError."""

    async def close(self) -> None:
        """No connection is left open."""


class Container:
    """Blobs of one container, reached with the app's identity. A blob that is there is never replaced."""

    def __init__(self, url: str, credential: AsyncTokenCredential) -> None:
        # Imported here because it takes 100 ms: only the nightly backup needs it, and not the start of an instance.
        from azure.storage.blob.aio import ContainerClient  # noqa: PLC0415

        self._client = ContainerClient.from_container_url(
            url,
            credential=credential,
            transport=AioHttpTransport(use_env_settings=False),
            max_block_size=BLOCK_BYTES,
            max_single_put_size=BLOCK_BYTES,
        )

    async def put(self, name: str, content: AsyncIterator[bytes]) -> None:
        """See Store.put: blocks become a blob when the last one is there."""
        try:
            await self._client.upload_blob(name, content, overwrite=False, validate_content=True)
        except AzureError as error:
            code = getattr(error, "error_code", None) or type(error).__name__
            raise StorageError(f"The container of backups refused a blob ({getattr(code, 'value', code)}).") from None

    async def close(self) -> None:
        """See Store.close."""
        await self._client.close()


async def back_up(
    settings: StorageSettings, container_url: str, key: BackupKey | None, clock: Callable[[], datetime]
) -> int:
    """How many tenants were exported, each into a blob of its own: `{tenant}/{time}.ndjson`, signed with the key.

    If one fails, the others are exported all the same. Raises BackupFailed when one failed, StorageError.
    """
    connection = connect(settings)
    if connection.credential is None:
        await connection.close()
        raise StorageError("A backup needs an identity: set SCIM_STORAGE_ACCOUNT_URL.")
    store = Container(container_url, connection.credential)
    rows = table_rows(settings)
    try:
        return await export_all(rows, store, key, clock)
    finally:
        await store.close()
        await rows.close()
        await connection.close()


async def export_all(rows: Rows, store: Store, key: BackupKey | None, clock: Callable[[], datetime]) -> int:
    """How many tenants were exported into this store. Raises BackupFailed when one was not, StorageError."""
    if key is None:
        log.warning("backup: %s", NOT_SIGNED, extra={"operation": "backup"})
    done = [await _back_up(rows, store, tenant, key, clock) async for tenant in tenants(rows)]
    if not all(done):
        raise BackupFailed(f"{done.count(False)} of {len(done)} tenants were not exported.")
    return len(done)


async def _back_up(rows: Rows, store: Store, tenant: str, key: BackupKey | None, clock: Callable[[], datetime]) -> bool:
    counted = _Counted()
    try:
        async with aclosing(export(rows, tenant, clock, key=key, progress=counted.add)) as lines:
            await store.put(f"{tenant.replace(':', '_')}/{clock().strftime(_NAME)}", _blocks(lines))
    except StorageError as error:
        log.warning("backup: failed", exc_info=error, extra={"operation": "backup", "tenant": tenant})
        return False
    fields = {
        "operation": "backup",
        "tenant": tenant,
        "rows": counted.rows,
        "signed_with": key.id if key else "",
    }
    log.info("backup: %s rows", counted.rows, extra=fields)
    return True


async def _blocks(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of at least BLOCK_BYTES, except the last one: a line is too small to be sent alone."""
    piece = bytearray()
    async for line in lines:
        piece += line
        if len(piece) >= BLOCK_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


class _Counted:
    def __init__(self) -> None:
        self.rows = 0

    def add(self, rows: int) -> None:
        self.rows += rows
