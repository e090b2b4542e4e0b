"""What every implementation of the storage port promises about resources: create, read, update, find."""

from dataclasses import replace

import pytest

from scim_core.model import IndexEntry
from scim_core.storage.port import NotFound, Storage, TooLarge, UniquenessConflict, VersionConflict
from scim_core.storage.tables import service_limits
from tests.contract.builders import NOW, TENANT, adding, also_on_azurite, create, edge, group, id_of, stored, user

HOSTILE = [
    "a/b\\c#d?e%f'g\"h i:j\tk\nl\0m\x7fn",
    "'; or 1 eq 1 or '' eq '",
    "Straße 😀 \uffee 漢字 e\u0301",
    "%2F%00..//.",
    "/",
    ".",
    "~",
    "",
    "@low",
    "x" * 399 + "/",
    "x" * 30_000,
]


@also_on_azurite
async def test_a_resource_is_read_as_it_was_created(storage: Storage) -> None:
    wanted = user(1, columns={"active": True, "userName": "a", "name.familyName": "b_c", "größe": "d"})
    await create(storage, wanted)
    assert replace(await stored(storage, wanted), etag="", index=wanted.index) == wanted


@also_on_azurite
async def test_a_tenant_has_rows_once_there_was_anything(storage: Storage) -> None:
    assert not await storage.has_rows(TENANT)
    await create(storage, user(1))
    assert await storage.has_rows(TENANT)
    assert not await storage.has_rows(f"{TENANT}-2")


async def test_reading_answers_in_the_order_of_the_ids_with_none_for_the_missing(storage: Storage) -> None:
    await create(storage, user(1), user(2))
    found = await storage.read(TENANT, "User", [id_of(2), id_of(9), id_of(1), id_of(2)])
    assert [item.id if item else None for item in found] == [id_of(2), None, id_of(1), id_of(2)]


async def test_a_resource_of_another_type_is_not_found_by_its_id(storage: Storage) -> None:
    await create(storage, user(1))
    assert await storage.read(TENANT, "Group", [id_of(1)]) == [None]


@pytest.mark.parametrize("text", HOSTILE)
async def test_an_id_that_nobody_has_names_nothing(storage: Storage, text: str) -> None:
    await create(storage, user(1))
    assert await storage.read(TENANT, "User", [text]) == [None]
    assert await storage.members_of(TENANT, text) == []
    assert await storage.groups_of(TENANT, [text]) == {text: []}
    assert await storage.present(TENANT, text, [text]) == []


async def test_what_was_read_is_the_callers_own(storage: Storage) -> None:
    await create(storage, user(1))
    first = await stored(storage, user(1))
    first.document["userName"] = "changed"
    first.columns["active"] = False
    assert (await stored(storage, user(1))).document["userName"] == "user1@example.com"
    assert (await stored(storage, user(1))).columns == {"active": True}


async def test_creating_again_with_the_same_id_succeeds_and_changes_nothing(storage: Storage) -> None:
    await create(storage, user(1), user(1))
    assert (await storage.count(TENANT, "User")).number == 1


@also_on_azurite
async def test_a_unique_value_is_held_once_and_the_conflict_names_the_attribute(storage: Storage) -> None:
    await create(storage, user(1, "ann"))
    with pytest.raises(UniquenessConflict) as conflict:
        await create(storage, user(2, "ann"))
    assert conflict.value.attribute == "userName"
    assert (await storage.count(TENANT, "User")).number == 1
    assert await storage.find(TENANT, "User", IndexEntry("externalId", "x-ann")) == [id_of(1)]


async def test_a_value_that_is_not_unique_is_held_by_many(storage: Storage) -> None:
    shared = IndexEntry("externalId", "same")
    for number in (3, 1, 2):
        await create(storage, user(number, index=frozenset({shared})))
    assert await storage.find(TENANT, "User", shared) == [id_of(1), id_of(2), id_of(3)]


@also_on_azurite
async def test_who_holds_a_value_is_found_some_at_a_time(storage: Storage) -> None:
    shared = IndexEntry("externalId", "same")
    for number in (3, 1, 2, 5):
        await create(storage, user(number, index=frozenset({shared})))
    assert await storage.find(TENANT, "User", shared, after=id_of(1), limit=2) == [id_of(2), id_of(3)]
    assert await storage.find(TENANT, "User", shared, after=id_of(4)) == [id_of(5)]
    assert await storage.find(TENANT, "User", shared, after=id_of(5)) == []


