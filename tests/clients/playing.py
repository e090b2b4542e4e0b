"""Plays a recorded case against a target and says what went wrong, with the exchange that shows it."""

import asyncio
import json
import secrets
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from tests.clients.cases import HEADERS, Play
from tests.clients.expectation import shortcomings
from tests.clients.pointer import ABSENT, resolve
from tests.clients.protocol import LIST_RESPONSE, violations
from tests.clients.targets import Answer, Request, Target
from tests.clients.template import fill

Values = dict[str, Any]


class Disagreement(AssertionError):
    """The service provider answered otherwise than the recorded case expects."""


async def run(play: Play, target: Target) -> None:
    """All exchanges of the play in order. Raises Disagreement at the first answer that is not as expected."""
    values: Values = {
        "base": target.base,
        "token": target.token,
        "unique": secrets.token_hex(5),
        "guid": str(UUID(bytes=secrets.token_bytes(16), version=4)),
    }
    values |= fill(play.values, values)
    for place, exchange in enumerate(play.exchanges):
        try:
            await _Exchange(target, exchange, exchange.get("client", play.client)).run(values)
        except Disagreement as disagreement:
            note = exchange.get("note", exchange["send"]["method"])
            raise Disagreement(f"{play.id}, exchange {place} ({note})\n{disagreement}") from None


class _Exchange:
    """One recorded exchange, which may stand for many alike."""

    def __init__(self, target: Target, data: dict[str, Any], client: str) -> None:
        self._target = target
        self._data = data
        self._client = client

    async def run(self, values: Values) -> None:
        """The requests are sent, the answers judged, and the captured values are among `values`."""
        await asyncio.sleep(self._data.get("pause", 0))
        if "walk" in self._data:
            values |= await self._walk(values)
        elif "repeat" in self._data:
            values |= await self._repeat(values)
        else:
            values |= await self._once(values)

    async def _once(self, values: Values) -> Values:
        request = self._request(values)
        answer = await self._target.send(request)
        captured = self._captured(answer, request)
        self._judge(self._data["expect"], answer, request, values | captured)
        return captured

    async def _repeat(self, values: Values) -> Values:
        items = fill(self._data["repeat"], values)
        items = list(range(1, items + 1)) if isinstance(items, int) else items
        gate = asyncio.Semaphore(self._data.get("at_once", 1))

        async def one(n: int, item: Any) -> Values:
            async with gate:
                return await self._once({**values, "n": n, "item": item})

        captured = await asyncio.gather(*(one(n, item) for n, item in enumerate(items, 1)))
        return {name: [each[name] for each in captured] for name in self._data.get("capture", {})}

    async def _walk(self, values: Values) -> Values:
        """Pages are read until the one that reaches totalResults, as clients that import do."""
        pages: list[dict[str, Any]] = []
        start_index = 1
        while True:
            request = self._request({**values, "startIndex": start_index})
            answer = await self._target.send(request)
            self._judge(self._data["expect"] | {"body": {"startIndex": start_index}}, answer, request, values)
            pages.append(answer.document)
            start_index += answer.document["itemsPerPage"]
            if start_index > answer.document["totalResults"] or not answer.document["itemsPerPage"]:
                return self._joined(pages, request, values)

    def _joined(self, pages: list[dict[str, Any]], request: Request, values: Values) -> Values:
        resources = [resource for page in pages for resource in page.get("Resources", [])]
        joined = {
            "schemas": [LIST_RESPONSE],
            "pages": len(pages),
            "totalResults": pages[-1]["totalResults"],
            "startIndex": 1,
            "itemsPerPage": len({resource["id"] for resource in resources}),
            "Resources": resources,
        }
        headers = {"content-type": "application/scim+json"}
        whole = Answer(200, headers, json.dumps(joined).encode())
        captured = self._captured(whole, request)
        all_of_them = {"body": {"itemsPerPage": joined["totalResults"]}}
        self._judge(all_of_them, whole, request, values)
        self._judge(self._data.get("whole", {}), whole, request, values | captured)
        return captured

    def _request(self, values: Values) -> Request:
        send = fill(self._data["send"], values)
        body = send["text"].encode() if "text" in send else b""
        if "body" in send:
            body = json.dumps(send["body"], ensure_ascii=False).encode()
        habits = HEADERS[self._client]
        headers = habits["always"] | (habits["with body"] if body else {}) | send.get("headers", {})
        headers = {name: fill(value, values) for name, value in headers.items() if value is not None}
        return Request(send["method"], send["path"], send.get("query"), headers, body)

    def _captured(self, answer: Answer, request: Request) -> Values:
        wanted = self._data.get("capture", {})
        captured = {name: _captured(answer, pointer) for name, pointer in wanted.items()}
        missing = [f"{wanted[name]} is absent" for name, value in captured.items() if value is ABSENT]
        _raise(missing, request, answer)
        return captured

    def _judge(self, expect: dict[str, Any], answer: Answer, request: Request, values: Values) -> None:
        wrong = [*violations(request.method, answer), *shortcomings(fill(expect, values), answer)]
        if self._target.token in answer.body.decode():
            wrong.append("the token occurs in the body")
        _raise(wrong, request, answer)


def _captured(answer: Answer, pointer: str) -> Any:
    if pointer.startswith("header:"):
        return answer.headers.get(pointer.removeprefix("header:").lower(), ABSENT)
    return resolve(answer.document, pointer)


def _raise(wrong: Iterable[str], request: Request, answer: Answer) -> None:
    lines = [f"- {line}" for line in wrong]
    if lines:
        asked = f"{request.method} {request.url}\n{_cut(request.body)}"
        answered = f"{answer.status} {answer.headers}\n{_cut(answer.body)}"
        raise Disagreement("\n".join([*lines, "", asked, "", answered]))


def _cut(body: bytes, limit: int = 3000) -> str:
    text = body.decode(errors="replace")
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
