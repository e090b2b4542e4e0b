"""`make run`: Azurite, a bearer token, and the function app that uses both; prints what to paste into Entra."""

import hashlib
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from devhost import server
from devhost.azurite import Azurite
from devhost.errors import DevhostError, PortInUseError

ROOT = Path(__file__).parents[1]
DEFAULT_PORT = 7071
DEFAULT_AZURITE_PORT = 10002  # where tools look for Azurite's tables
_HIGHEST_PORT = 65_535

_BANNER = """
The SCIM endpoint answers. Entra needs, once a tunnel has given this port a public address:

  Tenant URL    {url}
  Secret Token  {token}

Try it:

  curl -H 'Authorization: Bearer {token}' {url}/Users

Tables: {tables}, Azurite on port {azurite_port}. Ctrl-C stops both.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the environment asks for: PORT, AZURITE_PORT, AZURITE=disk|memory, SCIM_TOKEN."""

    port: int = DEFAULT_PORT
    azurite_port: int | None = None
    data: Path | None = None
    token: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises DevhostError for a value that cannot be."""
        port = _port(environment, "PORT") or DEFAULT_PORT
        kind = environment.get("AZURITE") or "disk"
        if kind not in ("disk", "memory"):
            raise DevhostError(f"AZURITE is {kind}: set it to disk, which keeps what is provisioned, or to memory.")
        # Each port has a folder of its own, so that several endpoints run side by side and keep apart.
        data = Path(".azurite", str(port)) if kind == "disk" else None
        return cls(port, _port(environment, "AZURITE_PORT"), data, environment.get("SCIM_TOKEN") or None)


def main() -> int:
    """The exit code: 0 after Ctrl-C or SIGTERM, 1 with a sentence when the endpoint cannot run."""
    try:
        serve(Options.from_environment(os.environ))
    except DevhostError as error:
        print(f"devhost: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the endpoint answered
        return 130
    return 0


def serve(options: Options) -> None:
    """Azurite and the endpoint run until a signal; then neither does."""
    server.configure_logging()
    server.handle_signals()
    with server.listen(options.port) as listener, start_azurite(options) as azurite:
        token = options.token or kept_token(options.data)
        os.environ |= {
            "SCIM_TOKEN_SHA256": hashlib.sha256(token.encode()).hexdigest(),
            "SCIM_STORAGE_CONNECTION": azurite.connection_string,
            "SCIM_STORAGE_ACCOUNT_URL": "",  # an account in local.settings.json would contradict Azurite
        }
        banner = _BANNER.format(
            url=f"http://localhost:{options.port}/scim/v2",
            token=token,
            tables=f"kept in {options.data}" if options.data else "in memory, gone at the end",
            azurite_port=azurite.port,
        )
        server.run(ROOT, listener, lambda: print(banner, flush=True))


def start_azurite(options: Options) -> Azurite:
    """Azurite on the port that was asked for, else on its usual one, else on a free one."""
    if options.azurite_port is not None:
        return Azurite.start(options.azurite_port, options.data)
    try:
        server.listen(DEFAULT_AZURITE_PORT).close()  # costs nothing, where a start in vain costs a second
        return Azurite.start(DEFAULT_AZURITE_PORT, options.data)
    except PortInUseError:
        return Azurite.start(None, options.data)


def kept_token(folder: Path | None) -> str:
    """The token of this folder, made the first time and readable by its owner alone; without a folder a new one."""
    path = folder / "token" if folder else None
    if path and path.exists() and (kept := path.read_text().strip()):
        return kept
    token = secrets.token_urlsafe(32)
    if path:
        path.touch(0o600)
        path.write_text(token)
    return token


def _port(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name)
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) <= _HIGHEST_PORT:
        raise DevhostError(f"{name} is {text}: set it to a number from 1 to {_HIGHEST_PORT}.")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
