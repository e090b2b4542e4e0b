"""What a body says that it is, how it is encoded, and which refusal comes first (RFC 7644 section 3.1, RFC 9110)."""

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.memory_rows import memory_storage
from tests.scim import (
    ENTERPRISE,
    ERROR,
    GROUP,
    LIST,
    PATCH_OP,
    SEARCH_REQUEST,
    USER,
    Client,
    Clock,
    endpoint_over,
    path,
    replace,
)

if TYPE_CHECKING:
    from scim_core.model import Json

UNKNOWN = "018f0000-0000-7000-8000-000000000000"
NAMES = {"/Users": "userName", "/Groups": "displayName"}
REFUSED: list[tuple[str, Any]] = [
    ("/Users", [GROUP]),
    ("/Users", GROUP),
    ("/Users", [GROUP.upper()]),
    ("/Users", [ENTERPRISE, GROUP]),
    ("/Users", [PATCH_OP]),
    ("/Users", [USER, PATCH_OP]),
    ("/Users", [LIST]),
    ("/Users", [SEARCH_REQUEST.lower()]),
    ("/Groups", [USER]),
    ("/Groups", [ERROR]),
]
TAKEN: list[tuple[str, Any]] = [
    ("/Users", [USER]),
    ("/Users", USER),
    ("/Users", [USER.upper()]),
    ("/Users", [USER, GROUP]),
    ("/Users", [ENTERPRISE]),
    ("/Users", []),
    ("/Users", None),
    ("/Users", [5, None, {}]),
    ("/Users", ["urn:example:of:the:client", "urn:scim:schemas:core:1.0"]),
    ("/Groups", [GROUP]),
    ("/Groups", ["http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/Group"]),
]


@pytest.fixture
def client() -> Client:
    return Client(endpoint_over(memory_storage(), Clock()))


@pytest.mark.parametrize(("url", "schemas"), REFUSED)
@pytest.mark.parametrize("key", ["schemas", "SCHEMAS"])
async def test_a_body_that_says_it_is_something_else_is_refused(
    client: Client, url: str, schemas: Any, key: str
) -> None:
    there = await client.post(url, {NAMES[url]: "there"})
    answers = [
        await client.post(url, {key: schemas, NAMES[url]: "new"}),
        await client.put(path(there.document), {key: schemas, NAMES[url]: "new"}),
    ]
    for answer in answers:
        assert (answer.status, answer.document["scimType"]) == (400, "invalidSyntax")
        assert "schemas" in answer.document["detail"]
    assert [item["id"] for item in (await client.get(url)).document["Resources"]] == [there.document["id"]]
    assert await client.document(there.document) == there.document


@pytest.mark.parametrize(("url", "schemas"), TAKEN)
async def test_an_unknown_urn_and_none_at_all_are_ignored(client: Client, url: str, schemas: Any) -> None:
    body = {"schemas": schemas, NAMES[url]: "new"} if schemas is not None else {NAMES[url]: "new"}
    created = await client.post(url, body)
    assert created.status == 201
    assert created.document["schemas"] == [USER if url == "/Users" else GROUP]
    assert (await client.put(path(created.document), body)).status == 200


@pytest.mark.parametrize("schemas", [[LIST], [SEARCH_REQUEST], ERROR, [PATCH_OP, LIST], [LIST.upper()]])
async def test_a_patch_that_says_it_is_another_message_is_refused(client: Client, schemas: Any) -> None:
    user = await client.user()
    answer = await client.send("PATCH", path(user), {"schemas": schemas, "Operations": [replace("title", "T")]})
    assert (answer.status, answer.document["scimType"]) == (400, "invalidSyntax")
    assert "PatchOp" in answer.document["detail"]
    assert await client.document(user) == user


@pytest.mark.parametrize("schemas", [[PATCH_OP], PATCH_OP.lower(), [USER], [GROUP], [], None, ["urn:x:y"], 5])
async def test_a_patch_may_name_a_resource_type_or_nothing(client: Client, schemas: Any) -> None:
    user = await client.user()
    answer = await client.send("PATCH", path(user), {"schemas": schemas, "Operations": [replace("title", "T")]})
    assert (answer.status, answer.document["title"]) == (200, "T")


WRONG: dict[str, tuple[str, Any]] = {
    "no JSON": ("PATCH", b"{"),
    "no operations": ("PATCH", {"schemas": [PATCH_OP]}),
    "an unknown path": ("PATCH", {"Operations": [replace("shoeSize", 44)]}),
    "a refused value": ("PATCH", {"Operations": [replace("externalId", 5)]}),
    "another message": ("PATCH", {"schemas": [LIST], "Operations": []}),
    "PUT without JSON": ("PUT", b"["),
    "PUT without a name": ("PUT", {}),
    "PUT of a wrong type": ("PUT", {"userName": 5, "displayName": 5}),
    "PUT of another schema": ("PUT", {"schemas": [LIST], "userName": "x", "displayName": "x"}),
}


@pytest.mark.parametrize(("method", "body"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("url", ["/Users", "/Groups"])
@pytest.mark.parametrize("unknown", [UNKNOWN, "42"])
async def test_404_comes_before_400(client: Client, method: str, body: Any, url: str, unknown: str) -> None:
    there = (await client.post(url, {NAMES[url]: "there"})).document
    assert (await client.send(method, path(there), body)).status == 400
    assert (await client.send(method, f"{url}/{unknown}", body)).status == 404
    await client.delete(path(there))
    assert (await client.send(method, path(there), body)).status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
async def test_404_comes_before_a_parameter_that_is_refused(client: Client, method: str) -> None:
    many = ",".join(f"x{number}" for number in range(300))
    body = {"userName": "x", "Operations": []} if method != "GET" else None
    user = await client.user()
    assert (await client.send(method, path(user), body, attributes=many)).status == 400
    assert (await client.send(method, f"/Users/{UNKNOWN}", body, attributes=many)).status == 404


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "identity, gzip", "deflate", "br", "x"])
@pytest.mark.parametrize("url", ["/Users", "/Users/.search"])
async def test_a_compressed_body_is_refused(client: Client, encoding: str, url: str) -> None:
    body = gzip.compress(json.dumps({"userName": "tom"}).encode())
    answer = await client.post(url, body, headers={"content-encoding": encoding})
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "identity")
    assert "Content-Encoding" in answer.document["detail"]


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", "identity, identity"])
async def test_a_body_as_it_is_may_say_so(client: Client, encoding: str) -> None:
    answer = await client.post("/Users", {"userName": "tom"}, headers={"content-encoding": encoding})
    assert answer.status == 201


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_412_says_which_condition_failed(client: Client, method: str) -> None:
    user = await client.user()
    body: Json | None = {"userName": "x", "Operations": []} if method != "DELETE" else None
    said = {}
    for name, tags in (("if-match", ['W/"x"']), ("if-none-match", [user["meta"]["version"], "*"])):
        for tag in tags:
            answer = await client.send(method, path(user), body, headers={name: tag})
            assert answer.status == 412
            said[name] = answer.document["detail"]
    assert "If-Match names" in said["if-match"]
    assert "If-None-Match names" in said["if-none-match"]
