"""`admin lint-mapping`: says what becomes of each target of an attribute mapping before anything is sent."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Done, run_here
from tests.global_relay import GROUP_TARGETS, USER_TARGETS
from tests.memory_rows import MemoryRows
from tests.scim import ENTERPRISE, Json
from tests.synchronization_schema import GROUP, USER, attribute, objects, written

MINIMUM = (attribute("userName", matching=1), attribute("active"))


async def linted(file: Path, *given: str) -> Done:
    return await run_here(MemoryRows(), *given, "lint-mapping", file)


async def findings(file: Path, *attributes: Json) -> dict[str, tuple[str, str]]:
    """Verdict and advice for each target of a user's mapping that also has the minimum."""
    done = await linted(written(file, objects(USER, [*MINIMUM, *attributes])), "--json")
    found: list[dict[str, Any]] = json.loads(done.stdout)["targets"]
    assert done.returncode == (1 if any(item["advice"] for item in found) else 0)
    return {item["target"]: (item["verdict"], item["advice"] or "") for item in found}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "schema.json"


async def test_the_global_relay_mapping_has_nothing_to_complain_about(file: Path) -> None:
    users = [attribute(target, matching=target == "userName") for target in USER_TARGETS]
    groups = [attribute(target, matching=target == "displayName") for target in GROUP_TARGETS]
    done = await linted(written(file, objects(USER, users), objects(GROUP, groups)))
    assert done.returncode == 0, done.stdout
    assert f"{len(users) + len(groups)} targets are stored as sent. There is nothing to complain about." in done.stdout


async def test_with_a_tenant_its_own_resource_types_and_extensions_count(file: Path) -> None:
    rows = MemoryRows()
    assert (await run_here(rows, "--url", "https://scim.example.com", "tenants", "create", "Contoso")).returncode == 0
    target = f"{ENTERPRISE}:department"
    written(file, objects(USER, [*MINIMUM, attribute(target)]))
    of_tenant = ("--json", "lint-mapping", file, "--tenant", "contoso")
    assert (await run_here(rows, *of_tenant)).returncode == 0
    assert (await run_here(rows, "schemas", "deny", "contoso", ENTERPRISE)).returncode == 0
    done = await run_here(rows, *of_tenant)
    verdicts = {item["target"]: item["verdict"] for item in json.loads(done.stdout)["targets"]}
    assert (done.returncode, verdicts[target]) == (1, "ignored")
    assert (await linted(file)).returncode == 0
    nobody = await run_here(rows, "lint-mapping", file, "--tenant", "fabrikam")
    assert (nobody.returncode, "There is no tenant 'fabrikam'" in nobody.stderr) == (2, True)


async def test_a_mistyped_target_is_ignored_and_the_nearest_declared_name_is_offered(file: Path) -> None:
    found = await findings(file, attribute("wrkEmail"), attribute("shoeSize"))
    verdict, advice = found["wrkEmail"]
    assert verdict == "ignored"
    assert 'Did you mean emails[type eq "work"].value?' in advice
    assert "400" in advice
    assert "Did you mean" not in found["shoeSize"][1]


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("usrName", "userName"),
        ("surname", "name.familyName"),
        ("accountEnabled", "active"),
        ("userPrincipalName", "userName"),
        ("mail", 'emails[type eq "work"].value'),
        ("firstName", None),
        ("managerId", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"),
        ("proxyAdresses", "urn:ietf:params:scim:schemas:extension:GlobalRelay:2.0:User:proxyAddresses"),
    ],
)
async def test_a_name_is_offered_only_if_it_is_near(file: Path, target: str, meant: str | None) -> None:
    [_, advice] = (await findings(file, attribute(target)))[target]
    assert (f"Did you mean {meant}?" in advice) if meant else ("Did you mean" not in advice)


@pytest.mark.parametrize("target", ["emails[type eq", "a b", "emails[type eq 1 and]"])
async def test_a_target_that_cannot_be_read_is_refused(file: Path, target: str) -> None:
    assert (await findings(file, attribute(target)))[target][0] == "refused"


@pytest.mark.parametrize("target", ["id", "meta.created", "groups", "password"])
async def test_a_target_that_clients_cannot_write_is_read_only(file: Path, target: str) -> None:
    assert (await findings(file, attribute(target)))[target][0] == "read-only"


@pytest.mark.parametrize("target", ["externalId", 'emails[type eq "work"].value', "displayName"])
async def test_an_indexed_matching_attribute_is_fine(file: Path, target: str) -> None:
    assert (await findings(file, attribute(target, matching=2)))[target] == ("kept", "")


@pytest.mark.parametrize("target", ["title", f"{USER}:employeeNumber", 'phoneNumbers[type eq "work"].value'])
async def test_a_matching_attribute_without_an_index_is_named(file: Path, target: str) -> None:
    verdict, advice = (await findings(file, attribute(target, matching=2)))[target]
    assert verdict == "not indexed"
    assert "userName" in advice


