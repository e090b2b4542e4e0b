"""Every wire case of the provisioning clients has its file, and no two files claim the same one."""

import re
from collections import Counter
from pathlib import Path

from tests.clients.cases import plays
from tests.clients.parts import forms, parts
from tests.credentials import KINDS

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


def test_every_play_is_played_in_one_tenant_and_in_one_of_many() -> None:
    targets = {play.id: set[str]() for play in plays()}
    for play, target in parts(plays()):
        targets[play.id].add(target)
    assert [name for name, used in targets.items() if "core" not in used or not used & set(KINDS)] == []


def test_every_client_uses_every_kind_of_credential() -> None:
    used = {(play.client, target) for play, target in parts(plays())}
    assert used >= {(play.client, kind) for play in plays() for kind in KINDS}


def test_every_form_of_request_is_sent_over_http() -> None:
    sent = {form for play, target in parts(plays()) if target == "http" for form in forms(play)}
    assert sent == {form for play in plays() for form in forms(play)}
