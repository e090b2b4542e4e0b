"""The registry port, as its implementation must keep it; and how a directory is erased, resumably."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from scim_core.access.administration import DRAIN_SECONDS, Administration
from scim_core.access.credential_plans import Refused, Wanted
from scim_core.audit_records import AuditEntry, ChainCheck
from scim_core.chosen_schemas import AS_BY_DEFAULT, ChosenSchemas
from scim_core.model import IndexEntry, Membership, StoredResource
from scim_core.registry import (
    MAX_CREDENTIALS,
    Access,
    Credential,
    CredentialKind,
    Gone,
    GroupPatchAnswer,
    Overtaken,
    Registry,
    Taken,
    Tenant,
    TenantState,
    Unalterable,
    client_pointer,
    token_pointer,
)
from scim_core.storage.port import PagePosition, StorageBusy
from scim_core.storage.tables import TableRegistry, TableStorage, keys
from scim_core.storage.tables.keys import REGISTRY, KeyRange
from scim_core.storage.tables.registry_rows import alteration, to_tenant
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows
from tests.contract.builders import also_on_azurite
from tests.scim import Clock
from tests.tenancy import ACTOR, Service, administration_of, document, settings
from tests.transcript import transcript
from tests.wrapped_rows import Call, WrappedRows

NOW = "2026-11-23T09:05:00.000000Z"


@pytest.fixture
def registry(storage: TableStorage) -> TableRegistry:
    """In the table of the directory, and over its connection."""
    return TableRegistry(storage.rows)


def tenant(tenant_id: str = "contoso") -> Tenant:
    return Tenant(tenant_id, f"Name of {tenant_id}", NOW, TenantState.ACTIVE, NOW)


def token(number: int = 1) -> Credential:
    return Credential(f"{number:016x}", CredentialKind.TOKEN, f"label {number}", NOW, sha256=f"{number:064x}")


def secret(number: int, client_id: str = "scim-1") -> Credential:
    return replace(token(number), kind=CredentialKind.SECRET, client_id=client_id, expires=NOW)


def entry(event: str = "something happened", **others: str) -> AuditEntry:
    usual = {field.name: "" for field in fields(AuditEntry)} | asdict(ACTOR) | {"time": NOW, "outcome": "done"}
    return AuditEntry(**usual | {"event": event} | others)


async def altered(registry: Registry, before: Tenant | None, after: Tenant | None) -> None:
    await registry.alter(before, after, [entry()])


async def created(registry: Registry, tenant_id: str = "contoso", *credentials: Credential) -> Tenant:
    await altered(registry, None, tenant(tenant_id))
    for credential in credentials:
        there = await loaded(registry, tenant_id)
        await altered(registry, there, there.with_credentials(credential))
    return await loaded(registry, tenant_id)


async def loaded(registry: Registry, tenant_id: str = "contoso") -> Tenant:
    found = await registry.load(tenant_id)
    assert found is not None
    return found


async def ids(registry: Registry) -> set[str]:
    return {item.id async for item in registry.tenants()}


@also_on_azurite
async def test_a_tenants_answer_to_a_group_patch_is_read_back(registry: Registry) -> None:
    before = await created(registry)
    assert before.group_patch_answer is GroupPatchAnswer.USUAL
    await altered(registry, before, replace(before, group_patch_answer=GroupPatchAnswer.WHOLE_GROUP))
    assert (await loaded(registry)).group_patch_answer is GroupPatchAnswer.WHOLE_GROUP


@also_on_azurite
async def test_a_tenants_resource_types_and_extensions_are_read_back(registry: Registry) -> None:
    before = await created(registry)
    assert before.schemas == AS_BY_DEFAULT
    await altered(registry, before, replace(before, allowed_schemas="Device", denied_schemas="urn:ü urn:y"))
    assert (await loaded(registry)).schemas == ChosenSchemas("Device", "urn:ü urn:y")
    await altered(registry, await loaded(registry), replace(await loaded(registry), allowed_schemas=""))
    assert (await loaded(registry)).schemas == ChosenSchemas("", "urn:ü urn:y")


def test_the_row_of_a_tenant_that_an_older_version_wrote_has_the_usual_answer_and_what_is_on_by_default() -> None:
    written = {"id": "contoso", "displayName": "Contoso", "created": NOW, "state": "active", "since": NOW}
    assert to_tenant(Row(written, "etag")).group_patch_answer is GroupPatchAnswer.USUAL
    assert to_tenant(Row(written, "etag")).schemas == AS_BY_DEFAULT


@also_on_azurite
async def test_what_was_registered_is_read_back(registry: Registry) -> None:
    federation = Credential(
        "f1",
        CredentialKind.FEDERATION,
        "ümläut",
        NOW,
        client_id="scim-2",
        entra_tenant="t",
        subject="s",
        audience="a",
        reusable=True,
        access=Access.READ,
        networks="192.0.2.0/24 2001:db8::/32",
        last_used="2026-11-23",
        last_source="2001:db8::1",
    )
    there = await created(registry, "contoso", token(), federation)
    assert replace(there, etag="", credentials=()) == tenant()
    assert set(there.credentials) == {token(), federation}
    assert await registry.find(token_pointer(token().sha256)) == "contoso"
    assert await registry.find(client_pointer("scim-2")) == "contoso"


async def test_what_is_not_there_is_not_found(registry: Registry) -> None:
    assert await registry.find("token:x") is None
    assert await registry.load("contoso") is None
    assert await registry.load("?0123456789abcdef") is None
    assert await ids(registry) == set()


@also_on_azurite
async def test_tenants_with_alike_ids_keep_their_own(registry: Registry) -> None:
    await created(registry, "a", token(1))
    await created(registry, "a-b", token(2))
    await created(registry, "ab", token(3))
    found = {item.id: item.credentials async for item in registry.tenants()}
    assert found == {"a": (token(1),), "a-b": (token(2),), "ab": (token(3),)}
    assert (await loaded(registry, "a")).credentials == (token(1),)


@also_on_azurite
async def test_an_id_and_a_pointer_can_be_had_once(registry: Registry) -> None:
    await created(registry, "contoso", token())
    with pytest.raises(Taken):
        await altered(registry, None, tenant())
    other = await created(registry, "fabrikam")
    with pytest.raises(Taken):
        await altered(registry, other, other.with_credentials(replace(token(), id="another")))
    assert await registry.find(token().pointer) == "contoso"
    assert (await loaded(registry, "fabrikam")).credentials == ()


async def test_credentials_of_a_client_share_its_pointer_to_the_last(registry: Registry) -> None:
    await created(registry, "contoso", secret(1), secret(2))
    for number in (1, 2):
        assert await registry.find("client:scim-1") == "contoso"
        there = await loaded(registry)
        await altered(registry, there, there.without_credential(secret(number).id))
    assert await registry.find("client:scim-1") is None


@also_on_azurite
async def test_a_change_of_what_has_changed_is_overtaken(registry: Registry) -> None:
    read = await created(registry)
    await altered(registry, read, replace(read, state=TenantState.SUSPENDED))
    for after in (replace(read, display_name="Other"), read.with_credentials(token()), None):
        with pytest.raises(Overtaken):
            await altered(registry, read, after)
    assert (await loaded(registry)).state is TenantState.SUSPENDED


async def test_a_change_of_what_is_gone_says_so(registry: Registry) -> None:
    read = await created(registry, "contoso", token())
    await altered(registry, read, None)
    for after in (replace(read, display_name="Other"), read.without_credential(token().id), None):
        with pytest.raises(Gone):
            await altered(registry, read, after)
    with pytest.raises(Gone):
        await registry.used("contoso", token().id, "2026-11-23", "192.0.2.1")
    assert await registry.load("contoso") is None
    assert await registry.find(token().pointer) is None


async def test_a_credential_can_be_changed_and_marked_as_used(registry: Registry) -> None:
    read = await created(registry, "contoso", token(1), token(2))
    await altered(registry, read, read.with_credentials(replace(read.credentials[0], revoked=NOW)))
    await registry.used("contoso", token(2).id, "2026-11-24", "192.0.2.1")
    found = {item.id: item for item in (await loaded(registry)).credentials}
    assert found[token(1).id] == replace(token(1), revoked=NOW)
    assert found[token(2).id] == replace(token(2), last_used="2026-11-24", last_source="192.0.2.1")


async def test_a_use_that_is_noted_late_does_not_turn_the_day_back(registry: Registry) -> None:
    await created(registry, "contoso", token())
    for day in ("2026-11-24", "2026-11-23"):
        await registry.used("contoso", token().id, day, day)
    assert (await loaded(registry)).credentials == (replace(token(), last_used="2026-11-24", last_source="2026-11-24"),)


async def test_a_change_writes_only_the_fields_that_it_changes(registry: TableRegistry) -> None:
    read = await created(registry, "contoso", token())
    await altered(registry, read, read.with_credentials(replace(read.credentials[0], revoked=NOW)))
    planned = alteration(read, replace(read, state=TenantState.SUSPENDED))
    planned += alteration(read, read.with_credentials(replace(read.credentials[0], expires=NOW)))
    assert [(item.verb, item.properties, bool(item.etag)) for item in planned] == [
        (Verb.MERGE, {"state": "suspended"}, True),
        (Verb.MERGE, {}, True),
        (Verb.MERGE, {"expires": NOW}, True),
    ]


@pytest.mark.parametrize(
    "other", [{"revoked": ""}, {"revoked": "2026-12-24T00:00:00.000000Z"}, {"sha256": "0"}, {"created": "x"}]
)
async def test_a_revocation_is_never_taken_back_and_a_credential_stays_the_one_it_is(
    registry: Registry, other: dict[str, Any]
) -> None:
    read = await created(registry, "contoso", replace(token(), revoked=NOW))
    with pytest.raises(Unalterable):
        await altered(registry, read, read.with_credentials(replace(read.credentials[0], **other)))
    assert (await loaded(registry)).credentials == read.credentials


@also_on_azurite
async def test_a_tenant_with_all_the_credentials_it_can_have_is_forgotten_whole(registry: Registry) -> None:
    read = await created(registry, "contoso", *(token(number) for number in range(MAX_CREDENTIALS)))
    assert len(read.credentials) == MAX_CREDENTIALS
    await altered(registry, read, None)
    assert await ids(registry) == set()
    assert [await registry.find(item.pointer) for item in read.credentials] == [None] * MAX_CREDENTIALS


@also_on_azurite
async def test_changes_at_the_same_time_are_all_made_and_their_chain_has_no_fork(
    registry: TableRegistry, clock: Clock
) -> None:
    await created(registry, "contoso", token(1))
    await created(registry, "fabrikam")
    operators = [administration(registry, clock, f"command {number}") for number in range(5)]
    await asyncio.gather(
        operators[0].revoke("contoso", token(1).id),
        operators[1].suspend("contoso"),
        operators[2].rename("contoso", "Other"),
        operators[3].create_credential("fabrikam", Wanted(CredentialKind.TOKEN)),
        operators[4].suspend("fabrikam"),
        registry.used("contoso", token(1).id, "2026-11-24", "192.0.2.1"),
    )
    contoso, fabrikam = await loaded(registry), await loaded(registry, "fabrikam")
    assert (contoso.state, contoso.display_name) == (TenantState.SUSPENDED, "Other")
    assert (bool(contoso.credentials[0].revoked), contoso.credentials[0].last_used) == (True, "2026-11-24")
    assert (fabrikam.state, len(fabrikam.credentials)) == (TenantState.SUSPENDED, 1)
    check, commands = ChainCheck(await registry.audit_end()), []
    async for record in registry.audit_records():
        assert [*check.follow(record)] == []
        commands.append(record.text("correlation_id"))
    assert [*check.end()] == []
    assert commands[:3] == [""] * 3
    assert sorted(commands[3:]) == [f"command {number}" for number in range(5)]


async def test_a_look_up_and_a_tenant_are_a_round_trip_each(registry: TableRegistry) -> None:
    await created(registry, "contoso", token(1), secret(2))
    with transcript(registry) as seen:
        await registry.find(token(1).pointer)
        await registry.load("contoso")
    assert seen.kinds == ["get", "page"]


@pytest.mark.parametrize("kind", [CredentialKind.TOKEN, CredentialKind.SECRET])
async def test_a_warm_request_adds_no_round_trip_to_those_of_the_directory(
    storage: TableStorage, kind: CredentialKind
) -> None:
    registry = TableRegistry(storage.rows)
    service = Service(settings(), storage, registry)
    issued = await service.tenant("Contoso", kind)
    bearer = issued.secret if kind is CredentialKind.TOKEN else await service.access_token(issued)
    with transcript(registry) as cold:
        created = await service.send("POST", "/scim/v2/Users", bearer, {"userName": "ann"})
        assert created.status == 201
    with transcript(registry) as warm, transcript(storage) as directory:
        answer = await service.send("GET", f"/scim/v2/Users/{document(created)['id']}", bearer)
    assert answer.status == 200
    assert (warm.calls, directory.round_trips) == ([], 1)
    # The access token was given by this process just now, so that it knows the tenant. The use is noted side by side.
    assert cold.kinds == (["get", "page", "get", "transact"] if kind is CredentialKind.TOKEN else [])
    service.restart()
    with transcript(registry) as cold:
        assert (await service.users(bearer)).status == 200
    assert cold.kinds == (["get", "page"] if kind is CredentialKind.TOKEN else ["page"])
    service.pass_time(61)
    with transcript(registry) as stale:
        assert (await service.users(bearer)).status == 200
    assert stale.kinds == cold.kinds


async def test_the_registry_is_no_tenants(registry: TableRegistry, storage: TableStorage) -> None:
    """This is true even of a tenant whose id is the registry's name: its code has no colon."""
    await created(registry, "contoso", token())
    assert [row async for row in rows_of(storage.rows, REGISTRY.removeprefix(":"))] == []
    assert [row async for row in rows_of(storage.rows, ";3aregistry")] == []


