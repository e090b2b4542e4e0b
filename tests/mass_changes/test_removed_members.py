"""Who was removed from a group by mistake is a member again, and what others have said of the group since stands."""

import json
import random
from typing import Any

import pytest

from scim_core.service.losses import Chosen, Fate
from scim_core.service.removals import Removal
from scim_core.service.undo_results import LOST_MEMBERS, Portion, Undone
from scim_core.storage.maintenance.checking import check
from scim_core.storage.tables import changes, large_change, large_change_runner
from tests.commands import run_here
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.mass_changes.incident import TENANT, Company, Relaying, state
from tests.mass_changes.test_undo import undo_over
from tests.scim import Json, add, references, remove, replace


def member(user: Json) -> str:
    return f'members[value eq "{user["id"]}"]'


def remove_all(*users: Json) -> Json:
    return remove("members") | {"value": references(*users)}


def told(found: Undone) -> set[tuple[str, Fate, frozenset[str]]]:
    """What is said of groups: name, fate, and whom it is about."""
    return {(loss.name, loss.fate, frozenset(loss.members)) for loss in found.losses if loss.what == LOST_MEMBERS}


def ids(*users: Json) -> frozenset[str]:
    return frozenset(user["id"] for user in users)


async def test_members_that_a_wrong_scope_has_removed_are_listed_and_put_back_by_patch_and_put() -> None:
    async with Company() as it:
        users = [await it.user(f"user{number}@example.com") for number in range(6)]
        nested = await it.group("nested")
        staff, board, gone = (
            await it.group("staff", *users, nested),
            await it.group("board", *users),
            await it.group("gone", *users),
        )
        before = await state(it.rows)
        since = it.now()
        await it.patch(it.sync, staff, remove(member(users[0])), remove(member(nested)), url="/Groups")
        await it.patch(it.sync, staff, remove_all(*users[1:3]), url="/Groups")
        await it.asked(it.sync, "PUT", f"/Groups/{board['id']}", {"displayName": "board", "members": []})
        await it.patch(it.sync, gone, remove(member(users[5])), url="/Groups")
        await it.delete(it.sync, users[0])
        await it.deactivate(it.sync, users[1])
        await it.delete(it.sync, gone, "/Groups")
        chosen = Chosen(since, it.now(), "sync")
        wrong = await state(it.rows)
        expected = {("staff", ids(*users[:3], nested)), ("board", ids(*users)), ("gone", ids(users[5]))}
        listed = await undo_over(it.rows, it.clock).look(TENANT, chosen)
        assert {(name, who) for name, fate, who in told(listed) if fate is Fate.TO_UNDO} == expected
        assert await state(it.rows) == wrong
        done = await undo_over(it.rows, it.clock).run(TENANT, chosen)
        assert {fate for _, fate, _ in told(done)} == {Fate.UNDONE}
        assert done.memberships == len(before.memberships - wrong.memberships)
        assert await state(it.rows) == before
        assert (await check(it.rows, TENANT)).findings == []
        again = await undo_over(it.rows, it.clock).run(TENANT, chosen)
        assert ({fate for _, fate, _ in told(again)}, again.memberships) == ({Fate.AS_BEFORE}, 0)


async def test_in_portions_each_run_looks_at_so_many_groups_and_the_last_one_leaves_nothing() -> None:
    async with Company() as it:
        users = [await it.user(f"user{number}@example.com") for number in range(3)]
        groups = [await it.group(f"group{number}", *users) for number in range(4)]
        before, since = await state(it.rows), it.now()
        for group in groups[:3]:
            await it.patch(it.sync, group, remove_all(*users[:2]), url="/Groups")
        await it.delete(it.sync, users[2])
        chosen, portion = Chosen(since, it.now(), "sync"), Portion(1, 2)
        runs = [await undo_over(it.rows, it.clock).run(TENANT, chosen, portion=portion)]
        while runs[-1].left or runs[-1].after:
            next_one = Portion(1, 2, runs[-1].after)
            runs.append(await undo_over(it.rows, it.clock).run(TENANT, chosen, portion=next_one))
            assert len(runs) < 10
        # the user is back, and its four groups come first, two in each run; then the three that have lost members
        assert [(run.left, run.memberships) for run in runs] == [(3, 2), (3, 2), (1, 4), (0, 2)]
        assert await state(it.rows) == before
        assert (await check(it.rows, TENANT)).findings == []


