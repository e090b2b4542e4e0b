"""POST /oauth2/token with client credentials (RFC 6749 section 4.4): wire cases 11, 12, 13 and 16."""

import base64
import hmac
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from scim_core import ScimRequest, Settings, SettingsError
from scim_core.access.credential_plans import Issued, Wanted
from scim_core.access.token_format import new_secret
from scim_core.registry import CredentialKind
from scim_core.storage.port import StorageBusy
from tests.scim import TOKEN, Clock, endpoint_over
from tests.tenancy import FORM, Service, basic_header, document, settings
from tests.transcript_of_registry import look_ups

CREDENTIALS = ("client_id", "client_secret")


def pair(client: Issued) -> tuple[str, str]:
    return client.credential.client_id, client.secret


def in_body(client: Issued) -> dict[str, str]:
    return dict(zip(CREDENTIALS, pair(client), strict=True))


def is_error(answer: Any, status: int, error: str) -> bool:
    """Whether this is an error of RFC 6749 section 5.2 that no cache keeps."""
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    body = document(answer)
    assert set(body) == {"error", "error_description"}
    assert body["error_description"].isascii()
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    return (answer.status, body["error"]) == (status, error)


@pytest.mark.parametrize("way", ["header", "body", "both", "header, id in the body", "header, form-encoded"])
async def test_case_11_and_12_credentials_by_header_body_or_both(service: Service, client: Issued, way: str) -> None:
    encoded = "".join(f"%{ord(c):02X}" for c in client.secret)
    answer = await {
        "header": lambda: service.ask_for_token(basic=pair(client)),
        "body": lambda: service.ask_for_token(in_body(client)),
        "both": lambda: service.ask_for_token(in_body(client), basic=pair(client)),
        "header, id in the body": lambda: service.ask_for_token({"client_id": pair(client)[0]}, basic=pair(client)),
        "header, form-encoded": lambda: service.ask_for_token(basic=(pair(client)[0], encoded)),
    }[way]()
    assert answer.status == 200
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    body = document(answer)
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, "scim")
    assert len(body["access_token"]) < 1024
    assert (await service.users(body["access_token"])).status == 200


@pytest.mark.parametrize("field", CREDENTIALS)
async def test_case_12_credentials_that_differ_in_header_and_body_are_refused(
    service: Service, client: Issued, field: str
) -> None:
    other = await service.credential("fabrikam", CredentialKind.SECRET)
    answer = await service.ask_for_token(in_body(client) | {field: in_body(other)[field]}, basic=pair(client))
    assert is_error(answer, 401, "invalid_client")
    assert "differ" in document(answer)["error_description"]


async def test_case_13_two_secrets_of_a_client_work_and_each_ends_alone(service: Service, client: Issued) -> None:
    second = await service.credential(
        "fabrikam", CredentialKind.SECRET, client_id=client.credential.client_id, days=900
    )
    assert second.credential.client_id == client.credential.client_id
    for issued in (client, second):
        assert (await service.ask_for_token(basic=pair(issued))).status == 200
    await service.administration.remove("fabrikam", client.credential.id)
    service.pass_time(61)
    assert is_error(await service.ask_for_token(basic=pair(client)), 401, "invalid_client")
    assert (await service.ask_for_token(basic=pair(second))).status == 200


async def test_case_13_an_expired_secret_gets_no_token_and_is_told_so(service: Service, client: Issued) -> None:
    service.clock.advance(days=731)
    service.pass_time(61)
    answer = await service.ask_for_token(basic=pair(client))
    assert is_error(answer, 401, "invalid_client")
    assert "expired on" in document(answer)["error_description"]


async def test_case_16_the_validator_of_the_gallery_is_satisfied(service: Service, client: Issued) -> None:
    body = document(await service.ask_for_token(in_body(client) | {"scope": "scim"}))
    assert 60 <= body["expires_in"] / 60 <= 360
    assert 200 <= (await service.users(body["access_token"])).status < 300


