"""What clients can cause in the log: few records, and none of their own texts. Nothing that happened goes uncounted."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from scim_core.access.audit import AuditEvent
from scim_core.access.credential_plans import Issued
from scim_core.access.token_format import new_token
from scim_core.counted_log import COUNTING_SECONDS, MAX_CAUSES, MAX_SOURCES, SEVERAL_SOURCES, CountedLog
from scim_core.registry import CredentialKind
from scim_core.storage.port import StorageBusy
from tests.memory_rows import MemoryRows, memory_storage
from tests.scim import GROUP, USER
from tests.tenancy import Service, Timer, document, settings

REQUESTS = 1500
OF_OTHER_KINDS = 300
"""All kinds of requests of strangers are counted in the same way. One of them is sent as often as REQUESTS."""

type Send = Callable[[Service], Awaitable[object]]


@pytest.fixture
def service() -> Service:
    return Service(settings())


@pytest.fixture
async def contoso(service: Service) -> Issued:
    return await service.tenant("Contoso")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def beyond_the_line_of_a_request(logged: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in logged.records if " -> " not in record.getMessage()]


def counts(records: list[logging.LogRecord]) -> list[int]:
    return [vars(record)["count"] for record in records]


async def unauthenticated(service: Service) -> object:
    return await service.send("GET", "/scim/v2/Users")


async def unknown(service: Service) -> object:
    return await service.users(new_token())


async def mistyped(service: Service) -> object:
    return await service.users(new_token()[:-1])


async def foreign(service: Service) -> object:
    return await service.users("a token of another service")


async def two_headers(service: Service) -> object:
    return await service.send("GET", "/scim/v2/Users", headers={"authorization": "Bearer a, Bearer b"})


async def no_jwt(service: Service) -> object:
    return await service.users("ey.ey.ey")


async def large_and_without_a_credential(service: Service) -> object:
    return await service.send("POST", "/scim/v2/Users", body=b"x" * (1024 * 1024 + 1))


async def unknown_client(service: Service) -> object:
    return await service.ask_for_token(basic=("scim-1", "wrong"))


async def no_client(service: Service) -> object:
    return await service.ask_for_token()


async def large_form(service: Service) -> object:
    return await service.ask_for_token(b"x" * 17_000)


@pytest.mark.parametrize(
    "send",
    [
        unauthenticated,
        unknown,
        mistyped,
        foreign,
        two_headers,
        no_jwt,
        large_and_without_a_credential,
        unknown_client,
        no_client,
        large_form,
    ],
)
async def test_what_strangers_send_makes_few_records_that_count_all_of_it(
    service: Service, logged: pytest.LogCaptureFixture, send: Send
) -> None:
    requests = REQUESTS if send is unknown else OF_OTHER_KINDS
    for _ in range(requests):
        await send(service)
    records = beyond_the_line_of_a_request(logged)
    assert len(records) <= 8
    service.timer.now += COUNTING_SECONDS
    await service.send("GET", "/health")
    records = beyond_the_line_of_a_request(logged)
    assert len(records) <= 10
    assert sum(counts(records)) == (0 if send is large_form else requests)


async def test_a_suspended_tenant_is_in_the_log_at_once_and_then_counted(
    service: Service, contoso: Issued, logged: pytest.LogCaptureFixture
) -> None:
    await service.administration.suspend("contoso")
    logged.clear()
    answers = [await service.users(contoso.secret) for _ in range(REQUESTS)]
    assert [answer.status for answer in answers] == [403] * 1000 + [429] * 500, "its limit is that of any tenant"
    assert "suspended since" in document(answers[-1])["detail"]
    assert int(answers[-1].headers["Retry-After"]) > 0
    records = beyond_the_line_of_a_request(logged)
    assert [(vars(record)["event"], vars(record)["count"]) for record in records] == [
        *(("authentication failed", number) for number in (1, 9, 90, 900)),
        *(("rate-limited", number) for number in (1, 9, 90)),
    ]
    assert {vars(record)["tenant"] for record in records} == {"contoso"}
    service.timer.now += COUNTING_SECONDS
    await service.send("GET", "/health")
    assert sum(counts(beyond_the_line_of_a_request(logged))) == REQUESTS


async def test_a_suspended_tenant_at_the_token_endpoint_likewise(
    service: Service, logged: pytest.LogCaptureFixture
) -> None:
    client = await service.tenant("Fabrikam", CredentialKind.SECRET)
    await service.administration.suspend("fabrikam")
    logged.clear()
    pair = (client.credential.client_id, client.secret)
    statuses = [(await service.ask_for_token(basic=pair)).status for _ in range(REQUESTS)]
    assert statuses == [403] * 1000 + [429] * 500
    assert len(beyond_the_line_of_a_request(logged)) == 7


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_a_credential_that_ended_is_in_the_log_at_once_and_then_counted(
    service: Service, contoso: Issued, logged: pytest.LogCaptureFixture, end: str
) -> None:
    if end == "revoked":
        await service.administration.revoke("contoso", contoso.credential.id)
    else:
        service.clock.advance(days=366)
    logged.clear()
    for _ in range(REQUESTS):
        await service.users(contoso.secret)
    records = beyond_the_line_of_a_request(logged)
    assert [vars(record)["count"] for record in records] == [1, 9, 1, 9, 90, 900]
    assert {(vars(record)["tenant"], vars(record)["credential"]) for record in records} == {
        ("contoso", contoso.credential.label)
    }


async def test_requests_beyond_a_limit_are_counted_in_the_log(
    contoso: Issued, service: Service, logged: pytest.LogCaptureFixture
) -> None:
    limited = Service(settings(SCIM_TENANT_REQUESTS_PER_SECOND="25"), registry=service.registry)
    logged.clear()
    for _ in range(100 + 1000):
        await limited.users(contoso.secret)
    records = [record for record in logged.records if "audit event=rate-limited " in record.getMessage()]
    assert counts(records) == [1, 9, 90, 900]
    assert {vars(record)["reason"] for record in records} == {"the limit of the tenant"}
    assert {vars(record)["tenant"] for record in records} == {"contoso"}
    assert records[-1].getMessage().endswith("count=900")


async def test_many_addresses_share_a_record_beyond_a_number(
    service: Service, logged: pytest.LogCaptureFixture
) -> None:
    for number in range(5000):
        service.source = f"192.0.{number // 250}.{number % 250}"
        await service.send("GET", "/scim/v2/Users")
    records = beyond_the_line_of_a_request(logged)
    assert len(records) <= MAX_SOURCES + 5
    assert vars(records[-1])["source"] == SEVERAL_SOURCES
    service.timer.now += COUNTING_SECONDS
    await service.send("GET", "/health")
    assert sum(counts(beyond_the_line_of_a_request(logged))) == 5000


def test_what_is_kept_of_counts_is_bounded_and_new_every_minute() -> None:
    timer = Timer()
    log = CountedLog(timer)
    made: list[tuple[int, str]] = []
    for number in range(MAX_SOURCES * 10):
        log.note(("a cause",), str(number), lambda count, source: made.append((count, source)))
    assert len(log._counted) == MAX_SOURCES + 1
    timer.now += COUNTING_SECONDS
    log.catch_up()
    assert sum(count for count, _ in made) == MAX_SOURCES * 10
    log.note(("a cause",), "again", lambda count, source: made.append((count, source)))
    assert (made[-1], len(log._counted)) == ((1, "again"), 1)


def test_causes_without_number_are_counted_together() -> None:
    timer = Timer()
    log = CountedLog(timer)
    made: list[int] = []
    for number in range(MAX_CAUSES * 10):
        log.note(("refused", f"reason {number}"), str(number), lambda count, _: made.append(count))
    assert len(log._counted) == MAX_CAUSES + 1
    assert len(made) <= MAX_CAUSES + 5
    timer.now += COUNTING_SECONDS
    log.catch_up()
    assert sum(made) == MAX_CAUSES * 10


async def test_a_storage_that_does_not_answer_is_in_the_log_at_once_and_then_counted(
    logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: Any, **__: Any) -> Any:
        raise StorageBusy("Table Storage did not answer (TimeoutError).")

    service = Service(settings(), memory_storage())
    contoso = await service.tenant("Contoso")
    assert (await service.users(contoso.secret)).status == 200
    for name in ("get", "page", "transact", "partition_after"):
        monkeypatch.setattr(MemoryRows, name, busy)
    logged.clear()
    for _ in range(REQUESTS):
        await service.send("GET", "/health")
        await service.users(new_token())
    records = beyond_the_line_of_a_request(logged)
    assert counts([record for record in records if record.name.endswith("handlers")]) == [1, 9, 90, 900]
    assert counts([record for record in records if record.name.endswith("error_responses")]) == [1, 9, 90, 900]
    assert all(record.exc_info for record in records)


async def test_ignored_input_is_in_the_log_at_once_and_then_counted(
    service: Service, contoso: Issued, logged: pytest.LogCaptureFixture
) -> None:
    logged.clear()
    for number in range(99):
        body = {"schemas": [USER], "userName": f"ann{number}", "shoeSize": 44}
        assert (await service.send("POST", "/scim/v2/Users", contoso.secret, body)).status == 201
        unknown = {"schemas": [GROUP], "displayName": f"g{number}", "members": [{"value": "nobody"}]}
        assert (await service.send("POST", "/scim/v2/Groups", contoso.secret, unknown)).status == 201
    records = [record for record in logged.records if record.levelno == logging.WARNING]
    assert counts(records) == [1, 1, 9, 9]
    assert vars(records[0])["ignored"] == ["shoeSize"]
    assert vars(records[1])["members"] == 1


def test_a_counted_event_says_its_number(logged: pytest.LogCaptureFixture) -> None:
    AuditEvent("e", "m", "c", source="s").note(CountedLog(Timer()))
    assert [record.getMessage() for record in logged.records] == [
        "audit event=e method=m correlation_id=c source=s count=1"
    ]
