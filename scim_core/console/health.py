"""How a customer is: what somebody who supports customers wants to know before they ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scim_core.access.ending import ending
from scim_core.clock import instant_text
from scim_core.feed.mass_changes import MassChange
from scim_core.registry import Tenant, TenantState
from scim_core.storage.feed_port import Attempt, AttemptOutcome, Losses, MovedFeed

SILENT_DAYS = 2
"""Days without a sign after which a customer counts as silent. Entra calls every 40 minutes, Okta on a change only."""

WAITS = timedelta(minutes=10)
"""Changes that wait for longer have no timer that looks after them: it runs each minute."""

COUNTED = 500
"""Attempts of the last day that are counted for a customer. More are shown as `500+`."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that somebody should look at. `kind` is bad, warn or quiet."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class HoldState:
    """The people whom a customer has lost within an hour, whether that is a mass change, and what is held for it.

    `since` is when further deactivations and deletions began to be held (UTC text); empty if they are not.
    """

    losses: Losses
    mass: MassChange | None
    since: str


@dataclass(frozen=True, slots=True)
class Customer:
    """A tenant with what is known of its last days. `refused` and `ignored` are counts of the last day.

    `last` is the newest sign of it: an instant, or a day if only a credential was used. `number` is the feed's newest.
    `hold` is what is known of the people whom it has lost.
    """

    tenant: Tenant
    number: int
    last: str
    refused: int
    ignored: int
    concerns: Sequence[Concern]
    hold: HoldState

    @property
    def state(self) -> str:
        """The word for its state."""
        return "deleted" if self.tenant.deleted else str(self.tenant.state)


def customer_of(
    tenant: Tenant, moved: MovedFeed | None, attempts: Sequence[Attempt], hold: HoldState, now: datetime
) -> Customer:
    """The customer; `attempts` are those of the last day."""
    refused = sum(item.outcome is AttemptOutcome.REFUSED for item in attempts)
    ignored = sum(item.outcome is AttemptOutcome.IN_PART for item in attempts)
    signs = [moved.time if moved else "", *(instant_text(item.at) for item in attempts[-1:])]
    last = max([*signs, *(item.last_used for item in tenant.credentials)])
    number = moved.number if moved else 0
    concerns = (*_of_hold(hold), *_concerns(tenant, last, refused, now))
    return Customer(tenant, number, last, refused, ignored, concerns, hold)


def waits_too_long(waiting: Sequence[str], now: datetime) -> bool:
    """Whether the oldest change that waits for the relay is older than it should be."""
    return bool(waiting) and min(waiting) < instant_text(now - WAITS)


def counted(number: int) -> str:
    """A count of attempts, which ends at COUNTED."""
    return f"{number}+" if number >= COUNTED else str(number)


def _of_hold(hold: HoldState) -> list[Concern]:
    found = [Concern("bad", "deactivations are held")] if hold.since else []
    if hold.mass:
        found.append(Concern("bad", f"{hold.mass.count} active users left within an hour"))
    return found


def _concerns(tenant: Tenant, last: str, refused: int, now: datetime) -> list[Concern]:
    found = []
    if tenant.deleted or tenant.state is not TenantState.ACTIVE:
        found.append(Concern("warn", "deleted" if tenant.deleted else str(tenant.state)))
    good = [item for item in tenant.credentials if not item.fault(instant_text(now))]
    if tenant.credentials and not good:
        found.append(Concern("bad", "no credential is good"))
    soon = ending(tenant, now)
    if soon:
        found.append(Concern("warn", f"a credential ends on {soon[0].expires[:10]}"))
    if refused:
        found.append(Concern("warn", f"{counted(refused)} refused today"))
    silent = (now.date() - datetime.fromisoformat(last[:10]).date()).days if last else 0
    if silent >= SILENT_DAYS:
        found.append(Concern("quiet", f"silent for {silent} days"))
    if not last:
        found.append(Concern("quiet", "never seen"))
    return found
