"""The registry moves to a table of its own. No change of an operator is lost, and every command finds it there."""

import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

import scim_core
from devhost.azurite import Azurite
from scim_core.audit_records import AuditEntry
from scim_core.chosen_schemas import ChosenSchemas
from scim_core.messages import ScimRequest
from scim_core.model import Column
from scim_core.registry import Moved, RegistryError
from scim_core.settings import StorageSettings
from scim_core.storage import tables
from scim_core.storage.maintenance import backup
from scim_core.storage.maintenance.exporting import tenants
from scim_core.storage.maintenance.registry_move import MoveRefused, Place, RegistryMove
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import TableRegistry, TableStorage, keys, table_rows
from scim_core.storage.tables.keys import REGISTRY
from scim_core.storage.tables.registry_apart import RegistryApart
from scim_core.storage.tables.registry_marker import read_marker
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows
from tests.commands import Done, run_here, run_process
from tests.faults.disturbed_rows import Death, Fault, FaultyRows, MortalRows, ProcessDied
from tests.faults.test_registry_interleavings import IntrudedRows
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, endpoint_over
from tests.tables import new_table
from tests.tenancy import settings as tenancy_settings
from tests.transfer.test_restored_registry import administration, events, registered, require_good_chain, tenant_ids
from tests.wrapped_rows import Call, WrappedRows

BEGAN, ENDED, CANCELLED, REMOVED = (AuditEntry(*[text] * 15) for text in ("began", "ended", "cancelled", "removed"))
APART = {"SCIM_REGISTRY_TABLE_NAME": "registry"}
OLD_EVENTS = ["tenant created", "credential created"]


class Deployment:
    """Two tables, and the commands over them. Commands know of the second one unless told otherwise."""

    def __init__(self) -> None:
        self.old, self.new = MemoryRows(), MemoryRows()
        self.whole = RegistryApart(self.old, self.new)

    async def run(self, *given: object, apart: bool = True) -> Done:
        return await run_here({"scim": self.old, "registry": self.new}, *given, **(APART if apart else {}))

    def move(self, old: Rows | None = None, new: Rows | None = None) -> RegistryMove:
        return RegistryMove(Place("scim", old or self.old), Place("registry", new or self.new), Clock())

    async def moved(self, old: Rows | None = None, new: Rows | None = None) -> bool:
        return await self.move(old, new).run(BEGAN, ENDED, lambda _: None)


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


async def rows_of(rows: Rows) -> dict[str, dict[str, Column]]:
    return {key: found async for key, found in Place("", rows).read()}


async def test_the_registry_is_moved_and_every_command_finds_it_there(deployment: Deployment, tmp_path: Path) -> None:
    issued = await registered(deployment.old)
    await deployment.old.transact("contoso", [RowOperation(Verb.INSERT, Role.OTHER, "User:1", {"id": "1"})])
    done = await deployment.run("registry", "move")
    assert (done.returncode, "Set SCIM_REGISTRY_TABLE_NAME" in done.stdout) == (0, True), done.stderr
    assert await tenant_ids(deployment.new) == ["contoso"]
    await require_good_chain(deployment.new)
    assert await events(deployment.new) == [*OLD_EVENTS, "registry move began", "registry moved"]
    assert (await deployment.run("credentials", "revoke", "contoso", issued.credential.id)).returncode == 0
    assert "revoked" in (await deployment.run("tenants", "show", "contoso")).stdout
    assert "credential revoked" in (await deployment.run("audit")).stdout
    await Client(endpoint_over(TableStorage(deployment.whole), Clock())).user("ann@example.com")
    assert [tenant async for tenant in tenants(deployment.whole)] == [REGISTRY, "contoso", "default"]
    exported = await deployment.run("export", tmp_path / "file", "--tenant", REGISTRY)
    assert exported.returncode == 0, exported.stderr
    assert b'"credential revoked"' in (tmp_path / "file").read_bytes()
    checked = await deployment.run("check", "--tenant", "default")
    assert (checked.returncode, "1 rows" in checked.stdout or "holds" in checked.stdout) == (0, True), checked.stderr
    again = await deployment.run("import", tmp_path / "file")
    assert (again.returncode, "now the tenant :registry" in again.stdout) == (0, True), "it compares with what is there"
    rows = await administration(deployment.whole).delete("contoso", lambda _: None)
    assert (rows, await tenant_ids(deployment.new)) == (1, [])