# Erasing a directory


class Failing(WrappedRows):
    """Rows whose n-th call fails: before it happens, or after it has happened and before the answer."""

    def __init__(self, rows: Rows, call: int, *, after: bool) -> None:
        super().__init__(rows)
        self._left = call
        self._after = after

    async def _made[T](self, kind: str, about: tuple[str, ...], call: Call[T], *, repeatable: bool = True) -> T:  # noqa: ARG002
        self._left -= 1
        if self._left != 0:
            return await call()
        if self._after:
            await call()
        raise StorageBusy("the process died here")


def administration(registry: Registry, clock: Clock, correlation_id: str = "test") -> Administration:
    async def pause(seconds: float) -> None:
        clock.advance(seconds=seconds)

    return administration_of(registry, clock, pause, correlation_id)


async def rows_of(rows: Rows, partition: str) -> AsyncIterator[Row]:
    page = await rows.page(partition, KeyRange("", "\x7f"))
    for row in page.rows:
        yield row


async def provisioned(storage: TableStorage, *tenants: str, users: int = 3) -> None:
    """Each of these tenants has users, in a group, with page positions."""
    for tenant_id in tenants:
        for number in range(users):
            index = frozenset({IndexEntry("userName", f"user {number}", unique=True)})
            user = StoredResource("User", f"u{number}", {"userName": "x"}, NOW, NOW, "v", index)
            await storage.create(tenant_id, user)
        group = StoredResource("Group", "g", {"displayName": "x"}, NOW, NOW, "v")
        await storage.create(tenant_id, group, [Membership("g", f"u{number}") for number in range(min(users, 3))])
        await storage.save_page_position(tenant_id, "walk", PagePosition("u1", users, NOW))


