"""The real endpoint in a process of its own: devhost over Azurite, for tests that speak HTTP."""

import asyncio
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devhost.authority import Authority
from devhost.azurite import Azurite, free_port
from scim_core.access.oauth.local_key import new_signing_key
from tests.scim import UNLIMITED
from tests.tables import new_table

ROOT = Path(__file__).parents[1]
START_SECONDS = 60


@dataclass(frozen=True)
class RunningApp:
    """A function app that devhost serves. `url` is its root."""

    url: str
    process: subprocess.Popen[bytes]
    output: Path

    def said(self) -> str:
        """All that the process has printed and logged so far."""
        return self.output.read_text(errors="replace")


@dataclass(frozen=True)
class RunningEndpoint:
    """The SCIM endpoint. `base_url` is http://localhost:<port>/scim/v2; `token` is its bearer token.

    `storage` are the settings that name its table.
    """

    base_url: str
    token: str
    storage: dict[str, str]
    app: RunningApp


@contextmanager
def running_endpoint(azurite: Azurite, *options: str, port: int = 0, **settings: str) -> Iterator[RunningEndpoint]:
    """The endpoint on this or a free port, with a table of its own. A fast machine does not reach its rate limits.

    `options` are passed to devhost, such as --quiet; `settings` are further settings, such as SCIM_SWEEP_SCHEDULE.
    """
    token, storage = secrets.token_urlsafe(32), new_table(azurite)
    needed = {"SCIM_TOKEN_SHA256": hashlib.sha256(token.encode()).hexdigest(), **UNLIMITED, **storage}
    with running_app(ROOT, needed | settings, options, port) as app:
        yield RunningEndpoint(f"{app.url}/scim/v2", token, storage, app)


@contextmanager
def running_tenants(azurite: Azurite, *options: str, **settings: str) -> Iterator[RunningEndpoint]:
    """The endpoint of many tenants on a free port, with a token for the tenant `default`; the rest as above.

    It trusts the Entra that SCIM_ENTRA_AUTHORITY names among the settings, and accepts Entra's own tokens.
    """
    port = free_port()
    registry = {
        "SCIM_TENANTS": "registry",
        "SCIM_PUBLIC_BASE_URL": f"http://localhost:{port}",
        "SCIM_SIGNING_KEY": new_signing_key(),
        "SCIM_ENTRA_TOKENS": "allow",
    }
    with running_endpoint(azurite, *options, port=port, **registry, **settings) as endpoint:
        yield endpoint


@contextmanager
def running_authority() -> Iterator[Authority]:
    """Entra's token issuer and key server, on an event loop of its own, because tests may block their event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    authority = Authority()
    try:
        asyncio.run_coroutine_threadsafe(authority.start(), loop).result(START_SECONDS)
        yield authority
    finally:
        asyncio.run_coroutine_threadsafe(authority.stop(), loop).result(START_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def running_app(
    directory: Path, settings: Mapping[str, str], options: tuple[str, ...] = (), port: int = 0, root: Path = ROOT
) -> Iterator[RunningApp]:
    """The function app of this directory on this or a free port. It ends with the block, or with this process.

    `root` is the working tree whose devhost serves it.
    """
    with tempfile.NamedTemporaryFile() as output:
        command = [
            sys.executable,
            "-m",
            "devhost",
            f"--port={port}",
            "--stop-with-stdin",
            f"--directory={directory}",
            *options,
        ]
        process = subprocess.Popen(
            command,
            cwd=root,
            env={**clean_environment(root), **settings},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
        try:
            yield RunningApp(_address(process, Path(output.name)), process, Path(output.name))
        finally:
            process.terminate()
            close_input(process)
            process.wait(START_SECONDS)


def close_input(process: subprocess.Popen[bytes]) -> None:
    """Tells a process, by the pipe to its standard input, that this process is done."""
    assert process.stdin is not None
    process.stdin.close()


def clean_environment(root: Path = ROOT) -> dict[str, str]:
    """This environment, in which no setting comes from the developer's own nor from their local.settings.json."""
    return {**os.environ, **dict.fromkeys(setting_names(root), "")}


def setting_names(root: Path = ROOT) -> list[str]:
    """All settings that there are in this working tree."""
    sample = json.loads((root / "local.settings.sample.json").read_text())
    return [name for name in sample["Values"] if name.startswith("SCIM_")]


def _address(process: subprocess.Popen[bytes], output: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := re.search(r"^Serving (\S+)\n", output.read_text(errors="replace"), re.MULTILINE):
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(f"devhost does not serve; it said:\n{output.read_text(errors='replace')}")
