"""The pages that are looked at: each handler asks, and says which template shows the answer with which values."""

import asyncio
from datetime import datetime
from typing import Any

from scim_core.access.ending import ending
from scim_core.clock import Clock, instant_text
from scim_core.console.health import HoldState, counted, waits_too_long
from scim_core.console.reading import CUSTOMERS_SHOWN, SEARCHED_CUSTOMERS, Reading, former_name
from scim_core.console.routes import Ask, address
from scim_core.console.timeline import lines, readable
from scim_core.feed.finding import MAX_FOUND, FoundResource
from scim_core.feed.log import DAYS, Event
from scim_core.ids import is_id
from scim_core.messages import HttpError, ScimResponse
from scim_core.pages.answers import see_other
from scim_core.pages.rendering import Pages
from scim_core.registry import Access, Tenant
from scim_core.storage.feed_port import LOSS_PART

LINES_SHOWN = 200
"""Lines of a timeline on one page: the newest."""

MAX_TEXT = 200
"""Longest text that is looked for."""

PEOPLE_SHOWN = 50
"""People whose deactivation was put off that a page names: as many as it reads names of."""

STATE = ("displayName", "externalId", "emails")
"""What is shown of a resource, after its name. No other value of a document gets into a page."""

SPANS = {"1": 1, "7": DAYS, "30": 30}
"""How many days back refusals are looked for, by the value in the address."""


