"""Access tokens (RFC 9068): what one says, what is refused of others, and how the key that signs them is changed."""

import re
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_decode

import scim_core
from scim_core import SettingsError
from scim_core.access.credential_plans import Issued
from scim_core.access.oauth.local_key import LocalKey, new_signing_key
from scim_core.registry import CredentialKind
from tests.memory_rows import memory_storage
from tests.tenancy import SIGNING_KEY, Service, document, settings, tampered
from tests.transcript_of_registry import look_ups


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def signed(claims: dict[str, Any], key: str = SIGNING_KEY, token_type: str = "at+jwt") -> str:
    kept = {name: value for name, value in claims.items() if value is not None}
    private = jwt.PyJWK.from_json(base64url_decode(key).decode())
    return jwt.encode(kept, private, private.algorithm_name, headers={"typ": token_type, "kid": LocalKey(key).key_id})


@pytest.fixture
async def token(service: Service, client: Issued) -> str:
    return await service.access_token(client)


async def test_a_token_says_what_rfc_9068_demands_and_is_short(token: str, client: Issued) -> None:
    header, claims = jwt.get_unverified_header(token), claims_of(token)
    assert (header["typ"], header["alg"], len(header["kid"])) == ("at+jwt", "ES256", 43)
    assert claims["iss"] == "https://scim.example.com"
    assert claims["aud"] == "https://scim.example.com/scim/v2"
    assert claims["sub"] == claims["client_id"] == client.credential.client_id
    assert (claims["tenant"], claims["scope"]) == ("fabrikam", "scim")
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["jti"]
    assert len(token) < 1024


async def test_no_two_tokens_are_the_same(service: Service, client: Issued) -> None:
    assert await service.access_token(client) != await service.access_token(client)


