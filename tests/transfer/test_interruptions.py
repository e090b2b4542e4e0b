"""Exports and imports that end before their end, files that are not whole, tenants that are not empty."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scim_core.admin import export as export_command
from scim_core.admin import import_ as import_command
from scim_core.admin.__main__ import main
from scim_core.model import Column
from scim_core.storage.maintenance.archive import ArchiveError, Header, Line, Writer, read
from scim_core.storage.maintenance.exporting import export, tenants
from scim_core.storage.maintenance.import_plan import ImportPlan
from scim_core.storage.maintenance.importing import HalfRestored, NotRestored, restore, stored
from scim_core.storage.maintenance.signing import BackupKey
from scim_core.storage.port import StorageBusy, StorageError
from scim_core.storage.tables import keys
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows
from tests.commands import BACKUP_KEY, run_process
from tests.faults.disturbed_rows import Fault, FaultyRows
from tests.transfer.conftest import Directory
from tests.transfer.test_restore import answers, fill
from tests.wrapped_rows import WrappedRows


def now() -> datetime:
    return datetime.now(UTC)


KEY = BackupKey(BACKUP_KEY)


async def lines_of(rows: Rows, key: BackupKey | None = None, clock: Callable[[], datetime] = now) -> list[bytes]:
    return [line async for line in export(rows, "default", clock, key=key)]


def content(lines: list[bytes]) -> dict[str, dict[str, Column]]:
    """The rows of an export, the last line of a key counting."""
    return {item.key: item.properties for item in read(lines) if isinstance(item, Line)}


@pytest.mark.parametrize("kept", [0, 1, 2, 9, 30])
async def test_an_interrupted_export_is_continued(directory: Callable[[], Directory], file: Path, kept: int) -> None:
    """The file ends in the middle of a line, as that of a process does that was killed."""
    before = directory()
    await fill(before.client)
    whole = await lines_of(before.rows, KEY)
    part = file.with_name("export.ndjson.part")
    part.write_bytes(b"".join(whole[:kept]) + whole[kept][: len(whole[kept]) // 2])

    done = await before.run("export", file)

    assert done.returncode == 0, done.stderr
    assert content(file.read_bytes().splitlines(keepends=True)) == content(whole)
    assert not part.exists()
    if kept:
        assert file.read_bytes().startswith(b"".join(whole[:kept]))


async def test_an_export_that_died_before_its_file_got_its_name_is_continued(
    directory: Callable[[], Directory], file: Path
) -> None:
    before = directory()
    await fill(before.client)
    file.with_name("export.ndjson.part").write_bytes(b"".join(await lines_of(before.rows, KEY)))
    later = await before.client.user("later@example.com")
    done = await before.run("export", file)
    assert done.returncode == 0, done.stderr
    assert f"User:{later['id']}" in content(file.read_bytes().splitlines(keepends=True))


def test_an_export_that_fails_leaves_its_part_and_no_file(file: Path) -> None:
    nowhere = {"SCIM_STORAGE_CONNECTION": "AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:9/a"}
    done = run_process(nowhere, "export", file)

    assert (done.returncode, file.exists()) == (2, False)
    assert done.stderr.splitlines()[-1].startswith("admin export: ")
    assert "Traceback" not in done.stderr


async def test_an_export_replaces_no_file_and_continues_no_other_tenants(
    directory: Callable[[], Directory], file: Path
) -> None:
    before = directory()
    file.write_text("kept")
    assert ((await before.run("export", file)).returncode, file.read_text()) == (2, "kept")
    file.unlink()
    line = json.dumps({"format": "scim-directory", "version": 1, "tenant": "b", "started": "x"}) + "\n"
    file.with_name("export.ndjson.part").write_text(line)
    done = await before.run("export", file)
    assert (done.returncode, "belongs to the tenant b" in done.stderr) == (2, True)


class DyingRows(WrappedRows):
    """Rows that fail for good at a transaction, before it or after it has happened."""

    def __init__(self, rows: Rows, at: int, *, before: bool) -> None:
        super().__init__(rows)
        self.left = at
        self._before = before

    async def transact(self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True) -> list[str]:
        self.left -= 1
        if self.left < 0 and self._before:
            raise StorageBusy("died before")
        done = await super().transact(tenant, operations, repeatable=repeatable)
        if self.left < 0:
            raise StorageBusy("died after")
        return done


@pytest.mark.parametrize("before", [True, False])
async def test_an_import_that_died_anywhere_is_continued(
    directory: Callable[[], Directory], monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    monkeypatch.setattr("scim_core.storage.maintenance.importing.TRANSACTION_OPERATIONS", 12)
    source = directory()
    await fill(source.client)
    expected = await answers(source.client)
    lines = await lines_of(source.rows)
    plan = ImportPlan.of(read(lines))
    target = directory()
    deaths = 0
    while True:  # every life gets one transaction further than the one before it began with
        try:
            count = await restore(
                DyingRows(target.rows, 1, before=before), "default", plan, "digest", lambda: read(lines)
            )
            break
        except StorageBusy:
            deaths += 1
            assert deaths < 200
    assert deaths > 3
    assert count == len(content(lines))
    assert await answers(target.client) == expected
    assert "Every invariant holds" in (await target.run("check")).stdout


async def test_an_import_that_is_repeated_finds_all_done(directory: Callable[[], Directory], file: Path) -> None:
    source, target = directory(), directory()
    await fill(source.client)
    await source.run("export", file)
    first, second = await target.run("import", file), await target.run("import", file)

    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert first.stdout == second.stdout


async def test_a_tenant_with_rows_is_left_alone(directory: Callable[[], Directory], file: Path) -> None:
    source, target = directory(), directory()
    await source.client.user("a@example.com")
    await target.client.user("b@example.com")
    await source.run("export", file)
    done = await target.run("import", file)

    assert (done.returncode, "is not empty" in done.stderr) == (2, True)
    assert await target.client.names("userName pr") == ["b@example.com"]


async def test_a_tenant_whose_rows_come_after_an_empty_answer_is_left_alone(
    directory: Callable[[], Directory], file: Path
) -> None:
    source, target = directory(), directory()
    await source.client.user("a@example.com")
    await target.client.user("b@example.com")
    await source.run("export", file)
    target.rows = FaultyRows(target.rows, lambda *_: Fault.EMPTY_PAGE)
    done = await target.run("import", file)

    assert (done.returncode, "is not empty" in done.stderr) == (2, True)
    assert await target.client.names("userName pr") == ["b@example.com"]


async def test_a_tenant_that_is_half_restored_takes_only_the_same_file(directory: Callable[[], Directory]) -> None:
    source, target = directory(), directory()
    await source.client.user("a@example.com")
    lines = await lines_of(source.rows)
    plan = ImportPlan.of(read(lines))
    with pytest.raises(StorageBusy):
        await restore(DyingRows(target.rows, 1, before=False), "default", plan, "one", lambda: read(lines))
    with pytest.raises(HalfRestored):
        await restore(target.rows, "default", plan, "other", lambda: read(lines))


async def test_rows_that_somebody_else_writes_meanwhile_are_noticed(directory: Callable[[], Directory]) -> None:
    source, target = directory(), directory()
    await source.client.user("a@example.com")
    lines = await lines_of(source.rows)
    with pytest.raises(StorageBusy):
        await restore(
            DyingRows(target.rows, 1, before=False), "default", ImportPlan.of(read(lines)), "d", lambda: read(lines)
        )
    await target.client.user("stranger@example.com")
    with pytest.raises(NotRestored):
        await restore(target.rows, "default", ImportPlan.of(read(lines)), "d", lambda: read(lines))


DAMAGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "no trailer": lambda lines: lines[:-1],
    "3 rows and should have 4": lambda lines: lines[:1] + lines[2:],
    "5 rows and should have 4": lambda lines: lines[:2] + lines[1:],
    "digest": lambda lines: [*lines[:1], lines[1].replace(b"example.com", b"example.org"), *lines[2:]],
    "follows the trailer": lambda lines: [*lines, lines[1]],
    "no JSON object": lambda lines: [*lines[:1], b"[]\n", *lines[1:]],
    "is no row": lambda lines: [*lines[:1], b"{}\n", *lines[1:]],
    "not text, true or false": lambda lines: [*lines[:1], b'{"key": "User:1", "row": {"id": 1}}\n', *lines[1:]],
    "does not end": lambda lines: [*lines[:-1], lines[-1][:-1]],
    "has version 2": lambda lines: [lines[0].replace(b'"version":1', b'"version":2'), *lines[1:]],
    "does not start with the header": lambda lines: lines[1:],
    "is empty": lambda _: [],
    "3 is no JSON object": lambda lines: [*lines[:2], b"[" * 200_000 + b"\n", *lines[2:]],
}


@pytest.mark.parametrize("said", DAMAGES)
async def test_a_file_that_is_not_whole_is_refused_before_anything_is_written(
    directory: Callable[[], Directory], file: Path, said: str
) -> None:
    source, target = directory(), directory()
    for number in range(4):
        await source.client.user(f"u{number}@example.com")
    lines = [line async for line in export(source.rows, "default", later)]
    file.write_bytes(b"".join(DAMAGES[said](lines)))

    done = await target.run("import", file, "--unsigned")

    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert said in done.stderr
    assert (await stored(target.rows, "default")).rows == 0
    assert await target.rows.get("default", keys.bookmark("import")) is None


def later() -> datetime:
    """An hour ahead, so that nothing counts as changed since."""
    return datetime.now(UTC).replace(year=datetime.now(UTC).year + 1, day=1)


async def test_a_foreign_value_in_the_table_is_named(directory: Callable[[], Directory]) -> None:
    before = directory()
    foreign: dict[str, Any] = {"id": "odd", "lastModified": 3}
    await before.rows.transact("default", [RowOperation(Verb.UPSERT, Role.OTHER, "User:odd", foreign)])

    with pytest.raises(StorageError, match="lastModified"):
        await lines_of(before.rows)


async def test_the_tenants_are_found_and_what_belongs_to_none_is_not_one(directory: Callable[[], Directory]) -> None:
    before = directory()
    operation = RowOperation(Verb.UPSERT, Role.OTHER, "User:1", {"id": "1"})
    for tenant in ("contoso", "fabrikam", keys.SWEEP):
        await before.rows.transact(tenant, [operation])
    assert [tenant async for tenant in tenants(before.rows)] == ["contoso", "fabrikam"]

    await before.rows.transact("with space", [operation])
    with pytest.raises(StorageError, match="No tenant's name"):
        [tenant async for tenant in tenants(before.rows)]


def test_an_interruption_by_hand_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    monkeypatch.setenv("SCIM_STORAGE_CONNECTION", "UseDevelopmentStorage=true")
    monkeypatch.delenv("SCIM_STORAGE_ACCOUNT_URL", raising=False)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(export_command, "_export", interrupt)
    monkeypatch.setattr(import_command, "_verified", interrupt)
    for command in ("export", "import"):
        assert main([command, str(file)], os.environ) == 130
    assert capsys.readouterr().err.count("Run the same command again to continue") == 2


async def test_what_is_of_all_tenants_together_is_kept_as_it_is(
    directory: Callable[[], Directory], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry of tenants lies in a partition with a colon, and its rows are none of resources."""
    partition = keys.partition
    monkeypatch.setattr(keys, "partition", lambda tenant: tenant if tenant == ":registry" else partition(tenant))
    source, target = directory(), directory()
    registered: dict[str, dict[str, Column]] = {
        f"tenant:contoso:{number}": {"label": f"{number}", "active": True} for number in range(3)
    }
    await source.rows.transact(
        ":registry", [RowOperation(Verb.UPSERT, Role.OTHER, key, row) for key, row in registered.items()]
    )
    assert [tenant async for tenant in tenants(source.rows)] == [":registry"]
    lines = [line async for line in export(source.rows, ":registry", now)]
    plan = ImportPlan.of(read(lines))
    assert await restore(target.rows, ":registry", plan, "digest", lambda: read(lines)) == 3
    assert await stored(target.rows, ":registry") == await stored(source.rows, ":registry")