async def test_a_rotated_secret_and_its_successor_are_both_good_for_a_while(service: Service, client: Issued) -> None:
    successor = await service.administration.rotate(
        "fabrikam", client.credential.id, timedelta(days=7), Wanted(CredentialKind.SECRET)
    )
    service.pass_time(61)
    assert [(await service.ask_for_token(basic=pair(item))).status for item in (client, successor)] == [200, 200]
    service.pass_time(timedelta(days=7).total_seconds())
    assert [(await service.ask_for_token(basic=pair(item))).status for item in (client, successor)] == [401, 200]


async def test_a_secret_of_another_tenants_client_is_refused(service: Service, client: Issued) -> None:
    other = await service.tenant("Contoso", CredentialKind.SECRET)
    mixed = (client.credential.client_id, other.secret)
    assert is_error(await service.ask_for_token(basic=mixed), 401, "invalid_client")


async def test_an_unknown_client_and_a_wrong_secret_are_answered_alike(service: Service, client: Issued) -> None:
    unknown = await service.ask_for_token(basic=("scim-0123456789abcdef", client.secret))
    wrong = await service.ask_for_token(basic=(client.credential.client_id, new_secret()))
    assert (unknown.status, unknown.headers, unknown.body) == (wrong.status, wrong.headers, wrong.body)
    assert is_error(wrong, 401, "invalid_client")


async def test_an_unknown_client_and_a_wrong_secret_take_the_same_look_ups_and_comparisons(
    service: Service, client: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    compare = hmac.compare_digest

    def counted(a: bytes, b: bytes) -> bool:
        compared.append(len(b))
        return compare(a, b)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    seen: dict[str, Any] = {}
    for name, client_id in (("unknown", "scim-0123456789abcdef"), ("wrong", client.credential.client_id)):
        for warmth in ("cold", "warm"):
            compared.clear()
            with look_ups(service) as calls:
                await service.ask_for_token(basic=(client_id, new_secret()))
            seen[f"{name} {warmth}"] = (list(calls), list(compared))
    assert seen["unknown cold"] == seen["wrong cold"] == (["find", "load"], [64])
    assert seen["unknown warm"] == seen["wrong warm"] == ([], [64])


async def test_a_mistyped_secret_is_told_apart_without_a_look_up(service: Service, client: Issued) -> None:
    with look_ups(service) as calls:
        answer = await service.ask_for_token(basic=(client.credential.client_id, client.secret[:-1]))
    assert is_error(answer, 401, "invalid_client")
    assert "mistyped" in document(answer)["error_description"]
    assert calls == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "invalid_request"),
        (b"grant_type=", "invalid_request"),
        (b"grant_type=password", "unsupported_grant_type"),
        (b"grant_type=authorization_code&code=x", "unsupported_grant_type"),
        (b"grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        (b"grant_type=client_credentials&scope=admin", "invalid_scope"),
        (b"grant_type=client_credentials&client_assertion_type=x&client_assertion=y", "invalid_request"),
        (b"grant_type=client_credentials&client_assertion=y&client_id=z", "invalid_request"),
        (b"grant_type=client_credentials&client_secret=a&client_assertion=y", "invalid_request"),
        (b'{"grant_type": "client_credentials"}', "invalid_request"),
        (b"grant_type=client_credentials&x=%FF", "invalid_request"),
        (b"\xff\xfe=\x00", "invalid_request"),
        (b"&" * 1000, "invalid_request"),
        (b"a=1&" * 51, "invalid_request"),
    ],
)
async def test_a_malformed_request_is_400_in_the_words_of_rfc_6749(service: Service, body: bytes, error: str) -> None:
    with look_ups(service) as calls:
        assert is_error(await service.ask_for_token(body), 400, error)
    assert calls == []


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "multipart/form-data", ""])
async def test_a_body_that_is_not_called_a_form_is_refused(service: Service, client: Issued, media_type: str) -> None:
    answer = await service.ask_for_token(in_body(client), headers={"content-type": media_type})
    assert is_error(answer, 400, "invalid_request")


