"""No text of a client is in a log record: secrets, names and addresses stand in every part of a request."""

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from scim_core.access.oauth.token_request import ASSERTION_TYPE
from scim_core.access.token_format import new_token
from scim_core.registry import CredentialKind
from scim_core.storage.tables import TableStorage
from tests.scim import ENTERPRISE, GROUP, PATCH_OP, USER
from tests.tenancy import CUSTOM, ENTRA_TENANT, HOST, Service, basic_header, document, settings

MARKERS = {
    "a token": new_token(),
    "a mail address": "ann.private@example.com",
    "a name": "Ann Privatä",
    "a phone number": "+49 170 5550143",
    "two lines": "private\nlevel=CRITICAL",
}

CLAIMS = ("iss", "aud", "tid", "sub", "appid", "tenant", "credential", "client_id", "scope", "jti")
FIELDS = ("grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "resource")
PARAMETERS = ("filter", "attributes", "excludedAttributes", "sortBy", "sortOrder", "startIndex", "count", "other")


@pytest.fixture(params=MARKERS)
def marker(request: pytest.FixtureRequest) -> str:
    return MARKERS[request.param]


class Logged:
    """Everything that loggers are told, in any form in which a handler could write it."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        caplog.clear()
        self._caplog = caplog

    def everything(self) -> str:
        formatter = logging.Formatter()
        return "\n".join(f"{formatter.format(item)} {item.__dict__}" for item in self._caplog.records)

    def has_nothing_of(self, marker: str) -> None:
        said = self.everything()
        assert said
        for form in {marker, marker.partition("\n")[0], repr(marker)[1:-1], json.dumps(marker)[1:-1], quote(marker)}:
            assert form.lower() not in said.lower()


@pytest.fixture
async def contoso(caplog: pytest.LogCaptureFixture) -> "Sender":
    service = Service(settings())
    issued = await service.tenant("Contoso")
    return Sender(service, issued.secret, caplog)


class Sender:
    """A customer that sends anything, and what its requests leave in the log."""

    def __init__(self, service: Service, token: str, caplog: pytest.LogCaptureFixture) -> None:
        self.service = service
        self.token = token
        self.logged = Logged(caplog)

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await self.service.send(method, f"/scim/v2{path}", self.token, body, sent)).status

    async def created(self, endpoint: str, **attributes: Any) -> str:
        schema = USER if endpoint == "Users" else GROUP
        body = {"schemas": [schema], **attributes}
        answer = await self.service.send("POST", f"/scim/v2/{endpoint}", self.token, body)
        assert answer.status == 201
        return f"/{endpoint}/{document(answer)['id']}"


async def test_not_from_a_path(contoso: Sender, marker: str) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", marker):
        for path in ("/{}", "/Users/{}", "/Groups/{}", "/Users/{}/more", "/Schemas/{}", "/ResourceTypes/{}"):
            await contoso.send(method, path.format(quote(marker, safe="")))
    await contoso.service.send("GET", f"/{quote(marker, safe='')}", contoso.token)
    contoso.logged.has_nothing_of(marker)


async def test_not_from_a_query(contoso: Sender, marker: str) -> None:
    user = await contoso.created("Users", userName="ann")
    said = f'userName eq "{marker}"'
    for path in ("/Users", "/Groups", user, "/Schemas", ""):
        for name in PARAMETERS:
            for value in (marker, said, f'emails[value eq "{marker}"]', f"{marker} eq 1"):
                await contoso.send("GET", f"{path}?{urlencode({name: value})}")
        await contoso.send("GET", f"{path}?{urlencode({marker: marker, 'code': marker})}")
    for body in (
        {"filter": said},
        {"filter": marker},
        {"attributes": [marker]},
        {marker: marker},
        {"schemas": [marker]},
    ):
        await contoso.send("POST", "/Users/.search", body)
    contoso.logged.has_nothing_of(marker)


def users(marker: str) -> Iterator[Any]:
    usual = {"schemas": [USER], "userName": "bob"}
    yield {**usual, "userName": marker, "externalId": marker, "displayName": marker, "password": marker}
    yield {**usual, marker: marker}
    yield {**usual, f'emails[value eq "{marker}"].type': "work", f"name.{marker}": "x", f"emails.{marker}": "x"}
    yield {**usual, "schemas": [USER, marker]}
    yield {**usual, ENTERPRISE: {marker: marker, "manager": {"value": marker, marker: marker}}}
    yield {**usual, f"{ENTERPRISE}:{marker}": marker, f"urn:example:{marker}": {marker: marker}}
    yield {**usual, "active": marker, "emails": marker}
    yield {**usual, "name": {marker: {marker: marker}}, "emails": [{"value": marker, marker: marker}]}
    yield [marker]
    yield marker


def operations(marker: str) -> Iterator[Any]:
    for path in (
        marker,
        f"name.{marker}",
        f'emails[value eq "{marker}"].type',
        f"{ENTERPRISE}:{marker}",
        f"x[{marker}",
    ):
        for op in ("add", "replace", "remove", marker):
            yield {"op": op, "path": path, "value": marker}
    yield {"op": "add", "value": {marker: marker, f'emails[type eq "{marker}"].value': marker, f"name.{marker}": "x"}}
    yield {"op": "add", "value": marker, marker: marker}
    yield {"op": "replace", "path": "active", "value": marker}


async def test_not_from_a_body(contoso: Sender, marker: str) -> None:
    user = await contoso.created("Users", userName="ann")
    for body in users(marker):
        await contoso.send("POST", "/Users", body)
        await contoso.send("PUT", user, body)
    for operation in operations(marker):
        await contoso.send("PATCH", user, {"schemas": [PATCH_OP], "Operations": [operation]})
    for raw in (marker, f'{{"{marker}": 1, "{marker}": 2}}', f'{{"userName": "{marker}'):
        await contoso.send("POST", "/Users", raw.encode())
    contoso.logged.has_nothing_of(marker)


async def test_not_from_members(contoso: Sender, marker: str) -> None:
    group = await contoso.created("Groups", displayName="Employees")
    for member in (
        {"value": marker},
        {"value": "x", "display": marker, "$ref": marker, "type": marker},
        {marker: marker},
    ):
        await contoso.send("POST", "/Groups", {"schemas": [GROUP], "displayName": marker, "members": [member]})
        await contoso.send("PUT", group, {"schemas": [GROUP], "displayName": "x", "members": [member]})
        for op in ("add", "remove", "replace"):
            for change in (
                {"op": op, "path": "members", "value": [member]},
                {"op": op, "path": f'members[value eq "{marker}"]'},
                {"op": op, "value": {"members": [member], marker: marker}},
            ):
                await contoso.send("PATCH", group, {"schemas": [PATCH_OP], "Operations": [change]})
    contoso.logged.has_nothing_of(marker)


async def test_not_from_a_header(contoso: Sender, marker: str) -> None:
    user = await contoso.created("Users", userName="ann")
    for name in ("traceparent", "content_type", "if_match", "if_none_match", "x_forwarded_for", "host", "user_agent"):
        await contoso.send("GET", user, **{name: marker})
        await contoso.send("PUT", user, {"schemas": [USER], "userName": "ann"}, **{name: marker})
    for value in (f"Bearer {marker}", f"Bearer {marker}, {marker}", marker, f"{marker} x", f"Basic {marker}"):
        await contoso.send("GET", "/Users", authorization=value)
        await contoso.service.ask_for_token(headers={"authorization": value})
    contoso.logged.has_nothing_of(marker)


async def test_not_from_a_token_request(contoso: Sender, marker: str) -> None:
    service = contoso.service
    client = await service.credential("contoso", CredentialKind.SECRET)
    for client_id in (client.credential.client_id, marker):
        good = {"client_id": client_id, "client_secret": client.secret, "client_assertion_type": ASSERTION_TYPE}
        for name in (*FIELDS, marker):
            await service.ask_for_token({**good, name: marker})
        await service.ask_for_token(basic=(client_id, marker))
    await service.ask_for_token(headers={"authorization": basic_header(marker, marker)})
    await service.ask_for_token(marker.encode())
    contoso.logged.has_nothing_of(marker)


def jwt(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, "c2ln"])


async def test_not_from_the_fields_of_a_token(contoso: Sender, marker: str) -> None:
    service = contoso.service
    await service.credential("contoso", CredentialKind.ENTRA)
    federation = await service.credential("contoso", CredentialKind.FEDERATION)
    header = {"alg": "RS256", "kid": "first", "typ": "at+jwt"}
    entra = {"tid": ENTRA_TENANT, "aud": CUSTOM, "sub": federation.credential.subject}
    for issuer in (HOST, f"https://sts.windows.net/{ENTRA_TENANT}/", marker):
        claims = {"iss": issuer, **entra}
        tokens = [jwt(header, {**claims, name: marker}) for name in (*CLAIMS, marker)]
        tokens += [jwt({**header, name: marker}, claims) for name in ("alg", "kid", "typ", marker)]
        for token in tokens:
            contoso.service.pass_time(60)  # the source may fail again
            await service.users(token)
            fields = {"client_id": federation.credential.client_id, "client_assertion": token}
            await service.ask_for_token({**fields, "client_assertion_type": ASSERTION_TYPE})
            assert token not in contoso.logged.everything()
    contoso.logged.has_nothing_of(marker)


async def test_not_from_an_error_that_nobody_expected(
    contoso: Sender, marker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"no {marker}") from KeyError(marker)

    monkeypatch.setattr(TableStorage, "read", fails)
    user = await contoso.created("Users", userName="ann")
    assert await contoso.send("GET", user) == 500
    contoso.logged.has_nothing_of(marker)
    assert "RuntimeError, caused by KeyError" in contoso.logged.everything()


async def test_ids_of_our_form_are_there(contoso: Sender) -> None:
    gone = "0190f3a0-7b1c-7def-8123-456789abcdef"
    body = {"schemas": [GROUP], "displayName": "x", "members": [{"value": gone}, {"value": "ann@example.com"}]}
    await contoso.send("POST", "/Groups", body)
    assert gone in contoso.logged.everything()
    contoso.logged.has_nothing_of("ann@example.com")
