"""What `wire` sends, sends again, how often and after which pause is what the SDK's own client does; so is what it
raises. Crash safety rests on it: docs/storage.md."""

import gzip
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesParser
from itertools import permutations
from typing import TYPE_CHECKING, Any, cast

import pytest

from devhost.azurite import free_port
from scim_core.storage.port import ColumnTest, StorageBusy
from scim_core.storage.tables import wire_text
from scim_core.storage.tables.azure_rows import AzureRows
from scim_core.storage.tables.client import Connection
from scim_core.storage.tables.errors import Unanswered
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows
from tests.contract.scripted_server import (
    DONE,
    HANG_UP,
    JSON,
    OK_PAGE,
    OK_ROW,
    SILENCE,
    Answer,
    Sent,
    part,
    parts,
    scripted,
)
from tests.contract.sdk_rows import SdkRows
from tests.contract.sides import TENANT, PauselessTransport, operation, outcome, with_key

if TYPE_CHECKING:
    from email.message import Message

type Call = Callable[[Rows], Awaitable[object]]
type Way = Callable[[Connection], Rows]

OPERATIONS = [
    operation(Verb.INSERT, "a", x="1", y=True),
    operation(Verb.UPSERT, "b", x="é"),
    operation(Verb.MERGE, "c:{00e4", etag="W/\"datetime'2026-11-26T23%3A38%3A11.4414481Z'\"", x="2"),
    operation(Verb.REPLACE, "d", x=""),
    operation(Verb.DELETE, "e", etag='W/"1"'),
    operation(Verb.DELETE, "f"),
]
CALLS: dict[str, Call] = {
    "a point read": lambda rows: rows.get(TENANT, "a.~{00e4|!27", select="x,y"),
    "a page": lambda rows: rows.page(
        TENANT,
        KeyRange("a", "b"),
        tests=[ColumnTest("name", "eq", "it's + &"), ColumnTest("active", "eq", value=True)],
        since=datetime(2026, 11, 26, tzinfo=UTC),
        token={"PartitionKey": "1!8!Y29udG9zbw--", "RowKey": "1!4!YQ=="},
    ),
    "a transaction that may be repeated": lambda rows: rows.transact(TENANT, OPERATIONS),
    "a transaction that may not": lambda rows: rows.transact(TENANT, OPERATIONS, repeatable=False),
}
POSTS = [name for name in CALLS if "transaction" in name]


@dataclass(frozen=True)
class Told:
    """What came over the wire, the pauses before repetitions, and what came of the call."""

    sent: list[Sent]
    pauses: list[float]
    outcome: object


def ours_over(connection: Connection) -> Rows:
    """Our way."""
    return AzureRows(lambda: connection)


SDK: Way = SdkRows
OURS: Way = ours_over


async def told(way: Way, call: Call, answers: Sequence[Answer], **options: Any) -> Told:
    """The call by one of the two ways."""
    transport = PauselessTransport(**options)
    async with scripted(answers) as script:
        connection_string = f"AccountName=account;AccountKey=a2V5;TableEndpoint={script.endpoint}"
        connection = with_key(connection_string, "scim", transport)
        rows = way(connection)
        try:
            found = await outcome(call(rows))
        finally:
            await rows.close()
        return Told(script.sent, transport.pauses, found)


async def both(call: Call, answers: Sequence[Answer], **options: Any) -> tuple[Told, Told]:
    """The call by the SDK's client and by ours, which did the same."""
    sdk, ours = await told(SDK, call, answers, **options), await told(OURS, call, answers, **options)
    assert ours.outcome == sdk.outcome
    assert ours.pauses == sdk.pauses
    assert [sent.method for sent in ours.sent] == [sent.method for sent in sdk.sent]
    assert repeated(ours.sent) == repeated(sdk.sent)
    return sdk, ours


def repeated(sent: list[Sent]) -> list[int]:
    """For each request, which one was the first with the same method, target and body: a repetition is the same."""
    requests = [(one.method, one.target, one.body) for one in sent]
    return [requests.index(request) for request in requests]


