"""Names that version 0.2 stores under another key than this version: found and unique, before and after `reindex`."""

# ruff: noqa: RUF001 -- letters that look alike are what it is about

import itertools
from collections.abc import Sequence

import pytest

from scim_core.admin.reindex import told
from scim_core.storage.tables import keys
from scim_core.storage.tables.codec import encode
from scim_core.storage.tables.index_record import FORGOTTEN_AFTER, RECORD_SECONDS
from scim_core.storage.tables.reading import read_range
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.faults.rollout import TENANT, Instance, Rollout
from tests.memory_rows import MemoryRows
from tests.scim import Json, path, replace
from tests.transcript import transcript
from tests.wrapped_rows import Call, WrappedRows

CAPITALS, SMALL, FINAL = "ΟΔΟΣ@x", "οδοσ@x", "οδος@x"
SPELLINGS = (CAPITALS, SMALL, FINAL)
"""One name in three spellings: version 0.2 gives the first and the last one a key, and the second one another."""

PAIRS = list(itertools.product(SPELLINGS, SPELLINGS))


def by_name(name: str) -> str:
    return f'userName eq "{name}"'


async def created(instance: Instance, name: str) -> int:
    return (await instance.client.post("/Users", {"userName": name})).status


async def index_keys(rollout: Rollout, kind: str = "User.userName") -> list[str]:
    rows = await read_range(rollout.rows, TENANT, keys.of_kind(kind))
    return [str(row.properties["RowKey"]) for row in rows]


@pytest.mark.parametrize(("stored", "other"), PAIRS)
async def test_a_name_that_version_0_2_stored_is_found_and_taken_in_every_spelling(
    rollout: Rollout, stored: str, other: str
) -> None:
    await rollout.instance(second=True).client.user(stored)
    newer = rollout.instance()
    assert await newer.client.names(by_name(other)) == [stored]
    assert await newer.client.names(f'userName sw "{other[:4]}"') == [stored]
    assert await created(newer, other) == 409
    another = await newer.client.user("another")
    assert (await newer.client.patch(path(another), replace("userName", other))).status == 409
    assert (await newer.client.put(path(another), {"userName": other})).status == 409


@pytest.mark.parametrize(("stored", "other"), PAIRS)
async def test_a_name_that_this_version_stored_is_taken_for_version_0_2(
    rollout: Rollout, stored: str, other: str
) -> None:
    newer, second = rollout.instance(), rollout.instance(second=True)
    await newer.client.user(stored)
    assert await created(second, other) == 409
    assert await newer.client.names(by_name(other)) == [stored]
    assert await second.client.names(by_name(stored)) == [stored]
    assert await rollout.findings(newer.declared) == []


async def test_names_of_groups_and_values_that_are_not_unique_are_found_as_well(rollout: Rollout) -> None:
    second, newer = rollout.instance(second=True), rollout.instance()
    await second.client.group(CAPITALS)
    await second.client.user("one", displayName=CAPITALS, emails=[{"value": CAPITALS, "type": "work"}])
    await newer.client.user("two", displayName=SMALL, emails=[{"value": SMALL, "type": "work"}])
    for name in SPELLINGS:
        assert await newer.client.names(f'displayName eq "{name}"', "/Groups") == [CAPITALS]
        assert (await newer.client.post("/Groups", {"displayName": name})).status == 409
        for attribute in ("displayName", "emails.value"):
            assert await newer.client.names(f'{attribute} eq "{name}"') == ["one", "two"]
            assert await newer.client.names(f'{attribute} sw "{name[:4]}"') == ["one", "two"]


@pytest.mark.parametrize(
    "name",
    ["νικοςπαπας@x", "ςοδος", "µControl", "ſmith", "ϐιβλιον", "ᏣᎳᎩ", "ꮳꮃꭹ", "İSTANBUL", "ᲀода", "ﬅ", "\u1fb3\u0345"],
)
async def test_a_name_with_rare_letters_is_found_as_it_was_sent(rollout: Rollout, name: str) -> None:
    second, newer = rollout.instance(second=True), rollout.instance()
    await second.client.user(name)
    assert await newer.client.names(by_name(name)) == [name]
    assert await created(newer, name) == 409
    other = await newer.client.user(f"{name}2")
    assert await second.client.names(by_name(f"{name}2")) == [f"{name}2"]
    assert await created(second, f"{name}2") == 409
    assert (await rollout.reindexed(newer)).is_complete
    assert await newer.client.names(by_name(name)) == [name]
    assert await newer.client.names(by_name(f"{name}2")) == [f"{name}2"]
    assert (await newer.client.delete(path(other))).status == 204
    assert await rollout.findings(newer.declared) == []


async def test_a_concatenated_name_is_taken_in_capitals(rollout: Rollout) -> None:
    await rollout.instance(second=True).client.user("νικοςπαπας@x")
    assert await created(rollout.instance(), "ΝΙΚΟΣΠΑΠΑΣ@X") == 409


