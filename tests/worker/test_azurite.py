"""Azurite, started and stopped."""

import random
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient

from devhost import azurite as azurite_module
from devhost import node, npm_packages
from devhost.azurite import MAIN, PORTS, Azurite, free_port
from devhost.errors import DevhostError, PortInUseError
from scim_core.settings import StorageSettings
from scim_core.storage.tables.azure_rows import AzureRows
from scim_core.storage.tables.client import connect
from scim_core.storage.tables.errors import RowMissing
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import read_pages
from tests.memory_rows import MemoryRows
from tests.running import ROOT
from tests.tables import new_table
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


async def test_one_that_seeks_answers_as_any_other_also_after_a_restart(tmp_path: Path) -> None:
    """Its tables were made by one that does not seek. It is stopped twice, each time after further changes."""
    generator, expected = random.Random(7), MemoryRows()
    environment: dict[str, str] = {}
    for seeks in (False, True, True):
        with Azurite.start(data=tmp_path, seeks=seeks) as azurite:
            environment = environment or new_table(azurite)
            environment["SCIM_STORAGE_CONNECTION"] = azurite.connection_string
            rows = AzureRows(partial(connect, StorageSettings.from_environment(environment)))
            for _ in range(30):
                change = changes_of_rows(generator)
                assert await outcome(rows.transact(TENANT, change)) == await outcome(expected.transact(TENANT, change))
            for _ in range(30):
                low, high = sorted(generator.sample(KEYS, 2))
                found, wanted = [
                    [
                        row.properties
                        async for page in read_pages(some, TENANT, KeyRange(low, high), limit=9)
                        for row in page
                    ]
                    for some in (rows, expected)
                ]
                assert found == wanted
            await rows.close()


TENANT = "contoso"
KEYS = [f"{kind}:{number:02}" for kind in ("User", "Group", "User.userName", "member") for number in range(30)]


def changes_of_rows(generator: random.Random) -> list[RowOperation]:
    """Some rows are written, and others deleted, which may not exist."""
    chosen = generator.sample(KEYS, generator.randint(1, 12))
    deleted = generator.randint(0, 2)
    return [RowOperation(Verb.DELETE, Role.OTHER, key) for key in chosen[:deleted]] + [
        RowOperation(Verb.UPSERT, Role.OTHER, key, {"value": str(generator.random())}) for key in chosen[deleted:]
    ]


async def outcome(call: Awaitable[object]) -> str:
    try:
        await call
    except RowMissing as error:
        return error.operation.key
    return "done"


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
