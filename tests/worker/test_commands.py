"""The commands a developer runs: `python -m devhost` and, behind `make run`, `python -m devhost.run`."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from devhost import run
from devhost.azurite import free_port
from tests.running import ROOT, clean_environment
from tests.worker.processes import PATIENCE_SECONDS, until
from tests.worker.raw_http import Answer, send

UNSET = dict.fromkeys(
    ("PORT", "AZURITE", "AZURITE_PORT", "AZURITE_SEEK", "SCIM_TOKEN", "SCIM_FEED_TOKEN", "TENANTS"), ""
)


@dataclass(frozen=True)
class Run:
    folder: Path
    process: subprocess.Popen[bytes]
    output: Path
    settings: dict[str, str]

    def said(self, pattern: str) -> str:
        """What it printed where the pattern has its group."""
        found = re.search(pattern, self.output.read_text())
        assert found is not None, pattern
        return found[1]

    def changes(self, token: str) -> Answer:
        url = self.said(r"Feed URL +(\S+)/feed/v1\n")
        return send(url, "/feed/v1/changes", "GET", {"Authorization": f"Bearer {token}"})

    @property
    def feed_token(self) -> str:
        return self.said(r"Feed token +(\S+)\n")

    @property
    def token(self) -> str:
        return self.said(r"Secret Token +(\S+)\n")

    def azurite_answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self.said(r"Azurite on port (\d+)")))) == 0

    def users(self, body: bytes | None = None) -> Answer:
        url = self.said(r"Tenant URL +(\S+)/scim/v2\n")
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        return send(url, "/scim/v2/Users", "POST" if body else "GET", headers, body)


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Run]:
    """`python -m devhost.run` in this folder, once it answers."""
    environment = clean_environment() | UNSET | {"PYTHONPATH": str(ROOT)} | settings
    output = folder / f"output of {settings['PORT']}"  # several may run in one folder
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "devhost.run"], cwd=folder, env=environment, stdout=file, stderr=file
        )
    started = Run(folder, process, output, settings)
    try:
        assert until(lambda: "Ctrl-C stops both" in output.read_text() or process.poll() is not None)
        assert process.poll() is None, output.read_text()
        yield started
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def refused(folder: Path, **settings: str) -> str:
    """What `python -m devhost.run` says when it does not start."""
    environment = clean_environment() | UNSET | {"PYTHONPATH": str(ROOT)} | settings
    done = subprocess.run(
        [sys.executable, "-m", "devhost.run"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One that keeps its tables, with a token of one's own."""
    own = {"SCIM_TOKEN": "my-own-token", "SCIM_FEED_TOKEN": "my-own-feed-token"}
    with running(tmp_path_factory.mktemp("kept"), PORT=str(free_port()), **own) as started:
        yield started


@pytest.fixture(scope="module")
def fleeting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One that keeps nothing, with a port for Azurite."""
    folder = tmp_path_factory.mktemp("fleeting")
    with running(folder, PORT=str(free_port()), AZURITE="memory", AZURITE_PORT=str(free_port())) as started:
        yield started


def test_when_it_is_killed_azurite_ends_too(tmp_path: Path) -> None:
    with running(tmp_path, PORT=str(free_port()), AZURITE="memory") as both:
        both.process.kill()
        both.process.wait(PATIENCE_SECONDS)

    assert until(lambda: not both.azurite_answers())


def test_two_run_in_one_folder_and_keep_apart_and_after_a_restart_token_and_data_are_still_there(kept: Run) -> None:
    folder, port = kept.folder, str(free_port())
    assert kept.users(b'{"userName": "first"}').status == 201
    with running(folder, PORT=port) as other:
        token, feed_token = other.token, other.feed_token
        assert len({token, feed_token, kept.token}) == 3
        assert other.users().json["totalResults"] == 0
        assert other.users(b'{"userName": "second"}').status == 201
    with running(folder, PORT=port) as other:
        assert (other.token, other.feed_token) == (token, feed_token)
        assert (other.changes(feed_token).status, other.changes(token).status) == (200, 403)
        assert [user["userName"] for user in other.users().json["Resources"]] == ["second"]

    for name in ("token", "feed-token", "master-key"):
        assert (folder / ".azurite" / port / name).stat().st_mode & 0o777 == 0o600


def test_in_memory_nothing_is_kept(fleeting: Run) -> None:
    assert fleeting.users(b'{"userName": "lost"}').status == 201
    assert [path.name for path in fleeting.folder.iterdir()] == [fleeting.output.name]


def test_a_token_of_ones_own_is_used_and_not_kept(kept: Run) -> None:
    assert (kept.token, kept.feed_token) == ("my-own-token", "my-own-feed-token")
    assert kept.users().status == 200
    assert kept.changes("my-own-feed-token").status == 200

    texts = [path.read_bytes() for path in kept.folder.rglob("*") if path.is_file() and path != kept.output]
    assert texts
    assert not any(b"my-own-" in text for text in texts)


def test_each_printed_curl_works(fleeting: Run) -> None:
    found = []
    for command in re.findall(r"\n  (curl .*)\n", fleeting.output.read_text()):
        quiet = command.replace("curl ", "curl --silent --fail ")
        done = subprocess.run(["sh", "-c", quiet], capture_output=True, text=True, check=False)
        found.append(json.loads(done.stdout))

    assert found[0]["totalResults"] == fleeting.users().json["totalResults"]
    assert found[1].keys() == {"entries", "cursor", "more"}


def test_azurite_has_the_port_asked_for(fleeting: Run) -> None:
    assert fleeting.said(r"Azurite on port (\d+)") == fleeting.settings["AZURITE_PORT"]
    assert fleeting.azurite_answers()


@pytest.mark.parametrize("name", ["PORT", "AZURITE_PORT"])
def test_a_port_in_use_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(tmp_path, **{"PORT": str(free_port()), "AZURITE": "memory", name: str(port)})

    assert said.startswith(f"devhost: Port {port} is in use. Stop what listens there, or ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("AZURITE_PORT", "0"),
        ("AZURITE", "x"),
        ("AZURITE_SEEK", "x"),
        ("TENANTS", "x"),
    ],
)
def test_a_value_that_cannot_be_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    for other in UNSET:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(run, "serve", lambda _: pytest.fail("it starts"))

    assert run.main() == 1
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith(f"devhost: {name} is {value}. ")


def test_the_plain_host_names_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "devhost", f"--port={taken.getsockname()[1]}"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "is in use" in done.stderr


@pytest.mark.processes
@pytest.mark.parametrize(("number", "one"), [(signal.SIGINT, "fleeting"), (signal.SIGTERM, "kept")])
def test_a_signal_stops_both(request: pytest.FixtureRequest, number: signal.Signals, one: str) -> None:
    """The last one of this file: it ends what the others use."""
    require_that_it_stops_both(request.getfixturevalue(one), number)


def test_the_end_of_its_terminal_stops_both(tmp_path: Path) -> None:
    with running(tmp_path, PORT=str(free_port()), AZURITE="memory") as both:
        require_that_it_stops_both(both, signal.SIGHUP)


def require_that_it_stops_both(both: Run, number: signal.Signals) -> None:
    assert both.users().status == 200
    assert both.azurite_answers()
    both.process.send_signal(number)
    assert both.process.wait(PATIENCE_SECONDS) == 0
    assert not both.azurite_answers()
    assert "Traceback" not in both.output.read_text()
    assert "Unclosed" not in both.output.read_text()