async def test_a_form_with_a_charset_is_a_form(service: Service, client: Issued) -> None:
    answer = await service.ask_for_token(in_body(client), headers={"content-type": f"{FORM}; charset=UTF-8"})
    assert answer.status == 200


async def test_a_large_body_and_one_in_chunks_are_refused(service: Service) -> None:
    assert is_error(await service.ask_for_token(b"a" * 20_000), 413, "invalid_request")
    assert is_error(await service.ask_for_token(b"", headers={"transfer-encoding": "chunked"}), 411, "invalid_request")


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic YQ",
        "Basic /////w==",
        f"Basic {base64.b64encode(b'no colon').decode()}",
        f"Basic {base64.b64encode(b':secret').decode()}",
        f"Basic {base64.b64encode(b'client:').decode()}",
        f"Basic {base64.b64encode(b'client:%FF').decode()}",
        "Basic " + "A" * 100_000,
        "Bearer a-token",
        "Negotiate x",
        "\ud800",
    ],
)
async def test_a_header_that_is_no_basic_credential_is_invalid_client(service: Service, header: str) -> None:
    with look_ups(service) as calls:
        assert is_error(await service.ask_for_token(headers={"authorization": header}), 401, "invalid_client")
    assert calls == []


async def test_no_credential_at_all_is_invalid_client(service: Service) -> None:
    assert is_error(await service.ask_for_token(), 401, "invalid_client")


async def test_two_authorization_headers_are_refused(service: Service, client: Issued) -> None:
    header = basic_header(*pair(client))
    answer = await service.ask_for_token(headers={"authorization": f"{header},{header}"})
    assert is_error(answer, 400, "invalid_request")


@pytest.mark.parametrize("size", [101, 10_000])
async def test_a_long_client_id_or_secret_costs_nothing(service: Service, client: Issued, size: int) -> None:
    with look_ups(service) as calls:
        answer = await service.ask_for_token({"client_id": "x" * size, "client_secret": "y"})
        assert is_error(answer, 401, "invalid_client")
    assert calls == []
    answer = await service.ask_for_token({"client_id": client.credential.client_id, "client_secret": "x" * size * 2})
    assert answer.status in (401, 413)


async def test_unknown_fields_are_ignored_repeated_or_not(service: Service, client: Issued) -> None:
    body = (
        urlencode({"grant_type": "client_credentials", **in_body(client)}) + "&resource=a&resource=b&baseAddress=c&x="
    )
    assert (await service.ask_for_token(body.encode())).status == 200


async def test_scim_among_other_scopes_is_what_is_granted(service: Service, client: Issued) -> None:
    answer = await service.ask_for_token({"scope": "openid scim"}, basic=pair(client))
    assert document(answer)["scope"] == "scim"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_other_methods_are_405(service: Service, method: str) -> None:
    answer = await service.send(method, "/oauth2/token")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert not answer.body if method == "HEAD" else is_error(answer, 405, "invalid_request")


@pytest.mark.parametrize("minutes", ["60", "360"])
async def test_the_lifetime_is_the_operators_choice_within_what_entra_accepts(minutes: str) -> None:
    service = Service(settings(SCIM_ACCESS_TOKEN_MINUTES=minutes))
    client = await service.tenant("Fabrikam", CredentialKind.SECRET)
    answer = await service.ask_for_token(basic=pair(client))
    assert document(answer)["expires_in"] == int(minutes) * 60


@pytest.mark.parametrize("minutes", ["59", "361", "0", "-60", "x", "6e1", "٦٠"])
def test_a_lifetime_that_entra_does_not_accept_stops_the_start(minutes: str) -> None:
    with pytest.raises(SettingsError, match="SCIM_ACCESS_TOKEN_MINUTES"):
        settings(SCIM_ACCESS_TOKEN_MINUTES=minutes)


async def test_a_suspended_tenant_gets_403_with_a_sentence_and_no_token(service: Service, client: Issued) -> None:
    await service.administration.suspend("fabrikam")
    answer = await service.ask_for_token(basic=pair(client))
    assert is_error(answer, 403, "unauthorized_client")
    assert "suspended" in document(answer)["error_description"]