def error(code: str, message: str = "No.") -> bytes:
    return b'{"odata.error":{"code":"%s","message":{"lang":"en-US","value":"%s"}}}' % (code.encode(), message.encode())


BUSY = Answer(503, (JSON, ("x-ms-error-code", "ServerBusy")), error("ServerBusy"))
FAULTS: dict[str, Answer] = {
    "a connection that is closed before the answer": HANG_UP,
    "an answer that breaks off in its head": Answer(200, (JSON,), OK_ROW, sent=30),
    **{str(status): Answer(status) for status in (408, 409, 412, 429, 500, 501, 502, 503, 504)},
    "503 that says when": Answer(503, (("Retry-After", "1"),)),
    "409 that says when": Answer(409, (("Retry-After", "2"),)),
    "503 with a body": BUSY,
    "500 that timed out": Answer(500, (JSON,), error("OperationTimedOut")),
}


@pytest.mark.parametrize("times", [1, 2, 4])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", CALLS)
async def test_a_fault_is_met_alike(call: str, fault: str, times: int) -> None:
    await both(CALLS[call], [FAULTS[fault]] * times)


@pytest.mark.parametrize("call", CALLS)
async def test_faults_one_after_the_other_are_met_alike(call: str) -> None:
    kinds = [HANG_UP, BUSY, FAULTS["503 that says when"], FAULTS["an answer that breaks off in its head"]]
    for answers in permutations(kinds, 3):
        await both(CALLS[call], answers)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_transaction_that_may_not_be_repeated_is_sent_once(fault: str) -> None:
    found = await told(OURS, CALLS["a transaction that may not"], [FAULTS[fault]] * 4)
    assert (len(found.sent), found.pauses) == (1, [])


@pytest.mark.parametrize("fault", [HANG_UP, Answer(408), Answer(429), Answer(500), BUSY, Answer(504)])
async def test_a_transaction_that_may_have_happened_is_unanswered(fault: Answer) -> None:
    cut = Answer(202, parts(DONE).headers, parts(DONE).body, sent=len(parts(DONE).text()) - 1)
    for call in POSTS:
        for answer in (fault, cut):
            found = await told(OURS, CALLS[call], [answer] * 4)
            assert isinstance(found.outcome, tuple)
            assert found.outcome[0] is Unanswered


@pytest.mark.parametrize("call", CALLS)
async def test_silence_is_met_alike(call: str) -> None:
    sdk, _ = await both(CALLS[call], [SILENCE] * 4, read_timeout=0.1)
    assert len(sdk.sent) == (1 if "may not" in call else 4)


@pytest.mark.parametrize("call", CALLS)
async def test_a_service_that_is_not_there_is_met_alike(call: str) -> None:
    found = []
    for way in (SDK, OURS):
        transport = PauselessTransport()
        connection_string = f"AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:{free_port()}/a"
        rows = way(with_key(connection_string, "scim", transport))
        found.append((await outcome(CALLS[call](rows)), transport.pauses))
        await rows.close()
    assert found[0] == found[1]


@pytest.mark.parametrize("times", [1, 2, 4])
@pytest.mark.parametrize("call", ["a point read", "a page"])
async def test_an_answer_to_a_read_that_breaks_off_is_asked_for_again_alike(call: str, times: int) -> None:
    whole = Answer(200, (JSON,), OK_PAGE * 9)
    for missing in (len(whole.body), len(whole.body) - 1, 50, 1):
        cut = Answer(200, (JSON,), whole.body, sent=len(whole.text()) - missing)
        sdk, _ = await both(CALLS[call], [cut] * times)
        assert len(sdk.sent) == min(times, 3) + 1


@pytest.mark.parametrize("call", POSTS)
async def test_an_answer_to_a_transaction_that_breaks_off_is_not_asked_for_again_alike(call: str) -> None:
    whole = parts(*[DONE] * len(OPERATIONS))
    for missing in (len(whole.body), 400, 20, 1):
        cut = Answer(202, whole.headers, whole.body, sent=len(whole.text()) - missing)
        sdk, _ = await both(CALLS[call], [cut])
        assert len(sdk.sent) == 1


