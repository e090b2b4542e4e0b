"""Access and scopes: an access token carries its access, and never allows more than its credential does now."""

from typing import Any

import pytest

from scim_core.access.credential_plans import Issued
from scim_core.registry import Access, CredentialKind
from scim_core.storage.tables import keys
from scim_core.storage.tables.keys import REGISTRY
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.oauth.test_access_tokens import claims_of, signed
from tests.oauth.test_entra_tokens import sent
from tests.oauth.test_token_endpoint import is_error
from tests.tenancy import ENTRA_TENANT, SUBJECT, Misbehaving, Service, assertion_fields, document

USERS = "/scim/v2/Users"
ANN = {"userName": "ann@example.com"}

pytestmark = pytest.mark.usefixtures("stand_in")


async def may(service: Service, bearer: str) -> Access | None:
    """What requests show that this bearer token may do."""
    feed = (await service.send("GET", "/feed/v1/changes", bearer)).status
    if (await service.users(bearer)).status != 200:
        return Access.FEED if feed == 200 else None
    assert feed == 403, "the feed is no part of SCIM"
    created = await service.send("POST", USERS, bearer, ANN)
    if created.status == 403:
        return Access.READ
    assert created.status == 201
    await service.send("DELETE", f"{USERS}/{document(created)['id']}", bearer)
    return Access.WRITE


async def change(service: Service, issued: Issued, access: Access) -> None:
    """The credential has this access, and every instance knows."""
    await service.administration.change_credential(issued.tenant.id, issued.credential.id, access=access, networks=None)
    service.pass_time(61)


@pytest.mark.parametrize(
    ("access", "asked", "scope"),
    [
        (Access.WRITE, None, "scim"),
        (Access.WRITE, "", "scim"),
        (Access.WRITE, "scim", "scim"),
        (Access.WRITE, "openid scim", "scim"),
        (Access.WRITE, "scim.read", "scim.read"),
        (Access.WRITE, "scim.read openid", "scim.read"),
        (Access.WRITE, "scim.read scim", "scim"),
        (Access.READ, None, "scim.read"),
        (Access.READ, "scim", "scim.read"),
        (Access.READ, "scim.read", "scim.read"),
        (Access.READ, "scim scim.read", "scim.read"),
        (Access.READ, "scim.feed scim.read", "scim.read"),
        (Access.FEED, None, "scim.feed"),
        (Access.FEED, "scim", "scim.feed"),
        (Access.FEED, "scim.feed", "scim.feed"),
        (Access.FEED, "scim.read scim.feed", "scim.feed"),
        (Access.WRITE, "scim.feed scim.read", "scim.read"),
    ],
)
async def test_a_token_has_the_lower_of_what_is_asked_for_and_what_the_credential_has(
    service: Service, access: Access, asked: str | None, scope: str
) -> None:
    """RFC 6749 section 3.3: a scope other than the requested one is in the answer."""
    client = await service.tenant("Fabrikam", CredentialKind.SECRET, access=access)
    fields = {} if asked is None else {"scope": asked}
    answer = await service.ask_for_token(fields, basic=(client.credential.client_id, client.secret))
    body = document(answer)
    assert body["scope"] == claims_of(body["access_token"])["scope"] == scope
    assert (
        await may(service, body["access_token"]) == {"scim": "write", "scim.read": "read", "scim.feed": "feed"}[scope]
    )


@pytest.mark.parametrize(
    ("access", "asked"), [(Access.WRITE, "scim.feed"), (Access.READ, "scim.feed"), (Access.FEED, "scim.read")]
)
async def test_a_scope_that_the_credential_has_no_part_of_is_refused(
    service: Service, access: Access, asked: str
) -> None:
    client = await service.tenant("Fabrikam", CredentialKind.SECRET, access=access)
    answer = await service.ask_for_token({"scope": asked}, basic=(client.credential.client_id, client.secret))
    assert is_error(answer, 400, "invalid_scope")
    usual = {"write": "scim", "read": "scim.read", "feed": "scim.feed"}[access]
    assert f"can have the scope {usual}." in document(answer)["error_description"]


@pytest.mark.parametrize("scope", ["admin", "scim.write", "SCIM", "scim.read,scim", " "])
async def test_a_scope_that_is_not_ours_is_refused_and_the_answer_names_ours(
    service: Service, client: Issued, scope: str
) -> None:
    answer = await service.ask_for_token({"scope": scope}, basic=(client.credential.client_id, client.secret))
    assert is_error(answer, 400, "invalid_scope")
    assert "scim, scim.read and scim.feed" in document(answer)["error_description"]


