"""The audit trail of administrative changes: rows in the registry, and the command that reads and checks them."""

import base64
import getpass
import json
import os
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scim_core.access.credential_plans import Refused, Wanted
from scim_core.admin import reindex
from scim_core.audit_records import AuditEntry, record_hash
from scim_core.clock import utc_now
from scim_core.registry import CredentialKind, GroupPatchAnswer
from scim_core.storage.maintenance.reindexing import Surroundings
from scim_core.storage.tables import TableRegistry, TableStorage, keys
from scim_core.storage.tables.client import named_identity
from scim_core.storage.tables.keys import REGISTRY
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.version import __version__
from tests.commands import Done, run_here
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, endpoint_over
from tests.tenancy import ACTOR, Service, administration_of, settings
from tests.transcript import transcript

AN_ENTRY = AuditEntry(**{of.name: "" for of in fields(AuditEntry)})


@pytest.fixture
def rows() -> MemoryRows:
    return MemoryRows()


@pytest.fixture
def registry(rows: MemoryRows) -> TableRegistry:
    return TableRegistry(rows)


@pytest.fixture
def service(registry: TableRegistry) -> Service:
    return Service(settings(), registry=registry)


async def printed(rows: MemoryRows, *given: str) -> list[dict[str, Any]]:
    done = await run_here(rows, "--json", "audit", *given)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


async def verified(rows: MemoryRows) -> Done:
    return await run_here(rows, "audit", "--verify")


async def test_a_record_says_who_did_what_to_what_and_when(rows: MemoryRows, service: Service) -> None:
    await service.administration.create_tenant("Contoso")
    issued = await service.credential("contoso", CredentialKind.TOKEN, label="the token", days=2)
    await service.administration.revoke("contoso", issued.credential.id)
    await service.administration.suspend("contoso")
    created, made, revoked, suspended = await printed(rows)
    who = {"identity": ACTOR.identity, "tool": ACTOR.tool, "host": ACTOR.host, "user": ACTOR.user}
    for number, record in enumerate((created, made, revoked, suspended), start=1):
        assert record["number"] == number
        assert record["tenant"] == "contoso"
        assert record["outcome"] == "done"
        assert record["correlation_id"] == "of the administrator"
        assert record["time"].startswith("2026-11-23T")
        assert {name: record[name] for name in who} == who
    assert [item["event"] for item in (created, made, revoked, suspended)] == [
        *("tenant created", "credential created", "credential revoked", "tenant suspended")
    ]
    assert (made["credential"], made["label"]) == (issued.credential.id, "the token")
    assert made["after"]["expires"] == issued.credential.expires
    assert "sha256" in made["changed"].split()
    assert (revoked["changed"], revoked["method"]) == ("revoked", "credentials revoke token")
    assert list(revoked["after"]) == ["revoked"]
    assert "before" not in revoked
    assert suspended["changed"] == "since state"
    assert (suspended["before"]["state"], suspended["after"]["state"]) == ("active", "suspended")


async def test_every_change_has_a_record_and_none_holds_a_secret_or_its_hash(
    rows: MemoryRows, service: Service
) -> None:
    administration = service.administration
    await administration.create_tenant("Contoso")
    issued = [await service.credential("contoso", kind) for kind in CredentialKind]
    token = issued[0].credential.id
    issued.append(await administration.rotate("contoso", token, timedelta(days=1), Wanted(CredentialKind.TOKEN)))
    await administration.revoke("contoso", token)
    await administration.remove("contoso", token)
    await administration.rename("contoso", "Other")
    await administration.change_tenant("contoso", GroupPatchAnswer.WHOLE_GROUP)
    await administration.suspend("contoso")
    await administration.resume("contoso")
    await administration.delete("contoso", lambda _: None)
    assert [item["event"] for item in await printed(rows)] == [
        "tenant created",
        *["credential created"] * 5,
        *("credential rotated", "credential revoked", "credential removed"),
        *(
            "tenant renamed",
            "tenant changed",
            "tenant suspended",
            "tenant resumed",
            "tenant deletion began",
            "tenant deleted",
        ),
    ]
    kept = await rows.page(REGISTRY, keys.everything())
    text = json.dumps([row.properties for row in kept.rows])
    for item in issued:
        assert item.secret == "" or item.secret not in text
        assert item.credential.sha256 == "" or item.credential.sha256 not in text
    assert (await verified(rows)).returncode == 0


