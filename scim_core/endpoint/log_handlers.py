"""The handlers of the provisioning log: questions of people who support customers, for the support tool of a vendor.

They only read. A question costs at most 20 calls of the storage, whatever the size of the directory.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from scim_core.clock import Clock
from scim_core.endpoint.feed_handlers import number_parameter
from scim_core.endpoint.handlers import Call
from scim_core.endpoint.rendering import encoded
from scim_core.endpoint.routes import LOG
from scim_core.feed.causes import Meant
from scim_core.feed.finding import FoundResource, logged_type
from scim_core.feed.log import DAYS, Event, Log
from scim_core.feed.log_pages import MAX_EVENTS, LogPage, LogPages
from scim_core.ids import is_id
from scim_core.messages import HttpError, ScimResponse
from scim_core.model import GROUP, Json
from scim_core.protocol.costs import json_units, read_units
from scim_core.protocol.schemas import USER, Catalogue
from scim_core.storage.feed_port import FeedStorage

MAX_TEXT_CHARACTERS = 200
"""Longest text that is looked for. Names have fewer, and an attempt keeps no more of one."""

LOG_HANDLERS = frozenset(f"log_{name}" for name in LOG)
"""The handlers of this module, as the route table names them."""

_NOBODY = "Nobody of this id is here, and the log knows of none who was."


class LogHandlers:
    """Runs the handler of a route of the log. Each name in LOG_HANDLERS is a method here."""

    def __init__(self, storage: FeedStorage, catalogue: Catalogue, clock: Clock) -> None:
        self._storage = storage
        self._catalogue = catalogue
        self._clock = clock
        self._meant = Meant(catalogue)

    async def run(self, call: Call) -> ScimResponse:
        """The answer to the call. Raises what its handler raises."""
        handler: Callable[[Call], Awaitable[ScimResponse]] = getattr(self, call.target.handler)
        return await handler(call)

    async def log_people(self, call: Call) -> ScimResponse:
        """GET /log/v1/people: whom a text finds; if nobody, whose creation was refused under this name."""
        text = _text(call, "text")
        found = await self._log(call).find(call.tenant, text, self._type(call) or USER)
        refused = [] if found else await self._log(call).unknown(call.tenant, text)
        newest = list(reversed(refused))[:MAX_EVENTS]
        return await _answer(call, {"people": [_found(item) for item in found], "refused": _entries(newest)})

    async def log_timeline(self, call: Call) -> ScimResponse:
        """GET /log/v1/timeline: somebody's present state, and what happened, the newest first."""
        resource_id, limit = _id(call, "id"), _limit(call)
        page = call.fields.get("page")
        found = await self._known(call, resource_id)
        entries = await LogPages(self._log(call)).timeline(call.tenant, found, page=page, limit=limit)
        if found.stored is None and not entries.events and page is None:
            raise HttpError(404, _NOBODY)
        edges = (await self._storage.groups_of(call.tenant, [found.id])).get(found.id, ()) if found.stored else ()
        person: Json = {**_found(found), "groups": [edge.group_id for edge in edges]}
        return await _answer(call, {"person": person, **_page(entries)})

    async def log_why(self, call: Call) -> ScimResponse:
        """GET /log/v1/why: whether a user is in a group, and by which request, or why not."""
        users = await self._log(call).find(call.tenant, _text(call, "user"))
        groups = await self._log(call).find_group(call.tenant, _text(call, "group"))
        answer: Json = {"users": [_found(item) for item in users], "groups": [_found(item) for item in groups]}
        if len(users) == len(groups) == 1:
            why = await self._log(call).why(call.tenant, users[0], groups[0])
            entry = entry_json(why.event) if why.event else None
            answer |= {"member": why.member, "verdict": why.verdict, "entry": entry}
        return await _answer(call, answer)

    async def log_refusals(self, call: Call) -> ScimResponse:
        """GET /log/v1/refusals: what was refused or ignored, by cause, the most frequent first."""
        page, limit = call.fields.get("page"), _limit(call)
        log = self._log(call)
        shown, following, others = await LogPages(log).refusals(call.tenant, _since(call), page=page, limit=limit)
        causes = await log.told(shown)
        answer: Json = {"causes": [asdict(item) for item in causes], "next": following, "unrecorded": others}
        return await _answer(call, answer)

    async def log_entries(self, call: Call) -> ScimResponse:
        """GET /log/v1/entries: what happened to one resource or to all, or what one request did, the newest first."""
        limit, since, request_id = _limit(call), _since(call), call.fields.get("request")
        if request_id is not None:
            events = await self._log(call).of_request(call.tenant, _text(call, "request"), since)
            return await _answer(call, _page(LogPage(list(reversed(events))[:MAX_EVENTS], None)))
        resource_id = _id(call, "resource") if "resource" in call.fields else ""
        page = call.fields.get("page")
        entries = await LogPages(self._log(call)).entries(call.tenant, resource_id, since, page=page, limit=limit)
        return await _answer(call, _page(entries))

    def _log(self, call: Call) -> Log:
        """The log, which charges the call for what it reads and computes."""

        async def counting(rows: int, characters: int) -> None:
            await call.work.spend(read_units(rows, characters), "reading the log")

        async def computing[T](units: int, function: Callable[[], T]) -> T:
            return await call.work.run(units, None, function)

        return Log(self._storage, self._catalogue, self._clock, counting, computing=computing, meant=self._meant)

    async def _known(self, call: Call, resource_id: str) -> FoundResource:
        """The resource of this id; as gone if there is none. Raises HttpError 404 if its type is not the given one."""
        given = self._type(call)
        tried, stored = dict.fromkeys(filter(None, (given, USER, GROUP))), None
        for name in tried:
            [stored] = await self._storage.read(call.tenant, name, [resource_id])
            if stored is not None:
                break
        else:
            name = await logged_type(self._storage, call.tenant, resource_id) or given or USER
            if name not in tried and not given:
                [stored] = await self._storage.read(call.tenant, name, [resource_id])
        if given and name != given:
            raise HttpError(404, _NOBODY)
        return FoundResource(name, resource_id, stored)

    def _type(self, call: Call) -> str:
        """The resource type that is asked about, or none. Raises HttpError 400 for one that there is not."""
        name = call.fields.get("type", "")
        if name and self._catalogue.named(name) is None:
            raise HttpError(400, "type must be the name of a resource type, such as User or Group.")
        return name


