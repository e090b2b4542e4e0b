"""What `wire` stores and reads is what the SDK's own client stores and reads: values, keys, pages, sizes."""

import asyncio
import json
import string
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_core.model import Column
from scim_core.storage.port import ColumnTest
from scim_core.storage.tables import codec, keys, wire_text
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.odata import literal
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.service_limits import PAGE_ROWS, TRANSACTION_OPERATIONS
from tests.contract.sides import TENANT, Sides, comparable, operation, outcome

ALL = keys.everything()
TEXTS = [
    *(
        "",
        " ",
        "  two  ",
        "true",
        "1",
        "-0.5",
        "NaN",
        "null",
        "2026-11-24T10:00:00.000000Z",
        "{}",
        "[]",
        '"',
        "'",
        "\\",
    ),
    *(chr(code) for code in range(32)),
    *(
        "\x7f",
        "\x80",
        "é",
        "ß",
        "日本",
        "\u2028",
        "\u2029",
        "\ufeff",
        "\ufffd",
        "\uffff",
        "😀",
        "\ud800",
        "\udfff\ud800",
    ),
    *("line\r\nline", "\r\n\r\n--batch", "--changeset_0--\r\n", "HTTP/1.1 204 No Content\r\nETag: x\r\n\r\n", "\n\n"),
    *('{"odata.error":{"code":"x"}}', '"value":[', "},{", "%41%20+&=#?/", "<a>&amp;</a>", "@odata.type", "it''s"),
    "".join(map(chr, range(0x20, 0x7F))),
    "x" * 32_000,
    "😀" * 16_000,
]
KEYS = [
    "a:b",
    "".join(sorted({char for code in range(0x250) for char in codec.encode(chr(code))} | {":", "}"})),
    codec.encode("o'neil/x \\ # ? % \" ü 😀"),
    string.ascii_letters + string.digits,
    *(
        "a b",
        "a'b",
        "a''b",
        "a&b=c",
        "a+b",
        "a%41",
        "a%27b",
        "a;b",
        "a,b)",
        "(a)",
        "ä",
        "日本",
        "😀",
        '"',
        "*",
        "$",
        "~^`",
    ),
    "k" * 512,
    *("a/b", "a\\b", "a#b", "a?b", "a\x01b", "k" * 513),
]


async def agreed(found: Sequence[object]) -> object:
    """What all have found."""
    assert all(item == found[0] for item in found[1:])
    return found[0]


async def test_every_value_is_stored_and_read_alike(sides: Sides) -> None:
    properties: dict[str, Column] = {f"p{number}": text for number, text in enumerate(TEXTS)}
    properties |= {"yes": True, "no": False}
    for writer in sides.writers:
        await writer.transact(TENANT, [RowOperation(Verb.INSERT, Role.OTHER, "row", properties)])
    read = [await outcome(reader.get(TENANT, "row")) for reader in sides.readers]
    assert await agreed(read) == ({"PartitionKey": TENANT, "RowKey": "row", **properties}, True)
    pages = [await outcome(reader.page(TENANT, ALL)) for reader in sides.readers]
    assert await agreed(pages) == ([read[0]], False)


@given(properties=st.dictionaries(st.from_regex(r"[a-z][a-zA-Z0-9_]{0,9}", fullmatch=True), st.text() | st.booleans()))
def test_any_row_is_written_as_json_that_says_its_values(properties: dict[str, Column]) -> None:
    _, body = asyncio.run(wire_text.transaction("u", "p", [RowOperation(Verb.UPSERT, Role.OTHER, "k", properties)]))
    [text] = [line for line in body.split(b"\r\n") if line.startswith(b"{")]
    assert json.loads(text) == {"PartitionKey": "p", "RowKey": "k", **properties}
    assert wire_text.row(text.decode()).properties == json.loads(text)


@pytest.mark.parametrize("sides", ["http with a key"], indirect=True)
@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
async def test_every_key_leads_to_its_row_or_is_refused_alike(sides: Sides, key: str) -> None:
    """The account's key signs the whole URL. With a token, the URL is the same: the next test."""
    await led_alike(sides, key)


@pytest.mark.parametrize("sides", ["https with a token"], indirect=True)
async def test_keys_lead_to_their_rows_or_are_refused_alike_with_a_token(sides: Sides) -> None:
    for key in (*KEYS[1:4], *KEYS[-6:]):
        await led_alike(sides, key)