async def test_what_was_so_already_is_recorded_as_unchanged(rows: MemoryRows, service: Service) -> None:
    await service.administration.create_tenant("Contoso")
    await service.administration.resume("contoso")
    record = (await printed(rows))[-1]
    assert (record["event"], record["outcome"], record.get("changed")) == ("tenant resumed", "unchanged", None)


async def test_what_is_refused_changes_nothing_and_is_no_record(rows: MemoryRows, service: Service) -> None:
    await service.administration.create_tenant("Contoso")
    with pytest.raises(Refused):
        await service.credential("contoso", CredentialKind.SECRET, client_id="nobody")
    assert len(await printed(rows)) == 1


async def test_a_command_records_the_identity_the_tool_the_machine_and_its_user(rows: MemoryRows) -> None:
    done = await run_here(rows, "tenants", "create", "Contoso", "--kind", "none")
    assert done.returncode == 0, done.stderr
    [record] = await printed(rows)
    assert record["identity"] == "connection string"
    assert record["tool"] == f"scim_core.admin {__version__}"
    assert record["host"]
    assert record["user"]


async def test_a_user_without_a_name_is_a_number(rows: MemoryRows, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr(getpass, "getuser", nameless)
    await run_here(rows, "tenants", "create", "Contoso", "--kind", "none")
    [record] = await printed(rows)
    assert record["user"] == f"uid {os.getuid()}"


def token_of(**claims: str) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.signature"


@pytest.mark.parametrize(
    ("token", "identity"),
    [
        (token_of(upn="ann@example.com", oid="1", tid="2", aud="x"), "upn=ann@example.com oid=1 tid=2"),
        (token_of(appid="3", oid="1", tid="2"), "appid=3 oid=1 tid=2"),
        (token_of(), "an identity that its token does not name"),
        ("opaque", "an identity that its token does not name"),
        ("a.b.c", "an identity that its token does not name"),
        ("a.W10.c", "an identity that its token does not name"),
    ],
)
def test_an_identity_is_named_by_its_token(token: str, identity: str) -> None:
    assert named_identity(token) == identity


# Reading


async def test_records_are_found_by_tenant_and_by_time(rows: MemoryRows, service: Service) -> None:
    for name in ("Contoso", "Fabrikam"):
        await service.administration.create_tenant(name)
        service.clock.advance(days=1)
    await service.administration.suspend("contoso")
    assert [item["event"] for item in await printed(rows, "--tenant", "contoso")] == [
        *("tenant created", "tenant suspended")
    ]
    for since, numbers in (
        ("2026-11-23", [1, 2, 3]),
        ("2026-11-24", [2, 3]),
        ("2026-11-25T00:00:00+01:00", [3]),
        ("2026-12-24", []),
    ):
        assert [item["number"] for item in await printed(rows, "--since", since)] == numbers
    assert [item["number"] for item in await printed(rows, "--since", "2026-11-24", "--tenant", "fabrikam")] == [2]


async def test_a_record_is_one_line_for_people(rows: MemoryRows, service: Service) -> None:
    await service.tenant("Contoso", label="ümläut")
    done = await run_here(rows, "audit")
    created, made = done.stdout.splitlines()
    assert created.startswith("1  2026-11-23T09:05:00Z  done  tenant created  contoso  - -> {")
    assert '"ümläut"' in made
    assert made.endswith("by upn=ann@example.com oid=1 (ann on laptop, scim_core.admin 0)  of the administrator")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("--since", "yesterday"), "--since must be a day or an instant"),
        (("--since", "9999-12-31T23:59:59-14:00"), "--since must be a day or an instant"),
        (("--verify", "--tenant", "contoso"), "--verify checks all records"),
    ],
)
async def test_what_audit_cannot_do_is_said(rows: MemoryRows, given: tuple[str, ...], sentence: str) -> None:
    done = await run_here(rows, "audit", *given)
    assert done.returncode == 1
    assert sentence in done.stderr


async def test_a_long_trail_is_read_page_after_page(registry: TableRegistry, service: Service) -> None:
    await service.administration.create_tenant("Contoso")
    for _ in range(1000):
        await service.administration.rename("contoso", "Contoso")
    with transcript(registry) as seen:
        records = registry.audit_records()
        assert (await anext(records)).number == 1
        assert seen.kinds == ["page"], "a page is read when its records are wanted"
        assert [record.number async for record in records] == [*range(2, 1002)]
    assert seen.kinds == ["page", "page"]
    with transcript(registry) as seen:
        await registry.append([replace(AN_ENTRY, event="one more")])
    expected = ["get", "get", "page", "get", "transact"]
    assert seen.kinds == expected, "the note of the end saves the walk; a get for a restore, and one for a move"