CHANGES: dict[str, dict[str, Any]] = {
    "expired": {"exp": 1_700_000_000},
    "not valid yet": {"nbf": 2_000_000_000},
    "another tenant that is not there": {"tenant": "nobody"},
    "a credential that is not there": {"credential": "nothing"},
    "another client": {"client_id": "scim-0123456789abcdef"},
    "another issuer": {"iss": "https://scim.example.org"},
    "another audience": {"aud": "https://scim.example.com"},
    "several audiences": {"aud": ["https://scim.example.com/scim/v2"]},
    "another scope": {"scope": "scimitar"},
    **{f"no {name}": {name: None} for name in ("iss", "aud", "sub", "exp", "nbf", "iat", "jti", "scope", "tenant")},
    "no client_id": {"client_id": None},
    "no credential": {"credential": None},
    "a tenant that is no text": {"tenant": ["fabrikam"]},
    "an empty tenant": {"tenant": ""},
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_token_with_a_wrong_claim_is_refused_though_the_key_is_right(
    service: Service, token: str, change: str
) -> None:
    assert (await service.users(signed(claims_of(token)))).status == 200
    answer = await service.users(signed(claims_of(token) | CHANGES[change]))
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_a_token_of_one_tenant_cannot_be_made_one_of_another(service: Service, token: str) -> None:
    contoso = await service.tenant("Contoso", CredentialKind.SECRET)
    assert (await service.users(tampered(token, tenant="contoso"))).status == 401
    assert (await service.users(tampered(token, tenant="contoso", credential=contoso.credential.id))).status == 401


async def test_it_ends_with_its_lifetime(service: Service, token: str) -> None:
    service.pass_time(3590)
    assert (await service.users(token)).status == 200
    service.pass_time(75)
    answer = await service.users(token)
    assert answer.status == 401
    assert "expired" in document(answer)["detail"]


async def test_a_jwt_of_another_type_is_no_access_token(service: Service, token: str) -> None:
    assert (await service.users(signed(claims_of(token), token_type="JWT"))).status == 401


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_an_unsigned_token_and_one_with_a_shared_secret_are_refused(
    service: Service, token: str, algorithm: str
) -> None:
    header = jwt.get_unverified_header(token)
    secret = "" if algorithm == "none" else "a secret that everybody could know"
    forged = jwt.encode(claims_of(token), secret, algorithm=algorithm, headers={"kid": header["kid"], "typ": "at+jwt"})
    assert (await service.users(forged)).status == 401


async def test_a_key_of_another_deployment_opens_nothing(service: Service, token: str) -> None:
    assert (await service.users(signed(claims_of(token), new_signing_key()))).status == 401


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("claims", [{"iss": "https://scim.example.com"}, {}, {"iss": "https://scim.example.org"}])
async def test_a_refused_token_costs_no_look_up(service: Service, claims: dict[str, Any]) -> None:
    with look_ups(service) as calls:
        assert (await service.users(signed(claims, new_signing_key()))).status == 401
    assert calls == []


async def test_a_warm_request_with_an_access_token_asks_the_registry_nothing(service: Service, token: str) -> None:
    await service.users(token)
    with look_ups(service) as calls:
        await service.users(token)
    assert calls == []


async def test_revoking_the_secret_ends_the_tokens_it_gave_within_a_minute(
    service: Service, client: Issued, token: str
) -> None:
    assert (await service.users(token)).status == 200
    await service.administration.revoke("fabrikam", client.credential.id)
    service.pass_time(61)
    answer = await service.users(token)
    assert answer.status == 401
    assert "revoked" in document(answer)["detail"]


async def test_the_end_of_a_secret_does_not_cut_short_the_token_it_gave_in_time(service: Service) -> None:
    client = await service.tenant("Tailspin", CredentialKind.SECRET, days=1)
    service.pass_time(86_400 - 600)
    token = await service.access_token(client)
    service.pass_time(1200)
    assert (await service.users(token)).status == 200


async def test_the_signing_key_is_rotated_without_refusing_anyone() -> None:
    new = new_signing_key()
    service = Service(settings(SIGNING=""))
    client = await service.tenant("Fabrikam", CredentialKind.SECRET)
    old_token = await service.access_token(client)
    steps = [(SIGNING_KEY, new), (new, SIGNING_KEY)]
    for signing, other in steps:  # first every instance knows the new key, then it signs
        service.settings = settings(SCIM_SIGNING_KEY=signing, SCIM_SIGNING_KEY_OTHER=other)
        service.restart()
        assert (await service.users(old_token)).status == 200
    new_token = await service.access_token(client)
    assert jwt.get_unverified_header(new_token)["kid"] != jwt.get_unverified_header(old_token)["kid"]
    service.settings = settings(SCIM_SIGNING_KEY=new)  # and in the end the old one is gone
    service.restart()
    assert (await service.users(new_token)).status == 200
    assert (await service.users(old_token)).status == 401


async def test_a_key_is_taken_as_json_and_in_base64url(service: Service, token: str) -> None:
    """As JSON it is what version 0.2 made. azd cannot put JSON into its file of parameters."""
    for text in (base64url_decode(SIGNING_KEY).decode(), f" {SIGNING_KEY}== \n", SIGNING_KEY):
        for names in (
            {"SCIM_SIGNING_KEY": text},
            {"SCIM_SIGNING_KEY": new_signing_key(), "SCIM_SIGNING_KEY_OTHER": text},
        ):
            service.settings = settings(**names)
            service.restart()
            assert (await service.users(token)).status == 200


def test_a_new_key_needs_no_quotes_and_no_escapes_anywhere() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", new_signing_key())


async def test_an_rsa_key_signs_as_well_and_the_token_stays_short() -> None:
    private = rsa.generate_private_key(65537, 2048)
    service = Service(settings(SCIM_SIGNING_KEY=RSAAlgorithm.to_jwk(private)))
    token = await service.access_token(await service.tenant("Fabrikam", CredentialKind.SECRET))
    assert jwt.get_unverified_header(token)["alg"] == "RS256"
    assert (await service.users(token)).status == 200
    assert len(token) < 1100


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "{}",
        "[]",
        '{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}',
        '{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}',
        "-----BEGIN PRIVATE KEY-----",
        "e30",
        "bm8ganNvbg",
        "\u00e9",
        RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024)),
        RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key()),
    ],
)
def test_what_is_no_strong_private_key_stops_the_start_and_is_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError, match="SCIM_SIGNING_KEY") as refused:
        scim_core.build(settings(SCIM_SIGNING_KEY=text), memory_storage())
    assert text not in str(refused.value) or len(text) < 3