@pytest.mark.parametrize("call", POSTS)
@pytest.mark.parametrize(
    "answer", [Answer(202, (JSON,), b"{}"), Answer(202), parts(DONE), parts(*[DONE] * 5), Answer(202, (), b"\xff" * 99)]
)
async def test_an_answer_that_does_not_say_what_became_of_each_operation_is_unanswered(
    call: str, answer: Answer
) -> None:
    found = await told(OURS, CALLS[call], [answer])
    assert isinstance(found.outcome, tuple)
    assert (found.outcome[0], len(found.sent)) == (Unanswered, 1)


@pytest.mark.parametrize("call", ["a point read", "a page"])
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"value":', b'{"value":[{"x":"1"}', b'{"value":[{"x":}]}', b"\xff"])
async def test_an_answer_that_cannot_be_read_is_busy_and_not_asked_for_again(call: str, body: bytes) -> None:
    found = await told(OURS, CALLS[call], [Answer(200, (JSON,), body)])
    assert isinstance(found.outcome, tuple)
    assert (found.outcome[0], len(found.sent)) == (StorageBusy, 1)


@pytest.mark.parametrize("call", CALLS)
async def test_a_compressed_answer_is_read_alike(call: str) -> None:
    plain = (
        parts(*[DONE] * len(OPERATIONS))
        if call in POSTS
        else Answer(200, (JSON,), OK_PAGE if "page" in call else OK_ROW)
    )
    zipped = Answer(plain.status, (*plain.headers, ("Content-Encoding", "gzip")), gzip.compress(plain.body))
    _, ours = await both(CALLS[call], [zipped])
    assert ours.outcome == (await told(OURS, CALLS[call], [plain])).outcome


CODES = ["", "ResourceNotFound", "EntityNotFound", "TableNotFound", "TableBeingDeleted", "EntityAlreadyExists"]
CODES += [
    "UpdateConditionNotSatisfied",
    "InvalidInput",
    "EntityTooLarge",
    "RequestBodyTooLarge",
    "AuthenticationFailed",
]
CODES += ["ServerBusy", "InvalidDuplicateRow", "SomethingNew"]
STATUSES = [400, 401, 403, 404, 409, 412, 413, 416, 500, 503]


@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")  # the SDK's own
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("call", CALLS)
async def test_refusals_are_told_alike_whether_body_or_head_say_the_code(call: str, status: int) -> None:
    """What an answer's head and body say does not depend on the call: two of the calls meet every second code."""
    every = call in ("a point read", "a transaction that may be repeated")
    for code in CODES if every else CODES[STATUSES.index(status) % 2 :: 2]:
        await both(CALLS[call], [Answer(status, (JSON,), error(code)) if code else Answer(status)] * 8)
    for code in ("TableBeingDeleted", "ResourceNotFound", "SomethingNew") if every else ("ResourceNotFound",):
        xml = f'<?xml version="1.0"?><m:error xmlns:m="x"><m:code>{code}</m:code><m:message>No</m:message></m:error>'
        head = ("x-ms-error-code", code)
        forms = [
            Answer(status, (JSON, head), error("InvalidInput")),
            Answer(status, (head,)),
            Answer(status, (("Content-Type", "application/xml"),), xml.encode()),
            Answer(status, (head, ("Content-Type", "text/html")), b"<html>no</html>"),
        ]
        for form in forms:
            await both(CALLS[call], [form] * 8)


@pytest.mark.parametrize("status", [400, 404, 409, 412, 500])
@pytest.mark.parametrize("call", POSTS)
async def test_refused_operations_are_told_alike(call: str, status: int) -> None:
    refusals = [(code, "3:") for code in CODES[1:]]
    refusals += [("EntityAlreadyExists", index) for index in ("0:", "5:", "99:", "", "x:")]
    for code, index in refusals:
        await both(CALLS[call], [parts(part(status, error(code, f"{index}No.\\nRequestId:1")))])


async def test_a_part_that_is_too_large_is_named_where_the_sdk_loses_the_code() -> None:
    """The SDK looks for the code in the whole answer, which is no JSON."""
    refused = parts(part(413, error("RequestBodyTooLarge", "0:No.")))
    found = await told(OURS, CALLS[POSTS[0]], [refused])
    assert "TooLarge" in str(found.outcome)
    assert "RequestBodyTooLarge" in str(found.outcome)


@pytest.mark.parametrize("call", CALLS)
async def test_a_missing_table_is_created_and_the_call_is_made_again_alike(call: str) -> None:
    missing = Answer(404, (JSON,), error("TableNotFound"))
    created = Answer(204)
    exists = Answer(409, (JSON,), error("TableAlreadyExists"))
    for answers in ([missing, created], [missing, exists], [missing, created, missing]):
        sdk, ours = await told(SDK, CALLS[call], answers), await told(OURS, CALLS[call], answers)
        assert ours.outcome == sdk.outcome
        assert [(sent.method, sent.target) for sent in ours.sent] == [(sent.method, sent.target) for sent in sdk.sent]


async def test_repetitions_are_those_that_the_documents_say() -> None:
    """Three, the first one at once. What may not be repeated never is, because it may have happened."""
    for name, call in CALLS.items():
        reads = name not in POSTS
        sent = 1 if "may not" in name else 4
        for fault in (BUSY, HANG_UP):
            found = await told(OURS, call, [fault] * 9)
            at_once = 2 if reads and fault is HANG_UP else 1  # aiohttp itself asks once more when a connection broke
            assert len(found.sent) == sent * at_once
            assert found.pauses == ([0.4, 0.8] if sent > 1 else [])


# What is sent


HEADERS = ["x-ms-version", "DataServiceVersion", "MaxDataServiceVersion", "Accept", "User-Agent", "Host"]


@pytest.mark.parametrize("call", CALLS)
async def test_the_request_is_that_of_the_sdk(call: str) -> None:
    sdk, ours = [(await told(way, CALLS[call], [])).sent[0] for way in (SDK, OURS)]
    assert (ours.method, ours.target) == (sdk.method, sdk.target)
    ports = re.compile(r":\d{4,5}\b")
    for name in HEADERS:
        assert ports.sub("", str(ours.headers[name])) == ports.sub("", str(sdk.headers[name])), name
    assert ours.headers["Date"] == ours.headers["x-ms-date"]
    assert ours.headers["Authorization"].startswith("SharedKey account:")
    assert ours.headers.get_content_type() == sdk.headers.get_content_type()
    assert [ports.sub("", item) for item in operations(ours)] == [ports.sub("", item) for item in operations(sdk)]


def operations(sent: Sent) -> list[str]:
    """The operations of a transaction: line of request, condition, row without the words about types."""
    content = f"Content-Type: {sent.headers['Content-Type']}\r\n\r\n".encode()
    if sent.method != "POST":
        return []
    (changeset,) = cast("list[Message]", BytesParser().parsebytes(content + sent.body).get_payload())
    found = []
    for one in cast("list[Message]", changeset.get_payload()):
        head, _, body = str(one.get_payload()).replace("\r\n", "\n").partition("\n\n")
        kept = [line for line in head.split("\n") if line.startswith(("P", "D", "If-Match")) and "Date:" not in line]
        body = re.sub(r', "[^"]+@odata.type": "Edm.String"', "", body).strip()
        found.append("\n".join([str(one["Content-ID"]), *sorted(kept), body]))
    return found


async def test_no_operation_can_end_its_part_early() -> None:
    """All that comes from outside is in a URL or in JSON, and neither of them has a line break."""
    text = "\r\n--changeset\r\nHTTP/1.1 204\r\n\r\n\u2028"
    hostile = RowOperation(Verb.MERGE, Role.OTHER, f"k{text}", {"x": text})
    plain = RowOperation(Verb.MERGE, Role.OTHER, "k", {"x": ""})
    lines = [(await wire_text.transaction("http://a/t", "p", [item]))[1].splitlines() for item in (hostile, plain)]
    assert len(lines[0]) == len(lines[1])
