"""What was asked for and not done is in the provisioning log: why, for whom, and nothing that the log may not keep."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

import scim_core
from scim_core import Endpoint, Settings
from scim_core.clock import instant_text
from scim_core.feed.attempts import MAX_PUT_OFF, MAX_ROWS, MAX_WAITING, MAX_WRITERS, WINDOW_SECONDS, Attempts
from scim_core.feed.feed import ATTEMPT_DAYS, Feed, Kept
from scim_core.protocol.schemas import load_catalogue
from scim_core.service.attempt_notes import asks_for_inactive, without_values
from scim_core.storage.feed_port import Attempt, AttemptOutcome
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.reading import read_range
from tests.scim import TOKEN, UNLIMITED, USER, Client, Clock, Json, add, endpoint_over, path, replace
from tests.transcript import transcript

TENANT = "default"
ABSENT = "018f0000-0000-7000-8000-0000000000ff"


class Pairs:
    """A client, and the endpoint that it calls, which writes attempts."""

    def __init__(self, storage: TableStorage, clock: Clock, **more: str) -> None:
        environment = {
            "SCIM_TOKEN_SHA256": sha256(TOKEN.encode()).hexdigest(),
            "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
            **UNLIMITED,
            **more,
        }
        self.endpoint: Endpoint = scim_core.build(
            Settings.from_environment(environment), storage, clock, timer=lambda: 0.0, relays=True
        )
        self.client = Client(self.endpoint)
        self.storage = storage

    async def rows(self) -> list[Json]:
        """The attempts, oldest first: the properties of each row, with its text as `note`."""
        assert self.endpoint._attempts is not None
        assert self.endpoint._kicks is not None
        await self.endpoint._attempts.idle()
        await self.endpoint._kicks.idle()
        found = await read_range(self.storage.rows, TENANT, keys.of_kind("attempt"))
        return [{**row.properties, "note": json.loads(row.properties["n0"])} for row in reversed(found)]


@pytest.fixture
def it(storage: TableStorage, clock: Clock) -> Pairs:
    return Pairs(storage, clock)


async def test_a_refused_creation_says_why_and_of_whom_and_ends_with_the_id_of_the_answer(it: Pairs) -> None:
    await it.client.user("ann@example.com")
    answer = await it.client.post("/Users", {"userName": "ANN@example.com", "title": "Director", "externalId": "7"})
    [row] = await it.rows()
    assert (row["outcome"], row["type"], row["id"]) == ("refused", "User", "")
    note = row["note"]
    assert (note["status"], note["scimType"], note["method"]) == (409, "uniqueness", "POST")
    assert note["sentence"] == "Another resource already has this userName. It must be unique."
    assert note["asked"] == {"userName": "ANN@example.com", "externalId": "7"}
    assert answer.document["detail"].endswith(f"(request {note['request']})")


async def test_a_refused_change_names_the_resource(it: Pairs) -> None:
    user = await it.client.user()
    await it.client.patch(path(user), replace("userName", ""))
    await it.client.delete(f"/Users/{ABSENT}")
    await it.client.put("/Users/ann@example.com", {"userName": "x"})
    rows = await it.rows()
    assert [row["id"] for row in rows] == [user["id"], ABSENT, ""]
    assert [row["note"]["status"] for row in rows] == [400, 404, 404]
    assert "ann@example.com" not in rows[2]["note"]["sentence"]


async def test_what_changed_nothing_and_what_was_ignored_in_part_are_there_and_a_whole_change_is_not(it: Pairs) -> None:
    user = await it.client.user("ann", wrkEmail="a@example.com")
    await it.client.patch(path(user), replace("title", "Dr"))
    await it.client.patch(path(user), replace("title", "Dr"))
    group = await it.client.group("team")
    await it.client.patch(path(group), add("members", [{"value": user["id"]}, {"value": ABSENT}]))
    rows = await it.rows()
    assert [(row["outcome"], row["id"]) for row in rows] == [
        ("in part", user["id"]),
        ("unchanged", user["id"]),
        ("in part", group["id"]),
    ]
    assert rows[0]["note"]["ignored"] == ["wrkEmail"]
    assert rows[2]["note"]["skippedMembers"] == [ABSENT]
    assert all("before" not in row["note"] and "after" not in row["note"] for row in rows)


async def test_each_operation_of_a_bulk_is_there_as_a_request_would_be(it: Pairs) -> None:
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name, "active": active}}
        for name, active in (("ann", "perhaps"), ("bob", True), ("cyd", "never"))
    ]
    answer = await it.client.post(
        "/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    )
    details = [item["response"]["detail"] for item in answer.document["Operations"] if "response" in item]
    rows = await it.rows()
    assert sorted(row["note"]["asked"]["userName"] for row in rows) == ["ann", "cyd"]
    assert all(detail.endswith(f"(request {rows[0]['note']['request']})") for detail in details)
    assert len(details) == 2


@pytest.mark.parametrize(
    ("asked", "body"),
    [
        (True, {"active": False}),
        (True, {"Active": "FALSE"}),
        (True, {"operations": [7, {"op": "replace", "path": f"{USER}:active", "value": False}]}),
        (True, {"Operations": [{"OP": "add", "Value": {"ACTIVE": "false"}}]}),
        (False, {"Operations": [{"op": "replace", "path": "title", "value": {"active": False}}]}),
        (False, {"Operations": [{"op": "remove", "path": "active"}]}),
        (False, {"Operations": {"op": "replace"}, "active": True}),
        (False, {"Operations": [{"value": {"Operations": [{"path": "active", "value": False}]}}]}),
        (False, [{"active": False}]),
        (False, None),
    ],
)
def test_a_body_asks_for_inactive_only_if_it_says_so(body: object, asked: bool) -> None:
    assert asks_for_inactive(body) is asked


async def test_reads_and_requests_of_nobody_leave_no_row(it: Pairs) -> None:
    await it.client.get(f"/Users/{ABSENT}")
    await it.client.post("/Users", {}, headers={"authorization": "Bearer wrong"})
    await it.client.get("/Users", filter="x")
    assert await it.rows() == []


async def test_a_request_that_is_to_be_sent_again_is_told_apart(storage: TableStorage, clock: Clock) -> None:
    """Beyond a limit (429), while the storage is busy (503), or by a failure of ours (500)."""
    it = Pairs(storage, clock, SCIM_TENANT_REQUESTS_PER_SECOND="25")
    user = await it.client.user()
    for _ in range(100):
        await it.client.get("/Users", count="0")
    answers = [await it.client.patch(path(user), replace("title", "Dr")) for _ in range(3)]
    assert [answer.status for answer in answers] == [429] * 3
    rows = await it.rows()
    assert [(row["outcome"], row["id"], row["note"]["status"]) for row in rows] == [("put off", user["id"], 429)] * 3
    assert "requests" in rows[0]["note"]["sentence"]


@pytest.mark.parametrize(("failure", "status"), [(StorageBusy("busy"), 503), (KeyError("x"), 500)])
async def test_a_failure_of_ours_is_put_off_too(
    it: Pairs, monkeypatch: pytest.MonkeyPatch, failure: Exception, status: int
) -> None:
    user = await it.client.user()

    async def fail(*_: object, **__: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(TableStorage, "update", fail)
        assert (await it.client.patch(path(user), replace("title", "Dr"))).status == status
    [row] = await it.rows()
    assert (row["outcome"], row["id"], row["note"]["status"]) == ("put off", user["id"], status)


async def test_nothing_that_the_log_may_not_keep_gets_into_a_row(it: Pairs) -> None:
    secret = "correct-horse-battery-staple"
    user, group = await it.client.user(), await it.client.group("team")
    for body in (
        {"userName": "ann", "password": [secret], "title": secret},
        {"userName": "ann", "active": secret, "password": secret},
        {"userName": "ann", "name": secret, secret: secret},
        {"userName": "ann", "emails": [{"value": secret, "type": {}}]},
        {"userName": "", "title": secret},
        {"schemas": [f"urn:ietf:params:scim:api:messages:2.0:{secret}"], "userName": "ann"},
        {"schemas": [f"urn:{secret}"], "userName": "ann", f"urn:{secret}": {"x": 1}},
    ):
        await it.client.post("/Users", body)
        await it.client.put(path(user), body)
    for operation in (
        {"op": secret, "path": "title", "value": secret},
        replace(secret, secret),
        replace(f'emails[value eq "{secret}"].value', 1),
        replace(f'emails[value eq "it\'s {secret}"].nothing', 1),
        replace("active", secret),
        replace(f"urn:{secret}:x", secret),
        replace("name.nothing", secret),
    ):
        await it.client.patch(path(user), operation)
        await it.client.patch(path(group), operation)
    await it.client.put(f"/Users/{secret}", {"userName": "ann"}, headers={"if-match": f'"{secret}"'})
    await it.client.post("/Users", f'{{"userName": "ann", "{secret}": 1, "{secret}": 2}}'.encode())
    await it.client.post("/Users", f'{{"userName": "ann" {secret}'.encode())
    await it.client.post("/Users", b"{}", headers={"content-type": f"text/{secret}"})
    rows = await it.rows()
    assert len([row for row in rows if row["outcome"] == "refused"]) > 15
    told = [row["note"]["sentence"] for row in rows if "sentence" in row["note"]]
    assert not [text for text in told if secret in text]
    kept = {name: row["note"] for row in rows for name in row["note"] if secret in json.dumps(row["note"][name])}
    assert kept.keys() <= {"ignored"}, "names have the form of a name: see ADR 0049"


@pytest.mark.parametrize(
    ("detail", "kept"),
    [
        ("active must be true or false, not 'perhaps'. (request 7)", "active must be true or false, not '…'."),
        ("The path 'name.givenName' is bad", "The path 'name.givenName' is bad"),
        ("Operations[0], path 'title': must be", "Operations[0], path 'title': must be"),
        ('emails[type eq "work"].value is read-only', "emails[…].value is read-only"),
        ('members[display eq "Sales [EU] Jane Doe"].display is', "members[…].display is"),
        ('emails[value eq "a]jane.doe"] is', "emails[…] is"),
        ('emails[value eq "a\\"]jane.doe"] is', "emails[…] is"),
        ('emails[value eq "a]jane.doe', "emails[…]"),
        ('emails[value eq "a]jane.doe\\', "emails[…]"),
        ("emails[value eq 1].type, Operations[1]", "emails[…].type, Operations[1]"),
        ("not 'it\\'s a \"secret\"' or", "not '…' or"),
        ("cut: 'never ends", "cut: '…'"),
        ("The client's body", "The client's body"),
        ("schemas says 'urn:other:userName'", "schemas says '…'"),
    ],
)
def test_a_sentence_loses_what_was_quoted_unless_it_is_a_name(detail: str, kept: str) -> None:
    [users] = [item for item in load_catalogue(None) if item.name == "User"]
    assert without_values(users, detail) == kept


async def test_no_answer_waits_for_a_row(storage: TableStorage, clock: Clock) -> None:
    """The same calls are made in the path of the answer with and without attempts."""
    calls = []
    for client in (Client(endpoint_over(storage, clock)), Pairs(storage, clock).client):
        with transcript(storage) as seen:
            assert (await client.post("/Users", {"userName": ""})).status == 400
            calls.append(list(seen.kinds))
    assert calls[0] == calls[1] == []


def attempt(
    outcome: AttemptOutcome = AttemptOutcome.REFUSED, at: datetime = datetime(2026, 11, 27, tzinfo=UTC)
) -> Attempt:
    return Attempt(at, outcome, "User", "", "{}")


class Written:
    """Where attempts are written; it can be busy."""

    def __init__(self) -> None:
        self.batches: list[list[Attempt]] = []
        self.busy = False
        self.now = 0.0
        self.attempts = Attempts(self.write, self.pause, lambda: self.now)

    async def write(self, _: str, attempts: Sequence[Attempt]) -> None:
        if self.busy:
            raise StorageBusy("busy")
        self.batches.append(list(attempts))

    async def pause(self, _: float) -> None:
        await asyncio.sleep(0)

    async def noted(self, number: int, outcome: AttemptOutcome = AttemptOutcome.REFUSED) -> None:
        for _ in range(number):
            self.attempts.note("contoso", attempt(outcome))
        await self.attempts.idle()


async def test_rows_are_bounded_and_the_others_are_counted() -> None:
    it = Written()
    for _ in range(MAX_ROWS // 50 + 2):
        await it.noted(50)
    assert sum(map(len, it.batches)) == MAX_ROWS
    await it.noted(1, AttemptOutcome.UNCHANGED)
    assert it.batches[-1][0].others == 100
    it.now += WINDOW_SECONDS
    await it.noted(1)
    assert it.batches[-1][0].others == 0


async def test_those_that_are_to_be_sent_again_have_fewer_rows_and_leave_room_for_refusals() -> None:
    it = Written()
    await it.noted(MAX_PUT_OFF + 5, AttemptOutcome.PUT_OFF)
    assert sum(map(len, it.batches)) == MAX_PUT_OFF
    await it.noted(1)
    assert (len(it.batches[-1]), it.batches[-1][0].others) == (1, 5)


async def test_many_at_once_are_one_transaction_and_those_that_do_not_fit_are_counted() -> None:
    it = Written()
    await it.noted(MAX_WAITING + 20)
    assert [len(batch) for batch in it.batches] == [MAX_WAITING]
    await it.noted(1)
    assert it.batches[-1][0].others == 20


async def test_what_a_busy_storage_does_not_take_is_counted() -> None:
    it = Written()
    it.busy = True
    await it.noted(3)
    it.busy = False
    await it.noted(1)
    assert [item.others for item in it.batches[0]] == [3]


async def test_the_writers_of_a_process_are_bounded() -> None:
    it = Written()
    for number in range(MAX_WRITERS + 5):
        it.attempts.note(f"tenant{number}", attempt())
    await it.attempts.idle()
    assert len(it.batches) == MAX_WRITERS


async def test_after_30_days_they_are_gone_also_of_a_tenant_that_has_no_feed(storage: TableStorage) -> None:
    clock = Clock()
    old = clock.now - timedelta(days=ATTEMPT_DAYS, minutes=1)
    await storage.attempted("contoso", [attempt(at=old) for _ in range(100)])
    await storage.attempted("contoso", [attempt(at=old) for _ in range(20)])
    await storage.attempted("contoso", [attempt(at=clock.now - timedelta(days=ATTEMPT_DAYS - 1))])
    feed = Feed(storage, load_catalogue(None), clock, Kept(feed_days=30, log_days=90))
    assert (await feed.tend()).trimmed == 120
    left = await read_range(storage.rows, "contoso", keys.of_kind("attempt"))
    assert [row.properties["lastModified"] for row in left] > [instant_text(old)]
    assert len(left) == 1
