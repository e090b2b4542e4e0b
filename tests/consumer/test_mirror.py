"""examples/mirror: what a reader copies is right, however often it dies."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Literal

import httpx
import pytest

from examples.mirror.mirror import Mirror
from scim_feed import Feed, Omitted, Overtaken, Page, Put, following
from tests.consumer.directories import FEED_TOKEN, TENANT, URL, Directory, Holds, Provider, plain
from tests.running import ROOT

CHANGES = 1000
EFFECTS = """
CREATE TABLE effect (kind TEXT, about TEXT);
CREATE TRIGGER hired AFTER INSERT ON scim_resource BEGIN INSERT INTO effect VALUES ('hired', new.id); END;
CREATE TRIGGER left_us AFTER DELETE ON scim_resource BEGIN INSERT INTO effect VALUES ('left', old.id); END;
CREATE TRIGGER saved AFTER UPDATE ON scim_progress BEGIN INSERT INTO effect VALUES ('saved', new.cursor); END;
"""
"""What a product does when a person comes or goes: a mail, an account. Twice is an error."""


class Killed(BaseException):
    """The process is killed here."""


class Life:
    """Counts the steps of a process, and kills it at one of them."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


class MortalConnection(sqlite3.Connection):
    """A connection of a process that may be killed before and after each statement, and before and after a commit."""

    life = Life(1_000_000)

    def execute(self, *given: Any) -> sqlite3.Cursor:
        self.life.step()
        return super().execute(*given)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> Literal[False]:
        if kind is Killed:
            self.close()  # nobody is left who could roll back
            return False
        self.life.step()
        super().__exit__(kind, error, trace)
        self.life.step()
        return False


@contextmanager
def mirror_in(file: Path, life: Life | None = None) -> Iterator[Mirror]:
    with closing(sqlite3.connect(file, factory=MortalConnection)) as connection:
        connection.life = life or Life(1_000_000)
        yield Mirror(connection, URL)


def holds(file: Path) -> Holds:
    with closing(sqlite3.connect(file)) as connection:
        resources = {
            id_: plain(json.loads(text)) for id_, text in connection.execute("SELECT id, resource FROM scim_resource")
        }
        return resources, set(connection.execute("SELECT group_id, member_id FROM scim_membership"))


def effects(file: Path, kind: str) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [about for (about,) in connection.execute("SELECT about FROM effect WHERE kind = ?", [kind])]


@pytest.fixture(autouse=True)
def _no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FIRST_BACKOFF", 0.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A mirror that is empty, with effects."""
    file = tmp_path / "directory.db"
    with mirror_in(file), closing(sqlite3.connect(file)) as connection:
        connection.executescript(EFFECTS)
    return file


async def test_killed_at_random_for_a_thousand_changes_it_equals_the_directory_without_a_duplicate_effect(
    file: Path,
) -> None:
    chance, directory = Random(16), Directory()
    provider, deaths, equal = Provider(directory, chance), 0, 0
    hired, left = list[str](), list[str]()

    async def change() -> None:
        for _ in range(chance.randint(0, 4) if provider.changes < CHANGES else 0):
            before = {*provider.users, *provider.groups}
            await provider.change()
            hired.extend({*provider.users, *provider.groups} - before)
            left.extend(before - {*provider.users, *provider.groups})

    def live(http: httpx.Client, life: Life) -> bool:
        http.event_hooks = {"request": [lambda _: life.step()], "response": [lambda _: life.step()]}
        try:
            with mirror_in(file, life) as mirror:
                Feed(URL, FEED_TOKEN, http=http).catch_up(mirror)
        except Killed:
            return False
        return True

    directory.before = change
    with directory.http_of_a_thread() as http:
        is_equal = False
        while provider.changes < CHANGES or not is_equal:
            is_equal = await asyncio.to_thread(live, http, Life(chance.randrange(200)))
            if is_equal:
                assert holds(file) == await directory.holds()
                equal += 1
            else:
                deaths += 1
            if is_equal and equal % 5 == 0 and provider.changes < CHANGES:
                await directory.storage.new_epoch(TENANT)
    assert (deaths > 100, equal > 10) == (True, True)
    assert len(set(effects(file, "saved"))) == len(effects(file, "saved")) > 100
    came, gone = effects(file, "hired"), effects(file, "left")
    assert (len(came), len(gone)) == (len(set(came)), len(set(gone)))
    assert set(came) <= set(hired)
    assert set(gone) <= set(left)
    assert set(came) - set(gone) == set(hired) - set(left)


async def test_after_410_what_the_snapshot_does_not_name_is_deleted(file: Path) -> None:
    directory = Directory()
    ann, bob = [await directory.provider.user(name) for name in ("ann", "bob")]
    group = await directory.provider.group("Staff", ann, bob)
    with directory.http_of_a_thread() as http, Feed(URL, FEED_TOKEN, http=http) as feed:

        def catch_up() -> None:
            with mirror_in(file) as mirror:
                feed.catch_up(mirror)

        await asyncio.to_thread(catch_up)
        await directory.provider.delete(f"/Users/{ann['id']}")
        await directory.storage.new_epoch(TENANT)
        await asyncio.to_thread(catch_up)
    assert holds(file) == await directory.holds()
    assert holds(file)[1] == {(group["id"], bob["id"])}
    assert effects(file, "left") == [ann["id"]]


def test_what_did_not_fit_is_kept_and_marked_as_old(file: Path) -> None:
    def rows() -> list[Any]:
        with closing(sqlite3.connect(file)) as connection:
            return connection.execute("SELECT id, name, active, stale FROM scim_resource ORDER BY id").fetchall()

    with mirror_in(file) as mirror:
        mirror.apply(Page((Put("User", "1", {"userName": "ann\0", "active": False}),), "after:1"))
        assert rows() == [("1", "ann", 0, 0)]
        mirror.apply(Page((Omitted("User", "1"), Omitted("Group", "2")), "after:2", "after:1"))
        assert rows() == [("1", "ann", 0, 1), ("2", None, None, 1)]
        mirror.apply(Page((Put("Group", "2", {"displayName": "Staff"}),), "after:3", "after:2"))
        assert rows() == [("1", "ann", 0, 1), ("2", "Staff", 1, 0)]


def test_a_page_that_another_reader_has_applied_changes_nothing(file: Path) -> None:
    page = Page((Put("User", "1", {"userName": "ann"}),), "after:1")
    with mirror_in(file) as mirror:
        mirror.apply(page)
        with pytest.raises(Overtaken):
            mirror.apply(page)
        assert mirror.load() == "after:1"
    assert effects(file, "hired") == ["1"]


def test_a_reader_can_copy_it_in_one_go() -> None:
    lines = (ROOT / "examples" / "mirror" / "mirror.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 150
