"""Sends a batch that was claimed: one request, or a token after the other."""

from contextlib import nullcontext
from dataclasses import dataclass, replace

from scim_core.clock import Clock, Timer
from scim_core.feed.hooks.batches import Batch, Message
from scim_core.feed.hooks.packing import packed
from scim_core.feed.hooks.sending import Sender, Tried
from scim_core.master_key import MasterKey
from scim_core.storage.hook_port import Hook, HookCursor
from scim_core.traces import SpanKind, Tracer

RUN_SECONDS = 30
"""How long a batch of tokens goes on. Its last attempt ends long before the lease. Then what was taken is written."""


@dataclass(frozen=True, slots=True)
class SentBatch:
    """What became of a batch: how many of its messages were taken, and the last attempt.

    The cursor is where it would be if the message of this attempt had been claimed alone. What is behind it, up to the
    entry `known`, may have been sent by a process that has died. So it keeps the id under which it was claimed.
    """

    cursor: HookCursor
    taken: int
    attempt: Tried
    known: int


class Runs:
    """Signs with the master secret, and sends."""

    def __init__(self, sender: Sender, master: MasterKey, clock: Clock, timer: Timer, tracer: Tracer) -> None:
        self._sender = sender
        self._master = master
        self._clock = clock
        self._timer = timer
        self._tracer = tracer

    async def run(self, tenant: str, hook: Hook, batch: Batch, claimed: HookCursor, until: float) -> SentBatch:
        """Message after message is sent, until one is not taken, or the time is over. One is sent at least."""
        until = min(until, self._timer() + RUN_SECONDS)
        cursor, taken = replace(claimed, last=batch.messages[0].last), 0
        has_several = len(batch.messages) > 1
        async with self._sender.in_a_row() if has_several else nullcontext(self._sender) as sender:
            for message in batch.messages:
                if taken:  # the ones before are done, and this one is under way for the first time
                    cursor = replace(cursor, number=cursor.last, last=message.last, attempts=1)
                attempt = await self._sent(sender, tenant, hook, message, claimed.webhook_id)
                taken += attempt.taken
                if not attempt.taken or self._timer() >= until:
                    break
        known = claimed.last if claimed.attempts > 1 else cursor.last
        return SentBatch(cursor, taken, attempt, known)

    async def _sent(self, sender: Sender, tenant: str, hook: Hook, message: Message, webhook_id: str) -> Tried:
        """What became of one attempt: a span, linked to those of the requests. The receiver's address is not in it."""
        with self._tracer.span("send", SpanKind.PRODUCER) as span:
            span.note("scim.tenant", tenant)
            span.note("scim.hook.format", str(hook.format))
            span.note("scim.changes", len(message.trace_parents))
            for trace_parent in set(message.trace_parents):
                span.link(trace_parent)
            sent = packed(message, hook, webhook_id, self._master, self._clock())
            attempt = await sender.send(hook.url, sent.headers, sent.body)
            if not attempt.taken:
                span.failed("not taken")
            return attempt