ODD_ROWS = {
    "has no lastModified": '{"key":"User:1","row":{"id":"1"}}',
    "has no id": '{"key":"User:1","row":{"lastModified":"x"}}',
    "has no member": '{"key":"member:1:2","row":{"group":"1","type":"User"}}',
    "has no mark": '{"key":"pending:1","row":{"id":"1","type":"Group"}}',
    "is no large change of ours": '{"key":"pending:1","row":{"id":"1","type":"Group","mark":"1","kind":"other",'
    '"version":"1","lastModified":"1","lengths":"","done":"0"}}',
}


@pytest.mark.parametrize("said", ODD_ROWS)
def test_a_row_that_no_export_writes_is_named(said: str) -> None:
    """Count and digest can be right and the content foreign all the same."""
    lines = [Writer().header(Header("default", "2026-11-25T02:15:00.000000Z")), f"{ODD_ROWS[said]}\n".encode()]
    trailer = {"rows": 1, "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}
    with pytest.raises(ArchiveError, match=f"Line 2 {said}"):
        ImportPlan.of(read([*lines, json.dumps(trailer).encode() + b"\n"]))


def test_a_part_of_no_export_is_not_continued(file: Path) -> None:
    file.write_text('{"format":"scim-directory","version":1,"tenant":"default","started":"yesterday"}\n')
    with pytest.raises(ArchiveError, match="when its export started"), file.open("rb+") as part:
        export_command.resume(part, file, "default")
