"""An app without usable settings answers 503, and logs the cause once a minute."""

import json
import logging
from pathlib import Path

import pytest

from scim_core import ScimRequest, Settings, build_or_refuse
from scim_core.access.oauth.local_key import new_signing_key
from scim_core.endpoint.unconfigured import Unconfigured
from tests.running import setting_names
from tests.tenancy import Timer

REQUEST = ScimRequest("GET", "/scim/v2/Users", "", {}, b"", "https://host.invalid")
ONE = {"SCIM_TOKEN_SHA256": "0" * 64, "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true"}
REGISTRY = {
    "SCIM_TENANTS": "registry",
    "SCIM_PUBLIC_BASE_URL": "https://scim.example.com",
    "SCIM_SIGNING_KEY": new_signing_key(),
    "SCIM_STORAGE_ACCOUNT_URL": "https://account.table.core.windows.net",
    "SCIM_BACKUP_CONTAINER_URL": "https://account.blob.core.windows.net/backups",
}
ODD = ["x", "é", "\0", "://", "https://", "https://[", "a=b", "AccountName=x;AccountKey=y", "[]", "{", "-1", "9" * 400]


async def test_the_cause_is_logged_once_a_minute_whatever_strangers_send(caplog: pytest.LogCaptureFixture) -> None:
    timer = Timer()
    refusing = Unconfigured("SCIM_TOKEN_SHA256 is not set", timer)
    for _ in range(3):
        for _ in range(100):
            answer = await refusing.handle(REQUEST)
            assert answer.status == 503
            assert b"SCIM_TOKEN" not in answer.body
        timer.now += 60
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL] * 3
    assert {record.getMessage() for record in caplog.records} == {
        "the app does not serve: SCIM_TOKEN_SHA256 is not set"
    }


async def test_what_is_unusable_is_told_on_standard_error_and_opens_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    settings, endpoint = build_or_refuse({"SCIM_TOKEN_SHA256": "the-token-itself"})

    assert settings is None
    assert (await endpoint.handle(REQUEST)).status == 503
    said = capsys.readouterr().err
    assert said.startswith("error: Set exactly one of SCIM_STORAGE_ACCOUNT_URL")
    assert "the-token-itself" not in said


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("name", setting_names())
@pytest.mark.parametrize("usable", [ONE, REGISTRY], ids=["one", "registry"])
def test_no_value_of_a_setting_ends_the_app(
    usable: dict[str, str], name: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The host would start it again for ever, and no log would have the cause."""
    settings, endpoint = build_or_refuse({**usable, name: value})

    said = capsys.readouterr().err
    assert (settings is None) == isinstance(endpoint, Unconfigured) == said.startswith("error: ")


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff", b"[]", b'{"id": 1, "name": 2}', b'{"id": "x", "name": "x"}', b'{"id": "x", "name": "x", "a": 1}'],
)
@pytest.mark.parametrize("folder", ["schemas", "resource-types"])
def test_no_schema_file_ends_the_app(
    schema_directory: Path, folder: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (schema_directory / folder / "odd.json").write_bytes(content)

    settings, _ = build_or_refuse({**ONE, "SCIM_SCHEMA_DIRECTORY": str(schema_directory)})

    assert settings is None
    assert capsys.readouterr().err.startswith("error: ")


def test_a_schema_file_that_cannot_be_read_does_not_end_the_app(
    schema_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (schema_directory / "schemas" / "odd.json").mkdir()

    settings, _ = build_or_refuse({**ONE, "SCIM_SCHEMA_DIRECTORY": str(schema_directory)})

    assert settings is None
    assert "odd.json" in capsys.readouterr().err


def test_a_cause_of_many_lines_is_one_line_on_standard_error(
    schema_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The host looks for the word `error` in each line, and drops the others."""
    thing = {"id": "urn:x:Thing", "name": "Thing", "attributes": [{"name": "two\nlines", "type": "strin"}]}
    kind = {"id": "Thing", "name": "Thing", "endpoint": "/Things", "schema": "urn:x:Thing"}
    (schema_directory / "schemas" / "thing.json").write_text(json.dumps(thing))
    (schema_directory / "resource-types" / "thing.json").write_text(json.dumps(kind))

    build_or_refuse({**ONE, "SCIM_SCHEMA_DIRECTORY": str(schema_directory)})

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: thing.json: attribute two lines: its name is to begin")


def test_usable_settings_make_an_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    for usable in (ONE, REGISTRY):
        settings, endpoint = build_or_refuse(usable)

        assert isinstance(settings, Settings)
        assert not isinstance(endpoint, Unconfigured)
        assert capsys.readouterr().err == ""
