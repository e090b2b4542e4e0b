"""GET /log/v1: what a support tool is told, page by page, as docs/feed.openapi.yaml says; and what it costs."""

import itertools
import json
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import pytest

import scim_core
from scim_core.access.credential_plans import Wanted
from scim_core.endpoint.routes import ROOT_ROUTES
from scim_core.feed import causes, log, log_pages
from scim_core.feed.causes import REASONS_OF_A_UNIT, Counted
from scim_core.feed.log import Log
from scim_core.messages import ScimResponse
from scim_core.protocol import nearest_name
from scim_core.protocol.costs import read_units
from scim_core.protocol.nearest_name import UNITS_PER_NAME
from scim_core.protocol.schemas import Catalogue, ResourceType
from scim_core.registry import Access, CredentialKind
from scim_core.storage.feed_port import Attempt, AttemptOutcome
from scim_core.storage.tables import TableStorage
from scim_core.work import UNITS_PER_REQUEST, Work
from tests.feed.copying import CATALOGUE
from tests.feed.described import description, deviations
from tests.memory_rows import MemoryRows
from tests.scim import PATCH_OP, UNLIMITED, Clock, add, replace, sentence
from tests.tenancy import Service, document, settings
from tests.transcript import RecordedRows, Transcript

ABSENT = "018f0000-0000-7000-8000-0000000000ff"
MAX_CALLS = 20


class Tool:
    """A support tool that asks about the tenant contoso, and the identity provider of that tenant."""

    def __init__(self) -> None:
        self.recorded = Transcript()
        self.rows = MemoryRows()
        clock = Clock()
        storage = TableStorage(RecordedRows(self.rows, self.recorded), clock)
        self.service = it = Service(settings(**UNLIMITED), storage, clock=clock)
        it.endpoint = scim_core.build(it.settings, storage, it.clock, registry=it.registry, timer=it.timer, relays=True)
        self.provider = self.token = ""

    async def opened(self) -> "Tool":
        self.provider = (await self.service.tenant("Contoso")).secret
        self.token = (await self.service.applications.create(Wanted(CredentialKind.TOKEN, access=Access.READ))).secret
        return self

    async def scim(self, method: str, path: str, body: Any = None, **headers: str) -> ScimResponse:
        answer = await self.service.send(method, f"/scim/v2{path}", self.provider, body, headers)
        await self.settled()
        return answer

    async def user(self, name: str, **more: Any) -> str:
        return str(document(await self.scim("POST", "/Users", {"userName": name, **more}))["id"])

    async def group(self, name: str) -> str:
        return str(document(await self.scim("POST", "/Groups", {"displayName": name}))["id"])

    async def patch(self, path: str, *operations: Any) -> ScimResponse:
        return await self.scim("PATCH", path, {"schemas": [PATCH_OP], "Operations": list(operations)})

    async def settled(self) -> None:
        endpoint = self.service.endpoint
        assert endpoint._attempts is not None
        assert endpoint._kicks is not None
        await endpoint._attempts.idle()
        await endpoint._kicks.idle()

    async def ask(self, question: str, status: int = 200, /, **parameters: object) -> Any:
        """The answer, which has this status, is as the description says, and costs few calls of the storage."""
        path = f"/log/v1/{question}?{urlencode({'tenant': 'contoso', **parameters})}"
        self.recorded.calls.clear()
        answer = await self.service.send("GET", path, self.token)
        assert answer.status == status, answer
        assert deviations(path, answer.status, answer.headers, answer.body) == []
        assert answer.headers["Cache-Control"] == "no-store"
        assert len(self.recorded.calls) <= MAX_CALLS, self.recorded.kinds
        assert not {"transact"} & set(self.recorded.kinds), "it only reads"
        return document(answer)

    async def walk(self, question: str, **parameters: object) -> list[Any]:
        """The entries of all pages."""
        entries = list[Any]()
        while True:
            found = await self.ask(question, **parameters)
            assert len(found["entries"]) <= int(str(parameters.get("limit", 100)))
            entries += found["entries"]
            if found["next"] is None:
                return entries
            parameters["page"] = found["next"]


