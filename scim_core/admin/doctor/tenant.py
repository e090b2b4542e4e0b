"""`admin doctor TENANT`: one customer as the rows show it. It reads, costs at most 20 calls, and changes nothing."""

import asyncio
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from scim_core.access.ending import ending
from scim_core.access.tenant_cache import NOTE_AFTER, refusal
from scim_core.admin.doctor.findings import CannotTell, Check, Examined, NotNeeded, Observation, Trouble, made
from scim_core.admin.doctor.report import exit_code, print_json, tell
from scim_core.admin.history import ago
from scim_core.admin.known_tenant import catalogue_of, require_known
from scim_core.clock import instant_text, utc_now
from scim_core.feed.causes import Counted, Meant, counted, ignored_names, told
from scim_core.feed.hooks.delivery import BLOCKED_ATTEMPTS
from scim_core.feed.hooks.states import HookState, is_of, states_of
from scim_core.feed.log import ATTEMPTS_READ, DAYS
from scim_core.protocol.schemas import Catalogue
from scim_core.registry import Access, Tenant
from scim_core.settings import StorageSettings
from scim_core.storage.feed_port import Attempt, AttemptOutcome, MovedFeed
from scim_core.storage.tables import TableRegistry, TableStorage, table_storage

SILENT_AFTER = timedelta(hours=3)
"""How long an identity provider may be silent before the doctor names it. Entra comes about every 40 minutes."""

WAITS_AT_MOST = timedelta(minutes=5)
"""How long a change may wait for the relay. A timer relays each minute."""

REFUSED_WITHIN = timedelta(days=1)
"""How old a refusal may be to count as wrong now."""

SHOWN_CAUSES = 5
"""Causes that are told: the most frequent ones. `admin refusals` tells all."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read of a tenant. `tenant` is None if it is not registered."""

    id: str
    tenant: Tenant | None
    attempts: list[Attempt]
    newest: MovedFeed | None
    waiting: list[str]
    hooks: list[HookState]
    now: datetime


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. The findings are printed. Raises Gone, DefinitionError, StorageError."""
    storage = table_storage(settings)
    try:
        evidence = await _read(storage, given.tenant)
    finally:
        await storage.close()
    catalogue = catalogue_of(evidence.tenant, given.schemas)
    found: list[Observation] = []
    for name, check in _checks(evidence, catalogue):
        tell(given, found, await made(name, check))
    if given.json:
        print_json(found, tenant=given.tenant)
    return exit_code(found)


async def _read(storage: TableStorage, tenant_id: str) -> Evidence:
    now = utc_now()
    tenant, attempts, newest, waiting, hooks = await asyncio.gather(
        TableRegistry(storage.rows).load(tenant_id),
        storage.attempts(tenant_id, since=now - timedelta(days=DAYS), limit=ATTEMPTS_READ),
        storage.moved_feed(tenant_id),
        storage.waiting(tenant_id),
        storage.hooks(),
    )
    if tenant is None:
        await require_known(storage.rows, tenant_id)
    number = newest.number if newest else 0
    own = [hook for hook in hooks if is_of(hook, tenant_id)]
    states = await states_of(storage, own, tenant_id, number) if own else []
    return Evidence(tenant_id, tenant, attempts, newest, waiting, states, now)


def _checks(evidence: Evidence, catalogue: Catalogue) -> Iterator[tuple[str, Check]]:
    looks: dict[str, Callable[[Evidence], Examined]] = {
        "requests": _requests,
        "credentials": _credentials,
        "last contact": _last_contact,
        "mapping": partial(_mapping, catalogue),
        "refusals": partial(_refusals, catalogue),
        "feed": _feed,
        "hooks": _hooks,
    }
    for name, look in looks.items():
        yield name, partial(_looked, look, evidence)


async def _looked(look: Callable[[Evidence], Examined], evidence: Evidence) -> Examined:
    return look(evidence)


def _requests(it: Evidence) -> Examined:
    """Whether the tenant's requests are answered."""
    sentence = refusal(it.tenant) if it.tenant else ""
    if sentence:
        return [Trouble(sentence, f"tenants show {it.id}; `tenants resume {it.id}` if it is to go on.")]
    return "they are answered" if it.tenant else "they are answered; the tenant of the settings, not registered"


