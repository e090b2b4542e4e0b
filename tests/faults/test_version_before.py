"""The version before reads what this version writes: each kind of row, and access tokens (docs/storage.md)."""

import base64
import inspect
import json
import re
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from devhost.azurite import Azurite, free_port
from infra.release import released
from scim_core.access.oauth.local_key import new_signing_key
from scim_core.clock import utc_now
from scim_core.settings import StorageSettings
from scim_core.storage.feed_port import Attempt, AttemptOutcome, Retention
from scim_core.storage.hook_port import DeadBatch, Hook, HookCursor, Stream
from scim_core.storage.tables import TableStorage, gone_keys, keys, log_keys, setup_rows, table_rows, writing
from scim_core.storage.tables.rows import Rows
from tests.commands import SIGNING
from tests.faults.rollout import DEVICE, device_files
from tests.faults.version_before import Version, all_keys, exported, file_of_commit, running
from tests.running import ROOT
from tests.scim import ENTERPRISE, TOKEN, UNLIMITED, Client, Clock, Json, endpoint_over, path, references, replace
from tests.tables import new_table

PEOPLE = 100
"""Members of a change that takes more than its decision and the step that was on its way when the process died."""

NEVER = "0 0 0 1 1 *"
"""A schedule on which no test runs: the sweep must leave what is pending."""

SWEEP_SECONDS = 60
"""Longest wait for the sweep, which is called each second. Only a failure takes so long."""


@dataclass(frozen=True)
class Written:
    """What this version has written into one table, and both versions over it."""

    rows: Rows
    now: Version
    before: Version
    keys: frozenset[str]
    token: str
    client_id: str
    secret: str
    reader: tuple[str, str]
    user: Json
    group: Json
    device: Json
    pages: list[str]
    pending: Json
    swept: Json

    def old(self, url: str, **query: Any) -> list[str]:
        """The ids that the version before finds."""
        return [item["id"] for item in self.before.found(url, self.token, **query)]


def made(version: Version, *given: str) -> dict[str, str]:
    """What to paste into Entra for the credential that this command makes."""
    connectivity: dict[str, str] = json.loads(version.administered("--json", *given))["connectivity"]
    return connectivity


def signing_key_as_json() -> str:
    """A new key in the form that version 0.2 takes. It does not know Base64url."""
    text = new_signing_key()
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


async def pending_group(storage: TableStorage, name: str) -> Json:
    """A group whose change is decided, and not applied: as if the process had died. It was long ago."""
    client = Client(endpoint_over(storage, Clock()))
    users = [await client.user(f"{name}{number}@example.com") for number in range(PEOPLE)]
    group = await client.group(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "APPLY_SECONDS", 0)
        answer = await client.patch(path(group), replace("members", references(*users)))
    assert answer.status == 204
    return group | {"members": sorted(user["id"] for user in users)}


async def followed(storage: TableStorage, tenant: str) -> None:
    """A hook, with a batch that its receiver has not taken, and a replay."""
    hook = Hook("h1", "https://product.example/hook", tenant, "https://scim.example.com", since="")
    await storage.save_hook(hook)
    dead = DeadBatch("e1", first=1, last=2, time="", reason="answered 500")
    await storage.save_hook_cursor(tenant, hook.id, Stream.EVENTS, HookCursor("e1", 2), dead)
    await storage.save_hook_cursor(tenant, hook.id, Stream.REPLAY, HookCursor("e1", 0, end=2))
    await storage.mark_due(tenant, "")


