"""The smoke test says in words what is wrong with an endpoint, and leaves no user behind."""

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from scim_core.admin import probe as probe_module
from scim_core.admin.probe import Answer, Probe, WrongAnswer, explain
from scim_core.admin.smoke_test import GivenCredential, SmokeTest, Step
from scim_core.storage.tables import TableStorage
from tests.clients.targets import InProcess, Request
from tests.scim import BASE, TOKEN, Client, Clock, endpoint_over

type Alter = Callable[[str, str, Answer], Answer]


class Altered(Probe):
    """Asks an endpoint in this process, and alters what it answers."""

    def __init__(self, target: InProcess, alter: Alter) -> None:
        self._target = target
        self._alter = alter

    async def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        path, _, query = url.removeprefix(BASE).partition("?")
        answer = await self._target.send(Request(method, path, query, dict(headers or {}), body or b""))
        return self._alter(method, path, Answer(answer.status, answer.headers, answer.body))


def with_document(answer: Answer, **members: Any) -> Answer:
    """The answer with other members; None takes one out."""
    document = {name: value for name, value in {**answer.document, **members}.items() if value is not None}
    return Answer(answer.status, answer.headers, json.dumps(document).encode())


def ignores_filters(method: str, path: str, answer: Answer) -> Answer:
    return with_document(answer, totalResults=7) if (method, path) == ("GET", "/Users") else answer


def finds_two(method: str, path: str, answer: Answer) -> Answer:
    found = (method, path) == ("GET", "/Users") and answer.document["totalResults"] == 1
    return with_document(answer, totalResults=2) if found else answer


def gives_no_id(method: str, _: str, answer: Answer) -> Answer:
    return with_document(answer, id=None) if method == "POST" else answer


def shows_no_change(method: str, path: str, answer: Answer) -> Answer:
    shown = method == "GET" and path.startswith("/Users/") and answer.status == 200
    return with_document(answer, displayName="Smoke Test") if shown else answer


def is_no_scim(_: str, __: str, answer: Answer) -> Answer:
    return Answer(200, answer.headers, b"[]")


def deletes_nothing(method: str, path: str, answer: Answer) -> Answer:
    return Answer(500) if method == "DELETE" else shows_no_change(method, path, answer)


CASES: dict[Alter, tuple[str, str]] = {
    ignores_filters: ("Test Connection", "the filter is not applied"),
    is_no_scim: ("Test Connection", "The answer is no SCIM ListResponse"),
    gives_no_id: ("a user can be created", "the answer has no id"),
    finds_two: ("it can be found by its user name", "found 2 users"),
    shows_no_change: ("it can be changed", "displayName was changed, but the user does not show it"),
}


async def tried(endpoint_clock: Clock, storage: TableStorage, alter: Alter) -> list[Step]:
    steps: list[Step] = []
    target = InProcess(endpoint_over(storage, endpoint_clock), BASE, TOKEN)
    good = await SmokeTest(Altered(target, alter), BASE, GivenCredential(TOKEN), steps.append).run()
    assert good is not any(step.wrong for step in steps)
    return steps


@pytest.mark.parametrize("alter", CASES, ids=lambda alter: alter.__name__)
async def test_a_step_that_goes_wrong_is_the_last_and_says_why(
    storage: TableStorage, clock: Clock, alter: Alter
) -> None:
    steps = await tried(clock, storage, alter)
    name, said = CASES[alter]
    assert [step.name for step in steps if step.wrong] == [steps[-1].name] == [name]
    assert said in steps[-1].wrong


async def test_the_user_is_removed_whatever_goes_wrong(client: Client, storage: TableStorage, clock: Clock) -> None:
    assert (await tried(clock, storage, shows_no_change))[-1].wrong
    assert (await client.get("/Users")).document["totalResults"] == 0


async def test_a_user_that_cannot_be_removed_is_named(storage: TableStorage, clock: Clock) -> None:
    *_, change, removal = await tried(clock, storage, deletes_nothing)
    assert change.name == "it can be changed"
    assert removal.name.startswith("the user smoke-test-")
    assert "The service failed (500) when asked to delete the user." in removal.wrong


