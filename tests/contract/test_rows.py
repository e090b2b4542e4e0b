"""What `Rows` promises, with every limit and failure that docs/storage.md names: over Azurite, and in this process.

Azurite is there twice: as it comes, in memory; and as `make run` starts it, on disk, where it seeks.

All that is tested over MemoryRows rests on this.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from devhost.azurite import Azurite
from scim_core.model import Column
from scim_core.settings import StorageSettings
from scim_core.storage.port import ColumnTest, StorageError, TooLarge, VersionConflict
from scim_core.storage.tables import keys
from scim_core.storage.tables.azure_rows import AzureRows
from scim_core.storage.tables.client import connect
from scim_core.storage.tables.errors import RowChanged, RowExists, RowFailure, RowMissing
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.odata import MAX_COMPARISONS
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows, read_pages
from scim_core.storage.tables.service_limits import PAGE_ROWS, TRANSACTION_OPERATIONS
from tests.memory_rows import MemoryRows
from tests.tables import new_table

ALL = keys.everything()
TENANT = "contoso"
MANY = PAGE_ROWS + 50


@pytest.fixture(scope="module")
def seeking_azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azurite as `make run` starts it."""
    with Azurite.start(data=tmp_path_factory.mktemp("azurite"), seeks=True) as running:
        yield running


@pytest.fixture(params=["memory", "azurite", "seeking_azurite"])
async def rows(request: pytest.FixtureRequest) -> AsyncIterator[Rows]:
    """Rows of a table that does not exist yet."""
    if request.param == "memory":
        yield MemoryRows()
        return
    environment = new_table(request.getfixturevalue(request.param))
    made = AzureRows(partial(connect, StorageSettings.from_environment(environment)))
    yield made
    await made.close()


def operation(verb: Verb, key: str, *, etag: str = "", **properties: Column) -> RowOperation:
    return RowOperation(verb, Role.OTHER, key, properties, etag)


def insert(key: str, **properties: Column) -> RowOperation:
    return RowOperation(Verb.INSERT, Role.OTHER, key, properties)


async def keys_of(rows: Rows, tenant: str, key_range: KeyRange = ALL) -> list[str]:
    return [row.properties["RowKey"] async for page in read_pages(rows, tenant, key_range) for row in page]


async def read(rows: Rows, tenant: str, key: str) -> Row:
    """The row, which must be there."""
    found = await rows.get(tenant, key)
    assert found is not None
    return found


def own(row: Row) -> dict[str, Column]:
    return {name: value for name, value in row.properties.items() if name not in ("PartitionKey", "RowKey")}


# Reading one row


async def test_a_row_is_read_as_it_was_written_with_its_keys(rows: Rows) -> None:
    said: dict[str, Column] = {"text": "Straße 😀 \x7f\t'\"", "empty": "", "yes": True, "no": False}
    [etag] = await rows.transact(TENANT, [insert("User:1", **said)])
    row = await read(rows, TENANT, "User:1")
    assert row.properties == {"PartitionKey": TENANT, "RowKey": "User:1", **said}
    assert row.etag == etag


async def test_what_is_not_there_is_none_whatever_lies_around_it(rows: Rows) -> None:
    assert await rows.get(TENANT, "b") is None
    await rows.transact(TENANT, [insert("a"), insert("c")])
    assert await rows.get(TENANT, "b") is None
    assert await rows.get(f"{TENANT}x", "a") is None


async def test_what_is_selected_is_answered_and_no_more(rows: Rows) -> None:
    await rows.transact(TENANT, [insert("a", x="1", y="2", z=True)])
    [paged] = (await rows.page(TENANT, ALL, select="x,z,never")).rows
    for row in (await rows.get(TENANT, "a", select="x,z,never"), paged):
        assert row is not None
        assert {name: value for name, value in row.properties.items() if value is not None} == {"x": "1", "z": True}
        assert row.etag == (await read(rows, TENANT, "a")).etag
    only_key = await rows.get(TENANT, "a", select="RowKey")
    assert only_key is not None
    assert only_key.properties == {"RowKey": "a"}


