"""The registry's backup: its audit chain goes with it, and a restore writes over nothing that is there."""

import itertools
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from scim_core.access.administration import Administration
from scim_core.access.credential_plans import Issued, Wanted
from scim_core.audit_records import AuditEntry, ChainCheck
from scim_core.chosen_schemas import ChosenSchemas
from scim_core.registry import CredentialKind, Moved
from scim_core.storage.maintenance.archive import read
from scim_core.storage.maintenance.exporting import export
from scim_core.storage.maintenance.import_plan import ImportPlan
from scim_core.storage.maintenance.importing import PROGRESS_ROW, NotEmpty, NotRestored, restore
from scim_core.storage.port import StorageBusy, VersionConflict
from scim_core.storage.tables import TableRegistry, keys
from scim_core.storage.tables.keys import REGISTRY, SWEEP
from scim_core.storage.tables.row_operations import RowOperation, Verb
from scim_core.storage.tables.rows import Rows
from tests.faults.disturbed_rows import Death, Fault, FaultyRows, MortalRows, ProcessDied
from tests.faults.test_registry_interleavings import IntrudedRows
from tests.memory_rows import MemoryRows
from tests.scim import ENTERPRISE, Clock
from tests.tenancy import administration_of
from tests.transfer.conftest import Directory, also_over_azurite
from tests.transfer.test_interruptions import now
from tests.wrapped_rows import WrappedRows


def administration(rows: Rows) -> Administration:
    async def pause(_: float) -> None:
        """Nobody waits."""

    return administration_of(TableRegistry(rows), Clock(), pause)


async def registered(rows: Rows, name: str = "Contoso") -> Issued:
    tenant = await administration(rows).create_tenant(name)
    return await administration(rows).create_credential(tenant.id, Wanted(CredentialKind.TOKEN, f"of {name}"))


async def audited(directory: Directory) -> list[dict[str, Any]]:
    done = await directory.run("--json", "audit")
    assert done.returncode == 0, done.stderr
    assert (await directory.run("audit", "--verify")).returncode == 0
    return [json.loads(line) for line in done.stdout.splitlines()]


async def tenant_ids(rows: Rows) -> list[str]:
    return [tenant.id async for tenant in TableRegistry(rows).tenants()]


@also_over_azurite
async def test_a_restored_registry_has_its_tenants_and_its_chain_which_goes_on(
    directory: Callable[[], Directory], file: Path
) -> None:
    before, after = directory(), directory()
    issued = await registered(before.rows)
    await administration(before.rows).revoke("contoso", issued.credential.id)
    old = await audited(before)
    assert (await before.run("export", file, "--tenant", REGISTRY)).returncode == 0
    imported = await after.run("import", file, "--revoked", "as-in-file")
    assert imported.returncode == 0, imported.stderr
    [*chain, restored] = await audited(after)
    assert chain == old
    assert (restored["event"], restored["method"], restored["tenant"]) == ("registry restored", "import", REGISTRY)
    found = await TableRegistry(after.rows).load("contoso")
    assert found is not None
    assert [bool(item.revoked) for item in found.credentials] == [True]
    await administration(after.rows).suspend("contoso")
    assert (await audited(after))[-1]["event"] == "tenant suspended"


async def test_what_a_tenant_was_allowed_and_denied_is_restored(directory: Callable[[], Directory], file: Path) -> None:
    source, target = directory(), directory()
    await registered(source.rows)
    chosen = ChosenSchemas().allowing(["Device"]).denying([ENTERPRISE])
    await administration(source.rows).choose_schemas("contoso", "schemas test", lambda _: chosen)
    assert (await source.run("export", file, "--tenant", REGISTRY)).returncode == 0
    assert (await target.run("import", file, "--revoked", "as-in-file")).returncode == 0
    assert (await administration(target.rows).tenant("contoso")).schemas == chosen


