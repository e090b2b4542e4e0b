"""RFC 7644 section 3.12, and the HTTP statuses that go with it."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from scim_core.storage.port import StorageBusy, TooLarge, VersionConflict
from scim_core.storage.tables import TableStorage
from tests.memory_rows import MemoryRows, memory_storage
from tests.scim import ERROR, Client, Clock, Json, add, endpoint_over, path, replace, sentence

METADATA = 'resource_metadata="https://scim.example.com/.well-known/oauth-protected-resource/scim/v2"'

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACED = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
"""The header that the host of Azure Functions or a client may send."""


async def test_an_error_has_the_form_of_an_error(client: Client) -> None:
    answer = await client.get("/Users/nobody", headers=TRACED)
    assert answer.headers["content-type"] == "application/scim+json"
    detail = f"There is no User with the id 'nobody'. (request {TRACE})"
    assert answer.document == {"schemas": [ERROR], "status": "404", "detail": detail}


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "non-token", "Basic dXNlcjpwYXNz", "Token x", "Bearer " + "x" * 5000]
)
@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/Users"),
        ("POST", "/Users"),
        ("PATCH", "/Groups/x"),
        ("GET", "/Me"),
        ("POST", "/Bulk"),
        ("POST", "/.search"),
    ],
)
async def test_a_request_without_a_token_is_not_authorized(
    client: Client, method: str, url: str, header: str | None
) -> None:
    answer = await client.send(method, url, headers={"authorization": header})
    assert (answer.status, answer.headers["www-authenticate"]) == (401, f'Bearer realm="scim", {METADATA}')


@pytest.mark.parametrize("token", ["x", "b6Xk0y6mQ8rW2nV5sJ1tZ7cL4hD9fG3q", "Ü", "\ud800", "x" * 4096, "a b"])
async def test_a_wrong_token_is_said_to_be_wrong(client: Client, token: str) -> None:
    answer = await client.get("/Users", headers={"authorization": f"Bearer {token}"})
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == f'Bearer realm="scim", error="invalid_token", {METADATA}'
    assert token not in answer.document["detail"] or len(token) == 1


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(client: Client, scheme: str) -> None:
    token = "b6Xk0y6mQ8rW2nV5sJ1tZ7cL4hD9fG3p"
    assert (await client.get("/Users", headers={"authorization": f"{scheme} {token}"})).status == 200


async def test_a_token_in_the_query_is_none(client: Client) -> None:
    token = "b6Xk0y6mQ8rW2nV5sJ1tZ7cL4hD9fG3p"
    url = f"/Users?access_token={token}&code={token}"
    assert (await client.get(url, headers={"authorization": None})).status == 401


async def test_several_tokens_are_good_while_one_is_rotated(storage: TableStorage, clock: Clock) -> None:
    hashes = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # of "test"
    client = Client(endpoint_over(storage, clock, SCIM_TOKEN_SHA256=f"{hashes}, {'0' * 64}"))
    assert (await client.get("/Users", headers={"authorization": "Bearer test"})).status == 200
    assert (await client.get("/Users")).status == 401


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "json",
        "application/jsonp",
        "application/scim",
    ],
)
@pytest.mark.parametrize(
    ("method", "url"), [("POST", "/Users"), ("PUT", "/Users/{id}"), ("PATCH", "/Users/{id}"), ("POST", "/.search")]
)
async def test_another_media_type_is_unsupported(client: Client, method: str, url: str, content_type: str) -> None:
    user = await client.user()
    body = b'{"userName": "other", "Operations": []}'
    answer = await client.send(method, url.format(id=user["id"]), body, headers={"content-type": content_type})
    assert answer.status == 415
    assert (await client.get("/Users")).document["Resources"] == [user]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/scim+json",
        "application/json",
        "application/scim+json; charset=utf-8",
        "application/json;charset=UTF-8",
        "APPLICATION/SCIM+JSON",
        " application/json ; q=1",
        "",
        None,
    ],
)
async def test_json_is_read_under_its_names(client: Client, content_type: str | None) -> None:
    answer = await client.send("POST", "/Users", {"userName": "x"}, headers={"content-type": content_type})
    assert answer.status == 201


@pytest.mark.parametrize(
    "accept", ["*/*", "text/html", "application/xml;q=0.9", "application/json", "application/scim+json;q=0.9", ""]
)
async def test_the_answer_is_scim_whatever_is_accepted(client: Client, accept: str) -> None:
    for url, status in (("/Users", 200), ("/Users/x", 404)):
        answer = await client.get(url, headers={"accept": accept, "content-type": "text/html"})
        assert (answer.status, answer.headers["content-type"]) == (status, "application/scim+json")


async def test_a_body_in_chunks_is_not_understood(client: Client) -> None:
    answer = await client.send("POST", "/Users", headers={"transfer-encoding": "chunked"})
    assert answer.status == 411


async def test_a_body_of_a_mebibyte_is_too_large_beyond_one(client: Client) -> None:
    body = b'{"userName": "x"}'
    assert (await client.post("/Users", body.ljust(1024 * 1024))).status == 201
    answer = await client.post("/Users", body.ljust(1024 * 1024 + 1))
    assert answer.status == 413
    assert "1048576" in answer.document["detail"]


async def test_a_body_where_none_belongs_does_not_matter(client: Client) -> None:
    user = await client.user()
    assert (await client.send("GET", path(user), b"{", headers={"content-type": "text/plain"})).status == 200
    assert (await client.send("DELETE", path(user), b"{", headers={"content-type": "text/plain"})).status == 204


async def test_a_thousand_operations_are_the_most(client: Client) -> None:
    user = await client.user()
    operations = [replace("title", str(number)) for number in range(1001)]
    answer = await client.patch(path(user), *operations)
    assert answer.status == 413
    assert await client.document(user) == user
    assert (await client.patch(path(user), *operations[:1000])).document["title"] == "999"


class Broken(TableStorage):
    """Storage of which each call raises an error, once `error` is set."""

    error: Exception | None = None

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        error = super().__getattribute__("error")
        if error is None or name.startswith("_") or not callable(found):
            return found

        async def fails(*_: Any, **__: Any) -> None:
            raise error

        return fails


REQUESTS: dict[str, Callable[[Client, Json, Json], Any]] = {
    "get": lambda client, user, _: client.get(path(user)),
    "list": lambda client, *_: client.get("/Users"),
    "filter": lambda client, *_: client.get("/Users", filter='userName eq "x"'),
    "scan": lambda client, *_: client.get("/Users", filter="title pr"),
    "probe": lambda client, user, group: client.get(
        "/Groups", filter=f"id eq {group['id']} and members eq {user['id']}"
    ),
    "sort": lambda client, *_: client.get("/Users", sortBy="userName"),
    "search": lambda client, *_: client.post("/.search", {}),
    "create": lambda client, *_: client.post("/Users", {"userName": "new"}),
    "replace": lambda client, user, _: client.put(path(user), {"userName": "new"}),
    "patch": lambda client, user, _: client.patch(path(user), replace("title", "x")),
    "members": lambda client, user, group: client.patch(path(group), add("members", user["id"])),
    "delete": lambda client, user, _: client.delete(path(user)),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_an_unexpected_error_says_nothing_but_where_to_look(
    clock: Clock, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    storage = Broken(MemoryRows())
    client = Client(endpoint_over(storage, clock))
    user, group = await client.user(), await client.group()
    storage.error = RuntimeError("AccountKey=s3cr3t; File scim_core/tables/storage.py, line 12")
    answer = await REQUESTS[name](client, user, group)
    assert answer.status == 500
    assert set(answer.document) == {"schemas", "status", "detail"}
    assert not any(word in answer.document["detail"] for word in ("s3cr3t", "RuntimeError", "scim_core", "line"))
    [record] = [item for item in caplog.records if item.levelno == logging.ERROR]
    assert record.__dict__["correlation_id"] in answer.document["detail"]
    assert record.exc_info is not None
    assert record.exc_info[2] is not None, "the place of the error"
    assert str(record.exc_info[1]) == "RuntimeError", "its own text may quote a client"


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_busy_storage_is_no_failure_of_ours(clock: Clock, name: str) -> None:
    storage = Broken(MemoryRows())
    client = Client(endpoint_over(storage, clock))
    user, group = await client.user(), await client.group()
    storage.error = StorageBusy("throttled", retry_after=7)
    answer = await REQUESTS[name](client, user, group)
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert "throttled" not in answer.document["detail"]
    storage.error = None
    assert await client.document(user) == user


@pytest.mark.parametrize("name", ["create", "replace", "patch"])
async def test_what_storage_cannot_hold_is_too_large(clock: Clock, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Broken(MemoryRows())
    client = Client(endpoint_over(storage, clock))
    user, group = await client.user(), await client.group()

    async def too_large(*_: Any, **__: Any) -> None:
        raise TooLarge("The resource is larger than 1 MiB.")

    monkeypatch.setattr(storage, "create", too_large)
    monkeypatch.setattr(storage, "update", too_large)
    answer = await REQUESTS[name](client, user, group)
    assert (answer.status, sentence(answer)) == (413, "The resource is larger than 1 MiB.")


async def test_a_change_that_is_always_overtaken_is_given_up(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = memory_storage()
    attempts = 0

    async def overtaken(*_: Any, **__: Any) -> None:
        nonlocal attempts
        attempts += 1
        raise VersionConflict

    async def no_pause(_: float) -> None:
        return

    monkeypatch.setattr("scim_core.composition.asyncio.sleep", no_pause)
    client = Client(endpoint_over(storage, clock))
    user = await client.user()
    monkeypatch.setattr(storage, "update", overtaken)
    answer = await client.patch(path(user), replace("title", "x"))
    assert (answer.status, attempts) == (503, 40)
    assert int(answer.headers["retry-after"]) > 0


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The ids of the requests in the log."""
    return [vars(item)["correlation_id"] for item in caplog.records if "correlation_id" in vars(item)]


