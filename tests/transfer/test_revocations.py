"""A credential that was revoked after an export does not open again by a restore, unless the operator asks for that."""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from scim_core.access.administration import Administration
from scim_core.access.credential_plans import Wanted
from scim_core.access.token_format import digest
from scim_core.audit_records import AuditEntry
from scim_core.registry import Access, Credential, CredentialKind, Tenant
from scim_core.storage.maintenance.archive import Header, Line, parse_header, parse_row, read
from scim_core.storage.maintenance.exporting import export
from scim_core.storage.maintenance.import_plan import ImportPlan
from scim_core.storage.maintenance.importing import HalfRestored, restore
from scim_core.storage.maintenance.revocations import FileRegistry, NotKnown, Revoked, revocations
from scim_core.storage.tables import TableRegistry, keys
from scim_core.storage.tables.keys import REGISTRY, KeyRange
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows
from tests.commands import Done, run_here
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.faults.test_registry_interleavings import IntrudedRows
from tests.memory_rows import MemoryRows
from tests.scim import Clock
from tests.tenancy import APPLICATION, ENTRA_TENANT, SUBJECT, Service, administration_of, settings
from tests.transfer.test_interruptions import now
from tests.transfer.test_restored_registry import registered, require_good_chain

KEPT = ("audit", "audit.end")
AN_ENTRY = AuditEntry(*["restored"] * 15)


