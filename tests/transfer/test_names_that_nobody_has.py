"""A tenant or a table that is spelt wrong is named, and is not taken for an empty one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scim import TOKEN
from tests.transfer.conftest import Directory

COMMANDS = {
    "export": ("export", "{file}", "--tenant", "defualt"),
    "check": ("check", "--tenant", "defualt"),
    "reindex": ("reindex", "--tenant", "defualt"),
    "compare": ("compare", "defualt", "{list}"),
}


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_tenant_that_is_neither_in_the_registry_nor_has_rows(
    directory: Callable[[], Directory], file: Path, tmp_path: Path, command: str
) -> None:
    place, users = directory(), tmp_path / "users.csv"
    await place.client.user("ann@example.com")
    users.write_text("userPrincipalName,accountEnabled\nann@example.com,true\n")
    given = [text.format(file=file, list=users) for text in COMMANDS[command]]
    done = await place.run(*given)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"admin {command}: There is no tenant 'defualt'" in done.stderr
    assert "tenants list" in done.stderr
    assert not file.exists()
    assert not file.with_name(f"{file.name}.part").exists()
    assert await place.rows.partition_after("default") is None, "nothing was written"


async def test_a_tenant_of_the_registry_may_be_empty(directory: Callable[[], Directory], file: Path) -> None:
    place = directory()
    created = await place.run("tenants", "create", "Contoso", "--kind", "none")
    assert created.returncode == 0, created.stderr
    done = await place.run("export", file, "--tenant", "contoso")
    assert "0 rows of the tenant contoso are in" in done.stdout
    assert TOKEN not in done.stdout


@pytest.mark.parametrize("name", ["x", "scim-2", "2scim"])
async def test_the_name_of_a_table_that_can_be_none(directory: Callable[[], Directory], file: Path, name: str) -> None:
    place = directory()
    assert (await place.run("tenants", "create", "Contoso", "--kind", "none")).returncode == 0
    assert (await place.run("export", file, "--tenant", ":registry")).returncode == 0
    done = await directory().run("import", file, "--registry-of", name)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("--registry-of must be 3 to 63 letters and digits that start with a letter.")
