"""Credentials of the whole deployment: how they are made, rotated, revoked, recorded, exported and restored."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import scim_core
from scim_core.access.credential_plans import Issued, Refused, Wanted
from scim_core.access.networks import REFUSAL
from scim_core.registry import APPLICATIONS, MAX_CREDENTIALS, Access, CredentialKind, Gone
from scim_core.storage.maintenance.exporting import tenants
from scim_core.storage.tables import TableRegistry, TableStorage, keys
from scim_core.storage.tables.keys import REGISTRY
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.commands import Done, run_here
from tests.feed.stand_in import StandIn
from tests.memory_rows import MemoryRows
from tests.oauth.test_access_tokens import claims_of
from tests.scim import sentence
from tests.tenancy import Misbehaving, Service, document, settings

URL = ("--url", "https://scim.example.com")
CHANGES = "/feed/v1/changes?tenant=contoso"
USERS = "/scim/v2/Users?tenant=contoso"


class Deployment:
    """A service, and an operator's commands on its registry."""

    def __init__(self, entra: Misbehaving) -> None:
        self.rows = MemoryRows()
        self.service = Service(settings(entra.url), registry=TableRegistry(self.rows))

    async def run(self, *given: str) -> Done:
        return await run_here(self.rows, *URL, *given)

    async def json(self, *given: str) -> Any:
        done = await self.run("--json", *given)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    async def status(self, path: str, bearer: str) -> int:
        """The answer of an instance that has just started."""
        self.service.restart()
        return (await self.service.send("GET", path, bearer)).status


@pytest.fixture
async def deployment(entra: Misbehaving, stand_in: StandIn) -> Deployment:  # noqa: ARG001 -- it must be in place first
    made = Deployment(entra)
    await made.run("tenants", "create", "Contoso", "--kind", "none")
    return made


async def test_one_is_made_for_the_feed_unless_it_is_said_otherwise(deployment: Deployment) -> None:
    made = await deployment.json("apps", "create", "our product")
    assert (made["credential"]["access"], made["credential"]["label"]) == ("feed", "our product")
    assert made["use"] == {"URL": "https://scim.example.com/feed/v1", "Bearer token": made["secret"]}
    assert await deployment.status(CHANGES, made["secret"]) == 200
    assert await deployment.status("/feed/v1/tenants", made["secret"]) == 200
    assert await deployment.status(USERS, made["secret"]) == 403


async def test_one_may_read_scim_instead(deployment: Deployment) -> None:
    made = await deployment.json("apps", "create", "report", "--access", "read")
    assert made["use"]["URL"] == "https://scim.example.com/scim/v2"
    assert await deployment.status(USERS, made["secret"]) == 200
    assert await deployment.status(CHANGES, made["secret"]) == 403


@pytest.mark.parametrize("access", ["feed", "read"])
async def test_a_client_secret_is_exchanged_for_a_token_with_its_scope(deployment: Deployment, access: str) -> None:
    made = await deployment.json("apps", "create", "report", "--kind", "secret", "--access", access)
    deployment.service.restart()
    basic = (made["use"]["Client ID"], made["use"]["Client secret"])
    answer = document(await deployment.service.ask_for_token(basic=basic))
    assert answer["scope"] == made["use"]["OAuth 2.0 scope"] == claims_of(answer["access_token"])["scope"]
    assert answer["scope"] == f"scim.{access}"
    assert await deployment.status(CHANGES if access == "feed" else USERS, answer["access_token"]) == 200


async def test_what_is_printed_says_what_it_opens_and_that_it_is_shown_once(deployment: Deployment) -> None:
    said = (await deployment.run("apps", "create", "our product", "--days", "30")).stdout
    assert "https://scim.example.com/feed/v1" in said
    assert "shown only now" in said
    assert "It opens every customer" in said
    assert "It expires on " in said


async def test_they_are_listed_apart_from_tenants(deployment: Deployment) -> None:
    await deployment.run("apps", "create", "our product", "--network", "192.0.2.0/24")
    [found] = await deployment.json("apps", "list")
    assert (found["label"], found["networks"]) == ("our product", ["192.0.2.0/24"])
    assert "our product" in (await deployment.run("apps", "list")).stdout
    assert [item["id"] for item in await deployment.json("tenants", "list")] == ["contoso"]


