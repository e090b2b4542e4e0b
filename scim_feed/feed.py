"""The feed of one customer: Feed for programs with threads, AsyncFeed for asyncio. Both carry out `following`."""

import asyncio
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing, closing, suppress
from typing import Any, Protocol, Self, TypedDict, Unpack
from urllib.parse import urlsplit

import httpx

from scim_feed.answers import MAX_ANSWER_BYTES, Answer, Unusable
from scim_feed.following import (
    Apply,
    Ask,
    Load,
    Overtaken,
    Pace,
    Pause,
    Steps,
    Surroundings,
    following,
    heads_in,
)
from scim_feed.pages import Page, TenantHead

SILENCE_SECONDS = 30.0
"""Longest silence of the service within an answer, beyond the `wait` that it was asked for."""

ANSWER_SECONDS = 120.0
"""Longest time for a whole answer, beyond `wait`. A server that sends a byte now and then holds nobody for longer."""

MAX_WAIT = 25
"""Longest `wait`, in seconds: the service counts more as this."""

POLL_SECONDS = 10.0
"""Between two looks at the feed: what a person who has just been assigned does not notice, and what costs little."""

IDLE_SECONDS = 60.0
"""The same for a feed that has been quiet for 20 minutes."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Hosts to which a credential may go without TLS: it does not leave the machine."""

type Credential = str | Callable[[], str]
"""A token, or what gives the present one: it is called before each request."""


class Options(TypedDict, total=False):
    """What both feeds take: `tenant` names the customer to an application's credential. The others are in seconds.

    The feed is asked every `poll` (10), when it is quiet less often, at least every `idle` (60). `wait` (0) is how long
    the service may hold an answer until there is something: it costs (docs/consume.md).
    """

    tenant: str
    poll: float
    idle: float
    wait: int


class Store(Protocol):
    """Your database, as two functions."""

    def load(self) -> str | None:
        """The cursor that was saved last; None if there is none."""

    def apply(self, page: Page) -> None:
        """Do what the page says and save `page.cursor`, in one transaction. Raises Overtaken: see there."""


class AsyncStore(Protocol):
    """Your database, as two coroutines. See Store."""

    async def load(self) -> str | None:
        """The cursor that was saved last; None if there is none."""

    async def apply(self, page: Page) -> None:
        """Do what the page says and save `page.cursor`, in one transaction. Raises Overtaken: see there."""


class _Reader:
    """What both feeds share: where the feed is, what opens it, and how often it is asked."""

    def __init__(self, url: str, credential: Credential, options: Options) -> None:
        """Raises ValueError for a URL to which no credential may go, and for numbers that make no sense."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ValueError("The feed's URL must begin with https://: a credential is sent to it.")
        pace = Pace(options.get("poll", POLL_SECONDS), options.get("idle", IDLE_SECONDS), options.get("wait", 0))
        if not (pace.poll > 0 and pace.idle > 0 and 0 <= pace.wait <= MAX_WAIT):
            raise ValueError(f"poll and idle must be above 0, and wait from 0 to {MAX_WAIT}.")
        self._url = url.rstrip("/")
        self._credential = credential
        self._tenant = options.get("tenant")
        self._pace = pace
        self._around = Surroundings(time.monotonic, random.random, lambda: secrets.token_hex(8))

    def _following(self, *, forever: bool) -> Steps:
        return following(self._pace, self._around, forever=forever)

    def _request(self, http: httpx.Client | httpx.AsyncClient, ask: Ask) -> httpx.Request:
        query = ask.query | ({"tenant": self._tenant} if self._tenant and ask.path != "tenants" else {})
        token = self._credential if isinstance(self._credential, str) else self._credential()
        timeout = httpx.Timeout(SILENCE_SECONDS, read=SILENCE_SECONDS + self._pace.wait)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, application/problem+json"}
        return http.build_request("GET", f"{self._url}/{ask.path}", params=query, headers=headers, timeout=timeout)

    def _body(self) -> "_Body":
        return _Body(self._around.timer, self._around.timer() + ANSWER_SECONDS + self._pace.wait)


class _Body:
    """The body of an answer, as it arrives: it has an end, in bytes and in time."""

    def __init__(self, timer: Callable[[], float], until: float) -> None:
        self._timer = timer
        self._until = until
        self._content = bytearray()

    def add(self, chunk: bytes) -> None:
        """Raises Unusable if there is too much, or it takes too long."""
        self._content += chunk
        if len(self._content) > MAX_ANSWER_BYTES or self._timer() > self._until:
            raise Unusable("The answer does not end.")

    def answer(self, status: int, headers: Mapping[str, str]) -> Answer:
        """The whole answer."""
        return Answer(status, {name.lower(): value for name, value in headers.items()}, bytes(self._content))


class Feed(_Reader):
    """The feed of one customer, read by the thread that calls. Other threads may call `ring` and `stop`."""

    def __init__(
        self, url: str, credential: Credential, *, http: httpx.Client | None = None, **options: Unpack[Options]
    ) -> None:
        """`url` ends in /feed/v1. `http` is a client of your own, with a proxy or certificates; you close it."""
        super().__init__(url, credential, options)
        self._http = http or httpx.Client()
        self._is_own = http is None
        self._bell = threading.Event()
        self._stopped = threading.Event()

    def follow(self, store: Store) -> None:
        """The store becomes a copy and stays one, until `stop`. Raises Refused, and what the store raises."""
        self._run(self._following(forever=True), store)

    def catch_up(self, store: Store) -> None:
        """The store becomes a copy of what there is now. Otherwise like `follow`."""
        self._run(self._following(forever=False), store)

    def tenants(self) -> list[TenantHead]:
        """The customers whose directories have changed, for an application's credential. Raises Refused, Unusable."""
        found, ask = heads_in(self._ask(Ask("tenants")))
        while ask:
            more, ask = heads_in(self._ask(ask), ask)
            found += more
        return found

    def ring(self) -> None:
        """The feed is asked at once: a webhook has said that there is something."""
        self._bell.set()

    def stop(self) -> None:
        """`follow` returns once it has applied the page that it has asked for. It cannot be called again."""
        self._stopped.set()
        self._bell.set()

    def close(self) -> None:
        """The connections are closed."""
        if self._is_own:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, steps: Steps, store: Store) -> None:
        """Carries out the steps; each gets the outcome of the one before."""
        outcome: Any = None
        with closing(steps), suppress(StopIteration):
            while not self._stopped.is_set():
                match steps.send(outcome):
                    case Ask() as ask:
                        outcome = self._ask(ask)
                    case Load():
                        outcome = store.load()
                    case Apply(page):
                        outcome = self._apply(store, page)
                    case Pause() as pause:
                        outcome = None
                        self._pause(pause)

    def _ask(self, ask: Ask) -> Answer | Unusable:
        body = self._body()
        try:
            response = self._http.send(self._request(self._http, ask), stream=True, follow_redirects=False)
            with closing(response):
                for chunk in response.iter_bytes():
                    body.add(chunk)
        except httpx.HTTPError as error:
            return Unusable(f"no answer: {type(error).__name__}")
        except Unusable as error:
            return error
        return body.answer(response.status_code, response.headers)

    def _apply(self, store: Store, page: Page) -> bool:
        try:
            store.apply(page)
        except Overtaken:
            return False
        return True

    def _pause(self, pause: Pause) -> None:
        if not pause.can_be_rung:
            self._stopped.wait(pause.seconds)
            return
        self._bell.wait(pause.seconds)
        self._bell.clear()


