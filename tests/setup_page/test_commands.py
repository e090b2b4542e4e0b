"""`admin tenants`: setup links are made, shown, revoked and recorded. No restore brings one back."""

import json
from pathlib import Path

import pytest

from scim_core.access.setup_plans import DEFAULT_LINK_DAYS, MAX_LINK_DAYS
from scim_core.audit_records import AuditEntry
from scim_core.clock import utc_now
from scim_core.storage.maintenance.archive import Header, Writer, read
from scim_core.storage.maintenance.exporting import exported
from scim_core.storage.maintenance.import_plan import ImportPlan
from scim_core.storage.maintenance.importing import restore
from scim_core.storage.tables import keys
from scim_core.storage.tables.keys import REGISTRY
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.registry import TableRegistry
from tests.commands import Done, run_here
from tests.memory_rows import MemoryRows
from tests.setup_page.world import SetupService
from tests.tenancy import HOST, settings
from tests.unit.test_credential_commands import URL, Operator


@pytest.fixture
def operator() -> Operator:
    return Operator()


def opens(operator: Operator) -> SetupService:
    return SetupService(settings(), registry=TableRegistry(operator.rows))


async def test_a_new_tenant_can_have_a_link_beside_its_token(operator: Operator) -> None:
    said = (await operator.run("tenants", "create", "Contoso", "--setup-link")).stdout
    assert "Secret Token" in said
    assert f"  {HOST}/setup#contoso.scim_setup_" in said
    assert "The page does not show the token" in said
    made = await operator.json("tenants", "create", "Fabrikam", "--kind", "none", "--setup-link")
    assert made["setupLink"].startswith(f"{HOST}/setup#fabrikam.scim_setup_")
    token = (await operator.json("tenants", "create", "Northwind", "--setup-link"))["secret"]
    assert (await operator.json("tenants", "create", "Adatum")).keys() == {
        *("tenant", "credential", "secret", "method", "connectivity")
    }
    [found] = [item async for item in TableRegistry(operator.rows).tenants() if item.id == "northwind"]
    assert found.credentials[0].token_start == token[:8]


async def test_a_link_is_made_shown_and_revoked(operator: Operator) -> None:
    await operator.json("tenants", "create", "Contoso")
    assert "setup" not in await operator.json("tenants", "show", "contoso")
    assert "setup link" not in (await operator.run("tenants", "show", "contoso")).stdout
    made = await operator.json("tenants", "setup-link", "contoso", "--expires", "2")
    shown = await operator.json("tenants", "show", "contoso")
    assert shown["setup"].keys() == {"created", "madeBy", "expires"}
    assert "was not opened, and ends at" in (await operator.run("tenants", "show", "contoso")).stdout
    it = opens(operator)
    it.clock.now = it.clock.now.fromisoformat(shown["setup"]["created"])
    await it.opened(made["setupLink"])
    assert "was opened at" in (await operator.run("tenants", "show", "contoso")).stdout
    said = (await operator.run("tenants", "revoke-setup-link", "contoso")).stdout
    assert "opens nothing any more" in said
    assert "was revoked at" in (await operator.run("tenants", "show", "contoso")).stdout
    assert (await it.open(made["setupLink"])).status == 403
    trail = (await operator.run("audit")).stdout
    assert "setup link created" in trail
    assert "setup link revoked" in trail
    assert made["setupLink"].rpartition(".")[2] not in trail


@pytest.mark.parametrize("days", ["0", "-1", str(MAX_LINK_DAYS + 1)])
async def test_a_link_that_would_live_too_long_or_not_at_all_is_refused(operator: Operator, days: str) -> None:
    await operator.json("tenants", "create", "Contoso")
    done = await operator.run("tenants", "setup-link", "contoso", "--expires", days)
    assert (done.returncode, f"1 to {MAX_LINK_DAYS} days" in done.stderr) == (1, True)
    assert "setup" not in await operator.json("tenants", "show", "contoso")
    assert DEFAULT_LINK_DAYS < MAX_LINK_DAYS