def _credentials(it: Evidence) -> Examined:
    """Whether a credential opens something, and goes on to."""
    if it.tenant is None:
        raise NotNeeded("the token of the settings opens it, which never ends")
    good = [item for item in it.tenant.credentials if not item.fault(instant_text(it.now))]
    if not any(item.access is Access.WRITE for item in good):
        return [
            Trouble("No credential lets an identity provider in.", f"credentials create {it.id} token, or another kind")
        ]
    soon = ending(it.tenant, it.now)
    if not soon:
        first = min((item.expires for item in good if item.expires), default="")
        return f"good ones: {len(good)}; {f'the first one ends on {first[:10]}' if first else 'none of them ends'}"
    return [
        Trouble(
            f"{item.label} ({item.id}) ends on {item.expires[:10]}, and none that goes on has been used in its place.",
            f"credentials rotate {it.id} {item.id}, and have the customer put in the new one",
        )
        for item in soon
    ]


def _last_contact(it: Evidence) -> Examined:
    """When the identity provider came last."""
    if it.tenant is None:
        raise NotNeeded("the use of the token of the settings is not noted; `log` shows what changed")
    used = max((item.last_used for item in it.tenant.credentials if item.access is not Access.FEED), default="")
    if not used:
        raise CannotTell(
            "Nobody has come yet.",
            "The customer puts in the credential, as docs/connect-entra.md says.",
        )
    if len(used) == len("2026-11-26"):
        return f"on {used}; a version before noted the day alone"
    silent = it.now - datetime.fromisoformat(used)
    if silent - NOTE_AFTER > SILENT_AFTER:
        raise CannotTell(
            f"It was {ago(used)}. That is long for Entra, which comes about every 40 minutes. Okta comes only when "
            "something changes.",
            "If it is Entra: is provisioning on, or in quarantine? Its provisioning logs say why.",
        )
    return ago(used)


def _mapping(catalogue: Catalogue, it: Evidence) -> Examined:
    """Attributes that were ignored, with the declared name that was meant."""
    ignored = [item for item in counted(it.attempts) if item.reason.ignored]
    return _causes(catalogue, ignored) or f"nothing was ignored in the last {DAYS} days"


def _refusals(catalogue: Catalogue, it: Evidence) -> Examined:
    """What was refused lately."""
    refused = [item for item in it.attempts if item.outcome is AttemptOutcome.REFUSED]
    lately = [item for item in refused if item.at > it.now - REFUSED_WITHIN]
    causes = [item for item in counted(lately) if not item.reason.ignored]
    return _causes(catalogue, causes) or f"none within a day, {len(refused)} in the last {DAYS} days"


def _causes(catalogue: Catalogue, causes: list[Counted]) -> list[Trouble]:
    shown = causes[:SHOWN_CAUSES]
    names = Meant(catalogue).found(ignored_names(shown))
    found = [told(names, item) for item in shown]
    troubles = [
        Trouble(f"{item.cause}: {_times(item.count)}, last {ago(item.last)}, such as {item.example}", item.advice)
        for item in found
    ]
    left = len(causes) - len(found)
    return [*troubles, Trouble(f"{left} more causes", "`admin refusals` tells all")] if left else troubles


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _feed(it: Evidence) -> Examined:
    """Whether changes get into the feed and the log."""
    newest = f"number {it.newest.number} is of {ago(it.newest.time)}" if it.newest else "nothing has changed yet"
    if it.waiting and datetime.fromisoformat(it.waiting[0]) < it.now - WAITS_AT_MOST:
        return [
            Trouble(
                f"{len(it.waiting)} changes or more wait for the relay, the first one since {ago(it.waiting[0])}.",
                "The timer feeds does not run, or fails: `admin doctor --deployment` looks at the app.",
            )
        ]
    return f"{newest}; {f'{len(it.waiting)} changes wait' if it.waiting else 'nothing waits'}"


def _hooks(it: Evidence) -> Examined:
    """Whether each hook has all that it should have."""
    if not it.hooks:
        raise NotNeeded("there are none")
    troubles = [trouble for state in it.hooks for trouble in _of_hook(state)]
    return troubles or f"{len(it.hooks)} have taken everything, or are about to"


def _of_hook(state: HookState) -> Iterator[Trouble]:
    name, tenant = state.hook.id, state.tenant
    if state.hook.disabled:
        yield Trouble(
            f"{name} has ended: {state.hook.disabled}",
            f"hooks resume {name}, if its receiver works again; or hooks remove {name}",
        )
        return
    if state.dead:
        ranges = ", ".join(f"{item.first} to {item.last}" for item in state.dead)
        yield Trouble(
            f"{name} is incomplete: its receiver has not taken {ranges} ({state.dead[-1].reason}).",
            f"hooks replay {name} --tenant {tenant} --dead, when the receiver works again",
        )
    if state.events.attempts >= BLOCKED_ATTEMPTS:
        yield Trouble(
            f"{name} is blocked: {state.events.attempts} attempts have failed, {state.behind} entries wait "
            f"({state.events.outcome}).",
            f"hooks test {name}; the next attempt is at {state.events.due[:16]}",
        )
