"""The handlers of the feed: parameters in, pages out. A reader may wait for what comes next (ADR 0052)."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import batched

from scim_core.clock import Timer
from scim_core.endpoint.handlers import Call
from scim_core.endpoint.rendering import ELEMENTS_AT_ONCE, encoded
from scim_core.endpoint.wakes import Wakes
from scim_core.feed.feed import MAX_ENTRIES, MAX_HEADS, MAX_SNAPSHOT, ChangesPage, Feed
from scim_core.feed.hooks.delivery import Hooks
from scim_core.messages import HttpError, ScimResponse
from scim_core.model import Json
from scim_core.protocol.costs import json_units, read_units
from scim_core.storage.feed_port import Tended

MAX_WAIT_SECONDS = 25
"""Longest wait for the next change. With the reading it stays below REQUEST_SECONDS."""

POLL_SECONDS = 1
"""How often a reader that waits looks again. What another instance did, only the rows tell. See Wakes for this one."""

WAITING_SHARE = 4
"""Of so many requests that an instance takes at a time, one may wait. Further readers are answered at once, so that
there is always room for the customers' own requests."""

LOOK_UNITS = 50
"""Computing of one more look for changes: the calls of the storage. Half of what a request costs."""

KEYS_SECONDS = 300
"""How long receivers may keep the keys of security event tokens. The next key of a hook is always among them."""

MAX_DIGITS = 9

FEED_HANDLERS = frozenset({"feed_changes", "feed_keys", "feed_snapshot", "feed_tenants"})
"""The handlers of this module, as the route table names them."""


class Waiting:
    """The places for readers that wait, in this process."""

    def __init__(self, concurrency: int) -> None:
        """`concurrency` are the requests that an instance takes at a time."""
        self._free = concurrency // WAITING_SHARE

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Whether there is a place; while the block runs, it is taken."""
        has_place = self._free > 0
        self._free -= has_place
        try:
            yield has_place
        finally:
            self._free += has_place


class FeedHandlers:
    """Runs the handler of a route of the feed. Each name in FEED_HANDLERS is a method here."""

    def __init__(self, feed: Feed, hooks: Hooks, waiting: Waiting, wakes: Wakes, timer: Timer) -> None:
        self._feed = feed
        self._hooks = hooks
        self._waiting = waiting
        self._wakes = wakes
        self._timer = timer

    async def run(self, call: Call) -> ScimResponse:
        """The answer to the call. Raises what its handler raises."""
        handler: Callable[[Call], Awaitable[ScimResponse]] = getattr(self, call.target.handler)
        return await handler(call)

    async def feed_changes(self, call: Call) -> ScimResponse:
        """GET /feed/v1/changes: what came after a cursor; with `wait`, once there is something or the time is over."""
        limit = _number(call, "limit", MAX_ENTRIES, least=1, most=MAX_ENTRIES)
        wait = _number(call, "wait", 0, least=0, most=MAX_WAIT_SECONDS)
        page = await self._page(call, limit)
        if wait and not page.entries:
            with self._waiting.place() as has_place:
                page = await self._next_page(call, limit, wait) if has_place else page
        entries = await _texts(call, page.entries)
        return _answer({"cursor": page.cursor, "more": page.more}, entries=entries)

    async def feed_snapshot(self, call: Call) -> ScimResponse:
        """GET /feed/v1/snapshot: a page of all that there is."""
        limit = _number(call, "limit", MAX_SNAPSHOT, least=1, most=MAX_SNAPSHOT)
        await call.work.expect_much()
        page = await self._feed.snapshot(
            call.tenant, page=call.fields.get("page"), limit=limit, base_url=call.service_url
        )
        resources = await _texts(call, page.resources)
        memberships = await _texts(call, page.memberships)
        return _answer({"next": page.next, "cursor": page.cursor}, resources=resources, memberships=memberships)

    async def feed_tenants(self, call: Call) -> ScimResponse:
        """GET /feed/v1/tenants: the newest number of each tenant that has changed, those that changed last first."""
        limit = _number(call, "limit", MAX_HEADS, least=1, most=MAX_HEADS)
        page = await self._feed.heads(page=call.fields.get("page"), limit=limit)
        tenants = await _texts(call, [asdict(head) for head in page.heads])
        return _answer({"next": page.next}, tenants=tenants)

    async def feed_keys(self, _: Call) -> ScimResponse:
        """GET /feed/v1/jwks: the keys by which security event tokens are verified, for everybody."""
        headers = {"Content-Type": "application/jwk-set+json", "Cache-Control": f"max-age={KEYS_SECONDS}"}
        return ScimResponse(200, headers, encoded(await self._hooks.key_set()))

    async def tend(self) -> Tended:
        """Changes that nobody has relayed are, and what is too old is deleted. A timer asks for this."""
        return await self._feed.tend()

    async def _page(self, call: Call, limit: int) -> ChangesPage:
        after = call.fields.get("after")
        return await self._feed.changes(call.tenant, after=after, limit=limit, base_url=call.service_url)

    async def _next_page(self, call: Call, limit: int, seconds: float) -> ChangesPage:
        """The first page with an entry, or the last one that was read in these seconds."""
        until = self._timer() + seconds
        with self._wakes.waiter(call.tenant) as waiter:
            while True:
                left = until - self._timer()
                await waiter.pause(max(0, min(POLL_SECONDS, left)))
                await call.work.spend(LOOK_UNITS, "a look for changes")
                page = await self._page(call, limit)
                if page.entries or self._timer() >= until:
                    return page


async def _texts(call: Call, items: Sequence[Json]) -> list[bytes]:
    """The items as JSON, large ones one by one, small ones many at a time. Their reading is counted here, too."""
    texts = []
    for some in _portions(items):
        await call.work.conclude(read_units(len(some)) + json_units(some))
        texts.append(encoded(some)[1:-1])
    return texts


def _portions(items: Sequence[Json]) -> Iterable[tuple[Json, ...]]:
    is_small = not any(isinstance(value, dict | list) for item in items for value in item.values())
    return batched(items, ELEMENTS_AT_ONCE if is_small else 1, strict=False)


def _answer(members: Json, **arrays: list[bytes]) -> ScimResponse:
    """An object with these members, and these arrays of elements that are JSON already."""
    written = [b"%b:[%b]" % (encoded(name), b",".join(texts)) for name, texts in arrays.items()]
    written += [b"%b:%b" % (encoded(name), encoded(value)) for name, value in members.items()]
    return ScimResponse(200, {"Content-Type": "application/json"}, b"{%b}" % b",".join(written))


def _number(call: Call, name: str, usual: int, *, least: int, most: int) -> int:
    """A parameter that is a whole number; a larger one than `most` counts as `most`. Raises HttpError 400."""
    text = call.fields.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS and int(text) >= least):
        raise HttpError(400, f"{name} must be a whole number from {least} to {most}.")
    return min(int(text), most)