@pytest.fixture
async def tool() -> Tool:
    return await Tool().opened()


async def test_somebody_is_found_by_a_name_and_by_its_beginning_also_once_deleted(tool: Tool) -> None:
    user = await tool.user("ann@example.com", externalId="E-7", active=False)
    for text in ("ann@example.com", "ANN@", "E-7", user):
        assert (await tool.ask("people", text=text))["people"] == [
            {"type": "User", "id": user, "name": "ann@example.com", "active": False, "deleted": False}
        ]
    await tool.scim("DELETE", f"/Users/{user}")
    for text in ("ann@example.com", user):
        [found] = (await tool.ask("people", text=text))["people"]
        assert (found["id"], found["deleted"], found["name"], found["active"]) == (user, True, None, None)
    group = await tool.group("Sales")
    [found] = (await tool.ask("people", text="sales", type="Group"))["people"]
    assert (found["id"], found["name"], found["active"]) == (group, "Sales", None)


async def test_nobody_is_found_with_the_refusal_or_without_one(tool: Tool) -> None:
    await tool.scim("POST", "/Users", {"userName": "ann@example.com", "active": "perhaps"})
    found = await tool.ask("people", text="ann@example.com")
    assert found["people"] == []
    assert [item["note"]["status"] for item in found["refused"]] == [400]
    assert await tool.ask("people", text="bob") == {"people": [], "refused": []}


async def test_a_timeline_has_the_present_state_and_the_newest_entry_first(tool: Tool) -> None:
    user, group = await tool.user("ann"), await tool.group("Sales")
    await tool.patch(f"/Groups/{group}", add("members", [{"value": user}]))
    await tool.patch(f"/Users/{user}", replace("userName", ""))
    await tool.patch(f"/Users/{user}", replace("active", value=False))
    told = await tool.ask("timeline", id=user)
    assert (told["person"]["active"], told["person"]["groups"]) == (False, [group])
    assert [item["what"] for item in told["entries"]] == ["updated", "refused", "joined", "created"]
    assert told["entries"][0]["note"]["before"] == {"active": True}
    assert told["entries"][0]["by"].startswith("PATCH by ")
    assert told["entries"][2]["group"] == group
    assert told["next"] is None
    assert (await tool.ask("timeline", id=group))["person"]["type"] == "Group"


async def test_the_timeline_of_who_is_gone_has_the_refusals_under_the_former_name(tool: Tool) -> None:
    user = await tool.user("ann@example.com")
    await tool.scim("DELETE", f"/Users/{user}")
    await tool.scim("POST", "/Users", {"userName": "ann@example.com", "active": "perhaps"})
    told = await tool.ask("timeline", id=user)
    assert [item["what"] for item in told["entries"]] == ["refused", "deleted", "created"]
    assert told["person"]["deleted"]
    await tool.ask("timeline", 404, id=ABSENT)


async def test_pages_tell_each_entry_once_in_the_order_of_time_whatever_happens_between_them(tool: Tool) -> None:
    user, other = await tool.user("ann"), await tool.user("bob")
    for number in range(7):
        await tool.patch(f"/Users/{user}", replace("externalId", str(number)))
        await tool.patch(f"/Users/{user}", replace("active", value="perhaps"))
        await tool.patch(f"/Users/{other}", replace("active", value="perhaps"))
    whole = await tool.walk("timeline", id=user)
    assert len(whole) == 15
    assert [item["time"] for item in whole] == sorted((item["time"] for item in whole), reverse=True)
    for question, parameters in (("timeline", {"id": user}), ("entries", {"resource": user})):
        for limit in (1, 2, 3, 14, 15, 16):
            assert await tool.walk(question, limit=limit, **parameters) == whole
    first = await tool.ask("timeline", id=user, limit=4)
    await tool.patch(f"/Users/{user}", replace("externalId", "new"))
    rest, page = list[Any](), first["next"]
    while page is not None:
        found = await tool.ask("timeline", id=user, limit=4, page=page)
        rest, page = rest + found["entries"], found["next"]
    assert first["entries"] + rest == whole