async def left(storage: TableStorage, tenant_id: str) -> int:
    return len([row async for row in rows_of(storage.rows, tenant_id)])


async def test_a_deleted_tenant_leaves_no_row_and_no_other_tenant_loses_one(
    registry: TableRegistry, storage: TableStorage, clock: Clock
) -> None:
    await provisioned(storage, "contoso", "contoso-2", "default")
    await created(registry, "contoso", token(1), secret(2))
    await created(registry, "contoso-2", token(3))
    kept = [await left(storage, name) for name in ("contoso-2", "default")]
    removed = await administration(registry, clock).delete("contoso", lambda _: None)
    assert removed == kept[0] + 1  # the row by which the timer finds the tenant
    assert await left(storage, "contoso") == 0
    assert [await left(storage, name) for name in ("contoso-2", "default")] == kept
    assert await ids(registry) == {"contoso-2"}
    assert await registry.find(token(1).pointer) is None
    assert await registry.find(token(3).pointer) == "contoso-2"


@also_on_azurite
async def test_a_directory_of_many_transactions_is_erased(
    registry: TableRegistry, storage: TableStorage, clock: Clock
) -> None:
    await provisioned(storage, "contoso", users=130)
    await created(registry)
    told: list[str] = []
    assert await administration(registry, clock).delete("contoso", told.append) == 2 * 130 + 1 + 6 + 1 + 131 + 1
    assert await left(storage, "contoso") == 0
    assert told[-1] == "400 rows removed"


