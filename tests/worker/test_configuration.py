"""host.json and local.settings.json."""

from pathlib import Path

import pytest

from devhost.configuration import HostConfiguration, apply_local_settings, read_host_json
from devhost.errors import DevhostError


def test_without_host_json_the_hosts_defaults_hold(tmp_path: Path) -> None:
    assert read_host_json(tmp_path) == HostConfiguration("api", {})


def test_without_local_settings_nothing_changes(tmp_path: Path) -> None:
    environment = {"A": "1"}
    apply_local_settings(tmp_path, environment)

    assert environment == {"A": "1"}


def test_the_environment_wins_even_when_empty(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('\ufeff{"Values": {"A": "file", "B": "file", "C": 1}}')
    environment = {"A": ""}
    apply_local_settings(tmp_path, environment)

    assert environment == {"A": "", "B": "file", "C": "1"}


@pytest.mark.parametrize("text", ["{", "[]", '{"IsEncrypted": true}'])
def test_unusable_local_settings_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "local.settings.json").write_text(text)

    with pytest.raises(DevhostError, match=r"local\.settings\.json"):
        apply_local_settings(tmp_path, {})