async def test_what_was_read_or_written_is_the_callers_own(rows: Rows) -> None:
    written: dict[str, Column] = {"x": "1"}
    await rows.transact(TENANT, [RowOperation(Verb.INSERT, Role.OTHER, "a", written)])
    written["x"] = "2"
    (await read(rows, TENANT, "a")).properties["x"] = "3"
    assert own(await read(rows, TENANT, "a")) == {"x": "1"}


# Reading ranges


async def test_a_range_is_in_the_order_of_its_keys_from_the_low_one_up_to_the_high_one(rows: Rows) -> None:
    named = ["B", "_", "a", "a!", "a-", "a.~", "a;", "a{00e4", "a|01f600", "a}", "b", "member:1", "memberOf:1", "~"]
    await rows.transact(TENANT, [insert(key) for key in reversed(named)])
    assert await keys_of(rows, TENANT) == sorted(named)
    assert await keys_of(rows, TENANT, KeyRange("a", "b")) == [key for key in sorted(named) if "a" <= key < "b"]
    assert await keys_of(rows, TENANT, KeyRange("a-", "a-")) == []
    assert await keys_of(rows, TENANT, KeyRange("member:", "member;")) == ["member:1"]


async def test_an_answer_holds_a_thousand_rows_and_a_token_for_the_rest(rows: Rows) -> None:
    named = [f"{number:05}" for number in range(MANY)]
    for start in range(0, MANY, TRANSACTION_OPERATIONS):
        await rows.transact(TENANT, [insert(key) for key in named[start : start + TRANSACTION_OPERATIONS]])
    first = await rows.page(TENANT, ALL)
    assert len(first.rows) == PAGE_ROWS
    assert first.token is not None
    rest = await rows.page(TENANT, ALL, token=first.token)
    assert [row.properties["RowKey"] for row in (*first.rows, *rest.rows)] == named
    assert rest.token is None
    exactly = await rows.page(TENANT, KeyRange(named[0], named[PAGE_ROWS]))
    assert (len(exactly.rows), exactly.token) == (PAGE_ROWS, None)


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_tokens_lead_through_all_rows_whatever_the_limit(rows: Rows, limit: int) -> None:
    await rows.transact(TENANT, [insert(f"{number}", even=number % 2 == 0) for number in range(7)])
    found, token = [], None
    while True:
        page = await rows.page(TENANT, KeyRange("1", "7"), limit=limit, token=token)
        assert len(page.rows) <= limit
        found += [row.properties["RowKey"] for row in page.rows]
        token = page.token
        if token is None:
            break
    assert found == [f"{number}" for number in range(1, 7)]


async def test_a_token_goes_on_where_it_was_though_the_rows_there_are_gone(rows: Rows) -> None:
    await rows.transact(TENANT, [insert(key) for key in "abcdef"])
    first = await rows.page(TENANT, ALL, limit=2)
    await rows.transact(TENANT, [operation(Verb.DELETE, key) for key in "bcd"] + [insert("aa"), insert("ee")])
    rest = await rows.page(TENANT, ALL, token=first.token)
    assert [row.properties["RowKey"] for row in rest.rows] == ["e", "ee", "f"]


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("eq", "b", "2"),
        ("gt", "b", "345"),
        ("ge", "b", "2345"),
        ("lt", "b", "1"),
        ("le", "b", "12"),
        ("eq", "it's", "3"),
        ("eq", "B", ""),
        ("lt", "\ue000", "1234"),  # by UTF-16 units, not by code points
    ],
)
async def test_text_is_tested_in_the_table(rows: Rows, operator: str, value: str, expected: str) -> None:
    texts = ["a", "b", "it's", "\U0001f600", "\uffee"]
    await rows.transact(TENANT, [insert(f"{n}", c_name=text) for n, text in enumerate(texts, 1)] + [insert("6")])
    page = await rows.page(TENANT, ALL, tests=[ColumnTest("name", operator, value)])
    assert "".join(row.properties["RowKey"] for row in page.rows) == expected


