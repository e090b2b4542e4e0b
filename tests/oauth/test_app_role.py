"""The vendor's own identity: a token of the vendor's Entra tenant with the app role Feed.Read opens the feed."""

import hashlib
import logging
from typing import Any

import pytest

from scim_core.registry import CredentialKind
from tests.feed.stand_in import StandIn
from tests.scim import TOKEN
from tests.tenancy import (
    APPLICATION,
    ENTRA_TENANT,
    OTHER_ENTRA_TENANT,
    SUBJECT,
    Misbehaving,
    Service,
    document,
    settings,
)

ROLE = "Feed.Read"
CHANGES = "/feed/v1/changes?tenant=contoso"
OURS = {"SCIM_FEED_ENTRA_TENANT": ENTRA_TENANT, "SCIM_FEED_ENTRA_AUDIENCE": APPLICATION}


@pytest.fixture
async def trusting(entra: Misbehaving, stand_in: StandIn) -> Service:  # noqa: ARG001 -- it must be in place first
    service = Service(settings(entra.url, **OURS))
    await service.administration.create_tenant("Contoso")
    return service


def token(service: Service, entra: Misbehaving, *roles: str, **changes: Any) -> str:
    audience = changes.pop("audience", APPLICATION)
    tenant = changes.pop("tenant", ENTRA_TENANT)
    now = service.clock().timestamp()
    return entra.role_token(tenant, audience, SUBJECT, *(roles or (ROLE,)), now=now, **changes)


def v1(**changes: Any) -> dict[str, Any]:
    """What other claims a v1 token has."""
    issuer = f"https://sts.windows.net/{ENTRA_TENANT}/"
    return {"ver": "1.0", "iss": issuer, "azp": None, "azpacr": None, "appid": SUBJECT, "appidacr": "2"} | changes


@pytest.mark.parametrize("audience", [APPLICATION, f"api://{APPLICATION}"])
@pytest.mark.parametrize("changes", [{}, v1()], ids=["v2", "v1"])
async def test_who_has_the_role_reads_the_feed_of_every_tenant(
    trusting: Service, entra: Misbehaving, changes: dict[str, Any], audience: str
) -> None:
    await trusting.administration.create_tenant("Fabrikam")
    bearer = token(trusting, entra, audience=audience, **changes)
    for path in (CHANGES, "/feed/v1/snapshot?tenant=fabrikam", "/feed/v1/tenants"):
        assert (await trusting.send("GET", path, bearer)).status == 200


async def test_a_role_of_several_is_enough_and_opens_nothing_of_scim(trusting: Service, entra: Misbehaving) -> None:
    bearer = token(trusting, entra, "Other.Role", ROLE)
    assert (await trusting.send("GET", CHANGES, bearer)).status == 200
    assert (await trusting.send("GET", "/scim/v2/Users?tenant=contoso", bearer)).status == 403


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no role": ({"roles": None}, "lacks the app role Feed.Read"),
    "another role": ({"roles": ["Feed.Write"]}, "lacks the app role Feed.Read"),
    "a role in other letters": ({"roles": ["feed.read"]}, "lacks the app role Feed.Read"),
    "a role that is no list": ({"roles": ROLE}, "lacks the app role Feed.Read"),
    "roles that are an object": ({"roles": {ROLE: True}}, "lacks the app role Feed.Read"),
    "a user's token": ({"scp": "user_impersonation"}, "is a user's, not an application's"),
    "a user's token without scopes": ({"scp": ""}, "is a user's, not an application's"),
    "no object id": ({"oid": None}, "lacks the claim oid"),
    "another issuer": ({"iss": f"https://sts.windows.net/{OTHER_ENTRA_TENANT}/"}, "comes from another issuer"),
    "v1 issuer in a v2 token": ({"iss": f"https://sts.windows.net/{ENTRA_TENANT}/"}, "comes from another issuer"),
    "v2 issuer in a v1 token": ({"ver": "1.0"}, "comes from another issuer"),
    "expired": ({"exp": 1}, "has expired"),
    "not valid yet": ({"nbf": 2**33}, "is not valid yet"),
}


