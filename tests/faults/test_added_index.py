"""An attribute is indexed after resources were stored: nothing is hidden, whatever else writes at the same time."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from scim_core.protocol.limits import REQUEST_SECONDS
from scim_core.service import unique_values
from scim_core.storage.tables import index_completeness
from scim_core.storage.tables.index_record import FORGOTTEN_AFTER, RECORD_SECONDS
from tests.faults.disturbed_rows import Fault, FaultyRows
from tests.faults.rollout import Rollout
from tests.scim import path
from tests.scim import replace as replacing
from tests.transcript import transcript
from tests.wrapped_rows import Call, WrappedRows

BONN = 'site eq "Bonn"'


async def forgotten(rollout: Rollout) -> None:
    await rollout.pause(FORGOTTEN_AFTER.total_seconds())


async def test_a_device_that_was_stored_before_its_site_was_indexed_is_found_by_it(rollout: Rollout) -> None:
    await rollout.instance("displayName").device("printer", site="Bonn")
    newer = rollout.instance("displayName", "site")
    assert await newer.devices(BONN) == ["printer"]
    await newer.device("scanner", site="Bonn")
    assert await newer.devices(BONN) == ["printer", "scanner"]
    assert await newer.plan(BONN) == "scan, superset"
    assert await newer.plan('site eq "Bonn" and displayName eq "printer"') == "index displayName, superset"


async def test_a_matching_attribute_that_is_indexed_later_makes_nobody_create_a_duplicate(rollout: Rollout) -> None:
    before = rollout.instance()
    serials = [f"SN-{number}" for number in range(5)]
    for serial in serials:
        await before.device(serial, serialNumber=serial)
    newer = rollout.instance("serialNumber")
    for serial in serials:  # as Entra does: it looks for each, and creates those that it does not find
        if not await newer.devices(f'serialNumber eq "{serial}"'):
            await newer.device(serial, serialNumber=serial)
    assert await newer.devices("displayName pr") == serials


async def test_what_version_0_1_stored_is_found(rollout: Rollout) -> None:
    first = rollout.instance("displayName", first=True)
    await first.device("printer", site="Bonn")
    user = await first.client.user("ann", externalId="7")
    newer = rollout.instance("displayName", "site")
    assert await newer.devices(BONN) == ["printer"]
    assert await newer.devices('displayName eq "printer"') == ["printer"]
    assert await newer.plan('userName eq "ann"', "/Users") == "index userName, exact"
    assert await newer.plan('externalId eq "7"', "/Users") == "index externalId, exact"
    assert (await newer.client.patch(path(user), replacing("title", "Director"))).status == 200


async def test_a_type_whose_first_answer_is_empty_and_has_a_token_is_not_taken_for_empty(rollout: Rollout) -> None:
    await rollout.instance("displayName", first=True).device("printer", site="Bonn")
    await forgotten(rollout)
    newer = rollout.instance("displayName", "site", rows=FaultyRows(rollout.rows, lambda *_: Fault.EMPTY_PAGE))
    await newer.device("scanner", site="Bonn")
    assert await newer.devices(BONN) == ["printer", "scanner"]
    assert await rollout.complete() == set()


async def test_a_new_type_of_an_empty_tenant_is_searched_by_its_indexes_at_once(rollout: Rollout) -> None:
    instance = rollout.instance("displayName", "site")
    await instance.device("printer", site="Bonn")
    assert await instance.plan(BONN) == "index site, exact"
    assert await instance.devices(BONN) == ["printer"]
    assert await rollout.instance("displayName", "site").plan(BONN) == "index site, exact"
    assert await rollout.complete() == {"Device.displayName", "Device.site"}


async def test_of_two_files_that_meet_at_the_first_resource_one_is_recorded_and_nothing_is_hidden(
    rollout: Rollout,
) -> None:
    older, newer = rollout.instance("displayName"), rollout.instance("displayName", "site")
    bodies = [{"displayName": f"device {number}", "site": "Bonn"} for number in range(6)]
    answers = await asyncio.gather(
        *((older, newer)[number % 2].client.post("/Devices", body) for number, body in enumerate(bodies))
    )
    assert {answer.status for answer in answers} <= {201, 503}
    await forgotten(rollout)
    for body, answer in zip(bodies, answers, strict=True):
        if answer.status == 503:
            assert (await older.client.post("/Devices", body)).status == 201
    for instance in (older, newer):
        assert await instance.devices(BONN) == [f"device {number}" for number in range(6)]


@pytest.mark.parametrize("rollout", ["memory", "azurite"], indirect=True)
async def test_an_instance_with_the_old_file_gives_the_index_up_before_it_writes(rollout: Rollout) -> None:
    older, newer = rollout.instance("displayName"), rollout.instance("displayName", "site")
    printer = await newer.device("printer", site="Bonn")
    assert await newer.plan(BONN) == "index site, exact"
    refused = await older.client.post("/Devices", {"displayName": "scanner", "site": "Bonn"})
    assert refused.status == 503
    assert 0 < int(refused.headers["retry-after"]) <= FORGOTTEN_AFTER.total_seconds()
    assert await rollout.complete() == {"Device.displayName"}
    assert await newer.plan(BONN) == "index site, exact"  # it is remembered, and still true
    assert (await older.client.patch(path(printer), replacing("displayName", "plotter"))).status == 503
    await rollout.pause(int(refused.headers["retry-after"]))
    await older.device("scanner", site="Bonn")
    assert (await older.client.patch(path(printer), replacing("displayName", "plotter"))).status == 200
    assert await newer.devices(BONN) == ["plotter", "scanner"]
    assert await newer.plan(BONN) == "scan, superset"
    assert await rollout.findings() == []


async def test_an_instance_with_the_old_file_deletes_and_reads_without_waiting(rollout: Rollout) -> None:
    older, newer = rollout.instance("displayName"), rollout.instance("displayName", "site")
    printer = await newer.device("printer", site="Bonn")
    assert await older.devices(BONN) == ["printer"]
    assert (await older.client.delete(path(printer))).status == 204
    assert await newer.devices(BONN) == []
    assert await rollout.complete() == {"Device.displayName", "Device.site"}
    assert await rollout.findings() == []


async def test_an_index_of_other_keys_is_another_index(rollout: Rollout) -> None:
    await rollout.instance("site").device("printer", site="Bonn")
    for other in (rollout.instance("site", case_exact="site"), rollout.instance("site", unique="site")):
        assert await other.devices(BONN) == ["printer"]
        assert await other.plan(BONN) == "scan, superset"


async def test_what_writes_the_first_indexes_only_reads_no_record(rollout: Rollout) -> None:
    instance = rollout.instance()
    with transcript(instance.storage) as recorded:
        user = await instance.client.user("ann", externalId="7")
        await instance.client.patch(path(user), replacing("title", "Director"))
        await instance.client.names('userName eq "ann" or displayName eq "x" or emails.value eq "y"')
        await instance.client.group("staff", user)
    assert not any("indexes:" in call.keys for call in recorded.calls)


async def test_a_record_is_read_once_a_minute(rollout: Rollout) -> None:
    await rollout.instance("site").device("printer")
    instance = rollout.instance("site")
    with transcript(instance.storage) as recorded:
        for number in range(5):
            await instance.device(f"device {number}", site="Bonn")
            await instance.devices(BONN)
    assert sum("indexes:" in call.keys for call in recorded.calls) == 1
    with transcript(instance.storage) as recorded:
        await instance.device("device 6", site="Bonn")
    assert recorded.kinds == ["transact"]
    await rollout.pause(RECORD_SECONDS)
    with transcript(instance.storage) as recorded:
        await instance.device("device 7", site="Bonn")
    assert recorded.kinds == ["get", "transact", "transact"]  # the record; the device, and the doorbell beside it


async def test_an_instance_that_knows_no_record_is_noticed_within_a_minute(rollout: Rollout) -> None:
    newer = rollout.instance("site")
    await newer.device("printer", site="Bonn")
    assert await newer.plan(BONN) == "index site, exact"
    await rollout.instance("site", first=True).device("scanner", site="Bonn")
    await rollout.pause(RECORD_SECONDS)
    assert await newer.devices(BONN) == ["printer", "scanner"]
    assert await newer.plan(BONN) == "scan, superset"
    assert await rollout.complete() == set()


async def test_after_hours_without_such_an_instance_only_late_creations_are_looked_at(rollout: Rollout) -> None:
    newer = rollout.instance("site")
    await newer.device("printer", site="Bonn")
    await newer.devices(BONN)
    created = (await rollout.record()).of("Device").verified
    await rollout.pause(2 * 3600)
    await newer.devices(BONN)
    assert (await rollout.record()).of("Device").verified > created
    await rollout.pause(RECORD_SECONDS)
    assert await newer.plan(BONN) == "index site, exact"


class SlowToFind(WrappedRows):
    """Rows on which the next look into the index takes a while: until then `until_then` happens."""

    until_then: Call[None] | None = None

    async def _made[T](self, kind: str, about: tuple[str, ...], call: Call[T], *, repeatable: bool = True) -> T:
        happens, is_look = self.until_then, about[0].startswith("Device.site:")
        if happens is not None and is_look:
            self.until_then = None
            await happens()
        return await super()._made(kind, about, call, repeatable=repeatable)


async def test_a_search_that_was_planned_by_an_index_is_over_before_a_writer_gives_the_index_up(
    rollout: Rollout,
) -> None:
    rows = SlowToFind(rollout.rows)
    newer, older = rollout.instance("site", rows=rows), rollout.instance()
    printer = await newer.device("printer", site="Bonn")
    await rollout.pause(2 * RECORD_SECONDS)
    await newer.devices(BONN)
    assert (await older.client.patch(path(printer), replacing("displayName", "x"))).status == 503
    await rollout.pause(RECORD_SECONDS - 1)

    async def as_long_as_a_request_may_take() -> None:
        await rollout.pause(REQUEST_SECONDS)
        await older.client.patch(path(printer), replacing("displayName", "x"))

    rows.until_then = as_long_as_a_request_may_take
    assert await newer.devices(BONN) == ["printer"]
    assert rows.until_then is None


async def test_of_many_creations_each_is_looked_at_for_a_few_minutes_only(
    rollout: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_completeness, "MOST_LOOKED_AT", 3)
    newer = rollout.instance("site")
    for number in range(4):
        await newer.device(f"device {number}", site="Bonn")
    for _ in range(3):
        await rollout.pause(RECORD_SECONDS)
        await newer.devices(BONN)
    assert rollout.clock.now - (await rollout.record()).of("Device").verified < timedelta(minutes=3)
    await rollout.instance(first=True).device("printer", site="Bonn")
    await rollout.pause(RECORD_SECONDS)
    assert "printer" in await newer.devices(BONN)


async def test_users_get_an_index_that_the_files_of_this_version_lack(rollout: Rollout) -> None:
    """A later version might add it: an instance of this version writes the same users without it."""
    later, now = rollout.instance(users_by=("nickName",)), rollout.instance()
    ann = await later.client.user("ann", nickName="Duke")
    assert await later.plan('nickName eq "duke"', "/Users") == "index nickName, exact"
    assert (await now.client.patch(path(ann), replacing("title", "Director"))).status == 503
    await forgotten(rollout)
    assert (await now.client.patch(path(ann), replacing("title", "Director"))).status == 200
    await now.client.user("bob", nickName="Duke")
    assert await later.client.names('nickName eq "duke"') == ["ann", "bob"]
    assert await rollout.findings() == []


async def test_users_that_an_instance_of_this_version_creates_are_missed_for_a_minute_at_most(rollout: Rollout) -> None:
    later, now = rollout.instance(users_by=("nickName",)), rollout.instance()
    await later.client.user("ann", nickName="Duke")
    await now.client.user("bob", nickName="Duke")
    await rollout.pause(RECORD_SECONDS)
    assert await later.client.names('nickName eq "duke"') == ["ann", "bob"]


async def test_a_value_that_has_to_be_unique_from_now_on_is_not_given_twice(rollout: Rollout) -> None:
    await rollout.instance().device("printer", serialNumber="SN-1")
    newer = rollout.instance("serialNumber", unique="serialNumber")
    taken = await newer.client.post("/Devices", {"displayName": "copy", "serialNumber": "sn-1"})
    assert (taken.status, taken.document["scimType"]) == (409, "uniqueness")
    scanner = await newer.device("scanner", serialNumber="SN-2")
    assert (await newer.client.patch(path(scanner), replacing("serialNumber", "SN-1"))).status == 409
    assert (await newer.client.patch(path(scanner), replacing("serialNumber", "SN-3"))).status == 200
    answers = await asyncio.gather(
        *(newer.client.post("/Devices", {"displayName": "x", "serialNumber": "SN-4"}) for _ in range(4))
    )
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]


async def test_what_had_one_value_twice_before_can_be_changed_otherwise(rollout: Rollout) -> None:
    before = rollout.instance()
    twins = [await before.device(name, serialNumber="SN-1") for name in ("one", "two")]
    newer = rollout.instance("serialNumber", unique="serialNumber")
    for twin in twins:
        assert (await newer.client.patch(path(twin), replacing("site", "Bonn"))).status == 200
    assert await newer.devices('serialNumber eq "SN-1"') == ["one", "two"]
    assert (await newer.client.post("/Devices", {"displayName": "3", "serialNumber": "SN-1"})).status == 409
    assert await rollout.findings() == []
    for twin in twins:
        assert (await newer.client.delete(path(twin))).status == 204
    assert await rollout.findings() == []


async def test_what_had_two_values_twice_before_can_be_changed_otherwise(rollout: Rollout) -> None:
    """A device that was stored twice shares all of its values with its twin."""
    before = rollout.instance()
    twins = [await before.device(name, serialNumber="SN-1", site="Bonn") for name in ("one", "two")]
    newer = rollout.instance("serialNumber", "site", unique="serialNumber site")
    for twin in twins:
        assert (await newer.client.patch(path(twin), replacing("displayName", "gone"))).status == 200
    assert await newer.devices(f'serialNumber eq "SN-1" and {BONN}') == ["gone", "gone"]
    assert await rollout.findings() == []


async def test_where_nobody_can_tell_whether_a_value_is_unique_nothing_is_stored(
    rollout: Rollout, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(unique_values, "MAX_SCAN", 4)
    monkeypatch.setattr(unique_values, "SCAN_PAGE", 2)
    before = rollout.instance()
    for number in range(5):
        await before.device(f"device {number}", serialNumber=f"SN-{number}")
    newer = rollout.instance("serialNumber", unique="serialNumber")
    refused = await newer.client.post("/Devices", {"displayName": "x", "serialNumber": "SN-9"})
    assert refused.status == 503
    assert "scim_core.admin reindex" in caplog.text
    assert await newer.devices('serialNumber eq "SN-9"') == []


async def test_a_record_that_others_change_at_the_same_time_is_read_again(rollout: Rollout) -> None:
    older, newer = rollout.instance("site"), rollout.instance("site", "serialNumber")
    await newer.device("printer", site="Bonn", serialNumber="1")
    record = await rollout.record()
    await newer.devices(BONN)
    await older.client.post("/Devices", {"displayName": "scanner"})
    assert (await rollout.record()).etag != record.etag
    assert replace(await rollout.record(), etag="") != replace(record, etag="")
    assert await rollout.complete() == {"Device.site"}
