"""A mass change is told once for each time that it grows, and held where the customer's operator wants that."""

import dataclasses
import logging
from datetime import timedelta

import pytest

import scim_core
from scim_core.feed.mass_changes import RELEASED_HOURS, MassChanges
from scim_core.mass_change_settings import MassChangeSettings
from scim_core.service.hold import HELD_RETRY_AFTER
from scim_core.storage.feed_port import LOSS_PART, LOSS_WINDOW, LossCount, Losses
from scim_core.storage.port import ChangeNote, StorageBusy
from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.loss_counts import MAX_CREDENTIALS, OTHERS
from scim_core.storage.tables.service_limits import MAX_PROPERTY_UNITS
from tests.commands import run_here
from tests.contract.builders import TENANT as PLAIN
from tests.contract.builders import create, user
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.mass_changes.incident import TENANT, Company, Relaying
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, Json, endpoint_over, path, remove, replace, sentence
from tests.tenancy import settings
from tests.transcript import transcript

FEW = {"SCIM_MASS_CHANGE_USERS": "3", "SCIM_MASS_CHANGE_PERCENT": "10"}
"""More than 3 users, and more than 10 percent."""


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.getMessage().startswith("mass change: ")]


async def test_more_than_the_number_and_the_share_is_told_with_tenant_credential_and_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Relaying(environment=FEW) as it:
        users = await it.people(20)
        await it.deactivate(it.honest, users[0])
        for number in (1, 2):
            await it.deactivate(it.sync, users[number])
        await it.idle()
        await it.service.endpoint.tend_feeds()
        assert told(caplog) == []
        await it.delete(it.sync, users[3])
        await it.delete(it.sync, users[1])  # who was deactivated already is lost once
        await it.idle()
        await it.service.endpoint.tend_feeds()
        [record] = told(caplog)
        assert record.getMessage().startswith(
            f"mass change: 4 active users of the tenant {TENANT} were deactivated or deleted within an hour, 3 of them "
            f"by the credential sync {it.sync.credential.id}. Further ones are not held."
        )
        assert (vars(record)["tenant"], vars(record)["count"]) == (TENANT, 4)
        await it.service.endpoint.tend_feeds()
        assert len(told(caplog)) == 1
        await it.deactivate(it.sync, users[4])
        await it.service.endpoint.tend_feeds()
        assert [vars(record)["count"] for record in told(caplog)] == [4, 5]


async def test_a_small_share_and_a_small_number_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async with Relaying(environment=FEW) as it:
        users = await it.people(60)
        for number in range(6):
            await it.deactivate(it.sync, users[number])
        await it.service.endpoint.tend_feeds()
        assert told(caplog) == []
        await it.deactivate(it.sync, users[6])
        await it.service.endpoint.tend_feeds()
        assert len(told(caplog)) == 1


async def test_leavers_are_a_small_share_also_of_users_without_active(caplog: pytest.LogCaptureFixture) -> None:
    """So are users of version 0.2. Who is inactive already is no part of those that could be lost."""
    async with Relaying(environment=FEW) as it:
        users = await it.people(60)
        for left in users[:20]:
            await it.deactivate(it.honest, left)
        it.service.pass_time((LOSS_WINDOW + LOSS_PART).total_seconds())
        for user in users[20:]:
            await it.patch(it.honest, user, remove("active"))
        for number in range(20, 24):
            await it.deactivate(it.sync, users[number])
        await it.service.endpoint.tend_feeds()
        assert told(caplog) == []
        await it.deactivate(it.sync, users[24])
        await it.service.endpoint.tend_feeds()
        assert len(told(caplog)) == 1


async def test_losses_of_more_than_an_hour_ago_do_not_count(caplog: pytest.LogCaptureFixture) -> None:
    async with Relaying(environment=FEW) as it:
        users = await it.people(20)
        for number in range(3):
            await it.deactivate(it.sync, users[number])
        it.service.pass_time((LOSS_WINDOW + LOSS_PART).total_seconds())
        for number in range(3, 6):
            await it.deactivate(it.sync, users[number])
        await it.service.endpoint.tend_feeds()
        assert told(caplog) == []
        assert sum((await it.storage.losses(TENANT)).within(it.clock()).values()) == 3


async def test_creations_reactivations_groups_and_an_undo_are_no_losses() -> None:
    async with Relaying(environment=FEW) as it:
        users = await it.people(3)
        await it.user("inactive", active=False)
        group = await it.group("staff", *users)
        await it.deactivate(it.sync, users[0])
        await it.patch(it.sync, users[0], replace("active", value=True), replace("title", "new"))
        await it.delete(it.sync, group, "/Groups")
        await it.storage.relay(TENANT)
        assert sum((await it.storage.losses(TENANT)).within(it.clock()).values()) == 1


