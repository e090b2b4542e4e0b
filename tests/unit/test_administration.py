"""What an operator may ask for, and what the command line makes of its surroundings."""

from dataclasses import replace
from datetime import timedelta

import pytest

from scim_core.access.administration import Administration
from scim_core.access.credential_plans import DEFAULT_DAYS, Issued, Refused, Wanted
from scim_core.admin.__main__ import _chosen
from scim_core.admin.arguments import parser
from scim_core.admin.presentation import table, tenant_json, tenants_table
from scim_core.registry import CredentialKind, Gone, Taken, Tenant, TenantState
from scim_core.settings import StorageSettings
from scim_core.storage.tables import TableRegistry
from tests.memory_rows import MemoryRows
from tests.scim import Clock
from tests.tenancy import administration_of

ENTRA_TENANT = "ce5f061f-abe6-4e40-9615-301f87bcb7f0"


@pytest.fixture
def administration(clock: Clock) -> Administration:
    async def pause(seconds: float) -> None:
        clock.advance(seconds=seconds)

    return administration_of(TableRegistry(MemoryRows()), clock, pause)


@pytest.fixture
async def issued(administration: Administration) -> Issued:
    await administration.create_tenant("Contoso Ltd")
    return await administration.create_credential("contoso-ltd", Wanted(CredentialKind.TOKEN, "first"))


@pytest.mark.parametrize(
    ("name", "tenant_id"),
    [("Contoso Ltd", "contoso-ltd"), ("  Ümläut & Söhne  ", "umlaut-sohne"), ("x" * 80, "x" * 48), ("A.B.", "a-b")],
)
async def test_an_id_is_made_of_the_name(administration: Administration, name: str, tenant_id: str) -> None:
    tenant = await administration.create_tenant(name)
    assert (tenant.id, tenant.display_name) == (tenant_id, name.strip())


@pytest.mark.parametrize("tenant_id", ["a:b", ":registry", "?x", "A", "-a", "a-", "a--b", "a b", "x" * 49, "../x"])
async def test_an_id_that_could_be_more_than_one_is_refused(administration: Administration, tenant_id: str) -> None:
    with pytest.raises(Refused, match="tenant id"):
        await administration.create_tenant("Name", tenant_id)


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 81, "!!!"])
async def test_a_name_that_makes_no_line_or_no_id_is_refused(administration: Administration, name: str) -> None:
    with pytest.raises(Refused):
        await administration.create_tenant(name)


async def test_a_tenant_cannot_be_created_twice(administration: Administration, issued: Issued) -> None:
    with pytest.raises(Taken):
        await administration.create_tenant("Contoso", issued.tenant.id)


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(CredentialKind.TOKEN, days=-1),
        Wanted(CredentialKind.TOKEN, days=1099),
        Wanted(CredentialKind.SECRET, client_id="scim-of-another"),
        Wanted(CredentialKind.FEDERATION),
        Wanted(CredentialKind.FEDERATION, entra_tenant="contoso.com", subject="s", audience="a"),
        Wanted(CredentialKind.FEDERATION, entra_tenant=ENTRA_TENANT, audience="a"),
        Wanted(CredentialKind.FEDERATION, entra_tenant=ENTRA_TENANT, subject="s"),
        Wanted(CredentialKind.FEDERATION, entra_tenant=ENTRA_TENANT, subject="with space", audience="a"),
        Wanted(CredentialKind.ENTRA),
        Wanted(CredentialKind.ENTRA, entra_tenant=ENTRA_TENANT, application="x"),
    ],
)
async def test_a_credential_that_cannot_be_is_refused(
    administration: Administration, issued: Issued, wanted: Wanted
) -> None:
    with pytest.raises(Refused):
        await administration.create_credential(issued.tenant.id, wanted)
    assert len((await administration.tenant(issued.tenant.id)).credentials) == 1