async def test_who_alone_holds_a_value_is_found_before_its_id_alone(storage: Storage) -> None:
    await create(storage, user(2, "ann"))
    alone = IndexEntry("userName", "ann", unique=True)
    assert await storage.find(TENANT, "User", alone, after=id_of(1)) == [id_of(2)]
    assert await storage.find(TENANT, "User", alone, after=id_of(2)) == []


@also_on_azurite
async def test_members_are_read_some_at_a_time(storage: Storage) -> None:
    for number in range(1, 6):
        await create(storage, user(number))
    await storage.create(TENANT, group(10), [edge(10, number) for number in (1, 2, 4, 5)])
    for after, limit, members in ((id_of(2), 1, [4]), (id_of(3), None, [4, 5]), (id_of(5), 3, [])):
        found = await storage.members_of(TENANT, id_of(10), after=after, limit=limit)
        assert [item.member_id for item in found] == [id_of(number) for number in members]


@also_on_azurite
@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("text", HOSTILE)
async def test_a_resource_is_found_by_any_key(storage: Storage, text: str, *, unique: bool) -> None:
    entry = IndexEntry("userName", text, unique)
    await create(storage, user(1, index=frozenset({entry})), user(2))
    assert await storage.find(TENANT, "User", entry) == [id_of(1)]
    assert await storage.find(TENANT, "User", IndexEntry("userName", text + "z", unique)) == []
    assert await storage.find(TENANT, "User", IndexEntry("nickName", text, unique)) == []


@also_on_azurite
async def test_finding_by_prefix_answers_each_resource_once_in_the_order_of_the_ids(storage: Storage) -> None:
    names = ["b/1", "b.1", "b", "b~", "a", "c", "b\U0001f600", "B"]
    for number, name in enumerate(names):
        await create(storage, user(number, name))
    second = IndexEntry("userName", "b-again")
    await create(storage, user(20, "b20", index=user(20, "b20").index | {second}))

    async def found(prefix: str) -> list[str]:
        return await storage.find(TENANT, "User", IndexEntry("userName", prefix), prefix=True)

    assert await found("b") == [id_of(number) for number in (0, 1, 2, 3, 6, 20)]
    assert await found("b.") == [id_of(1)]
    assert await found("b/") == [id_of(0)]
    assert await found("") == [id_of(number) for number in (*range(8), 20)]
    assert await found("bb") == []


async def test_of_many_that_are_found_a_limit_is_answered(storage: Storage) -> None:
    second, shared = IndexEntry("userName", "bb"), IndexEntry("externalId", "same")
    people = [user(number, f"b{number}") for number in range(4)]
    await create(storage, *(replace(item, index=item.index | {second, shared}) for item in people))
    ids = {item.id for item in people}
    for entry, prefix in ((IndexEntry("userName", "b"), True), (shared, False)):
        for limit in (1, 3, 4, 5):
            found = await storage.find(TENANT, "User", entry, prefix=prefix, limit=limit)
            assert len(found) == len(set(found)) == min(limit, 4)
            assert found == sorted(found)
            assert ids >= set(found)
    assert await storage.find(TENANT, "User", IndexEntry("userName", "b1", unique=True), limit=1) == [id_of(1)]


async def test_finding_by_a_very_long_prefix_misses_nothing(storage: Storage) -> None:
    for number, key in enumerate(["x" * 380, "x" * 380 + "/", "x" * 500 + "a", "x" * 500 + "b"]):
        await create(storage, user(number, key))
    for length, expected in ((370, {0, 1, 2, 3}), (390, {2, 3}), (500, {2, 3})):
        found = await storage.find(TENANT, "User", IndexEntry("userName", "x" * length), prefix=True)
        assert {id_of(number) for number in expected} <= set(found)