@pytest.mark.parametrize(
    ("sent", "headers", "status"),
    [
        ("GET /Users/nobody", {}, 404),
        ("GET /Nothing", {}, 404),
        ("PUT /Users", {}, 405),
        ("GET /Users", {"authorization": None}, 401),
        ("GET /Users?filter=x", {}, 400),
        ("POST /Users", {}, 400),
        ("GET /Nothing", TRACED, 404),
        ("DELETE /Users/nobody", TRACED, 404),
    ],
)
async def test_the_detail_ends_with_the_id_of_the_request_as_the_log_has_it(
    client: Client,
    caplog: pytest.LogCaptureFixture,
    sent: str,
    headers: dict[str, str | None],
    status: int,
) -> None:
    """Also where nobody knows yet who asks, or what for."""
    caplog.set_level("INFO", logger="scim_core.endpoint.endpoint")
    method, url = sent.split()
    answer = await client.send(method, url, {} if method in ("POST", "PUT") else None, headers=headers)
    assert answer.status == status
    [request_id] = set(told(caplog))
    assert answer.document["detail"].endswith(f" (request {request_id})")
    assert (request_id == TRACE) is (headers == TRACED)


async def test_a_failure_of_ours_has_one_id_in_the_answer_and_in_both_records(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    storage = Broken(MemoryRows())
    storage.error = RuntimeError("x")
    caplog.set_level("INFO")
    answer = await Client(endpoint_over(storage, clock)).get(f"/Users/{'0' * 8}-0000-7000-8000-{'0' * 12}")
    assert answer.status == 500
    first, second = told(caplog)
    assert first == second
    assert answer.document["detail"].endswith(f"the id here. (request {first})")


async def test_two_requests_have_two_ids(client: Client) -> None:
    answers = [await client.get("/Users/nobody") for _ in range(2)]
    assert len({answer.document["detail"] for answer in answers}) == 2
