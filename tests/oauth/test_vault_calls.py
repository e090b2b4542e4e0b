"""The calls to a vault, over HTTP to a server that answers in every way."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from scim_core.access.oauth import vault
from scim_core.access.oauth.vault import Vault, VaultError

PATIENCE_SECONDS = 60


@dataclass
class Server:
    """What it answers, and what it was asked."""

    answer: web.StreamResponse | None = None
    url: str = ""
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        if self.answer is None:
            await self.ended.wait()
            return web.Response()
        return self.answer


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(vault, "CALL_SECONDS", PATIENCE_SECONDS)
    there = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", there.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    there.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys/x"
    yield there
    there.ended.set()
    await runner.cleanup()


async def token(scope: str) -> str:
    return f"of {scope}"


async def test_a_call_carries_the_token_and_what_is_sent(server: Server) -> None:
    server.answer = web.json_response({"value": "good"})

    assert await Vault(token)("POST", f"{server.url}/1/sign?api-version=7.4", {"alg": "ES256"}) == {"value": "good"}
    [request] = server.asked
    assert request.headers["Authorization"] == "Bearer of https://0.0.1/.default"
    assert (request.method, request.query_string, json.loads(server.bodies[0])) == (
        "POST",
        "api-version=7.4",
        {"alg": "ES256"},
    )


ANSWERS = {
    "role": lambda: web.Response(status=403, text="secret of the vault"),
    "answered 401: the app's identity lacks a role": lambda: web.Response(status=401),
    "no key of the name": lambda: web.Response(status=404),
    "answered 302": lambda: web.Response(status=302, headers={"Location": "/elsewhere"}),
    "answered 500": lambda: web.Response(status=500),
    "more than 65536 bytes": lambda: web.json_response({"value": "x" * 100_000}),
    "not JSON": lambda: web.Response(text="<html>", content_type="text/html"),
}


@pytest.mark.parametrize("said", ANSWERS)
async def test_an_answer_that_is_none_is_told_without_its_content(server: Server, said: str) -> None:
    server.answer = ANSWERS[said]()
    with pytest.raises(VaultError, match=said) as failed:
        await Vault(token)("GET", server.url)
    assert "secret of the vault" not in str(failed.value)
    assert len(server.asked) == 1, "no redirect is followed"


@pytest.mark.parametrize(("said", "kept"), [("7", 7), ("0", 1), ("3600", 60), ("soon", 5), ("-1", 5), ("9" * 30, 5)])
async def test_the_pause_of_a_busy_vault_is_passed_on_within_reason(server: Server, said: str, kept: int) -> None:
    server.answer = web.Response(status=429, headers={"Retry-After": said})
    with pytest.raises(VaultError) as failed:
        await Vault(token)("GET", server.url)
    assert failed.value.retry_after == kept


async def test_a_vault_that_never_answers_is_not_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "CALL_SECONDS", 0.01)
    with pytest.raises(VaultError, match=r"did not answer \(TimeoutError\)"):
        await Vault(token)("GET", server.url)


async def test_a_vault_that_is_not_there_did_not_answer() -> None:
    with pytest.raises(VaultError, match="did not answer"):
        await Vault(token)("GET", "http://127.0.0.1:1/keys/x")


async def test_without_a_token_nothing_is_asked(server: Server) -> None:
    async def none(_: str) -> str:
        raise VaultError("the app's identity gets no token")

    with pytest.raises(VaultError, match="gets no token"):
        await Vault(none)("GET", server.url)
    assert server.asked == []