async def test_tests_hold_all_at_once_and_what_has_no_such_column_fails_them(rows: Rows) -> None:
    made = [insert(f"{n:02}", c_active=n % 2 == 0, lastModified=f"{n:02}") for n in range(20)]
    await rows.transact(TENANT, [*made, insert("20", lastModified="20")])
    tests = [ColumnTest("active", "eq", value=True), ColumnTest("lastModified", "ge", "05")]
    page = await rows.page(TENANT, ALL, tests=tests, limit=3)
    assert [row.properties["RowKey"] for row in page.rows] == ["06", "08", "10"]
    rest = await rows.page(TENANT, ALL, tests=tests, token=page.token)
    assert [row.properties["RowKey"] for row in rest.rows] == ["12", "14", "16", "18"]
    assert rest.token is None


async def test_a_filter_makes_fifteen_comparisons_at_most(rows: Rows) -> None:
    await rows.transact(TENANT, [insert("a", c_active=True)])
    most = [ColumnTest("active", "eq", value=True)] * (MAX_COMPARISONS - 3)
    assert len((await rows.page(TENANT, ALL, tests=most)).rows) == 1
    with pytest.raises(TooLarge, match="12 columns at once, not 13"):
        await rows.page(TENANT, ALL, tests=[*most, most[0]])
    with pytest.raises(TooLarge, match="11 columns at once, not 12"):
        await rows.page(TENANT, ALL, tests=most, since=datetime.now(UTC))


async def test_what_was_written_since_an_instant_is_found(rows: Rows) -> None:
    await rows.transact(TENANT, [insert(key) for key in "abcd"])
    await asyncio.sleep(0.05)
    since = datetime.now(UTC)
    await asyncio.sleep(0.05)
    await rows.transact(TENANT, [operation(Verb.MERGE, "b", x="1"), insert("e"), operation(Verb.DELETE, "c")])
    assert [row.properties["RowKey"] for row in (await rows.page(TENANT, ALL, since=since)).rows] == ["b", "e"]
    assert (await rows.page(TENANT, ALL, since=since + timedelta(hours=1))).rows == []
    first = await rows.page(TENANT, ALL, since=since, limit=1)
    rest = await rows.page(TENANT, ALL, since=since, token=first.token)
    assert [row.properties["RowKey"] for row in (*first.rows, *rest.rows)] == ["b", "e"]


async def test_partitions_with_rows_are_found_one_after_the_other(rows: Rows) -> None:
    assert await rows.partition_after("") is None
    for tenant in ("b", "a", "c", keys.SWEEP, keys.REGISTRY, "a/b"):
        await rows.transact(tenant, [insert("1")])
    await rows.transact("b", [operation(Verb.DELETE, "1")])
    found, last = [], await rows.partition_after("")
    while last is not None:
        found.append(last)
        last = await rows.partition_after(last)
    assert found == [keys.SWEEP, keys.REGISTRY, "a", "a.~b", "c"]


# Changing rows


async def test_each_verb_does_what_it_says(rows: Rows) -> None:
    await rows.transact(TENANT, [insert("a", x="1", y="1")])
    await rows.transact(TENANT, [operation(Verb.MERGE, "a", y="2", z=True)])
    assert own(await read(rows, TENANT, "a")) == {"x": "1", "y": "2", "z": True}
    await rows.transact(TENANT, [operation(Verb.REPLACE, "a", y="3")])
    assert own(await read(rows, TENANT, "a")) == {"y": "3"}
    await rows.transact(TENANT, [operation(Verb.UPSERT, "a", w="4"), operation(Verb.UPSERT, "b", w="5")])
    assert own(await read(rows, TENANT, "a")) == {"w": "4"}
    assert own(await read(rows, TENANT, "b")) == {"w": "5"}
    await rows.transact(TENANT, [operation(Verb.DELETE, "a")])
    assert await rows.get(TENANT, "a") is None


