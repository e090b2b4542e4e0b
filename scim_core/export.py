"""`python -m scim_core.export`: a tenant's directory as a file, which `python -m scim_core.import` restores."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from scim_core.settings import SettingsError, StorageSettings
from scim_core.storage import StorageError
from scim_core.tables.archive import ArchiveError, parse_header, parse_row
from scim_core.tables.client import connect
from scim_core.tables.exporting import ExportRows, Resumed, export

EXPORTED, UNUSABLE = 0, 2
"""Exit codes: the file is whole, or there is none."""


def main(arguments: Sequence[str]) -> int:
    """The exit code. The file appears under its name when it is whole; until then it is FILE.part."""
    parser = argparse.ArgumentParser(prog="python -m scim_core.export", description=__doc__)
    parser.add_argument("file", type=Path, help="the file to write; FILE.part of an interrupted export is continued")
    parser.add_argument("--tenant", default="default", help="the tenant to export (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        settings = StorageSettings.from_environment(os.environ)
        count = _export(settings, options.tenant, options.file)
    except (SettingsError, StorageError, ArchiveError, OSError) as error:
        print(f"export: {error}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("export: interrupted; the same command continues it.", file=sys.stderr)
        return UNUSABLE
    print(f"{count} rows of the tenant {options.tenant} are in {options.file} ({options.file.stat().st_size} bytes).")
    return EXPORTED


def _export(settings: StorageSettings, tenant: str, file: Path) -> int:
    """How many rows are in the file."""
    if file.exists():
        raise ArchiveError(f"{file} is there already: name another file.")
    part = file.with_name(f"{file.name}.part")
    resumed = resume(part, tenant)
    with part.open("ab") as output:
        count = asyncio.run(_run(settings, tenant, resumed, output))
        output.flush()
        os.fsync(output.fileno())
    part.rename(file)
    return count


async def _run(settings: StorageSettings, tenant: str, resumed: Resumed | None, output: BinaryIO) -> int:
    rows = ExportRows(partial(connect, settings))
    try:
        with tqdm(desc=f"rows of {tenant}", unit=" rows", disable=None) as bar:
            done = resumed.walked if resumed else 0
            bar.update(done)
            counted = _Count(done, bar)
            async with aclosing(export(rows, tenant, _now, progress=counted.add, resumed=resumed)) as lines:
                async for line in lines:
                    output.write(line)
            return counted.rows
    finally:
        await rows.close()


class _Count:
    """Counts rows, beside the bar, which counts nothing where nobody looks at it."""

    def __init__(self, rows: int, bar: "tqdm[None]") -> None:
        self.rows = rows
        self._bar = bar

    def add(self, rows: int) -> None:
        self.rows += rows
        self._bar.update(rows)


def resume(part: Path, tenant: str) -> Resumed | None:
    """Where the export stands that wrote this file, whose half last line is cut off; None where there is nothing.

    Raises ArchiveError for the file of another tenant, or of no export.
    """
    if not part.exists():
        return None
    with part.open("rb+") as file:
        resumed: Resumed | None = None
        end = 0
        for number, line in enumerate(file):
            if not line.endswith(b"\n"):
                break
            if resumed is None:
                header = parse_header(line)
                if header.tenant != tenant:
                    raise ArchiveError(f"{part} is of the tenant {header.tenant}: name another file.")
                resumed = Resumed(header)
            elif not (row := parse_row(line, number)).again:
                resumed.after = row.key
                resumed.walked += 1
            resumed.writer.again(line)
            end += len(line)
        file.truncate(end)
    return resumed


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