@pytest.mark.parametrize("after", [False, True])
async def test_a_deletion_that_dies_at_any_call_is_finished_by_the_next(
    registry: TableRegistry, storage: TableStorage, clock: Clock, after: bool
) -> None:
    calls = 0
    while True:
        calls += 1
        name = f"tenant-{calls}"
        await provisioned(storage, name, users=1)
        await created(registry, name, token(calls), secret(1000 + calls, name))
        dying = administration(TableRegistry(Failing(storage.rows, calls, after=after)), clock)
        try:
            await dying.delete(name, lambda _: None)
        except StorageBusy:
            half_done = await registry.load(name)
            if half_done is not None:  # it was not the answer of the very last call that was lost
                assert half_done.state is TenantState.DELETING or await left(storage, name) > 0
                await administration(registry, clock).delete(name, lambda _: None)
        else:
            break
        assert await left(storage, name) == 0
        assert await registry.load(name) is None
        assert await registry.find(token(calls).pointer) is None
        assert await registry.find(client_pointer(name)) is None
    assert calls > 6, "one call each: to read, mark, read, find rows, remove them, find none, read, forget"


async def test_a_change_that_is_unfinished_is_erased_with_its_sweep_entry_and_no_other_tenants(
    registry: TableRegistry, storage: TableStorage, clock: Clock
) -> None:
    for name in ("contoso", "contoso-2"):
        await provisioned(storage, name, users=1)
        await created(registry, name)
        entry = RowOperation(
            Verb.UPSERT, Role.OTHER, keys.sweep_entry(name, "g", "m"), {"tenant": name, "id": "g", "mark": "m"}
        )
        await storage.rows.transact(keys.SWEEP, [entry])
        await storage.rows.transact(name, [RowOperation(Verb.UPSERT, Role.OTHER, keys.pending("g"), {"id": "g"})])
    await administration(registry, clock).delete("contoso", lambda _: None)
    assert await left(storage, "contoso") == 0
    entries = [row.properties["tenant"] async for row in rows_of(storage.rows, keys.SWEEP)]
    assert set(entries) == {"contoso-2"}


