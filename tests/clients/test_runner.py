"""The runner sees what is wrong: an answer that is nearly right must not pass."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.cases import Play, read
from tests.clients.discovery import mappable
from tests.clients.expectation import shortcomings
from tests.clients.matching import differences, same
from tests.clients.playing import Disagreement, run
from tests.clients.pointer import ABSENT, resolve
from tests.clients.protocol import ERROR, LIST_RESPONSE, violations
from tests.clients.targets import Answer, Request
from tests.clients.template import fill

SCIM_JSON = {"content-type": "application/scim+json"}
USER: dict[str, Any] = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "id": "1",
    "active": True,
    "meta": {"location": "http://localhost/scim/v2/Users/1", "version": 'W/"a"', "created": "2026-11-23T09:05:00Z"},
}
CREATED = {**SCIM_JSON, "location": USER["meta"]["location"], "etag": 'W/"a"'}
WORK = {"type": "work", "value": "a"}
PRIMARY = WORK | {"primary": True}
NOT_FOUND = {"schemas": [ERROR], "status": "404", "detail": "There is no user 1."}
PAGE = {"schemas": [LIST_RESPONSE], "totalResults": 1, "startIndex": 1, "itemsPerPage": 1, "Resources": [USER]}


def answer(status: int, document: Any = None, headers: dict[str, str] | None = None) -> Answer:
    body = b"" if document is None else json.dumps(document).encode()
    return Answer(status, SCIM_JSON if headers is None else headers, body)


class Scripted:
    """A target that gives these answers one after the other and keeps the requests."""

    base = "http://localhost/scim/v2"
    token = "a-token-that-is-a-secret"

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[Request] = []
        self._answers = list(answers)

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        return self._answers[len(self.requests) - 1]


def play(*exchanges: dict[str, Any]) -> Play:
    return Play("a-case", None, "entra", list(exchanges))


def test_right_answers_violate_nothing() -> None:
    assert violations("POST", answer(201, USER, CREATED)) == []
    assert violations("GET", answer(404, NOT_FOUND)) == []
    assert violations("GET", answer(200, PAGE)) == []
    assert violations("DELETE", answer(204, None, {})) == []
    assert violations("HEAD", answer(405, None, {})) == []


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        pytest.param("GET", answer(200, USER, {**CREATED, "content-type": "application/json"}), id="json"),
        pytest.param("GET", answer(200, USER, {**CREATED, "content-type": "application/scim+json; charset=utf-8"})),
        pytest.param("GET", answer(200, USER | {"title": None}, CREATED), id="null"),
        pytest.param("GET", answer(200, USER | {"emails": [{"value": None}]}, CREATED), id="null within"),
        pytest.param("GET", answer(200, USER | {"name": {}}, CREATED), id="empty object"),
        pytest.param("GET", answer(200, USER | {"urn:x:2.0:User": {"a": 1}}, CREATED), id="extension not listed"),
        pytest.param(
            "GET", answer(200, USER | {"emails": [PRIMARY, PRIMARY | {"value": "b"}]}, CREATED), id="primaries"
        ),
        pytest.param("GET", answer(200, USER | {"emails": [WORK, WORK]}, CREATED), id="the same twice"),
        pytest.param("GET", answer(200, USER, {**CREATED, "etag": 'W/"b"'}), id="another ETag"),
        pytest.param("GET", answer(200, USER, SCIM_JSON), id="no ETag"),
        pytest.param("POST", answer(201, USER, {**CREATED, "location": "http://localhost/"}), id="other location"),
        pytest.param("POST", answer(201, USER, {**SCIM_JSON, "etag": 'W/"a"'}), id="no location"),
        pytest.param("GET", answer(200, USER | {"id": "2"}, CREATED), id="location of another"),
        pytest.param("GET", answer(200, USER | {"meta": {"created": "yesterday"}}), id="no time"),
        pytest.param("PATCH", answer(204, USER, CREATED), id="204 with a body"),
        pytest.param("PATCH", answer(200), id="200 without a body"),
        pytest.param("GET", answer(404), id="error without a body"),
        pytest.param("GET", answer(404, NOT_FOUND | {"status": 404}), id="status as a number"),
        pytest.param("GET", answer(400, NOT_FOUND), id="another status"),
        pytest.param("GET", answer(404, NOT_FOUND | {"detail": " "}), id="blank detail"),
        pytest.param("GET", answer(404, NOT_FOUND | {"scimType": "notFound"}), id="no scimType"),
        pytest.param("GET", answer(404, NOT_FOUND | {"schemas": [LIST_RESPONSE]}), id="no error schema"),
        pytest.param("GET", answer(200, PAGE | {"totalResults": "1"}), id="total as text"),
        pytest.param("GET", answer(200, PAGE | {"itemsPerPage": 20}), id="items not counted"),
        pytest.param("GET", answer(200, PAGE | {"Resources": [USER | {"id": "2"}]}), id="resource in a list"),
        pytest.param("GET", Answer(200, SCIM_JSON, b"<html>"), id="html"),
    ],
)
def test_what_breaks_the_protocol_is_seen(method: str, wrong: Answer) -> None:
    assert len(violations(method, wrong)) == 1


@pytest.mark.parametrize(
    ("expected", "actual"),
    [(True, "True"), (True, 1), (1, 1.0), ("1", 1), ([1], [1, 1]), ([1, 1], [1, 2]), ({"a": [{"b": 1}]}, {"a": [{}]})],
)
def test_values_that_only_look_alike_differ(expected: Any, actual: Any) -> None:
    assert differences(expected, actual)
    assert not same(expected, actual)


def test_a_part_matches_where_exactness_does_not() -> None:
    expected, actual = [{"a": 1}, {"a": 2}], [{"a": 2, "b": 3}, {"a": 1}]
    assert differences(expected, actual) == []
    assert not same(expected, actual)
    assert same(actual, list(reversed(actual)))


@pytest.mark.parametrize(
    "expect",
    [
        {"status": [200, 204]},
        {"headers": {"Allow": "GET"}},
        {"headers": {"Content-Type": None}},
        {"body": {"id": "2"}},
        {"exactly": {"/meta": {"version": 'W/"a"'}}},
        {"exactly": {"/nothing": 1}},
        {"in_order": {"/schemas": []}},
        {"absent": ["/meta/version"]},
        {"absent": ["/schemas/*"]},
        {"count": {"/schemas": 2}},
        {"keys": {"": ["schemas", "id"]}},
        {"contains": {"/schemas": ["urn:x"]}},
        {"matches": {"/id": "^[a-z]"}},
        {"differs": {"/id": "1"}},
        {"differs": {"/nothing": "1"}},
        {"at_least": {"/id": 0}},
        {"never": ["version"]},
    ],
)
def test_each_expectation_can_fail(expect: dict[str, Any]) -> None:
    assert len(shortcomings(expect, answer(201, USER, CREATED))) == 1


def test_an_attribute_that_is_not_in_the_schemas_is_not_discovered() -> None:
    part = {"name": "value", "type": "string", "multiValued": False}
    kind = {"name": "type", "type": "string", "multiValued": False, "canonicalValues": ["work"]}
    emails = {"name": "emails", "type": "complex", "multiValued": True, "subAttributes": [part, kind]}
    roles = {"name": "roles", "type": "complex", "multiValued": True, "subAttributes": [part]}
    schema = {"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [emails, roles]}
    extension = {"id": "urn:x:2.0:User", "attributes": [part]}
    found = ['emails[type eq "work"].value', 'roles[primary eq "True"].value', "urn:x:2.0:User:value"]
    assert list(mappable([schema, extension])) == found
    schemas = answer(200, {"Resources": [schema]})
    assert shortcomings({"discovers": [found[0].upper(), "title"]}, schemas) == ["title is not discoverable"]


def test_an_expectation_that_means_nothing_is_an_error() -> None:
    with pytest.raises(KeyError):
        shortcomings({"absnet": ["/id"]}, answer(200, USER, CREATED))


@pytest.mark.parametrize(
    "text",
    [
        '{"title": "t", "titel": "t", "exchanges": []}',
        '{"title": "a", "title": "b", "exchanges": []}',
        '{"exchanges": [{"send": {"methd": "GET"}, "expect": {"status": 200}}]}',
        '{"exchanges": [{"send": {"method": "GET"}, "expects": {"status": 200}}]}',
        '{"exchanges": [{"send": {"method": "GET"}, "expect": {"body": {}}}]}',
    ],
)
def test_data_the_runner_would_not_look_at_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"mean nothing|occurs twice|expects no status"):
        list(read(text, Path("entra/001.json")))


def test_pointers_reach_what_is_named_by_urns() -> None:
    assert resolve({"urn:a:2.0:User": {"manager": {"value": "1"}}}, "/urn:a:2.0:User/manager/value") == "1"
    assert resolve({"a": [{"b": 1}, {}, {"b": 2}]}, "/a/*/b") == [1, 2]
    assert resolve({"a": [1]}, "/a/1") is ABSENT


def test_placeholders_keep_the_type_of_what_they_stand_for() -> None:
    values = {"on": True, "ids": ["a b", "c"], "n": 2}
    assert fill({"x": "${on}", "y": "no ${n}"}, values) == {"x": True, "y": "no 2"}
    assert fill("${ids/0|query}", values) == "a%20b"
    assert fill({"@each": "${ids}", "@make": {"value": "${item}"}}, values) == [{"value": "a b"}, {"value": "c"}]


async def test_a_case_captures_and_sends_again() -> None:
    target = Scripted(answer(201, USER, CREATED), answer(200, USER, CREATED))
    create = {
        "send": {"method": "POST", "path": "/Users", "body": {"userName": "${unique}"}},
        "expect": {"status": 201},
    }
    get = {"send": {"method": "GET", "path": "/Users/${user}", "query": "x=+"}, "expect": {"exactly": {"": "${body}"}}}
    await run(play(create | {"capture": {"user": "/id", "body": ""}}, get), target)
    assert [request.url for request in target.requests] == ["/Users", "/Users/1?x=+"]
    assert target.requests[0].headers["Content-Type"] == "application/scim+json; charset=utf-8"
    assert target.requests[1].headers == {"Authorization": f"Bearer {target.token}"}


async def test_a_disagreement_names_the_exchange_and_shows_both_messages() -> None:
    get = {"send": {"method": "GET", "path": "/Users/1"}, "expect": {"status": 200}}
    with pytest.raises(Disagreement, match=r"(?s)a-case, exchange 1 .*status is 404.*GET /Users/1.*There is no user 1"):
        await run(play(get, get), Scripted(answer(200, USER, CREATED), answer(404, NOT_FOUND)))


async def test_an_answer_must_not_show_the_token() -> None:
    get = {"send": {"method": "GET", "path": "/Users/1"}, "expect": {"status": 404}}
    with pytest.raises(Disagreement, match="token"):
        await run(play(get), Scripted(answer(404, NOT_FOUND | {"detail": f"{Scripted.token} is expired"})))


async def test_a_repeated_exchange_captures_a_list() -> None:
    target = Scripted(
        *(answer(201, USER | {"id": n, "meta": {"resourceType": "User"}}, CREATED) for n in "abc"),
        answer(204, None, {}),
    )
    post = {"repeat": 3, "at_once": 2, "send": {"method": "POST", "path": "/Users"}, "expect": {"status": 201}}
    send = {"method": "PATCH", "path": "/Groups/1", "body": "${ids}"}
    await run(play(post | {"capture": {"ids": "/id"}}, {"send": send, "expect": {"status": 204}}), target)
    assert json.loads(target.requests[-1].body) == ["a", "b", "c"]


@pytest.mark.parametrize(("second", "complaint"), [("2", None), ("1", "itemsPerPage"), ("", "itemsPerPage")])
async def test_a_walk_sees_every_resource_once(second: str, complaint: str | None) -> None:
    def page(start_index: int, *ids: str) -> Answer:
        resources = [{"schemas": USER["schemas"], "id": each} for each in ids if each]
        counts = {"totalResults": 2, "startIndex": start_index, "itemsPerPage": len(resources)}
        return answer(200, {"schemas": [LIST_RESPONSE], **counts, "Resources": resources})

    send = {"method": "GET", "path": "/Users", "query": "startIndex=${startIndex}&count=1"}
    walk = {"walk": True, "send": send, "expect": {"status": 200}, "whole": {"body": {"pages": 2}}}
    target = Scripted(page(1, "1"), page(2, second))
    if complaint:
        with pytest.raises(Disagreement, match=complaint):
            await run(play(walk), target)
    else:
        await run(play(walk), target)
    assert [request.query for request in target.requests] == ["startIndex=1&count=1", "startIndex=2&count=1"]
