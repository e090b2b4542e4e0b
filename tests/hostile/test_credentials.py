"""Whatever arrives as a credential is refused with an answer: no text brings the service down or makes it say 500."""

import base64
import itertools
import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from scim_core.access.oauth.local_key import LocalKey
from scim_core.access.oauth.token_request import ASSERTION_TYPE
from scim_core.registry import Access, CredentialKind
from tests.tenancy import FORM, SIGNING_KEY, Service, document, settings

TEXT = st.text(max_size=60)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
NAMES = st.sampled_from(
    ["iss", "aud", "tid", "sub", "exp", "nbf", "iat", "appid", "tenant", "credential", "alg", "kid"]
)
ISSUERS = st.sampled_from(["https://scim.example.com", "https://sts.windows.net/x/"])
KNOWN = st.sampled_from(["RS256", "ES256", "none", "at+jwt", LocalKey(SIGNING_KEY).key_id])
OBJECTS = st.dictionaries(NAMES | TEXT, JSON | ISSUERS | KNOWN, max_size=8)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


JWTS = st.builds(lambda header, claims, end: f"{part(header)}.{part(claims)}.{end}", OBJECTS, OBJECTS, TEXT)


async def refused(header: str) -> None:
    service = Service(settings())
    answer = await service.send("GET", "/scim/v2/Users", headers={"authorization": header})
    assert answer.status in (400, 401)
    assert all(value.isascii() for value in answer.headers.values())
    assert document(answer)["detail"]


@given(TEXT | TEXT.map("Bearer {}".format) | TEXT.map("Bearer scim_{}".format))
async def test_any_header_is_refused(header: str) -> None:
    await refused(header)


@given(JWTS)
async def test_anything_that_looks_like_a_jwt_is_refused(token: str) -> None:
    await refused(f"Bearer {token}")


@given(st.dictionaries(TEXT | st.sampled_from(["client_id", "client_secret", "scope", "client_assertion"]), TEXT), TEXT)
async def test_any_token_request_is_refused_in_the_words_of_rfc_6749(fields: dict[str, str], header: str) -> None:
    service = Service(settings())
    body = urlencode({"grant_type": "client_credentials", **fields}, errors="replace").encode()
    headers = {"content-type": FORM, "authorization": f"Basic {header}"}
    for sent in (headers, {"content-type": FORM}):
        answer = await service.send("POST", "/oauth2/token", body=body, headers=sent)
        assert answer.status in (400, 401)
        assert set(document(answer)) == {"error", "error_description"}


@given(st.binary(max_size=200))
async def test_any_body_is_refused(body: bytes) -> None:
    answer = await Service(settings()).ask_for_token(body)
    assert answer.status in (400, 401)


@given(JWTS)
async def test_any_assertion_is_refused(assertion: str) -> None:
    fields = {"client_id": "x", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    body = urlencode({"grant_type": "client_credentials", **fields}, errors="replace").encode()
    answer = await Service(settings()).ask_for_token(body)
    assert answer.status in (400, 401)


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "patch", "Delete", "é")
BODIES = (
    b"",
    b'{"userName": "eve", "displayName": "eve"}',
    b'{"Operations": [{"op": "replace", "path": "active", "value": false}]}',
)
SPELLINGS = st.sampled_from(["Users", "USERS", "/users/", "Groups", "Users/{id}", "users//{id}/", "Users/.SEARCH", "*"])
OVERRIDES = st.dictionaries(
    st.sampled_from(["x-http-method-override", "x-method-override", "content-type", "x-original-url"]),
    st.sampled_from(["POST", "DELETE", "application/scim+json", "/scim/v2/Users"]),
    max_size=2,
)


@given(SPELLINGS, OVERRIDES)
async def test_who_may_only_read_changes_nothing_whatever_is_sent(spelling: str, headers: dict[str, str]) -> None:
    service = Service(settings())
    writer = await service.tenant("Contoso")
    reader = await service.credential("contoso", CredentialKind.TOKEN, access=Access.READ)
    user = document(await service.send("POST", "/scim/v2/Users", writer.secret, {"userName": "ann"}))
    path = f"/scim/v2/{spelling.replace('{id}', user['id'])}"
    for method, body in itertools.product(METHODS, BODIES):
        answer = await service.send(method, path, reader.secret, body, headers)
        assert answer.status in (200, 400, 403, 404, 405, 415)
    assert document(await service.send("GET", "/scim/v2/Users", writer.secret))["Resources"] == [user]
    assert document(await service.send("GET", "/scim/v2/Groups", writer.secret))["totalResults"] == 0
