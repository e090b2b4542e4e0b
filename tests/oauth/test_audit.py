"""The audit log: each failure and each administrative change, with whose and which credential, and no secret."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from scim_core.access.audit import AuditEvent
from scim_core.access.credential_plans import Issued, Refused, Wanted
from scim_core.access.token_format import new_secret, new_token
from scim_core.registry import CredentialKind
from tests.oauth.test_entra_tokens import sent
from tests.tenancy import ENTRA_TENANT, Misbehaving, Service, assertion_fields

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def audit(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    names = ("event", "method", "tenant", "credential", "reason", "correlation_id", "source")
    return [
        {name: getattr(record, name) for name in names}
        for record in caplog.records
        if record.name == "scim_core.access.audit"
    ]


async def failing(service: Service, entra: Misbehaving, contoso: Issued, how: str) -> list[str]:  # noqa: PLR0911
    """Fails to authenticate in this way; the secrets that were sent."""
    client = await service.credential("contoso", CredentialKind.SECRET, label="the client")
    federation = await service.credential("contoso", CredentialKind.FEDERATION, label="the federation")
    await service.credential("contoso", CredentialKind.ENTRA, label="the test")
    client_id = client.credential.client_id
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    match how:
        case "no header":
            await service.send("GET", "/scim/v2/Users", headers=headers)
            return []
        case "unknown token" | "mistyped token":
            token = new_token() if how == "unknown token" else new_token()[:-1]
            await service.send("GET", "/scim/v2/Users", token, headers=headers)
            return [token]
        case "revoked token" | "suspended tenant":
            if how == "revoked token":
                await service.administration.revoke("contoso", contoso.credential.id)
            else:
                await service.administration.suspend("contoso")
            await service.send("GET", "/scim/v2/Users", contoso.secret, headers=headers)
            return [contoso.secret]
        case "bad access token":
            token = (await service.access_token(client))[:-8] + "AAAAAAAA"
            await service.send("GET", "/scim/v2/Users", token, headers=headers)
            return [token]
        case "bad Entra token":
            token = sent(service, entra, appid="11111111-0000-0000-c000-000000000000")
            await service.send("GET", "/scim/v2/Users", token, headers=headers)
            return [token]
        case "wrong secret" | "unknown client":
            secret = new_secret()
            await service.ask_for_token(
                basic=(client_id if how == "wrong secret" else "nobody", secret), headers=headers
            )
            return [secret]
    assertion = entra.assertion(ENTRA_TENANT, federation.credential.subject, "another", service.clock().timestamp())
    await service.ask_for_token(assertion_fields(federation.credential.client_id, assertion), headers=headers)
    return [assertion]


EXPECTED = {
    "no header": ("none", "", "", "no Authorization header"),
    "unknown token": ("token", "", "", "unknown"),
    "mistyped token": ("token", "", "", "mistyped"),
    "revoked token": ("token", "contoso", "token of 2026-11-23", "was revoked on 2026-11-23"),
    "suspended tenant": ("token", "contoso", "token of 2026-11-23", "the tenant is suspended"),
    "bad access token": ("access token", "", "", "has a signature that does not fit"),
    "bad Entra token": ("entra", "contoso", "the test", "has another appid than the one registered here"),
    "wrong secret": ("secret", "contoso", "", "the secret is wrong"),
    "unknown client": ("secret", "", "", "the client is unknown"),
    "bad assertion": ("federation", "contoso", "the federation", "is meant for another audience (aud)"),
}


@pytest.mark.parametrize("how", EXPECTED)
async def test_a_failure_is_one_event_that_says_who_how_and_why(
    service: Service, entra: Misbehaving, contoso: Issued, audit: pytest.LogCaptureFixture, how: str
) -> None:
    secrets = await failing(service, entra, contoso, how)
    found = [item for item in events(audit) if item["event"] == "authentication failed"]
    method, tenant, credential, reason = EXPECTED[how]
    assert found == [
        {
            "event": "authentication failed",
            "method": method,
            "tenant": tenant,
            "credential": credential,
            "reason": reason,
            "correlation_id": TRACE,
            "source": "192.0.2.1",
        }
    ]
    logged = " ".join(f"{record.getMessage()} {record.__dict__}" for record in audit.records)
    assert not any(secret in logged for secret in secrets)


async def test_a_success_is_no_event(service: Service, contoso: Issued, audit: pytest.LogCaptureFixture) -> None:
    audit.clear()
    await service.users(contoso.secret)
    assert events(audit) == []


@pytest.mark.usefixtures("contoso")
async def test_without_a_trace_each_failure_has_an_id_of_its_own(
    service: Service, audit: pytest.LogCaptureFixture
) -> None:
    audit.clear()
    for number, header in enumerate(("", "00-nonsense", "a" * 5000)):
        service.source = f"192.0.2.{number}"
        await service.send("GET", "/scim/v2/Users", headers={"traceparent": header})
    ids = [item["correlation_id"] for item in events(audit)]
    assert len(set(ids)) == 3
    assert all(len(item) == 36 for item in ids)


async def test_every_administrative_change_is_an_event(service: Service, audit: pytest.LogCaptureFixture) -> None:
    administration = service.administration
    await administration.create_tenant("Contoso")
    token = await administration.create_credential("contoso", Wanted(CredentialKind.TOKEN, "the token"))
    secret = await administration.create_credential("contoso", Wanted(CredentialKind.SECRET, "the secret"))
    rotated = await administration.rotate(
        "contoso", token.credential.id, timedelta(days=1), Wanted(CredentialKind.TOKEN)
    )
    await administration.revoke("contoso", rotated.credential.id)
    await administration.remove("contoso", secret.credential.id)
    await administration.rename("contoso", "Contoso Ltd")
    await administration.suspend("contoso")
    await administration.resume("contoso")
    await administration.delete("contoso", lambda _: None)
    assert [(item["event"], item["method"], item["credential"]) for item in events(audit)] == [
        ("tenant created", "tenants create", ""),
        ("credential created", "credentials create token", "the token"),
        ("credential created", "credentials create secret", "the secret"),
        ("credential created", "credentials create token", "the token"),
        ("credential rotated", "credentials rotate token", "the token"),
        ("credential revoked", "credentials revoke token", "the token"),
        ("credential removed", "credentials remove secret", "the secret"),
        ("tenant renamed", "tenants rename", ""),
        ("tenant suspended", "tenants suspend", ""),
        ("tenant resumed", "tenants resume", ""),
        ("tenant deletion began", "tenants delete", ""),
        ("tenant deleted", "tenants delete", ""),
    ]
    assert {item["tenant"] for item in events(audit)} == {"contoso"}
    assert {item["correlation_id"] for item in events(audit)} == {"of the administrator"}
    logged = " ".join(f"{record.getMessage()} {record.__dict__}" for record in audit.records)
    assert not any(item.secret in logged for item in (token, secret, rotated))


def test_no_text_breaks_a_line_or_looks_like_another_field(audit: pytest.LogCaptureFixture) -> None:
    AuditEvent("e", "m", "c", credential='x" tenant=forged\n\u2028', reason="").record()
    [message] = [record.getMessage() for record in audit.records]
    assert message == 'audit event=e method=m correlation_id=c credential="x\\" tenant=forged\\n\\u2028"'


@pytest.mark.parametrize("label", ["a\nb", "a\u2028b", "x" * 81])
async def test_a_label_is_one_line(service: Service, label: str) -> None:
    with pytest.raises(Refused, match="one line"):
        await service.tenant("Evil", label=label)