async def test_what_a_tenant_was_allowed_and_denied_moves_with_it(deployment: Deployment) -> None:
    await registered(deployment.old)
    chosen = ChosenSchemas().allowing(["Device"]).denying(["urn:x:extension:User"])
    await administration(deployment.old).choose_schemas("contoso", "schemas test", lambda _: chosen)
    assert (await deployment.run("registry", "move")).returncode == 0
    assert (await administration(deployment.new).tenant("contoso")).schemas == chosen


async def test_the_old_place_refuses_every_change_and_says_where_the_registry_is(deployment: Deployment) -> None:
    issued = await registered(deployment.old)
    await deployment.run("registry", "move")
    before = await rows_of(deployment.old)
    for given in (
        ("tenants", "suspend", "contoso"),
        ("tenants", "create", "Fabrikam", "--kind", "none"),
        ("credentials", "revoke", "contoso", issued.credential.id),
        ("tenants", "delete", "contoso", "--confirm", "contoso"),
    ):
        done = await deployment.run(*given, apart=False)
        assert (done.returncode, "in the table registry since" in done.stderr) == (1, True), given
    assert await rows_of(deployment.old) == before


async def test_requests_are_answered_from_the_old_place_until_their_instance_has_the_setting(
    deployment: Deployment,
) -> None:
    issued = await registered(deployment.old)
    await deployment.moved()
    for rows in (deployment.old, deployment.whole):
        registry = TableRegistry(rows)
        assert await registry.find(issued.credential.pointer) == "contoso"
        await registry.used("contoso", issued.credential.id, "2026-11-26", "192.0.2.1")
        found = await registry.load("contoso")
        assert found is not None
        assert found.credentials[0].last_used == "2026-11-26"


