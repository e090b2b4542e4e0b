"""The bulk run: bulks of 1,000 operations, with the time of the answer, and the calls of the storage."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from bench.apps import serving
from bench.directory import group, store_users, user, user_id
from bench.http_client import HttpClient, Request
from bench.operations import Client
from devhost.azurite import Azurite
from scim_core import Endpoint, ScimRequest, build
from scim_core.storage.tables import table_storage
from tests.transcript import transcript

OPERATIONS = 1_000
"""Operations of a bulk: as many as the service takes."""

PRESENT = 1_000
"""Users that are there before, and that the mixed operations change."""

_COUNTED_FROM = 500_000
"""Numbers of the users of the bulk whose calls are counted: nobody else has these."""


@dataclass(frozen=True)
class Point:
    """One bulk: its size in bytes, the seconds until its answer, the peak memory of the process, and storage calls."""

    title: str
    size: int
    seconds: float
    peak_mb: float
    calls: int
    statuses: dict[str, int]


async def run() -> list[Point]:
    """The bulks, each sent to an endpoint with its own Azurite, and once more to an endpoint in this process."""
    points: list[Point] = []
    with Azurite.start() as azurite, serving(azurite, "bulk") as endpoint:
        storage = table_storage(endpoint.settings.storage)
        await store_users(storage, range(2 * PRESENT))
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
                await _send(here, endpoint.client.request("POST", "/Bulk", 200, bulk(PRESENT)))
            points.append(
                Point(title, len(sent.body), seconds, endpoint.app.meter.peak_mb(), len(recorded.kinds), dict(statuses))
            )
        await storage.close()
    return points
