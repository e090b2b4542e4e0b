"""An operator who sees a mass change on the console needs no command line: hold, release and undo are there."""

import json
import re
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from datetime import timedelta
from html import unescape
from urllib.parse import urlencode

import pytest

from scim_core.clock import instant_text
from scim_core.console import deeds, mass_change_actions, reading, routes
from scim_core.feed.mass_changes import RELEASED_HOURS
from scim_core.registry import TenantState
from scim_core.service.hold import HELD
from scim_core.storage.feed_port import Attempt, AttemptOutcome, LossCount, Losses
from scim_core.storage.maintenance.checking import check
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import TableStorage
from tests.console.every_page import post, shown, text
from tests.console.world import OPERATOR, VIEWER, World
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.feed.copying import Copy, feed_of, followed
from tests.mass_changes.incident import State, state
from tests.scim import Clock, replace

TENANT = "contoso-ltd"
PAGE = f"/console/customers/{TENANT}"
DEACTIVATED, LOST, ALL = 200, 230, 260
"""The first 200 users are deactivated; those from 180 to 229 are deleted, too. So 50 are deleted, and 30 stay."""


@dataclass
class Lost:
    """A customer with a wrong scope: the rows, and what an undo is to bring back."""

    world: World
    expected: State
    fields: dict[str, str]
    sync: str

    def again(self) -> World:
        """The same customer in rows of its own."""
        return World(
            Clock(self.world.clock.now), dict(self.world.tokens), dict(self.world.ids), [], self.world.rows.copy()
        )


_made: list[Lost] = []


async def lost() -> Lost:
    """The customer, which is made once."""
    if not _made:
        _made.append(await _customer())
    return _made[0]


async def _customer() -> Lost:
    world = World()
    tenant = await world.customer("Contoso Ltd", "honest")
    honest = world.tokens[tenant]
    sync = await world.token(tenant, "sync")
    users = [await world.user(tenant, f"user{number}@contoso.example") for number in range(ALL)]
    for number in range(13):
        await world.group(tenant, f"group{number}", *users[number * 20 :][:20])
    before = await state(world.rows, tenant)
    since = instant_text(world.clock())
    for number in range(DEACTIVATED):
        await world.patch(tenant, f"Users/{users[number]}", replace("active", value=False))
    for number in range(180, LOST):
        await world.send(tenant, "DELETE", f"Users/{users[number]}")
    world.clock.advance(seconds=1)
    until = instant_text(world.clock())
    world.tokens[tenant] = honest
    await world.patch(tenant, f"Users/{users[0]}", replace("title", "changed since"))
    await world.settle()
    expected = State(dict(before.resources), before.memberships)
    now = await state(world.rows, tenant)
    expected.resources["User", users[0]] = now.resources["User", users[0]]  # left alone
    return Lost(world, expected, {"from": since, "to": until, "by": sync}, sync)


async def pressed(world: World, fields: dict[str, str], *, presses: int = 1) -> str:
    """The last page, after the form was sent so often with what the page before has put into it."""
    page = ""
    for _ in range(presses):
        answer = await post(world, f"{PAGE}/undo", OPERATOR, fields)
        assert answer.status == 200, answer.body
        page = " ".join(answer.body.decode().split())
        fields = hidden(page) or fields
    return page


def hidden(page: str) -> dict[str, str]:
    """The fields of the form that goes on, as a browser sends them."""
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    found.pop("csrf", None)
    return {name: unescape(value) for name, value in found.items()}


async def test_the_page_lists_first_and_changes_nothing() -> None:
    it = await lost()
    world = it.again()
    untouched = await state(world.rows, TENANT)
    page = await text(world, f"{PAGE}/undo", urlencode(it.fields))
    assert "179 will be active again" in page
    assert "50 will be there again" in page
    assert "1 is left alone" in page
    assert "was changed since" in page
    assert f"and {179 - mass_change_actions.LISTED} more" in page
    assert "user1@contoso.example" in page
    assert await state(world.rows, TENANT) == untouched
    assert hidden(page) == {**it.fields, "after": ""}


