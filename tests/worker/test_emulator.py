"""`make azurite`: what `func start` needs of Azurite."""

import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from devhost.azurite import ACCOUNT, free_port
from devhost.emulator import PORTS
from tests.running import ROOT, clean_environment
from tests.worker.processes import PATIENCE_SECONDS, until


@contextmanager
def emulator(folder: Path, ports: dict[str, int]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "devhost.emulator", *(f"--{name}-port={port}" for name, port in ports.items())]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=clean_environment() | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def server_of(port: int) -> str:
    """What the service at this port calls itself. Without a key it refuses."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request("GET", f"/{ACCOUNT}/?comp=list")
    answer = connection.getresponse()
    connection.close()
    return str(answer.headers["Server"])


def test_blobs_queues_and_tables_answer_until_a_signal(tmp_path: Path) -> None:
    """Any signal comes to the same as this one, which a process that does not care for signals would not survive."""
    ports = {name: free_port() for name in PORTS}
    with emulator(tmp_path, ports) as process:
        for name, port in ports.items():
            assert until(lambda port=port: answers(port)), name  # type: ignore[misc]
            assert f"Azurite-{name.capitalize()}" in server_of(port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert not any(map(answers, ports.values()))
    assert (tmp_path / ".azurite" / "func" / "__azurite_db_table__.json").exists()


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with emulator(tmp_path, {"blob": free_port(), "queue": port, "table": free_port()}) as process:
            _, said = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 1
    assert said.startswith(f"devhost: Port {port} is in use.")


def test_the_ports_are_those_of_the_sample() -> None:
    """UseDevelopmentStorage=true means these three."""
    values = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]

    assert values["AzureWebJobsStorage"] == values["SCIM_STORAGE_CONNECTION"] == "UseDevelopmentStorage=true"
    assert list(PORTS.items()) == [("blob", 10000), ("queue", 10001), ("table", 10002)]


def test_the_readme_starts_the_real_host_with_the_packages_and_the_samples_token() -> None:
    values = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    [way] = re.findall(
        r"Core Tools, the Functions host itself(.+?)\n`make help`", (ROOT / "README.md").read_text(), re.DOTALL
    )
    order = ("make azurite", "cp local.settings.sample.json", "source .venv/bin/activate", "func start", "curl ")
    [token] = re.findall(r"Bearer (throw-away-[\w-]+)'", way)

    assert sorted(order, key=way.index) == list(order)

    assert hashlib.sha256(token.encode()).hexdigest() == values["SCIM_TOKEN_SHA256"]
