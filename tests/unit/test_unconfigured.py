"""An app without usable settings answers 503, and logs the cause once a minute."""

import logging

import pytest

from scim_core import ScimRequest, Settings, build_or_refuse
from scim_core.endpoint.unconfigured import Unconfigured
from tests.tenancy import Timer

REQUEST = ScimRequest("GET", "/scim/v2/Users", "", {}, b"", "https://host.invalid")


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


def test_usable_settings_make_an_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    usable = {"SCIM_TOKEN_SHA256": "0" * 64, "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true"}
    settings, endpoint = build_or_refuse(usable)

    assert isinstance(settings, Settings)
    assert not isinstance(endpoint, Unconfigured)
    assert capsys.readouterr().err == ""