@pytest.fixture(scope="module")
async def written(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Written]:
    folder = tmp_path_factory.mktemp("versions")
    files, port = device_files(folder / "files", "displayName", unique="displayName"), free_port()
    settings = (
        UNLIMITED
        | new_table(azurite)
        | {
            "SCIM_TENANTS": "registry",
            "SCIM_TOKEN_SHA256": sha256(TOKEN.encode()).hexdigest(),
            "SCIM_PUBLIC_BASE_URL": f"http://localhost:{port}",
            "SCIM_SIGNING_KEY": signing_key_as_json(),
            "SCIM_SCHEMA_DIRECTORY": str(files),
            "SCIM_SWEEP_SCHEDULE": NEVER,
        }
    )
    rows = table_rows(StorageSettings.from_environment(settings))
    old_tree = exported(folder / "before")
    with running(ROOT, settings) as now, running(old_tree, settings) as before:
        storage = TableStorage(rows, Clock())
        pending, swept = await pending_group(storage, "pending"), await pending_group(storage, "swept")
        first = made(now, "tenants", "create", "Contoso", "--kind", "token", "--setup-link")
        client = made(now, "credentials", "create", "contoso", "secret")
        reader = made(now, "credentials", "create", "contoso", "secret", "--access", "read")
        token = first["Secret Token"]
        attributes = {"externalId": "E-1", "emails": [{"value": "ann@example.com", "type": "work"}]}
        user = now.send("POST", "/Users", token, {"userName": "Ann@example.com", **attributes}).json()
        for number in range(5):
            assert now.send("POST", "/Users", token, {"userName": f"more{number}@example.com"}).status_code == 201
        members = references(user)
        group = now.send(
            "POST", "/Groups", token, {"displayName": "Staff", "externalId": "G", "members": members}
        ).json()
        device = now.send("POST", "/Devices", token, {"schemas": [DEVICE], "displayName": "Printer"}).json()
        pages = [now.found("/Users", token, startIndex=place, count=2) for place in (1, 3, 5)]
        left = now.send("POST", "/Users", token, {"userName": "left@example.com"}).json()
        assert now.send("POST", "/Groups", token, {"displayName": "Left", "members": references(left)}).is_success
        assert now.send("DELETE", f"/Users/{left['id']}", token).status_code == 204
        early = await all_keys(rows)  # a minute's end, at which the timer relays, is not in both readings
        await storage.relay("contoso")
        await storage.attempted("contoso", [Attempt(utc_now(), AttemptOutcome.REFUSED, "User", "", "{}")])
        await storage.tend(utc_now(), Retention(feed_from="", log_from=""), seconds=60)
        await followed(storage, "contoso")
        await Client(endpoint_over(storage, Clock())).user("waits@example.com")
        yield Written(
            rows,
            now,
            before,
            frozenset(early | await all_keys(rows)),
            token,
            client["Client ID"],
            client["Client secret"],
            (reader["Client ID"], reader["Client secret"]),
            user,
            group,
            device,
            [item["id"] for page in pages for item in page],
            pending,
            swept,
        )
    await rows.close()


def reads_a_resource(it: Written) -> None:
    for resource in (it.user, it.device):
        location = resource["meta"]["location"].partition("/scim/v2")[2]
        shown = it.before.document(location, it.token)
        assert {**shown, "meta": None, "groups": None} == {**resource, "meta": None, "groups": None}
        assert shown["meta"]["version"] == it.before.send("GET", location, it.token).headers["etag"]


def finds_a_unique_value(it: Written) -> None:
    assert it.old("/Users", filter='userName eq "ann@EXAMPLE.com"') == [it.user["id"]]
    taken = it.before.send("POST", "/Users", it.token, {"userName": "ANN@example.com"})
    assert (taken.status_code, taken.json()["scimType"]) == (409, "uniqueness")


def finds_a_value(it: Written) -> None:
    assert it.old("/Users", filter='externalId eq "E-1"') == [it.user["id"]]
    assert it.old("/Users", filter='emails.value eq "ann@example.com"') == [it.user["id"]]


def shows_the_members(it: Written) -> None:
    shown = it.before.document(f"/Groups/{it.group['id']}", it.token)
    assert [member["value"] for member in shown["members"]] == [it.user["id"]]


def shows_the_groups(it: Written) -> None:
    shown = it.before.document(f"/Users/{it.user['id']}", it.token)
    assert [group["value"] for group in shown["groups"]] == [it.group["id"]]


def goes_on_with_a_walk(it: Written) -> None:
    pages = [it.old("/Users", startIndex=place, count=2) for place in (5, 3, 1)]
    assert [*pages[2], *pages[1], *pages[0]] == it.pages


def uses_the_index_of_the_record(it: Written) -> None:
    assert it.old("/Devices", filter='displayName eq "printer"') == [it.device["id"]]
    taken = it.before.send("POST", "/Devices", it.token, {"schemas": [DEVICE], "displayName": "PRINTER"})
    assert taken.status_code == 409


def lists_the_tenant(it: Written) -> None:
    listed = json.loads(it.before.administered("--json", "tenants", "list"))
    assert [item["displayName"] for item in listed if item["id"] == "contoso"] == ["Contoso"]


