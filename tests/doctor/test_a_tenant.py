"""What `admin doctor TENANT` says of a customer: from the rows alone, with few calls, and what to do."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import scim_core
from scim_core.access import ending
from scim_core.admin import history
from scim_core.admin.doctor import tenant as doctor
from scim_core.clock import instant_text
from scim_core.feed.hooks.delivery import BLOCKED_ATTEMPTS
from scim_core.feed.log import DAYS
from scim_core.registry import Access, CredentialKind
from scim_core.storage.hook_port import DeadBatch, Hook, HookCursor, Stream
from scim_core.storage.tables import TableRegistry, TableStorage
from tests.commands import Done, run_here
from tests.memory_rows import MemoryRows
from tests.scim import ENTERPRISE, UNLIMITED, Clock
from tests.tenancy import Service, document, settings
from tests.transcript import RecordedRows, Transcript

MAX_CALLS = 20
CHECKS = ["requests", "credentials", "last contact", "mapping", "refusals", "feed", "hooks"]


class Customer:
    """The tenant contoso, and an operator who asks the doctor about it."""

    def __init__(self, clock: Clock) -> None:
        self.rows = MemoryRows()
        self.storage = TableStorage(self.rows, clock)
        self.service = Service(settings(**UNLIMITED), self.storage, TableRegistry(self.rows), clock)
        it = self.service
        it.endpoint = scim_core.build(
            it.settings, it.storage, it.clock, registry=it.registry, timer=it.timer, relays=True
        )
        self.token = ""

    async def opened(self, **wanted: Any) -> "Customer":
        self.token = (await self.service.tenant("Contoso", **wanted)).secret
        return self

    async def user(self, name: str, **more: Any) -> Any:
        answer = await self.service.send("POST", "/scim/v2/Users", self.token, {"userName": name, **more})
        endpoint = self.service.endpoint
        assert endpoint._attempts is not None
        assert endpoint._kicks is not None
        await endpoint._attempts.idle()
        await endpoint._kicks.idle()
        return document(answer)

    async def asked(self, *given: str) -> Done:
        recorded = Transcript()
        done = await run_here(RecordedRows(self.rows, recorded), *given)
        assert len(recorded.calls) <= MAX_CALLS, recorded.kinds
        assert not {"transact"} & set(recorded.kinds), "it only reads"
        return done

    async def findings(self, code: int) -> dict[str, list[tuple[str, str, str]]]:
        """The verdicts, sentences and advices of each check."""
        done = await self.asked("--json", "doctor", "contoso")
        assert done.returncode == code, done
        told = json.loads(done.stdout)
        assert (told["tenant"], told["healthy"]) == ("contoso", code == 0)
        found: dict[str, list[tuple[str, str, str]]] = {name: [] for name in CHECKS}
        for item in told["findings"]:
            found[item["check"]].append((item["verdict"], item["said"], item["do"] or ""))
        return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (doctor, history):
        monkeypatch.setattr(module, "utc_now", clock)
    return clock


@pytest.fixture
async def customer(clock: Clock) -> Customer:
    return await Customer(clock).opened()


async def test_a_customer_for_whom_all_is_well(customer: Customer) -> None:
    await customer.user("ann")
    done = await customer.asked("doctor", "contoso")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "ok     requests: they are answered",
        "ok     credentials: good ones: 1; the first one ends on 2027-11-23",
        "ok     last contact: 2026-11-23 09:05:00Z (just now)",
        "ok     mapping: nothing was ignored in the last 7 days",
        "ok     refusals: none within a day, 0 in the last 7 days",
        "ok     feed: number 1 is of 2026-11-23 09:05:00Z (just now); nothing waits",
        "-      hooks: there are none",
    ]


async def test_nobody_who_has_come_and_who_is_silent_are_told_apart(customer: Customer, clock: Clock) -> None:
    [(verdict, said, do)] = (await customer.findings(2))["last contact"]
    assert (verdict, said) == ("unknown", "Nobody has come yet.")
    assert "connect-entra" in do
    await customer.user("ann")
    clock.advance(hours=3)
    assert (await customer.findings(0))["last contact"][0][0] == "good"
    clock.advance(minutes=11)
    [(verdict, said, do)] = (await customer.findings(2))["last contact"]
    assert (verdict, "(3 hours ago)" in said, "quarantine" in do) == ("unknown", True, True)


async def test_what_a_program_of_the_operators_reads_is_no_contact(customer: Customer) -> None:
    reader = await customer.service.credential("contoso", CredentialKind.TOKEN, access=Access.FEED)
    await customer.service.send("GET", "/feed/v1/changes", reader.secret)
    assert (await customer.findings(2))["last contact"][0][1] == "Nobody has come yet."


async def test_a_suspended_customer_and_one_without_a_credential(customer: Customer) -> None:
    await customer.user("ann")
    await customer.service.administration.suspend("contoso")
    [(verdict, said, do)] = (await customer.findings(1))["requests"]
    assert (verdict, "suspended since 2026-11-23" in said, "tenants resume contoso" in do) == ("wrong", True, True)
    await customer.service.administration.resume("contoso")
    [credential] = (await customer.service.administration.tenant("contoso")).credentials
    await customer.service.administration.revoke("contoso", credential.id)
    [(verdict, _, do)] = (await customer.findings(1))["credentials"]
    assert (verdict, "credentials create contoso" in do) == ("wrong", True)


async def test_a_credential_that_ends_soon_is_told_until_another_one_is_used(clock: Clock) -> None:
    customer = await Customer(clock).opened(days=31)
    await customer.user("ann")
    assert "the first one ends on 2026-12-24" in (await customer.findings(0))["credentials"][0][1]
    clock.advance(days=1, minutes=1)
    customer.service.restart()
    [(verdict, said, do)] = (await customer.findings(1))["credentials"]
    assert (verdict, "ends on 2026-12-24" in said) == ("wrong", True)
    assert "credentials rotate contoso" in do
    successor = await customer.service.credential("contoso", CredentialKind.TOKEN)
    assert (await customer.findings(1))["credentials"][0][0] == "wrong", "nobody has put it in yet"
    clock.advance(minutes=11)
    customer.service.restart()
    await customer.service.users(successor.secret)
    assert (await customer.findings(0))["credentials"][0][0] == "good"


async def test_a_mapping_that_fails_is_told_with_the_declared_name(customer: Customer, clock: Clock) -> None:
    for number in range(3):
        await customer.user(f"u{number}", wrkEmail="a@example.com")
    [(verdict, said, do)] = (await customer.findings(1))["mapping"]
    assert verdict == "wrong"
    assert said.startswith("ignored: wrkEmail: 3 times, last 2026-11-23")
    assert 'Did you mean emails[type eq "work"].value?' in do
    await customer.user("u9", **{f"other{number}": 1 for number in range(7)})
    assert (await customer.findings(1))["mapping"][-1][1] == "3 more causes"
    clock.advance(days=DAYS)
    assert (await customer.findings(2))["mapping"][0][0] == "good"


async def test_no_name_is_offered_that_the_customer_has_not(customer: Customer) -> None:
    await customer.user("ann", departmnt="Sales")
    meant = f"Did you mean {ENTERPRISE}:department?"
    assert meant in (await customer.findings(1))["mapping"][0][2]
    administration = customer.service.administration
    await administration.choose_schemas("contoso", "schemas deny", lambda chosen: chosen.denying([ENTERPRISE]))
    assert "Did you mean" not in (await customer.findings(1))["mapping"][0][2]


async def test_what_was_refused_lately_is_told(customer: Customer, clock: Clock) -> None:
    await customer.user("ann")
    await customer.user("Ann")
    [(verdict, said, do)] = (await customer.findings(1))["refusals"]
    assert (verdict, said.startswith("409 uniqueness: once, last ")) == ("wrong", True)
    assert do == "Another resource already has this userName. It must be unique."
    clock.advance(days=1, seconds=1)
    assert (await customer.findings(2))["refusals"][0][1] == "none within a day, 1 in the last 7 days"


async def test_changes_that_nobody_relays_are_told(customer: Customer, clock: Clock) -> None:
    customer.service.restart()  # an endpoint that does not relay
    await customer.service.send("POST", "/scim/v2/Users", customer.token, {"userName": "ann"})
    assert "1 changes wait" in (await customer.findings(0))["feed"][0][1]
    clock.advance(minutes=6)
    [(verdict, said, do)] = (await customer.findings(1))["feed"]
    assert (verdict, "wait for the relay" in said, "timer feeds" in do) == ("wrong", True, True)


async def test_a_hook_is_incomplete_until_its_dead_batch_is_replayed(customer: Customer, clock: Clock) -> None:
    await customer.user("ann")
    storage, now = customer.storage, instant_text(clock())
    hook = Hook("abc", "https://product.example.com/hook", "", "https://scim.example.com", now)
    await storage.save_hook(hook)
    for number in range(8):  # a call for each would be too many
        await storage.save_hook(Hook(f"more{number}", hook.url, "contoso", hook.base_url, now))
    await storage.save_hook(Hook("others", hook.url, "fabrikam", hook.base_url, now))
    assert (await customer.findings(0))["hooks"] == [("good", "9 have taken everything, or are about to", "")]
    dead = DeadBatch("e", 1, 1, now, "503")
    await storage.save_hook_cursor("contoso", "abc", Stream.EVENTS, HookCursor("e", 1), dead)
    [(verdict, said, do)] = (await customer.findings(1))["hooks"]
    assert (verdict, said) == ("wrong", "abc is incomplete: its receiver has not taken 1 to 1 (503).")
    assert do == "hooks replay abc --tenant contoso --dead, when the receiver works again"
    replay = await storage.save_hook_cursor("contoso", "abc", Stream.REPLAY, HookCursor("e", 0, start=1, end=1))
    assert (await customer.findings(1))["hooks"][0][0] == "wrong", "it is under way"
    await storage.end_replay("contoso", "abc", replay)
    assert (await customer.findings(0))["hooks"][0][0] == "good"


async def test_a_hook_that_is_blocked_or_has_ended_is_told(customer: Customer, clock: Clock) -> None:
    await customer.user("ann")
    now = instant_text(clock())
    hook = Hook("abc", "https://product.example.com/hook", "contoso", "https://scim.example.com", now)
    await customer.storage.save_hook(hook)
    cursor = HookCursor("e", 0, last=1, attempts=BLOCKED_ATTEMPTS, due=now, outcome="503 Service Unavailable")
    await customer.storage.save_hook_cursor("contoso", "abc", Stream.EVENTS, cursor)
    [(verdict, said, do)] = (await customer.findings(1))["hooks"]
    assert (verdict, "1 entries wait (503 Service Unavailable)" in said) == ("wrong", True)
    assert do.startswith("hooks test abc")
    [stored] = await customer.storage.hooks()
    await customer.storage.save_hook(replace(stored, disabled="its receiver answered 410"))
    assert "has ended: its receiver answered 410" in (await customer.findings(1))["hooks"][0][1]


async def test_the_tenant_of_the_settings_is_looked_at_too(customer: Customer) -> None:
    done = await customer.asked("--json", "doctor", "default")
    told = {item["check"]: item["verdict"] for item in json.loads(done.stdout)["findings"]}
    assert (done.returncode, told["credentials"], told["last contact"]) == (0, "left_out", "left_out")


@pytest.mark.parametrize("given", [(), ("contoso", "--deployment", "rg"), ("nobody",)])
async def test_without_one_thing_to_look_at_it_says_so(customer: Customer, given: tuple[str, ...]) -> None:
    done = await run_here(customer.rows, "doctor", *given)
    assert done.returncode == 2
    assert "Say what to look at" in done.stderr or "There is no tenant 'nobody'" in done.stderr


async def test_no_name_steers_the_terminal(customer: Customer) -> None:
    await customer.user("a\u202eb", active="perhaps")
    done = await customer.asked("doctor", "contoso")
    assert done.stdout.replace("\n", "").isprintable()


async def test_of_credentials_that_end_at_different_times_each_is_told(clock: Clock) -> None:
    customer = await Customer(clock).opened(days=20)
    await customer.service.credential("contoso", CredentialKind.TOKEN, days=10)
    await customer.service.credential("contoso", CredentialKind.TOKEN, access=Access.READ)
    tenant = await customer.service.administration.tenant("contoso")
    assert [item.expires[:10] for item in ending.ending(tenant, clock())] == ["2026-12-03", "2026-12-13"]
    gone = ending.ending(tenant, clock() + timedelta(days=15))
    assert [item.expires[:10] for item in gone] == ["2026-12-13"], "one that has ended is not told"
