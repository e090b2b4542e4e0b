"""`admin check`: whether a tenant's rows are correct. With --repair, it corrects them."""

from argparse import Namespace
from collections.abc import Sequence

from tqdm import tqdm

from scim_core.admin.declared import declared_indexes
from scim_core.admin.known_tenant import require_known
from scim_core.settings import StorageSettings
from scim_core.storage.maintenance.checking import check, repair
from scim_core.storage.maintenance.indexing import Declared
from scim_core.storage.maintenance.invariants import Finding
from scim_core.storage.tables import table_rows
from scim_core.storage.tables.rows import Rows

CLEAN, BROKEN = 0, 1
"""Exit codes: every invariant holds, something is left."""


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. Each finding is printed on a line. The progress goes to standard error.

    Raises DefinitionError, Gone, StorageError.
    """
    tenant, mend = given.tenant, given.repair
    declared = declared_indexes(given.schemas)
    rows = table_rows(settings)
    try:
        await require_known(rows, tenant)
        with tqdm(desc=f"rows of {tenant}", unit=" rows", disable=None) as bar:
            checked = await check(rows, tenant, bar.update, declared)
        left = checked.findings
        if mend and left:
            async with given.trail.recorded("repair", "check --repair", tenant):
                left = await _mended(rows, tenant, left, declared)
    finally:
        await rows.close()
    for finding in left:
        print(finding)
    print(
        f"{checked.rows} rows of the tenant {tenant} were examined. {_summary(len(checked.findings), left, mend=mend)}"
    )
    return BROKEN if left else CLEAN


async def _mended(rows: Rows, tenant: str, found: Sequence[Finding], declared: Declared) -> list[Finding]:
    """What could not be repaired. A repair can solve or uncover another finding, so the rows are checked again."""
    for finding in tqdm(found, desc="repairs", disable=None):
        if await repair(rows, tenant, finding, declared):
            print(f"mended: {finding}")
    return (await check(rows, tenant, declared=declared)).findings


def _summary(found: int, left: Sequence[Finding], *, mend: bool) -> str:
    if not found:
        return "Every invariant holds."
    if not mend:
        return f"{found} break an invariant. --repair corrects them."
    return f"{found} broke an invariant. {len(left)} still do."