async def test_one_press_brings_everybody_back_with_memberships_and_the_trail_names_the_visitor() -> None:
    it = await lost()
    world = it.again()
    copy = await followed(feed_of(world.rows), Copy(), TENANT)
    page = await pressed(world, it.fields)
    for said in ("179 are active again", "50 are there again", "1 is left alone", "Nothing is left", "put back: 50."):
        assert said in page
    assert "Go on" not in page
    assert await state(world.rows, TENANT) == it.expected
    assert (await check(world.rows, TENANT)).findings == []
    assert (await followed(feed_of(world.rows), copy, TENANT)).pairs == it.expected.memberships
    began, ended = [record async for record in world.registry.audit_records()][-2:]
    assert [record.text("event") for record in (began, ended)] == ["undo began", "undo ended"]
    assert {record.text("user") for record in (began, ended)} == {"ann@vendor.example"}
    person = await text(world, f"{PAGE}/resources/{world.ids['user5@contoso.example']}")
    assert "undo by console undo" in person
    assert f'request <span class="code">{began.text("correlation_id")}</span>' in person
    assert "ann@vendor" not in person.partition("<main")[2], "the customer's log names no operator"


async def test_who_is_lost_after_the_list_is_put_back_by_no_press_of_it() -> None:
    world = World()
    tenant = await world.customer("Contoso Ltd", "sync")
    users = [await world.user(tenant, f"user{number}") for number in range(60)]
    for user in users[:25]:
        await world.patch(tenant, f"Users/{user}", replace("active", value=False))
    await world.settle()
    page = await text(world, f"{PAGE}/mass-changes")
    [query] = re.findall(rf'href="{PAGE}/undo\?([^"]*)"', page)
    world.clock.now = world.clock.now.replace(microsecond=100_000) + timedelta(seconds=1)
    page = await text(world, f"{PAGE}/undo", unescape(query))
    assert "25 will be active again" in page
    fields, looked = hidden(page), instant_text(world.clock.now)
    assert fields["to"] <= looked
    world.clock.advance(seconds=-3)  # a request takes three seconds: this one is in the second of the look
    await world.patch(tenant, f"Users/{users[40]}", replace("active", value=False))
    await world.settle()
    assert looked[:19] == instant_text(world.clock.now)[:19]
    page = await pressed(world, fields)
    assert "25 are active again" in page
    assert (await world.send(tenant, "GET", f"Users/{users[40]}"))["active"] is False
    await world.patch(tenant, f"Users/{users[3]}", replace("active", value=False))  # the others have decided again
    await world.settle()
    await pressed(world, fields)
    assert (await world.send(tenant, "GET", f"Users/{users[3]}"))["active"] is False


async def test_a_time_that_is_not_over_is_no_time_to_put_back_and_one_that_has_not_begun_no_time_to_look() -> None:
    it = await lost()
    world = it.again()
    untouched = await state(world.rows, TENANT)
    later = instant_text(world.clock.now + timedelta(seconds=1))
    answer = await post(world, f"{PAGE}/undo", OPERATOR, {**it.fields, "to": later})
    assert answer.status == 400
    assert b"ends later than now" in answer.body
    assert await state(world.rows, TENANT) == untouched
    ahead = {"from": later, "to": instant_text(world.clock.now + timedelta(hours=1))}
    answer = await shown(world, f"{PAGE}/undo", urlencode(ahead))
    assert answer.status == 400
    assert b"has not begun yet" in answer.body


async def test_each_press_puts_back_so_many_and_the_form_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deeds, "UNDONE_AT_ONCE", 100)
    monkeypatch.setattr(deeds, "GROUPS_AT_ONCE", 2)
    it = await lost()
    world = it.again()
    page = await pressed(world, it.fields)
    assert "129 people and groups are still to be put back: go on." in page
    assert "Go on</button>" in page
    page = await pressed(world, hidden(page), presses=2)
    assert "The memberships of more groups are still to be looked at: go on." in page
    page = await pressed(world, hidden(page))
    assert "Nothing is left to put back." in page
    assert await state(world.rows, TENANT) == it.expected