async def test_an_assertion_gets_a_token_that_reads_where_its_federation_may_only_read(
    service: Service, entra: Misbehaving
) -> None:
    """Entra always asks for the scope scim here."""
    issued = await service.tenant("Contoso", CredentialKind.FEDERATION, access=Access.READ)
    assertion = entra.assertion(ENTRA_TENANT, SUBJECT, issued.credential.audience, service.clock().timestamp())
    body = document(await service.ask_for_token(assertion_fields(issued.credential.client_id, assertion)))
    assert body["scope"] == "scim.read"
    assert await may(service, body["access_token"]) is Access.READ


async def test_both_documents_of_metadata_name_the_scopes(service: Service) -> None:
    for name in ("oauth-authorization-server", "oauth-protected-resource"):
        found = document(await service.send("GET", f"/.well-known/{name}"))
        assert found["scopes_supported"] == ["scim", "scim.read", "scim.feed"]


@pytest.mark.parametrize("kind", ["token", "access token", "entra"])
async def test_a_credential_whose_access_is_lowered_reads_within_a_minute_and_writes_again_later(
    service: Service, entra: Misbehaving, kind: str
) -> None:
    kinds = {"token": CredentialKind.TOKEN, "access token": CredentialKind.SECRET, "entra": CredentialKind.ENTRA}
    issued = await service.tenant("Contoso", kinds[kind])
    bearer = issued.secret
    if kind != "token":
        bearer = await service.access_token(issued) if kind == "access token" else sent(service, entra)
    assert await may(service, bearer) is Access.WRITE
    await change(service, issued, Access.READ)
    assert await may(service, bearer) is Access.READ
    await change(service, issued, Access.WRITE)
    assert await may(service, bearer) is Access.WRITE


async def test_a_token_that_may_only_read_stays_so_when_its_credential_may_write(service: Service) -> None:
    client = await service.tenant("Fabrikam", CredentialKind.SECRET, access=Access.READ)
    token = await service.access_token(client)
    await change(service, client, Access.WRITE)
    assert await may(service, token) is Access.READ
    assert await may(service, await service.access_token(client)) is Access.WRITE


@pytest.mark.parametrize(
    ("scope", "access"),
    [
        ("scim", "write"),
        ("scim.read", "read"),
        ("scim.read scim", "write"),
        ("x scim.read", "read"),
        ("scim.feed", None),
        ("scim.read scim.feed", "read"),
        ("scim.write", None),
    ],
)
async def test_a_token_allows_what_its_scope_says(
    service: Service, client: Issued, scope: str, access: str | None
) -> None:
    """A token of version 0.2 has the scope scim."""
    token = signed(claims_of(await service.access_token(client)) | {"scope": scope})
    assert await may(service, token) == access


@pytest.mark.parametrize("access", [Access.WRITE, Access.READ])
async def test_a_token_opens_nothing_once_its_credential_is_for_the_feed_and_a_new_one_opens_that(
    service: Service, access: Access
) -> None:
    client = await service.tenant("Fabrikam", CredentialKind.SECRET, access=access)
    token = await service.access_token(client)
    await change(service, client, Access.FEED)
    assert await may(service, token) is None
    for path in ("/scim/v2/Users", "/feed/v1/changes"):
        assert (await service.send("GET", path, token)).status == 403
    assert await may(service, await service.access_token(client)) is Access.FEED
    await change(service, client, access)
    assert await may(service, token) is access


async def test_a_token_of_version_0_2_allows_no_more_than_its_credential(service: Service) -> None:
    client = await service.tenant("Fabrikam", CredentialKind.SECRET, access=Access.READ)
    token = signed(claims_of(await service.access_token(client)) | {"scope": "scim"})
    assert await may(service, token) is Access.READ


@pytest.mark.parametrize(
    ("stored", "access"),
    [(None, "write"), ("write", "write"), ("read", "read"), ("feed", "feed"), ("append", "read"), ("", "read")],
)
async def test_a_row_of_version_0_2_may_write_and_one_of_a_later_version_no_more_than_read(
    service: Service, contoso: Issued, stored: str | None, access: str
) -> None:
    registry: Any = service.registry
    key = keys.credential(contoso.tenant.id, contoso.credential.id)
    row = await registry.rows.get(REGISTRY, key)
    new = {"access", "networks", "last_source", "PartitionKey", "RowKey"}
    old = {name: value for name, value in row.properties.items() if name not in new}
    old |= {} if stored is None else {"access": stored}
    for verb, properties in ((Verb.DELETE, {}), (Verb.INSERT, old)):
        await registry.rows.transact(REGISTRY, [RowOperation(verb, Role.OTHER, key, properties)])
    assert await may(service, contoso.secret) == access