async def test_an_update_replaces_the_document_the_columns_and_the_index(storage: Storage) -> None:
    await create(storage, user(1, "ann"))
    after = replace(user(1, "bea"), etag=(await stored(storage, user(1))).etag, version="2", last_modified=NOW)
    after = replace(after, columns={"active": False, "extra": "e"})
    await storage.update(TENANT, after)
    found = await stored(storage, user(1))
    assert replace(found, etag="", index=frozenset()) == replace(after, etag="", index=frozenset())
    assert await storage.find(TENANT, "User", IndexEntry("userName", "ann", unique=True)) == []
    assert await storage.find(TENANT, "User", IndexEntry("userName", "bea", unique=True)) == [id_of(1)]
    assert await storage.find(TENANT, "User", IndexEntry("externalId", "x-ann")) == []
    assert await storage.find(TENANT, "User", IndexEntry("externalId", "x-bea")) == [id_of(1)]


async def test_a_name_that_was_given_up_can_be_taken(storage: Storage) -> None:
    await create(storage, user(1, "ann"))
    before = await stored(storage, user(1))
    await storage.update(TENANT, replace(user(1, "bea"), etag=before.etag))
    await create(storage, user(2, "ann"))
    assert await storage.find(TENANT, "User", IndexEntry("userName", "ann", unique=True)) == [id_of(2)]


@also_on_azurite
async def test_an_update_to_a_taken_name_is_refused_and_changes_nothing(storage: Storage) -> None:
    await create(storage, user(1, "ann"), user(2, "bea"))
    before = await stored(storage, user(2))
    with pytest.raises(UniquenessConflict) as conflict:
        await storage.update(TENANT, replace(user(2, "ann"), etag=before.etag))
    assert conflict.value.attribute == "userName"
    assert await stored(storage, user(2)) == before
    assert await storage.find(TENANT, "User", IndexEntry("userName", "bea", unique=True)) == [id_of(2)]


@also_on_azurite
async def test_an_update_of_a_changed_resource_is_refused(storage: Storage) -> None:
    await create(storage, user(1))
    before = await stored(storage, user(1))
    await storage.update(TENANT, replace(user(1, "second"), etag=before.etag))
    with pytest.raises(VersionConflict):
        await storage.update(TENANT, replace(user(1, "third"), etag=before.etag))
    assert (await stored(storage, user(1))).document["userName"] == "second"


@also_on_azurite
async def test_an_update_of_a_deleted_resource_finds_nothing(storage: Storage) -> None:
    await create(storage, user(1))
    before = await stored(storage, user(1))
    await storage.delete(TENANT, before, [], now=NOW)
    with pytest.raises(NotFound) as missing:
        await storage.update(TENANT, replace(user(1), etag=before.etag))
    assert missing.value.ids == {id_of(1)}


@also_on_azurite
async def test_a_deleted_resource_leaves_nothing_behind(storage: Storage) -> None:
    await create(storage, user(1, "ann"))
    await storage.delete(TENANT, await stored(storage, user(1)), [], now=NOW)
    assert await storage.read(TENANT, "User", [id_of(1)]) == [None]
    assert await storage.find(TENANT, "User", IndexEntry("userName", "ann", unique=True)) == []
    assert await storage.find(TENANT, "User", IndexEntry("externalId", "x-ann")) == []
    await create(storage, user(2, "ann"))


@also_on_azurite
async def test_a_changed_or_deleted_resource_is_not_deleted(storage: Storage) -> None:
    await create(storage, user(1))
    before = await stored(storage, user(1))
    await storage.update(TENANT, replace(user(1), etag=before.etag))
    with pytest.raises(VersionConflict):
        await storage.delete(TENANT, before, [], now=NOW)
    now = await stored(storage, user(1))
    await storage.delete(TENANT, now, [], now=NOW)
    with pytest.raises(NotFound):
        await storage.delete(TENANT, now, [], now=NOW)


@also_on_azurite
async def test_a_document_of_480_000_units_is_kept(storage: Storage) -> None:
    note = "0123456789" * 47_990
    await create(storage, user(1, document={"note": note}))
    before = await stored(storage, user(1))
    assert before.document == {"note": note}
    await storage.update(TENANT, replace(before, document={"note": note[::-1]}))
    assert (await stored(storage, user(1))).document == {"note": note[::-1]}


@also_on_azurite
@pytest.mark.parametrize("text", ["é" * 70_000, "😀" * 40_001, "a😀" * 20_000, "\ud800x", '"\\\n' * 20_000])
async def test_a_document_of_any_characters_is_kept(storage: Storage, text: str) -> None:
    await create(storage, user(1, document={"note": text}))
    before = await stored(storage, user(1))
    assert before.document == {"note": text}
    await storage.update(TENANT, replace(before, document={"other": text}))
    assert (await stored(storage, user(1))).document == {"other": text}


