"""`admin console` and `make console`, in processes of their own over Azurite."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from devhost import console
from devhost.azurite import Azurite, free_port
from tests.running import ROOT, clean_environment
from tests.tables import new_table

LINK = re.compile(r"http://127\.0\.0\.1:\d+/console/enter\?key=\S+")


@contextmanager
def started(module: str, *given: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The command, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *given],
        cwd=ROOT,
        env={**clean_environment(), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def link_of(process: subprocess.Popen[str]) -> str:
    """The link that it prints."""
    assert process.stdout
    for line in process.stdout:
        if found := LINK.search(line):
            return found[0]
    raise AssertionError(process.stderr and process.stderr.read())


def asked(link: str, path: str, cookie: str = "") -> tuple[int, str, str]:
    """Status, cookie and text of the answer."""
    connection = HTTPConnection(urlsplit(link).netloc)
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers.get("Set-Cookie", ""), text


async def test_the_command_prints_a_link_and_serves_until_it_is_interrupted(azurite: Azurite) -> None:
    settings = new_table(azurite)
    with started("scim_core.admin", "console", "--role", "viewer", **settings) as process:
        link = await asyncio.to_thread(link_of, process)
        status, cookie, _ = await asyncio.to_thread(asked, link, link.partition(urlsplit(link).netloc)[2])
        assert status == 303
        status, _, page = await asyncio.to_thread(asked, link, "/console", cookie.partition(";")[0])
        assert status == 200
        assert "The tenant of the settings" in page
        assert ">viewer<" in page
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.to_thread(process.communicate)
        assert process.returncode == 130
        assert "Traceback" not in errors


async def test_make_console_finds_the_azurite_of_make_run(azurite: Azurite) -> None:
    with started("devhost.console", AZURITE_PORT=str(azurite.port)) as process:
        link = await asyncio.to_thread(link_of, process)
        _, cookie, _ = await asyncio.to_thread(asked, link, link.partition(urlsplit(link).netloc)[2])
        status, _, page = await asyncio.to_thread(asked, link, "/console/new-customer", cookie.partition(";")[0])
        assert (status, "A new customer" in page) == (200, True), "it knows the address of `make run`"


def test_make_console_says_that_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.main([], {"AZURITE_PORT": str(free_port())}) == 1
    assert "Start `make run` in another terminal" in capsys.readouterr().err
    assert console.main([], {"AZURITE_PORT": "x"}) == 1
    assert "AZURITE_PORT is x" in capsys.readouterr().err
