"""When a change of a tenant's resource types and extensions is seen, by whom, and what caches may keep of it."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import scim_core
from scim_core import ScimResponse
from scim_core.access.credential_plans import Issued, Wanted
from scim_core.access.token_format import digest
from scim_core.chosen_schemas import AS_BY_DEFAULT, ChosenSchemas
from scim_core.registry import Access, CredentialKind
from scim_core.storage.hook_port import Hook, HookCursor, Stream
from scim_core.storage.port import StorageBusy
from tests.hooks.test_sending import saying
from tests.scim import ENTERPRISE, GLOBAL_RELAY, GROUP, USER, attribute, schema_files
from tests.tenancy import Service, document, settings
from tests.transcript_of_registry import look_ups

DEVICE = "urn:example:params:scim:schemas:core:2.0:Device"
DESK = "urn:contoso:params:scim:schemas:extension:Desk:2.0:User"
BODY = {"userName": "ann", ENTERPRISE: {"department": "Sales"}, GLOBAL_RELAY: {"proxyAddresses": "a"}}
BY_DEFAULT = {USER, GROUP, ENTERPRISE, GLOBAL_RELAY}


async def choose(
    service: Service, plan: Callable[[ChosenSchemas], ChosenSchemas], tenant: str = "contoso", seconds: int = 61
) -> None:
    await service.administration.choose_schemas(tenant, "schemas test", plan)
    service.pass_time(seconds)


def without_enterprise(chosen: ChosenSchemas) -> ChosenSchemas:
    return chosen.denying([ENTERPRISE])


async def announced(service: Service, token: str | None) -> set[str]:
    answer = await service.send("GET", "/scim/v2/Schemas", token)
    assert answer.status == 200
    return {item["id"] for item in document(answer)["Resources"]}


@pytest.fixture
def with_devices(tmp_path: Path) -> Service:
    """Devices are off by default."""
    kind = {"id": "Device", "name": "Device", "endpoint": "/Devices", "schema": DEVICE, "onByDefault": False}
    schema = {"id": DEVICE, "name": "Device", "attributes": [attribute("serial")]}
    reference = attribute("$ref", "reference", referenceTypes=["Device"], mutability="readOnly")
    device = attribute("device", "complex", subAttributes=[attribute("value"), reference])
    desk = {"id": DESK, "name": "Desk", "attributes": [device]}
    folder = schema_files(tmp_path, kind=kind, schema=schema, desk=desk)
    return Service(settings(SCIM_SCHEMA_DIRECTORY=str(folder), SCIM_TOKEN_SHA256=digest("of the settings")))


@pytest.mark.parametrize("kind", [CredentialKind.TOKEN, CredentialKind.SECRET])
async def test_a_change_is_seen_within_a_minute_and_not_before_by_who_is_remembered(
    service: Service, contoso: Issued, kind: CredentialKind
) -> None:
    issued = contoso if kind is CredentialKind.TOKEN else await service.credential("contoso", kind)
    bearer = issued.secret if kind is CredentialKind.TOKEN else await service.access_token(issued)
    assert await announced(service, bearer) == BY_DEFAULT
    await choose(service, without_enterprise, seconds=59)
    assert await announced(service, bearer) == BY_DEFAULT
    service.pass_time(2)
    assert await announced(service, bearer) == BY_DEFAULT - {ENTERPRISE}
    await choose(service, lambda _: AS_BY_DEFAULT)
    assert await announced(service, bearer) == BY_DEFAULT


async def test_what_is_stored_of_a_denied_extension_stays_whatever_the_client_does(
    service: Service, contoso: Issued
) -> None:
    user = document(await service.send("POST", "/scim/v2/Users", contoso.secret, BODY))
    url = f"/scim/v2/Users/{user['id']}"
    await choose(service, without_enterprise)
    shown = document(await service.send("GET", url, contoso.secret))
    assert ENTERPRISE not in shown
    assert shown["schemas"] == [USER, GLOBAL_RELAY]
    put = document(await service.send("PUT", url, contoso.secret, {"userName": "bob", ENTERPRISE: {"department": "x"}}))
    assert put["schemas"] == [USER]
    operations = {"Operations": [{"op": "replace", "value": {ENTERPRISE: {"department": "y"}, "title": "Boss"}}]}
    assert (await service.send("PATCH", url, contoso.secret, operations)).status == 200
    disable = {"Operations": [{"op": "replace", "path": "active", "value": False}]}
    assert (await service.send("PATCH", url, contoso.secret, disable)).status == 200
    await choose(service, lambda _: AS_BY_DEFAULT)
    again = document(await service.send("GET", url, contoso.secret))
    assert again[ENTERPRISE] == {"department": "Sales"}
    assert (again["userName"], again["title"], again["active"]) == ("bob", "Boss", False)
    assert again["schemas"] == [USER, ENTERPRISE]


async def test_a_change_that_changes_nothing_is_none_although_something_is_hidden(
    service: Service, contoso: Issued
) -> None:
    """The order of `schemas` at rest is that of the files, whatever is hidden."""
    user = document(await service.send("POST", "/scim/v2/Users", contoso.secret, BODY))
    url = f"/scim/v2/Users/{user['id']}"
    await choose(service, without_enterprise)
    same = {"Operations": [{"op": "replace", "path": "userName", "value": "ann"}]}
    for answer in (
        await service.send("PATCH", url, contoso.secret, same),
        await service.send("PUT", url, contoso.secret, BODY),
    ):
        assert document(answer)["meta"]["version"] == user["meta"]["version"]
    await choose(service, lambda _: AS_BY_DEFAULT)
    assert document(await service.send("GET", url, contoso.secret)) == user


async def test_a_deactivation_within_a_refused_change_keeps_what_is_hidden(service: Service, contoso: Issued) -> None:
    await service.send("POST", "/scim/v2/Users", contoso.secret, {"userName": "taken"})
    user = document(await service.send("POST", "/scim/v2/Users", contoso.secret, BODY))
    url = f"/scim/v2/Users/{user['id']}"
    await choose(service, without_enterprise)
    body = {"Operations": [{"op": "replace", "value": {"userName": "taken", "active": False}}]}
    assert (await service.send("PATCH", url, contoso.secret, body)).status == 409
    await choose(service, lambda _: AS_BY_DEFAULT)
    again = document(await service.send("GET", url, contoso.secret))
    assert (again["active"], again[ENTERPRISE]) == (False, {"department": "Sales"})


async def test_the_choice_is_that_tenants_alone(service: Service, contoso: Issued) -> None:
    other = await service.tenant("Fabrikam")
    await choose(service, without_enterprise)
    assert await announced(service, contoso.secret) == BY_DEFAULT - {ENTERPRISE}
    assert await announced(service, other.secret) == BY_DEFAULT


async def test_the_token_of_the_settings_has_what_is_on_by_default_or_what_its_tenant_is_given(
    with_devices: Service,
) -> None:
    assert (await with_devices.send("GET", "/scim/v2/Devices", "of the settings")).status == 404
    await with_devices.administration.create_tenant("Default", "default")
    await choose(with_devices, lambda chosen: chosen.allowing(["Device"]), "default")
    assert (await with_devices.send("GET", "/scim/v2/Devices", "of the settings")).status == 200


async def test_without_a_registry_everything_is_served(with_devices: Service) -> None:
    environment = {"SCIM_TENANTS": "", "SCIM_TOKEN_SHA256": digest("of the settings")}
    folder = str(with_devices.settings.schema_directory)
    single = Service(settings(SCIM_SCHEMA_DIRECTORY=folder, **environment))
    assert (await single.send("GET", "/scim/v2/Devices", "of the settings")).status == 200
    assert DEVICE in await announced(single, None)


async def test_a_tenant_that_is_created_again_has_what_is_on_by_default(service: Service) -> None:
    await service.administration.create_tenant("Default", "default")
    await choose(service, without_enterprise, "default")
    await service.administration.delete("default", lambda _: None)
    again = await service.administration.create_tenant("Default", "default", reopen=True)
    assert again.schemas == AS_BY_DEFAULT


async def test_discovery_without_a_good_credential_is_answered_as_ever(service: Service, contoso: Issued) -> None:
    await choose(service, without_enterprise)
    await service.administration.revoke("contoso", contoso.credential.id)
    service.pass_time(61)
    for token in (None, "wrong", contoso.secret):
        assert await announced(service, token) == BY_DEFAULT
    basic = await service.send("GET", "/scim/v2/Schemas", headers={"authorization": "Basic eDp5"})
    assert basic.status == 200


async def test_discovery_of_a_suspended_tenant_shows_what_is_on_by_default(service: Service, contoso: Issued) -> None:
    await choose(service, without_enterprise)
    await service.administration.suspend("contoso")
    service.pass_time(61)
    assert await announced(service, contoso.secret) == BY_DEFAULT


async def test_many_wrong_credentials_at_discovery_are_failures_like_any_other(service: Service) -> None:
    for _ in range(200):
        await service.send("GET", "/scim/v2/Schemas", "wrong")
    assert (await service.users("wrong")).status == 429
    assert await announced(service, "wrong") == BY_DEFAULT


async def test_discovery_with_a_credential_fails_while_the_registry_does_not_answer_and_without_one_it_does_not(
    service: Service, contoso: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: Any) -> Any:
        raise StorageBusy("The registry does not answer.")

    for name in ("find", "load"):
        monkeypatch.setattr(service.registry, name, busy)
    assert (await service.send("GET", "/scim/v2/Schemas", contoso.secret)).status == 503
    assert await announced(service, None) == BY_DEFAULT


async def test_only_answers_that_depend_on_a_tenant_look_at_a_credential(service: Service, contoso: Issued) -> None:
    with look_ups(service) as made:
        for path in ("/scim/v2/ServiceProviderConfig", "/health", "/scim/v2/nowhere"):
            await service.send("GET", path, contoso.secret)
        await service.send("GET", "/scim/v2/Schemas")
        await service.send("PUT", "/scim/v2/Users")
        assert made == []
        await service.send("GET", "/scim/v2/Schemas", contoso.secret)
        assert made == ["find", "load", "used"]
        await service.send("GET", "/scim/v2/ResourceTypes", contoso.secret)
        assert made == ["find", "load", "used"]


@pytest.mark.parametrize("path", ["/Schemas", "/ResourceTypes", f"/Schemas/{USER}", "/ResourceTypes/User"])
async def test_a_cache_keeps_discovery_only_as_it_is_without_a_credential(
    service: Service, contoso: Issued, path: str
) -> None:
    def caching(answer: ScimResponse) -> tuple[str | None, str | None]:
        return answer.headers.get("Cache-Control"), answer.headers.get("Vary")

    assert caching(await service.send("GET", f"/scim/v2{path}")) == (None, "Authorization")
    assert caching(await service.send("GET", f"/scim/v2{path}", contoso.secret)) == ("no-store", "Authorization")
    assert caching(await service.send("GET", "/scim/v2/ServiceProviderConfig", contoso.secret)) == (None, None)


async def test_what_a_tenant_has_not_is_a_path_that_is_nowhere_and_leaves_no_refusal(
    with_devices: Service, caplog: pytest.LogCaptureFixture
) -> None:
    issued = await with_devices.tenant("Contoso")
    caplog.set_level("INFO", "scim_core.endpoint.endpoint")
    for method, path in (("POST", "/scim/v2/Devices"), ("POST", "/scim/v2/Nowhere")):
        answer = await with_devices.send(method, path, issued.secret, {"serial": "x"})
        assert answer.status == 404
        assert f"There is nothing at {path}." in document(answer)["detail"]
        assert (caplog.records[-1].operation, caplog.records[-1].status) == ("unknown", 404)  # type: ignore[attr-defined]


async def test_an_application_sees_what_the_tenant_has_that_it_names(with_devices: Service) -> None:
    await with_devices.tenant("Contoso")
    await with_devices.tenant("Fabrikam")
    await choose(with_devices, lambda chosen: chosen.allowing(["Device"]))
    reader = (await with_devices.applications.create(Wanted(CredentialKind.TOKEN, "r", access=Access.READ))).secret
    for tenant, status in (("contoso", 200), ("fabrikam", 404)):
        for path in ("/scim/v2/Devices", f"/scim/v2/Schemas/{DEVICE}", "/scim/v2/ResourceTypes/Device"):
            assert (await with_devices.send("GET", f"{path}?tenant={tenant}", reader)).status == status
    assert (await with_devices.send("GET", "/scim/v2/Devices", reader)).status == 400
    assert (await with_devices.send("GET", "/scim/v2/ResourceTypes/Device?tenant=nobody", reader)).status == 404


async def test_a_member_of_a_type_that_the_tenant_has_not_stays_and_no_other_joins(with_devices: Service) -> None:
    token = (await with_devices.tenant("Contoso")).secret
    await choose(with_devices, lambda chosen: chosen.allowing(["Device"]))
    first, second = [
        document(await with_devices.send("POST", "/scim/v2/Devices", token, {"serial": serial}))["id"]
        for serial in ("one", "two")
    ]
    body: dict[str, Any] = {"displayName": "Things", "members": [{"value": first}]}
    group = document(await with_devices.send("POST", "/scim/v2/Groups", token, body))
    await choose(with_devices, lambda _: AS_BY_DEFAULT)
    url = f"/scim/v2/Groups/{group['id']}"
    joins = {"Operations": [{"op": "add", "path": "members", "value": [{"value": second}]}]}
    assert (await with_devices.send("PATCH", url, token, joins)).status == 204
    body["members"].append({"value": second})
    assert (await with_devices.send("PUT", url, token, body)).status == 200
    shown = document(await with_devices.send("GET", url, token))
    assert [item["value"] for item in shown["members"]] == [first]


async def test_a_client_that_names_the_type_of_a_member_adds_none_that_the_tenant_has_not(
    tmp_path: Path, with_devices: Service
) -> None:
    assert with_devices.settings.schema_directory == tmp_path
    fleet = "urn:example:params:scim:schemas:core:2.0:Fleet"
    parts = [attribute("value"), attribute("$ref", "reference", referenceTypes=["Device"]), attribute("type")]
    members = attribute("members", "complex", multiValued=True, subAttributes=parts)
    kind = {"id": "Fleet", "name": "Fleet", "endpoint": "/Fleets", "schema": fleet, "memberships": "members"}
    schema = {"id": fleet, "name": "Fleet", "attributes": [attribute("title"), members]}
    folder = tmp_path / "with fleets"
    for place in ("schemas", "resource-types"):
        shutil.copytree(tmp_path / place, folder / place)
    with_fleets = Service(settings(SCIM_SCHEMA_DIRECTORY=str(schema_files(folder, fleet=schema, fleets=kind))))
    token = (await with_fleets.tenant("Contoso")).secret
    await choose(with_fleets, lambda chosen: chosen.allowing(["Device"]))
    first, second = [
        document(await with_fleets.send("POST", "/scim/v2/Devices", token, {"serial": serial}))["id"]
        for serial in ("one", "two")
    ]
    body = {"title": "Vans", "members": [{"value": first, "type": "Device"}]}
    url = f"/scim/v2/Fleets/{document(await with_fleets.send('POST', '/scim/v2/Fleets', token, body))['id']}"
    await choose(with_fleets, lambda _: AS_BY_DEFAULT)
    more = [{"value": second, "type": "Device"}]
    joins = {"Operations": [{"op": "add", "path": "members", "value": more}]}
    assert (await with_fleets.send("PATCH", url, token, joins)).status < 300
    both = {"title": "Vans", "members": [*body["members"], *more]}
    assert (await with_fleets.send("PUT", url, token, both)).status == 200
    other = document(await with_fleets.send("POST", "/scim/v2/Fleets", token, {"title": "Cars", "members": more}))
    assert "members" not in other
    shown = document(await with_fleets.send("GET", url, token))
    assert [item["value"] for item in shown["members"]] == [first]


async def test_a_reference_to_a_type_that_the_tenant_has_not_gets_no_uri(with_devices: Service) -> None:
    token = (await with_devices.tenant("Contoso")).secret
    await choose(with_devices, lambda chosen: chosen.allowing(["Device"]))
    device = document(await with_devices.send("POST", "/scim/v2/Devices", token, {"serial": "one"}))
    body = {"userName": "ann", DESK: {"device": {"value": device["id"]}}}
    user = document(await with_devices.send("POST", "/scim/v2/Users", token, body))
    assert user[DESK]["device"] == {"value": device["id"], "$ref": device["meta"]["location"]}
    await choose(with_devices, lambda _: AS_BY_DEFAULT)
    shown = document(await with_devices.send("GET", f"/scim/v2/Users/{user['id']}", token))
    assert shown[DESK]["device"] == {"value": device["id"]}


async def test_a_hook_is_sent_what_the_tenant_has(service: Service, contoso: Issued) -> None:
    key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = dict(line.split(": ", 1) for line in head)
        body = await reader.readexactly(int(headers["Content-Length"]))
        await saying("204 No Content")(reader, writer)
        writer.close()
        arrived.put_nowait(body)

    await choose(service, lambda chosen: chosen.denying([ENTERPRISE]))
    running = await asyncio.start_server(receive, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}/hook"
    hook = Hook("h9", url, "contoso", "https://scim.example.com", since="")
    storage = service.storage
    head = await storage.feed_head("contoso")
    await storage.save_hook_cursor("contoso", hook.id, Stream.EVENTS, HookCursor(head.epoch, 0))
    await storage.save_hook(hook)
    service.endpoint = scim_core.build(
        settings(SCIM_MASTER_KEY=key, SCIM_HOOKS_TO_LOOPBACK="true"),
        storage,
        service.clock,
        registry=service.registry,
        timer=service.timer,
        relays=True,
    )
    user = await service.send("POST", "/scim/v2/Users", contoso.secret, BODY)
    async with asyncio.timeout(60):
        [event] = json.loads(await arrived.get())
    running.close()
    assert event["data"]["resource"] == document(user)
    assert ENTERPRISE not in event["data"]["resource"]
