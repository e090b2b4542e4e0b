"""`admin schemas`: which resource types and extensions a tenant has."""

import json
from pathlib import Path
from typing import Any

import pytest

from scim_core.chosen_schemas import MAX_CHOSEN_CHARACTERS
from tests.commands import Done, run_here
from tests.memory_rows import MemoryRows
from tests.scim import ENTERPRISE, GLOBAL_RELAY, attribute, schema_files

DEVICE = "urn:example:params:scim:schemas:core:2.0:Device"
WARRANTY = "urn:example:params:scim:schemas:extension:Warranty:2.0:Device"


class Operator:
    """Runs commands over rows of its own, with the files of a deployment."""

    def __init__(self, folder: Path) -> None:
        self.rows = MemoryRows()
        self.folder = folder

    async def run(self, *given: str) -> Done:
        return await run_here(self.rows, "--schemas", str(self.folder), *given)

    async def shown(self, *given: str) -> dict[str, tuple[bool, str]]:
        """What the command shows of each name: whether the tenant has it, and why."""
        return {row["name"]: (row["has"], row["because"]) for row in await self.json(*given)}

    async def json_lines(self, *given: str) -> list[Any]:
        return [json.loads(line) for line in (await self.run("--json", *given)).stdout.splitlines()]

    async def json(self, *given: str) -> Any:
        done = await self.run("--json", *given)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
async def operator(tmp_path: Path) -> Operator:
    folder = schema_files(
        tmp_path,
        device={"id": DEVICE, "name": "Device", "attributes": [attribute("serial")]},
        kind={"id": "Device", "name": "Device", "endpoint": "/Devices", "schema": DEVICE, "onByDefault": False},
        warranty={"id": WARRANTY, "name": "Warranty", "attributes": [attribute("until")]},
    )
    operator = Operator(folder)
    assert (await operator.run("tenants", "create", "Contoso", "--kind", "none")).returncode == 0
    return operator


AT_FIRST = {
    "User": (True, "every tenant has it"),
    "Group": (True, "every tenant has it"),
    ENTERPRISE: (True, "default"),
    GLOBAL_RELAY: (True, "default"),
    "Device": (False, "default"),
    WARRANTY: (False, "Device: default"),
}


async def test_all_that_there_is_is_listed_with_its_default(operator: Operator) -> None:
    rows = {row["name"]: (row["extends"], row["default"]) for row in await operator.json("schemas", "list")}
    assert rows == {
        "User": (None, True),
        "Group": (None, True),
        ENTERPRISE: ("User", True),
        GLOBAL_RELAY: ("User", True),
        "Device": (None, False),
        WARRANTY: ("Device", True),
    }
    said = (await operator.run("schemas", "list")).stdout
    assert said.splitlines()[0].split() == ["NAME", "EXTENDS", "DEFAULT"]


async def test_a_new_tenant_has_what_is_on_by_default(operator: Operator) -> None:
    assert await operator.shown("schemas", "list", "contoso") == AT_FIRST
    said = (await operator.run("schemas", "list", "contoso")).stdout
    assert said.splitlines()[0].split() == ["NAME", "EXTENDS", "DEFAULT", "HAS", "IT", "BECAUSE"]


async def test_names_are_allowed_and_denied_in_any_letter_case_and_go_back_to_the_default(operator: Operator) -> None:
    allowed = await operator.shown("schemas", "allow", "contoso", "DEVICE")
    assert allowed == AT_FIRST | {"Device": (True, "allowed"), WARRANTY: (True, "default")}
    denied = await operator.shown("schemas", "deny", "contoso", GLOBAL_RELAY.upper(), WARRANTY)
    assert denied == allowed | {GLOBAL_RELAY: (False, "denied"), WARRANTY: (False, "denied")}
    assert await operator.shown("schemas", "list", "contoso") == denied
    shown = (await operator.json("tenants", "show", "contoso"))["schemas"]
    assert shown == {"allowed": ["Device"], "denied": [WARRANTY, GLOBAL_RELAY]}
    said = (await operator.run("tenants", "show", "contoso")).stdout
    assert "other resource types or extensions than by default" in said
    assert (await operator.shown("schemas", "default", "contoso", WARRANTY.lower()))[WARRANTY] == (True, "default")
    assert await operator.shown("schemas", "default", "contoso") == AT_FIRST
    assert "other resource types" not in (await operator.run("tenants", "show", "contoso")).stdout