def opens_with_the_credential(it: Written) -> None:
    listed = json.loads(it.before.administered("--json", "credentials", "list", "contoso"))
    assert sorted(item["kind"] for item in listed) == ["secret", "secret", "token"]
    assert it.before.send("GET", "/Users", it.token).status_code == 200
    assert it.before.send("GET", "/Users", it.before.access_token(it.client_id, it.secret)).status_code == 200


def shows_a_pending_change_whole(it: Written) -> None:
    shown = it.before.document(f"/Groups/{it.pending['id']}", TOKEN)
    assert sorted(member["value"] for member in shown["members"]) == it.pending["members"]


@dataclass(frozen=True)
class Kind:
    """A kind of row: the pattern of partition/key, and how the version before reads it.

    A kind that the version before does not know has a reason instead: why nothing is wrong while both run, and after a
    roll back. The version before leaves such rows as they are. Some do not stay: this version deletes them itself.
    """

    pattern: str
    read: Callable[[Written], None] | None = None
    reason: str = ""
    stays: bool = True


_TENANT, _REGISTRY = "[a-z]+", ":registry"
_UNKNOWN = "an administrative change by version 0.2 has no record: docs/operate.md, Who changed what"
_UNSEEN = "version 0.2 makes changes that the feed does not have: docs/operate.md, You come from version 0.2: the feed"
_UNKEPT = "what version 0.2 deletes is not kept: docs/operate.md, A wrong scope has disabled a whole company"
KINDS = {
    "resource": Kind(f"{_TENANT}/(User|Group|Device):[^:]+", reads_a_resource),
    "unique_index": Kind(f"{_TENANT}/(User.userName|Group.displayName|Device.displayName):[^:]+", finds_a_unique_value),
    "index": Kind(f"{_TENANT}/(User|Group)[.](externalId|emails[.]value|displayName):[^:]+:[^:]+", finds_a_value),
    "member": Kind(f"{_TENANT}/member:[^:]+:[^:]+", shows_the_members),
    "member_of": Kind(f"{_TENANT}/memberOf:[^:]+:[^:]+", shows_the_groups),
    "bookmark": Kind(f"{_TENANT}/bookmark:[^:]+", goes_on_with_a_walk),
    "indexes": Kind(f"{_TENANT}/indexes:", uses_the_index_of_the_record),
    "tenant": Kind(f"{_REGISTRY}/tenant:[^:]+:", lists_the_tenant),
    "credential": Kind(f"{_REGISTRY}/tenant:[^:]+:[^:]+", opens_with_the_credential),
    "pointer": Kind(f"{_REGISTRY}/pointer:[^:]+", opens_with_the_credential),
    "setup_link": Kind(
        f"{_REGISTRY}/setup:[0-9]{{16}}:[a-z]+",
        reason="version 0.2 answers no setup page, and notes no request for one: docs/storage.md",
    ),
    "audit_record": Kind(f"{_REGISTRY}/audit:[0-9]{{12}}", reason=_UNKNOWN),
    "audit_end": Kind(f"{_REGISTRY}/audit[.]end:", reason=_UNKNOWN),
    "registry_move": Kind(
        f"{_REGISTRY}/registry[.]move:",
        reason="a move begins when version 0.2 runs nowhere: docs/operate.md, The registry in a table of its own",
    ),
    "pending": Kind(f"{_TENANT}/pending:[^:]+", shows_a_pending_change_whole),
    "pending_part": Kind(f"{_TENANT}/pending:[^:]+:[^:]+:[0-9]{{4}}", shows_a_pending_change_whole),
    "sweep_entry": Kind(":pending/[^:]+:[^:]+:[^:]+", reason="its test waits for the sweep, see below", stays=False),
    "change": Kind(f"{_TENANT}/change:[0-9]{{16}}:[0-9a-f-]+", reason=_UNSEEN, stays=False),
    "feed_head": Kind(f"{_TENANT}/feed:", reason=_UNSEEN),
    "feed": Kind(f"{_TENANT}/feed:[0-9]{{12}}", reason=_UNSEEN),
    "logged": Kind(f"{_TENANT}/log:[^:]+:[0-9]{{16}}:[0-9a-f-]+", reason=_UNSEEN),
    "was": Kind(f"{_TENANT}/was:[^:]+:[^:]+", reason=_UNSEEN),
    "gone": Kind(f"{_TENANT}/gone:[0-9]{{16}}:[0-9a-f]+", reason=_UNKEPT),
    "gone_edges": Kind(f"{_TENANT}/gone:[0-9]{{16}}:[0-9a-f]+:[0-9]{{9}}", reason=_UNKEPT),
    "attempt": Kind(f"{_TENANT}/attempt:[0-9]{{16}}:[0-9a-f]+", reason=_UNSEEN),
    "seen": Kind(f"{_TENANT}/attempt:seen-[0-9]{{16}}:[0-9a-f]+", reason=_UNSEEN),
    "waiting": Kind(":pending/:waiting:[^:]+:", reason=_UNSEEN, stays=False),
    "moved": Kind(":pending/:moved:[^:]+:", reason=_UNSEEN),
    "round_": Kind(":pending/:round:", reason=_UNSEEN),
    "hook": Kind(":pending/:hook:[^:]+", reason=_UNSEEN),
    "due": Kind(":pending/:due:[^:]+:", reason=_UNSEEN),
    "hook_cursor": Kind(f"{_TENANT}/hook:[^:]+:(events|replay)", reason=_UNSEEN),
    "dead_batch": Kind(f"{_TENANT}/hook:[^:]+:dead:[^:]+:[0-9]{{12}}", reason=_UNSEEN),
}
"""A decision about each kind. Who adds a kind to keys.py adds it here."""