class Answering(Probe):
    """Gives the same answer to everything."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def send(self, *_: object, **__: object) -> Answer:
        return self._answer


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"token_type": "Bearer", "expires_in": 3600}, "without an access_token"),
        ({"access_token": "x", "token_type": "mac", "expires_in": 3600}, "of token_type Bearer"),
        ({"access_token": "x", "token_type": "Bearer", "expires_in": 60}, "expires_in is 60"),
        ({"access_token": "x", "token_type": "Bearer"}, "expires_in is None"),
        ([], "without an access_token"),
    ],
)
async def test_a_token_that_entra_would_not_take_is_found(document: Any, said: str) -> None:
    steps: list[Step] = []
    answering = Answering(Answer(200, {}, json.dumps(document).encode()))
    assert not await SmokeTest(answering, BASE, GivenCredential("secret", "client"), steps.append).run()
    [step] = steps
    assert step.name == "an access token can be obtained"
    assert said in step.wrong


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(401, {}, b'{"detail": "It has expired."}'), "was refused (401). It says: It has expired."),
        (Answer(403, {}, b'{"detail": "The tenant is suspended."}'), "it may not be used (403). It says: The tenant"),
        (Answer(403), "is a firewall or gateway in front of it?"),
        (Answer(404), "a Tenant URL ends with /scim/v2"),
        (Answer(429, {"retry-after": "12"}), "wait 12 seconds"),
        (Answer(503, {}, b"<html>"), "The service failed (503) when asked to try."),
        (Answer(200, {"content-type": "text/html"}, b"<html>"), "The answer is a web page (200)"),
        (Answer(418, {}, b'{"error": "teapot"}'), "The service answered 418 when asked to try. It says: teapot"),
    ],
)
def test_an_answer_is_explained(answer: Answer, said: str) -> None:
    assert said in str(explain(answer, "try"))


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://[", "http://localhost:99999/scim/v2"])
async def test_what_is_no_url_is_said_to_be_none(url: str) -> None:
    steps: list[Step] = []
    async with Probe() as probe:
        assert not await SmokeTest(probe, url, GivenCredential("x"), steps.append).run()
    assert [step.wrong[:15] for step in steps] == ["This is no URL:"]


async def test_who_does_not_answer_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "ANSWER_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # it takes connections, and reads nothing
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        async with Probe() as probe:
            with pytest.raises(WrongAnswer, match=f"{address} did not answer within 0.1 seconds"):
                await probe.send("GET", f"http://{address}/")


def only_reads(method: str, _: str, answer: Answer) -> Answer:
    challenge = {"www-authenticate": 'Bearer realm="scim", error="insufficient_scope", scope="scim"'}
    return Answer(403, challenge, b"{}") if method != "GET" else answer


def is_forbidden(method: str, _: str, answer: Answer) -> Answer:
    return Answer(403, {}, b"{}") if method != "GET" else answer


def may_read_only_from_now_on(method: str, path: str, answer: Answer) -> Answer:
    return answer if (method, path) == ("POST", "/Users") else only_reads(method, path, answer)


async def test_with_a_credential_that_may_only_read_the_connection_is_tried_and_nothing_else(
    storage: TableStorage, clock: Clock
) -> None:
    steps = await tried(clock, storage, only_reads)
    assert [step.name for step in steps] == [
        "Test Connection",
        "groups can be searched",
        "the credential may only read, so nothing is changed",
    ]


@pytest.mark.parametrize(
    ("alter", "name"), [(is_forbidden, "a user can be created"), (may_read_only_from_now_on, "it can be changed")]
)
async def test_another_403_is_wrong(storage: TableStorage, clock: Clock, alter: Alter, name: str) -> None:
    steps = await tried(clock, storage, alter)
    assert next(step.name for step in steps if step.wrong) == name