async def led_alike(sides: Sides, key: str) -> None:
    """By each verb the row is written, and read by its key."""
    partition = key if len(key) <= 400 else TENANT
    verbs = [operation(Verb.INSERT, key, x="1"), operation(Verb.MERGE, key, y="2"), operation(Verb.REPLACE, key, z="3")]
    for step in [*verbs, operation(Verb.UPSERT, key, w="4")]:
        await agreed([await outcome(writer.transact(partition, [step])) for writer in sides.writers])
        await agreed([await outcome(reader.get(partition, key)) for reader in sides.readers])
    await agreed([await outcome(reader.get(partition, key, select="w")) for reader in sides.readers])
    await agreed([await outcome(reader.page(partition, KeyRange(key, key + "~"))) for reader in sides.readers])
    await agreed([await outcome(writer.transact(partition, [operation(Verb.DELETE, key)])) for writer in sides.writers])
    await agreed([await outcome(reader.get(partition, key)) for reader in sides.readers])


async def test_types_that_we_never_write_are_read_as_their_json(sides: Sides) -> None:
    """Such a row was written by a person. Numbers that JSON has are alike, and the others are their text."""
    foreign: dict[str, Any] = {"i": 7, "d": 0.5, "l": (2**40, "Edm.Int64"), "t": datetime(2026, 11, 24, tzinfo=UTC)}
    foreign |= {"b": b"\x00\xff", "s": "text"}
    await sides.one.sdk.transact(TENANT, [operation(Verb.INSERT, "row", **foreign)])
    row = await sides.one.ours.get(TENANT, "row")
    assert row is not None
    assert {name: row.properties[name] for name in foreign} == {
        "i": 7,
        "d": 0.5,
        "l": str(2**40),
        "t": "2026-11-24T00:00:00.000000Z",
        "b": "AP8=",
        "s": "text",
    }
    assert [item.properties for item in (await sides.one.ours.page(TENANT, ALL)).rows] == [row.properties]


@pytest.mark.parametrize(
    "select", [None, "RowKey", "PartitionKey", "x", "x,y", "PartitionKey,RowKey,x", "none", "x,none"]
)
async def test_what_is_selected_is_read_alike(sides: Sides, select: str | None) -> None:
    rows = [operation(Verb.INSERT, "a", x="1", y=True), operation(Verb.INSERT, "b", y=False)]
    for writer in sides.writers:
        await writer.transact(TENANT, rows)
    await agreed([await outcome(reader.get(TENANT, "a", select=select)) for reader in sides.readers])
    await agreed([await outcome(reader.page(TENANT, ALL, select=select)) for reader in sides.readers])


async def test_the_etags_are_those_of_the_rows(sides: Sides) -> None:
    """Those that a transaction answers, those of a point read, those of a page: whoever reads."""
    for table in (sides.one, sides.other):
        for writer in (table.sdk, table.ours):
            etags = await writer.transact(TENANT, [operation(Verb.UPSERT, "a"), operation(Verb.UPSERT, "b", x="1")])
            for reader in (table.sdk, table.ours):
                rows = [await reader.get(TENANT, "a"), await reader.get(TENANT, "b", select="x")]
                assert [row and row.etag for row in rows] == etags
                assert [row.etag for row in (await reader.page(TENANT, ALL)).rows] == etags


OPERATORS = ["eq", "ne", "gt", "ge", "lt", "le"]
TESTED: list[Column] = [
    "",
    "b",
    "it's",
    "''",
    "a + b & c = d % e # f ? g / h",
    "é",
    "😀",
    "\\",
    '"',
    "@p",
    "x eq 'y'",
    True,
]


@pytest.mark.parametrize("operator", OPERATORS)
async def test_columns_are_tested_alike(sides: Sides, operator: str) -> None:
    for writer in sides.writers:
        rows = [operation(Verb.INSERT, f"{number:02}", c_name=value) for number, value in enumerate(TESTED)]
        await writer.transact(TENANT, rows)
    for value in TESTED:
        tests = [ColumnTest("name", operator, value)]
        await agreed([await outcome(reader.page(TENANT, ALL, tests=tests)) for reader in sides.readers])


