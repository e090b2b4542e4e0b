"""Azurite, started and stopped."""

import subprocess
import sys

import pytest
from azure.data.tables import TableServiceClient

from devhost import node
from devhost.azurite import Azurite, free_port
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


def test_in_memory_it_answers_until_it_is_stopped():
    with Azurite.start() as azurite:
        create_table(azurite, "things")
        assert tables(azurite) == ["things"]

    assert azurite.process.returncode == 0
    azurite.stop()


def test_a_port_can_be_chosen():
    port = free_port()
    with Azurite.start(port) as azurite:
        assert azurite.port == port


def test_data_outlives_it_and_its_log_is_kept(tmp_path):
    log = tmp_path / "logs" / "azurite.log"
    with Azurite.start(data=tmp_path / "data", log=log) as azurite:
        create_table(azurite, "things")
    with Azurite.start(data=tmp_path / "data") as azurite:
        assert tables(azurite) == ["things"]

    assert "successfully closed" in log.read_text()


def test_two_never_share_a_folder(tmp_path):
    with Azurite.start(data=tmp_path), pytest.raises(DevhostError, match="Another Azurite keeps its tables in"):
        Azurite.start(data=tmp_path)


def test_a_port_in_use_is_named():
    with Azurite.start() as azurite, pytest.raises(PortInUseError, match=f"Port {azurite.port} is in use"):
        Azurite.start(azurite.port)


def test_it_ends_when_its_starter_is_killed(tmp_path):
    command = [sys.executable, "-c", START_AND_WAIT, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as starter:
        pid = int(starter.stdout.readline())
        assert is_running(pid)
        starter.kill()

    assert until(lambda: not is_running(pid))


def test_an_old_node_is_passed_over(tmp_path, monkeypatch):
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v18.20.1\n")
        (tmp_path / name).chmod(0o755)
    wheel = node.Node("node of the wheel", ("npm",))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node, "_node_of_wheel", lambda: wheel)

    assert node.find_node() == wheel


def test_where_node_cannot_be_had_a_sentence_says_so(monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: No matching distribution found\n")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(node, "_node_of_wheel", lambda: None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)

    with pytest.raises(DevhostError, match=r"Node\.js 20 or later .* \(ERROR: No matching distribution found\)"):
        node.find_node()