@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
async def test_one_that_is_killed_in_the_middle_is_pressed_again(share: float) -> None:
    it = await lost()
    world, life = it.again(), Death()
    world.storage = TableStorage(MortalRows(world.rows, life), world.clock)
    await pressed(world, it.fields)
    world = it.again()
    whole = world.storage
    world.storage = TableStorage(MortalRows(world.rows, Death(int(len(life.calls) * share))), world.clock)
    with pytest.raises(ProcessDied):
        await post(world, f"{PAGE}/undo", OPERATOR, it.fields)
    assert await state(world.rows, TENANT) != it.expected
    world.storage = whole
    page = await text(world, f"{PAGE}/undo", urlencode(it.fields))
    await pressed(world, hidden(page))
    assert await state(world.rows, TENANT) == it.expected


async def test_one_that_died_before_the_memberships_is_still_offered() -> None:
    it = await lost()
    world = it.again()
    await pressed(world, it.fields)
    page = await text(world, f"{PAGE}/undo", urlencode(it.fields))
    assert "229 are as before already" in page
    assert "Look at the memberships again" in page
    assert "Nothing is left" in await pressed(world, hidden(page))


@pytest.mark.parametrize(("error", "status"), [(StorageBusy("a reason"), 503), (TimeoutError(), 504)])
async def test_one_that_was_interrupted_says_what_to_do_and_the_trail_has_it(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*given: object, **more: object) -> None:  # noqa: ARG001
        raise error

    it = await lost()
    world = it.again()
    monkeypatch.setattr(TableStorage, "gone_since", fails)
    answer = await post(world, f"{PAGE}/undo", OPERATOR, it.fields)
    assert answer.status == status
    assert b"press the button again" in answer.body
    assert b"a reason" not in answer.body
    assert [record.text("event") async for record in world.registry.audit_records()][-1] == "undo failed"


async def test_one_press_ends_long_before_the_platform_stops_waiting() -> None:
    """App Service has no answer after 230 s: https://learn.microsoft.com/azure/azure-functions/functions-scale."""
    [route] = {item.seconds for item in routes.ROUTES if item.handler in ("undo", "confirm_undo")}
    assert deeds.UNDO_SECONDS < route < 230


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"from": "yesterday", "to": "2026-11-03"}, "Say from when"),
        ({"from": "2026-11-03", "to": ""}, "Say from when"),
        ({"from": "0001-01-01T00:00+14:00", "to": "2026-11-03"}, "Say from when"),
        ({"from": "2026-11-03", "to": "2026-11-03"}, "must begin before it ends"),
        ({"from": "2026-11-03", "to": "2026-11-04", "by": "x" * 201}, "at most 200 characters"),
    ],
)
async def test_a_time_that_is_none_is_refused(query: dict[str, str], said: str) -> None:
    world = (await lost()).again()
    answer = await shown(world, f"{PAGE}/undo", urlencode(query))
    assert answer.status == 400
    assert said in answer.body.decode()
    assert (await post(world, f"{PAGE}/undo", OPERATOR, query)).status == 400


async def test_the_question_is_asked_first_and_nobody_may_have_been_lost() -> None:
    world = (await lost()).again()
    page = await text(world, f"{PAGE}/undo")
    assert '<option value="">Every credential</option>' in page
    assert ">sync (" in page
    assert 'method="post"' not in page
    page = await text(world, f"{PAGE}/undo", "from=2020-01-01&to=2020-01-02T08:00&by=")
    assert "Nobody was lost" in page
    assert 'method="post"' not in page


async def test_a_mass_change_is_told_and_its_link_asks_for_its_time_and_its_credential() -> None:
    it = await lost()
    world = it.again()
    assert "230 active users left within an hour" in await text(world, "/console")
    for visitor in (OPERATOR, VIEWER):
        assert "Look at the mass changes" in await text(world, PAGE, visitor=visitor)
    page = await text(world, f"{PAGE}/mass-changes")
    assert f"By sync {it.sync}" in page
    assert "a mass change" in page
    [address] = re.findall(rf'href="({PAGE}/undo[^"]*)"', page)
    path, _, query = unescape(address).partition("?")
    assert f"by={it.sync}" in query
    assert "179 will be active again" in await text(world, path, query)
    world.clock.advance(hours=2)
    assert "left within an hour" not in await text(world, "/console")
    assert "no mass change" in await text(world, f"{PAGE}/mass-changes")


