"""Delivers: each hook has each tenant's events in order, at least once, or is told that some are missing.

All state is in rows. A batch gets its range and its webhook-id, and the process a lease of it, in one write before it
is sent. So a process that dies leaves a batch that another one sends again as it was. Every write demands the state
that was read: of two processes one goes on. What a task logs after an answer is dropped, so outcomes are in the rows,
and the timer counts them.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta
from itertools import batched
from math import inf

from scim_core.caches import Fresh
from scim_core.clock import Clock, Timer, instant_text
from scim_core.feed.feed import Importing, Resync
from scim_core.feed.hooks import schedule
from scim_core.feed.hooks.batches import Batch, Batches, CatalogueOf, resync, to_resync
from scim_core.feed.hooks.runs import Runs, SentBatch
from scim_core.feed.hooks.sending import SEND_SECONDS, Sender
from scim_core.master_key import MasterKey
from scim_core.model import Json
from scim_core.storage.hook_port import ALL_TENANTS, DeadBatch, Hook, HookCursor, HookFormat, HookStorage, Stream
from scim_core.storage.port import StorageError, VersionConflict
from scim_core.traces import NO_TRACER, ROOT, SpanKind, Tracer
from scim_core.work import Pause

LEASE = timedelta(seconds=4 * SEND_SECONDS)
"""How long a batch belongs to the process that sends it. An attempt ends long before, also if clocks differ."""

SOON_SECONDS = 10
"""A repetition that is due within this time is made by the same process. Others are the timer's."""

TURN_SECONDS = 45
"""How long one turn of the timer, or what follows an answer, begins new attempts."""

ALL_SECONDS = 3600
"""How often all tenants are looked at: a death that left one unnamed is rare, and the look costs calls."""

TENANTS_AT_ONCE = 16
"""Tenants to whose hooks one turn delivers at the same time."""

KNOWN_SECONDS = 30
"""How long a process believes what hooks there are."""

YOUNG = timedelta(minutes=3)
"""How long the timer looks at all tenants of a new hook: a process that does not know of it sends nothing to it. This
is longer than KNOWN_SECONDS and the minute of the timer together, also if clocks differ.
"""

