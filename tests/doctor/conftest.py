import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from scim_core import ScimRequest
from scim_core.admin.doctor import command
from scim_core.admin.doctor.outside import Outside, entra_context
from scim_core.admin.probe import Answer, Probe
from scim_core.clock import instant_text
from scim_core.storage.tables.identity import Tokens
from tests.certificates import certificate_in
from tests.commands import one_parser
from tests.doctor.azure import GROUP, Azure
from tests.memory_rows import memory_storage
from tests.scim import Clock, endpoint_over


class Inside(Probe):
    """The service at this URL, in this process. `altered` are other answers, by their paths."""

    def __init__(self, url: str, clock: Clock, **environment: str) -> None:
        self.url = url
        self.clock = clock
        self.endpoint = endpoint_over(memory_storage(), clock, SCIM_PUBLIC_BASE_URL=url, **environment)
        self.altered: dict[str, Answer | Exception] = {}
        self.sent: list[str] = []

    async def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        path, _, query = url.removeprefix(self.url).partition("?")
        self.sent.append(f"{method} {path}")
        if isinstance(altered := self.altered.get(path), Exception):
            raise altered
        given = {name.lower(): value for name, value in (headers or {}).items()}
        request = ScimRequest(method, unquote(path), query, given, body or b"", self.url)
        response = await self.endpoint.handle(request)
        known = {name.lower(): value for name, value in response.headers.items()}
        known["date"] = format_datetime(self.clock(), usegmt=True)
        return altered or Answer(response.status, known, response.body)


@asynccontextmanager
async def listening(
    folder: Path, days: int = 90, **limits: Any
) -> AsyncIterator[tuple[str, Callable[[], ssl.SSLContext]]]:
    """The URL of a server that speaks TLS, and how a client speaks it that trusts the server's certificate."""
    certificate = certificate_in(folder, days)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.path, certificate.key)
    for name, value in limits.items():
        setattr(context, name, value)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)

    def trusting() -> ssl.SSLContext:
        trusts = entra_context()
        trusts.load_verify_locations(certificate.path)
        return trusts

    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", trusting
    finally:
        server.close()


@dataclass(frozen=True)
class Doctor:
    """A deployment that the doctor looks at, and what it says."""

    azure: Azure
    service: Inside
    run: Callable[..., Awaitable[int]]
    capture: pytest.CaptureFixture[str]

    async def said(self, *options: str, before: tuple[str, ...] = (), **environment: str) -> tuple[int, list[str]]:
        """The exit code, and the lines that it prints. `before` are arguments before the name of the command."""
        self.capture.readouterr()
        code = await self.run(*options, before=before, **environment)
        return code, self.capture.readouterr().out.splitlines()

    async def wrong(self, check: str) -> list[str]:
        """What is wrong by this check, with what to do. Nothing else is wrong."""
        code, lines = await self.said()
        marked = [line for line in lines if line.startswith(("WRONG", "?"))]
        assert all(line.startswith(f"WRONG  {check}: ") for line in marked), lines
        assert code == (1 if marked else 0)
        starts = [place for place, line in enumerate(lines) if line in marked]
        return [f"{lines[place].partition(': ')[2]} -> {lines[place + 1].strip()}" for place in starts]


@pytest.fixture
async def doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Doctor]:
    clock = Clock()
    async with listening(tmp_path) as (url, context):
        azure = await Azure(url).start()
        now = clock()
        azure.timers = [
            ["sweep", instant_text(now - timedelta(hours=47)), instant_text(now - timedelta(minutes=4)), 0],
            ["backup", instant_text(now - timedelta(hours=40)), instant_text(now - timedelta(hours=16)), 0],
        ]
        service = Inside(url, clock)
        monkeypatch.setattr(command, "CLOUDS", {"AzureCloud": azure.cloud})
        monkeypatch.setattr(Tokens, "token", lambda _, scope: azure.token(scope))
        monkeypatch.setattr(command, "Probe", lambda: _open(service))
        monkeypatch.setattr(command, "Outside", partial(Outside, context=context))
        monkeypatch.setattr(command, "utc_now", clock)

        async def run(*options: str, before: tuple[str, ...] = (), **environment: str) -> int:
            asked = one_parser().parse_args([*before, "doctor", "--deployment", GROUP, *options])
            return await command.run(asked, environment)

        yield Doctor(azure, service, run, capsys)
        await azure.stop()


@asynccontextmanager
async def _open(service: Inside) -> AsyncIterator[Inside]:
    yield service
