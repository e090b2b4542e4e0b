"""The commands a developer runs: `python -m devhost` and, behind `make run`, `python -m devhost.run`."""

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

from devhost.azurite import free_port
from tests.running import ROOT, clean_environment
from tests.worker.processes import until
from tests.worker.raw_http import Answer, send

UNSET = dict.fromkeys(("PORT", "AZURITE", "AZURITE_PORT", "SCIM_TOKEN", "TENANTS"), "")


@dataclass(frozen=True)
class Run:
    process: subprocess.Popen[bytes]
    output: Path

    def said(self, pattern: str) -> str | None:
        found = re.search(pattern, self.output.read_text())
        return found[1] if found else None

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
    output = folder / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "devhost.run"], cwd=folder, env=environment, stdout=file, stderr=file
        )
    run = Run(process, output)
    try:
        assert until(lambda: run.said("(Ctrl-C stops both)") or process.poll() is not None)
        assert process.poll() is None, output.read_text()
        yield run
    finally:
        process.terminate()
        process.wait(30)


def refused(folder: Path, **settings: str) -> str:
    """What `python -m devhost.run` says when it does not start."""
    environment = clean_environment() | UNSET | {"PYTHONPATH": str(ROOT)} | settings
    done = subprocess.run(
        [sys.executable, "-m", "devhost.run"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_both(tmp_path, number):
    with running(tmp_path, PORT=str(free_port()), AZURITE="memory") as run:
        assert run.users().status == 200
        assert run.azurite_answers()
        run.process.send_signal(number)
        assert run.process.wait(30) == 0

    assert not run.azurite_answers()
    assert "Traceback" not in run.output.read_text()
    assert "Unclosed" not in run.output.read_text()


def test_when_it_is_killed_azurite_ends_too(tmp_path):
    with running(tmp_path, PORT=str(free_port()), AZURITE="memory") as run:
        run.process.kill()
        run.process.wait(30)

    assert until(lambda: not run.azurite_answers())


def test_after_a_restart_token_and_data_are_still_there(tmp_path):
    port = str(free_port())
    with running(tmp_path, PORT=port) as run:
        token = run.token
        assert run.users(b'{"userName": "kept"}').status == 201
    with running(tmp_path, PORT=port) as run:
        assert run.token == token
        assert run.users().json["totalResults"] == 1

    assert (tmp_path / ".azurite" / port / "token").stat().st_mode & 0o777 == 0o600


def test_two_run_side_by_side_and_keep_apart(tmp_path):
    with running(tmp_path, PORT=str(free_port())) as one:
        assert one.users(b'{"userName": "first"}').status == 201
        folder = tmp_path / "other"
        folder.mkdir()
        with running(folder, PORT=str(free_port())) as two:
            assert one.token != two.token
            assert two.users().json["totalResults"] == 0


def test_in_memory_nothing_is_kept(tmp_path):
    with running(tmp_path, PORT=str(free_port()), AZURITE="memory") as run:
        assert run.users(b'{"userName": "lost"}').status == 201

    assert not (tmp_path / ".azurite").exists()


def test_a_token_of_ones_own_is_used_and_not_kept(tmp_path):
    with running(tmp_path, PORT=str(free_port()), SCIM_TOKEN="my-own-token") as run:
        assert run.token == "my-own-token"
        assert run.users().status == 200

    assert not list(tmp_path.rglob("token"))


def test_the_printed_curl_works(tmp_path):
    with running(tmp_path, PORT=str(free_port()), AZURITE="memory") as run:
        command = run.said(r"\n  (curl .*)\n").replace("curl ", "curl --silent --fail ")
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)

    assert '"totalResults":0' in done.stdout


def test_azurite_has_the_port_asked_for(tmp_path):
    port = str(free_port())
    with running(tmp_path, PORT=str(free_port()), AZURITE="memory", AZURITE_PORT=port) as run:
        assert run.said(r"Azurite on port (\d+)") == port


@pytest.mark.parametrize("name", ["PORT", "AZURITE_PORT"])
def test_a_port_in_use_is_named_with_what_to_do(tmp_path, name):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(tmp_path, **{"PORT": str(free_port()), "AZURITE": "memory", name: str(port)})

    assert said.startswith(f"devhost: Port {port} is in use: stop what listens there, or ")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("PORT", "65536"), ("AZURITE_PORT", "0"), ("AZURITE", "x"), ("TENANTS", "x")],
)
def test_a_value_that_cannot_be_is_named(tmp_path, name, value):
    assert refused(tmp_path, **{name: value}).startswith(f"devhost: {name} is {value}: ")


def test_the_plain_host_names_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "devhost", f"--port={taken.getsockname()[1]}"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "is in use" in done.stderr
