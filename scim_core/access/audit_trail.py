"""Makes the changes of one command of an operator, each with its entries in the audit chain and a line in the log."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from scim_core.access.audit import AuditEvent
from scim_core.audit_records import Actor, AuditEntry, AuditOutcome
from scim_core.clock import Clock, instant_text
from scim_core.registry import Credential, Overtaken, Registry, Tenant, changed_fields, field_values

MAX_ATTEMPTS = 40
"""How often a change is planned again because another one came between. Each time at least one other has succeeded."""

_SECRET = frozenset({"sha256", "setup_sha256", "setup_session"})
"""Fields whose values no record shows, because they are made of a secret. A record names them all the same."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What an operator does to a tenant or to one of its credentials. Without `before` it is new, without `after` gone.

    Without both, it is done to the tenant's directory. `method` is the operator's command.
    """

    event: str
    method: str
    tenant_id: str
    before: Tenant | Credential | None = None
    after: Tenant | Credential | None = None

    @property
    def credential(self) -> Credential | None:
        """The credential that it is about. None for a deed about the tenant."""
        item = self.after or self.before
        return item if isinstance(item, Credential) else None


type Alteration[T: Tenant | None] = tuple[Tenant | None, T, Sequence[Deed]]
"""The tenant as it was read, None for a new one; as it shall be, None to forget it; and what is recorded of it."""


class AuditTrail:
    """The trail of one command. `who` is asked once, before the first change: to know it can take a second."""

    def __init__(
        self, registry: Registry, who: Callable[[], Awaitable[Actor]], *, clock: Clock, correlation_id: str
    ) -> None:
        self._registry = registry
        self._who = who
        self._clock = clock
        self._correlation_id = correlation_id
        self._actor: Actor | None = None

    async def actor(self) -> Actor:
        """Who makes the changes of the command."""
        if self._actor is None:
            self._actor = await self._who()
        return self._actor

    async def alter[T: Tenant | None](self, attempt: Callable[[], Awaitable[Alteration[T]]]) -> T:
        """The alteration is made and recorded. If others were quicker, it is planned again from what is there then.

        Returns what it makes of the tenant. Raises what the plan raises, Taken, Gone, Unalterable, Overtaken.
        """
        for _ in range(MAX_ATTEMPTS):
            before, after, deeds = await attempt()
            entries = [await self._entry(deed, AuditOutcome.DONE) for deed in deeds]
            with suppress(Overtaken):
                await self._registry.alter(before, after, entries)
                self._log(deeds)
                return after
        raise Overtaken("Others are changing the registry all the time. Nothing is changed: run the command again.")

    @asynccontextmanager
    async def recorded(self, what: str, method: str, tenant_id: str) -> AsyncIterator[None]:
        """The block changes rows in many transactions. That it began is recorded before it, that it ended after it.

        Raises Overtaken: what was to be recorded is not.
        """
        await self._append(Deed(f"{what} began", method, tenant_id), AuditOutcome.BEGAN)
        try:
            yield
        except Exception:
            await self._append(Deed(f"{what} failed", method, tenant_id), AuditOutcome.FAILED)
            raise
        await self._append(Deed(f"{what} ended", method, tenant_id), AuditOutcome.DONE)

    @asynccontextmanager
    async def concluding(self, deed: Deed) -> AsyncIterator[AuditEntry]:
        """The entry of a deed whose last transaction the block makes. Its line is logged when the block has ended."""
        yield await self._entry(deed, AuditOutcome.DONE)
        self._log([deed])

    async def _append(self, deed: Deed, outcome: AuditOutcome) -> None:
        for _ in range(MAX_ATTEMPTS):
            with suppress(Overtaken):
                await self._registry.append([await self._entry(deed, outcome)])
                self._log([deed])
                return
        raise Overtaken(f"Others are changing the registry all the time: {deed.event!r} is not recorded.")

    async def _entry(self, deed: Deed, outcome: AuditOutcome) -> AuditEntry:
        actor = await self.actor()
        before = field_values(deed.before) if deed.after is None else changed_fields(deed.after, deed.before)
        after = changed_fields(deed.before, deed.after)
        is_same = deed.before is not None and not before and not after
        return AuditEntry(
            time=instant_text(self._clock()),
            event=deed.event,
            method=deed.method,
            tenant=deed.tenant_id,
            credential=deed.credential.id if deed.credential else "",
            label=deed.credential.label if deed.credential else "",
            changed=" ".join(sorted(before.keys() | after.keys())),
            before=_shown(before),
            after=_shown(after),
            outcome=str(AuditOutcome.UNCHANGED if is_same else outcome),
            correlation_id=self._correlation_id,
            **asdict(actor),
        )

    def _log(self, deeds: Sequence[Deed]) -> None:
        for deed in deeds:
            label = deed.credential.label if deed.credential else ""
            AuditEvent(deed.event, deed.method, self._correlation_id, deed.tenant_id, label).record(logging.INFO)


def _shown(values: dict[str, Any]) -> str:
    """The values as JSON, without empty ones and without those made of a secret."""
    shown = {name: value for name, value in values.items() if name not in _SECRET and value != ""}
    return json.dumps(shown, sort_keys=True) if shown else ""