@also_on_azurite
async def test_a_long_index_is_kept_and_found(storage: Storage) -> None:
    entries = [IndexEntry("emails.value", f"{number:04d}" * 100) for number in range(90)]
    await create(storage, user(1, index=frozenset(entries[:45])))
    before = await stored(storage, user(1))
    await storage.update(TENANT, replace(before, index=frozenset(entries[40:85])))
    found = [await storage.find(TENANT, "User", entry) for entry in entries]
    assert found == [[]] * 40 + [[id_of(1)]] * 45 + [[]] * 5


@also_on_azurite
async def test_tenants_share_nothing(storage: Storage) -> None:
    await storage.create("a", user(1, "ann"))
    await storage.create("a", group(5), [edge(5, 1)])
    await storage.create("b", user(1, "ann", version="of b"))
    assert (await storage.count("b", "Group")).number == 0
    assert await storage.members_of("b", id_of(5)) == []
    assert await storage.groups_of("b", [id_of(1)]) == {id_of(1): []}
    assert (await stored(storage, user(1), "b")).version == "of b"
    await storage.delete("b", await stored(storage, user(1), "b"), [], now=NOW)
    assert await storage.find("a", "User", IndexEntry("userName", "ann", unique=True)) == [id_of(1)]


@also_on_azurite
@pytest.mark.parametrize("tenant", ["a/b", "a\\b", "a'b", "ä", "", "x" * 600])
async def test_a_tenant_can_have_any_name(storage: Storage, tenant: str) -> None:
    await storage.create(tenant, user(1))
    assert (await storage.count(tenant, "User")).number == 1
    assert (await storage.count(tenant + "z", "User")).number == 0


@also_on_azurite
async def test_the_storage_answers_a_ping(storage: Storage) -> None:
    await storage.ping()


async def test_a_change_that_is_too_large_says_which_limit_it_breaks(storage: Storage) -> None:
    many = frozenset(IndexEntry("emails.value", f"{number}") for number in range(100))
    for resource, said in (
        (user(1, document={"note": "x" * 530_000}), "1048576 bytes"),
        (user(1, document={"note": "é" * 180_000}), "1048576 bytes"),
        (user(1, columns={f"c{number}": "" for number in range(250)}), "252"),
        (user(1, columns={"c": "x" * 32_001}), "32000 UTF-16 units"),
        (user(1, index=many), "100 indexed values; 96"),
    ):
        with pytest.raises(TooLarge, match=said):
            await storage.create(TENANT, resource)
        assert (await storage.count(TENANT, "User")).number == 0


async def test_a_resource_never_grows_beyond_what_can_be_deleted(storage: Storage) -> None:
    entries = [IndexEntry("emails.value", f"{number}") for number in range(98)]
    await create(storage, user(1, index=frozenset(entries[:90])), group(5))
    before = await stored(storage, user(1))
    with pytest.raises(TooLarge, match="98 indexed values; 96"):
        await storage.update(TENANT, replace(before, index=frozenset(entries)))
    await storage.update(TENANT, replace(before, index=frozenset(entries[:96])))
    await storage.edit_members(TENANT, await stored(storage, group(5)), adding(edge(5, 1)), guarded=False)
    await storage.delete(TENANT, await stored(storage, user(1)), [edge(5, 1)], now=NOW)
    assert await storage.find(TENANT, "User", entries[0]) == []


async def test_a_resource_that_is_beyond_it_already_can_change_and_shrink(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 0.1 let resources grow beyond it."""
    entries = [IndexEntry("emails.value", f"{number}") for number in range(100)]
    with monkeypatch.context() as patch:
        patch.setattr(service_limits, "MAX_INDEX_ROWS", 98)
        await create(storage, user(1, index=frozenset(entries[:98])))
    with pytest.raises(TooLarge):
        await storage.update(TENANT, replace(await stored(storage, user(1)), index=frozenset(entries)))
    for kept in (98, 97, 0):
        await storage.update(TENANT, replace(await stored(storage, user(1)), index=frozenset(entries[:kept])))
        assert len([entry for entry in entries if await storage.find(TENANT, "User", entry)]) == kept
    await storage.delete(TENANT, await stored(storage, user(1)), [], now=NOW)