async def test_an_instance_with_the_setting_knows_only_the_new_place(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await registered(deployment.old), await registered(deployment.old, "Fabrikam")
    await deployment.moved()
    await administration(deployment.whole).revoke("fabrikam", other.credential.id)
    tables_by_name = {"scim": deployment.old, "registry": deployment.new}
    monkeypatch.setattr(tables, "AzureRows", lambda connect: tables_by_name[connect.args[0].table_name])
    headers = [{"authorization": f"Bearer {issued.secret}"} for issued in (one, other)]
    for environment, expected in ((APART, [200, 401]), ({}, [200, 200])):
        endpoint = scim_core.build(tenancy_settings(**environment), clock=Clock())
        answers = [await endpoint.handle(ScimRequest("GET", "/scim/v2/Users", headers=item)) for item in headers]
        assert [answer.status for answer in answers] == expected


async def test_a_backup_holds_the_registry_of_the_new_place(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await registered(deployment.old)
    await deployment.moved()
    await administration(deployment.whole).suspend("contoso")
    kept: dict[str, bytes] = {}

    class Shelf:
        def __init__(self, *_: object) -> None:
            """Any container."""

        async def put(self, name: str, content: AsyncIterator[bytes]) -> None:
            kept[name.partition("/")[0]] = b"".join([piece async for piece in content])

        async def close(self) -> None:
            """Nothing is open."""

    tables_by_name = {"scim": deployment.old, "registry": deployment.new}
    monkeypatch.setattr(tables, "AzureRows", lambda connect: tables_by_name[connect.args[0].table_name])
    monkeypatch.setattr(backup, "Container", Shelf)
    url = {"SCIM_STORAGE_ACCOUNT_URL": "https://x.table.core.windows.net", **APART}
    settings = StorageSettings.from_environment(url)
    assert await backup.back_up(settings, "https://x/exports", None, Clock()) == 1
    assert b'"tenant suspended"' in kept["_registry"]


async def test_the_old_rows_go_only_by_an_explicit_step(deployment: Deployment) -> None:
    await registered(deployment.old)
    early = await deployment.run("registry", "remove-old", "--confirm", "scim")
    assert (early.returncode, "run `registry move` first" in early.stderr) == (2, True)
    await deployment.run("registry", "move")
    unconfirmed = await deployment.run("registry", "remove-old")
    assert (unconfirmed.returncode, "--confirm scim" in unconfirmed.stderr) == (2, True)
    assert await tenant_ids(deployment.old) == ["contoso"]
    done = await deployment.run("registry", "remove-old", "--confirm", "scim")
    assert (done.returncode, "rows were removed" in done.stdout) == (0, True), done.stderr
    assert await rows_of(deployment.old) == {}
    assert await tenant_ids(deployment.new) == ["contoso"]
    refused = await deployment.run("tenants", "create", "Fabrikam", "--kind", "none", apart=False)
    assert "in the table registry since" in refused.stderr


async def test_a_move_can_be_repeated_and_changes_nothing(deployment: Deployment) -> None:
    await registered(deployment.old)
    await deployment.run("registry", "move")
    await administration(deployment.whole).suspend("contoso")
    before = await rows_of(deployment.new)
    again = await deployment.run("registry", "move")
    assert (again.returncode, "already" in again.stdout) == (0, True)
    assert await rows_of(deployment.new) == before


async def test_a_move_that_cannot_be_is_refused(deployment: Deployment) -> None:
    unset = await deployment.run("registry", "move", apart=False)
    assert (unset.returncode, "SCIM_REGISTRY_TABLE_NAME is not set" in unset.stderr) == (2, True)
    empty = await deployment.run("registry", "move", "--cancel")
    assert (empty.returncode, "No move" in empty.stderr) == (2, True)
    with pytest.raises(MoveRefused, match="has no registry"):
        await deployment.moved()
    await registered(deployment.old)
    await registered(deployment.new, "Fabrikam")
    with pytest.raises(MoveRefused, match="has a registry already"):
        await deployment.moved()
    assert await tenant_ids(deployment.new) == ["fabrikam"]
    await administration(deployment.old).suspend("contoso")


async def test_before_the_move_nothing_is_written_to_the_new_place(deployment: Deployment) -> None:
    """It would look like a registry of its own, and the move would be refused."""
    await registered(deployment.old)
    for given in (("tenants", "create", "Fabrikam", "--kind", "none"), ("reindex",), ("tenants", "suspend", "contoso")):
        done = await deployment.run(*given)
        assert done.returncode in (1, 2), given
    assert "is still in the table" in (await deployment.run("tenants", "create", "Fabrikam", "--kind", "none")).stderr
    assert await rows_of(deployment.new) == {}
    assert (await deployment.run("registry", "move")).returncode == 0


async def test_a_new_deployment_has_its_registry_apart_from_the_start(deployment: Deployment) -> None:
    assert (await deployment.run("tenants", "create", "Contoso", "--kind", "none")).returncode == 0
    assert await tenant_ids(deployment.new) == ["contoso"]
    assert await rows_of(deployment.old) == {}


async def test_a_move_to_a_third_table_is_refused_while_one_is_under_way(deployment: Deployment) -> None:
    await registered(deployment.old)
    with pytest.raises(ProcessDied):
        await deployment.moved(new=MortalRows(deployment.new, Death(4, after=False)))
    third = RegistryMove(Place("scim", deployment.old), Place("third", MemoryRows()), Clock())
    for attempt in (third.run(BEGAN, ENDED, lambda _: None), third.cancel(CANCELLED), third.remove_old(REMOVED)):
        with pytest.raises(MoveRefused, match="table registry"):
            await attempt


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("side", ["old", "new"])
async def test_a_move_that_dies_at_any_call_is_finished_by_the_next(side: str, after: bool) -> None:
    for call in itertools.count():
        deployment, death = Deployment(), Death(call, after)
        await registered(deployment.old)
        before = await rows_of(deployment.old)
        mortal = MortalRows(deployment.old if side == "old" else deployment.new, death)
        with suppress(ProcessDied):
            await deployment.moved(**{side: mortal})
        await deployment.moved()
        found = await rows_of(deployment.new)
        assert {key: found.get(key) for key in before if key != keys.audit_end()} == {
            key: row for key, row in before.items() if key != keys.audit_end()
        }
        assert await events(deployment.new) == [*OLD_EVENTS, "began", "ended"]
        await require_good_chain(deployment.new)
        await administration(deployment.whole).suspend("contoso")
        if not death.dead:
            break
    assert call > 4


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("side", ["old", "new"])
async def test_a_move_that_died_anywhere_is_given_up_and_the_registry_can_be_changed_again(
    side: str, after: bool
) -> None:
    for call in itertools.count():
        deployment, death = Deployment(), Death(call, after)
        await registered(deployment.old)
        mortal = MortalRows(deployment.old if side == "old" else deployment.new, death)
        with suppress(ProcessDied):
            await deployment.moved(**{side: mortal})
        try:
            await deployment.move().cancel(CANCELLED)
        except MoveRefused:
            began = "began" in await events(deployment.old)
            arrived = "ended" in await events(deployment.new) or not began
            assert arrived or await deployment.moved()
        else:
            assert await rows_of(deployment.new) == {}
            assert await read_marker(deployment.new) is None
            await administration(deployment.old).suspend("contoso")
            assert await events(deployment.old) == [*OLD_EVENTS, "began", "cancelled", "tenant suspended"]
            await require_good_chain(deployment.old)
            assert await deployment.moved()
        if not death.dead:
            break
    assert call > 4


@pytest.mark.parametrize("side", ["old", "new"])
@pytest.mark.parametrize("other", ["moved and changed", "cancelled"])
async def test_a_slow_run_writes_nothing_once_another_has_ended_the_move(side: str, other: str) -> None:
    """A revocation in the new place is not written over by a copy of the old one."""
    for call in itertools.count():
        deployment = Deployment()
        issued = await registered(deployment.old)

        revoked: list[str] = []

        async def happening(
            deployment: Deployment = deployment, credential: str = issued.credential.id, done: list[str] = revoked
        ) -> None:
            if other == "cancelled":
                with suppress(MoveRefused):
                    await deployment.move().cancel(CANCELLED)
                return
            with suppress(MoveRefused):
                await deployment.moved()
                await administration(deployment.whole).revoke("contoso", credential)
                done.append(credential)

        intruded = IntrudedRows(deployment.old if side == "old" else deployment.new, call, happening)
        with suppress(MoveRefused, StorageBusy):
            await deployment.moved(**{side: intruded})
        if not intruded.has_happened:
            break
        if other == "cancelled" and await read_marker(deployment.old) is None:
            assert await rows_of(deployment.new) == {}
            assert await deployment.moved()
        else:
            await deployment.moved()
        await require_good_chain(deployment.new)
        done = await events(deployment.new)
        assert "ended" in done
        tenant = await TableRegistry(deployment.new).load("contoso")
        assert tenant is not None
        assert bool(tenant.credentials[0].revoked) == ("credential revoked" in done) == bool(revoked)
    assert call > 4


async def test_a_move_whose_answers_are_lost_is_whole(deployment: Deployment) -> None:
    await registered(deployment.old)

    def lost(rows: Rows) -> Rows:
        return FaultyRows(rows, lambda _, before: None if before else Fault.RESET)

    assert await deployment.moved(lost(deployment.old), lost(deployment.new))
    assert await tenant_ids(deployment.new) == ["contoso"]
    assert await events(deployment.new) == [*OLD_EVENTS, "began", "ended"]
    assert await deployment.move(lost(deployment.old), lost(deployment.new)).remove_old(REMOVED) > 0
    assert await rows_of(deployment.old) == {}


CHANGES: dict[str, Callable[[Rows, str], Awaitable[object]]] = {
    "suspend": lambda rows, _: administration(rows).suspend("contoso"),
    "revoke": lambda rows, credential: administration(rows).revoke("contoso", credential),
    "remove": lambda rows, credential: administration(rows).remove("contoso", credential),
}


@pytest.mark.parametrize("side", ["old", "new"])
@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_at_any_moment_of_a_move_is_refused_or_arrives(change: str, side: str) -> None:
    outcomes = set()
    for call in itertools.count():
        deployment = Deployment()
        issued = await registered(deployment.old)

        async def happening(deployment: Deployment = deployment, credential: str = issued.credential.id) -> None:
            await CHANGES[change](deployment.old, credential)

        refused = False

        async def tried(happening: Callable[[], Awaitable[None]] = happening) -> None:
            nonlocal refused
            try:
                await happening()
            except Moved:
                refused = True

        intruded = IntrudedRows(deployment.old if side == "old" else deployment.new, call, tried)
        assert await deployment.moved(**{side: intruded})
        if not intruded.has_happened:
            break
        tenant = await TableRegistry(deployment.new).load("contoso")
        assert tenant is not None
        arrived = tenant.state != "active" or [bool(item.revoked) for item in tenant.credentials] != [False]
        assert arrived != refused
        assert await events(deployment.new) != []
        await require_good_chain(deployment.new)
        outcomes.add(refused)
    assert outcomes == {True, False} or (side == "new" and True in outcomes)


async def test_a_change_whose_transaction_is_under_way_when_the_move_begins_is_refused(deployment: Deployment) -> None:
    """It has read that nothing is moved. Then the move begins, and its record takes the number of the change's."""
    issued = await registered(deployment.old)
    refused = 0
    for call in itertools.count():
        if await read_marker(deployment.old) is not None:
            await deployment.move().cancel(CANCELLED)

        async def begin() -> None:
            with suppress(ProcessDied):
                await deployment.moved(new=MortalRows(deployment.new, Death(3, after=False)))

        intruded = IntrudedRows(deployment.old, call, begin)
        try:
            await administration(intruded).revoke("contoso", issued.credential.id)
        except RegistryError:
            refused += 1
            tenant = await TableRegistry(deployment.old).load("contoso")
            assert tenant is not None
            assert not tenant.credentials[0].revoked
        else:
            break
    assert refused >= 3


async def test_what_a_command_of_an_older_version_writes_before_the_last_comparison_arrives() -> None:
    """It knows of no marker. It writes right after the first transaction that copies rows."""
    deployment = Deployment()
    issued = await registered(deployment.old)
    key = keys.credential("contoso", issued.credential.id)
    done: list[int] = []

    class Older(WrappedRows):
        async def transact(self, tenant: str, operations: Sequence[RowOperation], **options: bool) -> list[str]:
            etags = await super().transact(tenant, operations, **options)
            if not done and any(operation.key == key for operation in operations):
                done.append(1)
                revoked: dict[str, Column] = {"revoked": "2026-11-26T00:00:00.000Z"}
                await deployment.old.transact(REGISTRY, [RowOperation(Verb.MERGE, Role.OTHER, key, revoked)])
            return etags

    assert await deployment.moved(new=Older(deployment.new))
    assert (await rows_of(deployment.new))[key]["revoked"]


async def test_a_move_while_something_never_stops_to_write_ends_with_a_sentence() -> None:
    deployment = Deployment()
    issued = await registered(deployment.old)
    key = keys.credential("contoso", issued.credential.id)
    numbers = itertools.count()

    class Restless(WrappedRows):
        async def transact(self, tenant: str, operations: Sequence[RowOperation], **options: bool) -> list[str]:
            label: dict[str, Column] = {"label": f"{next(numbers)}"}
            etags = await super().transact(tenant, operations, **options)
            await deployment.old.transact(REGISTRY, [RowOperation(Verb.MERGE, Role.OTHER, key, label)])
            return etags

    with pytest.raises(StorageBusy, match="still changing the registry"):
        await deployment.moved(new=Restless(deployment.new))
    assert await deployment.moved()


async def test_it_moves_between_tables_of_azurite(azurite: Azurite) -> None:
    environment = new_table(azurite)
    apart = environment | {"SCIM_REGISTRY_TABLE_NAME": f"{environment['SCIM_TABLE_NAME']}registry"}
    assert run_process(environment, "tenants", "create", "Contoso", "--kind", "none").returncode == 0
    for given in (("registry", "move"), ("tenants", "suspend", "contoso"), ("audit", "--verify")):
        done = run_process(apart, *given)
        assert done.returncode == 0, done.stderr
    assert run_process(environment, "tenants", "resume", "contoso").returncode == 1
    assert run_process(apart, "registry", "remove-old", "--confirm", environment["SCIM_TABLE_NAME"]).returncode == 0
    rows = table_rows(StorageSettings.from_environment(apart))
    assert await tenant_ids(rows) == ["contoso"]
    assert [tenant async for tenant in tenants(rows)] == [REGISTRY]
    await rows.close()


async def test_only_a_move_that_happened_is_in_the_log(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "scim_core.access.audit")
    await registered(deployment.old)
    caplog.clear()
    for _ in range(2):
        assert (await deployment.run("registry", "move")).returncode == 0
    assert [getattr(record, "event", "") for record in caplog.records] == ["registry move began", "registry moved"]


class UsedRows(WrappedRows):
    """Rows of a registry that a credential is used with, from another address after each call."""

    def __init__(self, rows: Rows, credential_id: str) -> None:
        super().__init__(rows)
        self._credential_id = credential_id
        self._calls = 0

    async def _made[T](self, _: str, about: tuple[str, ...], call: Call[T], *, repeatable: bool = True) -> T:  # noqa: ARG002
        self._calls += 1
        found = await call()
        await TableRegistry(self._rows).used("contoso", self._credential_id, "2026-11-26", f"192.0.2.{self._calls}")
        return found


async def test_the_use_of_credentials_does_not_hold_up_a_move(deployment: Deployment) -> None:
    issued = await registered(deployment.old)
    assert await deployment.moved(old=UsedRows(deployment.old, issued.credential.id))


async def test_a_registry_is_restored_only_where_it_belongs(deployment: Deployment, tmp_path: Path) -> None:
    await registered(deployment.old)
    file = tmp_path / "registry.ndjson"
    await deployment.run("export", file, "--tenant", REGISTRY, apart=False)
    given = ("import", file, "--revoked", "as-in-file")
    before = await deployment.run(*given)
    assert (before.returncode, "`registry move` moves it" in before.stderr) == (2, True), before.stderr
    assert await rows_of(deployment.new) == {}
    await deployment.run("registry", "move")
    await deployment.run("registry", "remove-old", "--confirm", "scim")
    after = await deployment.run(*given, apart=False)
    assert (after.returncode, "Set SCIM_REGISTRY_TABLE_NAME to this name" in after.stderr) == (2, True), after.stderr
    assert await rows_of(deployment.old) == {}


READING = (("tenants", "list"), ("tenants", "show", "contoso"), ("credentials", "list", "contoso"), ("audit",))


@pytest.mark.parametrize("given", READING)
async def test_a_command_that_reads_in_the_wrong_table_says_so(deployment: Deployment, given: tuple[str, ...]) -> None:
    await registered(deployment.old)
    warned = "WARNING The registry is "
    assert warned not in (await deployment.run(*given, apart=False)).stderr
    assert f"{warned}still in the table that SCIM_TABLE_NAME names." in (await deployment.run(*given)).stderr
    await deployment.run("registry", "move")
    assert f"{warned}in the table registry since" in (await deployment.run(*given, apart=False)).stderr
    assert warned not in (await deployment.run(*given)).stderr