@pytest.mark.parametrize("kind", [CredentialKind.TOKEN, CredentialKind.SECRET])
async def test_a_credential_ends_when_it_was_said_to(
    administration: Administration, issued: Issued, kind: CredentialKind, clock: Clock
) -> None:
    usual = await administration.create_credential(issued.tenant.id, Wanted(kind))
    assert usual.credential.expires[:10] == f"{clock.now + timedelta(days=DEFAULT_DAYS[kind]):%Y-%m-%d}"
    short = await administration.create_credential(issued.tenant.id, Wanted(kind, days=2))
    assert short.credential.expires[:10] == "2026-11-25"
    endless = await administration.create_credential(issued.tenant.id, Wanted(kind, days=0))
    assert endless.credential.expires == ""


@pytest.mark.usefixtures("clock")
async def test_a_rotated_credential_ends_after_its_grace_or_before_when_it_was_to(
    administration: Administration, issued: Issued
) -> None:
    short = await administration.create_credential("contoso-ltd", Wanted(CredentialKind.TOKEN, "short", days=1))
    for old, day in ((issued, "2026-11-30"), (short, "2026-11-24")):
        new = await administration.rotate(
            "contoso-ltd", old.credential.id, timedelta(days=7), Wanted(CredentialKind.TOKEN)
        )
        assert new.credential.label == old.credential.label
        assert new.secret != old.secret
        kept = await administration.credential("contoso-ltd", old.credential.id)
        assert kept.expires[:10] == day
        assert new.tenant.credential(old.credential.id) == kept


async def test_what_has_ended_is_not_rotated(administration: Administration, issued: Issued) -> None:
    await administration.revoke("contoso-ltd", issued.credential.id)
    with pytest.raises(Refused, match="was revoked"):
        await administration.rotate(
            "contoso-ltd", issued.credential.id, timedelta(days=7), Wanted(CredentialKind.TOKEN)
        )


@pytest.mark.usefixtures("issued")
async def test_what_is_not_there_is_said_not_to_be(administration: Administration) -> None:
    with pytest.raises(Gone, match="no credential 'x'"):
        await administration.revoke("contoso-ltd", "x")
    with pytest.raises(Gone, match="no tenant 'x'"):
        await administration.suspend("x")


async def test_revoking_again_keeps_the_first_day(administration: Administration, issued: Issued, clock: Clock) -> None:
    first = await administration.revoke("contoso-ltd", issued.credential.id)
    clock.advance(days=3)
    assert await administration.revoke("contoso-ltd", issued.credential.id) == first


@pytest.mark.parametrize(
    ("account", "url"),
    [
        ("contoso", "https://contoso.table.core.windows.net"),
        ("https://contoso.table.core.usgovcloudapi.net", "https://contoso.table.core.usgovcloudapi.net"),
    ],
)
def test_a_storage_account_on_the_command_line_goes_before_the_environment(account: str, url: str) -> None:
    given = parser().parse_args(["--storage-account", account, "--table", "other", "tenants", "list"])
    chosen = _chosen(given, {"SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true", "SCIM_TABLE_NAME": "scim"})
    settings = StorageSettings.from_environment(chosen)
    assert (settings.storage_account_url, settings.storage_connection) == (url, None)
    assert settings.table_name == "other"


def test_a_table_is_aligned_and_an_empty_one_is_a_sentence() -> None:
    assert table(("A", "LONG"), [("wide", "x")]) == "A     LONG\n----  ----\nwide  x"
    assert table(("A",), []) == "There are none."


def test_the_deleted_tenant_of_the_settings_is_shown_as_deleted() -> None:
    since = "2026-11-23T09:05:00.000000Z"
    left = Tenant("default", "Default", since, TenantState.DELETING, since, deleted=since)
    assert " deleted " in tenants_table([left], since)
    assert tenant_json(left, since)["state"] == "deleted"
    assert tenant_json(replace(left, deleted=""), since)["state"] == "deleting"


def test_it_is_reopened_by_an_option_alone() -> None:
    assert parser().parse_args(["tenants", "create", "Default", "--reopen"]).reopen
    assert not parser().parse_args(["tenants", "create", "Default"]).reopen
