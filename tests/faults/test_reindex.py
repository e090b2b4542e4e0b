"""`admin reindex`: what it completes while the service runs, what stops it, and that it can be killed anywhere."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from scim_core.admin.reindex import told
from scim_core.protocol.limits import REQUEST_SECONDS
from scim_core.storage.maintenance.reindexing import MAX_WALKS
from scim_core.storage.tables import keys
from scim_core.storage.tables.client import CALL_SECONDS
from scim_core.storage.tables.index_record import FORGOTTEN_AFTER, STORED_SECONDS, USED_SECONDS
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import RowPage, Rows
from tests.commands import run_here
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.faults.rollout import TENANT, Instance, Rollout, further
from tests.memory_rows import MemoryRows
from tests.scim import Json, path, remove, replace
from tests.transcript import transcript
from tests.wrapped_rows import Call, WrappedRows

BONN = 'site eq "Bonn"'
SITE = {"Device.displayName", "Device.site"}


async def filled(rollout: Rollout, number: int = 4) -> Instance:
    """Devices that were stored before the site was indexed, and an instance whose file declares it."""
    before = rollout.instance("displayName")
    for device in range(number):
        await before.device(f"device {device}", site="Bonn")
    return rollout.instance("displayName", "site")


@pytest.mark.parametrize("rollout", ["memory", "azurite"], indirect=True)
async def test_an_index_is_used_once_it_is_complete(rollout: Rollout) -> None:
    newer = await filled(rollout)
    assert await newer.plan(BONN) == "scan, superset"
    walked: list[int] = []
    begun = rollout.clock.now
    done = await rollout.reindexed(newer, progress=walked.append)
    assert (done.written, further(done.complete), done.is_complete) == (4, SITE, True)
    assert rollout.clock.now - begun >= FORGOTTEN_AFTER
    assert sum(walked) == 8
    assert await newer.plan(BONN) == "index site, exact"
    assert await newer.devices(BONN) == [f"device {number}" for number in range(4)]
    assert await rollout.findings(newer.declared) == []


async def test_a_second_run_finds_nothing_to_do_and_waits_for_nobody(rollout: Rollout) -> None:
    newer = await filled(rollout)
    await rollout.reindexed(newer)
    record, begun = await rollout.record(), rollout.clock.now
    with transcript(newer.storage) as recorded:
        done = await rollout.reindexed(newer)
    assert (done.written, done.is_complete) == (0, True)
    assert "transact" not in recorded.kinds
    assert await rollout.record() == record
    assert (rollout.clock.now - begun).total_seconds() < 1


async def test_the_service_works_while_the_index_is_built(rollout: Rollout) -> None:
    newer = await filled(rollout)
    [device] = await newer.client.found("/Devices", 'displayName eq "device 1"')
    asked: list[list[str]] = []

    async def pause(seconds: float) -> None:
        if not asked:
            await newer.client.patch(path(device), replace("site", "Cologne"))
            await newer.device("new", site="Bonn")
        asked.append(await newer.devices(BONN))
        await rollout.pause(seconds)

    assert (await rollout.reindexed(newer, pause=pause)).is_complete
    here = ["device 0", "device 2", "device 3", "new"]
    assert all(devices == here for devices in asked)
    assert await newer.devices(BONN) == here
    assert await newer.devices('site eq "Cologne"') == ["device 1"]
    assert await rollout.findings(newer.declared) == []


async def test_what_an_instance_writes_that_does_not_know_yet_is_in_the_index(rollout: Rollout) -> None:
    newer = await filled(rollout)
    older = rollout.instance("displayName")
    await older.device("remembers the record", site="Bonn")
    written: list[Json] = []

    async def pause(seconds: float) -> None:
        if not written:
            written.append(await older.device("late", site="Bonn"))
        await rollout.pause(seconds)

    done = await rollout.reindexed(newer, pause=pause)
    assert done.is_complete
    assert await newer.plan(BONN) == "index site, exact"
    assert "late" in await newer.devices(BONN)


async def test_an_instance_with_the_old_file_stops_the_building(rollout: Rollout) -> None:
    newer = await filled(rollout)
    older = rollout.instance("displayName")
    written: list[Json] = []

    async def pause(seconds: float) -> None:
        await rollout.pause(seconds)
        if not written:
            written.append(await older.device("late", site="Bonn"))  # nobody used the index: it need not wait

    done = await rollout.reindexed(newer, pause=pause)
    assert done.given_up == {"Device.site"}
    assert any("Finish the roll-out" in sentence for sentence in told(done))
    assert await newer.plan(BONN) == "scan, superset"
    assert "late" in await newer.devices(BONN)
    assert (await rollout.reindexed(newer)).is_complete
    assert await newer.plan(BONN) == "index site, exact"
    assert "late" in await newer.devices(BONN)


async def test_version_0_1_that_still_writes_keeps_the_index_from_being_complete(rollout: Rollout) -> None:
    newer = await filled(rollout)
    first = rollout.instance("displayName", first=True)
    [device] = await newer.client.found("/Devices", 'displayName eq "device 1"')
    page, walks = newer.storage.rows.page, 0

    async def disturbed(tenant: str, key_range: KeyRange, **options: Any) -> RowPage:
        nonlocal walks
        if key_range != keys.resources("Device"):
            return await page(tenant, key_range, **options)
        walks += 1
        changed = await first.client.patch(path(device), replace("serialNumber", f"SN-{walks}"))
        assert changed.status == 200
        return await page(tenant, key_range, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(newer.storage.rows, "page", disturbed)
        done = await rollout.reindexed(newer)
    assert walks == MAX_WALKS + 1
    assert further(done.still_written) == {"Device.site"}
    assert any("version 0.1" in sentence for sentence in told(done))
    assert await newer.plan(BONN) == "scan, superset"
    assert (await rollout.reindexed(newer)).is_complete


async def test_what_version_0_1_changes_in_a_complete_index_is_found_and_mended(rollout: Rollout) -> None:
    newer = await filled(rollout)
    await rollout.reindexed(newer)
    first = rollout.instance("displayName", first=True)
    [device] = await newer.client.found("/Devices", 'displayName eq "device 1"')
    await first.client.patch(path(device), replace("serialNumber", "SN-1"))
    [finding] = await rollout.findings(newer.declared)
    assert f"Device:{device['id']} has no row Device.site:bonn" in finding
    done = await rollout.reindexed(newer)
    assert (done.written, done.is_complete) == (1, True)
    assert await rollout.findings(newer.declared) == []
    assert "device 1" in await newer.devices(BONN)


@pytest.mark.parametrize("rollout", ["memory", "azurite"], indirect=True)
async def test_two_with_one_value_are_named_and_the_index_stays_incomplete(rollout: Rollout) -> None:
    before = rollout.instance()
    one = await before.device("one", serialNumber="SN-1")
    two = await before.device("two", serialNumber="sn-1")
    three = await before.device("three", serialNumber="SN-3")
    newer = rollout.instance("serialNumber", "site", unique="serialNumber")
    done = await rollout.reindexed(newer)
    assert further(done.complete) == {"Device.site"}
    [conflict] = done.conflicts
    assert {conflict.resource, conflict.holder} == {f"Device:{item['id']}" for item in (one, two)}
    assert any(str(conflict) in sentence for sentence in told(done))
    assert await newer.plan('serialNumber eq "SN-1"') == "scan, superset"
    assert await newer.devices('serialNumber eq "SN-1"') == ["one", "two"]
    assert (await newer.client.post("/Devices", {"displayName": "x", "serialNumber": "SN-3"})).status == 409
    assert [await newer.client.document(item) for item in (one, two, three)]
    assert (await newer.client.patch(path(two), remove("serialNumber"))).status == 200  # unique, and not required
    assert (await newer.client.patch(path(two), replace("serialNumber", "SN-2"))).status == 200
    done = await rollout.reindexed(newer)
    assert done.is_complete
    await rollout.pause(FORGOTTEN_AFTER.total_seconds())
    assert await newer.plan('serialNumber eq "SN-1"') == "index serialNumber, exact"
    assert await newer.devices('serialNumber eq "SN-1"') == ["one"]
    assert (await newer.client.post("/Devices", {"displayName": "x", "serialNumber": "SN-1"})).status == 409
    assert await rollout.findings(newer.declared) == []


async def test_an_index_whose_keys_become_other_keys_is_built_again(rollout: Rollout) -> None:
    before = rollout.instance("site")
    for number in range(3):
        await before.device(f"device {number}", site=f"Bonn {number}")
    newer = rollout.instance("site", unique="site")
    assert (await rollout.reindexed(newer)).is_complete
    assert await newer.plan('site eq "Bonn 1"') == "index site, exact"
    assert await newer.devices('site eq "BONN 1"') == ["device 1"]
    assert await rollout.findings(newer.declared) == []


async def test_a_row_of_an_index_that_is_there_already_is_taken_over(rollout: Rollout) -> None:
    before = rollout.instance()
    device = await before.device("one", serialNumber="SN-1")
    newer = rollout.instance("serialNumber", unique="serialNumber")
    stray = RowOperation(Verb.INSERT, Role.INDEX, "Device.serialNumber:sn-1", {"id": device["id"]})
    await newer.storage.rows.transact(TENANT, [stray])
    assert (await rollout.reindexed(newer)).is_complete
    assert await rollout.findings(newer.declared) == []


async def test_a_resource_with_more_rows_than_it_may_have_is_named(
    rollout: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = await filled(rollout)
    monkeypatch.setattr("scim_core.storage.tables.service_limits.MAX_INDEX_ROWS", 1)
    done = await rollout.reindexed(newer)
    assert further(done.complete) == {"Device.displayName"}
    assert len(done.conflicts) == 4
    assert "more values than can be indexed" in str(done.conflicts[0])
    assert await newer.devices(BONN) == [f"device {number}" for number in range(4)]


async def test_files_without_further_indexes_have_names_only_that_can_be_completed(rollout: Rollout) -> None:
    instance = rollout.instance()
    await instance.client.user("ann")
    done = await rollout.reindexed(instance)
    assert told(done) == [
        "0 resources were written.",
        *(f"The names of {name} are complete: only their keys of today are used." for name in ("Group", "User")),
    ]


async def test_a_check_names_what_is_missing_and_repairs_what_is_complete(rollout: Rollout) -> None:
    newer = await filled(rollout, 2)
    findings = await rollout.findings(newer.declared)
    assert findings == [
        "Device has an index Device.site that is not complete and not used: `admin reindex` completes it"
    ]
    await rollout.reindexed(newer)
    first = rollout.instance(first=True)
    for device in await newer.client.found("/Devices", BONN):
        await first.client.patch(path(device), replace("serialNumber", "SN-1"))
    before = await rollout.findings(newer.declared)
    assert len(before) == 4  # displayName and site of two
    files = rollout.files("displayName", "site")
    checked = await run_here(rollout.rows, "--schemas", files, "check")
    assert (checked.returncode, checked.stdout.count("has no row")) == (1, 4), checked.stderr
    mended = await run_here(rollout.rows, "--schemas", files, "check", "--repair")
    assert mended.returncode == 0, mended.stderr + mended.stdout
    assert await rollout.findings(newer.declared) == []
    assert await newer.devices(BONN) == ["device 0", "device 1"]


async def test_the_command_says_what_it_did(rollout: Rollout) -> None:
    newer = await filled(rollout, 2)
    await rollout.reindexed(newer)
    done = await run_here(rollout.rows, "--schemas", rollout.files("displayName", "site"), "reindex")
    assert done.returncode == 0, done.stderr
    assert "Device.site is complete: searches use it." in done.stdout
    wrong = await run_here(rollout.rows, "--schemas", rollout.folder / "nowhere", "reindex")
    assert wrong.returncode == 2
    assert "There is no folder" in wrong.stderr


@dataclass
class Killed:
    """A run that dies at a call, and the run after it."""

    rollout: Rollout

    async def at(self, call: int, *, after: bool) -> bool:
        """Whether the run survived: then there are no more calls at which it can die."""
        rollout = Rollout(MemoryRows(), self.rollout.folder, self.rollout.plans)
        newer = await filled(rollout, 3)
        killed = rollout.instance("displayName", "site", rows=MortalRows(rollout.rows, Death(call, after)))
        try:
            await rollout.reindexed(killed)
        except ProcessDied:
            lived = False
        else:
            lived = True
        where = f"{'after' if after else 'before'} call {call}"
        names = [f"device {number}" for number in range(3)]
        other = rollout.instance("displayName", "site")
        for instance in (newer, other):
            assert await instance.devices(BONN) == names, where
        assert await rollout.findings() == [], where
        assert (await rollout.reindexed(newer)).is_complete, where
        await rollout.pause(FORGOTTEN_AFTER.total_seconds())
        for instance in (newer, other):
            assert await instance.plan(BONN) == "index site, exact", where
            assert await instance.devices(BONN) == names, where
        assert await rollout.findings(newer.declared) == [], where
        return lived


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_run_that_is_killed_anywhere_hides_nothing_and_can_be_continued(rollout: Rollout, after: bool) -> None:
    killed = Killed(rollout)
    call = 0
    while not await killed.at(call, after=after):
        call += 1
    assert call >= 8  # the record twice at least, two walks, three devices, the end


async def test_a_continued_run_waits_no_second_time(rollout: Rollout) -> None:
    newer = await filled(rollout)
    pauses: list[float] = []

    async def dies(seconds: float) -> None:
        await rollout.pause(seconds)
        pauses.append(seconds)
        if sum(pauses) > FORGOTTEN_AFTER.total_seconds() - 10:
            raise ProcessDied

    with pytest.raises(ProcessDied):
        await rollout.reindexed(newer, pause=dies)
    begun = rollout.clock.now
    assert (await rollout.reindexed(newer)).is_complete
    assert (rollout.clock.now - begun).total_seconds() < 11


async def test_a_given_up_index_is_built_again_only_when_nobody_believes_in_it(rollout: Rollout) -> None:
    newer = rollout.instance("displayName", "site")
    await newer.device("printer", site="Bonn")
    older = rollout.instance("displayName")
    assert (await older.client.post("/Devices", {"displayName": "x"})).status == 503
    begun = rollout.clock.now
    assert (await rollout.reindexed(newer)).is_complete
    assert rollout.clock.now - begun >= 2 * FORGOTTEN_AFTER


class HookedRows(WrappedRows):
    """Rows that do something before their first transaction."""

    def __init__(self, rows: Rows, hook: Callable[[], Awaitable[None]]) -> None:
        super().__init__(rows)
        self._hook: Callable[[], Awaitable[None]] | None = hook

    async def _made[T](self, kind: str, about: tuple[str, ...], call: Call[T], *, repeatable: bool = True) -> T:
        if kind == "transact":
            hook, self._hook = self._hook, None
            if hook is not None:
                await hook()
        return await super()._made(kind, about, call, repeatable=repeatable)


async def test_an_index_that_is_given_up_while_a_run_begins_is_forgotten_first(rollout: Rollout) -> None:
    newer = await filled(rollout)
    older = rollout.instance("displayName")
    body = {"displayName": "late", "site": "Bonn"}

    async def completed_and_given_up() -> None:
        await rollout.reindexed(newer)
        assert await newer.plan(BONN) == "index site, exact"
        assert (await older.client.post("/Devices", body)).status == 503

    stored: list[int] = []

    async def pause(seconds: float) -> None:
        if not stored:
            answer = await rollout.instance("displayName").client.post("/Devices", body)  # it remembers nothing
            stored.extend([201] if answer.status == 201 else [])
        assert ("late" in await newer.devices(BONN)) is bool(stored)
        await rollout.pause(seconds)

    hooked = rollout.instance("displayName", "site", rows=HookedRows(rollout.rows, completed_and_given_up))
    await rollout.reindexed(hooked, pause=pause)
    assert stored
    assert "late" in await newer.devices(BONN)


async def test_the_rows_of_a_device_are_those_of_the_layout(rollout: Rollout) -> None:
    newer = await filled(rollout, 1)
    [device] = await newer.client.found("/Devices", BONN)
    await rollout.reindexed(newer)
    row = await newer.storage.rows.get(TENANT, keys.resource("Device", device["id"]))
    assert row is not None
    assert row.properties["indexed"] == "Device.*\nDevice.displayName\nDevice.site"
    assert row.properties["i0"].splitlines() == [
        f"Device.displayName:device!200:{device['id']}",
        f"Device.site:bonn:{device['id']}",
    ]
    assert row.properties["version"] in device["meta"]["version"]


def test_a_wait_is_longer_than_any_request_and_call() -> None:
    assert USED_SECONDS >= REQUEST_SECONDS + CALL_SECONDS
    assert STORED_SECONDS >= CALL_SECONDS