async def test_a_change_and_its_relay_cost_what_they_did_and_the_look_reads_few_rows() -> None:
    async with Company(environment=FEW) as it:  # its process relays nothing by itself
        users = [await it.user(f"user{number}@example.com") for number in range(50)]
        await it.storage.relay(TENANT)
        look = it.service.endpoint._mass_changes.look
        kinds: list[tuple[list[str], list[str]]] = []
        for operation in (replace("title", "new"), replace("active", value=False)):
            with transcript(it.storage) as request:
                await it.patch(it.sync, users[0], operation)
            with transcript(it.storage) as relay:
                await it.storage.relay(TENANT)
            kinds.append((request.kinds, relay.kinds))
        assert kinds[0] == kinds[1]
        with transcript(it.storage) as unheld:
            await look(TENANT)
        assert unheld.kinds == []
        await it.service.administration.change_tenant(TENANT, hold=True)
        it.service.pass_time(61)
        await it.patch(it.sync, users[0], replace("title", "newer"))
        with transcript(it.storage) as few:
            await look(TENANT)
        assert few.kinds == ["get"]
        for number in range(1, 4):
            await it.deactivate(it.sync, users[number])
        await it.storage.relay(TENANT)
        with transcript(it.storage) as first:
            await look(TENANT)
        assert first.kinds == ["get", "page", "transact"]
        assert (await it.storage.losses(TENANT)).safe == 5
        await it.deactivate(it.sync, users[4])
        await it.storage.relay(TENANT)
        with transcript(it.storage) as again:
            await look(TENANT)
        assert again.kinds == ["get"]


class Counting(TableStorage):
    """Has counted the active users so many times."""

    counts = 0

    async def active(self, tenant: str, resource_type: str, limit: int) -> int:
        self.counts += 1
        return await super().active(tenant, resource_type, limit)


@pytest.mark.parametrize("hold", [False, True])
async def test_a_mass_change_that_goes_on_counts_the_active_users_once_for_each_tenth(hold: bool) -> None:
    clock = Clock()
    storage = Counting(MemoryRows(), clock)

    async def holds(_: str) -> bool:
        return hold

    seen = MassChanges(storage, ["User"], MassChangeSettings(users=3), holds, clock)
    for number in range(1, 101):
        await storage.create(PLAIN, user(number), note=ChangeNote(lost_by="sync"))
        await storage.relay(PLAIN)
        await seen.look(PLAIN)
    assert storage.counts == hold  # it is held with the first look
    told = 0
    for number in range(101, 201):
        await storage.create(PLAIN, user(number), note=ChangeNote(lost_by="sync"))
        await storage.relay(PLAIN)
        told += len((await seen.alarms({PLAIN: await storage.losses(PLAIN)})).changes)
    assert (storage.counts, told) == (7 + hold, 7)
    clock.advance(hours=3)
    for number in range(201, 331):
        await storage.create(PLAIN, user(number), note=ChangeNote(lost_by="sync"))
    await storage.relay(PLAIN)
    assert len((await seen.alarms({PLAIN: await storage.losses(PLAIN)})).changes) == 1
    await storage.judge(PLAIN, dataclasses.replace(await storage.losses(PLAIN), held="", free_until="9999"))
    counted = storage.counts
    await seen.look(PLAIN)
    assert storage.counts == counted


async def held_company(**environment: str) -> tuple[Relaying, list[Json]]:
    """A customer that is held: four of twenty users were deactivated."""
    it = await Relaying(environment=FEW | environment).__aenter__()
    users = await it.people(20)
    await it.service.administration.change_tenant(TENANT, hold=True)
    it.service.pass_time(61)
    for number in range(4):
        assert await it.deactivate(it.sync, users[number]) == 200
    await it.idle()
    return it, users


