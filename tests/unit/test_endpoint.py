"""The boundary of the endpoint: it always answers, and its log holds neither identities nor credentials."""

import asyncio

import pytest

from scim_core import ScimRequest
from scim_core.endpoint import endpoint
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import TableStorage
from tests.memory_rows import memory_storage
from tests.scim import TOKEN, Client, Clock, endpoint_over, path, replace


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
    assert not any(secret in text for secret in ("jensen", TOKEN, "wrong-token", user["id"]))


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