async def test_there_are_none_at_first(deployment: Deployment) -> None:
    assert await deployment.json("apps", "list") == []
    done = await deployment.run("apps", "revoke", "unknown")
    assert (done.returncode, "There is no credential 'unknown'" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "given",
    [
        ("tenants", "show", APPLICATIONS),
        ("tenants", "suspend", APPLICATIONS),
        ("tenants", "rename", APPLICATIONS, "x"),
        ("tenants", "delete", APPLICATIONS, "--confirm", APPLICATIONS),
        ("credentials", "create", APPLICATIONS, "token"),
        ("credentials", "list", APPLICATIONS),
    ],
)
async def test_no_command_for_tenants_reaches_them(deployment: Deployment, given: tuple[str, ...]) -> None:
    await deployment.run("apps", "create", "our product")
    before = await deployment.json("apps", "list")
    done = await deployment.run(*given)
    assert (done.returncode, f"There is no tenant '{APPLICATIONS}'" in done.stderr) == (1, True), done.stderr
    assert await deployment.json("apps", "list") == before
    assert "A tenant id has" in (await deployment.run("tenants", "create", "x", "--id", APPLICATIONS)).stderr


async def test_a_rotated_one_stays_good_for_a_while_and_the_new_one_keeps_its_access(deployment: Deployment) -> None:
    old = await deployment.json("apps", "create", "report", "--access", "read", "--network", "192.0.2.0/24")
    new = await deployment.json("apps", "rotate", old["credential"]["id"], "--keep-days", "2")
    same = ("access", "label", "networks", "kind")
    assert [new["credential"][name] for name in same] == [old["credential"][name] for name in same]
    deployment.service.clock.now = datetime.fromisoformat(new["credential"]["created"]).astimezone(UTC)
    assert [await deployment.status(USERS, item["secret"]) for item in (old, new)] == [200, 200]
    deployment.service.clock.advance(days=3)
    assert [await deployment.status(USERS, item["secret"]) for item in (old, new)] == [401, 200]


async def test_a_revoked_one_and_its_tokens_open_nothing_within_a_minute(deployment: Deployment) -> None:
    made = await deployment.json("apps", "create", "report", "--kind", "secret")
    deployment.service.restart()
    basic = (made["use"]["Client ID"], made["use"]["Client secret"])
    token = document(await deployment.service.ask_for_token(basic=basic))["access_token"]
    assert (await deployment.service.send("GET", CHANGES, token)).status == 200
    await deployment.run("apps", "revoke", made["credential"]["id"])
    deployment.service.pass_time(61)
    assert (await deployment.service.send("GET", CHANGES, token)).status == 401
    assert (await deployment.service.ask_for_token(basic=basic)).status == 401
    assert [item["good"] for item in await deployment.json("apps", "list")] == [False]


async def test_a_removed_one_is_forgotten(deployment: Deployment) -> None:
    made = await deployment.json("apps", "create", "report")
    await deployment.run("apps", "remove", made["credential"]["id"])
    assert await deployment.status(CHANGES, made["secret"]) == 401
    assert await deployment.json("apps", "list") == []


async def test_every_change_is_in_the_audit_trail(deployment: Deployment) -> None:
    made = (await deployment.json("apps", "create", "report"))["credential"]["id"]
    new = (await deployment.json("apps", "rotate", made))["credential"]["id"]
    await deployment.run("apps", "revoke", made)
    await deployment.run("apps", "remove", made)
    lines = (await deployment.run("--json", "audit", "--tenant", APPLICATIONS)).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert [(item["event"], item["method"], item["credential"]) for item in records] == [
        ("credential created", "apps create token", made),
        ("credential created", "apps create token", new),
        ("credential rotated", "apps rotate token", made),
        ("credential revoked", "apps revoke token", made),
        ("credential removed", "apps remove token", made),
    ]
    assert (await deployment.run("audit", "--verify")).returncode == 0


