"""`admin who`, `why`, `refusals` and `log`: what happened, for people who support customers. They only read."""

import json
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from scim_core.admin.audit import instant
from scim_core.admin.known_tenant import catalogue_of, require_known
from scim_core.admin.presentation import printable, table
from scim_core.clock import utc_now
from scim_core.feed.finding import MAX_FOUND, FoundResource
from scim_core.feed.log import DAYS, Event, Log, Person
from scim_core.settings import StorageSettings
from scim_core.storage.tables import TableRegistry, table_storage

FOUND, NOT_FOUND = 0, 1
"""Exit codes: there is an answer; nobody is found by this text, or there was more than one of them."""

SHOWN = 100
"""Lines of a timeline: the newest. With --json there are all."""

_RED, _GREEN, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[0m"
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. The answer is printed. Raises Gone, DefinitionError, StorageError."""
    storage = table_storage(settings)
    try:
        await require_known(storage.rows, given.tenant)
        tenant = await TableRegistry(storage.rows).load(given.tenant)
        log = Log(storage, catalogue_of(tenant, given.schemas), utc_now)
        return await COMMANDS[given.command](log, given)
    finally:
        await storage.close()


async def who(log: Log, given: Namespace) -> int:
    """Somebody's present state and timeline."""
    found = await log.find(given.tenant, given.text)
    if len(found) > 1:
        return _several(found, given)
    if not found:
        return await _nobody(log, given)
    person = await log.person(given.tenant, found[0])
    if given.json:
        print(json.dumps(_person_json(person), indent=2))
        return FOUND
    print(_state(person))
    for id_, name in person.groups.items():
        print(f"  in the group {printable(name) or '(name not read)'}  {id_}")
    print()
    print(_timeline(person.events))
    return FOUND


async def why(log: Log, given: Namespace) -> int:
    """Why somebody is in a group, or not."""
    users = await log.find(given.tenant, given.user)
    if not users:
        given.text = given.user
        return await _nobody(log, given)
    groups = await log.find_group(given.tenant, given.group)
    if not groups:
        _tell(given, {"found": None}, f"There is no group {given.group!r} here, and none that was deleted.")
        return NOT_FOUND
    for found in (users, groups):
        if len(found) > 1:
            return _several(found, given)
    answer = await log.why(given.tenant, users[0], groups[0])
    name = printable(users[0].name or given.user)
    as_json = {
        "user": users[0].id,
        "group": groups[0].id,
        "member": answer.member,
        "verdict": answer.verdict,
        "event": asdict(answer.event) if answer.event else None,
    }
    lines = [_coloured(f"{name} {answer.verdict}", good=answer.member)]
    if answer.event:
        lines += ["", _timeline([answer.event])]
    _tell(given, as_json, "\n".join(lines))
    return FOUND


async def refusals(log: Log, given: Namespace) -> int:
    """What was refused or ignored, by cause."""
    causes = await log.refusals(given.tenant, _since(given))
    if given.json:
        print(json.dumps([asdict(item) for item in causes], indent=2))
        return FOUND
    rows = [(str(item.count), item.outcome, item.cause, ago(item.last), item.example, item.request) for item in causes]
    print(table(("TIMES", "OUTCOME", "CAUSE", "LAST", "SUCH AS", "REQUEST"), rows))
    for item in causes:
        print(f"\n{printable(item.cause)}\n  {printable(item.advice)}")
    return FOUND


async def log_lines(log: Log, given: Namespace) -> int:
    """What happened to one resource, or to all; with --request, only what that request did."""
    if given.request:
        shown = await log.of_request(given.tenant, given.request, _since(given))
    else:
        shown = await log.events(given.tenant, given.resource, _since(given))
    if given.json:
        print(json.dumps([asdict(item) for item in shown], indent=2))
    else:
        print(_timeline(shown, with_resource=not given.resource))
    return FOUND


COMMANDS: dict[str, Callable[[Log, Namespace], Awaitable[int]]] = {
    "who": who,
    "why": why,
    "refusals": refusals,
    "log": log_lines,
}
"""The commands by their names."""


def ago(time: str) -> str:
    """The instant (UTC text) with how long ago it was: `2026-11-27 09:05:00Z (3 hours ago)`."""
    seconds = int((utc_now() - datetime.fromisoformat(time)).total_seconds())
    said = "just now"
    for unit, length in _UNITS:
        number = seconds // length
        if number:
            said = f"{number} {unit}{'s' if number > 1 else ''} ago"
            break
    return f"{time[:10]} {time[11:19]}Z ({said})"


def _state(person: Person) -> str:
    found = person.found
    if found.stored is None:
        deleted = [event for event in person.events if event.what == "deleted"]
        when = f" {ago(deleted[-1].time)}" if deleted else ""
        return _coloured(f"{found.id} was deleted{when}.", good=False)
    active = found.stored.document.get("active") is not False
    state = "active: can log in" if active else "disabled"
    changed = f"last changed {ago(found.stored.last_modified)}"
    return _coloured(f"{printable(found.name)} is {state}; {changed}. Id {found.id}", good=active)


async def _nobody(log: Log, given: Namespace) -> int:
    """Nobody has this name: whether somebody was refused under it, or never sent."""
    refused = await log.unknown(given.tenant, given.text)
    if refused:
        last = refused[-1]
        said = f"{given.text!r} is not here: the request was refused, at last {ago(last.time)}."
        text = f"{said}\n\n{_timeline(refused)}"
    else:
        text = said = (
            f"{given.text!r} is not here, and no request of the last {DAYS} days named it: the identity provider never "
            "sent it. Look at the scope and the assignment of the user there."
        )
    _tell(given, {"found": None, "verdict": said, "events": [asdict(item) for item in refused]}, text)
    return NOT_FOUND


def _several(found: Sequence[FoundResource], given: Namespace) -> int:
    more = " There may be more." if len(found) >= MAX_FOUND else ""
    rows = [(item.id, item.name, "here" if item.stored else "deleted") for item in found]
    _tell(
        given,
        [{"id": item.id, "name": item.name} for item in found],
        f"{table(('ID', 'NAME', 'STATE'), rows)}\n\nSay which one, by its id.{more}",
    )
    return NOT_FOUND


def _timeline(events: Sequence[Event], *, with_resource: bool = False) -> str:
    names = ["WHEN", "WHAT", "DETAIL", "BY", "REQUEST", *(["RESOURCE"] if with_resource else [])]
    rows = [(ago(item.time), item.what, item.detail, item.by, item.request, item.resource) for item in events[-SHOWN:]]
    left_out = f"\n{len(events) - SHOWN} older lines: --json has them." if len(events) > SHOWN else ""
    return table(names, [row[: len(names)] for row in rows]) + left_out


def _since(given: Namespace) -> datetime | None:
    """The instant that the operator gave. Raises Refused."""
    return datetime.fromisoformat(instant(given.since)) if given.since else None


def _person_json(person: Person) -> dict[str, Any]:
    stored = person.found.stored
    return {
        "id": person.found.id,
        "type": person.found.resource_type,
        "userName": person.found.name or None,
        "active": stored.document.get("active") if stored else None,
        "deleted": stored is None,
        "groups": [{"id": id_, "displayName": name or None} for id_, name in person.groups.items()],
        "events": [asdict(item) for item in person.events],
    }


def _tell(given: Namespace, as_json: Any, text: str) -> None:
    print(json.dumps(as_json, indent=2) if given.json else text)


def _coloured(text: str, *, good: bool) -> str:
    """The text, in a colour if a person reads it on a terminal."""
    if not sys.stdout.isatty():
        return text
    return f"{_GREEN if good else _RED}{text}{_PLAIN}"
