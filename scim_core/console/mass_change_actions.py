"""The pages by which an operator ends a mass change: hold it, release it, put back whom it took away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scim_core.clock import instant_in
from scim_core.console.acting import Acting
from scim_core.console.deeds import UNDONE_AT_ONCE, require_registered
from scim_core.console.routes import Ask, address
from scim_core.console.views import MAX_TEXT
from scim_core.feed.mass_changes import RELEASED_HOURS
from scim_core.messages import HttpError, ScimResponse
from scim_core.pages.answers import see_other
from scim_core.registry import Tenant
from scim_core.service.losses import LEFT_ALONE, Chosen, Fate
from scim_core.service.undo_results import DEACTIVATED, DELETED, LOST_MEMBERS, Loss, Undone

LISTED = 100
"""People of one kind that a page of an undo lists. Of more, the number is told: nobody reads thousands of lines."""

_AGAIN = {DEACTIVATED: "active again", DELETED: "there again", LOST_MEMBERS: "complete again"}
"""What becomes of who was lost so, and of groups that have lost members."""

_HOLD = {"on": True, "off": False}


@dataclass(frozen=True, slots=True)
class ShownFate:
    """People with one fate, and what the page says of them. It lists the first LISTED of them."""

    title: str
    losses: Sequence[Loss]
    with_reason: bool = False


@dataclass(frozen=True, slots=True)
class ShownUndo:
    """What a page tells of an undo. `as_before` are back already; if they were deleted, it looks at their memberships.

    `left` are still to be put back, `after` is for the next press. `goes_on`: there is something to press for.
    """

    kinds: Sequence[ShownFate]
    as_before: int
    left: int
    memberships: int
    after: str
    goes_on: bool


class MassChangeActions(Acting):
    """These pages."""

    async def confirm_release(self, ask: Ask) -> ScimResponse:
        """What a release does, and the form that does it."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        hold = await self.reading.hold(tenant)
        return self.views.answer(
            ask, "release.html", tenant=tenant, hold=hold, hours=RELEASED_HOURS, form=ask.request.path
        )

    async def release(self, ask: Ask) -> ScimResponse:
        """Deactivations and deletions go on."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        await self.deeds.release(ask.visitor, tenant)
        return see_mass_changes(tenant)

    async def confirm_hold(self, ask: Ask) -> ScimResponse:
        """What it does to switch hold on or off, and the form that does it."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        require_registered(tenant)
        return self.views.answer(ask, "hold.html", tenant=tenant, form=ask.request.path)

    async def switch_hold(self, ask: Ask) -> ScimResponse:
        """Hold is on or off, as the page said: a second press changes nothing."""
        hold = _HOLD.get(ask.fields.get("hold", ""))
        if hold is None:
            raise HttpError(400, "Say whether hold is to be on or off.")
        tenant = await self.reading.tenant(ask.segments["tenant"])
        await self.deeds.switch_hold(ask.visitor, tenant, hold=hold)
        return see_mass_changes(tenant)

    async def confirm_undo(self, ask: Ask) -> ScimResponse:
        """When was it, and by which credential? Then: whom an undo would put back, and the form that does it."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        is_asked = ask.query.get("from") or ask.query.get("to")
        chosen = _until_now(_chosen(ask.query), self.views.now) if is_asked else None
        found = await self.deeds.look(tenant, chosen) if chosen else None
        return self._answer(ask, tenant, chosen, found, done=False)

    async def undo(self, ask: Ask) -> ScimResponse:
        """Some are put back; the same form goes on with the others."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        chosen = _chosen(ask.fields)
        if chosen.until > self.views.now:
            raise HttpError(400, "This time ends later than now. Look first: the list shows whom you put back.")
        found = await self.deeds.undo(ask.visitor, tenant, chosen, ask.fields.get("after", ""))
        return self._answer(ask, tenant, chosen, found, done=True)

    def _answer(
        self, ask: Ask, tenant: Tenant, chosen: Chosen | None, found: Undone | None, *, done: bool
    ) -> ScimResponse:
        return self.views.answer(
            ask,
            "undo.html",
            tenant=tenant,
            chosen=chosen,
            told=found and _told(found, done=done),
            done=done,
            most=UNDONE_AT_ONCE,
            listed=LISTED,
            form=ask.request.path,
        )


def see_mass_changes(tenant: Tenant) -> ScimResponse:
    """The browser goes to the page of the customer's mass changes."""
    return see_other(address("customers", tenant.id, "mass-changes"))


def _chosen(given: Mapping[str, str]) -> Chosen:
    """What the fields say. Raises HttpError 400."""
    texts = [given.get(name, "").strip() for name in ("from", "to", "by")]
    if max(map(len, texts)) > MAX_TEXT:
        raise HttpError(400, f"A text has at most {MAX_TEXT} characters.")
    try:
        since, until = map(instant_in, texts[:2])
    except ValueError:
        raise HttpError(400, "Say from when and to when, in UTC, such as 2026-11-26T09:00.") from None
    if since >= until:
        raise HttpError(400, "The time must begin before it ends.")
    return Chosen(since, until, texts[2])


def _until_now(chosen: Chosen, now: str) -> Chosen:
    """What is listed now, and nothing that comes later: the form holds this instant. Raises HttpError 400."""
    if chosen.since >= now:
        raise HttpError(400, "This time has not begun yet.")
    return replace(chosen, until=min(chosen.until, now))


def _told(found: Undone, *, done: bool) -> ShownUndo:
    """What the page tells of it."""
    reached = [loss for loss in found.losses if loss.fate is (Fate.UNDONE if done else Fate.TO_UNDO)]
    alone = [loss for loss in found.losses if loss.fate in LEFT_ALONE]
    back = [loss for loss in found.losses if loss.fate is Fate.AS_BEFORE]
    kinds = [(again, [loss for loss in reached if loss.what == what]) for what, again in _AGAIN.items()]
    shown = [
        ShownFate(f"{len(some)} {_are(some) if done else 'will be'} {again}", some) for again, some in kinds if some
    ]
    shown += [ShownFate(f"{len(alone)} {_are(alone)} left alone", alone, with_reason=True)] if alone else []
    kept = any(loss.memberships for loss in back if loss.what == DELETED)
    return ShownUndo(
        kinds=shown,
        as_before=len(back),
        left=found.left,
        memberships=found.memberships,
        after=found.after,
        goes_on=bool(found.left or found.after or (kept and not done)),
    )


def _are(some: Sequence[Loss]) -> str:
    return "is" if len(some) == 1 else "are"
