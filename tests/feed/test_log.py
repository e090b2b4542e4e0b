"""What happened to somebody is answered by one command, and its answer names the cause."""

import json
from typing import Any

import pytest

from scim_core.admin import history
from scim_core.feed import log as feed_log
from scim_core.storage.tables import TableRegistry, TableStorage
from tests.commands import Done, run_here
from tests.feed.test_attempts import ABSENT, TENANT, Pairs
from tests.scim import ENTERPRISE, Clock, add, path, remove, replace
from tests.tenancy import Service, settings
from tests.transcript import RecordedRows, Transcript

MAX_CALLS = 20


class Support:
    """Somebody who asks about customers. No answer may cost more than MAX_CALLS calls of the storage."""

    def __init__(self, storage: TableStorage, clock: Clock) -> None:
        self.it = Pairs(storage, clock)
        self.client = self.it.client
        self.rows = storage.rows

    async def ask(self, *given: str) -> Done:
        await self.it.rows()
        recorded = Transcript()
        done = await run_here(RecordedRows(self.rows, recorded), *given)
        assert len(recorded.calls) <= MAX_CALLS, recorded.kinds
        assert not {"transact"} & set(recorded.kinds), "it only reads"
        assert done.returncode in (0, 1), done.stderr
        return done

    async def json(self, *given: str) -> Any:
        return json.loads((await self.ask("--json", *given)).stdout)