NO_KINDS = {"partition", "kind_of", "index_kind", "deletion_of", "entry_of", "place", "place_of"}
"""Functions of keys.py, gone_keys.py and log_keys.py that answer a text which is no key of a row."""


def test_the_version_before_is_the_newest_release_or_the_one_that_a_release_follows() -> None:
    said = file_of_commit("scim_core/version.py").partition('__version__ = "')[2].partition('"')[0]
    assert said in list(released((ROOT / "CHANGELOG.md").read_text()))[:2]


def test_a_clone_without_the_commit_says_what_to_do(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path / "clone"], check=True)
    with pytest.raises(pytest.fail.Exception, match="git fetch --unshallow"):
        exported(tmp_path / "before", tmp_path / "clone")


def test_there_is_a_decision_about_every_kind_of_row() -> None:
    functions = {
        name
        for module in (keys, gone_keys, log_keys, setup_rows)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and function.__annotations__["return"] is str
    }
    assert functions == KINDS.keys() | NO_KINDS
    assert [name for name, kind in KINDS.items() if bool(kind.read) == bool(kind.reason)] == []


async def test_this_version_has_written_every_kind_and_no_other(written: Written) -> None:
    fitting = {name: {key for key in written.keys if re.fullmatch(kind.pattern, key)} for name, kind in KINDS.items()}
    assert [name for name, found in fitting.items() if not found] == ["registry_move"], "it is written below"
    assert written.keys - set().union(*fitting.values()) == set()


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.read])
def test_the_version_before_reads(written: Written, name: str) -> None:
    read = KINDS[name].read
    assert read is not None
    read(written)


async def test_the_sweep_of_the_version_before_finishes_a_pending_change(written: Written) -> None:
    entries = {key for key in written.keys if re.fullmatch(KINDS["sweep_entry"].pattern, key)}
    assert len(entries) == 2
    with running(written.before.root, written.before.settings, SCIM_SWEEP_SCHEDULE="* * * * * *"):
        deadline = time.monotonic() + SWEEP_SECONDS
        while entries & (left := await all_keys(written.rows)):
            assert time.monotonic() < deadline, entries & left
    assert not {key for key in left if re.fullmatch(KINDS["pending_part"].pattern, key)}
    shown = written.now.document(f"/Groups/{written.swept['id']}", TOKEN)
    assert sorted(member["value"] for member in shown["members"]) == written.swept["members"]


def test_access_tokens_of_each_version_open_the_other(written: Written) -> None:
    for issuer, other in ((written.now, written.before), (written.before, written.now)):
        token = issuer.access_token(written.client_id, written.secret)
        assert other.send("GET", "/Users", token).status_code == 200


def test_an_access_token_that_may_only_read_opens_nothing_of_the_version_before(written: Written) -> None:
    """It would open more than it may, because the version before does not know access."""
    token = written.now.access_token(*written.reader, scope="scim.read")
    assert written.now.send("GET", "/Users", token).status_code == 200
    assert written.before.send("GET", "/Users", token).status_code == 401