class Backup:
    """A registry with a tenant that has a token and a client with two secrets, and an export of it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rows = MemoryRows()
        self.clock = Clock()

    async def make(self) -> None:
        self.token = await registered(self.rows)
        one = await self._create(Wanted(CredentialKind.SECRET, "one"))
        self.one, self.two = one, await self._create(Wanted(CredentialKind.SECRET, "two", client_id=one.client_id))
        await self.export()

    async def _create(self, wanted: Wanted) -> Credential:
        return (await self.administration().create_credential("contoso", wanted)).credential

    def administration(self, rows: Rows | None = None) -> Administration:
        async def pause(_: float) -> None:
            """Nobody waits."""

        return administration_of(TableRegistry(rows or self.rows), self.clock, pause)

    async def export(self) -> None:
        self.file.unlink(missing_ok=True)
        done = await run_here(self.rows, "export", self.file, "--tenant", REGISTRY)
        assert done.returncode == 0, done.stderr

    async def lost(self) -> MemoryRows:
        """What is left of the registry when its tenants are lost: the audit chain."""
        left = MemoryRows()
        page = await self.rows.page(REGISTRY, keys.everything())
        for row in page.rows:
            key = row.properties["RowKey"]
            if keys.kind_of(key) in KEPT:
                values = {name: item for name, item in row.properties.items() if name not in ("PartitionKey", "RowKey")}
                await left.transact(REGISTRY, [RowOperation(Verb.INSERT, Role.OTHER, key, values)])
        return left

    async def restored(self, target: Rows, *given: str, other: Rows | None = None) -> Done:
        tables = {"scim": target} | ({"other": other} if other else {})
        return await run_here(tables, "import", self.file, *given, *(["--registry-of", "other"] if other else []))


@pytest.fixture
async def backup(tmp_path: Path) -> Backup:
    made = Backup(tmp_path / "registry.ndjson")
    await made.make()
    return made


async def contoso(rows: Rows) -> Tenant:
    found = await TableRegistry(rows).load("contoso")
    assert found is not None
    return found


async def pointers(rows: Rows) -> set[str]:
    return {row.properties["RowKey"] for row in (await rows.page(REGISTRY, KeyRange("pointer:", "pointer;"))).rows}


async def open_credentials(rows: Rows) -> set[str]:
    return {item.label for item in (await contoso(rows)).credentials if not item.revoked}


ENDINGS: dict[str, Callable[[Backup], Awaitable[object]]] = {
    "revoked": lambda backup: backup.administration().revoke("contoso", backup.one.id),
    "removed": lambda backup: backup.administration().remove("contoso", backup.one.id),
}


@pytest.mark.parametrize("elsewhere", [False, True], ids=["the chain that is there", "another table"])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_credential_that_ended_after_the_export_stays_so(backup: Backup, ending: str, elsewhere: bool) -> None:
    await ENDINGS[ending](backup)
    target = MemoryRows() if elsewhere else await backup.lost()
    done = await backup.restored(target, other=backup.rows if elsewhere else None)
    assert done.returncode == 0, done.stderr
    assert f"Credential contoso {backup.one.id} (one) was revoked or removed on" in done.stdout
    assert "It stays so." in done.stdout
    assert await open_credentials(target) == {"of Contoso", "two"}
    assert {item.label for item in (await contoso(target)).credentials} == {"of Contoso", "one", "two"}
    await require_good_chain(target)
    again = await backup.restored(target, other=backup.rows if elsewhere else None)
    assert again.returncode == 0, again.stderr


async def test_it_can_be_left_out_with_its_pointer_unless_another_one_has_the_same(backup: Backup) -> None:
    await backup.administration().revoke("contoso", backup.one.id)
    await backup.administration().revoke("contoso", backup.token.credential.id)
    target = await backup.lost()
    done = await backup.restored(target, "--revoked", "leave-out")
    assert (done.returncode, done.stdout.count("It is left out.")) == (0, 2), done.stderr
    assert [item.label for item in (await contoso(target)).credentials] == ["two"]
    assert await pointers(target) == {keys.pointer(backup.two.pointer)}


CHANGES: dict[str, Callable[[Backup], Awaitable[object]]] = {
    "a change that changes nothing": lambda backup: backup.administration().change_credential(
        "contoso", backup.one.id, access=Access.WRITE, networks=None
    ),
    "networks that are taken away": lambda backup: backup.administration().change_credential(
        "contoso", backup.one.id, access=None, networks=["any"]
    ),
    "a rotation that does not end it sooner": lambda backup: backup.administration().rotate(
        "contoso", backup.one.id, timedelta(days=1000), Wanted(CredentialKind.SECRET)
    ),
    "a revocation of another one": lambda backup: backup.administration().revoke("contoso", backup.two.id),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_credential_that_did_not_end_is_restored_as_a_good_one(backup: Backup, change: str) -> None:
    await CHANGES[change](backup)
    target = await backup.lost()
    done = await backup.restored(target)
    assert (done.returncode, "one" in await open_credentials(target)) == (0, True), done.stderr
    assert f"{backup.one.id} (one) was revoked" not in done.stdout


@pytest.mark.parametrize("elsewhere", [False, True], ids=["the chain that is there", "another table"])
async def test_a_lower_access_and_networks_that_came_after_the_export_stay(backup: Backup, elsewhere: bool) -> None:
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    change = backup.administration().change_credential
    await change("contoso", backup.one.id, access=Access.READ, networks=networks)
    await change("contoso", backup.two.id, access=Access.READ, networks=networks)
    await change("contoso", backup.two.id, access=Access.WRITE, networks=["any"])
    target = MemoryRows() if elsewhere else await backup.lost()
    done = await backup.restored(target, other=backup.rows if elsewhere else None)
    said = (
        "(one) may only read and is for 192.0.2.0/24, 2001:db8::/32 only, as was decided after the export. It stays so."
    )
    assert (done.returncode, said in done.stdout) == (0, True), done.stdout
    found = [(item.label, item.access, item.networks) for item in (await contoso(target)).credentials]
    assert set(found) == {("of Contoso", "write", ""), ("one", "read", " ".join(networks)), ("two", "write", "")}


ACCESSES = [
    # in the file, decided after the export, restored
    (Access.FEED, Access.FEED, Access.FEED),
    (Access.FEED, Access.WRITE, Access.WRITE),
    (Access.FEED, Access.READ, Access.READ),
    (Access.WRITE, Access.FEED, Access.FEED),
    (Access.READ, Access.FEED, Access.FEED),
    (Access.READ, Access.WRITE, Access.READ),
]


@pytest.mark.parametrize(("was", "decided", "restored"), ACCESSES)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["the chain that is there", "another table"])
async def test_no_access_opens_again_that_was_taken_away_after_the_export(
    backup: Backup, was: Access, decided: Access, restored: Access, *, elsewhere: bool
) -> None:
    change = backup.administration().change_credential
    await change("contoso", backup.one.id, access=was, networks=None)
    await backup.export()
    await change("contoso", backup.one.id, access=decided, networks=None)
    target = MemoryRows() if elsewhere else await backup.lost()
    done = await backup.restored(target, other=backup.rows if elsewhere else None)
    assert done.returncode == 0, done.stderr
    [found] = [item for item in (await contoso(target)).credentials if item.label == "one"]
    assert found.access is restored
    assert ("(one) may" in done.stdout) is (restored is not was)


async def test_a_federation_that_is_left_out_does_not_keep_its_identity(backup: Backup) -> None:
    wanted = Wanted(CredentialKind.FEDERATION, entra_tenant=ENTRA_TENANT, subject=SUBJECT, audience=APPLICATION)
    federation = (await backup.administration().create_credential("contoso", wanted)).credential
    await backup.export()
    await backup.administration().revoke("contoso", federation.id)
    target = await backup.lost()
    await backup.restored(target, "--revoked", "leave-out")
    fabrikam = await backup.administration(target).create_tenant("Fabrikam")
    await backup.administration(target).create_credential(fabrikam.id, wanted)


@pytest.mark.parametrize("ending", ["suspended", "deleted"])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["the chain that is there", "another table"])
async def test_the_tenant_of_the_settings_stays_closed_although_the_file_does_not_know_it(
    backup: Backup, ending: str, elsewhere: bool
) -> None:
    await backup.administration().create_tenant("Default", "default")
    if ending == "suspended":
        await backup.administration().suspend("default")
    else:
        await backup.administration().delete("default", lambda _: None)
    target = MemoryRows() if elsewhere else await backup.lost()
    other = backup.rows if elsewhere else None
    done = await backup.restored(target, other=other)
    assert (done.returncode, f"Tenant default was {ending} on" in done.stdout) == (0, True), done.stderr
    service = Service(settings(SCIM_TOKEN_SHA256=digest("of the settings")), registry=TableRegistry(target))
    assert (await service.users("of the settings")).status == 403
    again = await backup.restored(target, other=other)
    assert again.returncode == 0, again.stderr


async def test_the_tenant_of_the_settings_is_open_if_it_was_opened_again(backup: Backup) -> None:
    administration = backup.administration()
    await administration.create_tenant("Default", "default")
    await administration.delete("default", lambda _: None)
    await administration.create_tenant("Default", "default", reopen=True)
    target = await backup.lost()
    await backup.restored(target)
    assert await TableRegistry(target).load("default") is None


async def test_the_credentials_of_the_tenant_of_the_settings_end_with_it(backup: Backup) -> None:
    await backup.administration().create_tenant("Default", "default")
    await backup.administration().create_credential("default", Wanted(CredentialKind.TOKEN, "old"))
    await backup.export()
    await backup.administration().delete("default", lambda _: None)
    target = await backup.lost()
    await backup.restored(target)
    found = await TableRegistry(target).load("default")
    assert found is not None
    assert (found.state, [bool(item.revoked) for item in found.credentials]) == ("suspended", [True])


async def test_a_record_that_somebody_has_broken_is_named(backup: Backup) -> None:
    await backup.administration().revoke("contoso", backup.one.id)
    target = await backup.lost()
    broken = RowOperation(Verb.MERGE, Role.OTHER, keys.audit_record(5), {"after": "{"})
    await target.transact(REGISTRY, [broken])
    done = await backup.restored(target)
    assert (done.returncode, "Record 5 of the audit trail cannot be read" in done.stderr) == (2, True), done.stderr
    assert (await backup.restored(target, "--revoked", "as-in-file")).returncode == 0


async def test_a_use_that_is_noted_at_the_same_time_does_not_stop_a_restore(backup: Backup) -> None:
    await backup.restored(MemoryRows(), other=backup.rows)
    await backup.administration().revoke("contoso", backup.one.id)
    target = MemoryRows()
    await backup.restored(target, "--revoked", "as-in-file")
    lines = await lines_of(backup)
    plan = await revocations(FileRegistry.of(read(lines)), target, backup.rows, Revoked.STAY)

    async def use() -> None:
        await TableRegistry(target).used("contoso", backup.one.id, "2027-01-01", "192.0.2.9")

    await plan.enforce(IntrudedRows(target, 1, use))
    found = (await contoso(target)).credential(backup.one.id)
    assert found is not None
    assert (bool(found.revoked), found.last_source) == (True, "192.0.2.9")


async def test_a_label_of_a_file_does_not_steer_the_terminal(backup: Backup) -> None:
    await backup.administration().revoke("contoso", backup.one.id)
    lines = [line.replace(b'"label":"one"', b'"label":"\\u001b[2Jone"') for line in await lines_of(backup)]
    plan = await revocations(FileRegistry.of(_read_unproven(lines)), MemoryRows(), backup.rows, Revoked.STAY)
    assert [said.isprintable() for said in plan.told] == [True]


def _read_unproven(lines: list[bytes]) -> Iterator[Header | Line]:
    yield parse_header(lines[0])
    for number, line in enumerate(lines[1:-1], start=1):
        yield parse_row(line, number)


async def test_it_opens_again_only_if_the_operator_asks_for_that_and_is_warned(backup: Backup) -> None:
    await backup.administration().revoke("contoso", backup.one.id)
    target = await backup.lost()
    done = await backup.restored(target, "--revoked", "as-in-file")
    assert (done.returncode, "WARNING It is as in the file again." in done.stdout) == (0, True), done.stderr
    assert await open_credentials(target) == {"of Contoso", "one", "two"}


async def test_a_suspension_and_an_expiry_that_came_after_the_export_stay(backup: Backup) -> None:
    await backup.administration().rotate("contoso", backup.one.id, timedelta(days=1), Wanted(CredentialKind.SECRET))
    await backup.administration().suspend("contoso")
    expected = (await contoso(backup.rows)).credential(backup.one.id)
    assert expected is not None
    target = await backup.lost()
    done = await backup.restored(target)
    assert "Tenant contoso was suspended on" in done.stdout, done.stderr
    assert f"Credential contoso {backup.one.id} (one) expires on" in done.stdout
    found = await contoso(target)
    assert found.state == "suspended"
    assert (found.credential(backup.one.id) or expected).expires == expected.expires


async def test_a_suspension_that_was_taken_back_is_none(backup: Backup) -> None:
    await backup.administration().suspend("contoso")
    await backup.administration().resume("contoso")
    target = await backup.lost()
    assert (await backup.restored(target)).returncode == 0
    assert (await contoso(target)).state == "active"


async def test_the_credentials_of_a_deleted_tenant_come_back_as_revoked_ones(backup: Backup) -> None:
    await backup.administration().delete("contoso", lambda _: None)
    target = await backup.lost()
    done = await backup.restored(target)
    assert (done.returncode, done.stdout.count("was revoked or removed")) == (0, 3), done.stderr
    assert await open_credentials(target) == set()


@pytest.mark.parametrize("choice", ["stay", "leave-out"])
async def test_where_nobody_knows_what_was_revoked_nothing_is_restored(backup: Backup, choice: str) -> None:
    foreign = MemoryRows()
    await registered(foreign, "Fabrikam")
    for target, other in ((MemoryRows(), None), (MemoryRows(), MemoryRows()), (MemoryRows(), foreign)):
        done = await backup.restored(target, "--revoked", choice, other=other)
        assert (done.returncode, "It is not known which credentials were revoked" in done.stderr) == (2, True)
        assert (await target.page(REGISTRY, keys.everything())).rows == []
    explicit = await backup.restored(MemoryRows(), "--revoked", "as-in-file")
    assert explicit.returncode == 0, explicit.stderr


async def test_an_export_of_version_0_2_needs_a_registry_with_tenants_that_knows(backup: Backup) -> None:
    """It holds no audit records. Of a credential that is gone, only that it is gone is known."""
    old = [line async for line in export(await _without_chain(backup.rows), REGISTRY, now)]
    backup.file.write_bytes(b"".join(old))
    await backup.administration().revoke("contoso", backup.one.id)
    await backup.administration().remove("contoso", backup.two.id)
    refused = await backup.restored(await backup.lost(), "--unsigned")
    assert (refused.returncode, "It is not known" in refused.stderr) == (2, True)
    target = MemoryRows()
    done = await backup.restored(target, "--unsigned", other=await _without_chain(backup.rows))
    assert (done.returncode, done.stdout.count("was revoked or removed")) == (0, 2), done.stderr
    assert await open_credentials(target) == {"of Contoso"}


async def _without_chain(rows: Rows) -> MemoryRows:
    left = MemoryRows()
    for row in (await rows.page(REGISTRY, keys.everything())).rows:
        key = row.properties["RowKey"]
        if keys.kind_of(key) not in KEPT:
            values = {name: item for name, item in row.properties.items() if name not in ("PartitionKey", "RowKey")}
            await left.transact(REGISTRY, [RowOperation(Verb.INSERT, Role.OTHER, key, values)])
    return left


async def test_only_what_happened_after_the_export_counts(backup: Backup) -> None:
    """The operator has restored it once, and wanted it open. A later export has it open, too."""
    await backup.administration().revoke("contoso", backup.one.id)
    target = await backup.lost()
    await backup.restored(target, "--revoked", "as-in-file")
    backup.rows = target
    await backup.export()
    again = await backup.lost()
    done = await backup.restored(again)
    assert (done.returncode, "one" in await open_credentials(again)) == (0, True), done.stderr


async def lines_of(backup: Backup) -> list[bytes]:
    return backup.file.read_bytes().splitlines(keepends=True)


async def restored(
    backup: Backup, target: Rows, known: Rows | None, choice: Revoked = Revoked.STAY, behind: Rows | None = None
) -> int:
    lines = await lines_of(backup)
    plan = ImportPlan.of(read(lines))
    plan.revocations = await revocations(FileRegistry.of(read(lines)), behind or target, known, choice)
    return await restore(target, REGISTRY, plan, str(choice), lambda: read(lines), entries=[AN_ENTRY])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("choice", [Revoked.STAY, Revoked.LEAVE_OUT])
async def test_what_is_revoked_while_a_restore_is_interrupted_stays_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: Revoked, after: bool
) -> None:
    monkeypatch.setattr("scim_core.storage.maintenance.importing.TRANSACTION_OPERATIONS", 4)
    for call in itertools.count():
        backup, target, death = Backup(tmp_path / f"{call}.ndjson"), MemoryRows(), Death(call, after)
        await backup.make()
        with suppress(ProcessDied):
            await restored(backup, MortalRows(target, death), backup.rows, choice, behind=target)
        if not death.dead:
            break
        done = await target.get(REGISTRY, keys.bookmark("import")) is None and await pointers(target) != set()
        if done:
            continue  # it had ended, and what is revoked from now on is revoked in the new place
        await backup.administration().revoke("contoso", backup.one.id)
        await restored(backup, target, backup.rows, choice)
        assert await open_credentials(target) == {"of Contoso", "two"}
        await require_good_chain(target)
    assert call > 5


async def test_an_interrupted_restore_goes_on_only_with_the_same_choice(
    backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scim_core.storage.maintenance.importing.TRANSACTION_OPERATIONS", 4)
    target = MemoryRows()
    with pytest.raises(ProcessDied):
        await restored(backup, MortalRows(target, Death(10, after=False)), backup.rows, behind=target)
    with pytest.raises(HalfRestored):
        await restored(backup, target, None, Revoked.AS_IN_FILE)


async def test_what_an_operator_revokes_in_the_new_place_is_not_written_over(backup: Backup) -> None:
    target = MemoryRows()
    await backup.restored(target, other=backup.rows)
    await backup.administration(target).revoke("contoso", backup.one.id)
    there = await contoso(target)
    lines = await lines_of(backup)
    await backup.administration().revoke("contoso", backup.one.id)
    plan = await revocations(FileRegistry.of(read(lines)), target, backup.rows, Revoked.STAY)
    await plan.enforce(target)
    assert await contoso(target) == there


async def test_a_registry_without_tenants_knows_nothing_of_an_old_export() -> None:
    with pytest.raises(NotKnown):
        await revocations(FileRegistry(), MemoryRows(), MemoryRows(), Revoked.STAY)