async def test_further_deactivations_and_deletions_get_429_and_everything_else_goes_on() -> None:
    it, users = await held_company()
    group = await it.group("staff", users[5])
    body = {"schemas": users[6]["schemas"], "userName": "user6@example.com", "active": False}
    answer = await it.service.send("DELETE", f"/scim/v2/Users/{users[5]['id']}", it.sync.secret)
    assert (answer.status, answer.headers["Retry-After"]) == (429, str(HELD_RETRY_AFTER))
    assert sentence(answer).endswith("then ask the operator of this service to release them.")
    assert await it.deactivate(it.sync, users[5]) == 429
    assert await it.deactivate(it.honest, users[5]) == 429
    assert (await it.asked(it.sync, "PUT", f"/Users/{users[6]['id']}", body))[0] == 429
    assert await it.delete(it.sync, group, "/Groups") == 429
    taken = replace("userName", "user7@example.com")
    assert await it.patch(it.sync, users[5], taken, replace("active", value=False)) == 429
    leave = replace("active", value=False)
    operations: list[Json] = [
        {"method": "DELETE", "path": f"/Users/{users[7]['id']}"},
        {
            "method": "PATCH",
            "path": f"/Users/{users[8]['id']}",
            "data": {"Operations": [leave]},
        },
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "bulk@example.com"}},
    ]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    _, done = await it.asked(it.sync, "POST", "/Bulk", bulk)
    assert [item["status"] for item in done["Operations"]] == ["429", "429", "201"]
    assert await it.patch(it.sync, users[5], replace("title", "new")) == 200
    assert await it.patch(it.sync, users[0], replace("active", value=True)) == 200
    assert await it.patch(it.sync, users[1], replace("title", "an inactive one")) == 200
    assert await it.patch(it.sync, group, replace("members", []), url="/Groups") == 204
    assert (await it.asked(it.sync, "GET", f"/Users/{users[5]['id']}"))[1]["active"] is True
    assert (await it.asked(it.sync, "DELETE", "/Users/018f0000-0000-7000-8000-0000000000ff"))[0] == 404
    for number in range(5, 9):
        assert (await it.asked(it.sync, "GET", f"/Users/{users[number]['id']}"))[1]["active"] is True


async def test_a_bulk_that_takes_back_what_it_has_just_created_is_not_held() -> None:
    it, _ = await held_company()
    operations: list[Json] = [
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": name,
            "data": {"displayName": "same", "members": [{"value": f"bulkId:{other}", "type": "Group"}]},
        }
        for name, other in (("a", "b"), ("b", "a"))
    ]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    _, done = await it.asked(it.sync, "POST", "/Bulk", bulk)
    assert {item["status"] for item in done["Operations"]} == {"409"}
    assert (await it.asked(it.sync, "GET", "/Groups"))[1]["totalResults"] == 0


async def test_after_a_release_they_go_on_and_nothing_is_held_for_some_hours() -> None:
    it, users = await held_company()
    assert await it.deactivate(it.sync, users[4]) == 429
    done = await run_here(it.rows, "tenants", "release", TENANT)
    assert (done.returncode, "It was held since" in done.stdout) == (0, True)
    again = await run_here(it.rows, "--json", "tenants", "release", TENANT)
    assert '"held": null' in again.stdout
    audit = await run_here(it.rows, "audit", "--tenant", TENANT)
    assert "release ended" in audit.stdout
    await it.storage.release(TENANT, "")
    later = it.clock.now + timedelta(hours=RELEASED_HOURS)
    await it.storage.release(TENANT, later.isoformat(timespec="microseconds").replace("+00:00", "Z"))
    for number in range(4, 10):
        assert await it.deactivate(it.sync, users[number]) == 200
        await it.idle()
    it.service.pass_time(RELEASED_HOURS * 3_600)
    for number in range(10, 14):
        assert await it.deactivate(it.sync, users[number]) == 200
    await it.idle()
    assert await it.deactivate(it.sync, users[14]) == 429
    nobody = await run_here(it.rows, "tenants", "release", "fabrikam")
    assert (nobody.returncode, "There is no tenant" in nobody.stderr) == (1, True)


async def test_without_hold_nothing_is_held_and_no_request_reads_more() -> None:
    async with Relaying(environment=FEW) as it:
        users = await it.people(20)
        for number in range(10):
            assert await it.deactivate(it.sync, users[number]) == 200
            await it.idle()
        assert (await it.storage.losses(TENANT)).held == ""
        with transcript(it.storage) as plain:
            await it.deactivate(it.sync, users[10])
        await it.service.administration.change_tenant(TENANT, hold=True)
        it.service.pass_time(61)
        await it.idle()
        with transcript(it.storage) as held:
            assert await it.patch(it.sync, users[11], replace("title", "x")) == 200
        assert "get" not in held.kinds[len(plain.kinds) :]


