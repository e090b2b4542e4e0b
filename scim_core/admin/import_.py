"""`admin import`: restores a tenant's directory from a file that `admin export` wrote."""

import hashlib
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from scim_core.access.audit_trail import Deed
from scim_core.admin.declared import declared_indexes
from scim_core.audit_records import AuditEntry
from scim_core.settings import StorageSettings, require_table_name
from scim_core.storage.maintenance.archive import ArchiveError, Header, Line, read
from scim_core.storage.maintenance.import_plan import ImportPlan
from scim_core.storage.maintenance.importing import restore
from scim_core.storage.maintenance.indexing import Declared
from scim_core.storage.maintenance.revocations import FileRegistry, Revocations, Revoked, revocations
from scim_core.storage.maintenance.signing import BackupKey, lines_of, verify
from scim_core.storage.tables import directory_rows, table_rows
from scim_core.storage.tables.keys import REGISTRY, SWEEP


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. The whole file is verified, read and checked before the first row is written.

    Raises ArchiveError, DefinitionError, SettingsError, StorageError, OSError.
    """
    if given.registry_of:
        require_table_name("--registry-of", given.registry_of)
    verified = _verified(given.file, given.backup_key, unsigned=given.unsigned)
    plan = _plan(given.file, verified, declared_indexes(given.schemas))
    tenant = given.tenant or plan.tenant
    if (tenant == REGISTRY) != (plan.tenant == REGISTRY):
        raise ArchiveError("The registry is restored as :registry, and nothing else is. Leave out --tenant.")
    if tenant == SWEEP:
        raise ArchiveError(
            f"{SWEEP} is no tenant: the service itself keeps rows there. Name another one with --tenant."
        )
    digest = _digest(given.file)
    if tenant == REGISTRY:  # its own record is in the transaction that ends the import
        plan.revocations = await _revocations(given, settings, verified)
        digest = f"{digest} {given.revoked} {given.registry_of}"  # with other options it is another import
        async with given.trail.concluding(Deed("registry restored", "import", tenant)) as entry:
            count = await _restored(settings, tenant, partial(_read, given.file, verified), digest, plan, entry)
    else:
        async with given.trail.recorded("import", "import", tenant):
            count = await _restored(settings, tenant, partial(_read, given.file, verified), digest, plan)
    print(f"{count} rows of {given.file} are now the tenant {tenant}. They were read again and compared.")
    _tell(plan)
    return 0


def _verified(file: Path, key: BackupKey | None, *, unsigned: bool) -> str:
    """The digest of the file's content. Raises ArchiveError for a file that nothing proves, unless it may be unsigned.

    Then a warning says so.
    """
    with file.open("rb") as content:
        verified = verify(lines_of(content), key, unsigned=unsigned)
    if verified.doubt:
        warning = f"WARNING {verified.doubt} Whoever could write to it decides what is restored."
        print(warning, file=sys.stderr)
    whose = f"the tenant {verified.header.tenant}, begun {verified.header.started[:16]}Z"
    print(f"{file} is an export of {whose}, {'with a good signature' if verified.digest else 'unproven'}.")
    return verified.digest


def _plan(file: Path, verified: str, declared: Declared) -> ImportPlan:
    with tqdm(desc="reading", unit=" rows", disable=None) as bar:
        return ImportPlan.of(_noted(_read(file, verified), bar), declared)


async def _revocations(given: Namespace, settings: StorageSettings, verified: str) -> Revocations:
    """What becomes of the credentials in the file. Raises NotKnown, StorageError."""
    file = FileRegistry.of(_read(given.file, verified))
    target = table_rows(settings)
    other = directory_rows(replace(settings, table_name=given.registry_of)) if given.registry_of else None
    try:
        return await revocations(file, target, other, Revoked(given.revoked))
    finally:
        await target.close()
        if other is not None:
            await other.close()


async def _restored(
    settings: StorageSettings,
    tenant: str,
    lines: Callable[[], Iterator[Header | Line]],
    digest: str,
    plan: ImportPlan,
    *entries: AuditEntry,
) -> int:
    rows = table_rows(settings)
    try:
        with tqdm(desc=f"rows of {tenant}", total=plan.lines, unit=" rows", disable=None) as bar:
            return await restore(rows, tenant, plan, digest, lines, progress=bar.update, entries=entries)
    finally:
        await rows.close()


def _read(file: Path, verified: str) -> Iterator[Header | Line]:
    with file.open("rb") as content:
        yield from read(lines_of(content), verified)


def _noted(content: Iterator[Header | Line], bar: "tqdm[None]") -> Iterator[Header | Line]:
    for item in content:
        bar.update()
        yield item


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _tell(plan: ImportPlan) -> None:
    for said in plan.revocations.told:
        print(said)
    if plan.replaced:
        print(f"{plan.replaced} rows had changed while the export ran: their last state was taken.")
    if plan.dangling:
        print(f"{plan.dangling} memberships were left out: the file lacks their group or their member.")
    for key in plan.overtaken:
        print(f"{key} was left out: another resource now has its unique value.")
    for conflict in plan.conflicts:
        print(f"{conflict}. The index is not complete. Change one of them, then run `admin reindex`.")
    for change in plan.pending():
        what = f"{change.resource_type} {change.resource_id}"
        print(f"A large change of {what} was not finished when it was exported. It is finished now.")
