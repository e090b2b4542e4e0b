"""The boundary of the endpoint: it always answers, and its log holds neither identities nor credentials."""

import asyncio
import gc
import json
from typing import Any

import pytest

from scim_core import ScimRequest
from scim_core.endpoint import endpoint
from scim_core.service.query_plan import QueryPlan
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import TableStorage
from scim_core.storage.tables.reading import SIDE_BY_SIDE, side_by_side
from tests.clients.targets import Answer
from tests.faults.disturbed_rows import Fault, FaultyRows
from tests.memory_rows import MemoryRows, memory_storage
from tests.scim import ENTERPRISE, TOKEN, Client, Clock, add, endpoint_over, path, references, remove, replace


@pytest.mark.parametrize(
    "request_",
    [
        ScimRequest("", ""),
        ScimRequest("GET", "/scim/v2/Users\ud800"),
        ScimRequest("GET", "/scim/v2/Users/\ud800", headers={"authorization": f"Bearer {TOKEN}"}),
        ScimRequest("GET", "/scim/v2/Schemas/\ud800"),
        ScimRequest("GET", "/scim/v2/Users", "filter=\ud800", {"authorization": f"Bearer {TOKEN}"}),
        ScimRequest("\ud800", "/scim/v2/Users", headers={"authorization": "\ud800"}),
        ScimRequest("POST", "/scim/v2/Users", headers={"authorization": f"Bearer {TOKEN}", "content-type": "\ud800"}),
        ScimRequest("PATCH", "/scim/v2/Users/x", headers={"authorization": f"Bearer {TOKEN}", "if-match": "\ud800"}),
    ],
)
async def test_any_request_is_answered(storage: TableStorage, clock: Clock, request_: ScimRequest) -> None:
    response = await endpoint_over(storage, clock).handle(request_)
    assert 400 <= response.status < 500
    assert response.headers["Content-Type"] == "application/scim+json"
    assert all(value.isascii() for value in response.headers.values())


