"""Workload identity federation (RFC 7523 section 2.2, entra.md section 2.3): wire cases 14 and 15."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from devhost.authority import SYNC_FABRIC
from scim_core.access.credential_plans import Issued
from scim_core.access.oauth import entra
from scim_core.access.oauth.entra import MAX_ASSERTIONS
from scim_core.registry import CredentialKind
from tests.oauth.test_token_endpoint import is_error
from tests.tenancy import (
    APPLICATION,
    ENTRA_TENANT,
    KEYS,
    OTHER_ENTRA_TENANT,
    SUBJECT,
    Misbehaving,
    Service,
    assertion_fields,
    document,
    tampered,
)
from tests.transcript_of_registry import look_ups


@pytest.fixture
async def federated(service: Service) -> Issued:
    """A tenant with a client that a workload identity stands for."""
    return await service.tenant("Northwind", CredentialKind.FEDERATION)


class Asking:
    """Asks for tokens with assertions that are good except for what a test changes."""

    def __init__(self, service: Service, entra: Misbehaving, federated: Issued) -> None:
        self.service = service
        self.entra = entra
        self.client_id = federated.credential.client_id

    def assertion(self, audience: str = APPLICATION, tenant: str = ENTRA_TENANT, **changes: Any) -> str:
        now = self.service.clock().timestamp()
        return self.entra.assertion(tenant, changes.pop("subject", SUBJECT), audience, now, **changes)

    async def __call__(self, assertion: str | None = None, **fields: str) -> Any:
        sent = assertion_fields(self.client_id, assertion or self.assertion()) | fields
        return await self.service.ask_for_token({name: value for name, value in sent.items() if value})


@pytest.fixture
def ask(service: Service, entra: Misbehaving, federated: Issued) -> Asking:
    return Asking(service, entra, federated)


@pytest.mark.parametrize("audience", [APPLICATION, f"api://{APPLICATION}", f"api://{APPLICATION}/.default"])
@pytest.mark.parametrize("configured", [APPLICATION, f"api://{APPLICATION}", f"api://{APPLICATION}/.default"])
async def test_case_14_a_good_assertion_gets_a_token_in_each_form_of_its_audience(
    service: Service, entra: Misbehaving, audience: str, configured: str
) -> None:
    federated = await service.tenant("Northwind", CredentialKind.FEDERATION, audience=configured)
    ask = Asking(service, entra, federated)
    answer = await ask(ask.assertion(audience))
    assert answer.status == 200, document(answer)
    assert (await service.users(document(answer)["access_token"])).status == 200


async def test_an_assertion_has_the_claims_that_entra_signs_today(ask: Asking) -> None:
    """A v2 token names the client that asked for it in azp, which is another one than the audience."""
    claims = jwt.decode(ask.assertion(), options={"verify_signature": False})
    assert (claims["azp"], claims["azpacr"]) == (SYNC_FABRIC, "2")
    assert claims["azp"] != claims["aud"] == APPLICATION
    assert not claims.keys() & {"appid", "appidacr"}
    assert (await ask()).status == 200


async def test_case_15_further_fields_are_ignored_and_the_scope_may_be_left_out(ask: Asking) -> None:
    answer = await ask(baseAddress="https://scim.example.com/scim/v2", resource="urn:example", scope="")
    assert answer.status == 200
    assert document(answer)["scope"] == "scim"


V2 = "{entra}/{tenant}/v2.0"

CHANGES: dict[str, dict[str, Any]] = {
    "another Entra tenant": {"tenant": OTHER_ENTRA_TENANT},
    "another tid": {"tid": OTHER_ENTRA_TENANT},
    "no tid": {"tid": None},
    "another subject": {"subject": "6c5d2f0e-0d3b-4b0e-9c53-3a8f0b4b8c11"},
    "no subject": {"sub": None},
    "a subject that is no text": {"sub": 1},
    "another audience": {"aud": "00000000-0000-0000-0000-000000000000"},
    "an audience that starts alike": {"aud": f"{APPLICATION}0"},
    "a list of audiences": {"aud": [APPLICATION]},
    "no audience": {"aud": None},
    "another issuer": {"iss": "https://login.example.com"},
    "the issuer of v1": {"iss": f"https://sts.windows.net/{ENTRA_TENANT}/"},
    "no issuer": {"iss": None},
    "expired": {"exp": 1_700_000_000},
    "no expiry": {"exp": None},
    "an expiry that is text": {"exp": "never"},
    "an expiry that is true": {"exp": True},
    "an expiry that is no number": {"exp": float("nan")},
    "an expiry without end": {"exp": float("inf")},
    "an expiry of four hundred digits": {"exp": 10**400},
    "a start that is no number": {"nbf": float("nan")},
    "not valid yet": {"nbf": 2_000_000_000},
    "no nbf": {"nbf": None},
    "issued in the future": {"iat": 2_000_000_000, "exp": 2_000_003_600},
    "no iat": {"iat": None},
    "lives for a year": {"exp": 1_800_000_000},
}


@pytest.mark.parametrize("change", CHANGES)
async def test_case_14_an_assertion_with_a_wrong_claim_is_invalid_client(ask: Asking, change: str) -> None:
    assert is_error(await ask(ask.assertion(**CHANGES[change])), 401, "invalid_client")


async def test_a_minute_of_difference_between_clocks_is_forgiven(ask: Asking) -> None:
    now = ask.service.clock().timestamp()
    assert (await ask(ask.assertion(nbf=now + 50, iat=now + 50))).status == 200
    assert (await ask(ask.assertion(iat=now - 3600, exp=now - 50))).status == 200
    assert (await ask(ask.assertion(nbf=now + 70))).status == 401
    assert (await ask(ask.assertion(iat=now - 3600, exp=now - 70))).status == 401


async def test_case_14_alg_none_is_refused_before_a_key_is_fetched(ask: Asking) -> None:
    claims = jwt.decode(ask.assertion(), options={"verify_signature": False})
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": "first"})
    assert is_error(await ask(unsigned), 401, "invalid_client")
    assert is_error(await ask(unsigned + "c2lnbmF0dXJl"), 401, "invalid_client")
    assert ask.entra.requests == 0


async def test_case_14_hs256_with_the_public_key_is_refused(ask: Asking) -> None:
    """Algorithm confusion (RFC 8725 section 2.1): the public key, which everyone has, as a shared secret."""
    claims = jwt.decode(ask.assertion(), options={"verify_signature": False})
    public = KEYS[0].private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = {"alg": "HS256", "typ": "JWT", "kid": "first"}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims)]
    signature = base64.urlsafe_b64encode(hmac.digest(public, b".".join(parts), hashlib.sha256)).rstrip(b"=")
    assert is_error(await ask(b".".join([*parts, signature]).decode()), 401, "invalid_client")
    assert ask.entra.requests == 0


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
async def test_other_algorithms_of_the_same_key_are_refused(ask: Asking, algorithm: str) -> None:
    claims = jwt.decode(ask.assertion(), options={"verify_signature": False})
    other = jwt.encode(claims, KEYS[0].private, algorithm=algorithm, headers={"kid": "first"})
    assert is_error(await ask(other), 401, "invalid_client")


async def test_a_tampered_payload_is_refused(ask: Asking) -> None:
    now = ask.service.clock().timestamp()
    assert is_error(await ask(tampered(ask.assertion(), exp=now + 7200)), 401, "invalid_client")


async def test_a_key_of_another_is_refused_though_it_claims_the_right_id(ask: Asking) -> None:
    forged = jwt.encode(
        jwt.decode(ask.assertion(), options={"verify_signature": False}),
        KEYS[1].private,
        algorithm="RS256",
        headers={"kid": "first"},
    )
    assert is_error(await ask(forged), 401, "invalid_client")


@pytest.mark.parametrize("kid", [None, "", 1, "x" * 201, "unknown", {"a": 1}])
async def test_a_wrong_or_missing_key_id_is_refused(ask: Asking, kid: Any) -> None:
    header, payload, signature = ask.assertion().split(".")
    known = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    known = {name: value for name, value in (known | {"kid": kid}).items() if value is not None}
    header = base64.urlsafe_b64encode(json.dumps(known).encode()).rstrip(b"=").decode()
    assert is_error(await ask(f"{header}.{payload}.{signature}"), 401, "invalid_client")


@pytest.mark.parametrize("text", ["x", "a.b.c", "ey.ey.ey", "...", "Ü.Ü.Ü", "e" * 8000, "eyJhbGciOiJSUzI1NiJ9.W10.x"])
async def test_what_is_no_jwt_is_refused(ask: Asking, text: str) -> None:
    assert is_error(await ask(text), 401, "invalid_client")
    assert ask.entra.requests == 0


@pytest.mark.parametrize("size", [9_000, 100_000])
async def test_a_long_assertion_is_refused_before_any_work(ask: Asking, size: int) -> None:
    with look_ups(ask.service) as calls:
        answer = await ask("e" * size)
    assert answer.status in (400, 413)
    assert (calls, ask.entra.requests) == ([], 0)


async def test_an_unknown_client_and_the_client_of_another_tenant_are_refused(ask: Asking) -> None:
    other = await ask.service.tenant("Contoso", CredentialKind.FEDERATION, entra_tenant=OTHER_ENTRA_TENANT)
    assert is_error(await ask(client_id="scim-0123456789abcdef"), 401, "invalid_client")
    assert is_error(await ask(client_id=other.credential.client_id), 401, "invalid_client")
    assert ask.entra.requests == 0, "keys are fetched for registered Entra tenants only"


async def test_a_replay_is_refused_within_the_lifetime_also_under_another_encoding(ask: Asking) -> None:
    assertion = ask.assertion()
    assert (await ask(assertion)).status == 200
    answer = await ask(assertion)
    assert is_error(answer, 401, "invalid_client")
    assert "used before" in document(answer)["error_description"]
    assert is_error(await ask(assertion + "="), 401, "invalid_client")
    assert (await ask()).status == 200, "another assertion is good"


async def test_a_federation_may_be_told_to_accept_an_assertion_again(service: Service, entra: Misbehaving) -> None:
    ask = Asking(service, entra, await service.tenant("Northwind", CredentialKind.FEDERATION, reusable=True))
    assertion = ask.assertion()
    assert [(await ask(assertion)).status for _ in range(3)] == [200, 200, 200]


async def test_the_memory_of_assertions_is_bounded_and_forgets_expired_ones(
    ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_ASSERTIONS == 1000
    monkeypatch.setattr(entra, "MAX_ASSERTIONS", 3)
    assert [(await ask()).status for _ in range(4)] == [200, 200, 200, 401]
    ask.service.pass_time(3900 + 120)
    assert (await ask()).status == 200


async def test_several_federations_of_a_client_are_told_apart(ask: Asking) -> None:
    other = {"entra_tenant": OTHER_ENTRA_TENANT, "audience": "5f0e1f7b-70c5-4cf1-8f44-1b7e6e0e3f0c"}
    await ask.service.credential("northwind", CredentialKind.FEDERATION, client_id=ask.client_id, **other)
    assert (await ask(ask.assertion(other["audience"], OTHER_ENTRA_TENANT))).status == 200
    assert (await ask()).status == 200
    mixed = await ask(ask.assertion(APPLICATION, OTHER_ENTRA_TENANT))
    assert is_error(mixed, 401, "invalid_client")


async def test_a_revoked_federation_gets_no_token_and_its_tokens_end(ask: Asking, federated: Issued) -> None:
    token = document(await ask())["access_token"]
    await ask.service.administration.revoke("northwind", federated.credential.id)
    ask.service.pass_time(61)
    assert is_error(await ask(), 401, "invalid_client")
    assert (await ask.service.users(token)).status == 401


@pytest.mark.usefixtures("service")
async def test_a_client_with_a_secret_alone_accepts_no_assertion(client: Issued, ask: Asking) -> None:
    assert is_error(await ask(client_id=client.credential.client_id), 401, "invalid_client")
