"""`admin check`: whether a tenant's rows are as they must be. With --repair, they are afterwards."""

from argparse import Namespace
from collections.abc import Sequence

from tqdm import tqdm

from scim_core.settings import StorageSettings
from scim_core.storage.maintenance.checking import check, repair
from scim_core.storage.maintenance.invariants import Finding
from scim_core.storage.tables import table_rows
from scim_core.storage.tables.rows import Rows

CLEAN, BROKEN = 0, 1
"""Exit codes: nothing to mend (any more), something left."""


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code; what was found is printed, a line each, and how far the check is goes to standard error.

    Raises StorageError.
    """
    tenant, mend = given.tenant, given.repair
    rows = table_rows(settings)
    try:
        with tqdm(desc=f"rows of {tenant}", unit=" rows", disable=None) as bar:
            checked = await check(rows, tenant, bar.update)
        left = await _mended(rows, tenant, checked.findings) if mend else checked.findings
    finally:
        await rows.close()
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
