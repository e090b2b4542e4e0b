"""The nearest declared name is found with few comparisons, and it is the one that all comparisons would find."""

import random
import string
from difflib import SequenceMatcher

import pytest

from scim_core.protocol import nearest_name as module
from scim_core.protocol.nearest_name import MAX_WORDS, MIN_LIKENESS, _words, declared_paths, nearest_name
from scim_core.protocol.schemas import USER, load_catalogue

CATALOGUE = load_catalogue(None)
USER_TYPE = next(item for item in CATALOGUE if item.name == USER)
PATHS = list(declared_paths(CATALOGUE, USER_TYPE))
WORDS = sorted({word for path in PATHS for word in _words(path)})


def plainly(name: str) -> str | None:
    """The nearest name by its definition: every word and every name is compared with every other."""

    def ratio(one: str, other: str) -> float:
        return SequenceMatcher(None, one, other, autojunk=False).ratio()

    def alike(sought: list[str], declared: list[str]) -> float:
        longer, shorter = sorted((sought, declared), key=len, reverse=True)
        pairs = sum(max(ratio(word, other) for other in shorter) for word in longer)
        return max(pairs / len(longer), ratio("".join(sought), "".join(declared)))

    likeness, _, path = max((alike(_words(name), _words(path)), -len(path), path) for path in PATHS)
    return path if likeness >= MIN_LIKENESS else None


def mistyped(chance: random.Random, name: str) -> str:
    letters = list(name)
    for _ in range(chance.randint(0, 4)):
        place = chance.randrange(len(letters))
        letters[place : place + chance.randint(0, 1)] = chance.choice(string.ascii_letters)
    return "".join(letters)


@pytest.mark.parametrize("seed", range(3))
def test_the_name_is_the_one_that_all_comparisons_find(seed: int) -> None:
    chance = random.Random(seed)
    names = [mistyped(chance, chance.choice(PATHS).rpartition(":")[2]) for _ in range(20)]
    names += ["".join(mistyped(chance, word).capitalize() for word in chance.choices(WORDS, k=4)) for _ in range(10)]
    names = [name for name in names if name.lower() not in module.KNOWN and 0 < len(_words(name)) <= MAX_WORDS]
    found = [nearest_name(CATALOGUE, USER_TYPE, name) for name in names]
    assert found == [plainly(name) for name in names]
    assert any(found)


@pytest.mark.parametrize(
    "name",
    ["wrkEmail", "extensionAttribut1", "onPremisesSamAccountName", "ValueNameTypeEmail" * 3, "Abcdefgh" * MAX_WORDS],
)
def test_few_pairs_of_texts_are_compared(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = list[tuple[str, str]]()

    def comparing(_: None, one: str, other: str, *, autojunk: bool) -> SequenceMatcher[str]:
        compared.append((one, other))
        return SequenceMatcher(None, one, other, autojunk)

    monkeypatch.setattr(module, "SequenceMatcher", comparing)
    nearest_name(CATALOGUE, USER_TYPE, name)
    assert len(compared) == len(set(compared)) < len(PATHS)
