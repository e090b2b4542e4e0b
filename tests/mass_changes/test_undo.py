"""Who was deactivated or deleted by mistake is back as before, and what others have done since stands."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Any

import pytest

from scim_core.clock import instant_text
from scim_core.messages import Origin
from scim_core.service import undo as undo_module
from scim_core.service.losses import UNDO, Chosen, Fate
from scim_core.service.undo import Undo
from scim_core.service.undo_results import Portion, Undone
from scim_core.storage.maintenance.checking import check
from scim_core.storage.maintenance.forgetting import forget
from scim_core.storage.port import Mark, StorageBusy
from scim_core.storage.tables import TableStorage, changes, large_change, large_change_runner, writing
from scim_core.storage.tables.rows import Rows
from tests.bulk import BULK_REQUEST
from tests.commands import run_here
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.feed.copying import CATALOGUE, Copy, feed_of, followed
from tests.mass_changes.incident import LATER, TENANT, Company, Relaying, State, group_key, kept, state
from tests.scim import Clock, Json, add, attribute, references, remove, replace, schema_files


def undo_over(rows: Rows, clock: Clock) -> Undo:
    origin = Origin(method=UNDO, credential="admin undo")
    numbers = iter(range(10**9))
    return Undo(TableStorage(rows, clock), CATALOGUE, origin, clock=clock, new_id=lambda: f"undo-{next(numbers)}")


def fates(found: Undone) -> dict[str, Fate]:
    return {loss.id: loss.fate for loss in found.losses}


@dataclass
class Incident:
    """What was there before, in which time the sync took it away, and the directory as it must be after an undo."""

    company: Company
    since: str
    until: str
    users: list[Json]
    expected: State
    lost: set[str]

    @property
    def chosen(self) -> Chosen:
        return Chosen(self.since, self.until, "sync")


@pytest.fixture(scope="module")
async def incident() -> AsyncIterator[Incident]:
    """1,000 users in ten groups of 20: 200 are deactivated and 50 deleted by the sync, between honest changes."""
    async with Company() as it:
        users = [await it.user(f"user{number}@example.com", title=str(number)) for number in range(1_000)]
        groups = [await it.group(f"group{number}", *users[number * 20 :][:20]) for number in range(10)]
        before = await state(it.rows)
        since = it.now()
        for number in range(200):
            assert await it.deactivate(it.sync, users[number]) == 200
            if number % 10 == 0:
                assert await it.patch(it.honest, users[999 - number], replace("title", f"honest {number}")) == 200
        for number in range(180, 230):
            assert await it.delete(it.sync, users[number]) == 204
        assert await it.deactivate(it.honest, users[900]) == 200
        assert await it.delete(it.honest, users[901]) == 204
        body = remove(f'members[value eq "{users[0]["id"]}"]')
        assert await it.patch(it.honest, groups[0], body, url="/Groups") == 204
        assert await it.patch(it.honest, groups[0], add("members", references(users[500])), url="/Groups") == 204
        until = it.now()
        honest = await state(it.rows)
        lost = {user["id"] for user in users[:230]}
        resources = {
            key: before.resources[key] if key[1] in lost else value for key, value in honest.resources.items()
        } | {("User", id_): before.resources["User", id_] for id_ in lost}
        memberships = honest.memberships | {(groups[9]["id"], user["id"]) for user in users[180:200]}
        yield Incident(it, since, until, users, State(resources, memberships), lost)


async def test_everybody_is_back_with_memberships_and_honest_changes_stand(incident: Incident) -> None:
    rows, clock = incident.company.rows.copy(), incident.company.clock
    copy = await followed(feed_of(rows), Copy(), TENANT)
    untouched = await state(rows)
    undo = undo_over(rows, clock)
    seen = await undo.look(TENANT, incident.chosen)
    assert fates(seen) == dict.fromkeys(incident.lost, Fate.TO_UNDO)
    assert await state(rows) == untouched
    done = await undo.run(TENANT, incident.chosen)
    assert (fates(done), done.memberships) == (dict.fromkeys(incident.lost, Fate.UNDONE), 20)
    assert await state(rows) == incident.expected
    mirror = await followed(feed_of(rows), copy, TENANT)
    assert mirror.pairs == incident.expected.memberships
    shown = {(kind, id_): item["userName"] for (kind, id_), item in mirror.resources.items() if kind == "User"}
    assert shown == {key: held[1]["userName"] for key, held in incident.expected.resources.items() if key[0] == "User"}
    actives = {id_ for (kind, id_), item in mirror.resources.items() if kind == "User" and item["active"] is False}
    assert actives == {incident.users[900]["id"]}
    assert mirror.snapshots == copy.snapshots
    assert (await check(rows, TENANT)).findings == []
    again = await undo_over(rows, clock).run(TENANT, incident.chosen)
    assert (set(fates(again).values()), again.memberships) == ({Fate.AS_BEFORE}, 0)
    assert await state(rows) == incident.expected


@pytest.mark.parametrize("after", [False, True])
async def test_one_that_was_killed_in_the_middle_goes_on_with_the_next_run(incident: Incident, after: bool) -> None:
    clock = incident.company.clock
    life = Death()
    await undo_over(MortalRows(incident.company.rows.copy(), life), clock).run(TENANT, incident.chosen)
    for number in (len(life.calls) // 3, len(life.calls) * 9 // 10, len(life.calls) - 2):
        rows = incident.company.rows.copy()
        with pytest.raises(ProcessDied):
            await undo_over(MortalRows(rows, Death(number, after=after)), clock).run(TENANT, incident.chosen)
        assert await state(rows) != incident.expected or number == len(life.calls) - 2
        await undo_over(rows, clock).run(TENANT, incident.chosen)
        assert await state(rows) == incident.expected


async def in_portions(rows: Rows, incident: Incident, portion: Portion) -> list[Undone]:
    """What each run did until nothing was left."""
    runs = [await undo_over(rows, incident.company.clock).run(TENANT, incident.chosen, portion=portion)]
    while runs[-1].left or runs[-1].after:
        portion = replace_fields(portion, after=runs[-1].after)
        runs.append(await undo_over(rows, incident.company.clock).run(TENANT, incident.chosen, portion=portion))
        assert len(runs) < 20
    return runs


async def test_in_portions_each_run_does_so_much_and_the_last_one_leaves_nothing(incident: Incident) -> None:
    rows = incident.company.rows.copy()
    runs = await in_portions(rows, incident, Portion(100, 1))
    assert [(run.left, run.after) for run in runs] == [(130, ""), (30, ""), (0, "")]
    assert sum(run.memberships for run in runs) == 20
    assert await state(rows) == incident.expected
    assert (await check(rows, TENANT)).findings == []


async def test_the_last_portions_go_from_group_to_group() -> None:
    async with Company() as it:
        users = [await it.user(f"user{number}@example.com") for number in range(4)]
        groups = sorted([(await it.group(f"group{number}", *users))["id"] for number in range(3)])
        before, since = await state(it.rows), it.now()
        for user in users:
            await it.delete(it.sync, user)
        chosen, after, told = Chosen(since, it.now(), "sync"), "", []
        for _ in range(4):
            found = await undo_over(it.rows, it.clock).run(TENANT, chosen, portion=Portion(2, 1, after))
            told.append((found.left, found.memberships, found.after))
            after = found.after
        # while some are left, one group gets who is there; then each group gets everybody
        assert told == [(2, 2, ""), (0, 2, groups[0]), (0, 4, groups[1]), (0, 4, "")]
        assert await state(it.rows) == before
        beyond = await undo_over(it.rows, it.clock).run(TENANT, chosen, portion=Portion(2, 1, groups[2]))
        assert (beyond.left, beyond.memberships, beyond.after) == (0, 0, "")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
async def test_in_portions_one_that_was_killed_goes_on_too(incident: Incident, share: float) -> None:
    life, clock = Death(), incident.company.clock
    portion = Portion(120, 1)
    await undo_over(MortalRows(incident.company.rows.copy(), life), clock).run(TENANT, incident.chosen, portion=portion)
    rows = incident.company.rows.copy()
    with pytest.raises(ProcessDied):
        await undo_over(MortalRows(rows, Death(int(len(life.calls) * share))), clock).run(
            TENANT, incident.chosen, portion=portion
        )
    await in_portions(rows, incident, portion)
    assert await state(rows) == incident.expected


async def test_the_command_lists_first_and_does_it_with_yes(incident: Incident) -> None:
    rows = incident.company.rows.copy()
    untouched = await state(rows)
    listed = await run_here(
        rows,
        "undo",
        TENANT,
        "--from",
        incident.since,
        "--to",
        incident.until,
        "--by",
        incident.company.sync.credential.id,
    )
    assert (listed.returncode, "230 will be put back" in listed.stdout, "--yes" in listed.stdout) == (0, True, True)
    assert "user0@example.com" in listed.stdout
    assert await state(rows) == untouched
    done = await run_here(
        rows, "--json", "undo", TENANT, "--from", incident.since, "--to", incident.until, "--by", "sync", "--yes"
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["done"], told["memberships"], len(told["resources"])) == (0, True, 20, 230)
    assert await state(rows) == incident.expected
    audit = await run_here(rows, "audit", "--tenant", TENANT)
    assert "undo ended" in audit.stdout
    timeline = await run_here(rows, "log", TENANT, "--resource", incident.users[0]["id"], "--since", "2026-01-01")
    assert "undo by admin undo" in timeline.stdout


async def test_a_time_that_ends_later_than_now_ends_now_and_the_list_says_so(incident: Incident) -> None:
    rows = incident.company.rows.copy()
    given = ("undo", TENANT, "--from", incident.since, "--to", "2999-01-01", "--by", "sync")
    listed, now = await run_here(rows, *given), instant_text(LATER)
    assert "230 will be put back" in listed.stdout
    assert f"--to is later than now: the time ends before {now}." in listed.stdout
    assert f"run the command again with --yes and --to {now}." in listed.stdout
    told = json.loads((await run_here(rows, "--json", *given)).stdout)
    assert (told["from"], told["to"]) == (incident.since, now)
    ahead = await run_here(rows, "undo", TENANT, "--from", "2998-01-01", "--to", "2999-01-01")
    assert (ahead.returncode, "--from must be before now" in ahead.stderr) == (2, True)
    done = await run_here(rows, *given, "--yes")
    assert f"the time ends before {now}." in done.stdout
    assert await state(rows) == incident.expected


async def test_without_a_credential_everybody_of_that_time_is_put_back(incident: Incident) -> None:
    rows = incident.company.rows.copy()
    found = await undo_over(rows, incident.company.clock).look(TENANT, Chosen(incident.since, incident.until))
    people = {loss.id for loss in found.losses if loss.resource_type == "User"}
    assert people == incident.lost | {incident.users[900]["id"], incident.users[901]["id"]}
    [group] = [loss for loss in found.losses if loss.what == "lost members"]
    assert (group.name, group.members, group.credential) == ("group0", (incident.users[0]["id"],), "honest")


async def test_a_time_that_is_none_or_runs_backwards_and_a_tenant_that_is_not_there_are_refused(
    incident: Incident,
) -> None:
    rows = incident.company.rows
    backwards = await run_here(rows, "undo", TENANT, "--from", incident.until, "--to", incident.since)
    assert (backwards.returncode, "--from must be before --to" in backwards.stderr) == (2, True)
    unread = await run_here(rows, "undo", TENANT, "--from", "yesterday", "--to", incident.since)
    assert (unread.returncode, "--from must be a day" in unread.stderr) == (2, True)
    nobody = await run_here(rows, "undo", "fabrikam", "--from", incident.since, "--to", incident.until)
    assert (nobody.returncode, "There is no tenant" in nobody.stderr) == (2, True)
    early = await run_here(rows, "undo", TENANT, "--from", "2020-01-01", "--to", "2020-01-02")
    assert (early.returncode, "Nobody was deactivated" in early.stdout) == (0, True)


async def test_who_was_changed_since_is_listed_and_left_alone() -> None:
    async with Company() as it:
        names = ("renamed", "back", "gone", "taken", "again", "same")
        users = {name: await it.user(f"{name}@example.com") for name in names}
        since = it.now()
        for name in ("renamed", "back", "gone", "same"):
            await it.deactivate(it.sync, users[name])
        for name in ("taken", "again"):
            await it.delete(it.sync, users[name])
        until = it.now()
        await it.patch(it.honest, users["renamed"], replace("title", "new"))
        await it.patch(it.honest, users["back"], replace("active", value=True))
        await it.patch(it.honest, users["back"], replace("active", value=False))
        await it.delete(it.honest, users["gone"])
        await it.user("TAKEN@example.com")
        await it.group("a group does not count", users["same"])
        chosen = Chosen(since, until, "sync")
        found = fates(await undo_over(it.rows, it.clock).run(TENANT, chosen))
        assert found == {
            users["renamed"]["id"]: Fate.CHANGED,
            users["back"]["id"]: Fate.CHANGED,
            users["gone"]["id"]: Fate.CHANGED,
            users["taken"]["id"]: Fate.TAKEN,
            users["again"]["id"]: Fate.UNDONE,
            users["same"]["id"]: Fate.UNDONE,
        }
        await it.delete(it.honest, users["again"])
        await it.deactivate(it.honest, users["same"])
        later = await undo_over(it.rows, it.clock).run(TENANT, chosen)
        assert {fates(later)[users[name]["id"]] for name in ("again", "same")} == {Fate.CHANGED}
        now = await state(it.rows)
        assert ("User", users["again"]["id"]) not in now.resources
        listed = await run_here(it.rows, "undo", TENANT, "--from", since, "--to", until, "--by", "sync")
        assert (listed.returncode, "its name is taken" in listed.stdout) == (1, True)


async def test_who_was_to_be_deactivated_again_by_somebody_else_is_left_alone() -> None:
    async with Relaying() as it:
        names = ("patch", "text", "put", "whole", "deleted", "same", "other", "chosen")
        users = {name: await it.user(f"{name}@example.com") for name in names}
        since = it.now()
        for user in users.values():
            await it.deactivate(it.sync, user)
        put = {"userName": "put@example.com", "active": False}
        assert await it.deactivate(it.honest, users["patch"]) == 200
        assert await it.patch(it.honest, users["text"], replace("active", "False")) == 200
        assert (await it.asked(it.honest, "PUT", f"/Users/{users['put']['id']}", put))[0] == 200
        assert await it.patch(it.honest, users["whole"], {"op": "Replace", "value": {"active": False}}) == 200
        assert await it.deactivate(it.honest, users["deleted"]) == 200
        assert await it.patch(it.honest, users["other"], replace("userName", "other@example.com")) == 200
        assert await it.deactivate(it.sync, users["chosen"]) == 200
        await it.delete(it.sync, users["deleted"])
        await it.idle()
        chosen = Chosen(since, it.now(), "sync")
        found = fates(await undo_over(it.rows, it.clock).run(TENANT, chosen))
        again = {users[name]["id"] for name in ("patch", "text", "put", "whole")}
        assert {id_ for id_, fate in found.items() if fate is Fate.ASKED_AGAIN} == again
        assert {found[users[name]["id"]] for name in ("deleted", "same", "other", "chosen")} == {Fate.UNDONE}
        now = await state(it.rows)
        inactive = {id_ for (_, id_), (_, item) in now.resources.items() if item["active"] is False}
        assert inactive == again | {users["deleted"]["id"]}


async def test_who_was_to_be_deleted_or_deactivated_by_somebody_else_after_the_deletion_is_left_alone() -> None:
    async with Relaying() as it:
        names = ("delete", "patch", "put", "bulk", "later", "same", "sync", "title", "before")
        users = {name: await it.user(f"{name}@example.com") for name in names}
        paths = {name: f"/Users/{user['id']}" for name, user in users.items()}
        refused, staff = await it.group("refused", users["same"]), await it.group("staff", users["same"])
        since = it.now()
        assert (await it.asked(it.honest, "PUT", paths["before"], {"active": False}))[0] == 400
        it.clock.advance(seconds=1)
        for user in users.values():
            assert await it.delete(it.sync, user) == 204
        for group in (refused, staff):
            assert await it.delete(it.sync, group, "/Groups") == 204
        assert await it.delete(it.sync, users["sync"]) == 404  # the mistake itself goes on
        assert await it.deactivate(it.sync, users["sync"]) == 404
        assert await it.delete(it.honest, users["delete"]) == 404
        chosen = Chosen(since, it.now(), "sync")
        assert await it.deactivate(it.honest, users["patch"]) == 404
        body = {"userName": "put@example.com", "active": False}
        assert (await it.asked(it.honest, "PUT", paths["put"], body))[0] == 404
        bulk = {"schemas": [BULK_REQUEST], "Operations": [{"method": "DELETE", "path": paths["bulk"]}]}
        assert (await it.asked(it.honest, "POST", "/Bulk", bulk))[1]["Operations"][0]["status"] == "404"
        assert await it.delete(it.sync, users["later"]) == 404  # the scope is still wrong
        assert await it.patch(it.honest, users["title"], replace("title", "new")) == 404
        assert await it.delete(it.honest, refused, "/Groups") == 404
        await it.idle()
        left_alone = {refused["id"], *(users[name]["id"] for name in ("delete", "patch", "put", "bulk", "later"))}
        back = {staff["id"], *(users[name]["id"] for name in ("same", "sync", "title", "before"))}
        expected = dict.fromkeys(left_alone, Fate.ASKED_AGAIN)
        listed = fates(await undo_over(it.rows, it.clock).look(TENANT, chosen))
        assert listed == expected | dict.fromkeys(back, Fate.TO_UNDO)
        done = await undo_over(it.rows, it.clock).run(TENANT, chosen)
        assert fates(done) == expected | dict.fromkeys(back, Fate.UNDONE)
        assert {id_ for _, id_ in (await state(it.rows)).resources} == back
        longer = Chosen(since, it.now(), "sync")
        assert fates(await undo_over(it.rows, it.clock).run(TENANT, longer))[users["later"]["id"]] is Fate.UNDONE


async def test_who_was_deactivated_and_was_to_be_deleted_by_somebody_else_since_is_left_alone() -> None:
    async with Relaying() as it:
        users = [await it.user(f"user{number}@example.com") for number in range(2)]
        since = it.now()
        for user in users:
            await it.deactivate(it.sync, user)
        stale = {"if-match": 'W/"stale"'}
        refused = await it.service.send("DELETE", f"/scim/v2/Users/{users[0]['id']}", it.honest.secret, headers=stale)
        assert refused.status == 412, refused.body
        await it.idle()
        found = fates(await undo_over(it.rows, it.clock).run(TENANT, Chosen(since, it.now(), "sync")))
        assert found == {users[0]["id"]: Fate.ASKED_AGAIN, users[1]["id"]: Fate.UNDONE}


async def test_a_group_comes_back_with_its_members_and_who_has_left_a_group_since_stays_outside() -> None:
    async with Company() as it:
        ann, bob, eve = [await it.user(f"{name}@example.com") for name in ("ann", "bob", "eve")]
        staff, board = await it.group("staff", ann, bob, eve), await it.group("board", ann)
        before = await state(it.rows)
        since = it.now()
        await it.delete(it.sync, ann)
        await it.delete(it.sync, staff, "/Groups")
        until = it.now()
        undo = undo_over(it.rows, it.clock)
        found = await undo.run(TENANT, Chosen(since, until))
        assert (set(fates(found).values()), found.memberships) == ({Fate.UNDONE}, 4)
        assert await state(it.rows) == before
        await it.patch(it.honest, staff, remove(f'members[value eq "{bob["id"]}"]'), url="/Groups")
        await it.patch(it.honest, board, replace("members", []), url="/Groups")
        honest = await state(it.rows)
        assert (await undo_over(it.rows, it.clock).run(TENANT, Chosen(since, until))).memberships == 0
        assert await state(it.rows) == honest
        assert group_key(staff) in honest.resources


async def test_who_was_deactivated_and_then_deleted_is_active_again() -> None:
    async with Company() as it:
        ann, bob = await it.user("ann@example.com"), await it.user("bob@example.com")
        before = await state(it.rows)
        await it.deactivate(it.honest, bob)
        since = it.now()
        await it.deactivate(it.sync, ann)
        await it.delete(it.sync, ann)
        await it.delete(it.sync, bob)
        found = await undo_over(it.rows, it.clock).run(TENANT, Chosen(since, it.now()))
        assert fates(found) == dict.fromkeys((ann["id"], bob["id"]), Fate.UNDONE)
        now = await state(it.rows)
        assert now.resources["User", ann["id"]] == before.resources["User", ann["id"]]
        assert now.resources["User", bob["id"]][1]["active"] is False


@pytest.mark.parametrize("stored", [True, False])
async def test_a_receiver_of_deactivations_lets_everybody_in_again_after_an_undo(stored: bool) -> None:
    async with Company() as it:
        users = [await it.user(f"user{number}@example.com") for number in range(3)]
        for user in users if not stored else []:  # as version 0.2 has stored them
            await it.patch(it.honest, user, remove("active"))
        since = it.now()
        for user in users:
            await it.deactivate(it.sync, user)
        await undo_over(it.rows, it.clock).run(TENANT, Chosen(since, it.now(), "sync"))
        await it.storage.relay(TENANT)
        shut_out = set[str]()
        for row in (await it.storage.feed(TENANT, after=0, limit=100)).rows:
            shut_out |= {row.id} if Mark.DEACTIVATED in row.marks else set()
            shut_out -= {row.id} if Mark.ACTIVATED in row.marks else set()
        assert shut_out == set()


async def test_what_else_the_deactivating_request_changed_is_named_and_stays() -> None:
    async with Company() as it:
        ann = await it.user("ann@example.com", title="Director")
        since = it.now()
        await it.patch(it.sync, ann, replace("active", value=False), replace("title", "Left"))
        [loss] = (await undo_over(it.rows, it.clock).run(TENANT, Chosen(since, it.now()))).losses
        assert (loss.fate, loss.others, loss.credential) == (Fate.UNDONE, ("title",), "sync")
        _, shown = await it.asked(it.honest, "GET", f"/Users/{ann['id']}")
        assert (shown["active"], shown["title"]) == (True, "Left")


@pytest.mark.parametrize("count", [0, 1, 5, 12])
async def test_a_deletion_in_steps_keeps_every_membership(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "TRANSACTION_OPERATIONS", 14)
    monkeypatch.setattr(large_change_runner, "STEP", 3)
    monkeypatch.setattr(large_change, "PART_IDS", 5)
    async with Company() as it:
        ann, others = await it.user("ann"), [await it.user(f"user{number}") for number in range(count)]
        for number in range(count):
            await it.group(f"group{number}", ann)
        staff = await it.group("staff", *others)
        before = await state(it.rows)
        since = it.now()
        await it.delete(it.sync, ann)
        await it.delete(it.sync, staff, "/Groups")
        rows = [row for row in await kept(it.rows) if row["id"] == ann["id"]]
        assert len(rows) == 1 + (count + 2) // 3 if count > 2 else 1 + bool(count)
        found = await undo_over(it.rows, it.clock).run(TENANT, Chosen(since, it.now()))
        assert found.memberships == 2 * count
        await it.storage.sweep(before="9999", seconds=60)
        assert await state(it.rows) == before


@pytest.mark.parametrize("of_group", [False, True])
async def test_a_deletion_that_is_still_pending_is_applied_first_and_takes_nothing_away_afterwards(
    of_group: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "TRANSACTION_OPERATIONS", 14)
    monkeypatch.setattr(large_change_runner, "STEP", 3)
    async with Company() as it:
        users = [await it.user(f"user{number}") for number in range(12)]
        groups = [await it.group(f"group{number}", users[0]) for number in range(12)]
        staff = await it.group("staff", *users[1:])
        before = await state(it.rows)
        since = it.now()
        monkeypatch.setattr(writing, "APPLY_SECONDS", 0)
        await it.delete(it.sync, staff if of_group else users[0], "/Groups" if of_group else "/Users")
        undo = undo_over(it.rows, it.clock)
        chosen = Chosen(since, it.now(), "sync")
        monkeypatch.setattr(undo_module, "APPLY_SECONDS", 0)
        with pytest.raises(StorageBusy, match="Run the command again"):
            await undo.run(TENANT, chosen)
        monkeypatch.setattr(undo_module, "APPLY_SECONDS", 60)
        monkeypatch.setattr(writing, "APPLY_SECONDS", 20)
        found = await undo.run(TENANT, chosen)
        assert (set(fates(found).values()), found.memberships) == ({Fate.UNDONE}, 11 if of_group else 12)
        assert await state(it.rows) == before
        newcomer = await it.user("newcomer")
        group = staff if of_group else groups[0]
        assert await it.patch(it.honest, group, add("members", references(newcomer)), url="/Groups") == 204
        after = await state(it.rows)
        await it.storage.sweep(before="9999", seconds=60)
        assert await state(it.rows) == after
        assert (await check(it.rows, TENANT)).findings == []


async def test_values_that_no_file_of_the_command_declares_are_put_back_as_they_were(tmp_path: Path) -> None:
    urn = "urn:example:extension:acme:User"
    folder = schema_files(tmp_path, acme={"id": urn, "name": "Acme", "attributes": [attribute("badge")]})
    async with Company(environment={"SCIM_SCHEMA_DIRECTORY": str(folder)}) as it:
        users = [await it.user(name, **{urn: {"badge": "7"}}) for name in ("inactive", "deleted", "both")]
        before = await state(it.rows)
        since = it.now()
        for user in (users[0], users[2]):
            await it.deactivate(it.sync, user)
        for user in users[1:]:
            await it.delete(it.sync, user)
        found = await undo_over(it.rows, it.clock).run(TENANT, Chosen(since, it.now(), "sync"))
        assert set(fates(found).values()) == {Fate.UNDONE}
        after = await state(it.rows)
        assert after == before
        assert [[*document] for _, document in after.resources.values()] == [
            [*document] for _, document in before.resources.values()
        ]


async def test_deletions_of_a_bulk_can_be_undone() -> None:
    async with Company() as it:
        users = [await it.user(f"user{number}") for number in range(5)]
        await it.group("staff", *users)
        before = await state(it.rows)
        since = it.now()
        operations = [{"method": "DELETE", "path": f"/Users/{user['id']}"} for user in users]
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
        status, answer = await it.asked(it.sync, "POST", "/Bulk", body)
        assert (status, {item["status"] for item in answer["Operations"]}) == (200, {"204"})
        await undo_over(it.rows, it.clock).run(TENANT, Chosen(since, it.now()))
        assert await state(it.rows) == before


async def test_with_zero_days_nothing_is_kept_and_the_list_says_so() -> None:
    async with Company(environment={"SCIM_DELETED_DAYS": "0"}) as it:
        ann = await it.user("ann")
        since = it.now()
        await it.delete(it.sync, ann)
        assert await kept(it.rows) == []
        [loss] = (await undo_over(it.rows, it.clock).run(TENANT, Chosen(since, it.now()))).losses
        assert (loss.fate, loss.name) == (Fate.NOT_KEPT, "ann")


async def test_of_two_undos_with_a_large_deletion_between_only_one_puts_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "TRANSACTION_OPERATIONS", 14)
    monkeypatch.setattr(large_change_runner, "STEP", 3)
    async with Company() as it:
        ann = await it.user("ann")
        groups = [await it.group(f"group{number}", ann) for number in range(12)]
        since = it.now()
        await it.delete(it.sync, ann)
        chosen = Chosen(since, it.now(), "sync")
        late = undo_over(it.rows, it.clock)
        create = late._storage.create

        async def overtaken(*given: Any, **named: Any) -> None:
            """Just before this undo creates: another one has done all, and the person is deleted, not yet applied."""
            assert set(fates(await undo_over(it.rows, it.clock).run(TENANT, chosen)).values()) == {Fate.UNDONE}
            with monkeypatch.context() as patch:
                patch.setattr(writing, "APPLY_SECONDS", 0)
                assert await it.delete(it.honest, ann) == 204
            assert await it.storage.is_pending(TENANT, ann["id"])
            await create(*given, **named)

        monkeypatch.setattr(late._storage, "create", overtaken)
        found = await late.run(TENANT, chosen)
        assert (fates(found), found.memberships) == ({ann["id"]: Fate.CHANGED}, 0)
        await it.storage.sweep(before="9999", seconds=60)
        now = await state(it.rows)
        assert (now.memberships, set(now.resources)) == (set(), {group_key(group) for group in groups})
        assert (await check(it.rows, TENANT)).findings == []


@pytest.mark.parametrize("method", ["create", "update", "edit_members"])
async def test_of_two_undos_at_the_same_time_neither_says_that_somebody_is_left_alone_who_was_put_back(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Company() as it:
        users = [await it.user(f"user{number}@example.com") for number in range(6)]
        staff = await it.group("staff", *users)
        before, since = await state(it.rows), it.now()
        await it.patch(it.sync, staff, remove(f'members[value eq "{users[0]["id"]}"]'), url="/Groups")
        for user in users[1:3]:
            await it.deactivate(it.sync, user)
        for user in users[3:]:
            await it.delete(it.sync, user)
        chosen = Chosen(since, it.now(), "sync")
        late, overtaken = undo_over(it.rows, it.clock), list[asyncio.Task[Undone]]()
        change = getattr(late._storage, method)

        async def after_another_one(*given: Any, **named: Any) -> Any:
            """Just before this undo makes its first change of this kind, another one does all."""
            if not overtaken:
                overtaken.append(asyncio.create_task(quick.run(TENANT, chosen)))
            await overtaken[0]
            return await change(*given, **named)

        quick = undo_over(it.rows, it.clock)
        versions = (f"quick-{number}" for number in range(10**9))
        monkeypatch.setattr(quick, "_new_id", lambda: next(versions))
        monkeypatch.setattr(late._storage, method, after_another_one)
        found = await late.run(TENANT, chosen)
        for undone in (found, overtaken[0].result()):
            assert {loss.fate for loss in undone.losses} <= {Fate.UNDONE, Fate.AS_BEFORE}
        assert await state(it.rows) == before


async def test_who_is_forgotten_between_look_and_change_is_not_put_back() -> None:
    async with Company() as it:
        ann = await it.user("ann")
        since = it.now()
        await it.delete(it.sync, ann)
        undo = undo_over(it.rows, it.clock)
        _, [case] = await undo._cases(TENANT, Chosen(since, it.now()))
        await forget(it.rows, TENANT, ann["id"])
        assert await undo._put_back(TENANT, case) is Fate.NOT_KEPT
        assert (await state(it.rows)).resources == {}


async def test_an_undo_whose_answer_was_lost_has_put_back() -> None:
    async with Company() as it:
        ann = await it.user("ann")
        before = await state(it.rows)
        since = it.now()
        await it.delete(it.sync, ann)
        undo = undo_over(it.rows, it.clock)
        _, [case] = await undo._cases(TENANT, Chosen(since, it.now()))
        assert [await undo._put_back(TENANT, case) for _ in range(2)] == [Fate.UNDONE] * 2
        assert await state(it.rows) == before


async def test_a_change_that_comes_between_look_and_change_wins() -> None:
    async with Company() as it:
        ann = await it.user("ann")
        since = it.now()
        await it.deactivate(it.sync, ann)
        undo = undo_over(it.rows, it.clock)
        chosen = Chosen(since, it.now())
        found, [case] = await undo._cases(TENANT, chosen)
        assert found.lost
        await it.patch(it.honest, ann, replace("title", "new"))
        assert await undo._put_back(TENANT, case) is Fate.CHANGED
