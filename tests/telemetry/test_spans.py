"""A request, its storage calls, the relay and the delivery are spans of traces that lead from one to the other."""

from dataclasses import replace as having
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from scim_core.storage.hook_port import ALL_TENANTS
from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.reading import read_range
from scim_core.traces import NO_TRACER, ROOT
from scim_core.traces import SpanKind as Kind
from tests.faults.disturbed_rows import Fault, FaultyRows
from tests.hooks.receiver import FAILED, HOOK, Receiver, add_hook, hooks_over
from tests.memory_rows import MemoryRows
from tests.scim import TOKEN, Client, Clock, add, endpoint_over, path, replace
from tests.telemetry.recorded import Recorded, children, linked, name_of, recording_endpoint, trace_of

TENANT = "default"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SENT = f"00-{TRACE}-b7ad6b7169203331-01"
NOBODY = "019a0000-0000-7000-8000-000000000000"
MEMBER = "ann.planted@example.com"
BROKEN = [
    "",
    "00-nonsense",
    f"00-{'0' * 32}-b7ad6b7169203331-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"ff-{TRACE}-b7ad6b7169203331-01",
    f"{SENT}-more",
    f"{SENT}\r\nx: 1",
    f"00-{TRACE}-b7ad6b7169203331-0g",
    f"01-{TRACE}-b7ad6b7169203331-01-{'x' * 1_000}",
]


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def rows() -> MemoryRows:
    return MemoryRows()


@pytest.fixture
def traced(rows: MemoryRows, clock: Clock, recorded: Recorded) -> TableStorage:
    return TableStorage(rows, clock, recorded.tracer)


@pytest.fixture
def client(traced: TableStorage, clock: Clock, recorded: Recorded) -> Client:
    """A client of an endpoint that records spans."""
    return Client(recording_endpoint(traced, clock, recorded))


async def delivered(storage: TableStorage, clock: Clock, recorded: Recorded | None = None) -> list[dict[str, Any]]:
    """The events that a hook gets of all that has happened."""
    receiver = Receiver()
    tracer = recorded.tracer if recorded else NO_TRACER
    await hooks_over(storage, receiver, clock, tracer=tracer).deliver(TENANT)
    return [event for _, events in receiver.requests for event in events]


async def followed(storage: TableStorage) -> None:
    """There is a hook from now on."""
    await add_hook(storage, having(HOOK, tenant=ALL_TENANTS), TENANT)