async def test_a_target_that_is_mapped_twice_is_named_in_any_spelling(file: Path) -> None:
    found = await findings(file, attribute('emails[type eq "work"].value'), attribute('EMAILS[type  eq "work"].value'))
    assert [verdict for verdict, _ in found.values()].count("mapped twice") == 2


async def test_a_deactivation_that_may_never_be_sent_is_named(file: Path) -> None:
    mapping = objects(USER, [attribute("userName", matching=1), attribute("active", flow="ObjectAddOnly")])
    done = await linted(written(file, mapping))
    assert done.returncode == 1
    assert "a deactivation may never be sent" in done.stdout


async def test_members_that_are_never_removed_are_named(file: Path) -> None:
    mapping = objects(GROUP, [attribute("displayName", matching=1), attribute("members", flow="MultiValueAddOnly")])
    assert "nobody who leaves the group is removed here" in (await linted(written(file, mapping))).stdout


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("userName", "each POST is answered with 400"),
        ("active", "stays active here"),
    ],
)
async def test_a_target_that_has_to_be_there_is_missed(file: Path, missing: str, said: str) -> None:
    mapped = [item for item in MINIMUM if item["targetAttributeName"] != missing]
    done = await linted(written(file, objects(USER, [*mapped, attribute("externalId", matching=1)])))
    assert done.returncode == 1
    assert said in done.stdout


async def test_a_mapping_without_a_matching_attribute_is_named(file: Path) -> None:
    done = await linted(written(file, objects(USER, [attribute("userName"), attribute("active")])))
    assert "No target is a matching attribute." in done.stdout


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        ("Update, Delete", "Who is new is never created here."),
        ("Add, Delete", "Who is disabled in Entra stays active here."),
        ("Add, Update", "Who leaves the scope is neither disabled nor deleted here."),
    ],
)
async def test_an_action_that_is_not_chosen_is_named(file: Path, actions: str, said: str) -> None:
    done = await linted(written(file, objects(USER, MINIMUM, actions=actions)))
    assert done.returncode == 1
    assert said in done.stdout


async def test_a_mapping_that_is_switched_off_and_an_unknown_object_are_named(file: Path) -> None:
    done = await linted(written(file, objects(USER, MINIMUM, enabled=False), objects("Widget", [])))
    assert "Nothing of this type is sent." in done.stdout
    assert "There is no resource type of this name. There are Group, User." in done.stdout


GROUPS = objects(GROUP, [attribute("displayName", matching=1), attribute("members")])


@pytest.mark.parametrize(
    "mappings",
    [[], [GROUPS], [GROUPS, objects(USER, MINIMUM, enabled=False)], [objects("Widget", [])]],
    ids=["nothing", "groups", "switched off", "another type"],
)
async def test_a_file_that_sends_no_users_is_named(file: Path, mappings: list[Json]) -> None:
    done = await linted(written(file, *mappings))
    assert done.returncode == 1
    assert "User (as a whole): missing" in done.stdout
    assert "No mapping of users is switched on, so nobody is created here." in done.stdout


async def test_one_mapping_of_users_that_is_switched_on_is_enough(file: Path) -> None:
    done = await linted(written(file, objects(USER, MINIMUM, enabled=False), objects("User", MINIMUM), GROUPS))
    assert "No mapping of users is switched on" not in done.stdout
    assert (await linted(_holding(file, '{"synchronizationRules": []}'))).returncode == 1


@pytest.mark.parametrize("content", ["", "[]", '{"synchronizationRules": 1}', "{", '{"value": []}'])
async def test_another_file_is_refused_with_the_way_to_the_right_one(file: Path, content: str) -> None:
    done = await linted(_holding(file, content))
    assert done.returncode == 2
    assert "Review your schema here" in done.stderr


async def test_a_file_that_is_missing_or_too_large_is_refused(file: Path) -> None:
    assert (await linted(file)).returncode == 2
    assert "larger than 4 MiB" in (await linted(_holding(file, " " * (4 * 1024 * 1024 + 1)))).stderr


async def test_own_schema_files_count_as_declared(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own" / "schemas"
    folder.mkdir(parents=True)
    urn = "urn:example:params:scim:schemas:extension:own:2.0:User"
    size = {"name": "shoeSize", "type": "string", "multiValued": False}
    (folder / "own.json").write_text(json.dumps({"id": urn, "name": "Own", "attributes": [size]}))
    written(file, objects(USER, [*MINIMUM, attribute(f"{urn}:shoeSize")]))
    assert (await linted(file)).returncode == 1
    done = await run_here(MemoryRows(), "--schemas", tmp_path / "own", "lint-mapping", file)
    assert done.returncode == 0, done.stdout + done.stderr


def _holding(file: Path, content: str) -> Path:
    file.write_text(content)
    return file
