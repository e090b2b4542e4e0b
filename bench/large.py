"""The large run: single requests that name many members, with the time of the answer and of the applied change."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.apps import Endpoint, serving
from bench.directory import GROUP_URN, TENANT, store_users, user_id
from bench.http_client import HttpClient, Request, Response
from devhost.azurite import Azurite
from scim_core.storage.tables import TableStorage, table_storage

SIZES = (1_000, 10_000, 100_000)
"""Members that one request names: each size is ten times the one before. The last is the largest group promised."""

LONGEST_SECONDS = 1800
"""How long a change may take: several times as long as 100,000 members take over Azurite on a busy machine."""


@dataclass(frozen=True)
class Step:
    """One request: seconds until its answer and until its change was applied, and the peak memory until the answer."""

    title: str
    size: int
    answered: float
    applied: float
    peak_mb: float


async def run(largest: int, *, plain_azurite: bool, progress: Callable[[Step], object]) -> list[Step]:
    """The steps of each size up to `largest`. Each size has its own directory and process.

    `progress` gets each step when it is done: the largest ones take minutes.
    """
    steps: list[Step] = []
    with ExitStack() as stack:
        azurite = stack.enter_context(Azurite.start(seeks=not plain_azurite))
        for size in (size for size in SIZES if size <= largest):
            with serving(azurite, f"large{size}") as endpoint:
                storage = table_storage(endpoint.settings.storage)
                await store_users(storage, range(size))
                async for step in _Directory(endpoint, storage, size).steps():
                    progress(step)
                    steps.append(step)
                await storage.close()
    return steps


@dataclass(frozen=True)
class _Directory:
    """A directory of `size` users, behind its own endpoint."""

    endpoint: Endpoint
    storage: TableStorage
    size: int

    async def steps(self) -> AsyncIterator[Step]:
        """A group of all users is created, read, halved and deleted."""
        client = self.endpoint.client
        members = [{"$ref": None, "value": user_id(number)} for number in range(self.size)]
        body = {"schemas": [GROUP_URN], "displayName": f"Everybody {self.size}", "members": members}
        created, step = await self._timed("POST group", client.request("POST", "/Groups", 201, body))
        yield step
        path = urlsplit(created.headers["location"]).path.removeprefix(client.path)
        answer, step = await self._timed("GET group", client.request("GET", path, 200))
        _require_members(answer, self.size)
        yield step
        body |= {"members": members[: self.size // 2]}
        half = client.request("PUT", f"{path}?excludedAttributes=members", 200, body)
        yield (await self._timed("PUT of half of them", half))[1]
        yield (await self._timed("DELETE group", client.request("DELETE", path, 204)))[1]

    async def _timed(self, title: str, request: Request) -> tuple[Response, Step]:
        """The answer, the time until the answer, and the time until the change was applied."""
        meter = self.endpoint.app.meter
        meter.reset_peak()
        started = time.perf_counter()
        async with HttpClient(self.endpoint.app.url) as http:
            answer = await http.send(request)
        answered, peak = time.perf_counter() - started, meter.peak_mb()
        group_id = urlsplit(answer.headers.get("location", request.target)).path.rpartition("/")[2]
        if await self.storage.apply_pending(TENANT, group_id, seconds=LONGEST_SECONDS):
            raise TimeoutError(f"{title} was not applied within {LONGEST_SECONDS} s.")
        return answer, Step(title, self.size, answered, time.perf_counter() - started, peak)


def _require_members(answer: Response, size: int) -> None:
    """Raises ValueError for an answer that does not show the whole change."""
    found = len(json.loads(answer.body).get("members", ()))
    if found != size:
        raise ValueError(f"The group shows {found} members instead of {size}.")