def test_what_the_version_before_changes_this_version_reads(written: Written) -> None:
    before, token, user = written.before, written.token, f"/Users/{written.user['id']}"
    changes = [replace("displayName", "Ann"), replace("externalId", "E-2")]
    assert before.send("PATCH", user, token, {"Operations": changes}).status_code == 200
    added = before.send("POST", "/Users", token, {"userName": "bob@example.com"}).json()
    joins = [{"op": "add", "path": "members", "value": references(added)}]
    assert before.send("PATCH", f"/Groups/{written.group['id']}", token, {"Operations": joins}).status_code == 204
    assert [item["id"] for item in written.now.found("/Users", token, filter='externalId eq "E-2"')] == [
        written.user["id"]
    ]
    shown = written.now.document(f"/Groups/{written.group['id']}", token)
    assert sorted(member["value"] for member in shown["members"]) == sorted((written.user["id"], added["id"]))
    assert before.send("DELETE", f"/Users/{added['id']}", token).status_code == 204
    for version in (written.now, written.before):
        assert "Every invariant holds." in version.administered("check", "--tenant", "contoso")


def test_the_version_before_imports_a_signed_export(written: Written, tmp_path: Path) -> None:
    file = str(tmp_path / "contoso.ndjson")
    signing = Version(ROOT, written.now.app, {**written.now.settings, **SIGNING})
    signing.administered("export", file, "--tenant", "contoso")
    assert "hmac" in Path(file).read_text()
    written.before.administered("import", file, "--tenant", "restored")
    assert "Every invariant holds." in written.now.administered("check", "--tenant", "restored")


def test_what_the_version_before_exports_both_import(written: Written, tmp_path: Path) -> None:
    """It exports every kind of row that it does not know."""
    file = tmp_path / "contoso.ndjson"
    written.before.administered("export", str(file), "--tenant", "contoso")
    assert '"key":"log:' in file.read_text()
    written.now.administered("import", str(file), "--tenant", "copy0", "--unsigned")
    written.before.administered("import", str(file), "--tenant", "copy1")
    for number in range(2):
        for other in (written.now, written.before):
            assert "Every invariant holds." in other.administered("check", "--tenant", f"copy{number}")


def test_what_a_tenant_was_denied_stays_denied_when_the_version_before_changes_the_tenant(written: Written) -> None:
    """It does not know it, and serves everything until it is replaced. It merges what it changes."""
    written.now.administered("schemas", "deny", "contoso", ENTERPRISE)
    for action in ("suspend", "resume"):
        written.before.administered("tenants", action, "contoso")
    lists_the_tenant(written)
    listed = json.loads(written.now.administered("--json", "schemas", "list", "contoso"))
    assert {row["name"]: row["has"] for row in listed}[ENTERPRISE] is False
    written.now.administered("schemas", "default", "contoso")


async def test_the_version_before_leaves_rows_that_it_does_not_know(written: Written) -> None:
    unknown = [kind.pattern for kind in KINDS.values() if kind.reason and kind.stays]
    rows = await all_keys(written.rows)
    known_before = {key for key in written.keys if any(re.fullmatch(pattern, key) for pattern in unknown)}
    assert known_before
    assert known_before <= rows


def test_a_setup_link_stays_while_the_version_before_changes_its_tenant(written: Written) -> None:
    before = json.loads(written.now.administered("--json", "tenants", "show", "contoso"))["setup"]
    written.before.administered("tenants", "suspend", "contoso")
    written.before.administered("tenants", "resume", "contoso")
    assert json.loads(written.now.administered("--json", "tenants", "show", "contoso"))["setup"] == before


async def test_the_version_before_works_on_after_the_registry_was_moved(written: Written) -> None:
    """It has no setting for the other table. It goes on with the rows that were left behind."""
    settings = {
        **written.now.settings,
        "SCIM_REGISTRY_TABLE_NAME": f"{written.now.settings['SCIM_TABLE_NAME']}registry",
    }
    moved = Version(ROOT, written.now.app, settings)
    assert "registry" in moved.administered("registry", "move")
    assert {key for key in await all_keys(written.rows) if re.fullmatch(KINDS["registry_move"].pattern, key)}
    lists_the_tenant(written)
    opens_with_the_credential(written)