async def test_a_request_is_a_span_and_its_storage_calls_are_its_children(client: Client, recorded: Recorded) -> None:
    await client.post("/Users", {"userName": MEMBER}, headers={"traceparent": SENT})

    [request] = recorded.named("POST create")
    calls = children(request, recorded.spans)
    assert request.kind is SpanKind.SERVER
    assert request.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "scim.operation": "create",
        "scim.resource_type": "User",
        "scim.tenant": TENANT,
    }
    assert request.parent is not None
    assert (f"{request.parent.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, "b7ad6b7169203331")
    assert "storage transact" in {call.name for call in calls}
    assert {call.kind for call in calls} == {SpanKind.CLIENT}
    assert {trace_of(call) for call in calls} == {trace_of(request)}


async def test_each_call_of_the_storage_is_one_span(clock: Clock, recorded: Recorded) -> None:
    calls = list[str]()

    async def counted(kind: str) -> None:
        calls.append(kind)

    storage = TableStorage(FaultyRows(MemoryRows(), before=counted), clock, recorded.tracer)
    await Client(recording_endpoint(storage, clock, recorded)).post("/Users", {"userName": MEMBER})

    assert calls
    assert len(recorded.spans) == 1 + len(calls)


async def test_relay_and_delivery_are_linked_to_the_requests(
    client: Client, traced: TableStorage, clock: Clock, recorded: Recorded
) -> None:
    await followed(traced)
    await client.post("/Users", {"userName": "ann"}, headers={"traceparent": SENT})
    await client.post("/Users", {"userName": "bob"})
    requests = {name_of(span) for span in recorded.named("POST create")}
    recorded.forget()

    await traced.relay(TENANT)
    await delivered(traced, clock, recorded)

    relay = recorded.named("relay")[0]
    [delivery], [send] = recorded.named("deliver"), recorded.named("send")
    assert linked(relay) == linked(send) == requests
    assert relay.parent is delivery.parent is None
    assert send in children(delivery, recorded.spans)
    assert (send.kind, send.status.status_code) == (SpanKind.PRODUCER, StatusCode.UNSET)
    assert relay.attributes == {"scim.tenant": TENANT, "scim.changes": 2}
    assert send.attributes == {"scim.tenant": TENANT, "scim.hook.format": "events", "scim.changes": 2}
    assert {span.name for span in children(relay, recorded.spans)} >= {"storage page", "storage transact"}


async def test_a_batch_that_is_not_taken_is_a_failed_span(
    traced: TableStorage, clock: Clock, recorded: Recorded
) -> None:
    await followed(traced)
    await Client(endpoint_over(traced, clock)).post("/Users", {"userName": "ann"})
    await hooks_over(traced, Receiver(lambda _: FAILED), clock, tracer=recorded.tracer).deliver(TENANT)

    assert {span.status.status_code for span in recorded.named("send")} == {StatusCode.ERROR}


async def test_an_event_names_the_span_of_the_request(
    client: Client, traced: TableStorage, clock: Clock, recorded: Recorded
) -> None:
    await followed(traced)
    await client.post("/Users", {"userName": "ann"}, headers={"traceparent": SENT})

    [request] = recorded.named("POST create")
    [event] = await delivered(traced, clock)
    assert event["traceparent"] == name_of(request)
    assert event["traceparent"][3:35] == TRACE


async def test_where_no_span_is_recorded_an_event_has_what_the_client_sent(storage: TableStorage, clock: Clock) -> None:
    await followed(storage)
    client = Client(endpoint_over(storage, clock))
    later = f"01-{TRACE}-b7ad6b7169203331-01-more"
    user = (await client.post("/Users", {"userName": "ann"}, headers={"traceparent": SENT})).document
    await client.patch(path(user), replace("title", "Chief"), headers={"traceparent": later})
    await client.delete(path(user))

    created, changed, deleted = await delivered(storage, clock)
    assert created["traceparent"] == changed["traceparent"] == SENT
    assert "traceparent" not in deleted


@pytest.mark.parametrize("header", BROKEN)
async def test_what_is_no_traceparent_is_ignored(storage: TableStorage, clock: Clock, header: str) -> None:
    await followed(storage)
    client = Client(endpoint_over(storage, clock))
    answer = await client.post("/Users", {"userName": "ann"}, headers={"traceparent": header})

    assert answer.status == 201
    waiting = await read_range(storage.rows, TENANT, keys.of_kind("change"))
    assert ["traceparent" in row.properties for row in waiting] == [False]
    [event] = await delivered(storage, clock)
    assert "traceparent" not in event


@pytest.mark.parametrize("header", BROKEN)
async def test_what_is_no_traceparent_is_no_parent(client: Client, recorded: Recorded, header: str) -> None:
    await client.get("/Users/nobody", headers={"traceparent": header})

    [request] = recorded.named("GET get")
    assert request.parent is None


async def test_no_span_names_a_person_or_a_token(
    client: Client, traced: TableStorage, clock: Clock, recorded: Recorded
) -> None:
    await followed(traced)
    user = await client.user(MEMBER, displayName="Planted Name", externalId="planted-7")
    group = await client.group("Planted Group", user)
    await client.patch(path(group), add("members", [{"value": user["id"]}]))
    await client.get("/Users", filter=f'userName eq "{MEMBER}"')
    await client.get("/Users/planted-id")
    await client.post("/Users", {"userName": MEMBER})
    await client.get("/Users", headers={"authorization": "Bearer planted-token"})
    await client.send("GET", "/Planted")
    await client.patch(path(user), {"Operations": [{"op": "planted", "path": "planted", "value": "planted"}]})
    await client.delete(path(user))
    await delivered(traced, clock, recorded)

    said = recorded.text.lower()
    assert len(recorded.spans) > 20
    assert "planted" not in said
    assert not any(secret.lower() in said for secret in (TOKEN, user["id"], group["id"], HOOK.url, HOOK.id))


async def test_a_method_that_nobody_knows_is_not_repeated(client: Client, recorded: Recorded) -> None:
    await client.send("PLANTED", "/Users")

    assert "planted" not in recorded.text.lower()


async def test_an_error_is_its_type_and_not_its_text(clock: Clock, recorded: Recorded) -> None:
    storage = TableStorage(FaultyRows(MemoryRows(), lambda *_: Fault.BUSY), clock, recorded.tracer)
    await Client(recording_endpoint(storage, clock, recorded)).get(f"/Users/{NOBODY}")

    failed = [span for span in recorded.spans if span.status.status_code is StatusCode.ERROR]
    assert {str((span.attributes or {})["error.type"]) for span in failed} == {"StorageBusy", "503"}
    assert not any(span.events or span.status.description for span in recorded.spans)


async def test_without_a_tracer_nothing_is_between_the_storage_and_its_rows(rows: MemoryRows, clock: Clock) -> None:
    assert TableStorage(rows, clock).rows is rows


def test_what_records_nothing_makes_nothing() -> None:
    """One block serves all spans, so a span that nobody records costs two calls."""
    blocks = {id(NO_TRACER.span(name, Kind.SERVER, parent=ROOT)) for name in ("one", "two")}

    assert len(blocks) == 1
    with NO_TRACER.span("one", Kind.CLIENT) as span:
        span.rename("other")
        span.note("scim.tenant", TENANT)
        span.link(SENT)
        span.failed("500")
        assert span.trace_parent == ""


async def test_a_large_change_keeps_the_name_of_its_request(storage: TableStorage, clock: Clock) -> None:
    client = Client(endpoint_over(storage, clock))
    members = [(await client.user(f"u{number}"))["id"] for number in range(60)]
    await followed(storage)
    await client.post(
        "/Groups",
        {"displayName": "large", "members": [{"value": member} for member in members]},
        headers={"traceparent": SENT},
    )

    events = [event for event in await delivered(storage, clock) if event["type"].startswith("scim.group")]
    assert len(events) > 1
    assert {event.get("traceparent") for event in events} == {SENT}
