"""`admin hooks`: the addresses to which each change is sent, their secrets, and what they have missed."""

import json
import secrets
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from scim_core.access.credential_plans import Refused
from scim_core.admin.known_tenant import require_known
from scim_core.admin.presentation import table
from scim_core.clock import instant_text, utc_now
from scim_core.feed.hooks import security_events, signatures
from scim_core.feed.hooks.addresses import RefusedTarget, require_allowed, shown_url, target_of
from scim_core.feed.hooks.doorbells import SCHEME, queue_of
from scim_core.feed.hooks.packing import about_nothing, packed
from scim_core.feed.hooks.sending import HttpSender, PutMessage, Senders, resolved
from scim_core.feed.hooks.states import (
    HookState,
    NoReplay,
    begin_replay,
    is_of,
    replay_of_dead,
    require_idle,
    states_of,
)
from scim_core.ids import uuid7
from scim_core.master_key import MasterKey
from scim_core.messages import FEED_PATH
from scim_core.registry import Gone
from scim_core.settings import StorageSettings, base_url, hooks_to_loopback, master_key, queue_account_url
from scim_core.storage.hook_port import ALL_TENANTS, Hook, HookCursor, HookFormat, Stream
from scim_core.storage.maintenance.exporting import tenants
from scim_core.storage.queues import queues_of
from scim_core.storage.tables import table_rows
from scim_core.storage.tables.storage import TableStorage

ID_BYTES = 6
"""Length of a hook's id, in random bytes."""

