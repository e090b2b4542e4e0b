"""No credential comes back, and none opens two tenants: the deleted tenant of the settings, and federations."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from scim_core.access.credential_plans import Issued, Refused, Wanted
from scim_core.access.no_return import NotReopened
from scim_core.registry import MAX_CREDENTIAL_ROWS, CredentialKind, Gone, Taken, TenantState
from scim_core.storage.tables import TableRegistry, keys
from scim_core.storage.tables.keys import REGISTRY
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.tenancy import (
    APPLICATION,
    ENTRA_TENANT,
    OTHER_ENTRA_TENANT,
    SUBJECT,
    Misbehaving,
    Service,
    assertion_fields,
    document,
    settings,
)

TOKEN = "the token of the settings"


@pytest.fixture
def with_settings_token(entra: Misbehaving) -> Service:
    return Service(settings(entra.url, SCIM_TOKEN_SHA256=sha256(TOKEN.encode()).hexdigest()))


async def deleted(service: Service) -> None:
    await service.tenant("Default")
    assert (await service.users(TOKEN)).status == 200
    await service.administration.delete("default", lambda _: None)
    service.pass_time(61)


async def test_the_token_of_the_settings_stays_out_once_its_tenant_is_deleted(with_settings_token: Service) -> None:
    service = with_settings_token
    await deleted(service)
    for _ in range(3):
        answer = await service.users(TOKEN)
        assert answer.status == 403
        assert "was deleted" in document(answer)["detail"]
        service.pass_time(3600)
        service.restart()


async def test_what_is_left_of_that_tenant_is_its_row_alone(with_settings_token: Service) -> None:
    service = with_settings_token
    await deleted(service)
    left = await service.administration.tenant("default")
    assert (left.state, left.credentials) == (TenantState.DELETING, ()), "version 0.2 refuses this state, too"
    assert left.deleted
    for change in (
        service.administration.delete("default", lambda _: None),
        service.administration.resume("default"),
        service.credential("default", CredentialKind.TOKEN),
    ):
        with pytest.raises((Gone, Refused), match="was deleted on 2026-11-23"):
            await change


async def test_it_is_let_in_again_by_decision_only(with_settings_token: Service) -> None:
    service = with_settings_token
    await deleted(service)
    for tenant_id in ("", "default"):
        with pytest.raises(NotReopened, match=r"SCIM_TOKEN_SHA256 opens this tenant.*--reopen"):
            await service.administration.create_tenant("Default", tenant_id)
    assert (await service.users(TOKEN)).status == 403
    opened = await service.administration.create_tenant("Default again", "default", reopen=True)
    assert (opened.state, opened.display_name, opened.deleted) == (TenantState.ACTIVE, "Default again", "")
    service.pass_time(61)
    answer = await service.users(TOKEN)
    assert (answer.status, document(answer)["totalResults"]) == (200, 0)
    await service.administration.delete("default", lambda _: None)
    service.pass_time(61)
    assert (await service.users(TOKEN)).status == 403


async def test_only_what_was_deleted_is_reopened(with_settings_token: Service) -> None:
    service = with_settings_token
    with pytest.raises(NotReopened, match="There is no tenant default"):
        await service.administration.create_tenant("Default", reopen=True)
    await service.tenant("Default")
    with pytest.raises(NotReopened, match="was not deleted"):
        await service.administration.create_tenant("Default", reopen=True)
    with pytest.raises(NotReopened, match="There is no tenant contoso"):
        await service.administration.create_tenant("Contoso", reopen=True)


async def test_another_tenant_leaves_nothing(service: Service, contoso: Issued) -> None:
    await service.administration.delete("contoso", lambda _: None)
    with pytest.raises(Gone, match="no tenant"):
        await service.administration.tenant("contoso")
    assert (await service.tenant("Contoso")).secret != contoso.secret


def federation(*, entra_tenant: str = ENTRA_TENANT, subject: str = SUBJECT, audience: str = APPLICATION) -> Wanted:
    return Wanted(CredentialKind.FEDERATION, entra_tenant=entra_tenant, subject=subject, audience=audience)


@pytest.fixture
async def two(service: Service) -> Issued:
    """The federation of Contoso. There is Fabrikam, which has none."""
    await service.administration.create_tenant("Fabrikam")
    return await service.tenant("Contoso", CredentialKind.FEDERATION)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"audience": f"api://{APPLICATION}"},
        {"audience": f"api://{APPLICATION}/.default"},
        {"audience": f"api://api://{APPLICATION}"},
        {"audience": f"{APPLICATION}/.default/.default"},
        {"audience": APPLICATION.upper(), "subject": SUBJECT.upper(), "entra_tenant": ENTRA_TENANT.upper()},
    ],
)
async def test_a_workload_identity_opens_one_tenant(service: Service, changes: dict[str, str]) -> None:
    with pytest.raises(Taken, match="The tenant contoso has a federation with the same Entra tenant"):
        await service.administration.create_credential("fabrikam", federation(**changes))
    assert (await service.administration.tenant("fabrikam")).credentials == ()


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    "changes", [{"entra_tenant": OTHER_ENTRA_TENANT}, {"subject": OTHER_ENTRA_TENANT}, {"audience": OTHER_ENTRA_TENANT}]
)
async def test_another_identity_is_another(service: Service, changes: dict[str, str]) -> None:
    await service.administration.create_credential("fabrikam", federation(**changes))


@pytest.mark.usefixtures("two")
async def test_nor_by_a_rotation(service: Service) -> None:
    other = await service.administration.create_credential("fabrikam", federation(subject=OTHER_ENTRA_TENANT))
    with pytest.raises(Taken):
        await service.administration.rotate("fabrikam", other.credential.id, timedelta(days=1), federation())


async def test_of_two_at_the_same_time_one_succeeds(service: Service) -> None:
    for number in range(20):
        names = [f"first-{number}", f"second-{number}"]
        for name in names:
            await service.administration.create_tenant(name)
        subject = f"00000000-0000-0000-0000-{number:012}"
        both = await asyncio.gather(
            *(service.administration.create_credential(name, federation(subject=subject)) for name in names),
            return_exceptions=True,
        )
        assert sorted(type(item).__name__ for item in both) == ["Issued", "Taken"]


async def test_one_tenant_can_have_it_twice_and_frees_it_with_the_last(service: Service, two: Issued) -> None:
    again = await service.administration.create_credential("contoso", federation())
    for credential in (two.credential, again.credential):
        with pytest.raises(Taken):
            await service.administration.create_credential("fabrikam", federation())
        await service.administration.remove("contoso", credential.id)
    await service.administration.create_credential("fabrikam", federation())


@pytest.mark.usefixtures("two")
async def test_a_deleted_tenant_frees_it(service: Service, entra: Misbehaving) -> None:
    await service.administration.delete("contoso", lambda _: None)
    issued = await service.administration.create_credential("fabrikam", federation())
    assertion = entra.assertion(ENTRA_TENANT, SUBJECT, APPLICATION, service.clock().timestamp())
    assert (await service.ask_for_token(assertion_fields(issued.credential.client_id, assertion))).status == 200


async def as_version_0_2(registry: TableRegistry, issued: Issued) -> None:
    """The credential has the rows that version 0.2 gave it."""
    key = keys.credential(issued.tenant.id, issued.credential.id)
    row = await registry.rows.get(REGISTRY, key)
    assert row is not None
    old = {name: value for name, value in row.properties.items() if name not in ("exclusive", "PartitionKey", "RowKey")}
    pointer = keys.pointer(issued.credential.identity)
    await registry.rows.transact(REGISTRY, [RowOperation(Verb.DELETE, Role.OTHER, item) for item in (key, pointer)])
    await registry.rows.transact(REGISTRY, [RowOperation(Verb.INSERT, Role.OTHER, key, old)])


async def test_a_federation_of_version_0_2_counts_and_is_removed(service: Service, two: Issued) -> None:
    assert isinstance(service.registry, TableRegistry)
    await as_version_0_2(service.registry, two)
    there = await service.administration.credential("contoso", two.credential.id)
    assert replace(there, etag="") == replace(two.credential, exclusive=False)
    with pytest.raises(Taken):
        await service.administration.create_credential("fabrikam", federation())
    await service.administration.create_credential("contoso", federation())
    await service.administration.remove("contoso", two.credential.id)
    with pytest.raises(Taken):
        await service.administration.create_credential("fabrikam", federation())
    await service.administration.delete("contoso", lambda _: None)
    await service.administration.create_credential("fabrikam", federation())


async def test_a_pointer_that_a_command_of_version_0_2_left_behind_keeps_nobody_out(
    service: Service, two: Issued
) -> None:
    """Such a command knows nothing of the pointer of the identity, and removes the other rows of the credential."""
    assert isinstance(service.registry, TableRegistry)
    gone = [keys.credential("contoso", two.credential.id), keys.pointer(two.credential.pointer)]
    await service.registry.rows.transact(REGISTRY, [RowOperation(Verb.DELETE, Role.OTHER, key) for key in gone])
    await service.administration.create_credential("fabrikam", federation())
    with pytest.raises(Taken):
        await service.administration.create_credential("contoso", federation())


async def test_of_two_that_take_over_such_a_pointer_one_succeeds(service: Service, two: Issued) -> None:
    assert isinstance(service.registry, TableRegistry)
    gone = [keys.credential("contoso", two.credential.id), keys.pointer(two.credential.pointer)]
    await service.registry.rows.transact(REGISTRY, [RowOperation(Verb.DELETE, Role.OTHER, key) for key in gone])
    both = await asyncio.gather(
        *(service.administration.create_credential(name, federation()) for name in ("contoso", "fabrikam")),
        return_exceptions=True,
    )
    assert sorted(type(item).__name__ for item in both) == ["Issued", "Taken"]


async def test_a_tenant_with_as_many_federations_as_it_can_have_is_deleted(service: Service) -> None:
    await service.administration.create_tenant("Contoso")
    most = MAX_CREDENTIAL_ROWS // 3
    for number in range(most):
        subject = f"00000000-0000-0000-0000-{number:012}"
        await service.administration.create_credential("contoso", federation(subject=subject))
    with pytest.raises(Refused, match="Remove the revoked"):
        await service.administration.create_credential("contoso", federation())
    await service.administration.delete("contoso", lambda _: None)
    with pytest.raises(Gone):
        await service.administration.tenant("contoso")
