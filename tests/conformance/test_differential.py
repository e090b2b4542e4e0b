"""The same requests to this service provider and to scim2-server: every difference is known, and has its reason."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.differential.comparison import Places, differences
from tests.conformance.differential.sides import Ours, Theirs
from tests.conformance.differential.stories import Exchange, exchanges, play
from tests.conformance.suites import PAGE, Outcome

EXCHANGES = exchanges()
TABLE = json.loads((Path(__file__).parent / "differential" / "differences.json").read_text(encoding="utf-8"))
EXPLAINED: dict[str, list[str]] = {name: places for row in TABLE for name, places in row["exchanges"].items()}


@pytest.fixture(scope="module")
def sides() -> tuple[Ours, Theirs]:
    return Ours(), Theirs()


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=EXCHANGES.keys())
async def test_answers_differ_where_the_table_says_and_nowhere_else(
    exchange: Exchange, sides: tuple[Ours, Theirs]
) -> None:
    found = differences(await play(exchange, sides[0]), await play(exchange, sides[1]))
    explained = EXPLAINED.get(exchange.id, [])
    unexplained = {place: found[place] for place in _apart(found, explained)}
    gone = [place for place in explained if not any(_covers(place, other) for other in found)]
    assert (unexplained, gone) == ({}, []), "each pair is our value and theirs"


def test_the_table_names_recorded_exchanges_only_and_each_once() -> None:
    named = Counter(name for row in TABLE for name in row["exchanges"])
    assert named.keys() <= EXCHANGES.keys()
    assert [name for name, times in named.items() if times > 1] == []


def test_every_difference_in_the_table_has_a_reason() -> None:
    assert [row for row in TABLE if not row["why"].strip()] == []


def test_the_page_says_how_many_answers_differ() -> None:
    row = Outcome("scim2-server", len(EXCHANGES), dict.fromkeys(EXPLAINED, "")).row
    assert row in PAGE.read_text(encoding="utf-8")
    assert f"{len(EXPLAINED)} answers differ, for {len(TABLE)} reasons" in PAGE.read_text(encoding="utf-8")


def _apart(found: Places, explained: list[str]) -> list[str]:
    return [place for place in found if not any(_covers(known, place) for known in explained)]


def _covers(explained: str, place: str) -> bool:
    """Whether the place is the explained one or, in a document, below it."""
    return place == explained or place.startswith(f"{explained}/")
