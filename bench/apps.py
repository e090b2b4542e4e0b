"""The processes that are measured: the address of each, its costs, and the storage behind it."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from bench.http_client import Request, Response
from bench.load import Sample, drive, ignored
from bench.operations import Client
from bench.process import Meter
from devhost.azurite import Azurite
from scim_core import Settings
from tests.running import ROOT, running_app

BARE_APP = Path(__file__).parent / "bare_app"


@dataclass(frozen=True)
class App:
    """A running app: its address, and the costs of its process."""

    url: str
    meter: Meter

    async def serve(
        self, requests: Iterable[Request], connections: int, seen: Callable[[Response], None] = ignored
    ) -> tuple[Sample, float]:
        """The requests are answered. Returns how long that took, and the processor seconds of the app."""
        before = self.meter.cpu_seconds()
        sample = await drive(self.url, requests, connections, seen)
        return sample, self.meter.cpu_seconds() - before


@dataclass(frozen=True)
class Endpoint:
    """The SCIM endpoint as an app, a client for it, and the settings it runs with."""

    app: App
    client: Client
    environment: dict[str, str]

    @property
    def settings(self) -> Settings:
        """The environment as settings."""
        return Settings.from_environment(self.environment)


def environment(azurite: Azurite, table: str, token: str) -> dict[str, str]:
    """What an app needs to keep its rows in this table."""
    return {
        "SCIM_TOKEN_SHA256": sha256(token.encode()).hexdigest(),
        "SCIM_STORAGE_CONNECTION": azurite.connection_string,
        "SCIM_TABLE_NAME": table,
        "SCIM_TENANT_REQUESTS_PER_SECOND": "1000000",  # the limit must not slow down what is measured
    }


@contextmanager
def serving(
    azurite: Azurite,
    table: str,
    root: Path = ROOT,
    further: Mapping[str, str] = MappingProxyType({}),
    app: Path | None = None,
) -> Iterator[Endpoint]:
    """The endpoint of a working tree, served by the devhost of the same tree, over this table.

    `further` are more settings, or other values of the usual ones. `app` is the folder of another app that has the
    endpoint in it.
    """
    token = secrets.token_urlsafe(32)
    settings = environment(azurite, table, token) | dict(further)
    with running_app(app or root, settings, ("--quiet",), root=root) as running:
        yield Endpoint(App(running.url, Meter(running.process.pid)), Client("/scim/v2", token), settings)


@contextmanager
def serving_bare(settings: dict[str, str]) -> Iterator[App]:
    """The app that makes only the calls, with these settings."""
    with running_app(BARE_APP, settings, ("--quiet",)) as running:
        yield App(running.url, Meter(running.process.pid))
