"""Entra's own token on each request (entra.md section 2.4): wire case 17. For testing, and off unless turned on."""

from typing import Any

import jwt
import pytest

from scim_core.access.credential_plans import Issued
from scim_core.registry import CredentialKind, Taken
from scim_core.settings import SettingsError
from tests.tenancy import (
    APPLICATION,
    CUSTOM,
    ENTRA_TENANT,
    OTHER_ENTRA_TENANT,
    Misbehaving,
    Service,
    assertion_fields,
    document,
    settings,
)
from tests.transcript_of_registry import look_ups


@pytest.fixture
async def turned_on(service: Service) -> Issued:
    return await service.tenant("Adatum", CredentialKind.ENTRA)


def sent(service: Service, entra: Misbehaving, tenant: str = ENTRA_TENANT, **changes: Any) -> str:
    return entra.request_token(tenant, changes.pop("audience", CUSTOM), service.clock().timestamp(), **changes)


@pytest.mark.usefixtures("turned_on")
async def test_case_17_the_token_of_the_pinned_tenant_opens_the_tenant(service: Service, entra: Misbehaving) -> None:
    await service.send("POST", "/scim/v2/Users", sent(service, entra), {"userName": "ann"})
    answer = await service.users(sent(service, entra))
    assert answer.status == 200
    assert document(answer)["totalResults"] == 1


@pytest.mark.usefixtures("contoso")
async def test_case_17_it_is_off_unless_a_tenant_turns_it_on(service: Service, entra: Misbehaving) -> None:
    answer = await service.users(sent(service, entra))
    assert answer.status == 401
    assert "no customer accepts tokens" in document(answer)["detail"]
    assert entra.requests == 0


async def test_it_is_off_unless_the_setting_allows_it(
    service: Service, entra: Misbehaving, turned_on: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    """Any other endpoint that the customer's Entra talks to gets such a token, and could send it here."""
    off = Service(settings(entra.url, SCIM_ENTRA_TOKENS=""), registry=service.registry)
    with look_ups(off) as calls:
        answer = await off.users(sent(off, entra))
    assert (answer.status, calls, entra.requests) == (401, [], 0)
    detail = document(answer)["detail"]
    assert "Ask the operator of this service for a Secret Token" in detail
    assert "SCIM_ENTRA_TOKENS is not allow" in detail, "the operator whom the client asks must know what to set"
    [record] = [record for record in caplog.records if record.name == "scim_core.access.audit"]
    assert "SCIM_ENTRA_TOKENS is not allow" in record.getMessage()
    token = await off.credential(turned_on.tenant.id, CredentialKind.TOKEN)
    assert (await off.users(token.secret)).status == 200


async def test_where_it_is_off_federation_is_not(service: Service, entra: Misbehaving) -> None:
    off = Service(settings(entra.url, SCIM_ENTRA_TOKENS=""), registry=service.registry)
    issued = await off.tenant("Contoso", CredentialKind.FEDERATION)
    assertion = entra.assertion(ENTRA_TENANT, issued.credential.subject, APPLICATION, off.clock().timestamp())
    answer = await off.ask_for_token(assertion_fields(issued.credential.client_id, assertion))
    assert answer.status == 200


@pytest.mark.parametrize("value", ["yes", "Allow", "allow "])
def test_the_setting_has_one_word(value: str) -> None:
    with pytest.raises(SettingsError, match="SCIM_ENTRA_TOKENS must be allow or empty"):
        settings(SCIM_ENTRA_TOKENS=value)


CHANGES: dict[str, dict[str, Any]] = {
    "another tenant": {"tenant": OTHER_ENTRA_TENANT},
    "another tid": {"tid": OTHER_ENTRA_TENANT},
    "the tid of another issuer": {"iss": f"https://sts.windows.net/{OTHER_ENTRA_TENANT}/"},
    "the issuer of v2": {"iss": f"https://login.microsoftonline.com/{ENTRA_TENANT}/v2.0"},
    "another application": {"appid": "11111111-0000-0000-c000-000000000000"},
    "no application": {"appid": None},
    "another audience": {"audience": "5f0e1f7b-70c5-4cf1-8f44-1b7e6e0e3f0c"},
    "expired": {"exp": 1_700_000_000},
    "not valid yet": {"nbf": 2_000_000_000},
    "no tid": {"tid": None},
    "no expiry": {"exp": None},
    "no audience": {"aud": None},
    "an audience that is a list": {"aud": [CUSTOM]},
}


@pytest.mark.usefixtures("turned_on")
@pytest.mark.parametrize("change", CHANGES)
async def test_case_17_another_token_is_401(service: Service, entra: Misbehaving, change: str) -> None:
    assert (await service.users(sent(service, entra, **CHANGES[change]))).status == 401


@pytest.mark.parametrize("changes", [{"tid": "x" * 201}, {"aud": "x" * 201}])
@pytest.mark.usefixtures("turned_on")
async def test_a_claim_too_long_to_be_registered_is_not_looked_up(
    service: Service, entra: Misbehaving, changes: dict[str, Any]
) -> None:
    with look_ups(service) as calls:
        assert (await service.users(sent(service, entra, **changes))).status == 401
    assert calls == []


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_turned_off_again_it_opens_nothing(
    service: Service, entra: Misbehaving, turned_on: Issued, end: str
) -> None:
    assert (await service.users(sent(service, entra))).status == 200
    if end == "revoked":
        await service.administration.revoke("adatum", turned_on.credential.id)
    else:
        service.clock.advance(days=91)
    service.pass_time(61)
    answer = await service.users(sent(service, entra))
    assert answer.status == 401
    assert end in document(answer)["detail"]


@pytest.mark.usefixtures("turned_on")
async def test_two_tenants_cannot_share_what_such_a_token_says(service: Service) -> None:
    with pytest.raises(Taken):
        await service.tenant("Contoso", CredentialKind.ENTRA)


@pytest.mark.usefixtures("turned_on")
async def test_an_application_of_ones_own_is_told_from_the_audience_of_all(
    service: Service, entra: Misbehaving
) -> None:
    own = "5f0e1f7b-70c5-4cf1-8f44-1b7e6e0e3f0c"
    await service.tenant("Contoso", CredentialKind.ENTRA, audience=own)
    await service.send("POST", "/scim/v2/Users", sent(service, entra, audience=own), {"userName": "ann"})
    assert document(await service.users(sent(service, entra, audience=own)))["totalResults"] == 1
    assert document(await service.users(sent(service, entra)))["totalResults"] == 0


@pytest.mark.usefixtures("turned_on")
async def test_an_assertion_for_the_token_endpoint_opens_no_request(service: Service, entra: Misbehaving) -> None:
    assertion = entra.assertion(ENTRA_TENANT, "x", CUSTOM, service.clock().timestamp())
    assert (await service.users(assertion)).status == 401


@pytest.mark.usefixtures("turned_on")
async def test_unsigned_and_forged_tokens_are_refused(service: Service, entra: Misbehaving) -> None:
    claims = jwt.decode(sent(service, entra), options={"verify_signature": False})
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": "first"})
    shared = jwt.encode(claims, "a secret that is long enough for HS256", algorithm="HS256", headers={"kid": "first"})
    assert [(await service.users(item)).status for item in (unsigned, shared)] == [401, 401]