class AsyncFeed(_Reader):
    """The feed of one customer, read by the task that calls. `ring` and `stop` belong to the same event loop."""

    def __init__(
        self, url: str, credential: Credential, *, http: httpx.AsyncClient | None = None, **options: Unpack[Options]
    ) -> None:
        """`url` ends in /feed/v1. `http` is a client of your own, with a proxy or certificates; you close it."""
        super().__init__(url, credential, options)
        self._http = http or httpx.AsyncClient()
        self._is_own = http is None
        self._bell = asyncio.Event()
        self._stopped = asyncio.Event()

    async def follow(self, store: AsyncStore) -> None:
        """The store becomes a copy and stays one, until `stop`. Raises Refused, and what the store raises."""
        await self._run(self._following(forever=True), store)

    async def catch_up(self, store: AsyncStore) -> None:
        """The store becomes a copy of what there is now. Otherwise like `follow`."""
        await self._run(self._following(forever=False), store)

    async def tenants(self) -> list[TenantHead]:
        """The customers whose directories have changed, for an application's credential. Raises Refused, Unusable."""
        found, ask = heads_in(await self._ask(Ask("tenants")))
        while ask:
            more, ask = heads_in(await self._ask(ask), ask)
            found += more
        return found

    def ring(self) -> None:
        """The feed is asked at once: a webhook has said that there is something."""
        self._bell.set()

    def stop(self) -> None:
        """`follow` returns once it has applied the page that it has asked for. It cannot be called again."""
        self._stopped.set()
        self._bell.set()

    async def close(self) -> None:
        """The connections are closed."""
        if self._is_own:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, steps: Steps, store: AsyncStore) -> None:
        """Carries out the steps; each gets the outcome of the one before."""
        outcome: Any = None
        with closing(steps), suppress(StopIteration):
            while not self._stopped.is_set():
                match steps.send(outcome):
                    case Ask() as ask:
                        outcome = await self._ask(ask)
                    case Load():
                        outcome = await store.load()
                    case Apply(page):
                        outcome = await self._apply(store, page)
                    case Pause() as pause:
                        outcome = None
                        await self._pause(pause)

    async def _ask(self, ask: Ask) -> Answer | Unusable:
        body = self._body()
        try:
            response = await self._http.send(self._request(self._http, ask), stream=True, follow_redirects=False)
            async with aclosing(response):
                async for chunk in response.aiter_bytes():
                    body.add(chunk)
        except httpx.HTTPError as error:
            return Unusable(f"no answer: {type(error).__name__}")
        except Unusable as error:
            return error
        return body.answer(response.status_code, response.headers)

    async def _apply(self, store: AsyncStore, page: Page) -> bool:
        try:
            await store.apply(page)
        except Overtaken:
            return False
        return True

    async def _pause(self, pause: Pause) -> None:
        event = self._bell if pause.can_be_rung else self._stopped
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), pause.seconds)
        self._bell.clear()