async def test_the_timer_holds_too_if_the_process_that_made_the_changes_has_died(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Company(environment=FEW) as it:  # its process relays nothing
        users = [await it.user(f"user{number}@example.com") for number in range(20)]
        await it.service.administration.change_tenant(TENANT, hold=True)
        it.service.pass_time(61)
        for number in range(4):
            assert await it.deactivate(it.sync, users[number]) == 200
        await it.service.endpoint.tend_feeds()
        assert "Further ones are held." in told(caplog)[0].getMessage()
        assert await it.deactivate(it.sync, users[4]) == 429
        listed = await run_here(it.rows, "tenants", "show", TENANT)
        assert "After a mass change, deactivations and deletions are held." in listed.stdout
        off = await run_here(it.rows, "--json", "tenants", "change", TENANT, "--hold", "off")
        assert '"hold": false' in off.stdout
        it.service.pass_time(61)
        assert await it.deactivate(it.sync, users[4]) == 200
        nothing = await run_here(it.rows, "tenants", "change", TENANT)
        assert (nothing.returncode, "Say what to change" in nothing.stderr) == (1, True)


async def test_a_deployment_without_a_registry_holds_by_its_setting(storage: TableStorage, clock: Clock) -> None:
    for hold, status in (("", 200), ("true", 429)):
        held = endpoint_over(storage, clock, **FEW, SCIM_MASS_CHANGE_HOLD=hold)
        client = Client(held)
        users = [await client.user(f"user{number}{hold}@example.com") for number in range(10)]
        for number in range(9):
            await client.patch(path(users[number]), replace("active", value=False))
        await held.tend_feeds()
        answer = await client.patch(path(users[9]), replace("active", value=False))
        assert answer.status == status
    done = await run_here(storage.rows, "tenants", "release", "default")
    assert done.returncode == 0
    assert (await client.patch(path(users[9]), replace("active", value=False))).status == 200


async def test_a_word_that_is_no_setting_is_refused() -> None:
    for name, value in (
        ("SCIM_MASS_CHANGE_HOLD", "yes"),
        ("SCIM_MASS_CHANGE_USERS", "0"),
        ("SCIM_MASS_CHANGE_PERCENT", "101"),
        ("SCIM_DELETED_DAYS", "-1"),
    ):
        with pytest.raises(scim_core.SettingsError, match=name):
            settings(**{name: value})
    assert settings().mass_changes == MassChangeSettings(deleted_days=30, users=20, percent=10, hold=False)


@pytest.mark.parametrize("after", [False, True])
async def test_each_loss_is_counted_once_whoever_dies_and_however_many_relay(after: bool) -> None:
    start, clock = MemoryRows(), Clock()
    storage = TableStorage(start, clock)
    await create(storage, *(user(number) for number in range(1, 6)))
    for number in range(1, 6):
        [there] = await storage.read(PLAIN, "User", [user(number).id])
        assert there is not None
        await storage.delete(PLAIN, there, [], now="9", note=ChangeNote(lost_by=f"c{number % 2}"))
    life = Death()
    await TableStorage(MortalRows(start.copy(), life), clock).relay(PLAIN)
    for number in range(len(life.calls)):
        rows = start.copy()
        with pytest.raises(ProcessDied):
            await TableStorage(MortalRows(rows, Death(number, after=after)), clock).relay(PLAIN)
        other = TableStorage(rows, clock)
        await other.relay(PLAIN)
        assert (await other.losses(PLAIN)).within(clock()) == {"c1": 3, "c0": 2}


async def test_the_counts_of_many_credentials_fit_the_row(storage: TableStorage) -> None:
    clock = Clock()
    storage = TableStorage(MemoryRows(), clock)
    number = 0
    for _ in range(20):
        for index in range(MAX_CREDENTIALS + 3):
            number += 1
            await storage.create(PLAIN, user(number), note=ChangeNote(lost_by=f"{index}" + "\U0001f600" * 200))
        await storage.relay(PLAIN)
        clock.advance(minutes=5)
    head = await storage.rows.get(PLAIN, keys.feed_head())
    assert head is not None
    assert len(str(head.properties["losses"]).encode("utf-16-le")) // 2 < MAX_PROPERTY_UNITS
    losses = (await storage.losses(PLAIN)).within(clock())
    assert len(losses) == MAX_CREDENTIALS + 1
    assert losses[OTHERS] == 3 * 12


async def test_a_mark_that_meets_a_relay_is_judged_again_and_a_storage_that_is_busy_is_told_later() -> None:
    clock = Clock()
    storage = TableStorage(MemoryRows(), clock)
    for number in range(1, 6):
        await storage.create(PLAIN, user(number), note=ChangeNote(lost_by="sync"))
    await storage.relay(PLAIN)

    async def holds(_: str) -> bool:
        return True

    def seen_by(it: TableStorage) -> MassChanges:
        return MassChanges(it, ["User"], MassChangeSettings(users=3), holds, clock)

    stale = await storage.losses(PLAIN)
    await storage.create(PLAIN, user(7), note=ChangeNote(lost_by="sync"))
    await storage.relay(PLAIN)
    found = await seen_by(storage).judged(PLAIN, stale)
    assert found is not None
    assert found.count == 6
    assert await storage.held(PLAIN)

    class Busy(TableStorage):
        async def active(self, *_: object) -> int:
            raise StorageBusy("later")

    busy = seen_by(Busy(storage.rows, clock))
    losses = {PLAIN: await storage.losses(PLAIN)}
    alarms = await busy.alarms(losses)
    assert (alarms.changes, alarms.unknown) == ([], {PLAIN: "later"})
    assert await busy.alarms({}) == await seen_by(storage).alarms({})
    assert Losses((LossCount("", "c", 1),)).within(clock()) == {}
