"""What a reader does next, without a network or a clock: when it asks, how long it waits, what it does not believe."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from scim_feed import Delete, Join, Leave, Omitted, Page, Put, Refused, Unusable
from scim_feed.answers import Answer
from scim_feed.following import Apply, Ask, Load, Pace, Pause, Step, Surroundings, following, heads_in

USER = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "u", "userName": "ann"}


def answer(document: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, document if isinstance(document, bytes) else json.dumps(document).encode())


def problem(status: int, **headers: str) -> Answer:
    return answer({"type": "about:blank", "title": "x", "status": status, "detail": "Say\nwhy."}, status, **headers)


def changes(*entries: Any, cursor: str = "c1", more: bool = False) -> Answer:
    numbered = [
        {"number": number, "time": "t", "type": "User", "id": "u"} | item for number, item in enumerate(entries, 1)
    ]
    return answer({"entries": numbered, "cursor": cursor, "more": more})


def snapshot(*resources: Any, following: str | None = None, memberships: Any = (), cursor: str = "c0") -> Answer:
    return answer({"resources": resources, "memberships": list(memberships), "next": following, "cursor": cursor})


@dataclass
class Reader:
    """A reader whose steps a test answers. Its time moves only while it pauses, and while it is moved."""

    saved: str | None = "after:c0"
    pace: Pace = field(default_factory=lambda: Pace(10.0, 60.0, 0))
    chance: float = 0.0
    forever: bool = True
    now: float = 0.0
    takes: bool = True
    pages: list[Page] = field(default_factory=list)

    def __post_init__(self) -> None:
        ids = iter("ABCDEFGH")
        around = Surroundings(lambda: self.now, lambda: self.chance, lambda: next(ids))
        self.steps = following(self.pace, around, forever=self.forever)
        assert next(self.steps) == Load()
        self.step: Step | None = self.steps.send(self.saved)

    def asks(self) -> Ask:
        """The request of this moment."""
        assert isinstance(self.step, Ask), self.step
        return self.step

    def hears(self, outcome: Answer | Unusable, takes: float = 0.0) -> float:
        """The seconds that it pauses after this outcome; 0 if it asks again at once. Pages are applied."""
        self.asks()
        self.now += takes
        step = self._next(outcome)
        while isinstance(step, Apply | Load):
            if isinstance(step, Apply):
                self.pages.append(step.page)
                step = self._next(self.takes)
            else:
                step = self._next(self.saved)
        if not isinstance(step, Pause):
            return 0
        self.now += step.seconds
        after = self._next(None)
        if isinstance(after, Load):
            self._next(self.saved)
        return step.seconds

    def _next(self, outcome: Any) -> Step | None:
        try:
            self.step = self.steps.send(outcome)
        except StopIteration:
            self.step = None
        return self.step


def test_without_a_cursor_it_begins_with_a_snapshot_and_goes_on_page_by_page() -> None:
    reader = Reader(saved=None)
    assert reader.asks() == Ask("snapshot")
    assert reader.hears(snapshot({"type": "User", "id": "u", "version": "v", "resource": USER}, following="p2")) == 0
    assert reader.asks() == Ask("snapshot", {"page": "p2"})
    assert reader.hears(snapshot(memberships=[{"group": "g", "member": "u"}])) == 0
    assert reader.asks() == Ask("changes", {"after": "c0"})
    assert reader.pages == [
        Page((Put("User", "u", USER),), "snapshot:A:p2", None, "A"),
        Page((Join("g", "u"),), "after:c0", "snapshot:A:p2", "A", completes_snapshot=True),
    ]


def test_it_goes_on_in_the_middle_of_a_snapshot() -> None:
    assert Reader(saved="snapshot:xyz:a:b").asks() == Ask("snapshot", {"page": "a:b"})


@pytest.mark.parametrize("saved", ["c0", "snapshot:", "snapshot:A", "snapshot:A:", "snapshot::p"])
def test_a_cursor_of_somebody_else_is_an_error(saved: str) -> None:
    with pytest.raises(ValueError, match="not made by scim_feed"):
        Reader(saved=saved)


def test_entries_become_steps_in_their_order() -> None:
    reader = Reader()
    reader.hears(
        changes(
            {"change": "created", "attributes": [], "resource": USER, "version": "v"},
            {"change": "updated", "attributes": [], "resource": None, "version": None},
            {"change": "members", "type": "Group", "id": "g", "joined": ["u"], "left": ["w"], "version": None},
            {"change": "updated", "id": "big", "attributes": [], "omitted": True, "version": "v"},
            {"change": "deleted", "id": "w", "was": {}},
            {"change": "created", "type": "Group", "id": "h", "resource": {"id": "h"}, "joined": ["u"], "left": []},
            {"change": "of a later version", "news": 1},
        )
    )
    [page] = reader.pages
    assert page.changes == (
        Put("User", "u", USER),
        Delete("User", "u"),
        Join("g", "u"),
        Leave("g", "w"),
        Omitted("User", "big"),
        Delete("User", "w"),
        Put("Group", "h", {"id": "h"}),
        Join("h", "u"),
    )
    assert (page.after, page.cursor, page.snapshot) == ("after:c0", "after:c1", None)


def test_it_asks_every_ten_seconds_and_at_once_while_there_is_more() -> None:
    reader = Reader()
    deleted = {"change": "deleted"}
    assert reader.hears(changes(deleted, cursor="c1", more=True)) == 0
    assert reader.asks() == Ask("changes", {"after": "c1"})
    assert reader.hears(changes(deleted, cursor="c2")) == 10
    assert reader.hears(changes(cursor="c2")) == 10


def test_a_quiet_feed_is_asked_less_often_and_one_that_moves_more_often_again() -> None:
    reader = Reader()
    pauses = [reader.hears(changes(cursor="c0")) for _ in range(80)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[19], pauses[-1]) == (10, 10, 60)
    assert reader.hears(changes({"change": "deleted"})) == 10


def test_a_reader_that_waits_asks_again_at_once_if_it_was_held_and_later_if_it_was_not() -> None:
    reader = Reader(pace=Pace(10.0, 60.0, 25))
    assert reader.asks() == Ask("changes", {"after": "c0", "wait": "25"})
    assert reader.hears(changes(cursor="c0"), takes=25) == 0
    assert reader.hears(changes(cursor="c0"), takes=0.5) == 9.5


def test_it_can_be_rung_between_two_looks_and_not_while_it_stays_away() -> None:
    for outcome, can_be_rung in ((changes(cursor="c0"), True), (problem(503), False), (problem(410), False)):
        reader = Reader()
        step = reader.steps.send(outcome)
        assert isinstance(step, Pause)
        assert step.can_be_rung is can_be_rung


def test_until_there_is_no_more_it_does_not_wait() -> None:
    reader = Reader(forever=False, pace=Pace(10.0, 60.0, 25))
    assert reader.asks().query == {"after": "c0"}
    reader.hears(changes(cursor="c0"))
    assert reader.step is None


def test_after_failures_it_stays_away_longer_and_longer_and_never_for_hours() -> None:
    reader = Reader()
    pauses = [reader.hears(Unusable("no answer")) for _ in range(1000)]
    assert pauses[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert max(pauses) == 30
    assert reader.hears(changes(cursor="c0")) > 0
    assert reader.hears(problem(500)) == 0.5


def test_readers_do_not_come_back_together() -> None:
    first, last = (Reader(chance=chance).hears(problem(503, retry_after="60")) for chance in (0, 1))
    assert (first, last) == (60, 60.5)
    first, last = (Reader(chance=chance).hears(problem(502)) for chance in (0, 1))
    assert (first, last) == (0.5, 1)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_it_comes_back_when_it_was_told_to(status: int) -> None:
    date = "Fri, 27 Nov 2026 08:00:00 GMT"
    for retry_after, seconds in {
        "5": 5,
        "0": 0.5,
        "999999999": 3600,
        "1" * 400: 3600,
        "-1": 0.5,
        "soon": 0.5,
        "Fri, 27 Nov 2026 08:00:30 GMT": 30,
        "Fri, 27 Nov 2026 07:00:30 GMT": 0.5,
        "Fri, 27 Nov 2999 07:00:30 GMT": 3600,
    }.items():
        assert Reader().hears(problem(status, retry_after=retry_after, date=date)) == seconds
    assert Reader().hears(problem(status, retry_after=date)) == 0.5


@pytest.mark.parametrize("status", [201, 204, 302, 307, 400, 401, 403, 404, 405])
def test_what_will_be_refused_again_ends_it(status: int) -> None:
    reader = Reader()
    with pytest.raises(Refused, match=rf"HTTP {status}: Say why\.$") as refused:
        reader.steps.send(problem(status, location="https://elsewhere.example.com"))
    assert refused.value.status == status


def test_410_begins_a_snapshot_with_a_new_mark_over_the_old_cursor_after_a_pause() -> None:
    reader = Reader()
    assert reader.hears(problem(410)) == 0.5
    assert reader.asks() == Ask("snapshot")
    reader.hears(snapshot(following="p2"))
    assert reader.hears(problem(410)) == 0.5
    assert reader.asks() == Ask("snapshot")
    reader.hears(snapshot())
    assert [(page.after, page.snapshot) for page in reader.pages] == [("after:c0", "A"), ("snapshot:A:p2", "B")]


def test_a_service_that_always_says_410_is_asked_less_and_less_often() -> None:
    reader = Reader()
    assert [reader.hears(problem(410)) for _ in range(4)] == [0.5, 1, 2, 4]


def test_a_reader_that_was_overtaken_loads_the_cursor_again() -> None:
    reader = Reader(takes=False)
    reader.saved = "after:c9"
    assert reader.hears(changes({"change": "deleted"})) == 0.5
    assert reader.asks() == Ask("changes", {"after": "c9"})


USELESS: list[Any] = [
    b"",
    b"<html>Sign in</html>",
    b"[" * 100_000,
    b"\xff",
    [],
    None,
    "page",
    {},
    {"entries": [], "cursor": "", "more": False},
    {"entries": [], "cursor": "c1"},
    {"entries": [], "cursor": "c1", "more": 1},
    {"entries": [], "cursor": "c0", "more": True},
    {"entries": {}, "cursor": "c1", "more": False},
    {"entries": [None], "cursor": "c1", "more": False},
]
DELETED = {"change": "deleted"}
ENTRIES: list[list[Any]] = [
    [{}],
    [{"change": "created"}],
    [{"change": "created", "omitted": False}],
    [{"change": "updated", "resource": "text"}],
    [{"change": "deleted", "id": ""}],
    [{"change": "deleted", "id": 7}],
    [{"change": "deleted", "number": True}],
    [{"change": "deleted", "number": "1"}],
    [{"change": "deleted", "type": None}],
    [{"change": "members", "joined": "all"}],
    [{"change": "members", "left": [1]}],
    [{"change": "members", "left": [""]}],
    [DELETED, DELETED | {"number": 3}],
    [DELETED, DELETED | {"number": 1}],
]


@pytest.mark.parametrize(
    "outcome", [*map(answer, USELESS), *(changes(*entries) for entries in ENTRIES), changes(DELETED, cursor="c0")]
)
def test_of_a_page_that_is_not_as_described_nothing_is_applied_and_it_is_asked_for_again(outcome: Answer) -> None:
    reader = Reader()
    assert reader.hears(outcome) == 0.5
    assert (reader.pages, reader.asks()) == ([], Ask("changes", {"after": "c0"}))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"resources": [], "memberships": [], "cursor": "c"},
        {"resources": [], "memberships": [], "next": "", "cursor": "c"},
        {"resources": [], "memberships": [], "next": 7, "cursor": "c"},
        {"resources": [], "memberships": [], "next": "p", "cursor": "c"},
        {"resources": [], "memberships": [], "next": None, "cursor": None},
        {"resources": [{"type": "User", "id": "u"}], "memberships": [], "next": None, "cursor": "c"},
        {"resources": [{"type": "User", "id": "u", "resource": None}], "memberships": [], "next": None, "cursor": "c"},
        {"resources": [], "memberships": [{"group": "g"}], "next": None, "cursor": "c"},
        {"resources": [], "memberships": [[]], "next": None, "cursor": "c"},
    ],
)
def test_nor_of_a_snapshot(document: Any) -> None:
    """A page that were taken for the last one would delete what the others name."""
    reader = Reader(saved="snapshot:A:p")
    assert reader.hears(answer(document)) == 0.5
    assert (reader.pages, reader.asks()) == ([], Ask("snapshot", {"page": "p"}))


def test_a_resource_that_does_not_fit_a_snapshot_is_named_all_the_same() -> None:
    reader = Reader(saved=None)
    reader.hears(snapshot({"type": "User", "id": "u", "version": "v", "omitted": True}))
    assert reader.pages[0].changes == (Omitted("User", "u"),)


def test_an_answer_about_customers_is_read_whole_or_not_at_all() -> None:
    head = {"tenant": "contoso", "number": 3, "time": "t"}
    [found], ask = heads_in(answer({"tenants": [head], "next": None}))
    assert (found.tenant, found.number, found.time, ask) == ("contoso", 3, "t", None)
    assert heads_in(answer({"tenants": [head], "next": "p2"})) == ([found], Ask("tenants", {"page": "p2"}))
    assert heads_in(answer({"tenants": [head]})) == ([found], None)
    with pytest.raises(Unusable, match="does not move"):
        heads_in(answer({"tenants": [head], "next": "p2"}), Ask("tenants", {"page": "p2"}))
    for wrong in ({}, {"tenants": [head, head | {"number": None}]}, {"tenants": [], "next": 2}):
        with pytest.raises(Unusable, match="cannot be read"):
            heads_in(answer(wrong))
    with pytest.raises(Unusable, match="gone"):
        heads_in(Unusable("gone"))
    with pytest.raises(Refused):
        heads_in(problem(403))


def test_a_reason_without_words_or_with_far_too_many_is_short() -> None:
    for body in (b"", b"[]", b"{}", b"7", b"[" * 100_000):
        with pytest.raises(Refused, match="no reason is given"):
            Reader().steps.send(answer(body, 404))
    with pytest.raises(Refused) as refused:
        Reader().steps.send(answer({"detail": "x" * 100_000}, 404))
    assert len(str(refused.value)) < 400
