"""A suspended tenant, and one that is being deleted: 403 with a sentence, by whichever credential."""

import pytest

from scim_core.access.credential_plans import Issued, Refused
from scim_core.registry import CredentialKind
from tests.oauth.test_entra_tokens import sent
from tests.tenancy import Misbehaving, Service, document


async def credential_of(service: Service, entra: Misbehaving, kind: str) -> str:
    """A bearer token of the tenant contoso, of each kind."""
    match kind:
        case "token":
            return (await service.credential("contoso", CredentialKind.TOKEN)).secret
        case "access token":
            return await service.access_token(await service.credential("contoso", CredentialKind.SECRET))
    await service.credential("contoso", CredentialKind.ENTRA)
    return sent(service, entra)


@pytest.mark.usefixtures("contoso")
@pytest.mark.parametrize("kind", ["token", "access token", "entra"])
async def test_a_suspended_tenant_gets_403_within_a_minute_and_is_resumed_within_another(
    service: Service, entra: Misbehaving, kind: str
) -> None:
    bearer = await credential_of(service, entra, kind)
    assert (await service.users(bearer)).status == 200
    await service.administration.suspend("contoso")
    service.pass_time(61)
    answer = await service.users(bearer)
    assert answer.status == 403
    assert answer.headers["Content-Type"] == "application/scim+json"
    assert "suspended since 2026-11-23" in document(answer)["detail"]
    await service.administration.resume("contoso")
    service.pass_time(61)
    assert (await service.users(bearer)).status == 200


async def test_a_suspended_customers_requests_stay_403_and_hold_up_nobody_elses_failures(
    service: Service, contoso: Issued
) -> None:
    await service.administration.suspend("contoso")
    assert {(await service.users(contoso.secret)).status for _ in range(100)} == {403}
    assert (await service.users("wrong")).status == 401


async def test_while_it_is_suspended_nothing_is_written(service: Service, contoso: Issued) -> None:
    await service.administration.suspend("contoso")
    answer = await service.send("POST", "/scim/v2/Users", contoso.secret, {"userName": "ann"})
    assert answer.status == 403
    await service.administration.resume("contoso")
    service.pass_time(61)
    assert document(await service.users(contoso.secret))["totalResults"] == 0


async def test_discovery_needs_no_credential_and_no_active_tenant(service: Service, contoso: Issued) -> None:
    await service.administration.suspend("contoso")
    assert (await service.send("GET", "/scim/v2/Schemas", contoso.secret)).status == 200


async def test_a_tenant_being_deleted_is_refused_and_cannot_be_resumed(
    service: Service, contoso: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(service.registry), "erase", dies)
        with pytest.raises(KeyboardInterrupt):
            await service.administration.delete("contoso", lambda _: None)
    service.pass_time(61)
    answer = await service.users(contoso.secret)
    assert answer.status == 403
    assert "being deleted" in document(answer)["detail"]
    with pytest.raises(Refused):
        await service.administration.resume("contoso")
    with pytest.raises(Refused):
        await service.credential("contoso", CredentialKind.TOKEN)
    await service.administration.delete("contoso", lambda _: None)
    service.pass_time(61)
    assert (await service.users(contoso.secret)).status == 401


async def test_a_token_of_a_deleted_tenant_opens_no_new_one_of_the_same_id(service: Service, client: Issued) -> None:
    token = await service.access_token(client)
    await service.administration.delete("fabrikam", lambda _: None)
    await service.tenant("Fabrikam", CredentialKind.SECRET)
    service.pass_time(61)
    assert (await service.users(token)).status == 401