async def test_all_comparisons_are_sent_alike(sides: Sides) -> None:
    for writer in sides.writers:
        await writer.transact(TENANT, [operation(Verb.INSERT, "a", c_a="it's", c_b=True, c_c_002e_0020d="é")])
    tests = [ColumnTest("a", "eq", "it's"), ColumnTest("b", "eq", value=True), ColumnTest("c. d", "le", "é")] * 4
    for asked in (tests[:3], tests):
        for since in (
            None,
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2099, 1, 1, 3, tzinfo=timezone(timedelta(hours=3))),
        ):
            some = asked if since is None else asked[:11]
            await agreed([await outcome(reader.page(TENANT, ALL, tests=some, since=since)) for reader in sides.readers])


async def test_tokens_are_those_of_the_sdk(sides: Sides) -> None:
    for writer in sides.writers:
        await writer.transact(TENANT, [operation(Verb.INSERT, f"a.~{{00e4 {number}") for number in range(7)])
    for table in (sides.one, sides.other):
        token, found = None, []
        for turn in range(9):
            readers = (table.sdk, table.ours) if turn % 2 else (table.ours, table.sdk)
            pages = [await reader.page(TENANT, ALL, limit=2, token=token) for reader in readers]
            assert comparable(pages[0]) == comparable(pages[1])
            assert pages[0].token == pages[1].token
            found += pages[0].rows
            token = pages[0].token
            if token is None:
                break
        assert len(found) == 7


async def test_a_full_page_is_read_alike(sides: Sides) -> None:
    for start in range(0, PAGE_ROWS + 50, TRANSACTION_OPERATIONS):
        rows = [operation(Verb.INSERT, f"{start + number:05}", d0="é" * 20) for number in range(TRANSACTION_OPERATIONS)]
        for writer in sides.writers:
            await writer.transact(TENANT, rows)
    page = await agreed([await outcome(reader.page(TENANT, ALL)) for reader in sides.readers])
    assert isinstance(page, tuple)
    assert (len(page[0]), page[1]) == (PAGE_ROWS, True)


async def test_partitions_are_found_alike(sides: Sides) -> None:
    for tenant in ("b", "a/b", "it's", keys.SWEEP, "é"):
        for writer in sides.writers:
            await writer.transact(tenant, [operation(Verb.INSERT, "1")])
    for after in ("", ":pending", "a", "b", "it's", "~", "\uffff"):
        await agreed([await outcome(reader.partition_after(after)) for reader in sides.readers])


LARGEST: dict[str, list[RowOperation]] = {
    "properties": [operation(Verb.INSERT, "a", **{f"p{number}": "" for number in range(252)})],
    "units of UTF-16": [operation(Verb.INSERT, "a", **{f"p{number}": "x" * 32_000 for number in range(16)})],
    "bytes of JSON": [operation(Verb.INSERT, "a", **{f"p{number}": "é" * 17_000 for number in range(10)})],
    "operations": [operation(Verb.INSERT, f"{number:03}", x="1") for number in range(TRANSACTION_OPERATIONS)],
    "bytes of a transaction": [
        operation(Verb.INSERT, f"{row}", **{f"d{number}": "x" * 32_000 for number in range(16)}) for row in range(8)
    ],
}


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's own
@pytest.mark.parametrize("name", LARGEST)
async def test_what_is_as_large_as_it_may_be_is_stored_and_read_alike(sides: Sides, name: str) -> None:
    etags = [await outcome(writer.transact(TENANT, LARGEST[name])) for writer in sides.writers]
    assert await agreed(etags) == [True] * len(LARGEST[name])
    page = await agreed([await outcome(reader.page(TENANT, ALL)) for reader in sides.readers])
    assert isinstance(page, tuple)
    own = [{key: value for key, value in row.items() if key not in ("PartitionKey", "RowKey")} for row, _ in page[0]]
    assert own == [item.properties for item in LARGEST[name]]


@given(text=st.text())
@settings(max_examples=200)
def test_a_text_in_a_filter_stays_one_text(text: str) -> None:
    written = literal(text)
    assert written[0] == written[-1] == "'"
    assert written[1:-1].replace("''", "") == text.replace("'", "")
    assert written[1:-1].count("'") == 2 * text.count("'")