class Views:
    """The pages. `acts` says whether this console can change anything at all."""

    def __init__(self, reading: Reading, pages: Pages, clock: Clock, *, acts: bool) -> None:
        self.reading = reading
        self._pages = pages
        self._clock = clock
        self._acts = acts

    @property
    def now(self) -> str:
        """This instant (UTC text)."""
        return instant_text(self._clock())

    async def home(self, ask: Ask) -> ScimResponse:
        """Whom do you look for? Below it, the customers with their health: those of a text, from an id on."""
        every = await self.reading.tenants()
        text, after = _text(ask, "customers"), ask.query.get("after", "")
        fitting = [item for item in every if text.casefold() in f"{item.id} {item.display_name}".casefold()]
        rest = [item for item in fitting if item.id > after]
        shown = await self.reading.customers(rest)
        more = rest[CUSTOMERS_SHOWN - 1].id if len(rest) > CUSTOMERS_SHOWN else ""
        return self.answer(ask, "home.html", customers=shown, every=every, text=text, total=len(fitting), more=more)

    async def find(self, ask: Ask) -> ScimResponse:
        """Whom a text finds: with one customer, or with all if they are few. The page of who is found alone."""
        text, every = _text(ask, "q"), await self.reading.tenants()
        chosen = _text(ask, "tenant")
        among = (
            [item for item in every if chosen.casefold() in (item.id, item.display_name.casefold())]
            if chosen
            else every
        )
        too_many = len(among) > SEARCHED_CUSTOMERS
        found: list[tuple[Tenant, FoundResource]] = []
        if text and not too_many:
            for tenant, some in zip(
                among, await asyncio.gather(*(self.reading.find(item, text) for item in among)), strict=True
            ):
                found += [(tenant, item) for item in some]
        if len(found) == 1:
            tenant, item = found[0]
            return see_other(address("customers", tenant.id, "resources", item.id))
        refused: list[tuple[Tenant, Event]] = []
        if text and not found and not too_many:
            for tenant, events in zip(
                among, await asyncio.gather(*(self.reading.log.unknown(item.id, text) for item in among)), strict=True
            ):
                refused += [(tenant, item) for item in events[-MAX_FOUND:]]
        return self.answer(
            ask,
            "find.html",
            text=text,
            chosen=chosen,
            every=every,
            among=among,
            too_many=too_many,
            found=found,
            refused=[(tenant, lines([item])[0]) for tenant, item in refused],
            most=MAX_FOUND,
            days=DAYS,
        )

    async def customer(self, ask: Ask) -> ScimResponse:
        """One customer at a glance."""
        tenant = await self._tenant(ask)
        customer, causes, feed = await asyncio.gather(
            self.reading.customer(tenant), self.reading.log.refusals(tenant.id), self.reading.feed(tenant)
        )
        return self.answer(
            ask,
            "customer.html",
            tenant=tenant,
            customer=customer,
            causes=causes[:3],
            more=max(0, len(causes) - 3),
            feed=feed,
            late=waits_too_long(feed.waiting, self._clock()),
            counted=counted,
            link=_link_state(tenant, instant_text(self._clock())),
        )

    async def resource(self, ask: Ask) -> ScimResponse:
        """The timeline of a person, or the history of a group. With `why`: why both are together, or not."""
        tenant = await self._tenant(ask)
        found = await self.reading.located(tenant, ask.segments["id"])
        person = await self.reading.log.person(tenant.id, found)
        shown = lines(person.events)
        named = [
            item for line in shown[:LINES_SHOWN] for item in (line.event.group, *line.event.joined, *line.event.left)
        ]
        names = await self.reading.names(tenant, [*person.groups, *named])
        document = found.stored.document if found.stored else {}
        return self.answer(
            ask,
            "group.html" if self.reading.has_members(found) else "person.html",
            tenant=tenant,
            found=found,
            state=[(name, readable(document[name])) for name in STATE if name in document],
            active=document.get("active"),
            groups=list(person.groups),
            names=names,
            former=former_name(person.events),
            lines=shown[:LINES_SHOWN],
            more=max(0, len(shown) - LINES_SHOWN),
            **await self._why(ask, tenant, found),
        )

    async def refusals(self, ask: Ask) -> ScimResponse:
        """What was refused or ignored, by cause, each with the sentence for the customer."""
        tenant = await self._tenant(ask)
        span = ask.query.get("days", str(DAYS))
        if span not in SPANS:
            raise HttpError(400, "Say 1, 7 or 30 days.")
        causes = await self.reading.log.refusals(tenant.id, self.reading.log.days_ago(SPANS[span]))
        names = await self.reading.names(tenant, [item.example for item in causes if is_id(item.example)])
        return self.answer(
            ask, "refusals.html", tenant=tenant, causes=causes, names=names, is_id=is_id, span=span, spans=list(SPANS)
        )

    async def feed(self, ask: Ask) -> ScimResponse:
        """How far the feed and its hooks have come."""
        tenant = await self._tenant(ask)
        feed = await self.reading.feed(tenant)
        readers = [item for item in tenant.credentials if item.access is Access.FEED]
        late = waits_too_long(feed.waiting, self._clock())
        return self.answer(ask, "feed.html", tenant=tenant, feed=feed, late=late, readers=readers)

    async def credentials(self, ask: Ask) -> ScimResponse:
        """The ways in: until when, last used when, and from where."""
        tenant, now = await self._tenant(ask), self._clock()
        soon = ending(tenant, now)
        shown = [(item, item.fault(instant_text(now)), item in soon) for item in tenant.credentials]
        return self.answer(
            ask, "credentials.html", tenant=tenant, credentials=sorted(shown, key=lambda item: bool(item[1]))
        )

    async def live(self, ask: Ask) -> ScimResponse:
        """The newest changes and refusals. A little script asks for this page again every two seconds."""
        tenant = await self._tenant(ask)
        shown = lines(await self.reading.tail(tenant))
        names = await self.reading.names(
            tenant, [item for line in shown for item in (line.event.resource, line.event.group)]
        )
        return self.answer(ask, "live.html", tenant=tenant, lines=shown, names=names)

    async def mass_changes(self, ask: Ask) -> ScimResponse:
        """Whom the customer has lost within an hour, whether deactivations are held, and whose were put off."""
        tenant = await self._tenant(ask)
        hold = await self.reading.hold(tenant)
        put_off = await self.reading.put_off(tenant, hold.since) if hold.since else []
        people = list(dict.fromkeys(item.id for item in reversed(put_off) if item.id))
        names = await self.reading.names(tenant, people[:PEOPLE_SHOWN])
        return self.answer(
            ask,
            "mass_changes.html",
            tenant=tenant,
            hold=hold,
            put_off=sum(1 + item.others for item in put_off),
            people=people,
            shown=PEOPLE_SHOWN,
            names=names,
            limits=self.reading.limits,
            lost=hold.losses.within(self._clock()),
            window=_window(tenant, hold),
            free=hold.losses.free_until > instant_text(self._clock()),
        )

    def answer(self, ask: Ask, template: str, status: int = 200, **values: Any) -> ScimResponse:
        """The page, with what every page of the console has."""
        can_act = self._acts and ask.visitor.role == "operator"
        return self._pages.answer(
            template, status, me=ask.visitor, can_act=can_act, csrf=ask.visitor.csrf, page=ask.handler, **values
        )

    async def _tenant(self, ask: Ask) -> Tenant:
        return await self.reading.tenant(ask.segments["tenant"])

    async def _why(self, ask: Ask, tenant: Tenant, found: FoundResource) -> dict[str, Any]:
        """Why the resource of the page and the one that was asked about are together, or not."""
        asked = _text(ask, "why")
        holds = self.reading.has_members(found)
        candidates = await self.reading.find(tenant, asked) if asked else []
        candidates = [item for item in candidates if self.reading.has_members(item) != holds]
        verdict = line = None
        if len(candidates) == 1:
            user, group = (candidates[0], found) if holds else (found, candidates[0])
            verdict = await self.reading.log.why(tenant.id, user, group)
            line = lines([verdict.event])[0] if verdict.event else None
        return {"asked": asked, "holds": holds, "candidates": candidates, "verdict": verdict, "verdict_line": line}


def _link_state(tenant: Tenant, now: str) -> str:
    """What became of the customer's setup link, in one word: none, revoked, ended, opened, waits."""
    link = tenant.setup
    if not link.sha256:
        return "none"
    if not link.is_open(now):
        return "revoked" if link.revoked else "ended"
    return "opened" if link.opened else "waits"


def _window(tenant: Tenant, hold: HoldState) -> dict[str, str]:
    """What to ask an undo for: the time of the losses, and the credential that most of them are by, if it is known."""
    counts = hold.losses.counts
    if not counts:
        return {}
    until = datetime.fromisoformat(max(item.part for item in counts)) + LOSS_PART
    by = [item.id for item in tenant.credentials if hold.mass and hold.mass.credential.endswith(f" {item.id}")]
    return {"from": min(item.part for item in counts), "to": instant_text(until), "by": "".join(by)}


def _text(ask: Ask, name: str) -> str:
    """A text of the address. Raises HttpError 400 for one that is too long."""
    text = ask.query.get(name, "").strip()
    if len(text) > MAX_TEXT:
        raise HttpError(400, f"A text has at most {MAX_TEXT} characters.")
    return text
