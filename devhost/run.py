"""`make run`: Azurite, a bearer token, and the function app that uses both. It prints what to paste into Entra."""

import base64
import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from devhost import server
from devhost.azurite import Azurite
from devhost.errors import DevhostError, PortInUseError
from scim_core.access.oauth.local_key import new_signing_key
from scim_core.master_key import MASTER_KEY_BYTES
from scim_core.messages import FEED_PATH

ROOT = Path(__file__).parents[1]
DEFAULT_PORT = 7071
DEFAULT_AZURITE_PORT = 10002  # where tools look for Azurite's tables
_HIGHEST_PORT = 65_535

_BANNER = """
The SCIM endpoint answers. When a tunnel gives this port a public address, Entra needs:

  Tenant URL    {url}
  Secret Token  {token}

Try it:

  curl -H 'Authorization: Bearer {token}' {url}/Users

A program of yours reads what has changed with the feed token:

  Feed URL      {feed_url}
  Feed token    {feed_token}

  curl -H 'Authorization: Bearer {feed_token}' {feed_url}/changes

Look at what happened, in another terminal:

  make console AZURITE_PORT={azurite_port}

Tables: {tables}, Azurite on port {azurite_port}. Ctrl-C stops both.
"""

_TENANTS_BANNER = """
It serves many tenants. The token above belongs to the tenant `default`. Create others in another terminal:

  export SCIM_STORAGE_CONNECTION='{connection}'
  .venv/bin/python -m scim_core.admin --url {public_url} tenants create Contoso
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the environment sets: PORT, AZURITE_PORT, AZURITE=disk|memory, SCIM_TOKEN, SCIM_FEED_TOKEN, TENANTS.

    AZURITE_SEEK=yes|no says whether Azurite seeks, as Table Storage does. With no it looks at all rows for each range.
    """

    port: int = DEFAULT_PORT
    azurite_port: int | None = None
    data: Path | None = None
    token: str | None = None
    feed_token: str | None = None
    has_registry: bool = False
    seeks: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises DevhostError for a value that is not allowed."""
        port = _port(environment, "PORT") or DEFAULT_PORT
        kind = environment.get("AZURITE") or "disk"
        if kind not in ("disk", "memory"):
            raise DevhostError(f"AZURITE is {kind}. Set it to disk, which keeps the data, or to memory.")
        # Each port has its own folder, so that several endpoints can run at the same time.
        data = Path(".azurite", str(port)) if kind == "disk" else None
        tenants = environment.get("TENANTS") or "one"
        if tenants not in ("one", "registry"):
            raise DevhostError(f"TENANTS is {tenants}. Set it to one, or to registry for many tenants.")
        seeks = environment.get("AZURITE_SEEK") or "yes"
        if seeks not in ("yes", "no"):
            raise DevhostError(f"AZURITE_SEEK is {seeks}. Set it to yes, or to no for an Azurite that is as it comes.")
        token, feed_token = (environment.get(name) or None for name in ("SCIM_TOKEN", "SCIM_FEED_TOKEN"))
        azurite_port = _port(environment, "AZURITE_PORT")
        has_registry = tenants == "registry"
        return cls(port, azurite_port, data, token, feed_token, has_registry=has_registry, seeks=seeks == "yes")


def main() -> int:
    """The exit code: 0 after Ctrl-C or SIGTERM. 1 with a sentence when the endpoint cannot run."""
    try:
        serve(Options.from_environment(os.environ))
    except DevhostError as error:
        print(f"devhost: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the endpoint answered
        return 130
    return 0


def serve(options: Options) -> None:
    """Azurite and the endpoint run until a signal. Then both have ended."""
    server.configure_logging()
    server.handle_signals()
    with server.listen(options.port) as listener, start_azurite(options) as azurite:
        token = options.token or kept(options.data, "token", new_token)
        feed_token = options.feed_token or kept(options.data, "feed-token", new_token)
        master_key = os.environ.get("SCIM_MASTER_KEY") or kept(options.data, "master-key", new_master_key)
        os.environ |= {
            "SCIM_TOKEN_SHA256": hashlib.sha256(token.encode()).hexdigest(),
            "SCIM_FEED_TOKEN_SHA256": hashlib.sha256(feed_token.encode()).hexdigest(),
            "SCIM_MASTER_KEY": master_key,
            "SCIM_HOOKS_TO_LOOPBACK": "true",
            "SCIM_STORAGE_CONNECTION": azurite.connection_string,
            "SCIM_STORAGE_ACCOUNT_URL": "",  # an account in local.settings.json contradicts Azurite
        }
        if options.has_registry:
            os.environ |= registry_settings(options, os.environ)
        banner = _BANNER.format(
            url=f"http://localhost:{options.port}/scim/v2",
            token=token,
            feed_url=f"http://localhost:{options.port}{FEED_PATH}",
            feed_token=feed_token,
            tables=f"kept in {options.data}" if options.data else "in memory, gone at the end",
            azurite_port=azurite.port,
        )
        if options.has_registry:
            public_url = os.environ["SCIM_PUBLIC_BASE_URL"]
            banner += _TENANTS_BANNER.format(connection=azurite.connection_string, public_url=public_url)
        server.run(ROOT, listener, lambda: print(banner, flush=True))


def registry_settings(options: Options, environment: Mapping[str, str]) -> dict[str, str]:
    """What many tenants need in addition: a public URL and a key. If they are not set, this machine makes them.

    Here, Entra's own tokens are accepted, too: they are for tests.
    """
    usual = f"http://localhost:{options.port}"
    return {
        "SCIM_TENANTS": "registry",
        "SCIM_ENTRA_TOKENS": environment.get("SCIM_ENTRA_TOKENS", "allow"),
        "SCIM_PUBLIC_BASE_URL": environment.get("SCIM_PUBLIC_BASE_URL") or usual,
        "SCIM_SIGNING_KEY": environment.get("SCIM_SIGNING_KEY") or kept(options.data, "signing-key", new_signing_key),
    }


def start_azurite(options: Options) -> Azurite:
    """Azurite on the port that the environment sets. Without one, on its usual port, or on a free one."""
    if options.azurite_port is not None:
        return Azurite.start(options.azurite_port, options.data, seeks=options.seeks)
    try:
        server.listen(DEFAULT_AZURITE_PORT).close()  # this look is free, but a start that fails costs a second
        return Azurite.start(DEFAULT_AZURITE_PORT, options.data, seeks=options.seeks)
    except PortInUseError:
        return Azurite.start(None, options.data, seeks=options.seeks)


def new_token() -> str:
    """A bearer token for this machine."""
    return secrets.token_urlsafe(32)


def new_master_key() -> str:
    """A key for SCIM_MASTER_KEY."""
    return base64.urlsafe_b64encode(secrets.token_bytes(MASTER_KEY_BYTES)).decode()


def kept(folder: Path | None, name: str, make: Callable[[], str]) -> str:
    """The secret of this folder. It is made once, and only its owner can read it. Without a folder, a new one."""
    path = folder / name if folder else None
    if path and path.exists() and (text := path.read_text().strip()):
        return text
    secret = make()
    if path:
        path.touch(0o600)
        path.write_text(secret)
    return secret


def _port(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name)
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) <= _HIGHEST_PORT:
        raise DevhostError(f"{name} is {text}. Set it to a number from 1 to {_HIGHEST_PORT}.")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