async def test_what_is_not_there_is_said_and_nothing_is_made_without_an_address(operator: Operator) -> None:
    for command in ("setup-link", "revoke-setup-link"):
        done = await operator.run("tenants", command, "nobody")
        assert (done.returncode, "There is no tenant 'nobody'" in done.stderr) == (1, True)
    await operator.json("tenants", "create", "Contoso")
    done = await operator.run("tenants", "revoke-setup-link", "contoso")
    assert (done.returncode, "has no setup link" in done.stderr) == (1, True)
    done = await operator.run("--url", "", "tenants", "create", "Other", "--kind", "none", "--setup-link")
    assert (done.returncode, "SCIM_PUBLIC_BASE_URL" in done.stderr) == (1, True)
    assert [item["id"] for item in await operator.json("tenants", "list")] == ["contoso"]


async def test_no_export_has_a_link_and_no_restore_brings_one_back(operator: Operator, tmp_path: Path) -> None:
    link = (await operator.json("tenants", "create", "Contoso", "--setup-link"))["setupLink"]
    cookie = await opens(operator).opened(link)
    file = tmp_path / "registry"
    assert (await operator.run("export", str(file), "--tenant", REGISTRY)).returncode == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    rows = {line["key"]: line["row"] for line in lines if "key" in line}
    assert "tenant:contoso:" in rows
    assert not [name for name in rows["tenant:contoso:"] if name.startswith("setup")]
    assert not [key for key in rows if key.startswith("setup")]
    restored = Operator()
    done = await restored.run("import", str(file), "--revoked", "as-in-file")
    assert done.returncode == 0, done.stderr
    assert await read_range(restored.rows, REGISTRY, keys.of_kind("setup")) == []
    assert "setup" not in await restored.json("tenants", "show", "contoso")
    assert (await opens(restored).open(link)).status == 403
    assert "Open your setup page" in await opens(restored).page(cookie)
    assert "setupLink" in await restored.json("tenants", "setup-link", "contoso")


async def test_a_link_in_a_file_of_version_02_is_left_out(operator: Operator) -> None:
    """It exports every property and every kind of row that it does not know."""
    await operator.json("tenants", "create", "Contoso", "--setup-link")
    rows = await read_range(operator.rows, REGISTRY, keys.everything())
    writer = Writer()
    lines = [writer.header(Header(REGISTRY, "2026-11-25T02:15:00.000000Z"))]
    lines += [
        writer.row(row.properties["RowKey"], exported(row))
        for row in rows
        if keys.kind_of(row.properties["RowKey"]) not in ("audit", "audit.end")
    ]
    lines.append(writer.trailer())
    assert b'"setup_sha256"' in b"".join(lines)
    restored = Operator()
    plan, entry = ImportPlan.of(read(lines)), AuditEntry(*["restored"] * 15)
    await restore(restored.rows, REGISTRY, plan, "digest", lambda: read(lines), entries=[entry])
    assert await read_range(restored.rows, REGISTRY, keys.of_kind("setup")) == []
    assert "setup" not in await restored.json("tenants", "show", "contoso")


async def test_a_move_of_the_registry_takes_links_along() -> None:
    whole = OneTableOrTwo()
    link = json.loads((await whole.run("--json", "tenants", "create", "Contoso", "--setup-link")).stdout)["setupLink"]
    assert (await whole.run("registry", "move")).returncode == 0
    it = SetupService(settings(), registry=TableRegistry(whole.new))
    it.clock.now = utc_now()
    assert "What arrives here" in await it.page(await it.opened(link))


class OneTableOrTwo:
    """A deployment whose registry can have a table of its own."""

    def __init__(self) -> None:
        self.old, self.new = MemoryRows(), MemoryRows()

    async def run(self, *given: str) -> Done:
        rows = {"scim": self.old, "registry": self.new}
        elsewhere = {} if "create" in given else {"SCIM_REGISTRY_TABLE_NAME": "registry"}
        return await run_here(rows, *URL, *given, **elsewhere)
