"""local.settings.sample.json: every setting there is, with values that work."""

import hashlib
import json
from unittest.mock import MagicMock

import pytest

from scim_core import Settings, build
from scim_core.console_settings import ConsoleSettings, serves_console
from tests.running import ROOT
from tests.tenancy import APPLICATION, ENTRA_TENANT

SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text())
TOKEN = "throw-away-token-for-this-machine-only"


def test_the_values_build_an_endpoint() -> None:
    settings = Settings.from_environment(SAMPLE["Values"])

    assert settings.token_sha256 == (hashlib.sha256(TOKEN.encode()).hexdigest(),)
    assert TOKEN in SAMPLE["Help"]["SCIM_TOKEN_SHA256"]
    assert build(settings)


def test_every_setting_is_in_it() -> None:
    console = {"SCIM_CONSOLE_ENTRA_TENANT": ENTRA_TENANT, "SCIM_CONSOLE_CLIENT_ID": APPLICATION}
    environment = MagicMock(**{"get.side_effect": (SAMPLE["Values"] | console).get})
    assert not serves_console(environment)
    Settings.from_environment(environment)
    ConsoleSettings.from_environment(environment)

    read = {call.args[0] for call in environment.get.call_args_list}
    assert read == {name for name in SAMPLE["Values"] if name.startswith("SCIM_")}


@pytest.mark.parametrize("name", [name for name in SAMPLE["Values"] if name.startswith("SCIM_")])
def test_every_setting_is_explained(name: str) -> None:
    assert SAMPLE["Help"][name].endswith(".")