async def test_a_long_label_does_not_hide_which_credential_it_was() -> None:
    world = World()
    tenant = await world.customer("Contoso Ltd", "Entra ID, " + "provisioning of everybody " * 2 + "x" * 18)
    [sync] = (await world.administration.tenant(tenant)).credentials
    assert len(sync.label) == 80
    users = [await world.user(tenant, f"user{number}") for number in range(60)]
    by_sync = world.tokens[tenant]
    await world.token(tenant, "HR")
    world.restart()
    await world.patch(tenant, f"Users/{users[50]}", replace("active", value=False))  # somebody has left
    world.tokens[tenant] = by_sync
    for user in users[:25]:
        await world.patch(tenant, f"Users/{user}", replace("active", value=False))
    await world.settle()
    page = await text(world, f"{PAGE}/mass-changes")
    [query] = re.findall(rf'href="{PAGE}/undo\?([^"]*)"', page)
    assert f"by={sync.id}" in query
    page = await text(world, f"{PAGE}/undo", unescape(query))
    assert "25 will be active again" in page
    assert "Losses by every credential are listed" not in page
    page = await text(world, f"{PAGE}/undo", unescape(query).replace(str(sync.id), ""))
    assert "26 will be active again" in page
    assert "Losses by every credential are listed" in page