async def test_what_others_have_said_of_a_member_since_stands() -> None:
    async with Company() as it:
        names = ("left", "back", "never", "deleted", "honest", "new")
        users = {name: await it.user(f"{name}@example.com") for name in names}
        staff = await it.group("staff", *(users[name] for name in names if name not in ("never", "new")))
        put = await it.group("put", users["left"], users["back"])
        renamed = await it.group("renamed", users["left"])
        since = it.now()
        await it.patch(it.sync, staff, add("members", references(users["never"])), url="/Groups")
        await it.patch(it.honest, staff, add("members", references(users["new"])), url="/Groups")
        await it.patch(it.honest, staff, remove(member(users["honest"])), url="/Groups")
        for group in (staff, put, renamed):
            await it.patch(it.sync, group, replace("members", []), url="/Groups")
        until = it.now()
        await it.patch(it.honest, staff, add("members", references(users["left"], users["back"])), url="/Groups")
        await it.patch(it.honest, staff, remove(member(users["left"])), url="/Groups")
        await it.delete(it.honest, users["deleted"])
        body = {"displayName": "put", "members": references(users["back"])}
        await it.asked(it.honest, "PUT", f"/Groups/{put['id']}", body)
        await it.patch(it.honest, renamed, replace("displayName", "another name"), url="/Groups")
        found = told(await undo_over(it.rows, it.clock).run(TENANT, Chosen(since, until, "sync")))
        assert found == {
            ("staff", Fate.CHANGED, ids(users["left"], users["deleted"])),
            ("staff", Fate.AS_BEFORE, ids(users["back"])),
            ("staff", Fate.UNDONE, ids(users["new"])),
            ("put", Fate.CHANGED, ids(users["left"])),
            ("put", Fate.AS_BEFORE, ids(users["back"])),
            ("another name", Fate.UNDONE, ids(users["left"])),
        }
        now = await state(it.rows)
        assert {id_ for group, id_ in now.memberships if group == staff["id"]} == ids(users["back"], users["new"])


async def test_who_was_deactivated_by_others_since_does_not_return_to_a_group() -> None:
    async with Relaying() as it:
        names = ("left", "asked", "back", "renamed", "before", "between", "returned", "lost", "deleted")
        users = {name: await it.user(f"{name}@example.com") for name in names}
        staff = await it.group("staff", *users.values())
        await it.deactivate(it.honest, users["before"])
        since = it.now()
        await it.deactivate(it.honest, users["between"])
        for name in ("asked", "back", "renamed", "lost"):
            await it.deactivate(it.sync, users[name])
        await it.patch(it.sync, staff, replace("members", []), url="/Groups")
        await it.deactivate(it.honest, users["deleted"])
        await it.delete(it.sync, users["deleted"])
        until = it.now()
        for name in ("left", "asked", "returned"):
            await it.deactivate(it.honest, users[name])
        for name in ("back", "returned"):
            await it.patch(it.honest, users[name], replace("active", value=True))
        await it.deactivate(it.honest, users["back"])
        await it.patch(it.honest, users["renamed"], replace("title", "new"))
        await it.idle()
        chosen = Chosen(since, until, "sync")
        back = ids(*(users[name] for name in ("before", "between", "returned", "lost")))
        left_alone = {
            ("staff", Fate.CHANGED, ids(*(users[name] for name in ("left", "back", "renamed", "deleted")))),
            ("staff", Fate.ASKED_AGAIN, ids(users["asked"])),
        }
        listed = told(await undo_over(it.rows, it.clock).look(TENANT, chosen))
        assert listed == left_alone | {("staff", Fate.TO_UNDO, back)}
        done = told(await undo_over(it.rows, it.clock).run(TENANT, chosen))
        assert done == left_alone | {("staff", Fate.UNDONE, back)}
        assert {id_ for _, id_ in (await state(it.rows)).memberships} == back
        again = told(await undo_over(it.rows, it.clock).run(TENANT, chosen))
        assert again == left_alone | {("staff", Fate.AS_BEFORE, back)}


