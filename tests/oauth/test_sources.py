"""Where a credential was used from: in the line of every request, and, bounded, with the credential itself."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from scim_core.access.credential_plans import Issued
from scim_core.access.tenant_cache import MAX_NOTES
from scim_core.endpoint import endpoint
from scim_core.registry import Access, Credential, CredentialKind
from tests.oauth.test_entra_tokens import sent
from tests.tenancy import Misbehaving, Service
from tests.transcript_of_registry import look_ups

USERS = "/scim/v2/Users"
UNKNOWN_ID = "01a219d5-fb02-7cc4-ab40-8cfce425d9ca"


async def shown(service: Service, issued: Issued) -> Credential:
    return await service.administration.credential(issued.tenant.id, issued.credential.id)


async def used(service: Service, issued: Issued) -> tuple[str, str]:
    """The day and the address of the last use, as an operator sees them."""
    credential = await shown(service, issued)
    return credential.last_used[:10], credential.last_source


@pytest.mark.parametrize("kind", ["token", "secret", "entra"])
async def test_a_use_is_recorded_with_its_instant_and_exact_address(
    service: Service, entra: Misbehaving, kind: str
) -> None:
    issued = await service.tenant("Contoso", CredentialKind(kind))
    service.source = "[2001:db8:1:2:3::4]"
    match kind:
        case "secret":
            await service.access_token(issued)
        case _:
            await service.users(sent(service, entra) if kind == "entra" else issued.secret)
    assert await used(service, issued) == ("2026-11-23", "2001:db8:1:2:3::4")
    noted = datetime.fromisoformat((await shown(service, issued)).last_used)
    assert timedelta() < service.clock() - noted < timedelta(seconds=1)


async def test_a_use_of_an_access_token_elsewhere_is_recorded_with_its_credential(
    service: Service, client: Issued
) -> None:
    token = await service.access_token(client)
    assert await used(service, client) == ("2026-11-23", "192.0.2.1")
    service.source = "198.51.100.7"
    await service.users(token)
    assert await used(service, client) == ("2026-11-23", "198.51.100.7")


async def test_what_a_credential_may_not_do_is_recorded_as_a_use(service: Service) -> None:
    reader = await service.tenant("Contoso", access=Access.READ)
    assert (await service.send("POST", USERS, reader.secret, {"userName": "ann"})).status == 403
    assert await used(service, reader) == ("2026-11-23", "192.0.2.1")


async def test_a_request_from_a_network_that_is_not_allowed_is_no_use(service: Service) -> None:
    issued = await service.tenant("Contoso", networks=("198.51.100.0/24",))
    assert (await service.users(issued.secret)).status == 403
    assert await used(service, issued) == ("", "")


async def test_many_requests_from_few_addresses_are_a_write_for_each_address(service: Service, contoso: Issued) -> None:
    with look_ups(service) as calls:
        for number in range(60):
            service.source = f"192.0.2.{number % 3}"
            assert (await service.users(contoso.secret)).status == 200
    assert calls.count("used") == 3
    assert await used(service, contoso) == ("2026-11-23", "192.0.2.2")


async def test_one_day_of_a_credential_is_a_handful_of_writes_whatever_the_addresses(
    service: Service, contoso: Issued
) -> None:
    other = await service.credential("contoso", CredentialKind.TOKEN)
    with look_ups(service) as calls:
        for number in range(100):
            service.source = f"192.0.2.{number}"
            await service.users(contoso.secret)
    assert calls.count("used") == MAX_NOTES
    service.pass_time(24 * 3600)
    with look_ups(service) as calls:
        await service.users(contoso.secret)
        await service.users(other.secret)
    assert calls.count("used") == 2
    assert await used(service, contoso) == ("2026-11-24", "192.0.2.99")


async def test_requests_at_the_same_time_write_once(service: Service, contoso: Issued) -> None:
    await service.users("scim_wrong")
    with look_ups(service) as calls:
        await asyncio.gather(*(service.users(contoso.secret) for _ in range(20)))
    assert calls.count("used") == 1


async def test_what_another_process_has_written_is_not_written_again(service: Service, contoso: Issued) -> None:
    await service.users(contoso.secret)
    service.restart()
    with look_ups(service) as calls:
        await service.users(contoso.secret)
    assert "used" not in calls
    service.source = "192.0.2.9"
    with look_ups(service) as calls:
        await service.users(contoso.secret)
    assert calls.count("used") == 1


async def test_recording_a_use_changes_nothing_else_of_the_credential(service: Service, contoso: Issued) -> None:
    """The use is recorded while an operator revokes: the revocation stays."""
    await service.administration.revoke("contoso", contoso.credential.id)
    await service.registry.used("contoso", contoso.credential.id, "2026-11-23", "192.0.2.1")
    assert (await shown(service, contoso)).revoked


@pytest.mark.parametrize(
    ("method", "path", "status", "token"),
    [
        ("GET", USERS, 200, "good"),
        ("GET", f"{USERS}/x", 404, "good"),
        ("GET", USERS, 401, "wrong"),
        ("GET", USERS, 401, None),
        ("GET", "/scim/v2/Schemas", 200, None),
        ("GET", "/nothing", 404, None),
    ],
)
async def test_the_line_of_every_request_has_its_exact_address(
    service: Service,
    contoso: Issued,
    caplog: pytest.LogCaptureFixture,
    *,
    method: str,
    path: str,
    status: int,
    token: str | None,
) -> None:
    service.source = "[2001:db8:1:2:3::4]"
    bearer = contoso.secret if token == "good" else token
    with caplog.at_level("INFO", logger="scim_core.endpoint.endpoint"):
        assert (await service.send(method, path, bearer)).status == status
    line: dict[str, Any] = caplog.records[-1].__dict__
    assert (line["status"], line["source"]) == (status, "2001:db8:1:2:3::4")


async def test_the_line_of_a_token_request_has_its_exact_address(
    service: Service, client: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="scim_core.endpoint.endpoint"):
        await service.access_token(client)
    line: dict[str, Any] = caplog.records[-1].__dict__
    assert (line["operation"], line["tenant"], line["source"]) == ("token", "fabrikam", "192.0.2.1")


@pytest.mark.parametrize("reads", ["answers", "stalls"])
async def test_a_registry_that_notes_no_use_gives_no_request_more_time(
    service: Service, contoso: Issued, monkeypatch: pytest.MonkeyPatch, reads: str
) -> None:
    async def stalls(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(service.registry, "used", stalls)
    monkeypatch.setattr(endpoint, "REQUEST_SECONDS", 0.05)
    if reads == "stalls":
        monkeypatch.setattr(service.storage, "read", stalls)
    async with asyncio.timeout(10):
        assert (await service.send("GET", f"{USERS}/{UNKNOWN_ID}", contoso.secret)).status == 503
