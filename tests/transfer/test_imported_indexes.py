"""An import writes the indexes that the files of today declare, whoever wrote the export, and records that."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scim_core.storage.maintenance.archive import Line, read
from scim_core.storage.maintenance.exporting import export
from scim_core.storage.maintenance.import_plan import ImportPlan
from scim_core.storage.maintenance.importing import restore
from scim_core.storage.tables import keys
from scim_core.storage.tables.codec import encode
from scim_core.storage.tables.reading import read_range
from tests.commands import run_here
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.faults.rollout import TENANT, Rollout, searches_planned
from tests.memory_rows import MemoryRows
from tests.scim import path

BONN = 'site eq "Bonn"'
NAMES = [f"device {number}" for number in range(4)]


@pytest.fixture
def plans() -> Iterator[list[str]]:
    with searches_planned() as found:
        yield found


@pytest.fixture
def source(tmp_path: Path, plans: list[str]) -> Rollout:
    return Rollout(MemoryRows(), tmp_path / "source", plans)


@pytest.fixture
def target(tmp_path: Path, plans: list[str]) -> Rollout:
    return Rollout(MemoryRows(), tmp_path / "target", plans)


async def lines_of(rollout: Rollout) -> list[bytes]:
    return [line async for line in export(rollout.rows, TENANT, lambda: datetime.now(UTC))]


async def exported(source: Rollout, file: Path) -> None:
    done = await run_here(source.rows, "export", file)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("first", [False, True], ids=["this version's", "version 0.1's"])
async def test_what_was_exported_without_an_index_is_imported_with_it(
    source: Rollout, target: Rollout, file: Path, first: bool
) -> None:
    before = source.instance("displayName", first=first)
    for name in NAMES:
        await before.device(name, site="Bonn")
    await before.client.user("ann")
    await exported(source, file)
    done = await run_here(target.rows, "--schemas", target.files("displayName", "site"), "import", file)
    assert done.returncode == 0, done.stderr
    newer = target.instance("displayName", "site")
    assert await newer.plan(BONN) == "index site, exact"
    assert await newer.devices(BONN) == NAMES
    assert await newer.client.names('userName eq "ann"') == ["ann"]
    assert await target.findings(newer.declared) == []
    again = await run_here(target.rows, "--schemas", target.files("displayName", "site"), "import", file)
    assert again.returncode == 0, again.stderr


async def test_a_record_is_no_part_of_an_export(source: Rollout) -> None:
    await source.instance("site").device("printer", site="Bonn")
    assert await source.complete() == {"Device.site"}
    kinds = {item.key.partition(":")[0] for item in read(await lines_of(source)) if isinstance(item, Line)}
    assert kinds == {"Device"}


async def test_two_with_one_value_are_both_imported_and_named(source: Rollout, target: Rollout, file: Path) -> None:
    before = source.instance()
    for name, serial in (("one", "SN-1"), ("two", "sn-1"), ("three", "SN-3")):
        await before.device(name, serialNumber=serial, site="Bonn")
    await exported(source, file)
    files = target.files("site", "serialNumber", unique="serialNumber")
    done = await run_here(target.rows, "--schemas", files, "import", file)
    assert done.returncode == 0, done.stderr
    assert "Device.serialNumber+unique" in done.stdout
    newer = target.instance("site", "serialNumber", unique="serialNumber")
    assert await newer.devices('serialNumber eq "SN-1"') == ["one", "two"]
    assert await newer.plan('serialNumber eq "SN-1"') == "scan, superset"
    assert await newer.plan(BONN) == "index site, exact"
    assert await newer.devices(BONN) == ["one", "three", "two"]
    assert (await newer.client.post("/Devices", {"displayName": "x", "serialNumber": "SN-3"})).status == 409
    assert await target.findings() == []


async def test_a_tenant_with_nothing_but_a_record_is_empty_and_its_record_goes(
    source: Rollout, target: Rollout, file: Path
) -> None:
    before = source.instance("displayName")
    for name in NAMES:
        await before.device(name, site="Bonn")
    await exported(source, file)
    gone = target.instance("displayName", "site")
    assert (await gone.client.delete(path(await gone.device("gone", site="Bonn")))).status == 204
    assert await target.complete() == {"Device.displayName", "Device.site"}
    done = await run_here(target.rows, "import", file)  # on a machine that has none of the files
    assert done.returncode == 0, done.stderr
    assert await target.complete() == set()
    newer = target.instance("displayName", "site")
    assert await newer.devices(BONN) == NAMES
    assert await newer.devices('displayName eq "device 1"') == ["device 1"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_an_import_that_is_killed_anywhere_records_what_it_wrote(
    source: Rollout, target: Rollout, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    monkeypatch.setattr("scim_core.storage.maintenance.importing.TRANSACTION_OPERATIONS", 12)
    before = source.instance("displayName")
    for name in NAMES:
        await before.device(name, site="Bonn")
    lines = await lines_of(source)
    newer = target.instance("displayName", "site")
    plan = ImportPlan.of(read(lines), newer.declared)
    deaths = 0
    while True:
        try:
            mortal = MortalRows(target.rows, Death(deaths, after))
            await restore(mortal, TENANT, plan, "digest", lambda: read(lines), clock=target.clock)
            break
        except ProcessDied:
            deaths += 1
            assert await target.complete() == set() or deaths > 8
    assert deaths > 4
    assert await newer.devices(BONN) == NAMES
    assert await newer.plan(BONN) == "index site, exact"
    assert await target.findings(newer.declared) == []


async def test_names_of_version_0_2_get_the_keys_of_today(source: Rollout, target: Rollout, file: Path) -> None:
    second = source.instance(second=True)
    for name in ("ΟΔΟΣ@x", "ann"):
        await second.client.user(name, displayName=name)
    await second.client.group("ΟΔΟΣ")
    await exported(source, file)
    done = await run_here(target.rows, "import", file)
    assert done.returncode == 0, done.stderr
    assert await target.complete("User") == {"User.*"}
    assert await target.complete("Group") == {"Group.*"}
    newer = target.instance()
    assert await newer.client.names('userName eq "οδοσ@x" and displayName eq "οδος@x"') == ["ΟΔΟΣ@x"]
    rows = await read_range(target.rows, TENANT, keys.of_kind("User.userName"))
    assert [row.properties["RowKey"] for row in rows] == ["User.userName:ann", f"User.userName:{encode('οδοσ@x')}"]
    assert (await newer.client.post("/Users", {"userName": "οδος@x"})).status == 409
    assert await target.findings(newer.declared) == []
    again = await run_here(target.rows, "import", file)
    assert again.returncode == 0, again.stderr


async def test_names_that_have_become_one_are_imported_as_they_were_and_named(
    source: Rollout, target: Rollout, file: Path
) -> None:
    second = source.instance(second=True)
    for name in ("ΟΔΟΣ@x", "οδοσ@x", "ΣΟΦΟΣ"):
        await second.client.user(name)
    await exported(source, file)
    done = await run_here(target.rows, "import", file)
    assert done.returncode == 0, done.stderr
    assert "have names that are one now" in done.stdout
    assert await target.complete("User") == set()
    newer = target.instance()
    assert await newer.client.names('userName eq "οδος@x"') == ["ΟΔΟΣ@x", "οδοσ@x"]
    assert await newer.client.names('userName eq "σοφοσ"') == ["ΣΟΦΟΣ"]
    for name in ("ΟΔΟΣ@x", "οδοσ@x", "οδος@x"):
        assert (await newer.client.post("/Users", {"userName": name})).status == 409


async def test_names_of_this_version_come_back_with_one_key_each(source: Rollout, target: Rollout, file: Path) -> None:
    await source.instance().client.user("ΟΔΟΣ@x")
    await exported(source, file)
    assert (await run_here(target.rows, "import", file)).returncode == 0
    rows = await read_range(target.rows, TENANT, keys.of_kind("User.userName"))
    assert len(rows) == 1
    assert await target.findings(target.instance().declared) == []