async def test_two_names_that_become_one_are_listed_and_both_can_be_changed(rollout: Rollout) -> None:
    second, newer = rollout.instance(second=True), rollout.instance()
    users = [await second.client.user(name) for name in (CAPITALS, SMALL)]
    assert len(await newer.client.found("/Users", by_name(FINAL))) == 2
    done = await rollout.reindexed(newer)
    [conflict] = done.conflicts
    assert {conflict.resource, conflict.holder} == {f"User:{user['id']}" for user in users}
    assert any("have names that are one now" in sentence for sentence in told(done))
    findings = await rollout.findings(newer.declared)
    assert any("has a unique value that is equal to that of" in finding for finding in findings)
    for user in users:
        assert await newer.client.document(user)
        assert (await newer.client.patch(path(user), replace("active", value=False))).status == 200
        same = {"userName": user["userName"], "active": True}
        assert (await newer.client.put(path(user), same)).status == 200
    for name in SPELLINGS:
        assert len(await newer.client.found("/Users", by_name(name))) == 2
        assert await created(newer, name) == 409
    assert not (await rollout.reindexed(newer)).is_complete
    assert (await newer.client.patch(path(users[0]), replace("userName", "other"))).status == 200
    assert (await rollout.reindexed(newer)).is_complete
    assert await rollout.findings(newer.declared) == []
    assert await newer.client.names(by_name(CAPITALS)) == [SMALL]


async def test_one_of_two_names_that_became_one_can_be_deleted(rollout: Rollout) -> None:
    second, newer = rollout.instance(second=True), rollout.instance()
    users = [await second.client.user(name) for name in (CAPITALS, SMALL)]
    assert not (await rollout.reindexed(newer)).is_complete
    assert (await newer.client.delete(path(users[1]))).status == 204
    assert await newer.client.names(by_name(SMALL)) == [CAPITALS]
    assert (await rollout.reindexed(newer)).is_complete
    assert await created(newer, SMALL) == 409
    assert await rollout.findings(newer.declared) == []


@pytest.mark.parametrize("rollout", ["memory", "azurite"], indirect=True)
async def test_after_reindex_only_the_key_of_today_is_used(rollout: Rollout) -> None:
    second, newer = rollout.instance(second=True), rollout.instance()
    user = await second.client.user(CAPITALS)
    await newer.client.group(CAPITALS)
    assert (await rollout.reindexed(newer)).is_complete
    await rollout.pause(RECORD_SECONDS)
    await newer.client.names(by_name(SMALL))
    with transcript(newer.storage) as recorded:
        assert await newer.client.names(by_name(SMALL)) == [CAPITALS]
    looked_up = [key for call in recorded.calls for key in call.keys if key.startswith("User.userName:")]
    small = encode("οδοσ@x")
    assert looked_up == [f"User.userName:{small}"]
    assert (await newer.client.patch(path(user), replace("userName", "ΣΟΦΟΣ"))).status == 200
    assert await index_keys(rollout) == [f"User.userName:{encode('σοφοσ')}"]
    assert await rollout.findings(newer.declared) == []


async def test_a_second_reindex_removes_what_version_0_2_left(rollout: Rollout) -> None:
    await rollout.instance(second=True).client.user(CAPITALS)
    newer = rollout.instance()
    await rollout.reindexed(newer)
    assert len(await index_keys(rollout)) == 2
    done = await rollout.reindexed(newer)
    assert (done.written, done.is_complete) == (1, True)
    assert await index_keys(rollout) == [f"User.userName:{encode(SMALL)}"]
    assert await newer.client.names(by_name(CAPITALS)) == [CAPITALS]


async def test_a_check_names_how_many_wait_for_a_reindex_and_no_directory_without_such_names(
    rollout: Rollout,
) -> None:
    second, newer = rollout.instance(second=True), rollout.instance()
    await second.client.user("ann")
    assert await rollout.findings(newer.declared) == []
    await second.client.user(CAPITALS)
    [finding] = await rollout.findings(newer.declared)
    assert finding.startswith("User: 1 resources are found by the key of version 0.2 alone")


@pytest.mark.parametrize("name", ["ann@example.com", "Müller", "Ωμέγα", "иван.петров", "田中", "straße", "IŞIK"])
async def test_a_name_of_one_form_costs_no_call_more(rollout: Rollout, name: str) -> None:
    newer = rollout.instance()
    with transcript(newer.storage) as recorded:
        user = await newer.client.user(name, displayName=name)
    assert recorded.kinds == ["transact", "transact"]  # the user, and the doorbell beside it
    assert recorded.round_trips == 1
    with transcript(newer.storage) as recorded:
        assert await newer.client.names(by_name(name)) == [name]
    assert not any("indexes:" in call.keys for call in recorded.calls)
    assert sum(call.keys[0].startswith("User.userName") for call in recorded.calls) == 1
    with transcript(newer.storage) as recorded:
        await newer.client.patch(path(user), replace("userName", f"{name}2"))
    assert recorded.kinds == ["get", "page", "transact"]  # the user, and at the same time its groups
    assert len(await index_keys(rollout)) == 1