async def test_a_chain_that_is_there_goes_on_and_the_one_in_the_file_is_left_out(
    directory: Callable[[], Directory], file: Path
) -> None:
    before, after = directory(), directory()
    await registered(before.rows)
    await before.run("export", file, "--tenant", REGISTRY)
    await registered(after.rows, "Fabrikam")
    await administration(after.rows).delete("fabrikam", lambda _: None)
    there = await audited(after)
    imported = await after.run("import", file, "--revoked", "as-in-file")
    assert imported.returncode == 0, imported.stderr
    assert [item["event"] for item in (await audited(after))[len(there) :]] == ["registry restored"]
    assert (await audited(after))[: len(there)] == there
    assert await tenant_ids(after.rows) == ["contoso"]


async def test_a_registry_with_tenants_is_not_restored_into(directory: Callable[[], Directory], file: Path) -> None:
    here = directory()
    issued = await registered(here.rows)
    await here.run("export", file, "--tenant", REGISTRY)
    await administration(here.rows).revoke("contoso", issued.credential.id)
    await registered(here.rows, "Fabrikam")
    there = await audited(here)
    done = await here.run("import", file)
    assert "is not empty" in done.stderr
    found = await TableRegistry(here.rows).load("contoso")
    assert found is not None
    assert found.credentials[0].revoked
    assert await audited(here) == there


async def test_an_import_of_a_directory_is_recorded_with_its_begin_and_its_end_or_failure(
    directory: Callable[[], Directory], file: Path
) -> None:
    before, after = directory(), directory()
    await before.client.user("ann@example.com")
    await before.run("export", file)
    for _ in range(2):
        await after.run("import", file, "--tenant", "contoso")
    await (after.client).user("bob@example.com")
    await after.run("import", file)
    found = [(item["event"], item["outcome"], item["tenant"]) for item in await audited(after)]
    whole = [("import began", "began", "contoso"), ("import ended", "done", "contoso")]
    assert found == [*whole, *whole, ("import began", "began", "default"), ("import failed", "failed", "default")]


@pytest.mark.parametrize(("exported", "target"), [(REGISTRY, "contoso"), ("default", REGISTRY)])
async def test_the_registry_is_restored_as_such_and_nothing_else_is(
    directory: Callable[[], Directory], file: Path, exported: str, target: str
) -> None:
    before, after = directory(), directory()
    await registered(before.rows)
    await before.client.user()
    await before.run("export", file, "--tenant", exported)
    done = await after.run("import", file, "--tenant", target)
    assert "The registry is restored as :registry" in done.stderr
    assert await after.rows.partition_after("") is None


AN_ENTRY = AuditEntry(*["restored"] * 15)


async def backup() -> list[bytes]:
    source = MemoryRows()
    for name in ("Contoso", "Fabrikam"):
        await registered(source, name)
    return [line async for line in export(source, REGISTRY, now)]


async def restored(lines: list[bytes], rows: Rows) -> int:
    return await restore(rows, REGISTRY, ImportPlan.of(read(lines)), "digest", lambda: read(lines), entries=[AN_ENTRY])


async def events(rows: Rows) -> list[str]:
    return [record.text("event") async for record in TableRegistry(rows).audit_records()]


OLD_EVENTS = ["tenant created", "credential created"] * 2


async def test_nothing_is_restored_among_the_rows_of_the_service_itself(
    directory: Callable[[], Directory], file: Path
) -> None:
    source = directory()
    await source.client.user("ann@example.com")
    await source.run("export", file)
    target = directory()
    done = await target.run("import", file, "--tenant", SWEEP)
    assert (done.returncode, ":pending is no tenant" in done.stderr) == (2, True), done.stderr
    assert (await target.rows.page(SWEEP, keys.everything())).rows == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("has_chain", [False, True])