@pytest.mark.parametrize("quicker", ["undo", "deletion"])
async def test_members_whom_another_undo_has_put_back_just_before_are_as_before(
    quicker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Company() as it:
        users = [await it.user(f"user{number}@example.com") for number in range(3)]
        staff = await it.group("staff", *users)
        since = it.now()
        await it.patch(it.sync, staff, remove_all(*users[:2]), url="/Groups")
        chosen = Chosen(since, it.now(), "sync")
        late = undo_over(it.rows, it.clock)
        look = late._removals.look

        async def overtaken(*given: Any) -> list[Removal]:
            """This undo has looked, and before it changes anything somebody else is quicker."""
            found = await look(*given)
            if quicker == "undo":
                await undo_over(it.rows, it.clock).run(TENANT, chosen)
            else:
                await it.delete(it.honest, staff, "/Groups")
            return found

        monkeypatch.setattr(late._removals, "look", overtaken)
        found = await late.run(TENANT, chosen)
        expected = Fate.AS_BEFORE if quicker == "undo" else Fate.CHANGED
        assert (told(found), found.memberships) == ({("staff", expected, ids(*users[:2]))}, 0)


async def test_the_next_cycle_of_the_same_mistake_is_left_alone_unless_the_time_has_it() -> None:
    async with Company() as it:
        ann = await it.user("ann@example.com")
        staff = await it.group("staff", ann)
        since = it.now()
        await it.patch(it.sync, staff, remove(member(ann)), url="/Groups")
        first = Chosen(since, it.now(), "sync")
        assert told(await undo_over(it.rows, it.clock).run(TENANT, first)) == {("staff", Fate.UNDONE, ids(ann))}
        await it.patch(it.sync, staff, remove(member(ann)), url="/Groups")
        later = Chosen(since, it.now(), "sync")
        assert told(await undo_over(it.rows, it.clock).run(TENANT, first)) == {("staff", Fate.CHANGED, ids(ann))}
        assert told(await undo_over(it.rows, it.clock).run(TENANT, later)) == {("staff", Fate.UNDONE, ids(ann))}


@pytest.mark.parametrize("by", ["sync", "honest"])
async def test_the_steps_of_a_large_removal_are_of_the_request_that_decided_it(
    by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "TRANSACTION_OPERATIONS", 14)
    monkeypatch.setattr(large_change_runner, "STEP", 3)
    monkeypatch.setattr(large_change, "PART_IDS", 5)
    async with Company() as it:
        users = [await it.user(f"user{number}") for number in range(20)]
        staff = await it.group("staff", *users)
        before = await state(it.rows)
        since = it.now()
        await it.patch(it.sync if by == "sync" else it.honest, staff, replace("members", []), url="/Groups")
        await it.storage.sweep(before="9999", seconds=60)
        removed = await state(it.rows)
        assert removed.memberships == set()
        chosen = Chosen(since, it.now(), "sync")
        life = Death()
        rows = it.rows.copy()
        found = await undo_over(MortalRows(rows, life), it.clock).run(TENANT, chosen)
        await it.storage.sweep(before="9999", seconds=60)
        assert found.memberships == (20 if by == "sync" else 0)
        assert await state(rows) == (before if by == "sync" else removed)
        for number in range(0, len(life.calls), 7):
            rows = it.rows.copy()
            with pytest.raises(ProcessDied):
                await undo_over(MortalRows(rows, Death(number)), it.clock).run(TENANT, chosen)
            await undo_over(rows, it.clock).run(TENANT, chosen)
            assert await state(rows) == (before if by == "sync" else removed)


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_the_order_the_last_word_of_the_others_holds_for_whom_the_chosen_changes_removed(
    seed: int,
) -> None:
    chance = random.Random(seed)
    async with Company() as it:
        users = [await it.user(f"user{number}") for number in range(6)]
        groups = [await it.group(f"group{number}", *chance.sample(users, 3)) for number in range(2)]
        wanted = members = (await state(it.rows)).memberships
        since = it.now()
        for _ in range(30):
            by, group = chance.choice((it.sync, it.honest)), chance.choice(groups)
            some = chance.sample(users, chance.randint(0, 3))
            kind = chance.choice(("add", "remove", "PUT"))
            if kind == "PUT":
                body = {"displayName": group["displayName"], "members": references(*some)}
                await it.asked(by, "PUT", f"/Groups/{group['id']}", body | {"externalId": it.now()})
            elif some:
                operation = add("members", references(*some)) if kind == "add" else remove_all(*some)
                await it.patch(by, group, operation, url="/Groups")
            now = (await state(it.rows)).memberships
            if by is it.honest:
                wanted = (wanted | (now - members)) - (members - now)
                if kind == "PUT":
                    others = {pair for pair in wanted if pair[0] != group["id"]}
                    wanted = others | {pair for pair in now if pair[0] == group["id"]}
            members = now
        await undo_over(it.rows, it.clock).run(TENANT, Chosen(since, it.now(), "sync"))
        assert (await state(it.rows)).memberships == members | wanted


async def test_the_command_says_which_group_has_lost_how_many() -> None:
    async with Company() as it:
        users = [await it.user(f"user{number}@example.com") for number in range(3)]
        staff = await it.group("staff", *users)
        since = it.now()
        await it.patch(it.sync, staff, remove_all(*users), url="/Groups")
        given = ("undo", TENANT, "--from", since, "--to", it.now(), "--by", "sync")
        listed = await run_here(it.rows, *given)
        assert listed.returncode == 0
        [line] = [line for line in listed.stdout.splitlines() if "lost members" in line]
        assert {"staff", "sync", "3", staff["id"]} <= set(line.split())
        shown = json.loads((await run_here(it.rows, "--json", *given, "--yes")).stdout)
        assert (shown["memberships"], frozenset(shown["resources"][0]["members"])) == (3, ids(*users))