async def test_a_name_of_several_forms_costs_two_reads_side_by_side_with_nothing(rollout: Rollout) -> None:
    newer = rollout.instance()
    await newer.client.names(by_name(CAPITALS))
    with transcript(newer.storage) as recorded:
        await newer.client.user("σοφος@x")
    assert (recorded.kinds[-1], recorded.round_trips) == ("transact", 2)
    assert "indexes:" not in {key for call in recorded.calls for key in call.keys}
    await rollout.pause(RECORD_SECONDS)
    with transcript(newer.storage) as recorded:
        await newer.client.user("ΣΟΦΟΣ@y")
    assert recorded.round_trips == 3


async def test_any_number_of_sigmas_is_looked_for_with_a_bounded_number_of_reads(rollout: Rollout) -> None:
    newer = rollout.instance()
    await rollout.instance(second=True).client.user("ΣΑΣ" * 20)
    with transcript(newer.storage) as recorded:
        assert await newer.client.names(by_name("σας" * 20)) == ["ΣΑΣ" * 20]
        assert await newer.client.names(by_name("σσσσσ")) == []
    assert len(recorded.calls) < 50


async def test_a_change_of_the_spelling_is_a_change_of_the_same_name(rollout: Rollout) -> None:
    second, newer = rollout.instance(second=True), rollout.instance()
    user = await second.client.user(SMALL)
    for name in (CAPITALS, FINAL, SMALL, CAPITALS):
        assert (await newer.client.patch(path(user), replace("userName", name))).status == 200
        assert await second.client.names(by_name(name)) == [name]
        for spelling in SPELLINGS:
            assert await created(second, spelling) == 409
            assert await newer.client.names(by_name(spelling)) == [name]
    assert await rollout.findings(newer.declared) == []


async def test_version_0_2_that_changes_a_row_of_this_version_leaves_it_to_be_found(rollout: Rollout) -> None:
    second, newer = rollout.instance(second=True), rollout.instance()
    user = await newer.client.user(CAPITALS)
    assert (await second.client.patch(path(user), replace("active", value=False))).status == 200
    assert await newer.client.names(by_name(SMALL)) == [CAPITALS]
    assert await created(newer, SMALL) == 409
    assert (await rollout.reindexed(newer)).is_complete
    assert await newer.client.names(by_name(SMALL)) == [CAPITALS]


async def test_version_0_2_that_writes_during_a_reindex_keeps_the_names_from_being_complete(rollout: Rollout) -> None:
    second, newer = rollout.instance(second=True), rollout.instance()
    user = await newer.client.user(CAPITALS)
    written: list[int] = []

    async def pause(seconds: float) -> None:
        await rollout.pause(seconds)
        if not written:
            written.append((await second.client.patch(path(user), replace("active", value=False))).status)

    done = await rollout.reindexed(newer, pause=pause)
    assert "User.*" in done.given_up
    assert any("names of User were given up" in sentence for sentence in told(done))
    assert await newer.client.names(by_name(SMALL)) == [CAPITALS]
    assert await created(newer, SMALL) == 409


async def test_version_0_2_that_creates_after_a_reindex_is_noticed_within_a_minute(rollout: Rollout) -> None:
    second, newer = rollout.instance(second=True), rollout.instance()
    await rollout.reindexed(newer)
    await second.client.user(CAPITALS)
    await rollout.pause(RECORD_SECONDS)
    assert await newer.client.names(by_name(SMALL)) == [CAPITALS]
    assert await created(newer, SMALL) == 409
    user = (await newer.client.found("/Users", by_name(SMALL)))[0]
    assert (await newer.client.patch(path(user), replace("active", value=False))).status == 200
    assert "User.*" not in await rollout.complete("User")


async def test_version_0_2_gives_complete_names_up_before_it_changes_a_row_of_this_version(rollout: Rollout) -> None:
    second, newer = rollout.instance(second=True), rollout.instance()
    await rollout.reindexed(newer)
    await rollout.pause(RECORD_SECONDS)
    user = await newer.client.user(CAPITALS)
    assert (await second.client.patch(path(user), replace("active", value=False))).status == 503
    await rollout.pause(FORGOTTEN_AFTER.total_seconds())
    assert (await second.client.patch(path(user), replace("active", value=False))).status == 200
    assert await newer.client.names(by_name(SMALL)) == [CAPITALS]
    assert await created(newer, SMALL) == 409


