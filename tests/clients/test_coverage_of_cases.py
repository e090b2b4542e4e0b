"""Every wire case of the provisioning clients has its file, and no two files claim the same one."""

import re
from collections import Counter
from pathlib import Path

from tests.clients.cases import plays

WIRE_CASES = {
    *range(1, 11),  # connection, authorization, transport
    *(18, 19),
    *range(20, 48),  # users: create and read
    *range(48, 71),  # users: PATCH, one operation per path
    *range(71, 76),  # users: PATCH with aadOptscim062020
    *range(76, 83),  # disable, restore, delete
    *range(83, 87),  # manager
    *range(87, 106),  # groups
    *range(106, 109),  # discovery
    *range(114, 121),  # other clients
}
"""The ones a client can observe in one tenant, without token endpoint, load or faults."""

CREDENTIAL_CASES = set(range(11, 18))
"""The ones about the token endpoint and Entra's own tokens: tests in tests/oauth are named after them."""


def test_every_wire_case_is_recorded() -> None:
    assert WIRE_CASES - {play.number for play in plays()} == set()


def test_every_case_of_credentials_has_its_tests() -> None:
    texts = [file.read_text(encoding="utf-8") for file in (Path(__file__).parents[1] / "oauth").glob("test_*.py")]
    named = re.findall(r"def test_case_(\d+)(?:_and_(\d+))?_", "\n".join(texts))
    assert {int(number) for pair in named for number in pair if number} == CREDENTIAL_CASES


def test_no_two_plays_have_the_same_name() -> None:
    assert [name for name, times in Counter(play.id for play in plays()).items() if times > 1] == []
