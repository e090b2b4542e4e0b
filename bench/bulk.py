"""The bulk run: bulks of 1,000 operations, with the time of the answer, and the calls of the storage."""

import json
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench.apps import serving
from bench.directory import group, store_users, user, user_id
from bench.http_client import HttpClient, Request, UnexpectedStatus
from devhost.azurite import Azurite
from scim_core import Endpoint, ScimRequest, build
from scim_core.storage.tables import table_storage
from tests.transcript import transcript

BULK_REQUEST_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
GLOBAL_RELAY_URN = "urn:ietf:params:scim:schemas:extension:GlobalRelay:2.0:User"

OPERATIONS = 1_000
"""Operations of a bulk: as many as the service takes."""

_NEW = 100_000
"""Numbers of new users begin at multiples of this: above those of the users that are there."""


@dataclass(frozen=True)
class SentBulk:
    """One bulk: its size in bytes, the seconds until its answer, the peak memory of the process, and storage calls."""

    title: str
    size: int
    seconds: float
    peak_mb: float
    calls: int
    statuses: dict[str, int]


async def run() -> list[SentBulk]:
    """The bulks, each sent to an endpoint with its own Azurite, and once more to an endpoint in this process."""
    points: list[SentBulk] = []
    with ExitStack() as stack:
        endpoint = stack.enter_context(serving(stack.enter_context(Azurite.start(seeks=True)), "bulk"))
        storage = table_storage(endpoint.settings.storage)
        await store_users(storage, range(2 * OPERATIONS))
        here = build(endpoint.settings, storage)
        for title, bulk in (
            ("1,000 creates", creates),
            ("1,000 creates of 6 KB", large_creates),
            ("1,000 mixed", mixed),
        ):
            sent = endpoint.client.request("POST", "/Bulk", 200, bulk(0))
            endpoint.app.meter.reset_peak()
            started = time.perf_counter()
            async with HttpClient(endpoint.app.url) as http:
                answer = await http.send(sent)
            seconds = time.perf_counter() - started
            statuses = Counter(item["status"] for item in json.loads(answer.body)["Operations"])
            with transcript(storage) as recorded:
                await _send(here, endpoint.client.request("POST", "/Bulk", 200, bulk(OPERATIONS)))
            points.append(
                SentBulk(
                    title, len(sent.body), seconds, endpoint.app.meter.peak_mb(), len(recorded.kinds), dict(statuses)
                )
            )
        await storage.close()
    return points


def creates(first: int) -> dict[str, Any]:
    """1,000 users of 1.3 KB."""
    numbers = range(_NEW + first, _NEW + first + OPERATIONS)
    return _bulk([_post("/Users", str(number), user(number)) for number in numbers])


def large_creates(first: int) -> dict[str, Any]:
    """1,000 users of 6 KB, as large as those with every attribute of the Global Relay mapping."""
    numbers = range(2 * _NEW + first, 2 * _NEW + first + OPERATIONS)
    large = {GLOBAL_RELAY_URN: {f"extensionAttribute{number}": "x" * 300 for number in range(1, 16)}}
    return _bulk([_post("/Users", str(number), user(number) | large) for number in numbers])


def mixed(first: int) -> dict[str, Any]:
    """Ten rounds of 40 creates, 20 changes, 20 replacements and 10 deletions of users, and 10 groups of new users."""
    operations: list[dict[str, Any]] = []
    for part in range(10):
        new = [3 * _NEW + first + part * 100 + number for number in range(40)]
        there = [first + part * 100 + number for number in range(50)]
        operations += [_post("/Users", str(number), user(number)) for number in new]
        operations += [_patch(number) for number in there[:20]]
        operations += [
            {"method": "PUT", "path": f"/Users/{user_id(number)}", "data": user(number) | {"title": "Guide"}}
            for number in there[20:40]
        ]
        operations += [{"method": "DELETE", "path": f"/Users/{user_id(number)}"} for number in there[40:]]
        operations += [
            _post(
                "/Groups",
                f"group {number}",
                group(number) | {"members": [{"value": f"bulkId:{member}"} for member in new[::10]]},
            )
            for number in range(first + part * 10, first + part * 10 + 10)
        ]
    return _bulk(operations)


def _bulk(operations: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schemas": [BULK_REQUEST_URN], "Operations": operations}


def _post(path: str, bulk_id: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"method": "POST", "path": path, "bulkId": bulk_id, "data": data}


def _patch(number: int) -> dict[str, Any]:
    data = {"Operations": [{"op": "replace", "path": "title", "value": "Guide"}]}
    return {"method": "PATCH", "path": f"/Users/{user_id(number)}", "data": data}


async def _send(endpoint: Endpoint, request: Request) -> None:
    headers = {name.lower(): value for name, value in request.headers.items()}
    answer = await endpoint.handle(
        ScimRequest(request.method, request.target, "", headers, request.body, "http://localhost")
    )
    if answer.status != request.expect:
        raise UnexpectedStatus(f"{request.method} {request.target}: {answer.status} {answer.body[:500]!r}")
