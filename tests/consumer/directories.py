"""A directory of the real endpoint in this process, a provider that changes it at random, and the ways to its feed."""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from random import Random
from typing import Any
from urllib.parse import unquote

import httpx

from scim_core import ScimRequest
from scim_core.storage.tables import TableStorage
from scim_feed import Delete, Join, Leave, Overtaken, Page, Put
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, endpoint_over, replace

FEED_TOKEN = "f5Wm0y6mQ8rW2nV5sJ1tZ7cL4hD9fG3q"
HOST = "https://scim.example.com"
URL = f"{HOST}/feed/v1"
TENANT = "default"

type Act = Callable[[], Awaitable[None]]
type Json = dict[str, Any]
type Holds = tuple[dict[str, Json], set[tuple[str, str]]]
"""Resources by id, and pairs of group and member."""


class Directory:
    """An endpoint over rows in memory, and who provisions it. `before` is awaited before each answer of the feed."""

    def __init__(self) -> None:
        self.rows = MemoryRows()
        self.storage = TableStorage(self.rows)
        digest = sha256(FEED_TOKEN.encode()).hexdigest()
        self.endpoint = endpoint_over(self.storage, Clock(), SCIM_FEED_TOKEN_SHA256=digest)
        self.provider = Client(self.endpoint)
        self.requests = list[str]()
        self.before: Act | None = None

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """What the endpoint answers to a reader of the feed."""
        self.requests.append(request.url.raw_path.decode())
        if self.before:
            await self.before()
        url = request.url
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = ScimRequest(request.method, unquote(url.path), url.query.decode(), headers, b"", HOST)
        answer = await self.endpoint.handle(asked)
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body)

    def http(self) -> httpx.AsyncClient:
        """A client whose requests come here."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def http_of_a_thread(self) -> httpx.Client:
        """The same, for another thread than that of the running event loop."""
        loop = asyncio.get_running_loop()

        def answer(request: httpx.Request) -> httpx.Response:
            return asyncio.run_coroutine_threadsafe(self.answer(request), loop).result()

        return httpx.Client(transport=httpx.MockTransport(answer))

    async def holds(self) -> Holds:
        """What SCIM shows of it."""
        resources, pairs = dict[str, Json](), set[tuple[str, str]]()
        for url in ("/Users", "/Groups"):
            shown = (await self.provider.get(url, count=999)).document
            assert shown["totalResults"] == len(shown["Resources"])
            for resource in shown["Resources"]:
                pairs |= {(resource["id"], member["value"]) for member in resource.pop("members", ())}
                resources[resource["id"]] = plain(resource)
        return resources, pairs


class Provider:
    """Changes a directory at random, as an identity provider does."""

    def __init__(self, directory: Directory, chance: Random) -> None:
        self.client = directory.provider
        self.chance = chance
        self.users = list[str]()
        self.groups = list[str]()
        self.changes = 0

    async def change(self) -> None:
        """One change that a reader must learn of."""
        self.changes += 1
        if len(self.users) < 5:
            await self._hire()
            return
        changes = [self._hire, self._rename, self._join, self._leave, self._dismiss, self._found, self._dissolve]
        await self.chance.choices(changes, [5, 5, 8, 4, 4, 2, 1])[0]()

    async def _hire(self) -> None:
        self.users.append((await self.client.user(f"user{self.changes}@example.com", active=True))["id"])

    async def _rename(self) -> None:
        title = replace("title", f"Title {self.changes}")
        assert (await self.client.patch(f"/Users/{self.chance.choice(self.users)}", title)).status == 200

    async def _dismiss(self) -> None:
        user = self.users.pop(self.chance.randrange(len(self.users)))
        assert (await self.client.delete(f"/Users/{user}")).status == 204

    async def _found(self) -> None:
        members = [{"id": user} for user in self.chance.sample(self.users, 3)]
        self.groups.append((await self.client.group(f"Team {self.changes}", *members))["id"])

    async def _dissolve(self) -> None:
        if self.groups:
            group = self.groups.pop(self.chance.randrange(len(self.groups)))
            assert (await self.client.delete(f"/Groups/{group}")).status == 204

    async def _join(self) -> None:
        await self._members("add", self.chance.sample(self.users, 2))

    async def _leave(self) -> None:
        await self._members("remove", self.chance.sample(self.users, 3))

    async def _members(self, operation: str, users: list[str]) -> None:
        if self.groups:
            value = [{"value": user} for user in users]
            answer = await self.client.patch(
                f"/Groups/{self.chance.choice(self.groups)}", {"op": operation, "path": "members", "value": value}
            )
            assert answer.status == 204, answer.document


class MemoryStore:
    """A store in memory, of which a page is applied whole. It counts the pages."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.resources: dict[str, Json] = {}
        self.pairs: set[tuple[str, str]] = set()
        self.seen: set[Any] = set()
        self.pages = list[Page]()

    def load(self) -> str | None:
        return self.cursor

    def apply(self, page: Page) -> None:
        if page.after != self.cursor:
            raise Overtaken
        for change in page.changes:
            match change:
                case Put(_, id_, resource):
                    self.resources[id_] = plain(resource)
                    self.seen.add(id_)
                case Delete(_, id_):
                    self.resources.pop(id_, None)
                    self.pairs = {pair for pair in self.pairs if id_ not in pair}
                case Join(group, member):
                    self.pairs.add((group, member))
                    self.seen.add((group, member))
                case Leave(group, member):
                    self.pairs.discard((group, member))
        if page.completes_snapshot:
            self.resources = {id_: kept for id_, kept in self.resources.items() if id_ in self.seen}
            self.pairs = {pair for pair in self.pairs & self.seen if self.resources.keys() >= {*pair}}
        if page.snapshot is None or page.completes_snapshot:
            self.seen.clear()
        self.cursor = page.cursor
        self.pages.append(page)

    @property
    def holds(self) -> Holds:
        return self.resources, self.pairs


class AsyncMemoryStore:
    """The same, for AsyncFeed."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def load(self) -> str | None:
        return self._store.load()

    async def apply(self, page: Page) -> None:
        self._store.apply(page)


def plain(resource: Json) -> Json:
    """A representation without what a membership changes without an entry: version, time and the user's groups."""
    kept = {name: value for name, value in resource.items() if name not in ("meta", "groups")}
    return kept | {"meta": {name: resource["meta"][name] for name in ("resourceType", "created", "location")}}