async def test_a_restore_that_dies_at_any_call_is_finished_by_the_next_and_recorded_once(
    has_chain: bool, after: bool
) -> None:
    lines = await backup()
    for call in itertools.count():
        rows, death = MemoryRows(), Death(call, after)
        if has_chain:
            await TableRegistry(rows).append([AuditEntry(*["there"] * 15)])
        with suppress(ProcessDied):
            await restored(lines, MortalRows(rows, death))
        if not death.dead:
            break
        if "restored" not in await events(rows):
            await restored(lines, rows)
        assert await events(rows) == ["there", "restored"] if has_chain else [*OLD_EVENTS, "restored"]
        assert await tenant_ids(rows) == ["contoso", "fabrikam"]
    assert call > 5


async def test_a_restore_whose_answers_are_lost_is_whole() -> None:
    lines, rows = await backup(), MemoryRows()
    await restored(lines, FaultyRows(rows, lambda _, before: None if before else Fault.RESET))
    assert await events(rows) == [*OLD_EVENTS, "restored"]


class Contended(WrappedRows):
    """Rows on which the transaction that ends an import always meets another one."""

    async def transact(self, tenant: str, operations: Sequence[RowOperation], **options: Any) -> list[str]:
        if any(item.verb is Verb.DELETE and item.key == PROGRESS_ROW for item in operations):
            raise VersionConflict
        return await super().transact(tenant, operations, **options)


async def test_a_restore_whose_end_is_always_overtaken_is_finished_by_the_next() -> None:
    lines, rows = await backup(), MemoryRows()
    with pytest.raises(StorageBusy):
        await restored(lines, Contended(rows))
    await restored(lines, rows)
    assert await events(rows) == [*OLD_EVENTS, "restored"]


async def test_a_record_of_something_else_does_not_stop_a_restore_for_good() -> None:
    """Another operator restores a directory at the same time. Its record may have the number of one in the file."""
    lines = await backup()
    outcomes = set[str]()
    for call in itertools.count():
        rows, outcome = MemoryRows(), list[str]()

        async def append(rows: Rows = rows, outcome: list[str] = outcome) -> None:
            try:
                await TableRegistry(rows).append([AuditEntry(*["there"] * 15)])
            except Moved as moved:
                outcome.append(str(moved))

        intruded = IntrudedRows(rows, call, append)
        with suppress(NotEmpty):
            await restored(lines, intruded)
        await restored(lines, rows)
        assert await tenant_ids(rows) == ["contoso", "fabrikam"]
        await require_good_chain(rows)
        outcomes |= set(outcome)
        if not intruded.has_happened:
            break
    assert outcomes == {"The registry is being restored from a file. Finish that import first: run it again."}


async def require_good_chain(rows: Rows) -> None:
    registry = TableRegistry(rows)
    check = ChainCheck(await registry.audit_end())
    faults = [fault async for record in registry.audit_records() for fault in check.follow(record)]
    assert [*faults, *check.end()] == []


async def test_a_restore_never_writes_over_what_an_operator_does_at_the_same_time() -> None:
    lines = await backup()
    for call in itertools.count():
        rows = MemoryRows()

        async def revoke_or_create(rows: Rows = rows) -> None:
            tenant = await TableRegistry(rows).load("contoso")
            if tenant is None:
                with suppress(Moved):
                    await registered(rows)
            else:
                await administration(rows).revoke("contoso", tenant.credentials[0].id)

        intruded = IntrudedRows(rows, call, revoke_or_create)
        try:
            await restored(lines, intruded)
        except (NotEmpty, NotRestored):
            assert "restored" not in await events(rows)
            assert (await events(rows)).count("tenant created") in (1, 3), "an operator has created a tenant"
        else:
            assert "restored" in await events(rows)
        if not intruded.has_happened:
            break
        tenant = await TableRegistry(rows).load("contoso")
        assert tenant is not None
        done = await events(rows)
        revoked = "credential revoked" in done
        assert [bool(item.revoked) for item in tenant.credentials] == [revoked]
    assert call > 3