MAX_KEEP_HOURS = 24 * 30
"""How long a rotated secret can stay good, at most."""


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code: 1 if a test was not taken. Raises RegistryError, SettingsError, StorageError."""
    storage = TableStorage(table_rows(settings), utc_now)
    try:
        queues = queues_of(settings, queue_account_url(given.environment), utc_now)
        return await _Commands(storage, given, given.environment, queues.put if queues else None).run()
    finally:
        await storage.close()


class _Commands:
    def __init__(
        self, storage: TableStorage, given: Namespace, environment: Mapping[str, str], put: PutMessage | None
    ) -> None:
        self._storage = storage
        self._put = put
        self._given = given
        self._master = master_key(environment)
        self._base_url = base_url(environment.get("SCIM_PUBLIC_BASE_URL", ""), required=False)
        self._to_loopback = hooks_to_loopback(environment)
        self._now = utc_now()

    async def run(self) -> int:
        command: Callable[[], Any] = getattr(self, self._given.action)
        return await command() or 0

    async def add(self) -> None:
        """One more hook. Its events begin with the next change, or with the number that is wanted."""
        given, master = self._given, self._require_master()
        if bool(given.tenant) == given.all:
            raise Refused("Say whose events are sent: --tenant ID, or --all.")
        if not self._base_url:
            raise Refused(
                "Give the service's own address: --url https://scim.example.com, or set SCIM_PUBLIC_BASE_URL."
            )
        if given.tenant:
            await require_known(self._storage.rows, given.tenant)
        form = await self._format()
        hook = Hook(
            id=secrets.token_hex(ID_BYTES),
            url=given.target,
            tenant=given.tenant or ALL_TENANTS,
            base_url=self._base_url,
            since=instant_text(self._now),
            format=form,
        )
        async with given.trail.recorded("hooks add", "hooks add", hook.tenant):
            moved = [item.tenant for item in await self._storage.moved_feeds()] if given.all else [given.tenant]
            for tenant in moved:
                await self._begin(tenant, hook)
            await self._storage.save_hook(hook)
        self._print_added(hook, master, f"Hook {hook.id} is added. Every instance knows of it within a minute.")

    async def _format(self) -> HookFormat:
        """What the new hook will send. Raises Refused for a target to which nothing will be sent."""
        target, wanted = self._given.target, self._given.format
        if not target.startswith(SCHEME):
            await self._require_allowed(target)
            return HookFormat(wanted or HookFormat.EVENTS)
        if wanted:
            raise Refused("A queue gets doorbells only, so it has no --format.")
        if queue_of(target) is None:
            raise Refused(
                f"A queue's name has 3 to 63 small letters, digits and single hyphens: {SCHEME}scim-doorbells."
            )
        return HookFormat.DOORBELL

    async def _begin(self, tenant: str, hook: Hook) -> None:
        await self._storage.relay(tenant)
        head = await self._storage.feed_head(tenant)
        wanted = self._given.first
        number = head.next - 1 if wanted is None else max(head.first, min(wanted, head.next)) - 1
        await self._storage.save_hook_cursor(tenant, hook.id, Stream.EVENTS, HookCursor(head.epoch, number))
        if number < head.next - 1:
            await self._storage.mark_due(tenant, instant_text(self._now))

    async def list(self) -> None:
        """All hooks, and how far each has come."""
        hooks = await self._storage.hooks()
        heads = {item.tenant: item.number for item in await self._storage.moved_feeds()}
        found = list[HookState]()
        for tenant, number in heads.items():
            own = [hook for hook in hooks if is_of(hook, tenant)]
            found += await states_of(self._storage, own, tenant, number) if own else []
        states = [_shown(state) for hook in hooks for state in found if state.hook is hook]
        if self._given.json:
            shown = [{name: value for name, value in asdict(hook).items() if name != "etag"} for hook in hooks]
            print(json.dumps({"hooks": shown, "tenants": states}, indent=2))
            return
        rows = [
            (hook.id, hook.tenant or "(all)", str(hook.format), shown_url(hook.url), hook.since[:10], self._word(hook))
            for hook in hooks
        ]
        print(table(("ID", "TENANT", "FORMAT", "URL", "SINCE", "STATE"), rows))
        unusual = [state for state in states if state["behind"] or state["dead"] or state["replay"]]
        if unusual:
            names = ("hook", "tenant", "behind", "dead", "replay", "attempts", "due", "outcome")
            of_tenants = [[str(state[name]) for name in names] for state in unusual]
            print(f"\n{table([name.upper() for name in names], of_tenants)}")

    def _word(self, hook: Hook) -> str:
        if hook.disabled:
            return f"ended: {hook.disabled}"
        is_rotating = instant_text(self._now) < hook.former_until
        kind = "keys" if hook.format is HookFormat.SET else "secrets"
        return f"two {kind} until {hook.former_until[:16]}Z" if is_rotating else "good"

    async def test(self) -> int:
        """One event about nothing, from here."""
        hook, master = await self._hook(), self._require_master()
        test_id = uuid7(self._now)
        sent = packed(about_nothing(hook, test_id, self._now), hook, f"msg_test_{test_id}", master, self._now)
        sender = Senders(HttpSender(to_loopback=self._to_loopback), self._put)
        attempt = await sender.send(hook.url, sent.headers, sent.body)
        word = "The receiver took the test" if attempt.taken else "The receiver did not take the test"
        self._print({"taken": attempt.taken, "outcome": attempt.outcome}, f"{word}: {attempt.outcome}.")
        return 0 if attempt.taken else 1

    async def replay(self) -> None:
        """Entries are sent again, marked, with webhook-ids of their own."""
        given, hook = self._given, await self._hook()
        tenant = given.tenant or hook.tenant
        try:
            there = await require_idle(self._storage, hook, tenant)
            again = replay_of_dead(self._storage, hook, tenant) if given.dead else self._wanted(tenant, hook)
            wanted = await again
        except NoReplay as error:
            raise Refused(str(error)) from None
        async with given.trail.recorded("hooks replay", "hooks replay", tenant):
            await begin_replay(self._storage, hook, tenant, wanted, there=there, now=instant_text(self._now))
        shown = {"hook": hook.id, "tenant": tenant, "from": wanted.number + 1, "to": wanted.end}
        self._print(shown, f"Entries {wanted.number + 1} to {wanted.end} of {tenant} are sent again within minutes.")

    async def _wanted(self, tenant: str, hook: Hook) -> HookCursor:
        cursor = await self._storage.hook_cursor(tenant, hook.id, Stream.EVENTS)
        head = await self._storage.feed_head(tenant)
        end = 0 if cursor is None else cursor.last if cursor.resync else cursor.number
        if self._given.first is None or not head.first <= self._given.first <= end:
            raise Refused(
                f"Say with --from where to begin, or --dead. The hook has had the entries up to {end}, and the feed "
                f"keeps those from {head.first} on."
            )
        return HookCursor(head.epoch, self._given.first - 1, start=self._given.first, end=end)

    async def rotate(self) -> None:
        """Another secret. The old one signs, too, for a while."""
        given, hook, master = self._given, await self._hook(), self._require_master()
        self._require_content(hook, "rotated")
        if instant_text(self._now) < hook.former_until:
            raise Refused(f"The hook has {self._word(hook)}. Rotate it after that.")
        if not 0 <= given.keep_hours <= MAX_KEEP_HOURS:
            raise Refused(f"--keep-hours must be from 0 to {MAX_KEEP_HOURS}.")
        until = instant_text(self._now + timedelta(hours=given.keep_hours))
        rotated = replace(hook, secret=hook.secret + 1, former_until=until)
        async with given.trail.recorded("hooks rotate", "hooks rotate", hook.tenant):
            await self._storage.save_hook(rotated)
        if hook.format is HookFormat.SET:
            said = f"Hook {hook.id} signs with a new key. The old one is published until {until[:16]}Z."
        else:
            said = f"Hook {hook.id} has a new secret. The old one signs, too, until {until[:16]}Z."
        self._print_added(rotated, master, said)

    async def resume(self) -> None:
        """A hook that has ended goes on where it was: with each tenant's next entry."""
        hook = await self._hook()
        if not hook.disabled:
            raise Refused(f"The hook {hook.id} has not ended.")
        async with self._given.trail.recorded("hooks resume", "hooks resume", hook.tenant):
            now = instant_text(self._now)
            await self._storage.save_hook(replace(hook, disabled="", since=now))
            for tenant in [moved.tenant for moved in await self._storage.moved_feeds() if is_of(hook, moved.tenant)]:
                await self._storage.mark_due(tenant, now)
        self._print({"id": hook.id, "resumed": True}, f"Hook {hook.id} goes on where it ended, within minutes.")

    async def remove(self) -> None:
        """Nothing is sent there any more, and what it has missed is forgotten."""
        hook = await self._hook()
        of_all = [tenant async for tenant in tenants(self._storage.rows) if ":" not in tenant]
        async with self._given.trail.recorded("hooks remove", "hooks remove", hook.tenant):
            await self._storage.remove_hook(hook, [hook.tenant] if hook.tenant else of_all)
        self._print({"id": hook.id, "removed": True}, f"Hook {hook.id} is removed, within a minute everywhere.")

    async def _hook(self) -> Hook:
        found = next((hook for hook in await self._storage.hooks() if hook.id == self._given.hook), None)
        if found is None:
            raise Gone(f"There is no hook {self._given.hook!r}. `hooks list` shows all of them.")
        return found

    def _require_content(self, hook: Hook, done: str) -> None:
        if hook.format is HookFormat.DOORBELL:
            raise Refused(f"A queue gets doorbells: nothing in it can be {done}. Who gets one reads the feed.")

    def _require_master(self) -> MasterKey:
        if self._master is None:
            raise Refused(
                "SCIM_MASTER_KEY is not set, so no hook can be signed. `master-key` makes one. The app and this "
                "command need the same one: the secrets of hooks are derived from it."
            )
        return self._master

    async def _require_allowed(self, url: str) -> None:
        """Raises Refused for a target to which nothing will be sent. The app looks again each time it sends."""
        try:
            target = target_of(url, to_loopback=self._to_loopback)
            try:
                addresses = await resolved(target.host, target.port)
            except OSError:
                return  # its name may be known to the app only
            require_allowed(target, addresses, to_loopback=self._to_loopback)
        except RefusedTarget as error:
            raise Refused(str(error)) from None

    def _print_added(self, hook: Hook, master: MasterKey, said: str) -> None:
        """What the receiver has to know: the secret, or where the keys are; of a queue nothing."""
        if hook.format is HookFormat.DOORBELL:
            self._print({"id": hook.id}, said)
            return
        if hook.format is HookFormat.SET:
            keys, audience = f"{hook.base_url}{FEED_PATH}/jwks", security_events.audience(hook)
            told = {"id": hook.id, "issuer": hook.base_url, "audience": audience, "jwksUri": keys}
            self._print(told, f"{said}\n\n  Issuer    {hook.base_url}\n  Audience  {audience}\n  Keys      {keys}")
            return
        text = signatures.shown(signatures.secret(master, hook.id, hook.secret))
        self._print({"id": hook.id, "secret": text}, f"{said}\n\n  Secret  {text}\n\nKeep it in a vault.")

    def _print(self, as_json: Any, text: str) -> None:
        print(json.dumps(as_json, indent=2) if self._given.json else text)


def _shown(state: HookState) -> dict[str, Any]:
    replay = state.replay
    return {
        "hook": state.hook.id,
        "tenant": state.tenant,
        "number": state.events.number,
        "behind": state.behind,
        "dead": ", ".join(f"{item.first}-{item.last}" for item in state.dead),
        "replay": "" if replay is None else "given up" if replay.stopped else f"{replay.number}-{replay.end}",
        "attempts": state.events.attempts,
        "due": state.events.due[:16],
        "outcome": state.events.outcome,
    }