async def test_the_entries_of_all_resources_are_told_page_by_page(tool: Tool) -> None:
    users = [await tool.user(f"user{number}") for number in range(5)]
    for number in range(5):
        await tool.scim("POST", "/Users", {"userName": f"refused{number}", "active": "perhaps"})
        await tool.patch(f"/Users/{users[number]}", replace("title", "Dr"))
    whole = await tool.walk("entries")
    assert len(whole) == 15
    assert [item["time"] for item in whole] == sorted((item["time"] for item in whole), reverse=True)
    for limit in (1, 2, 7, 15):
        assert await tool.walk("entries", limit=limit) == whole
    moment = whole[4]["time"]
    assert await tool.walk("entries", since=moment, limit=2) == whole[:5]
    of_one = await tool.walk("entries", since=moment, resource=users[4])
    assert [item["what"] for item in of_one] == ["updated"]


async def test_attempts_of_others_do_not_hide_an_older_one(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page reads a bounded number of attempts, so it can be empty and still have a next one."""
    monkeypatch.setattr(log_pages, "ATTEMPTS_READ", 3)
    user, other = await tool.user("ann"), await tool.user("bob")
    await tool.patch(f"/Users/{user}", replace("active", value="perhaps"))
    for _ in range(8):
        await tool.patch(f"/Users/{other}", replace("active", value="perhaps"))
    first = await tool.ask("timeline", id=user)
    assert (first["entries"], first["next"] is None) == ([], False)
    assert [item["what"] for item in await tool.walk("timeline", id=user)] == ["refused", "created"]


async def test_why_answers_or_says_whom_to_choose_from(tool: Tool) -> None:
    user, group = await tool.user("ann@example.com"), await tool.group("Sales")
    never = await tool.ask("why", user="ann@", group="Sales")
    assert (never["member"], never["entry"]) == (False, None)
    assert "never sent it" in never["verdict"]
    await tool.patch(f"/Groups/{group}", add("members", [{"value": user}]))
    is_one = await tool.ask("why", user=user, group=group)
    assert (is_one["member"], is_one["entry"]["what"]) == (True, "joined")
    await tool.user("ann@example.org")
    several = await tool.ask("why", user="ann@", group="Sales")
    assert (len(several["users"]), "verdict" in several) == (2, False)


async def test_refusals_are_told_by_cause_page_by_page_and_name_what_was_meant(tool: Tool) -> None:
    for number in range(3):
        await tool.user(f"u{number}", wrkEmail="a@example.com", **{f"other{number}": 1})
    await tool.scim("POST", "/Users", {"userName": "u0"})
    whole = await tool.ask("refusals")
    assert [(item["count"], item["cause"]) for item in whole["causes"][:1]] == [(3, "ignored: wrkEmail")]
    assert 'Did you mean emails[type eq "work"].value?' in whole["causes"][0]["advice"]
    assert (len(whole["causes"]), whole["next"], whole["unrecorded"]) == (5, None, 0)
    first = await tool.ask("refusals", limit=2)
    await tool.user("later", later=1)
    told, page = first["causes"], first["next"]
    while page is not None:
        found = await tool.ask("refusals", limit=2, page=page)
        told, page = told + found["causes"], found["next"]
    assert told == whole["causes"], "what was noted since is not on later pages"


async def test_a_request_is_found_by_its_id_whether_it_was_refused_or_not(tool: Tool) -> None:
    user = await tool.user("ann")
    refused = await tool.scim("POST", "/Users", {"userName": "Ann"})
    request = document(refused)["detail"].rpartition("(request ")[2].rstrip(")")
    [entry] = (await tool.ask("entries", request=request))["entries"]
    assert (entry["what"], entry["request"]) == ("refused", request)
    for number in range(12):
        await tool.user(f"user{number}")
    [created] = (await tool.ask("timeline", id=user))["entries"]
    assert (await tool.ask("entries", request=created["request"]))["entries"] == [created]
    trace = "0af7651916cd43dd8448eb211c80319c"
    await tool.scim("POST", "/Users", {"userName": "x"}, traceparent=f"00-{trace}-b7ad6b7169203331-01")
    assert [item["what"] for item in (await tool.ask("entries", request=trace))["entries"]] == ["created"]
    assert (await tool.ask("entries", request=ABSENT))["entries"] == []


@pytest.mark.parametrize(
    ("question", "parameters"),
    [
        ("people", {}),
        ("people", {"text": ""}),
        ("people", {"text": "x" * 201}),
        ("people", {"text": "x", "type": "Robot"}),
        ("timeline", {}),
        ("timeline", {"id": "ann"}),
        ("timeline", {"id": ABSENT, "limit": 0}),
        ("why", {"user": "ann"}),
        ("why", {"group": "Sales"}),
        ("refusals", {"since": "soon"}),
        ("refusals", {"since": "9999-12-31T23:59:59-14:00"}),
        ("entries", {"resource": "x"}),
        ("entries", {"request": ""}),
        ("entries", {"limit": "x"}),
    ],
)
async def test_a_parameter_that_is_wrong_is_a_problem_that_says_so(
    tool: Tool, question: str, parameters: dict[str, object]
) -> None:
    path = f"/log/v1/{question}?{urlencode({'tenant': 'contoso', **parameters})}"
    answer = await tool.service.send("GET", path, tool.token)
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert document(answer)["type"] == "about:blank"


async def test_a_page_of_another_question_or_of_nobody_is_a_problem_of_its_own(tool: Tool) -> None:
    user, other = await tool.user("ann"), await tool.user("bob")
    await tool.patch(f"/Users/{user}", replace("active", value="perhaps"))
    page = (await tool.ask("timeline", id=user, limit=1))["next"]
    refused = [
        await tool.ask("timeline", 400, id=other, page=page),
        await tool.ask("entries", 400, page=page),
        await tool.ask("refusals", 400, page=page),
        *[await tool.ask("timeline", 400, id=user, page=text) for text in ("", "x", "é", page[:-3], f"{page}AAAA")],
    ]
    assert {item["type"] for item in refused} == {"/log/v1/problems/page"}


async def test_the_log_is_below_the_limits_of_the_application_and_not_of_the_customer(tool: Tool) -> None:
    tool.service.endpoint = scim_core.build(
        settings(SCIM_TENANT_REQUESTS_PER_SECOND="25"),
        tool.service.storage,
        tool.service.clock,
        registry=tool.service.registry,
        timer=tool.service.timer,
        relays=True,
    )
    path = "/log/v1/people?tenant=contoso&text=ann"
    answers = [await tool.service.send("GET", path, tool.token) for _ in range(101)]
    assert [answer.status for answer in answers] == [200] * 100 + [429]
    assert answers[-1].headers["Retry-After"] == "1"
    assert deviations(path, 429, answers[-1].headers, answers[-1].body) == []
    assert (await tool.scim("GET", "/Users")).status == 200


@pytest.mark.parametrize("question", ["entries", "people", "refusals", "timeline", "why"])
async def test_other_methods_and_paths_are_problems(tool: Tool, question: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await tool.service.send(method, f"/log/v1/{question}", tool.token)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
        assert answer.headers["Content-Type"] == "application/problem+json"
    answer = await tool.service.send("GET", f"/log/v1/{question}/1", tool.token)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")


async def test_a_question_reads_the_newest_of_what_is_too_much_to_read(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scim_core.feed.log.ATTEMPTS_READ", 5)
    for number in range(8):
        at, note = tool.service.clock(), f'{{"status":400,"sentence":"{number}"}}'
        await tool.service.storage.attempted("contoso", [Attempt(at, AttemptOutcome.REFUSED, "User", "", note)])
    told = [item["advice"] for item in (await tool.ask("refusals"))["causes"]]
    assert sorted(told) == ["3", "4", "5", "6", "7"]


async def test_a_resource_with_more_changes_than_are_read_is_told_by_its_newest(tool: Tool) -> None:
    user = await tool.user("ann")
    for number in range(6):
        await tool.patch(f"/Users/{user}", replace("externalId", str(number)))
    rows = await tool.service.storage.log_of("contoso", user, limit=3)
    assert [json.loads(row.note)["after"] for row in rows] == [{"externalId": number} for number in "345"]


async def test_an_id_that_was_not_given_is_told_by_a_sentence(tool: Tool) -> None:
    answer = await tool.service.send("GET", "/log/v1/timeline?tenant=contoso", tool.token)
    assert sentence(answer) == "id must be the id of a resource. /log/v1/people finds it by a name."


def test_every_route_is_described() -> None:
    routes = {"/" + "/".join(route.segments) for route in ROOT_ROUTES if route.segments[0] in ("feed", "log")}
    assert set(description().spec["paths"].keys()) == routes


async def test_an_id_of_another_type_is_nobody_who_is_gone(tool: Tool) -> None:
    user, group = await tool.user("ann"), await tool.group("Sales")
    await tool.patch(f"/Groups/{group}", add("members", [{"value": user}]))
    assert (await tool.ask("people", text=group))["people"] == []
    assert (await tool.ask("people", text=user, type="Group"))["people"] == []
    await tool.ask("timeline", 404, id=group, type="User")
    await tool.ask("timeline", 404, id=user, type="Group")
    assert (await tool.ask("why", user=group, group=group))["users"] == []
    assert (await tool.ask("why", user=user, group=user))["groups"] == []
    for resource_id, name in ((user, "User"), (group, "Group")):
        await tool.scim("DELETE", f"/{name}s/{resource_id}")
    for given in ({}, {"type": "Group"}):
        told = (await tool.ask("timeline", id=group, **given))["person"]
        assert (told["type"], told["deleted"]) == ("Group", True)
    await tool.ask("timeline", 404, id=group, type="User")
    assert (await tool.ask("people", text=group))["people"] == []
    [found] = (await tool.ask("people", text=group, type="Group"))["people"]
    assert (found["type"], found["id"], found["deleted"]) == ("Group", group, True)
    why = await tool.ask("why", user=user, group=group)
    assert ([item["deleted"] for item in (*why["users"], *why["groups"])], why["member"]) == ([True, True], False)


@pytest.mark.parametrize(
    "request_id",
    ["ffffffff-ffff-7fff-bfff-ffffffffffff", "e677d21f-dbff-7000-8000-000000000000", "00000000-" + ABSENT[9:]],
)
async def test_a_request_whose_id_was_given_at_no_time_is_one_of_somebody_else(tool: Tool, request_id: str) -> None:
    await tool.user("ann")
    assert (await tool.ask("entries", request=request_id))["entries"] == []


async def test_a_page_whose_places_are_those_of_another_walk_is_none_of_ours(tool: Tool) -> None:
    user = await tool.user("ann")
    await tool.patch(f"/Users/{user}", replace("active", value="perhaps"))
    place, number = f"{0:016}:{0:024}", "5"
    asked: list[tuple[str, dict[str, str], str]] = [("entries", {}, "entries"), ("refusals", {}, "refusals")]
    asked += [("timeline", {"id": user}, "entries"), ("entries", {"resource": user}, "entries")]
    for question, parameters, walk in asked:
        name = log_pages._Asked("contoso", user if parameters else "").walk(walk)
        of_numbers = not parameters
        for changes, attempts in itertools.product(("", place, number, "0", "9" * 15), ("", place, number)):
            ours = attempts != number and changes in ("", *((number, "9" * 15) if of_numbers else (place,)))
            page = log_pages._cursor(name, (changes, attempts))
            await tool.ask(question, 200 if ours else 400, page=page, **parameters)


async def refusals(tool: Tool, number: int, **note: Any) -> None:
    """So many requests about nobody were refused."""
    text = json.dumps({"status": 400, "sentence": "no", "request": ABSENT, "asked": {"userName": "eve"}, **note})
    some = [Attempt(tool.service.clock(), AttemptOutcome.REFUSED, "User", "", text) for _ in range(number)]
    for begin in range(0, number, 100):
        await tool.service.storage.attempted("contoso", some[begin : begin + 100])


async def test_of_what_is_read_only_the_notes_that_are_told_are_read_as_json(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await tool.user("ann")
    await tool.patch(f"/Users/{user}", replace("active", value="perhaps"))
    [refused] = [item for item in await tool.walk("timeline", id=user) if item["what"] == "refused"]
    await refusals(tool, 300)
    parsed = list[str]()
    note = log._note

    def counted(text: str) -> dict[str, Any]:
        parsed.append(text)
        return note(text)

    monkeypatch.setattr(log, "_note", counted)
    for most, question, parameters in (
        (4, "timeline", {"id": user}),
        (3, "timeline", {"id": user, "limit": 1}),
        (3, "entries", {"limit": 1}),
        (4, "entries", {"request": refused["request"]}),
    ):
        parsed.clear()
        assert (await tool.ask(question, **parameters))["entries"]
        assert len(parsed) <= most, (question, parameters)


async def test_a_question_is_charged_for_each_row_that_it_reads(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    user, group = await tool.user("ann"), await tool.group("Sales")
    spent = list[int]()
    count = Work._count

    async def counted(work: Work, units: int) -> None:
        spent.append(units)
        await count(work, units)

    monkeypatch.setattr(Work, "_count", counted)
    questions: list[tuple[str, dict[str, str]]] = [
        ("people", {"text": "nobody"}),
        ("timeline", {"id": user}),
        ("why", {"user": user, "group": group}),
        ("refusals", {}),
        ("entries", {"request": ABSENT}),
        ("entries", {"resource": user}),
        ("entries", {}),
    ]

    async def units() -> list[int]:
        found = []
        for question, parameters in questions:
            spent.clear()
            await tool.ask(question, **parameters)
            found.append(sum(spent))
        return found

    few = await units()
    await refusals(tool, 300)
    many = await units()
    read = [300] * 6 + [100]  # of a page of all entries no more is read than is told
    assert all(more - less >= read_units(rows) for less, more, rows in zip(few, many, read, strict=True)), (few, many)
    assert max(few) < 2 * UNITS_PER_REQUEST, "a small log costs little"


@pytest.mark.parametrize("number", [10, 400])
async def test_many_reasons_are_counted_in_a_thread_and_charged(
    tool: Tool, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, spent = list[bool](), list[int]()
    count, charge = causes.counted, Work._count

    def noted(attempts: Sequence[Attempt]) -> list[Counted]:
        threads.append(threading.current_thread() is not threading.main_thread())
        return count(attempts)

    async def charged(work: Work, units: int) -> None:
        spent.append(units)
        await charge(work, units)

    monkeypatch.setattr(log, "counted", noted)
    monkeypatch.setattr(Work, "_count", charged)
    await refusals(tool, number, ignored=[f"attr{index}" for index in range(50)])
    first = await tool.ask("refusals")
    assert first["causes"][0]["count"] == number
    spent.clear()
    await tool.ask("refusals")
    assert threads == [number == 400] * 2
    assert sum(spent) >= number * 50 / REASONS_OF_A_UNIT
    ours = Log(tool.service.storage, CATALOGUE, tool.service.clock)
    assert [item.count for item in await ours.refusals("contoso")] == [number] * 51
    assert threads[2:] == [number == 400]


async def test_the_name_that_was_meant_is_looked_for_once(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    await refusals(tool, 1, ignored=[f"wrkEmail{number}" for number in range(30)])
    sought, spent = list[str](), list[int]()
    nearest, count = nearest_name.nearest_name, Work._count

    def counted_name(catalogue: Catalogue, resource_type: ResourceType, name: str) -> str | None:
        sought.append(name)
        return nearest(catalogue, resource_type, name)

    async def counted(work: Work, units: int) -> None:
        spent.append(units)
        await count(work, units)

    monkeypatch.setattr(causes, "nearest_name", counted_name)
    monkeypatch.setattr(Work, "_count", counted)
    first = await tool.ask("refusals")
    assert (len(sought), 30 * UNITS_PER_NAME < sum(spent) < 40 * UNITS_PER_NAME) == (30, True)
    spent.clear()
    assert await tool.ask("refusals") == first
    assert (len(sought), sum(spent) < UNITS_PER_NAME) == (30, True)
