"""The programs of docs/consume.md are right as they stand there."""

import asyncio
import json
import re
import sqlite3
import textwrap
from collections.abc import Iterator
from contextlib import closing, nullcontext
from random import Random
from types import SimpleNamespace
from typing import Any, get_args

import pytest

import scim_feed
from scim_feed import Feed, Overtaken, Page, Refused, Store
from tests.consumer.directories import FEED_TOKEN, TENANT, URL, Directory, Provider
from tests.consumer.test_webhooks import BODY, headers
from tests.running import ROOT

TEXT = (ROOT / "docs" / "consume.md").read_text(encoding="utf-8")
TABLES = """
CREATE TABLE known (id PRIMARY KEY, kind, name, active, mark);
CREATE TABLE membership (team, id, mark, PRIMARY KEY (team, id));
CREATE TABLE feed (cursor);
INSERT INTO feed VALUES (NULL);
"""


def program(beginning: str, **given: Any) -> dict[str, Any]:
    """What the indented program defines that begins with this line, where these names are given."""
    first, *lines = TEXT.partition(f"\n    {beginning}")[2].splitlines()
    end = next(number for number, line in enumerate(lines) if line and not line.startswith("    "))
    defined: dict[str, Any] = {**given}
    exec(textwrap.dedent("\n".join([f"    {beginning}{first}", *lines[:end]])), defined)
    return defined


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as database:
        database.executescript(TABLES)
        yield database


async def test_the_store_is_a_copy_also_after_a_snapshot(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Feed, "_pause", lambda *_: None)  # before a snapshot is asked for again
    store: Store = program("import sqlite3")["Accounts"](database)
    directory = Directory()
    provider = Provider(directory, Random(7))
    with directory.http_of_a_thread() as http, Feed(URL, FEED_TOKEN, http=http) as feed:
        for _ in range(6):
            for _ in range(25):
                await provider.change()
            await asyncio.to_thread(feed.catch_up, store)
            resources, pairs = await directory.holds()
            names = {id_: item.get("userName", item.get("displayName")) for id_, item in resources.items()}
            assert dict(database.execute("SELECT id, name FROM known")) == names
            assert set(database.execute("SELECT team, id FROM membership")) == pairs
            for _ in range(25):
                await provider.change()
            await directory.storage.new_epoch(TENANT)
    with pytest.raises(Overtaken):
        store.apply(Page((), "after:x", "after:another"))
    assert store.load() != "after:x"


@pytest.mark.parametrize("status", [0, 404, 403])
def test_a_message_of_the_queue_is_gone_once_it_is_done_or_its_customer_is_gone(status: int) -> None:
    messages = [SimpleNamespace(content=json.dumps({"tenant": "contoso", "epoch": "e", "number": n})) for n in (0, 7)]
    caught_up: list[Any] = []

    class Following(nullcontext[Any]):
        def __init__(self, *_: Any, tenant: str) -> None:
            super().__init__(self)
            caught_up.append(tenant)

        def catch_up(self, _: Any) -> None:
            if status:
                raise Refused(status, "no")

    left = list(messages)
    queue = SimpleNamespace(receive_messages=lambda **_: list(left), delete_message=left.remove)
    given = {"queue": queue, "json": json, "Feed": Following, "Refused": Refused, "url": "", "token": "", "store": None}
    with pytest.raises(Refused) if status == 403 else nullcontext():
        program("for found in queue", **given)
    assert caught_up == ["contoso"]
    assert left == (messages[1:] if status == 403 else [])


def test_the_receiver_believes_what_was_signed_and_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    rings = list[None]()

    class Bell:
        def ring(self) -> None:
            rings.append(None)

    defined = program("from scim_feed import InvalidSignature, verify")
    receive = defined["receive"]
    defined |= {"SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "feed": Bell()}
    assert receive(headers(BODY), BODY) == 401, "long ago"
    monkeypatch.setattr("scim_feed.webhooks.time.time", lambda: 1614265330.5)
    assert receive(headers(BODY), BODY) == 204
    assert receive(headers(BODY), BODY + b" ") == 401
    assert len(rings) == 1


def test_each_kind_of_change_is_in_the_table() -> None:
    table = TEXT.partition("### What a page holds")[2].partition("\n## ")[0]
    named = re.findall(r"`(\w+)\(", table)
    assert {getattr(scim_feed, name) for name in named} == set(get_args(scim_feed.Change.__value__))