async def test_many_addresses_do_not_become_too_many_rows(rollout: Rollout) -> None:
    newer = rollout.instance()
    addresses = [{"value": f"ΟΔΟΣ{number}Σ", "type": "work"} for number in range(90)]
    user = await newer.client.user("ann", emails=addresses)
    assert (await newer.client.patch(path(user), replace("active", value=False))).status == 200
    assert await newer.client.names('emails.value eq "οδοσ7ς"') == ["ann"]
    assert (await newer.client.delete(path(user))).status == 204
    assert await rollout.findings(newer.declared) == []


async def test_a_reindex_of_names_can_be_killed_anywhere(rollout: Rollout) -> None:
    for death in itertools.count(1):
        rows = MemoryRows()
        run = Rollout(rows, rollout.folder, rollout.plans)
        second = run.instance(second=True)
        await second.client.user(CAPITALS)
        await second.client.user("ΣΟΦΟΣ")
        newer = run.instance()
        mortal = MortalRows(rows, Death(death))
        dying = run.instance(rows=mortal)
        try:
            done = await run.reindexed(dying)
        except ProcessDied:
            done = None
        for name in SPELLINGS:
            assert await newer.client.names(by_name(name)) == [CAPITALS]
            assert await created(newer, name) == 409
        if done is not None:
            assert done.is_complete
            break
        assert (await run.reindexed(newer)).is_complete
        assert await run.findings(newer.declared) == []


class Between(WrappedRows):
    """Rows before whose n-th call something else happens."""

    def __init__(self, rows: MemoryRows, number: int, happens: Call[None]) -> None:
        super().__init__(rows)
        self._number, self._happens = number, happens
        self.calls = 0

    async def _made[T](self, kind: str, about: tuple[str, ...], call: Call[T], *, repeatable: bool = True) -> T:
        self.calls += 1
        if self.calls == self._number:
            await self._happens()
        return await super()._made(kind, about, call, repeatable=repeatable)


async def test_at_every_moment_of_a_reindex_the_names_are_found_and_taken(rollout: Rollout) -> None:
    for number in itertools.count(1):
        rows = MemoryRows()
        run = Rollout(rows, rollout.folder, rollout.plans)
        user = await run.instance(second=True).client.user(CAPITALS)
        remembering = run.instance()
        await remembering.client.names(by_name(SMALL))

        async def happens(run: Rollout = run, remembering: Instance = remembering, user: Json = user) -> None:
            for instance in (remembering, run.instance()):
                for name in SPELLINGS:
                    assert await instance.client.names(by_name(name)) == [CAPITALS]
                    assert await created(instance, name) == 409
                changed = await instance.client.patch(path(user), replace("title", f"title {id(instance)}"))
                assert changed.status == 200
            assert await created(remembering, "ΣΟΦΟΣ") in (201, 409)

        between = Between(rows, number, happens)
        done = await run.reindexed(run.instance(rows=between))
        if between.calls < number:
            break
        assert done.is_complete
        await happens()
        for name in ("ΣΟΦΟΣ", "σοφοσ", "σοφος"):
            assert await run.instance().client.names(by_name(name)) == ["ΣΟΦΟΣ"]
            assert await created(run.instance(), name) == 409
        assert await run.findings(remembering.declared) == []


@pytest.mark.parametrize(("mine", "others"), PAIRS)
@pytest.mark.parametrize("second", [False, True], ids=["this version", "version 0.2"])
async def test_whatever_comes_between_of_two_equal_names_one_is_created(
    rollout: Rollout, mine: str, others: str, second: bool
) -> None:
    for number in range(1, 20):
        rows = MemoryRows()
        run = Rollout(rows, rollout.folder, rollout.plans)
        other = run.instance(second=second)
        statuses: list[int] = []

        async def happens(other: Instance = other, statuses: list[int] = statuses) -> None:
            statuses.append(await created(other, others))

        between = Between(rows, number, happens)
        statuses.append(await created(run.instance(rows=between), mine))
        if between.calls < number:
            break
        assert sorted(statuses) == [201, 409], number
        assert len(await run.instance().client.found("/Users", by_name(SMALL))) == 1


async def test_names_that_only_look_alike_stay_distinct(rollout: Rollout) -> None:
    newer = rollout.instance()
    names = ["paypal", "pаypal", "straße", "strasse", "ışık", "işik", "ﬁx", "fix", "ｆｉｘ", "ΑΒ", "AB", "İx", "ix"]
    await all_created(newer, names)
    for name in names:
        assert await newer.client.names(by_name(name)) == [name]
    assert (await rollout.reindexed(newer)).is_complete
    for name in names:
        assert await newer.client.names(by_name(name)) == [name]


async def all_created(instance: Instance, names: Sequence[str]) -> list[Json]:
    return [await instance.client.user(name) for name in names]
