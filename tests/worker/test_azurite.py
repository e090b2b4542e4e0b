"""Azurite, started and stopped."""

import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient

from devhost import azurite as azurite_module
from devhost import node, npm_packages
from devhost.azurite import MAIN, PORTS, Azurite, free_port
from devhost.errors import DevhostError, PortInUseError
from tests.running import ROOT
from tests.worker.processes import is_running, until

START_AND_WAIT = """
import pathlib, sys, time
from devhost.azurite import Azurite
print(Azurite.start(data=pathlib.Path(sys.argv[1])).process.pid, flush=True)
time.sleep(60)
"""


def tables(azurite: Azurite) -> list[str]:
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        return [table.name for table in service.query_tables("TableName gt 'a'")]


def create_table(azurite: Azurite, name: str) -> None:
    with TableServiceClient.from_connection_string(azurite.connection_string) as service:
        service.create_table(name)


def test_on_the_port_that_was_chosen_it_answers_until_it_is_stopped() -> None:
    port = free_port()
    with Azurite.start(port) as azurite:
        create_table(azurite, "things")
        assert (azurite.port, tables(azurite)) == (port, ["things"])

    assert azurite.process.returncode == 0
    azurite.stop()


def test_data_outlives_it_its_log_is_kept_and_two_never_share_a_folder(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "azurite.log"
    with Azurite.start(data=tmp_path / "data", log=log) as azurite:
        create_table(azurite, "things")
        with pytest.raises(DevhostError, match="Another Azurite keeps its tables in"):
            Azurite.start(data=tmp_path / "data")
    with Azurite.start(data=tmp_path / "data") as azurite:
        assert tables(azurite) == ["things"]

    assert "successfully closed" in log.read_text()


def test_a_port_in_use_is_named(azurite: Azurite) -> None:
    with pytest.raises(PortInUseError, match=f"Port {azurite.port} is in use"):
        Azurite.start(azurite.port)


def test_a_free_port_is_one_that_nothing_uses_and_no_client_gets_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        assert port in PORTS
        monkeypatch.setattr("devhost.azurite.PORTS", range(port, port + 2))
        assert {free_port() for _ in range(20)} == {port + 1}


def test_of_two_that_need_it_at_the_same_time_one_fetches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def fetch(_: node.Node, __: str, folder: Path) -> None:
        fetched.append(folder)
        time.sleep(0.1)  # long enough for another to begin
        (folder / MAIN).parent.mkdir(parents=True)
        (folder / MAIN).touch()

    monkeypatch.setattr(npm_packages, "INSTALLED", tmp_path / "package")
    monkeypatch.setattr(npm_packages, "_npm_ci", fetch)
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(lambda _: azurite_module.installed(), range(2))

    assert one == other
    assert (one[1] / MAIN).is_file()
    assert len(fetched) == 1


def test_it_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", START_AND_WAIT, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert is_running(pid)
        starter.kill()

    assert until(lambda: not is_running(pid))


def test_an_old_node_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v18.20.1\n")
        (tmp_path / name).chmod(0o755)
    wheel = node.Node("node of the wheel", ("npm",))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node, "_node_of_wheel", lambda: wheel)

    assert node.find_node() == wheel


def test_where_node_cannot_be_had_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: No matching distribution found\n")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(node, "_node_of_wheel", lambda: None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)

    with pytest.raises(DevhostError, match=r"Node\.js 20 or later .* \(ERROR: No matching distribution found\)"):
        node.find_node()