async def test_the_etags_afterwards_are_told_and_every_write_makes_a_new_one(rows: Rows) -> None:
    [first] = await rows.transact(TENANT, [insert("a")])
    second, gone, third = await rows.transact(
        TENANT, [operation(Verb.MERGE, "a"), insert("b"), operation(Verb.UPSERT, "c")]
    )
    assert first != second
    assert "" not in (second, gone, third)
    assert await rows.transact(TENANT, [operation(Verb.DELETE, "b", etag=gone), operation(Verb.MERGE, "a")]) == [
        "",
        (await read(rows, TENANT, "a")).etag,
    ]


FAILURES: dict[str, tuple[RowOperation, type[RowFailure]]] = {
    "an insertion of what is there": (insert("there"), RowExists),
    "a merge of what is not": (operation(Verb.MERGE, "not"), RowMissing),
    "a replacement of what is not": (operation(Verb.REPLACE, "not"), RowMissing),
    "a deletion of what is not": (operation(Verb.DELETE, "not"), RowMissing),
    "a merge of what was changed": (operation(Verb.MERGE, "there", etag="old"), RowChanged),
    "a replacement of what was changed": (operation(Verb.REPLACE, "there", etag="old"), RowChanged),
    "a deletion of what was changed": (operation(Verb.DELETE, "there", etag="old"), RowChanged),
    "a merge of what is gone": (operation(Verb.MERGE, "gone", etag="old"), RowMissing),
    "a deletion of what is gone": (operation(Verb.DELETE, "gone", etag="old"), RowMissing),
}


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("name", FAILURES)
async def test_a_refused_operation_is_named_and_none_of_the_others_happens(rows: Rows, name: str, place: int) -> None:
    refused, failure = FAILURES[name]
    [old, _] = await rows.transact(TENANT, [insert("there", x="1"), insert("gone")])
    await rows.transact(TENANT, [operation(Verb.MERGE, "there", y="2"), operation(Verb.DELETE, "gone")])
    if refused.etag:
        refused = operation(refused.verb, refused.key, etag=old)
    others = [operation(Verb.UPSERT, "other"), insert("another")]
    before = await read(rows, TENANT, "there")
    with pytest.raises(failure) as raised:
        await rows.transact(TENANT, [*others[:place], refused, *others[place:]])
    assert raised.value.operation is refused
    assert await keys_of(rows, TENANT) == ["there"]
    assert await read(rows, TENANT, "there") == before


async def test_of_two_refused_operations_the_first_is_named(rows: Rows) -> None:
    await rows.transact(TENANT, [insert("a")])
    for first, second in ((insert("a"), operation(Verb.DELETE, "q")), (operation(Verb.DELETE, "q"), insert("a"))):
        with pytest.raises(RowFailure) as raised:
            await rows.transact(TENANT, [first, second])
        assert raised.value.operation is first


async def test_a_change_of_the_state_that_was_read_happens(rows: Rows) -> None:
    [etag] = await rows.transact(TENANT, [insert("a")])
    for verb in (Verb.MERGE, Verb.REPLACE):
        [etag] = await rows.transact(TENANT, [operation(verb, "a", etag=etag, x=verb.value)])
        assert own(await read(rows, TENANT, "a")) == {"x": verb.value}
    assert await rows.transact(TENANT, [operation(Verb.DELETE, "a", etag=etag)]) == [""]


@pytest.mark.parametrize(
    ("operations", "said"),
    [
        ([insert("a"), operation(Verb.UPSERT, "a")], "400 InvalidDuplicateRow"),
        ([insert("a/b")], "400"),
        ([insert("a\\b")], "400"),
        ([insert("a#b")], "400"),
        ([insert("a?b")], "400"),
        ([insert("a\x01b")], "400"),
        ([insert("k" * 513)], "400"),
    ],
)
async def test_what_the_service_refuses_is_an_error_and_nothing_of_it_happens(
    rows: Rows, operations: Sequence[RowOperation], said: str
) -> None:
    with pytest.raises(StorageError, match=said) as refused:
        await rows.transact(TENANT, [insert("other"), *operations])
    assert not isinstance(refused.value, VersionConflict)
    assert await keys_of(rows, TENANT) == []


async def test_the_longest_key_is_taken(rows: Rows) -> None:
    await rows.transact(TENANT, [insert("k" * 512)])
    assert await keys_of(rows, TENANT) == ["k" * 512]