async def test_a_registry_that_does_not_answer_is_503_in_the_form_of_oauth(
    service: Service, client: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_: str) -> None:
        raise StorageBusy("AccountKey=s3cr3t")

    monkeypatch.setattr(service.registry, "find", fails)
    answer = await service.ask_for_token(basic=pair(client))
    assert is_error(answer, 503, "temporarily_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert b"s3cr3t" not in answer.body


async def test_a_deployment_of_one_tenant_issues_no_tokens_and_says_so(clock: Clock, storage: Any) -> None:
    endpoint = endpoint_over(storage, clock)
    answer = await endpoint.handle(ScimRequest("POST", "/oauth2/token", headers={"content-type": FORM}, body=b"a=b"))
    assert is_error(answer, 404, "invalid_request")
    metadata = await endpoint.handle(ScimRequest("GET", "/.well-known/oauth-authorization-server"))
    assert metadata.status == 404


async def test_metadata_describes_the_server_and_the_resource(service: Service) -> None:
    """RFC 8414 section 2 and RFC 9728 section 2; the 401 of the resource points to its own (section 5.1)."""
    server = document(await service.send("GET", "/.well-known/oauth-authorization-server"))
    assert server["issuer"] == "https://scim.example.com"
    assert server["token_endpoint"] == "https://scim.example.com/oauth2/token"
    assert server["grant_types_supported"] == ["client_credentials"]
    assert "private_key_jwt" in server["token_endpoint_auth_methods_supported"]
    refused = await service.send("GET", "/scim/v2/Users")
    pointed = refused.headers["WWW-Authenticate"].partition('resource_metadata="')[2].partition('"')[0]
    assert pointed.startswith("https://scim.example.com/.well-known/")
    resource = await service.send("GET", pointed.removeprefix("https://scim.example.com"))
    assert resource.headers["Content-Type"] == "application/json"
    assert document(resource)["resource"] == "https://scim.example.com/scim/v2"
    assert document(resource)["authorization_servers"] == [server["issuer"]]


async def test_metadata_of_one_tenant_names_no_authorization_server(clock: Clock, storage: Any) -> None:
    endpoint = endpoint_over(storage, clock)
    request = ScimRequest("GET", "/.well-known/oauth-protected-resource/scim/v2", base_url="https://a.example")
    body = json.loads((await endpoint.handle(request)).body)
    assert body == {
        "resource": "https://a.example/scim/v2",
        "resource_name": "SCIM 2.0",
        "bearer_methods_supported": ["header"],
    }
    assert TOKEN not in str(body)


@pytest.mark.parametrize("missing", ["SCIM_PUBLIC_BASE_URL", "SCIM_SIGNING_KEY"])
def test_a_missing_setting_stops_the_start_and_is_named(missing: str) -> None:
    with pytest.raises(SettingsError, match=missing):
        settings(**{missing: ""})


@pytest.mark.parametrize(
    "change",
    [
        {"SCIM_TENANTS": "many"},
        {"SCIM_ENTRA_AUTHORITY": "http://login.example.com"},
        {"SCIM_ENTRA_AUTHORITY": "https://login.example.com/tenant"},
        {"SCIM_ENTRA_AUTHORITY": "login.example.com"},
        {"SCIM_TENANT_REQUESTS_PER_SECOND": "24"},
        {"SCIM_TRUSTED_PROXIES": "-1"},
        {"SCIM_TENANTS": "one", "SCIM_TOKEN_SHA256": "0" * 64, "SCIM_SIGNING_KEY": "", "SCIM_SIGNING_KEY_OTHER": "x"},
    ],
)
def test_a_setting_that_cannot_be_is_named(change: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(**change)
    assert any(name in str(refused.value) for name in change)


def test_settings_show_no_key(service: Service) -> None:
    assert isinstance(service.settings, Settings)
    assert service.settings.signing_keys[0] not in repr(service.settings)