@also_on_azurite
async def test_two_deletions_at_once_do_not_hinder_each_other(
    registry: TableRegistry, storage: TableStorage, clock: Clock
) -> None:
    await provisioned(storage, "contoso", users=60)
    await created(registry)
    both = await asyncio.gather(
        *(administration(registry, clock).delete("contoso", lambda _: None) for _ in range(2)),
        return_exceptions=True,
    )
    assert [
        error for error in both if isinstance(error, BaseException) and not isinstance(error, Gone | Overtaken)
    ] == []
    if await registry.load("contoso"):
        await administration(registry, clock).delete("contoso", lambda _: None)
    assert await left(storage, "contoso") == 0


async def test_rows_go_only_when_no_request_can_be_under_way(registry: Registry, clock: Clock) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    await created(registry, "at-once")
    await created(registry, "suspended")
    of_two = administration_of(registry, clock, pause)
    await of_two.delete("at-once", lambda _: None)
    assert DRAIN_SECONDS - 1 < pauses.pop() <= DRAIN_SECONDS
    await of_two.suspend("suspended")
    clock.advance(seconds=DRAIN_SECONDS + 1)
    await of_two.delete("suspended", lambda _: None)
    assert pauses == []


async def test_a_tenant_has_at_most_so_many_credentials(registry: Registry, clock: Clock) -> None:
    await created(registry, "contoso", *(token(number) for number in range(MAX_CREDENTIALS)))
    with pytest.raises(Refused, match="Remove the revoked"):
        await administration(registry, clock).create_credential("contoso", Wanted(CredentialKind.TOKEN))
