"""Filters, paths and query strings that no honest client sends."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from tests.scim import Client, Json, path


@pytest.fixture
async def user(client: Client) -> AsyncIterator[Json]:
    """A user that is the same after the test, and the only one."""
    user = await client.user(title="x", emails=[{"value": "a@b", "type": "work"}])
    yield user
    assert (await client.get("/Users")).document["Resources"] == [user]


REFUSED = {
    "more than 8 KiB": f'userName eq "{"x" * 8192}"',
    "more than 8 KiB of few characters": f'userName eq "{"é" * 4096}"',
    "5,000 terms": " or ".join(['userName eq "x"'] * 5000),
    "nested 1,000 deep": "not (" * 1000 + "title pr" + ")" * 1000,
    "parentheses 1,000 deep, open": "(" * 1000 + "title pr",
    "nested 33 deep": "not (" * 33 + "title pr" + ")" * 33,
    "brackets 1,000 deep": "emails[" * 1000 + "value pr" + "]" * 1000,
    "only brackets": "[" * 8000,
    "only quotes": '"' * 8001,
    "only spaces and a quote": " " * 4000 + '"' + " " * 4000,
    "only backslashes": '"' + "\\" * 8001,
    "a null character": "userName eq \x00 x",
    "a number beyond all bounds": "title eq 5 and " + "9" * 5000 + " pr",
    "brackets in a value path": 'emails[type eq "work" and addresses[region pr]]',
    "an operator without an end": "userName " + "eq " * 2000,
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
async def test_a_hostile_filter_is_refused_briefly(client: Client, user: Json, text: str) -> None:
    assert user
    for answer in (await client.get("/Users", filter=text), await client.post("/.search", {"filter": text})):
        assert (answer.status, answer.document["scimType"]) == (400, "invalidFilter")
        assert len(answer.body) < 3000


FINDING_NOTHING = {
    "half a pair": r'userName eq "\ud800"',
    "half a pair in a list": r'userName sw "\udfff" or emails[value eq "\ud800"]',
    "a null escape": r'userName eq "\u0000"',
    "a long value": f'userName eq "{"x" * 8000}"',
    "a long prefix": f'userName sw "{"x" * 8000}"',
    "a long id": f'id eq "{"x" * 8000}"',
    "a long member": f'groups eq "{"x" * 8000}"',
    "a path as id": 'id eq "../../Groups"',
    "OData": "userName eq \"x' or PartitionKey ne '\"",
    "OData unquoted": "userName eq x'or'1'eq'1",
    "SQL": 'userName eq "x\'; DROP TABLE users; --"',
    "wildcards": 'userName eq "%" or userName eq "*" or userName eq "_"',
    "characters of keys": 'userName eq "/\\\\#?%:~\u0000\uffff"',
    "a number of 10,000 digits": "title eq " + "9" * 8000,
    "an exponent": "title eq 1e999",
    "a name of Python's": 'meta.last_modified lt "5" or meta.last_modified lt "2020-01-01T00:00:00"',
    "a far year": 'meta.created gt "999999999-01-01T00:00:00Z" or title eq "z"',
}


@pytest.mark.parametrize("text", FINDING_NOTHING.values(), ids=FINDING_NOTHING)
async def test_a_strange_filter_finds_nothing_or_is_refused(client: Client, user: Json, text: str) -> None:
    assert user
    answer = await client.get("/Users", filter=text)
    if answer.status == 200:
        assert answer.document["Resources"] == []
    else:
        assert (answer.status, answer.document["scimType"]) == (400, "invalidFilter")


async def test_an_ordinary_filter_may_be_nested(client: Client, user: Json) -> None:
    for text in ("(" * 500 + "title pr" + ")" * 500, "not (" * 30 + "title pr" + ")" * 30):
        assert await client.found("/Users", text) == [user]


QUERIES = {
    "invalid UTF-8": "filter=%ff%fe",
    "invalid UTF-8 in a name": "%ff=x",
    "an encoded surrogate": "filter=userName%20eq%20%22%ed%a0%80%22",
    "an overlong slash": "filter=%c0%af",
    "51 fields": "&".join(f"a{number}=1" for number in range(51)),
    "more than 128 KiB": "filter=" + "%41" * 50_000,
    "10,000 fields": "&".join(["filter=x"] * 10_000),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("url", ["/Users", "/Users/{id}"])
async def test_a_query_that_cannot_be_read_is_refused(client: Client, user: Json, url: str, query: str) -> None:
    answer = await client.get(f"{url.format(id=user['id'])}?{query}")
    assert (answer.status, answer.document["scimType"]) == (400, "invalidSyntax")


@pytest.mark.parametrize(
    "query",
    ["%", "%zz", "&&&", "=", "==", "a=%00", "a=%0d%0aX:1", "%3d%26", "&".join(["a=1"] * 50), "a=" + "x" * 100_000],
)
async def test_a_query_of_nonsense_is_ignored(client: Client, user: Json, query: str) -> None:
    answer = await client.get(f"/Users?{query}")
    assert answer.document["Resources"] == [user]


NAMES = {
    "brackets": "[" * 100_000,
    "closed brackets": "[]" * 50_000,
    "a long name": "a" * 100_000,
    "dots": "a." * 50_000,
    "colons": "urn:" + "a:" * 50_000,
    "many names": ",".join(["userName"] * 20_000),
    "spaces": " " * 100_000 + "]",
}


TOO_LONG = {
    "a sortBy with a filter": {"sortBy": f"emails[{' or '.join(['value pr'] * 10_000)}]"},
    "a long sortBy": {"sortBy": "x" * 9_000},
    "long names": {"attributes": ["x" * 5_000] * 10},
    "long names to leave out": {"excludedAttributes": "a" * 40_000},
    "filters in names": {"attributes": f"emails[{'x' * 40_000}]"},
}


@pytest.mark.parametrize("fields", TOO_LONG.values(), ids=TOO_LONG)
@pytest.mark.parametrize("url", ["/.search", "/Users/.search"])
async def test_names_have_a_limit_together(client: Client, user: Json, url: str, fields: Json) -> None:
    """A sortBy of a mebibyte took five seconds to parse."""
    assert user
    answer = await client.post(url, fields)
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
    assert len(answer.body) < 1000


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("name", ["attributes", "excludedAttributes", "sortBy"])
async def test_hostile_names_are_refused_briefly_or_name_nothing(
    client: Client, user: Json, name: str, text: str
) -> None:
    answers = [await client.get("/Users", **{name: text}), await client.post("/Users/.search", {name: text})]
    assert user
    for answer in answers:
        assert answer.status in (200, 400)
        assert len(answer.body) < 3000


IDS = [
    *(
        "..",
        ".",
        "%2e%2e",
        "a%2Fb",
        "%5C",
        "%23",
        "%3F",
        "%25",
        "%25%32%46",
        "'",
        "%22",
        "%00",
        "%0d%0aX-Injected:1",
    ),
    *("%ff%fe", "%ed%a0%80", "x" * 10_000, "%F0%9F%98%80" * 500, " ", "+", ";a=b", "*", "$batch", "(PartitionKey='x')"),
]


@pytest.mark.parametrize("resource_id", IDS)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_strange_id_names_nothing(client: Client, user: Json, method: str, resource_id: str) -> None:
    assert user
    body = {"userName": "x", "Operations": []} if method in ("PUT", "PATCH") else None
    answer = await client.send(method, f"/Users/{resource_id}", body)
    assert answer.status == 404
    assert len(answer.body) < 3000
    assert all("\r" not in value and "\n" not in value for value in answer.headers.values())


async def test_a_strange_member_id_may_be_sent_and_is_skipped(client: Client, user: Json) -> None:
    group = await client.group("group")
    for text in ("a/b", "\\", "#", "?", "%", "'", '"', "\x00", "\n", "x" * 10_000, "😀", " ", ".."):
        escaped = quote(text).replace('"', "")
        for operation in (
            {"op": "add", "path": "members", "value": [{"value": text}]},
            {"op": "remove", "path": "members", "value": [{"value": text}]},
            {"op": "remove", "path": f'members[value eq "{escaped[:4000]}"]'},
        ):
            assert (await client.patch(path(group), operation)).status == 204
    assert await client.document(group) == group
    await client.delete(path(group))
    assert await client.document(user) == user


async def test_a_manager_may_be_anything(client: Client) -> None:
    """It may name nobody, or nobody yet, and is shown as it was sent, without a reference that would lead nowhere."""
    for number, text in enumerate(
        ["a/b", "\\#?%", "'\"", "\x00", "x" * 10_000, "😀", "..", "018F0000-0000-7000-8000-000000000000"]
    ):
        created = await client.user(f"user{number}", manager=text)
        [extension] = [value for name, value in created.items() if name.startswith("urn:")]
        assert extension == {"manager": {"value": text}}
        assert await client.document(created) == created


@pytest.mark.parametrize(
    "field", [{"startIndex": 10**4000}, {"count": 10**4000}, {"startIndex": -(10**4000)}, {"count": "9" * 5000}]
)
async def test_numbers_of_any_size_are_read_or_refused(client: Client, user: Json, field: Json) -> None:
    assert user
    [(name, value)] = field.items()
    for answer in (await client.get("/Users", **field), await client.post("/Users/.search", {name: value})):
        assert answer.status in (200, 400)
