"""`python -m scim_core.import`: restores a tenant's directory from a file that `python -m scim_core.export` wrote."""

import argparse
import asyncio
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from scim_core.settings import SettingsError, StorageSettings
from scim_core.storage import StorageError
from scim_core.tables.archive import ArchiveError, Header, Line, read
from scim_core.tables.client import connect
from scim_core.tables.import_plan import Plan
from scim_core.tables.importing import restore
from scim_core.tables.rows import Rows

RESTORED, UNUSABLE = 0, 2
"""Exit codes: all that the file holds is stored, or not."""


def main(arguments: Sequence[str]) -> int:
    """The exit code. The file is read whole, and checked, before anything is written."""
    parser = argparse.ArgumentParser(prog="python -m scim_core.import", description=__doc__)
    parser.add_argument("file", type=Path, help="what an export wrote")
    parser.add_argument("--tenant", help="the empty tenant to restore into (default: the one that was exported)")
    options = parser.parse_args(arguments)
    try:
        settings = StorageSettings.from_environment(os.environ)
        plan = _plan(options.file)
        tenant = options.tenant or plan.tenant
        count = asyncio.run(_run(settings, tenant, options.file, plan))
    except (SettingsError, StorageError, ArchiveError, OSError) as error:
        print(f"import: {error}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("import: interrupted; the same command continues it.", file=sys.stderr)
        return UNUSABLE
    print(f"{count} rows of {options.file} are the tenant {tenant}, and were read again and compared.")
    _tell(plan)
    return RESTORED


def _plan(file: Path) -> Plan:
    with tqdm(desc="reading", unit=" rows", disable=None) as bar:
        return Plan.of(_noted(_read(file), bar))


async def _run(settings: StorageSettings, tenant: str, file: Path, plan: Plan) -> int:
    digest = _digest(file)
    rows = Rows(partial(connect, settings))
    try:
        with tqdm(desc=f"rows of {tenant}", total=plan.lines, unit=" rows", disable=None) as bar:
            return await restore(rows, tenant, plan, digest, partial(_read, file), progress=bar.update)
    finally:
        await rows.close()


def _read(file: Path) -> Iterator[Header | Line]:
    with file.open("rb") as lines:
        yield from read(lines)


def _noted(content: Iterator[Header | Line], bar: "tqdm[None]") -> Iterator[Header | Line]:
    for item in content:
        bar.update()
        yield item


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _tell(plan: Plan) -> None:
    if plan.replaced:
        print(f"{plan.replaced} rows had changed while the export ran: their last state was taken.")
    if plan.dangling:
        print(f"{plan.dangling} memberships were left out, for one of their ends is not in the file.")
    for key in plan.overtaken:
        print(f"{key} was left out: another resource has its unique value since.")
    for head in plan.pending():
        what = f"{head.resource_type} {head.resource_id}"
        print(f"A large change of {what} was not finished when it was exported; it is now.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