# Limits of transactions and rows


async def test_a_transaction_holds_a_hundred_operations(rows: Rows) -> None:
    many = [insert(f"{number:03}") for number in range(TRANSACTION_OPERATIONS + 1)]
    with pytest.raises(TooLarge, match="101 row operations; one transaction holds 100"):
        await rows.transact(TENANT, many)
    assert await keys_of(rows, TENANT) == []
    assert len(await rows.transact(TENANT, many[:TRANSACTION_OPERATIONS])) == TRANSACTION_OPERATIONS


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's own
async def test_a_transaction_holds_four_mebibytes(rows: Rows) -> None:
    parts = {f"d{number}": "x" * 32_000 for number in range(16)}
    large = [insert(f"{number}", **parts) for number in range(9)]
    with pytest.raises(TooLarge, match="one transaction holds 4194304"):
        await rows.transact(TENANT, large)
    assert await keys_of(rows, TENANT) == []
    await rows.transact(TENANT, large[:8])
    assert len(await keys_of(rows, TENANT)) == 8


LARGEST: dict[str, tuple[dict[str, Column], dict[str, Column], str]] = {
    "the units of a property": ({"x": "x" * 32_000}, {"x": "x" * 32_001}, "32000 UTF-16 units"),
    "the units of astral text": ({"x": "😀" * 16_000}, {"x": "😀" * 16_001}, "32000 UTF-16 units"),
    "the number of properties": (
        {f"p{number}": "" for number in range(252)},
        {f"p{number}": "" for number in range(253)},
        "253 table properties; 252",
    ),
    "the bytes in UTF-16": (
        {f"p{number}": "x" * 32_000 for number in range(16)},
        {f"p{number}": "x" * 32_000 for number in range(17)},
        "1048576 bytes",
    ),
    "the bytes in JSON": (
        {f"p{number}": "é" * 17_000 for number in range(10)},
        {f"p{number}": "é" * 17_500 for number in range(10)},
        "1048576 bytes",
    ),
}


@pytest.mark.parametrize("name", LARGEST)
async def test_a_row_is_taken_up_to_its_limit_and_refused_beyond(rows: Rows, name: str) -> None:
    fits, too_large, said = LARGEST[name]
    with pytest.raises(TooLarge, match=said):
        await rows.transact(TENANT, [insert("a", **too_large)])
    assert await rows.get(TENANT, "a") is None
    await rows.transact(TENANT, [insert("a", **fits)])
    await rows.transact(TENANT, [RowOperation(Verb.REPLACE, Role.OTHER, "a", fits)])
    assert own(await read(rows, TENANT, "a")) == fits


# Changes side by side


async def test_of_many_who_insert_one_row_one_does(rows: Rows) -> None:
    found = await asyncio.gather(
        *(rows.transact(TENANT, [insert("same"), insert(f"{number:02}")]) for number in range(20)),
        return_exceptions=True,
    )
    assert sum(isinstance(item, list) for item in found) == 1
    assert all(isinstance(item, list | RowExists | VersionConflict) for item in found)
    winner = next(number for number, item in enumerate(found) if isinstance(item, list))
    assert await keys_of(rows, TENANT) == [f"{winner:02}", "same"]


async def test_of_many_who_change_one_state_one_does(rows: Rows) -> None:
    [etag] = await rows.transact(TENANT, [insert("a")])
    found = await asyncio.gather(
        *(rows.transact(TENANT, [operation(Verb.MERGE, "a", etag=etag, x=f"{number}")]) for number in range(20)),
        return_exceptions=True,
    )
    assert sum(isinstance(item, list) for item in found) == 1
    assert all(isinstance(item, list | RowChanged | VersionConflict) for item in found)


async def test_a_transaction_is_for_one_tenant(rows: Rows) -> None:
    await rows.transact("one", [insert("a", x="1")])
    await rows.transact("two", [insert("a", x="2")])
    await rows.transact("one", [operation(Verb.DELETE, "a")])
    assert await keys_of(rows, "one") == []
    assert own(await read(rows, "two", "a")) == {"x": "2"}
