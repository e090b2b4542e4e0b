"""`admin export`: a tenant's directory as a file, which `admin import` restores."""

import os
from argparse import Namespace
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from scim_core.admin.known_tenant import require_known
from scim_core.admin.private_files import open_private
from scim_core.clock import utc_now
from scim_core.settings import StorageSettings
from scim_core.storage.maintenance.archive import ArchiveError, is_trailer, parse_header, parse_row
from scim_core.storage.maintenance.exporting import Resumed, export
from scim_core.storage.maintenance.signing import BackupKey, lines_of
from scim_core.storage.tables import table_rows
from scim_core.storage.tables.rows import Rows

_UNSIGNED = "It is not signed, because SCIM_BACKUP_KEY is not set. `import` takes it only with --unsigned."


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. The file gets its name when it is complete. Until then it is FILE.part.

    Raises ArchiveError, Gone, StorageError, OSError.
    """
    key: BackupKey | None = given.backup_key
    count = await _export(settings, given.tenant, given.file, key)
    print(f"{count} rows of the tenant {given.tenant} are in {given.file} ({given.file.stat().st_size} bytes).")
    print(f"The file is signed with the key {key.id}." if key else _UNSIGNED)
    return 0


async def _export(settings: StorageSettings, tenant: str, file: Path, key: BackupKey | None) -> int:
    """How many rows are in the file."""
    part = file.with_name(f"{file.name}.part")
    _require_new(file)
    rows = table_rows(settings)
    try:
        await require_known(rows, tenant)
        with open_private(part) as output:
            resumed = resume(output, part, tenant, key)
            count = await _written(rows, tenant, key, resumed, output)
            output.flush()
            os.fsync(output.fileno())
    finally:
        await rows.close()
    part.rename(file)
    return count


async def _written(rows: Rows, tenant: str, key: BackupKey | None, resumed: Resumed | None, output: BinaryIO) -> int:
    with tqdm(desc=f"rows of {tenant}", unit=" rows", disable=None) as bar:
        done = resumed.walked if resumed else 0
        bar.update(done)
        counted = _Count(done, bar)
        async with aclosing(export(rows, tenant, utc_now, key=key, progress=counted.add, resumed=resumed)) as lines:
            async for line in lines:
                output.write(line)
        return counted.rows


def _require_new(file: Path) -> None:
    if file.exists():
        raise ArchiveError(f"{file} exists already. Name another file.")


class _Count:
    """Counts rows, and moves the progress bar. The bar itself does not count when it is switched off."""

    def __init__(self, rows: int, bar: "tqdm[None]") -> None:
        self.rows = rows
        self._bar = bar

    def add(self, rows: int) -> None:
        self.rows += rows
        self._bar.update(rows)


def resume(file: BinaryIO, part: Path, tenant: str, key: BackupKey | None = None) -> Resumed | None:
    """Where the export that wrote this file can continue. An incomplete last line is cut off, and the trailer: rows
    may have changed since. None for an empty file.

    Raises ArchiveError for a file of another tenant or with another key, or a file that no export wrote.
    """
    resumed: Resumed | None = None
    end = 0
    file.seek(0)
    for number, line in enumerate(lines_of(file)):
        if not line.endswith(b"\n") or is_trailer(line):
            break
        if resumed is None:
            header = parse_header(line)
            if header.tenant != tenant:
                raise ArchiveError(f"{part} belongs to the tenant {header.tenant}. Name another file.")
            resumed = Resumed(header, key)
        elif not (row := parse_row(line, number)).again:
            resumed.after = row.key
            resumed.walked += 1
        resumed.writer.again(line)
        end += len(line)
    file.truncate(end)
    return resumed