@pytest.mark.parametrize("changed", REFUSED)
async def test_another_token_of_the_same_tenant_is_refused_with_what_is_wrong(
    trusting: Service, entra: Misbehaving, changed: str
) -> None:
    changes, said = REFUSED[changed]
    answer = await trusting.send("GET", CHANGES, token(trusting, entra, **changes))
    assert answer.status == 401
    assert said in document(answer)["detail"]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "changes", [{"tenant": OTHER_ENTRA_TENANT}, {"audience": SUBJECT}, {"audience": [APPLICATION]}]
)
async def test_a_token_of_another_tenant_or_audience_is_not_even_looked_at(
    trusting: Service, entra: Misbehaving, changes: dict[str, Any]
) -> None:
    listed = changes.get("audience")
    bearer = token(trusting, entra, **({"aud": listed} if isinstance(listed, list) else changes))
    assert (await trusting.send("GET", CHANGES, bearer)).status == 401
    assert entra.requests == 0


async def test_a_forged_signature_is_refused(trusting: Service, entra: Misbehaving) -> None:
    head, _, signature = token(trusting, entra).rpartition(".")
    other = token(trusting, entra, oid=OTHER_ENTRA_TENANT).rpartition(".")[2]
    assert signature != other
    assert (await trusting.send("GET", CHANGES, f"{head}.{other}")).status == 401


@pytest.mark.parametrize("has_registry", [True, False])
async def test_without_the_settings_it_opens_nothing(entra: Misbehaving, stand_in: StandIn, has_registry: bool) -> None:
    hashed = hashlib.sha256(TOKEN.encode()).hexdigest()
    ours = {} if has_registry else {"SCIM_TENANTS": "one", "SCIM_TOKEN_SHA256": hashed}
    service = Service(settings(entra.url, **ours))
    await service.administration.create_tenant("Contoso")
    assert (await service.send("GET", CHANGES, token(service, entra))).status == 401
    assert (entra.requests, stand_in.calls) == (0, [])


async def test_with_one_tenant_it_reads_that_one_and_need_not_name_it(entra: Misbehaving, stand_in: StandIn) -> None:
    hashed = hashlib.sha256(TOKEN.encode()).hexdigest()
    service = Service(settings(entra.url, SCIM_TENANTS="one", SCIM_TOKEN_SHA256=hashed, **OURS))
    bearer = token(service, entra)
    paths = ("/feed/v1/changes", "/feed/v1/changes?tenant=default", CHANGES, "/feed/v1/tenants")
    assert [(await service.send("GET", path, bearer)).status for path in paths] == [200, 200, 404, 200]
    assert {given.get("tenant", "default") for _, given in stand_in.calls} == {"default"}
    other = await service.send("GET", "/feed/v1/changes", token(service, entra, tenant=OTHER_ENTRA_TENANT))
    assert other.status == 401


async def test_a_customer_whose_entra_tenant_is_the_vendors_keeps_its_own_way_in(
    trusting: Service, entra: Misbehaving
) -> None:
    await trusting.credential("contoso", CredentialKind.ENTRA)
    sent = entra.request_token(ENTRA_TENANT, "8adf8e6e-67b2-4cf2-a259-e3dc5476c621", trusting.clock().timestamp())
    assert (await trusting.users(sent)).status == 200


async def test_the_log_says_which_identity_came_and_for_which_customer(
    trusting: Service, entra: Misbehaving, caplog: pytest.LogCaptureFixture
) -> None:
    bearer = token(trusting, entra)
    with caplog.at_level(logging.INFO):
        await trusting.send("GET", CHANGES, bearer)
    [line] = [record for record in caplog.records if getattr(record, "operation", "") == "feed_changes"]
    assert (vars(line)["tenant"], vars(line)["credential"]) == ("contoso", f"application {SUBJECT}")
    assert bearer not in caplog.text
