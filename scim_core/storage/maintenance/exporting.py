"""Reads a tenant's directory for an export. Rows that an import can make are left out: index rows, the second row of
each membership, page positions, and what is left of changes.

Tables have no snapshots. Rows are read in the order of their keys. Rows that changed during the export are read again
at the end, until a round finds none. So the export shows each resource as it was at a moment between its start and its
end. An import makes the rest fit (importing.py).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

from scim_core.model import Column
from scim_core.registry import APPLICATIONS
from scim_core.storage.maintenance.archive import ArchiveError, Header, Writer
from scim_core.storage.maintenance.signing import BackupKey
from scim_core.storage.port import StorageError
from scim_core.storage.tables import keys, large_change_runner
from scim_core.storage.tables.codec import BELOW_ALL
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.rows import Row, Rows, Token, read_pages
from scim_core.storage.tables.setup_rows import without_link

FOLLOWING = frozenset({"memberOf", "bookmark", "indexes", "setup"}) | keys.FEED_KINDS
"""Kinds of rows that an import makes, does not need, or must not bring back: setup links. All kinds with a full stop,
the index rows, are such too."""

SKEW = timedelta(seconds=10)
"""How far this machine's clock may be ahead of Table Storage's."""

MAX_ROUNDS = 5
"""How often rows that changed during the export are read again. Each round takes a fraction of the one before."""

_OF_NO_TENANT = frozenset({keys.SWEEP, keys.partition(APPLICATIONS)})
"""Partitions that no export needs: an import makes the sweep's rows of the changes that they name. What
applications were refused could get into a partition that belongs to no tenant."""

_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


async def tenants(rows: Rows) -> AsyncIterator[str]:
    """Every partition with a directory, and those of all tenants together, whose names have a colon.

    Raises StorageError for a partition whose name does not tell its tenant.
    """
    partition = await rows.partition_after("")
    while partition is not None:
        if partition not in _OF_NO_TENANT:
            if keys.partition(partition) != partition:
                raise StorageError(f"No tenant's name can be told from the partition {partition!r}: export it by hand.")
            yield partition
        partition = await rows.partition_after(partition)


async def export(
    rows: Rows,
    tenant: str,
    clock: Callable[[], datetime],
    *,
    key: BackupKey | None = None,
    progress: Callable[[int], object] = lambda _: None,
    resumed: "Resumed | None" = None,
) -> AsyncGenerator[bytes]:
    """The lines of the export, from the first or from where an interrupted one ended.

    The `key` signs it, if there is one. `progress` is told how many rows were read. Pending changes are applied first.
    Raises StorageError when one of them cannot be applied, StorageBusy.
    """
    writer = resumed.writer if resumed else _writer(key)
    started = resumed.started if resumed else clock()
    await _apply_pending(rows, tenant)
    if resumed is None:
        yield writer.header(Header(tenant, started.strftime(_TIME_FORMAT), key.id if key else ""))
    async for page in _walk(rows, tenant, resumed.after if resumed else None):
        for row_key, properties in page:
            yield writer.row(row_key, properties)
        progress(len(page))
    async for page in _changed(rows, tenant, started - SKEW, clock):
        for row_key, properties in page:
            yield writer.row(row_key, properties, again=True)
    yield writer.trailer()


class Resumed:
    """How far an interrupted export has come, as the lines that it has written tell.

    Raises ArchiveError, also if it was begun with another key: the header, which is written, names that one.
    """

    def __init__(self, header: Header, key: BackupKey | None = None) -> None:
        if header.signed_with != (key.id if key else ""):
            begun = f"with the key {header.signed_with}" if header.signed_with else "without a key"
            raise ArchiveError(f"This export was begun {begun}. Set SCIM_BACKUP_KEY as it was, or begin again.")
        self.writer = _writer(key)
        try:
            self.started = datetime.strptime(header.started, _TIME_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            raise ArchiveError("The header of the file does not say when its export started.") from None
        self.after: str | None = None
        self.walked = 0


def _writer(key: BackupKey | None) -> Writer:
    return Writer(key.signature() if key else None)


def exported(row: Row) -> dict[str, Column]:
    """The properties of a row as they go into a file, without its keys. Raises StorageError for a foreign value."""
    properties = {name: value for name, value in row.properties.items() if name not in ("PartitionKey", "RowKey")}
    for name, value in properties.items():
        if not isinstance(value, str | bool):
            raise StorageError(f"The property {name} of a row is not text, true or false: another program wrote it.")
    return properties


def is_exported(key: str) -> bool:
    """Whether rows of this kind go into a file."""
    kind = keys.kind_of(key)
    return kind not in FOLLOWING and "." not in kind


def kept(tenant: str, key: str, properties: dict[str, Column]) -> dict[str, Column]:
    """The properties that go into a file, and come back from one: no setup link does."""
    return without_link(properties) if tenant == keys.REGISTRY and keys.kind_of(key) == "tenant" else properties


async def _apply_pending(rows: Rows, tenant: str) -> None:
    async for page in read_pages(rows, tenant, keys.of_kind("pending"), select="RowKey,id"):
        for row in page:
            is_change = _key(row).count(":") == 1
            if is_change and not await large_change_runner.apply(
                rows, tenant, row.properties["id"], large_change_runner.WHOLE_SECONDS
            ):
                raise StorageError("A large change could not be finished in time: run the export again.")


async def _walk(rows: Rows, tenant: str, after: str | None) -> AsyncIterator[list[tuple[str, dict[str, Column]]]]:
    """The rows that are exported, page after page. Kinds that are not exported are jumped over."""
    whole = keys.everything()
    low = whole.low if after is None else after + BELOW_ALL
    while True:
        async for page in read_pages(rows, tenant, KeyRange(low, whole.high)):
            wanted, skipped = _until_skipped(tenant, page)
            if wanted:
                yield wanted
            if skipped:
                low = keys.of_kind(keys.kind_of(skipped)).high
                break
        else:
            return


def _until_skipped(tenant: str, page: list[Row]) -> tuple[list[tuple[str, dict[str, Column]]], str]:
    wanted: list[tuple[str, dict[str, Column]]] = []
    for row in page:
        if not is_exported(_key(row)):
            return wanted, _key(row)
        wanted.append((_key(row), kept(tenant, _key(row), exported(row))))
    return wanted, ""


async def _changed(
    rows: Rows, tenant: str, since: datetime, clock: Callable[[], datetime]
) -> AsyncIterator[list[tuple[str, dict[str, Column]]]]:
    """The rows that changed since the walk began. Each round reads what changed since the one before it began."""
    told: dict[str, str] = {}
    for _ in range(MAX_ROUNDS):
        begun, before = clock() - SKEW, len(told)
        token: Token | None = None
        while True:
            page = await rows.page(tenant, keys.everything(), since=since, token=token)
            fresh = [row for row in page.rows if is_exported(_key(row)) and told.get(_key(row)) != row.etag]
            told |= {_key(row): row.etag for row in fresh}
            if fresh:
                yield [(_key(row), kept(tenant, _key(row), exported(row))) for row in fresh]
            token = page.token
            if token is None:
                break
        if len(told) == before:
            return
        since = begun


def _key(row: Row) -> str:
    return str(row.properties["RowKey"])