async def test_a_request_is_one_line_without_identities_or_credentials(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    user = await client.user("bjensen@example.com")
    caplog.clear()
    with caplog.at_level("INFO", logger="scim_core.endpoint.endpoint"):
        await client.get(f"{path(user)}?code={TOKEN}")
        await client.get("/Users", filter='userName eq "bjensen@example.com"')
        await client.patch(path(user), replace("userName", "babs@jensen.org"))
        await client.get("/nowhere/bjensen")
        await client.get("/Users", headers={"authorization": "Bearer wrong-token"})
    lines = [record for record in caplog.records if record.name == "scim_core.endpoint.endpoint"]
    assert [line.getMessage() for line in lines] == [
        "GET get -> 200",
        "GET search -> 200",
        "PATCH patch -> 200",
        "GET unknown -> 404",
        "GET search -> 401",
    ]
    assert [line.__dict__["tenant"] for line in lines] == ["default", "default", "default", None, None]
    text = " ".join(str({**line.__dict__, "detail": None}) for line in lines)
    assert not any(secret in text for secret in ("jensen", TOKEN, "wrong-token"))


async def test_a_line_that_nobody_reads_is_not_made(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(endpoint.Endpoint, "_log", lambda *given: made.append(given))

    def text(plan: QueryPlan) -> str:
        made.append(plan)
        return ""

    monkeypatch.setattr(QueryPlan, "__str__", text)
    for level, lines in (("WARNING", 0), ("INFO", 2)):
        caplog.set_level(level, logger="scim_core")
        assert (await client.get("/Users", filter='title co "ann"')).status == 200
        assert len(made) == lines


NAMES = ("resource", "result", "changed", "version_before", "version_after", "source", "credential_id")


def lines_of_changes(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The fields about changes, of each line that has them."""
    lines = [vars(record) for record in caplog.records if record.name == "scim_core.endpoint.endpoint"]
    caplog.clear()
    return [{name: line[name] for name in NAMES} for line in lines if "resource" in line]


def version_of(answer: Answer) -> str:
    return answer.headers["etag"].removeprefix('W/"').removesuffix('"')


async def test_the_line_of_a_change_says_what_became_of_which_resource_and_names_the_attributes(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="scim_core.endpoint.endpoint")
    created = await client.post(
        "/Users", {"userName": "ann", "title": "Dr", "secretWord": "x", ENTERPRISE: {"department": "A"}}
    )
    user, first = json.loads(created.body), version_of(created)
    patched = await client.patch(path(user), replace("title", "Prof"), add(f"{ENTERPRISE}:department", "B"))
    second = version_of(patched)
    again = await client.patch(path(user), replace("title", "Prof"))
    put = await client.put(path(user), {"userName": "ann", "externalId": "7"})
    third = version_of(put)
    assert (again.status, put.status, (await client.delete(path(user))).status) == (200, 200, 204)
    found = lines_of_changes(caplog)
    assert {item["resource"] for item in found} == {user["id"]}
    assert [(item["result"], item["changed"], item["version_before"], item["version_after"]) for item in found] == [
        ("created", ["userName", "title", "active", f"{ENTERPRISE}:department"], None, first),
        ("changed", ["title", f"{ENTERPRISE}:department"], first, second),
        ("unchanged", [], second, second),
        ("changed", ["externalId", "title", f"{ENTERPRISE}:department"], second, third),
        ("deleted", [], third, None),
    ]


async def test_the_line_of_a_group_names_its_members_and_does_not_list_them(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    user = await client.user()
    caplog.set_level("INFO", logger="scim_core.endpoint.endpoint")
    group = await client.group("G", user)
    await client.patch(path(group), remove(f'members[value eq "{user["id"]}"]'))
    await client.patch(f"{path(group)}?attributes=displayName", add("members", references(user)))
    found = lines_of_changes(caplog)
    assert [(item["result"], item["changed"]) for item in found] == [
        ("created", ["displayName", "members"]),
        ("changed", ["members"]),
        ("changed", ["members"]),
    ]
    assert user["id"] not in str(found)


async def test_the_line_of_a_refused_change_names_only_what_can_be_an_id(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    user = await client.user()
    caplog.set_level("INFO", logger="scim_core.endpoint.endpoint")
    assert (await client.patch(path(user), replace("userName", ""))).status == 400
    assert (await client.delete("/Users/ann@example.com")).status == 404
    assert (await client.get("/Users/ann@example.com")).status == 404
    refused, unknown = lines_of_changes(caplog)
    assert (refused["resource"], refused["result"], refused["changed"]) == (user["id"], None, None)
    assert unknown["resource"] is None


async def test_a_change_whose_answer_from_the_storage_was_lost_is_told_as_it_was_made(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    rows = MemoryRows()
    user = await Client(endpoint_over(TableStorage(rows), clock)).user(title="Dr")
    disturbed = FaultyRows(rows, lambda _, before: None if before else Fault.RESET)
    caplog.set_level("INFO", logger="scim_core.endpoint.endpoint")
    answer = await Client(endpoint_over(TableStorage(disturbed), clock)).patch(path(user), replace("title", "Prof"))
    [found] = lines_of_changes(caplog)
    assert (found["result"], found["changed"], found["version_after"]) == ("changed", ["title"], version_of(answer))


async def test_a_request_that_takes_too_long_is_given_up(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = memory_storage()
    client = Client(endpoint_over(storage, clock))
    user = await client.user()

    async def stalls(*_: object) -> list[None]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(storage, "read", stalls)
    monkeypatch.setattr(endpoint, "REQUEST_SECONDS", 0.01)
    answer = await client.get(path(user))
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.filterwarnings("error")
async def test_reads_that_are_given_up_before_they_begin_leave_nothing() -> None:
    async def read(number: int) -> int:
        await asyncio.sleep(60)
        return number

    for turns in range(3):
        reading = asyncio.ensure_future(side_by_side(read(number) for number in range(2 * SIDE_BY_SIDE)))
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    gc.collect()


@pytest.mark.parametrize("answers", [True, False])
async def test_health_says_whether_the_storage_answers_and_no_more(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    storage = memory_storage()
    if not answers:

        async def fails() -> None:
            raise StorageBusy("AccountKey=s3cr3t")

        monkeypatch.setattr(storage, "ping", fails)
    response = await endpoint_over(storage, clock).handle(ScimRequest("GET", "/health"))
    assert response.status == 200
    assert (b'"storageAnswers": true' in response.body) is answers
    assert b"s3cr3t" not in response.body