async def test_a_denied_type_takes_its_extensions_with_it(operator: Operator) -> None:
    await operator.run("schemas", "allow", "contoso", WARRANTY)
    denied = await operator.shown("schemas", "deny", "contoso", "Device")
    assert (denied["Device"], denied[WARRANTY]) == ((False, "denied"), (False, "Device: denied"))


async def test_what_is_printed_says_when_it_holds_and_what_copies_need(operator: Operator) -> None:
    said = (await operator.run("schemas", "deny", "contoso", GLOBAL_RELAY)).stdout
    assert "within a minute" in said
    assert "feed new-epoch --tenant contoso" in said


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("deny", "contoso", "User"), "Every tenant has User"),
        (("deny", "contoso", "group", GLOBAL_RELAY), "Every tenant has Group"),
        (("allow", "contoso", "Devices"), "No file declares 'Devices'"),
        (("deny", "contoso", "urn:x:extension:User"), "No file declares 'urn:x:extension:User'"),
        (("default", "contoso", "Devices"), "No file declares 'Devices'"),
        (("allow", "fabrikam", "Device"), "There is no tenant 'fabrikam'"),
        (("list", ":applications"), "There is no tenant ':applications'"),
    ],
)
async def test_what_cannot_be_is_one_sentence_and_changes_nothing(
    operator: Operator, given: tuple[str, ...], sentence: str
) -> None:
    done = await operator.run("schemas", *given)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert await operator.shown("schemas", "list", "contoso") == AT_FIRST


async def test_a_name_whose_file_is_gone_is_shown_and_can_be_taken_back(operator: Operator, tmp_path: Path) -> None:
    await operator.run("schemas", "allow", "contoso", "Device")
    (tmp_path / "none").mkdir()
    operator.folder = tmp_path / "none"
    assert (await operator.shown("schemas", "list", "contoso"))["Device"] == (False, "allowed, no file declares it")
    assert "Device" not in await operator.shown("schemas", "default", "contoso", "device")


async def test_more_names_than_a_row_is_to_hold_are_refused(operator: Operator, tmp_path: Path) -> None:
    urns = [f"urn:x:{'y' * 200}:extension:E{number}:User" for number in range(1 + MAX_CHOSEN_CHARACTERS // 200)]
    files = {f"e{number}": {"id": urn, "name": "E", "attributes": [attribute("x")]} for number, urn in enumerate(urns)}
    (tmp_path / "many").mkdir()
    operator.folder = schema_files(tmp_path / "many", **files)
    done = await operator.run("schemas", "deny", "contoso", *urns)
    assert f"more than {MAX_CHOSEN_CHARACTERS} characters" in done.stderr
    assert (await operator.run("schemas", "deny", "contoso", *urns[:5])).returncode == 0


async def test_each_change_has_a_record_with_what_was_and_what_is(operator: Operator) -> None:
    for given in (("deny", GLOBAL_RELAY), ("deny", GLOBAL_RELAY), ("allow", "Device"), ("default",)):
        assert (await operator.run("schemas", given[0], "contoso", *given[1:])).returncode == 0
    records = [item for item in await operator.json_lines("audit") if item["event"] == "tenant schemas changed"]
    assert [(item["method"], item["outcome"], item.get("changed", "")) for item in records] == [
        ("schemas deny", "done", "denied_schemas"),
        ("schemas deny", "unchanged", ""),
        ("schemas allow", "done", "allowed_schemas"),
        ("schemas default", "done", "allowed_schemas denied_schemas"),
    ]
    assert records[0]["after"] == {"denied_schemas": GLOBAL_RELAY}
    assert records[3]["before"] == {"allowed_schemas": "Device", "denied_schemas": GLOBAL_RELAY}
    assert (await operator.run("audit", "--verify")).returncode == 0
