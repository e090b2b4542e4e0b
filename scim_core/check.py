"""`python -m scim_core.check`: whether a tenant's rows are as they must be. With --repair, they are afterwards."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from tqdm import tqdm

from scim_core.settings import SettingsError, StorageSettings
from scim_core.storage import StorageError
from scim_core.tables import table_storage
from scim_core.tables.checking import check, repair
from scim_core.tables.invariants import Finding
from scim_core.tables.rows import Rows

CLEAN, BROKEN, UNUSABLE = 0, 1, 2
"""Exit codes: nothing to mend (any more), something left, not checked."""


def main(arguments: Sequence[str]) -> int:
    """The exit code; what was found is printed, a line each, and how far the check is goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m scim_core.check", description=__doc__)
    parser.add_argument("--tenant", default="default", help="the tenant to check (default: %(default)s)")
    parser.add_argument("--repair", action="store_true", help="mend what is found")
    options = parser.parse_args(arguments)
    try:
        settings = StorageSettings.from_environment(os.environ)
        return asyncio.run(_run(settings, options.tenant, mend=options.repair))
    except (SettingsError, StorageError) as error:
        print(f"check: {error}", file=sys.stderr)
        return UNUSABLE


async def _run(settings: StorageSettings, tenant: str, *, mend: bool) -> int:
    storage = table_storage(settings)
    try:
        with tqdm(desc=f"rows of {tenant}", unit=" rows", disable=None) as bar:
            checked = await check(storage.rows, tenant, bar.update)
        left = await _mended(storage.rows, tenant, checked.findings) if mend else checked.findings
    finally:
        await storage.close()
    for finding in left:
        print(finding)
    print(
        f"{checked.rows} rows of the tenant {tenant} were examined. {_summary(len(checked.findings), left, mend=mend)}"
    )
    return BROKEN if left else CLEAN


async def _mended(rows: Rows, tenant: str, found: Sequence[Finding]) -> list[Finding]:
    """What could not be mended. One repair may mend or show another finding, so the rows are checked once more."""
    for finding in tqdm(found, desc="repairs", disable=None):
        if await repair(rows, tenant, finding):
            print(f"mended: {finding}")
    return (await check(rows, tenant)).findings if found else []


def _summary(found: int, left: Sequence[Finding], *, mend: bool) -> str:
    if not found:
        return "Every invariant holds."
    if not mend:
        return f"{found} break an invariant; --repair mends them."
    return f"{found} broke an invariant; {len(left)} still do."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
