"""Clients that walk through a list by cursor (RFC 9865)."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from scim_core.storage.tables import TableStorage
from tests.clients.targets import Answer
from tests.scim import Client, Clock, Json, endpoint_over

MASTER_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
WITH_CURSORS = {"SCIM_MASTER_KEY": MASTER_KEY}
"""The setting without which there are no cursors."""

type Between = Callable[[int], Awaitable[Any]]


def walker(storage: TableStorage, clock: Clock) -> Client:
    """A client of a service that has a master key."""
    return Client(endpoint_over(storage, clock, SCIM_MASTER_KEY=MASTER_KEY))


async def ask(client: Client, url: str, query: Json) -> Answer:
    """The answer to a GET with this query, or to a POST of it, if the URL is one of .search."""
    return await (client.post(url, query) if url.endswith(".search") else client.get(url, **query))


async def page(client: Client, url: str = "/Users", *, cursor: str = "", **query: Any) -> Json:
    """The page of the cursor; the first one, if it is empty."""
    answer = await ask(client, url, {**query, "cursor": cursor})
    assert answer.status == 200, answer.document
    document: Json = answer.document
    return document


async def pages(client: Client, url: str = "/Users", *, between: Between | None = None, **query: Any) -> list[Json]:
    """All pages of a walk. `between` runs after each page that another one follows."""
    walked = [await page(client, url, **query)]
    while cursor := walked[-1].get("nextCursor"):
        if between is not None:
            await between(len(walked))
        walked.append(await page(client, url, cursor=cursor, **query))
    return walked


def ids(walked: list[Json]) -> list[str]:
    """The ids on these pages, in order."""
    return [item["id"] for one in walked for item in one["Resources"]]
