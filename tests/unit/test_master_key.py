"""SCIM_MASTER_KEY: one secret, and from it a key for each purpose, which tells nothing of the others."""

import base64

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from scim_core import Settings, SettingsError
from scim_core.master_key import MasterKey
from scim_core.settings import master_key
from tests.commands import run_here
from tests.memory_rows import MemoryRows
from tests.unit.test_settings import GOOD

SECRET = bytes(range(32))


def encoded(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).decode()


def test_a_key_is_what_rfc_5869_derives() -> None:
    expected = HKDF(SHA256(), 32, salt=None, info=b"cursors 1").derive(SECRET)
    assert MasterKey(SECRET).derived("cursors 1") == expected
    assert expected.hex() == "aa1dd76059c5eac8b43f67f64fbbd9132f66b870e71452d3a56ef95ede25eac0"


def test_each_purpose_has_its_own_key_and_always_the_same() -> None:
    purposes = ("hooks 1", "hooks 2", "cursors 1", "")
    keys = [MasterKey(SECRET).derived(purpose) for purpose in (*purposes, *purposes)]
    assert keys[:4] == keys[4:]
    assert len({*keys, SECRET}) == 5
    assert {len(key) for key in keys} == {32}
    assert MasterKey(bytes(32)).derived("hooks 1") != keys[0]


def test_neither_the_key_nor_the_settings_show_the_secret() -> None:
    settings = Settings.from_environment(GOOD | {"SCIM_MASTER_KEY": encoded(SECRET)})
    assert settings.master_key is not None
    assert settings.master_key.derived("x") == MasterKey(SECRET).derived("x")
    for shown in (repr(settings), repr(settings.master_key), str(settings.master_key)):
        assert encoded(SECRET) not in shown
        assert repr(SECRET) not in shown


def test_without_it_there_is_none() -> None:
    assert Settings.from_environment(GOOD).master_key is None
    assert Settings.from_environment(GOOD | {"SCIM_MASTER_KEY": " "}).master_key is None


@pytest.mark.parametrize(
    "text", ["short", encoded(bytes(31)), encoded(bytes(33)), f"{encoded(SECRET)}=", "not base64!"]
)
def test_a_text_that_is_none_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError, match="SCIM_MASTER_KEY must be 32 random bytes in Base64url") as refused:
        Settings.from_environment(GOOD | {"SCIM_MASTER_KEY": text})
    assert text not in str(refused.value)
    assert "master-key" in str(refused.value)


async def test_a_command_makes_another_one_each_time() -> None:
    made = [(await run_here(MemoryRows(), "master-key")).stdout.strip() for _ in range(2)]
    assert made[0] != made[1]
    assert all(master_key({"SCIM_MASTER_KEY": text}) for text in made)