BLOCKED_ATTEMPTS = 4
"""After so many failures, some 35 minutes, a hook counts as blocked."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was done: batches, or tokens, that were taken, attempts that failed, batches that died.

    `blocked` streams have failed BLOCKED_ATTEMPTS times, or must tell of missing entries, or met an error that nobody
    expected: `broken` names the hook, the tenant and the kind of the error. `left` have something to do.
    """

    taken: int = 0
    failed: int = 0
    dead: int = 0
    blocked: int = 0
    left: int = 0
    broken: tuple[str, ...] = ()

    def __add__(self, other: "Delivered") -> "Delivered":
        """Both."""
        return Delivered(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class _Step:
    """What became of one look at a stream: what was done, and in how many seconds to look again; None: not here."""

    done: Delivered = Delivered()
    again: float | None = None


_AT_REST = _Step()
_LEFT = _Step(Delivered(left=1))


class Hooks:
    """The hooks of a deployment. Without a master secret nothing can be signed, so nothing is sent."""

    def __init__(
        self,
        storage: HookStorage,
        catalogue_of: CatalogueOf,
        sender: Sender,
        master: MasterKey | None,
        *,
        clock: Clock,
        timer: Timer,
        new_id: Callable[[], str],
        pause: Pause,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._storage = storage
        self._batches = Batches(storage, catalogue_of)
        self._runs = Runs(sender, master, clock, timer, tracer) if master else None
        self._master = master
        self._clock = clock
        self._timer = timer
        self._new_id = new_id
        self._pause = pause
        self._tracer = tracer
        self._all_after = -inf
        self._put_off = frozenset[str]()
        self._known: Fresh[str, list[Hook]] = Fresh(1, KNOWN_SECONDS)
        self._keys: Fresh[str, list[Json]] = Fresh(1, KNOWN_SECONDS)

    async def deliver(self, tenant: str) -> Delivered:
        """What is due of this tenant is sent to its hooks. What fails is left to the timer. Raises StorageBusy."""
        return await self._deliver(tenant, self._timer() + TURN_SECONDS)

    async def marked(self) -> list[str]:
        """The tenants with something to deliver. Rows say so from now on, until it is delivered.

        At first and then once an hour these are all tenants, for what a death left unnamed. All tenants of a new hook
        are among them, for what is changed by processes that do not know of it yet. Raises StorageBusy.
        """
        self._known = Fresh(1, KNOWN_SECONDS)
        hooks = await self._hooks()
        if not hooks:
            return []
        tenants = await self._storage.tenants_to_deliver()
        are_all = self._timer() >= self._all_after
        grown_up = instant_text(self._clock() - YOUNG)
        looked_at = hooks if are_all else [hook for hook in hooks if hook.since > grown_up]
        if looked_at:
            tenants += [moved.tenant for moved in await self._storage.moved_feeds() if _of(looked_at, moved.tenant)]
        found = [tenant for tenant in dict.fromkeys(tenants) if _of(hooks, tenant)]
        for some in batched(found, TENANTS_AT_ONCE, strict=False):
            await asyncio.gather(*(self._storage.mark_due(tenant, self._now()) for tenant in some))
        if are_all:
            self._all_after = self._timer() + ALL_SECONDS
        return found

    async def turn(self, tenants: Collection[str]) -> Delivered:
        """What is due of these tenants is sent. A timer asks for this each minute.

        Those that one turn does not reach are the first of the next.
        """
        until, permits, put_off = self._timer() + TURN_SECONDS, asyncio.Semaphore(TENANTS_AT_ONCE), set[str]()

        async def one(tenant: str) -> Delivered:
            async with permits:
                if self._timer() >= until:
                    put_off.add(tenant)
                try:
                    return await self._deliver(tenant, until)
                except StorageError:
                    return Delivered(left=1)

        in_order = sorted(tenants, key=lambda tenant: tenant not in self._put_off)
        done = sum(await asyncio.gather(*map(one, in_order)), Delivered())
        self._put_off = frozenset(put_off)
        return done

    async def key_set(self) -> Json:
        """The keys that verify the security event tokens of all hooks (RFC 7517 section 5). Raises StorageBusy.

        Anybody may ask. So they are computed once for as long as hooks are believed.
        """
        known = self._keys.get("", self._timer())
        if known is None:
            known = (await self._public_keys(self._master) if self._master else [],)
            self._keys.put("", known[0], self._timer())
        return {"keys": known[0]}

    @property
    def can_sign(self) -> bool:
        """Whether there is a master secret."""
        return self._master is not None

    async def _deliver(self, tenant: str, until: float) -> Delivered:
        hooks = _of(await self._hooks(), tenant)
        if not hooks or self._runs is None or self._timer() >= until:
            return Delivered(left=len(hooks))
        with self._tracer.span("deliver", SpanKind.INTERNAL, parent=ROOT) as span:
            span.note("scim.tenant", tenant)
            due = await self._storage.mark_due(tenant, self._now())
            streams = (self._stream(tenant, hook, stream, self._runs, until) for hook in hooks for stream in Stream)
            done = sum(await asyncio.gather(*streams), Delivered())
            if not done.left:
                await self._storage.clear_due(due)
            span.note("scim.batches.taken", done.taken)
            span.note("scim.batches.failed", done.failed)
        return done

    async def _public_keys(self, master: MasterKey) -> list[Json]:
        keys: list[Json] = []
        for hook in [hook for hook in await self._hooks() if hook.format is HookFormat.SET]:
            from scim_core.feed.hooks import tokens  # noqa: PLC0415 -- PyJWT is imported only where a hook needs it

            keys += tokens.public_keys(master, hook, self._clock())
            await asyncio.sleep(0)  # there may be many hooks
        return keys

    async def _hooks(self) -> list[Hook]:
        now = self._timer()
        known = self._known.get("", now)
        if known is not None:
            return known[0]
        found = [hook for hook in await self._storage.hooks() if not hook.disabled]
        self._known.put("", found, now)
        return found

    async def _stream(self, tenant: str, hook: Hook, stream: Stream, runs: Runs, until: float) -> Delivered:
        """Batch after batch, until nothing is left, or an attempt has to wait, or the time is over."""
        done = Delivered()
        while True:
            try:
                step = await self._step(tenant, hook, stream, runs, until)
            except VersionConflict:  # another process sends this one
                step = _LEFT
            except StorageError:
                step = _LEFT
            except Exception as error:  # noqa: BLE001 -- one tenant's rows keep nothing from others; the timer logs it
                broken = f"hook {hook.id} of {tenant}: {type(error).__name__}"
                step = _Step(Delivered(blocked=1, left=1, broken=(broken,)))
            if step.again is None:
                return done + step.done
            if self._timer() + step.again >= until:
                return done + step.done + Delivered(left=1)
            done += step.done
            if step.again:
                await self._pause(step.again)

    async def _step(self, tenant: str, hook: Hook, stream: Stream, runs: Runs, until: float) -> _Step:
        cursor = await self._cursor(tenant, hook, stream)
        if cursor is None or cursor.stopped:
            return _AT_REST
        if max(cursor.lease, cursor.due) > self._now():
            return self._waiting(cursor)
        try:
            batch = await self._batch(tenant, hook, stream, cursor)
        except Importing:
            return _LEFT
        except Resync:
            head = await self._storage.feed_head(tenant)
            missing = to_resync(cursor, head.epoch, head.next - 1, self._webhook_id())
            await self._storage.save_hook_cursor(tenant, hook.id, stream, replace(missing, time=self._now()))
            return _Step(again=0)
        if batch is None:
            if stream is Stream.REPLAY:
                await self._storage.end_replay(tenant, hook.id, cursor)
            return _AT_REST
        now = self._clock()
        claimed = replace(
            cursor,
            last=batch.last,
            webhook_id=cursor.webhook_id or self._webhook_id(),
            attempts=cursor.attempts + 1,
            lease=instant_text(now + LEASE),
            time=instant_text(now),
        )
        claimed = await self._storage.save_hook_cursor(tenant, hook.id, stream, claimed)
        run = await runs.run(tenant, hook, batch, claimed, until)
        return await self._settled(tenant, hook, stream, run)

    async def _cursor(self, tenant: str, hook: Hook, stream: Stream) -> HookCursor | None:
        """How far the stream has come. A tenant that is newer than the hook begins with its first entry.

        None: there is no such stream, or no hook any more, or no feed, as of a tenant that is deleted. Then no row is
        written.
        """
        found = await self._storage.hook_cursor(tenant, hook.id, stream)
        if found is not None or stream is Stream.REPLAY:
            return found
        if hook.id not in {known.id for known in await self._storage.hooks() if not known.disabled}:
            return None
        await self._storage.relay(tenant)
        if tenant not in {moved.tenant for moved in await self._storage.moved_feeds()}:
            return None
        head = await self._storage.feed_head(tenant)
        return HookCursor(head.epoch, head.first - 1)

    async def _batch(self, tenant: str, hook: Hook, stream: Stream, cursor: HookCursor) -> Batch | None:
        if cursor.resync:
            return resync(tenant, hook, stream, cursor, self._now())
        return await self._batches.of(tenant, hook, stream, cursor)

    async def _settled(self, tenant: str, hook: Hook, stream: Stream, run: SentBatch) -> _Step:
        """What the run has changed is in the rows."""
        now, cursor, attempt = self._clock(), run.cursor, run.attempt
        after, dead = _after(hook, stream, run, now, new_webhook_id=self._webhook_id)
        if attempt.gone:
            await self._storage.save_hook(replace(hook, disabled=f"{attempt.outcome} on {instant_text(now)[:10]}"))
            self._known = Fresh(1, KNOWN_SECONDS)
        after = await self._storage.save_hook_cursor(tenant, hook.id, stream, after, dead)
        done = Delivered(taken=run.taken, failed=int(not attempt.taken), dead=int(dead is not None))
        if attempt.taken and cursor.resync and stream is Stream.REPLAY:
            await self._storage.end_replay(tenant, hook.id, after)
            return _Step(done)
        if attempt.gone or after.stopped:
            return _Step(done)
        if attempt.taken or dead:
            return _Step(done, again=0)
        waiting = self._waiting(after)
        return _Step(done + waiting.done, waiting.again)

    def _waiting(self, cursor: HookCursor) -> _Step:
        """The batch is another process's, or has to wait."""
        blocked = int(cursor.resync or cursor.attempts >= BLOCKED_ATTEMPTS)
        seconds = (datetime.fromisoformat(cursor.due) - self._clock()).total_seconds() if cursor.due else 0
        if cursor.lease <= self._now() and 0 < seconds <= SOON_SECONDS:
            return _Step(again=seconds)
        return _Step(Delivered(blocked=blocked, left=1))

    def _webhook_id(self) -> str:
        return f"msg_{self._new_id()}"

    def _now(self) -> str:
        return instant_text(self._clock())


def _of(hooks: Collection[Hook], tenant: str) -> list[Hook]:
    return [hook for hook in hooks if hook.tenant in (ALL_TENANTS, tenant)]


def _after(
    hook: Hook, stream: Stream, run: SentBatch, now: datetime, *, new_webhook_id: Callable[[], str]
) -> tuple[HookCursor, DeadBatch | None]:
    """The cursor after an attempt; and the batch, if this was its last one."""
    cursor, attempt = run.cursor, run.attempt
    told = replace(cursor, lease="", outcome=attempt.outcome, time=instant_text(now))
    if attempt.taken:
        return _taken(told, run.known), None
    if attempt.gone:
        return replace(told, last=run.known), None
    if cursor.resync or hook.format is HookFormat.DOORBELL:  # the next doorbell says all that this one would have said
        return replace(told, due=instant_text(schedule.at_last(cursor.webhook_id, cursor.attempts, now))), None
    again = schedule.next_attempt(cursor.webhook_id, cursor.attempts, now)
    if again is not None:
        return replace(told, last=run.known, due=instant_text(again)), None
    if stream is Stream.REPLAY:
        return replace(told, stopped=True), None
    dead = DeadBatch(cursor.epoch, cursor.number + 1, cursor.last, told.time, attempt.outcome)
    missing = to_resync(told, cursor.epoch, cursor.last, new_webhook_id())
    if run.known > cursor.last:
        missing = replace(missing, known=run.known, known_id=cursor.webhook_id)
    return missing, dead


def _taken(told: HookCursor, known: int) -> HookCursor:
    """The cursor after what was taken. What is behind it up to the entry `known` keeps its id, also behind a resync."""
    done = replace(told, number=told.last, due="", resync=False, known=0, known_id="")
    if told.last < known:
        return replace(done, last=known, attempts=1)
    return replace(done, last=told.known, webhook_id=told.known_id, attempts=1 if told.known_id else 0)
