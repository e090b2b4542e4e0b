"""A receiver of webhooks, as careful as docs/hooks.md asks, and a sender that leads to it without a network."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from scim_core.feed.hooks.delivery import Hooks
from scim_core.feed.hooks.sending import Sender, Tried
from scim_core.ids import uuid7
from scim_core.master_key import MasterKey
from scim_core.protocol.schemas import Catalogue, load_catalogue
from scim_core.storage.hook_port import Hook, HookCursor, HookStorage, Stream
from scim_core.traces import NO_TRACER, Tracer
from tests.scim import Clock

CATALOGUE = load_catalogue()
MASTER = MasterKey(bytes(range(32)))
HOOK = Hook("h1", "https://product.example/hook", "contoso", "https://scim.example.com", "2026-11-22T09:05:00.000000Z")

TAKEN = Tried(taken=True, gone=False, outcome="answered 204")
FAILED = Tried(taken=False, gone=False, outcome="answered 500")
GONE = Tried(taken=False, gone=True, outcome="answered 410")

type Answers = Callable[[int], Tried | BaseException]
"""What becomes of an attempt, by its number, counted from 0."""


@dataclass
class Receiver(Sender):
    """Takes batches. `processed` are the numbers of entries in the order in which it has acted on them.

    `answers` says of each attempt what the sender sees. Whether the receiver has processed it, `processes` says.
    """

    answers: Answers = lambda _: TAKEN
    processes: Callable[[int], bool] | None = None
    url: str = HOOK.url
    requests: list[tuple[dict[str, str], list[dict[str, Any]]]] = field(default_factory=list)
    processed: dict[str, list[int]] = field(default_factory=dict)
    resyncs: list[int] = field(default_factory=list)
    replayed: list[int] = field(default_factory=list)

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
        """See Sender.send."""
        assert url == self.url
        number = len(self.requests)
        events = json.loads(body)
        self.requests.append((dict(headers), events))
        answer = self.answers(number)
        if self.processes(number) if self.processes else isinstance(answer, Tried) and answer.taken:
            for event in events:
                self._process(event)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _process(self, event: dict[str, Any]) -> None:
        if event["type"] == "scim.resync":
            self.resyncs.append(event["data"]["number"])
            return
        number = event["data"]["number"]
        if event.get("replay"):
            self.replayed.append(number)
            return
        seen = self.processed.setdefault(event["source"].partition("tenant=")[2], [])
        if not seen or number > seen[-1]:
            seen.append(number)

    @property
    def ids(self) -> list[str]:
        """The webhook-id of each request."""
        return [headers["webhook-id"] for headers, _ in self.requests]

    @property
    def numbers(self) -> list[list[int]]:
        """The numbers of the entries of each request."""
        return [[event["data"]["number"] for event in events] for _, events in self.requests]


def hooks_over(
    storage: HookStorage,
    receiver: Sender,
    clock: Clock,
    *,
    master: MasterKey | None = MASTER,
    timer: Callable[[], float] = lambda: 0.0,
    catalogue: Catalogue = CATALOGUE,
    tracer: Tracer = NO_TRACER,
) -> Hooks:
    """The hooks, whose pauses move the clock and take no time."""

    async def pause(seconds: float) -> None:
        clock.advance(seconds=seconds)

    async def catalogue_of(_: str) -> Catalogue:
        return catalogue

    return Hooks(
        storage,
        catalogue_of,
        receiver,
        master,
        clock=clock,
        timer=timer,
        new_id=lambda: uuid7(clock()),
        pause=pause,
        tracer=tracer,
    )


async def add_hook(storage: HookStorage, hook: Hook = HOOK, tenant: str = "contoso", number: int = 0) -> None:
    """There is this hook, and it has come so far."""
    head = await storage.feed_head(tenant)
    await storage.save_hook_cursor(tenant, hook.id, Stream.EVENTS, HookCursor(head.epoch, number))
    await storage.save_hook(hook)


async def due(
    storage: HookStorage, clock: Clock, tenant: str = "contoso", stream: Stream = Stream.EVENTS
) -> HookCursor:
    """The cursor; and the clock is where its batch is due."""
    cursor = await storage.hook_cursor(tenant, HOOK.id, stream)
    assert cursor is not None
    if cursor.due:
        clock.now = max(clock.now, clock.now.fromisoformat(cursor.due)) + timedelta(seconds=1)
    return cursor