async def test_an_export_of_the_registry_has_them_and_a_restore_opens_no_revoked_one(
    deployment: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / "registry.scim"
    kept, revoked = [await deployment.json("apps", "create", name) for name in ("kept", "revoked")]
    assert (await deployment.run("export", str(file), "--tenant", REGISTRY)).returncode == 0
    await deployment.run("apps", "revoke", revoked["credential"]["id"])
    target = MemoryRows()
    given = ("import", str(file), "--registry-of", "old")
    done = await run_here({"scim": target, "old": deployment.rows}, *given)
    assert done.returncode == 0, done.stderr
    restored = Service(deployment.service.settings, registry=TableRegistry(target))
    answers = [await restored.send("GET", CHANGES, made["secret"]) for made in (kept, revoked)]
    assert [answer.status for answer in answers] == [200, 401]


async def test_one_can_be_limited_to_networks(deployment: Deployment) -> None:
    made = await deployment.json("apps", "create", "report", "--network", "198.51.100.0/24")
    deployment.service.restart()
    answer = await deployment.service.send("GET", CHANGES, made["secret"])
    assert (answer.status, sentence(answer)) == (403, REFUSAL)
    deployment.service.source = "198.51.100.7"
    assert (await deployment.service.send("GET", CHANGES, made["secret"])).status == 200


async def test_its_use_is_noted(deployment: Deployment) -> None:
    made = await deployment.json("apps", "create", "report")
    await deployment.status(CHANGES, made["secret"])
    [found] = await deployment.json("apps", "list")
    assert found["lastSource"] == deployment.service.source


@pytest.mark.parametrize("kind", [CredentialKind.FEDERATION, CredentialKind.ENTRA])
async def test_a_kind_that_pins_a_customers_entra_is_refused(service: Service, kind: CredentialKind) -> None:
    with pytest.raises(Refused, match="token, secret"):
        await service.applications.create(Wanted(kind))


async def test_none_can_write(service: Service) -> None:
    with pytest.raises(Refused, match="read or feed"):
        await service.applications.create(Wanted(CredentialKind.TOKEN, access=Access.WRITE))


@pytest.mark.usefixtures("stand_in")
async def test_a_row_that_somebody_wrote_by_hand_lets_none_write(service: Service) -> None:
    await service.administration.create_tenant("Contoso")
    issued = await service.applications.create(Wanted(CredentialKind.TOKEN, access=Access.READ))
    registry: Any = service.registry
    key = keys.credential(APPLICATIONS, issued.credential.id)
    await registry.rows.transact(REGISTRY, [RowOperation(Verb.MERGE, Role.OTHER, key, {"access": "write"})])
    created = await service.send("POST", USERS, issued.secret, {"userName": "ann"})
    assert (created.status, (await service.send("GET", USERS, issued.secret)).status) == (403, 200)


async def test_there_are_as_many_as_of_a_tenant_at_most(service: Service) -> None:
    for _ in range(MAX_CREDENTIALS):
        await service.applications.create(Wanted(CredentialKind.TOKEN))
    with pytest.raises(Refused, match="Remove the revoked and the expired ones"):
        await service.applications.create(Wanted(CredentialKind.TOKEN))


async def test_a_command_asks_for_the_url_before_it_makes_a_secret() -> None:
    rows = MemoryRows()
    done = await run_here(rows, "apps", "create", "report")
    assert (done.returncode, "--url https://scim.example.com" in done.stderr) == (1, True)
    assert await rows.partition_after("") is None


async def test_its_requests_take_its_own_permits_and_no_customers(
    entra: Misbehaving,
    stand_in: StandIn,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = Service(settings(entra.url, SCIM_TENANT_REQUESTS_PER_SECOND="25"))
    contoso = await service.tenant("Contoso")
    first, second = [await service.applications.create(Wanted(CredentialKind.TOKEN, name)) for name in ("one", "two")]
    with caplog.at_level(logging.WARNING):
        answers = [await service.send("GET", CHANGES, first.secret) for _ in range(101)]
    assert [answer.status for answer in answers] == [200] * 100 + [429]
    assert answers[-1].headers["Content-Type"] == "application/problem+json"
    assert answers[-1].headers["Retry-After"] == "1"
    assert (await service.users(contoso.secret)).status == 200
    assert (await service.send("GET", CHANGES, second.secret)).status == 200
    assert len(stand_in.calls) == 101
    [told] = [record for record in caplog.records if getattr(record, "event", "") == "rate-limited"]
    assert vars(told)["credential"] == "one"


async def test_two_operators_who_make_the_first_ones_at_the_same_time_both_succeed(service: Service) -> None:
    made: list[Issued] = await asyncio.gather(
        *(service.applications.create(Wanted(CredentialKind.TOKEN, name)) for name in ("one", "two"))
    )
    assert {item.credential.label for item in made} == {"one", "two"}
    assert {item.label for item in await service.applications.credentials()} == {"one", "two"}


async def test_one_that_is_not_there_is_gone(service: Service) -> None:
    with pytest.raises(Gone):
        await service.applications.credential("unknown")


@pytest.mark.parametrize("access", ["feed", "read"])
async def test_a_change_that_an_application_may_not_make_leaves_no_row(deployment: Deployment, access: str) -> None:
    made = await deployment.json("apps", "create", "report", "--access", access)
    service = deployment.service
    storage = TableStorage(deployment.rows, service.clock)
    service.endpoint = endpoint = scim_core.build(
        service.settings, storage, service.clock, registry=service.registry, timer=service.timer, relays=True
    )
    assert endpoint._attempts is not None
    assert endpoint._kicks is not None
    for method, path in (("DELETE", "/scim/v2/Users/x?tenant=contoso"), ("POST", "/scim/v2/Bulk?tenant=contoso")):
        assert (await service.send(method, path, made["secret"])).status == 403
    await endpoint._attempts.idle()
    await endpoint._kicks.idle()
    assert await deployment.rows.partition_after(REGISTRY) is None


async def test_a_row_that_such_a_change_has_left_behind_ends_no_backup(deployment: Deployment) -> None:
    left = RowOperation(Verb.INSERT, Role.FEED, "attempt:1", {"id": "", "lastModified": "2026-11-23T09:05:00.000000Z"})
    await deployment.rows.transact(APPLICATIONS, [left])
    assert [tenant async for tenant in tenants(deployment.rows)] == [REGISTRY]
