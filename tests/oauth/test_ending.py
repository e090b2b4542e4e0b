"""Credentials that end soon are named in the log once an hour, until another one is used in their place."""

import logging
from typing import Any

import pytest

from scim_core.access.credential_plans import Wanted
from scim_core.access.ending import MAX_TOLD
from scim_core.registry import Access, CredentialKind
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import TableRegistry
from tests.tenancy import Service, settings

SAID = "a credential ends soon"


async def told(service: Service, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What the log is told in one turn of the timer."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        await service.endpoint.tend_feeds()
    return [vars(record) for record in caplog.records if record.getMessage() == SAID]


@pytest.fixture
def service() -> Service:
    return Service(settings())


async def test_each_that_ends_within_30_days_is_named_once_an_hour(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    soon = await service.tenant("Contoso", days=20, label="Entra")
    await service.tenant("Fabrikam", days=31)
    await service.tenant("Litware", days=0)
    app = await service.applications.create(Wanted(CredentialKind.TOKEN, "support", access=Access.READ, days=10))
    found = await told(service, caplog)
    assert [(item["tenant"], item["credential_id"]) for item in found] == [
        (":applications", app.credential.id),
        ("contoso", soon.credential.id),
    ]
    assert (found[1]["credential"], found[1]["ends"][:10]) == ("Entra", "2026-12-13")
    assert not any(soon.secret in str(item) for item in found)
    service.pass_time(3599)
    assert await told(service, caplog) == []
    service.pass_time(1)
    assert len(await told(service, caplog)) == 2


async def test_one_that_has_a_successor_in_use_is_not_named(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    old = await service.tenant("Contoso", days=20)
    await service.users(old.secret)
    new = await service.credential("contoso", CredentialKind.TOKEN)
    reader = await service.credential("contoso", CredentialKind.TOKEN, access=Access.READ)
    service.pass_time(3600)
    service.restart()
    await service.users(reader.secret)
    assert len(await told(service, caplog)) == 1, "another access does not take its place"
    await service.users(new.secret)
    service.pass_time(3600)
    assert await told(service, caplog) == []


async def test_those_that_have_ended_or_are_revoked_are_not_named(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    issued = await service.tenant("Contoso", days=20)
    await service.tenant("Fabrikam", days=1)
    await service.administration.revoke("contoso", issued.credential.id)
    service.pass_time(2 * 86_400)
    assert await told(service, caplog) == []


async def test_the_lines_of_an_hour_are_bounded(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        await service.tenant(f"T{number}", days=20)
        for _ in range(39):
            await service.credential(f"t{number}", CredentialKind.TOKEN, days=10 + number)
    found = await told(service, caplog)
    assert len(found) == MAX_TOLD
    assert found[0]["ends"] < found[-1]["ends"], "those that end first"


async def test_a_registry_that_does_not_answer_ends_no_turn_and_is_asked_again(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.tenant("Contoso", days=20)

    def busy(_: object) -> None:
        raise StorageBusy("busy")

    with monkeypatch.context() as patch:
        patch.setattr(TableRegistry, "tenants", busy)
        assert await told(service, caplog) == []
        assert any("are not known" in record.getMessage() for record in caplog.records)
    assert len(await told(service, caplog)) == 1


async def test_without_a_registry_there_are_none(caplog: pytest.LogCaptureFixture) -> None:
    one = Service(settings(SCIM_TENANTS="one", SCIM_TOKEN_SHA256="0" * 64))
    assert await told(one, caplog) == []