@pytest.fixture
def support(storage: TableStorage, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Support:
    monkeypatch.setattr(history, "utc_now", clock)
    return Support(TableStorage(storage.rows, clock), clock)


async def test_story_disabled_yesterday_but_can_still_log_in(support: Support, clock: Clock) -> None:
    """The mapping has another target than `active`: the request came, and what it asked for was ignored."""
    user = await support.client.user("ann@example.com")
    clock.advance(days=1)
    body = {"userName": "ann@example.com", "active": True, "accountEnabled": False}
    await support.client.put(path(user), body)
    done = await support.ask("who", TENANT, "ann@example.com")
    assert done.returncode == 0
    assert "ann@example.com is active: can log in" in done.stdout
    assert "ignored: accountEnabled" in done.stdout
    assert "unchanged" in done.stdout
    assert "(1 day ago)" in done.stdout
    told = await support.json("refusals", TENANT)
    assert [item["cause"] for item in told] == ["ignored: accountEnabled"]
    assert "User has no attribute accountEnabled. Did you mean active?" in told[0]["advice"]


async def test_story_missing_from_a_group(support: Support) -> None:
    group = await support.client.group("Sales")
    await support.client.patch(path(group), add("members", [{"value": ABSENT}]))
    user = await support.client.user("ann")
    never = await support.json("why", TENANT, "ann", "Sales")
    assert (never["member"], never["event"]) == (False, None)
    assert "never sent it" in never["verdict"]
    told = await support.json("refusals", TENANT)
    assert told[0]["cause"] == f"skipped members of the group {group['id']}"
    await support.client.patch(path(group), add("members", [{"value": user["id"]}]))
    is_one = await support.json("why", TENANT, "ann", "Sales")
    assert is_one["member"]
    assert is_one["event"]["by"].startswith("PATCH by ")
    await support.client.patch(path(group), remove(f'members[value eq "{user["id"]}"]'))
    was_one = await support.ask("why", TENANT, "ann", "sales")
    assert "ann is no member. The membership was removed at 2026-11-23" in was_one.stdout


async def test_why_takes_the_beginnings_of_names(support: Support) -> None:
    ann = await support.client.user("ann@example.com")
    await support.client.group("Sales in Europe", ann)
    is_one = await support.json("why", TENANT, "an", "sales")
    assert is_one["member"]


async def test_a_member_who_was_skipped_and_is_gone_is_told_so(support: Support) -> None:
    user, group = await support.client.user("ann"), await support.client.group("Sales")
    await support.client.delete(path(user))
    await support.client.patch(path(group), add("members", [{"value": user["id"]}]))
    told = await support.json("why", TENANT, "ann", "Sales")
    assert "was skipped" in told["verdict"]
    assert told["event"]["note"]["skippedMembers"] == [user["id"]]


async def test_story_deleted_last_week(support: Support, clock: Clock) -> None:
    user = await support.client.user("Ann@example.com")
    group = await support.client.group("Sales", user)
    await support.client.delete(path(user))
    clock.advance(days=7)
    for text in ("ann@example.com", "ann@", user["id"]):
        done = await support.ask("who", TENANT, text)
        assert f"{user['id']} was deleted 2026-11-23" in done.stdout
        assert "(7 days ago)" in done.stdout
        assert "DELETE by " in done.stdout
    told = await support.json("who", TENANT, "ann@example.com")
    assert [item["what"] for item in told["events"]] == ["created", "joined", "deleted"]
    assert told["events"][1]["group"] == group["id"]
    why = await support.json("why", TENANT, "ann@example.com", "Sales")
    assert "because the user was deleted" in why["verdict"]


async def test_story_entra_never_sent_it(support: Support) -> None:
    done = await support.ask("who", TENANT, "nobody@example.com")
    assert done.returncode == 1
    assert "the identity provider never sent it" in done.stdout.replace("\n", " ")


async def test_who_was_refused_is_found_by_the_name_that_was_asked_for(support: Support) -> None:
    await support.client.post("/Users", {"userName": "ann@example.com", "active": "perhaps"})
    told = await support.json("who", TENANT, "ANN@example.com")
    assert "the request was refused" in told["verdict"]
    [event] = told["events"]
    assert "active must be true or false" in event["detail"]
    assert "perhaps" not in event["detail"]


async def test_somebody_is_found_by_each_name_and_by_its_beginning(support: Support) -> None:
    mail = {"value": "ann.work@example.com", "type": "work"}
    user = await support.client.user("ann@example.com", externalId="E-7", emails=[mail])
    for text in ("ann@example.com", "E-7", "ann.work@example.com", user["id"], "ann@ex", "ann.wo", "E-"):
        assert (await support.json("who", TENANT, text))["id"] == user["id"]
    await support.client.user("ann@example.org")
    done = await support.ask("who", TENANT, "ann@")
    assert done.returncode == 1
    assert "Say which one, by its id." in done.stdout


async def test_the_id_at_the_end_of_an_error_finds_the_refusal(support: Support) -> None:
    await support.client.user("ann")
    answer = await support.client.post("/Users", {"userName": "ann"})
    await support.client.post("/Users", {"userName": "Ann"})
    request = answer.document["detail"].rpartition("(request ")[2].rstrip(")")
    [event] = await support.json("log", TENANT, "--request", request)
    assert event["what"] == "refused"


async def test_the_log_of_a_resource_has_its_values_and_that_of_a_tenant_has_all(
    support: Support, clock: Clock
) -> None:
    user, other = await support.client.user("ann"), await support.client.user("bob")
    await support.client.patch(path(user), replace("active", value=False))
    told = await support.json("log", TENANT, "--resource", user["id"])
    assert [item["what"] for item in told] == ["created", "updated"]
    assert "active: true -> false" in told[1]["detail"]
    assert {item["resource"] for item in await support.json("log", TENANT)} == {user["id"], other["id"]}
    clock.advance(days=2)
    await support.client.delete(path(other))
    since = (await support.json("log", TENANT, "--since", clock.now.date().isoformat()))[0]
    assert (since["what"], since["resource"]) == ("deleted", other["id"])
    assert (await run_here(support.rows, "log", TENANT, "--since", "soon")).returncode == 2


async def test_refusals_are_counted_by_cause_and_name_what_was_meant(support: Support) -> None:
    for number in range(3):
        await support.client.post("/Users", {"userName": f"u{number}", "wrkEmail": "a@example.com"})
    for _ in range(2):
        await support.client.post("/Users", {"userName": "u0"})
    told = await support.json("refusals", TENANT)
    assert [(item["count"], item["cause"]) for item in told] == [(3, "ignored: wrkEmail"), (2, "409 uniqueness")]
    assert 'Did you mean emails[type eq "work"].value?' in told[0]["advice"]
    assert (told[1]["example"], told[1]["advice"]) == (
        "u0",
        "Another resource already has this userName. It must be unique.",
    )
    done = await support.ask("refusals", TENANT)
    assert "TIMES" in done.stdout


async def test_no_name_steers_the_terminal_and_there_are_no_colours_in_a_file(support: Support) -> None:
    await support.client.user("ann", externalId="7\u202e\u202d")
    done = await support.ask("who", TENANT, "ann")
    assert done.stdout.replace("\n", "").isprintable()


async def test_a_large_directory_costs_no_more_calls(support: Support) -> None:
    users = [await support.client.user(f"user{number:03}@example.com") for number in range(60)]
    for number in range(12):
        await support.client.group(f"group{number}", *users)
    told = await support.json("who", TENANT, "user001@")
    assert len(told["groups"]) == 12
    assert sum(1 for item in told["groups"] if item["displayName"]) == feed_log.NAMED_GROUPS


@pytest.mark.parametrize(
    "text", ["stra\u00dfe@example.com", "\u0130pek@example.com", "\u03b3\u03b9\u03ce\u03c1\u03b3\u03bf\u03c2"]
)
async def test_a_name_of_several_forms_costs_no_more_calls(support: Support, text: str) -> None:
    """Version 0.2 gives such a name other keys, and each is looked up."""
    user = await support.client.user(text, externalId="7")
    await support.client.group(text, user)
    assert (await support.json("who", TENANT, text))["id"] == user["id"]
    assert (await support.ask("who", TENANT, f"{text}nobody")).returncode == 1
    assert (await support.json("why", TENANT, text, text))["member"]
    await support.client.delete(path(user))
    assert (await support.json("who", TENANT, text))["deleted"]


async def test_no_advice_about_a_mapping_names_what_the_tenant_has_not(support: Support) -> None:
    await support.client.user("ann", departmnt="Sales")
    [told] = await support.json("refusals", TENANT)
    assert f"Did you mean {ENTERPRISE}:department?" in told["advice"]
    administration = Service(settings(), registry=TableRegistry(support.rows)).administration
    await administration.create_tenant("Default", TENANT)
    await administration.choose_schemas(TENANT, "schemas deny", lambda chosen: chosen.denying([ENTERPRISE]))
    [told] = await support.json("refusals", TENANT)
    assert "Remove this mapping." in told["advice"]