def entry_json(event: Event) -> Json:
    """The entry as programs read it: without what is empty."""
    return {name: value for name, value in asdict(event).items() if value not in ("", {}, ())}


def _entries(events: Sequence[Event]) -> list[Json]:
    return [entry_json(item) for item in events]


def _page(page: LogPage) -> Json:
    return {"entries": _entries(page.events), "next": page.next}


def _found(item: FoundResource) -> Json:
    document = item.stored.document if item.stored else {}
    return {
        "type": item.resource_type,
        "id": item.id,
        "name": item.name or None,
        "active": document.get("active") is not False if item.stored and item.resource_type == USER else None,
        "deleted": item.stored is None,
    }


async def _answer(call: Call, answer: Json) -> ScimResponse:
    await call.work.conclude(read_units(1) + json_units(answer))
    return ScimResponse(200, {"Content-Type": "application/json"}, encoded(answer))


def _limit(call: Call) -> int:
    return number_parameter(call, "limit", MAX_EVENTS, least=1, most=MAX_EVENTS)


def _text(call: Call, name: str) -> str:
    """A parameter that must be there. Raises HttpError 400."""
    text = call.fields.get(name, "")
    if not 0 < len(text) <= MAX_TEXT_CHARACTERS:
        raise HttpError(400, f"{name} is missing, or longer than {MAX_TEXT_CHARACTERS} characters.")
    return text


def _id(call: Call, name: str) -> str:
    """A parameter that must be one of our ids. Raises HttpError 400."""
    text = call.fields.get(name, "")
    if not is_id(text):
        raise HttpError(400, f"{name} must be the id of a resource. /log/v1/people finds it by a name.")
    return text


def _since(call: Call) -> datetime | None:
    """The instant since which entries are asked for; None: the last days. Raises HttpError 400."""
    text = call.fields.get("since")
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise HttpError(
            400, f"since must be a day or an instant, such as 2026-11-26T09:00:00Z. Without it: {DAYS} days ago."
        ) from None