async def test_a_page_counts_few_active_users_however_many_were_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer of the SCIM app counts all that matter, and notes it; a page that is looked at does not."""
    world = World()
    await world.customer("Contoso Ltd")
    counted = list[int]()
    found = Losses(counts=(LossCount(instant_text(world.clock()), "sync 4ca2", 10_000),))

    async def losses(*_: object) -> Losses:
        return found

    async def active(_: object, tenant: str, resource_type: str, limit: int) -> int:  # noqa: ARG001
        counted.append(limit)
        return limit

    monkeypatch.setattr(TableStorage, "losses", losses)
    monkeypatch.setattr(TableStorage, "active", active)
    assert "10000 active users left within an hour" in await text(world, "/console")
    assert sum(counted) <= reading.COUNTED_ACTIVE
    found = replace_fields(found, safe=10_000, safe_until=instant_text(world.clock.now + timedelta(hours=1)))
    counted.clear()
    assert "left within an hour" not in await text(world, "/console")
    assert counted == []


async def test_few_losses_are_no_mass_change() -> None:
    world = World()
    tenant = await world.customer("Contoso Ltd")
    users = [await world.user(tenant, f"user{number}") for number in range(22)]
    for user in users[:20]:
        await world.patch(tenant, f"Users/{user}", replace("active", value=False))
    await world.settle()
    assert "left within an hour" not in await text(world, "/console")
    await world.patch(tenant, f"Users/{users[20]}", replace("active", value=False))
    await world.settle()
    assert "21 active users left within an hour" in await text(world, "/console")


async def test_hold_is_switched_on_and_what_is_held_is_released() -> None:
    world = World()
    tenant = await world.customer("Contoso Ltd")
    users = [await world.user(tenant, f"user{number}") for number in range(30)]
    assert "Switch hold on" in await text(world, f"{PAGE}/mass-changes")
    assert "answered 429" in await text(world, f"{PAGE}/hold")
    answer = await post(world, f"{PAGE}/hold", OPERATOR, {"hold": "on"})
    assert (answer.status, answer.headers["Location"]) == (303, f"{PAGE}/mass-changes")
    assert "Switch hold off" in await text(world, f"{PAGE}/mass-changes")
    world.restart()
    for user in users[:21]:
        await world.patch(tenant, f"Users/{user}", replace("active", value=False))
        await world.settle()
    held = await world.patch(tenant, f"Users/{users[25]}", replace("active", value=False))
    assert held["status"] == "429"
    await world.send(tenant, "DELETE", f"Users/{users[26]}")
    await world.settle()
    assert "deactivations are held" in await text(world, "/console")
    page = await text(world, f"{PAGE}/mass-changes")
    assert "2 requests, as far as the log has them" in page
    for name in ("user25", "user26"):
        assert f">{name}</a>" in page
    new = Attempt(
        world.clock(), AttemptOutcome.PUT_OFF, "User", "", json.dumps({"sentence": HELD}, separators=(",", ":")), 4
    )
    await world.storage.attempted(tenant, [new])
    page = await text(world, f"{PAGE}/mass-changes")
    assert "7 requests, as far as the log has them" in page
    assert f'href="{PAGE}/resources/"' not in page, "of whom is not known"
    assert f"For {RELEASED_HOURS} hours nothing is held" in await text(world, f"{PAGE}/release")
    answer = await post(world, f"{PAGE}/release", OPERATOR)
    assert (answer.status, answer.headers["Location"]) == (303, f"{PAGE}/mass-changes")
    page = await text(world, f"{PAGE}/mass-changes")
    assert "Somebody has released: nothing is held until" in page
    assert "held until now" not in page.lower()
    assert "status" not in await world.patch(tenant, f"Users/{users[25]}", replace("active", value=False))
    records = [record async for record in world.registry.audit_records()]
    assert [record.text("event") for record in records[-3:]] == ["tenant changed", "release began", "release ended"]
    assert {record.text("user") for record in records[-3:]} == {"ann@vendor.example"}
    assert json.loads(records[-3].text("after")) == {"hold": True}


async def test_a_mark_without_hold_holds_nothing_and_a_second_press_changes_nothing() -> None:
    world = World()
    tenant = await world.customer("Contoso Ltd")
    await world.user(tenant, "ann")
    await world.settle()
    await world.administration.change_tenant(tenant, hold=True)
    losses = await world.storage.losses(tenant)
    assert await world.storage.judge(tenant, replace_fields(losses, held=instant_text(world.clock())))
    assert "deactivations are held" in await text(world, "/console")
    for _ in range(2):
        assert (await post(world, f"{PAGE}/hold", OPERATOR, {"hold": "off"})).status == 303
    assert "deactivations are held" not in await text(world, "/console")
    assert "hold was switched off" in await text(world, f"{PAGE}/mass-changes")
    assert (await post(world, f"{PAGE}/hold", OPERATOR, {"hold": "perhaps"})).status == 400
    assert (await post(world, f"{PAGE}/hold", OPERATOR)).status == 400


async def test_of_the_tenant_of_the_settings_the_settings_say_whether_it_is_held() -> None:
    world = World()
    page = await text(world, "/console/customers/default/mass-changes")
    assert "SCIM_MASS_CHANGE_HOLD" in page
    assert "Switch hold" not in page
    for path in ("hold", "setup-link"):
        assert (await shown(world, f"/console/customers/default/{path}")).status == 409
    assert (await post(world, "/console/customers/default/hold", OPERATOR, {"hold": "on"})).status == 409
    assert (await post(world, "/console/customers/default/release", OPERATOR)).status == 303
    assert "nothing is held until" in await text(world, "/console/customers/default/mass-changes")


async def test_nobody_is_put_back_into_a_directory_that_is_being_erased() -> None:
    it = await lost()
    world = it.again()
    tenant = await world.registry.load(TENANT)
    assert tenant
    await world.registry.alter(tenant, replace_fields(tenant, state=TenantState.DELETING), [])
    assert (await shown(world, f"{PAGE}/undo", urlencode(it.fields))).status == 409
    assert (await post(world, f"{PAGE}/undo", OPERATOR, it.fields)).status == 409
    assert (await post(world, f"{PAGE}/release", OPERATOR)).status == 409


async def test_a_group_and_whoever_left_it_are_put_back_by_their_names() -> None:
    world = World()
    tenant = await world.customer("Contoso Ltd")
    ann = await world.user(tenant, "ann")
    staff = await world.group(tenant, "Staff", ann)
    before, since = await state(world.rows, tenant), instant_text(world.clock())
    await world.send(tenant, "DELETE", f"Groups/{staff}")
    await world.settle()
    world.clock.advance(seconds=1)
    page = await text(world, f"{PAGE}/undo", urlencode({"from": since, "to": instant_text(world.clock())}))
    assert "Staff</a>" in page
    assert "Group, memberships: 1" in page
    await pressed(world, hidden(page))
    assert await state(world.rows, tenant) == before
