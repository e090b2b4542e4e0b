"""The way in for an operator with private networking: one address, for as long as a command runs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.running import ROOT, clean_environment
from tests.worker.processes import PATIENCE_SECONDS, until

CLOSED = {"defaultAction": "Deny", "ipRules": []}
OPEN = {"defaultAction": "Allow", "ipRules": []}
GROUP = ("--resource-group", "rg-demo")
ADDRESS = "203.0.113.7"

STAND_IN = """#!/bin/sh
echo "$*" >>"$LOG"
case "$*" in
    "storage account list "*) cat accounts ;;
    "keyvault list "*) echo '[{"name": "kv-scim-x"}]' ;;
    "keyvault show "*) cat vault ;;
    *"$FAILS"*) echo "ERROR: no" >&2; exit 1 ;;
    *Disabled*) while [ -e hold ]; do sleep 0.02; done ;;
esac
"""


@dataclass(frozen=True)
class Operator:
    folder: Path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "infra.way_in", *GROUP, "--address", ADDRESS, "--wait", "0", *arguments]

    def environment(self, fails: str = "nothing") -> dict[str, str]:
        path = f"{self.folder}:{os.environ['PATH']}"
        return clean_environment() | {
            "PATH": path,
            "LOG": str(self.folder / "log"),
            "FAILS": fails,
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *arguments: str, fails: str = "nothing") -> subprocess.CompletedProcess[str]:
        command, environment = self.command(*arguments), self.environment(fails)
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    @property
    def changes(self) -> list[str]:
        """The calls that changed something, and what the command logged."""
        log = self.folder / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [
            line for line in lines if not line.startswith(("storage account list", "keyvault list", "keyvault show"))
        ]


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    accounts = [{"name": f"{name}x", "networkRuleSet": CLOSED} for name in ("sthost", "stscim", "stback")]
    (tmp_path / "accounts").write_text(json.dumps(accounts))
    (tmp_path / "vault").write_text(json.dumps({"properties": {"networkAcls": CLOSED}}))
    (tmp_path / "az").write_text(STAND_IN)
    (tmp_path / "az").chmod(0o755)
    return Operator(tmp_path)


def account(name: str, *, opens: bool) -> list[str]:
    access = f"storage account update --resource-group rg-demo --name {name} --public-network-access "
    rule = f" --resource-group rg-demo --account-name {name} --ip-address {ADDRESS}"
    if opens:
        return [f"storage account network-rule add{rule}", f"{access}Enabled"]
    return [f"{access}Disabled", f"storage account network-rule remove{rule}"]


def vault(*, opens: bool) -> list[str]:
    access = "keyvault update --resource-group rg-demo --name kv-scim-x --public-network-access "
    rule = f" --resource-group rg-demo --name kv-scim-x --ip-address {ADDRESS}"
    if opens:
        return [f"keyvault network-rule add{rule}", f"{access}Enabled"]
    return [f"{access}Disabled", f"keyvault network-rule remove{rule}"]


def test_the_directory_is_open_for_one_address_while_the_command_runs(operator: Operator) -> None:
    done = operator.run("--run", "sh", "-c", 'echo "command --help" >>"$LOG"; exit 3')

    assert done.returncode == 3, done.stderr
    assert operator.changes == [*account("stscimx", opens=True), "command --help", *account("stscimx", opens=False)]
    assert "Closed again." in done.stderr


def test_several_can_be_opened(operator: Operator) -> None:
    assert operator.run("--to", "backup", "vault", "--run", "true").returncode == 0

    assert operator.changes == [
        *account("stbackx", opens=True),
        *vault(opens=True),
        *account("stbackx", opens=False),
        *vault(opens=False),
    ]


@pytest.mark.parametrize("to", ["data", "vault"])
def test_what_is_not_closed_is_left_alone(operator: Operator, to: str) -> None:
    """Without private networking the app comes from the Internet, too: closing would stop it."""
    (operator.folder / "accounts").write_text(json.dumps([{"name": "stscimx", "networkRuleSet": OPEN}]))
    (operator.folder / "vault").write_text(json.dumps({"properties": {"networkAcls": None}}))

    done = operator.run("--to", to, "--run", "true")

    assert done.returncode == 1
    assert "is not closed to the Internet" in done.stderr
    assert operator.changes == []


@contextmanager
def began(operator: Operator) -> Iterator[subprocess.Popen[bytes]]:
    """The way is open, and what it was opened for runs."""
    with subprocess.Popen(
        operator.command("--run", "sh", "-c", 'echo begun >>"$LOG"; exec sleep 60'),
        cwd=operator.folder,
        env=operator.environment(),
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert until(lambda: "begun" in operator.changes)
        yield process


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGHUP, 128 + signal.SIGHUP)],
)
def test_an_interruption_closes(operator: Operator, number: signal.Signals, code: int) -> None:
    """As at a terminal, Ctrl-C reaches the command, too."""
    with began(operator) as process:
        os.killpg(process.pid, number)
        assert process.stderr is not None
        said = process.stderr.read()

    assert process.returncode == code
    assert operator.changes[-2:] == account("stscimx", opens=False)
    assert b"Closed again." in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_interruption_does_not_stop_the_closing(operator: Operator, number: signal.Signals) -> None:
    hold = operator.folder / "hold"
    hold.touch()
    with began(operator) as process:
        os.killpg(process.pid, number)
        assert until(lambda: operator.changes[-1].endswith("Disabled"))
        os.killpg(process.pid, number)
        hold.unlink()
        assert process.stderr is not None
        said = process.stderr.read()

    assert operator.changes[-2:] == account("stscimx", opens=False)
    assert b"Closing ..." in said
    assert b"Closed again." in said


def test_a_command_that_does_not_end_is_ended(operator: Operator) -> None:
    stubborn = 'trap "" TERM; echo begun >>"$LOG"; while :; do sleep 0.1; done'
    impatient = "import sys; from infra import way_in as it; it.ENDING_SECONDS = 0.1; sys.exit(it.main(sys.argv[1:]))"
    arguments = operator.command("--run", "sh", "-c", stubborn)[3:]
    with subprocess.Popen(
        [sys.executable, "-c", impatient, *arguments],
        cwd=operator.folder,
        env=operator.environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        assert until(lambda: "begun" in operator.changes)
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        finally:
            with suppress(ProcessLookupError):  # all have ended, as they should
                os.killpg(process.pid, signal.SIGKILL)

    assert process.returncode == 128 + signal.SIGTERM
    assert operator.changes[-2:] == account("stscimx", opens=False)


def test_what_was_half_opened_is_closed(operator: Operator) -> None:
    done = operator.run("--to", "data", "vault", "--run", "touch", "ran", fails="keyvault update")

    assert done.returncode == 1
    assert not (operator.folder / "ran").exists()
    assert operator.changes[-3:-1] == account("stscimx", opens=False)
    assert "These may still be open for 203.0.113.7: kv-scim-x" in done.stderr


def test_what_could_not_be_closed_is_named_with_what_to_do(operator: Operator) -> None:
    done = operator.run("--run", "true", fails="Disabled")

    assert done.returncode == 1
    assert "These may still be open for 203.0.113.7: stscimx" in done.stderr
    assert "--close" in done.stderr

    assert operator.run("--close").returncode == 0
    assert operator.changes[-2:] == account("stscimx", opens=False)