# The chain


async def put(rows: MemoryRows, number: int, **properties: str) -> None:
    operation = RowOperation(Verb.MERGE, Role.OTHER, keys.audit_record(number), dict(properties))
    await rows.transact(REGISTRY, [operation])


async def remove(rows: MemoryRows, *numbers: int) -> None:
    await rows.transact(REGISTRY, [RowOperation(Verb.DELETE, Role.OTHER, keys.audit_record(item)) for item in numbers])


async def copy(rows: MemoryRows, number: int, to: int) -> None:
    row = await rows.get(REGISTRY, keys.audit_record(number))
    assert row is not None
    properties = {name: value for name, value in row.properties.items() if name not in ("PartitionKey", "RowKey")}
    await rows.transact(REGISTRY, [RowOperation(Verb.UPSERT, Role.OTHER, keys.audit_record(to), properties)])


BROKEN: dict[str, tuple[Callable[[MemoryRows], Any], list[str]]] = {
    "changed": (lambda rows: put(rows, 3, identity="upn=eve@example.com"), ["Record 3 of", "was changed after"]),
    "given another hash": (lambda rows: put(rows, 3, hash="0" * 64), ["Record 3 of", "Record 4 does not follow"]),
    "removed": (lambda rows: remove(rows, 2, 3), ["Records 2 to 3 are missing."]),
    "first removed": (lambda rows: remove(rows, 1), ["Record 1 is missing."]),
    "last removed": (lambda rows: remove(rows, 4, 5), ["Records 4 to 5 are missing."]),
    "put in": (lambda rows: copy(rows, 2, 6), ["Record 6 does not follow record 5", "Record 6 of"]),
    "replaced": (lambda rows: copy(rows, 2, 5), ["Record 5 does not follow", "Record 5 is not the one", "Record 5 of"]),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_chain_that_was_tampered_with_is_said_to_be_broken_and_where(
    rows: MemoryRows, service: Service, how: str
) -> None:
    await service.administration.create_tenant("Contoso")
    for _ in range(4):
        await service.administration.suspend("contoso")
    whole = await verified(rows)
    assert whole.returncode == 0
    assert whole.stdout.startswith("The chain is whole. It ends with record 5, hash ")
    tamper, sentences = BROKEN[how]
    await tamper(rows)
    broken = await verified(rows)
    assert broken.returncode == 1
    assert [sentence for sentence in sentences if sentence not in broken.stdout] == []
    assert "The chain is broken." in broken.stdout
    as_json = await run_here(rows, "--json", "audit", "--verify")
    assert as_json.returncode == 1
    assert json.loads(as_json.stdout)["findings"] == broken.stdout.splitlines()[:-1]


async def test_a_chain_goes_on_after_its_last_records_were_removed_and_the_gap_shows(
    rows: MemoryRows, service: Service
) -> None:
    await service.administration.create_tenant("Contoso")
    await service.administration.suspend("contoso")
    await remove(rows, 2)
    await service.administration.resume("contoso")
    assert [item["number"] for item in await printed(rows)] == [1, 3]
    assert "Record 2 is missing." in (await verified(rows)).stdout


async def test_a_registry_without_any_record_is_whole_and_its_chain_starts_with_the_first_change(
    rows: MemoryRows, clock: Clock
) -> None:
    """The rows are those that version 0.2 writes."""
    now = "2026-11-23T09:05:00.000000Z"
    tenant = {"id": "old", "displayName": "Old", "created": now, "state": "active", "since": now}
    token = {"id": "t1", "kind": "token", "label": "first", "created": now, "expires": "", "sha256": "1" * 64}
    written = (
        RowOperation(Verb.INSERT, Role.OTHER, keys.tenant("old"), dict(tenant)),
        RowOperation(Verb.INSERT, Role.OTHER, keys.credential("old", "t1"), dict(token)),
        RowOperation(Verb.INSERT, Role.OTHER, keys.pointer(f"token:{'1' * 64}"), {"tenant": "old"}),
    )
    await rows.transact(REGISTRY, written)
    assert await printed(rows) == []
    assert "whole. It ends with record 0" in (await verified(rows)).stdout

    async def pause(_: float) -> None:
        """Nobody waits."""

    await administration_of(TableRegistry(rows), clock, pause).revoke("old", "t1")
    [record] = await printed(rows)
    assert (record["number"], record["event"]) == (1, "credential revoked")
    assert (await verified(rows)).returncode == 0


async def test_a_lost_note_of_the_end_does_not_stop_the_chain(rows: MemoryRows, service: Service) -> None:
    await service.administration.create_tenant("Contoso")
    await rows.transact(REGISTRY, [RowOperation(Verb.DELETE, Role.OTHER, keys.audit_end())])
    await service.administration.suspend("contoso")
    assert [item["number"] for item in await printed(rows)] == [1, 2]
    assert (await verified(rows)).returncode == 0


async def test_a_row_of_another_program_between_the_records_stops_nobody(rows: MemoryRows, service: Service) -> None:
    await service.administration.create_tenant("Contoso")
    odd = [RowOperation(Verb.INSERT, Role.OTHER, key, {"hash": "x"}) for key in ("audit:x", "audit:5", "audit:~")]
    await rows.transact(REGISTRY, odd)
    await service.administration.suspend("contoso")
    assert [item["number"] for item in await printed(rows)] == [1, 2]
    assert (await verified(rows)).returncode == 0


async def test_no_record_steers_the_terminal(rows: MemoryRows, service: Service) -> None:
    await service.administration.create_tenant("Contoso")
    await put(rows, 1, event="\x1b[2J\u202egone")
    done = await run_here(rows, "audit")
    assert done.stdout.removesuffix("\n").isprintable()
    assert r"\x1b[2J\u202egone" in done.stdout


async def test_a_record_that_somebody_has_broken_is_read_and_named(rows: MemoryRows, service: Service) -> None:
    await service.administration.create_tenant("Contoso")
    await put(rows, 1, after="{no", before="[" * 30_000)
    found = await printed(rows)
    assert (found[0]["after"], found[0]["before"]) == ("{no", "[" * 30_000)
    assert (await verified(rows)).returncode == 1
    other_type = record_hash(1, {"time": datetime(2026, 11, 26, tzinfo=UTC)})  # type: ignore[dict-item]
    assert other_type != record_hash(1, {})


async def test_a_record_of_a_later_version_is_read_and_checked(rows: MemoryRows, service: Service) -> None:
    await service.administration.create_tenant("Contoso")
    row = await rows.get(REGISTRY, keys.audit_record(1))
    assert row is not None
    later = {name: value for name, value in row.properties.items() if name not in ("PartitionKey", "RowKey")}
    later |= {"approvedBy": "bob"}
    later["hash"] = record_hash(1, later)
    await put(rows, 1, **later)
    await rows.transact(REGISTRY, [RowOperation(Verb.DELETE, Role.OTHER, keys.audit_end())])
    assert (await verified(rows)).returncode == 0


# Changes of a directory


async def test_a_repair_and_a_reindexing_are_recorded_with_their_begin_and_end(
    rows: MemoryRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(utc_now())

    async def pause(seconds: float) -> None:
        clock.advance(seconds=seconds)

    def surroundings(_: object, __: object, *progress: Callable[[float], object]) -> Surroundings:
        return Surroundings(clock, pause, *progress)

    monkeypatch.setattr(reindex, "Surroundings", surroundings)
    client = Client(endpoint_over(TableStorage(rows), Clock()))
    await client.user("ann@example.com")
    await run_here(rows, "check", "--repair")
    assert await printed(rows) == [], "nothing was to be repaired"
    await rows.transact("default", [RowOperation(Verb.DELETE, Role.OTHER, "User.userName:ann@example.com")])
    await run_here(rows, "check")
    assert await printed(rows) == [], "nothing was changed"
    assert (await run_here(rows, "check", "--repair")).returncode == 0
    await run_here(rows, "reindex")
    found = [(item["event"], item["method"], item["outcome"], item["tenant"]) for item in await printed(rows)]
    assert found == [
        ("repair began", "check --repair", "began", "default"),
        ("repair ended", "check --repair", "done", "default"),
        ("reindex began", "reindex", "began", "default"),
        ("reindex ended", "reindex", "done", "default"),
    ]
