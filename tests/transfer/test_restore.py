"""What was exported is restored: the same resources, to the byte, and everything that finds them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scim_core.storage.maintenance.exporting import export
from scim_core.storage.tables import changes, large_change_runner
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.rows import RowPage, Rows
from tests.scim import ENTERPRISE, GLOBAL_RELAY, Client, Json, add, member_ids, references, remove, replace
from tests.transfer.conftest import Directory, also_over_azurite
from tests.wrapped_rows import WrappedRows

QUERIES = (
    "/Users?count=1000",
    "/Users?count=5&startIndex=4",
    "/Groups?count=1000",
    '/Users?filter=userName eq "USER7@example.com"',
    '/Users?filter=externalId eq "x 3/ä?"',
    '/Users?filter=emails.value sw "mail"',
    "/Users?filter=active eq false",
    '/Groups?filter=displayName eq "group 1"',
    "/Users?sortBy=userName&sortOrder=descending",
)


async def fill(client: Client) -> None:
    """A directory with what resources can have, after some life."""
    users = [
        await client.user(
            f"User{number}@example.com",
            externalId=f"x {number}/ä?",
            active=number % 3 != 0,
            emails=[{"value": f"mail{number}@example.com", "type": "work", "primary": True}],
            title="Ω" * number * 100,
            **{ENTERPRISE: {"department": "R&D"}, GLOBAL_RELAY: {"extensionAttribute1": f"{number}"}},
        )
        for number in range(12)
    ]
    groups = [await client.group(f"Group {number}", *users[number : number + 4]) for number in range(3)]
    inner = await client.group("inner", users[0])
    await client.patch(f"/Groups/{groups[0]['id']}", add("members", references(inner)))
    await client.patch(f"/Users/{users[1]['id']}", replace("userName", "renamed@example.com"))
    await client.patch(f"/Users/{users[2]['id']}", remove("title"))
    await client.patch(f"/Groups/{groups[1]['id']}", remove(f'members[value eq "{users[1]["id"]}"]'))
    await client.delete(f"/Users/{users[11]['id']}")


async def answers(client: Client) -> dict[str, tuple[int, str | None, bytes]]:
    """Status, ETag and body of everything that a client may ask."""
    found = {}
    for url in QUERIES:
        answer = await client.get(url.replace(" ", "%20").replace('"', "%22").replace("/ä?", "/%C3%A4?"))
        found[url] = (answer.status, answer.headers.get("etag"), answer.body)
        assert answer.status == 200, answer.body
    for kind in ("/Users", "/Groups"):
        for item in (await client.get(kind, count=1000)).document["Resources"]:
            answer = await client.get(f"{kind}/{item['id']}")
            found[f"{kind}/{item['id']}"] = (answer.status, answer.headers["etag"], answer.body)
    return found


@also_over_azurite
async def test_a_restored_directory_answers_byte_for_byte_as_before(
    directory: Callable[[], Directory], file: Path
) -> None:
    before, after = directory(), directory()
    await fill(before.client)
    expected = await answers(before.client)

    exported = await before.run("export", file)
    assert exported.returncode == 0, exported.stderr
    imported = await after.run("import", file)
    assert imported.returncode == 0, imported.stderr

    assert await answers(after.client) == expected
    checked = await after.run("check")
    assert (checked.returncode, "Every invariant holds" in checked.stdout) == (0, True), checked.stdout


async def test_a_restored_directory_lives_on(directory: Callable[[], Directory], file: Path) -> None:
    before, after = directory(), directory()
    await fill(before.client)
    await before.run("export", file)
    await after.run("import", file)

    taken = await after.client.post("/Users", {"userName": "RENAMED@example.com"})
    assert (taken.status, taken.document["scimType"]) == (409, "uniqueness")
    await after.client.user("user1@example.com")  # the name that was given up is free
    [group] = await after.client.found("/Groups", 'displayName eq "group 0"')
    for member in member_ids(await after.client.document(group)):
        for kind in ("/Users", "/Groups"):
            await after.client.delete(f"{kind}/{member}")
    assert "members" not in await after.client.document(group)
    assert "Every invariant holds" in (await after.run("check")).stdout


async def test_a_tenant_can_be_restored_under_another_name(directory: Callable[[], Directory], file: Path) -> None:
    before, after = directory(), directory()
    await before.client.user("a@example.com")
    await before.run("export", file)

    assert (await after.run("import", file, "--tenant", "elsewhere")).returncode == 0
    assert "0 rows" not in (await after.run("check", "--tenant", "elsewhere")).stdout
    assert (await after.client.get("/Users")).document["totalResults"] == 0


async def test_an_empty_directory_is_an_export_too(directory: Callable[[], Directory], file: Path) -> None:
    before, after = directory(), directory()

    assert (await before.run("export", file)).returncode == 0
    assert (await after.run("import", file)).returncode == 0


@pytest.fixture
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "TRANSACTION_OPERATIONS", 13)
    monkeypatch.setattr(large_change_runner, "STEP", 3)


type Die = Callable[[Client, Json, list[Json]], Awaitable[None]]


@pytest.fixture
def died(monkeypatch: pytest.MonkeyPatch) -> Die:
    """Leaves a large change decided and not applied, as a process does that dies."""

    async def die(client: Client, group: Json, users: list[Json]) -> None:
        async def nothing(*_: object, **__: object) -> None:
            raise TimeoutError

        with monkeypatch.context() as patch:
            patch.setattr(large_change_runner._Applying, "run", nothing)
            await client.patch(f"/Groups/{group['id']}", add("members", references(*users)))

    return die


@pytest.mark.usefixtures("_small_steps")
async def test_an_unfinished_change_is_finished_first(
    directory: Callable[[], Directory], file: Path, died: Die
) -> None:
    before, after = directory(), directory()
    users = [await before.client.user(f"u{number}@example.com") for number in range(20)]
    group = await before.client.group("large")
    await died(before.client, group, users)
    await before.run("export", file)
    await after.run("import", file)

    assert len(member_ids(await after.client.document(group))) == 20
    assert "Every invariant holds" in (await after.run("check")).stdout


@pytest.mark.usefixtures("_small_steps")
async def test_a_change_that_starts_while_the_export_runs_is_not_lost(
    directory: Callable[[], Directory], file: Path, died: Die
) -> None:
    """It is in the file as it lies in the table: decided, with its parts; the import finishes it."""
    before, after = directory(), directory()
    users = [await before.client.user(f"u{number}@example.com") for number in range(20)]
    group = await before.client.group("large")
    file.write_bytes(await exported_while(before, lambda: died(before.client, group, users)))

    imported = await after.run("import", file, "--unsigned")

    assert "A large change of Group" in imported.stdout, imported.stderr
    assert len(member_ids(await after.client.document(group))) == 20
    assert "Every invariant holds" in (await after.run("check")).stdout


class OvertakenRows(WrappedRows):
    """Rows to which something happens before they are first asked what was written since."""

    def __init__(self, rows: Rows, happening: Callable[[], Awaitable[None]]) -> None:
        super().__init__(rows)
        self._happenings = [happening]

    async def page(self, tenant: str, key_range: KeyRange, *, since: datetime | None = None, **options: Any) -> RowPage:
        if since is not None and self._happenings:
            await self._happenings.pop()()
        return await super().page(tenant, key_range, since=since, **options)


async def exported_while(before: Directory, happening: Callable[[], Awaitable[None]]) -> bytes:
    """An export in whose middle something happens: after the walk, before rows that changed are read again."""
    rows = OvertakenRows(before.rows, happening)
    return b"".join([line async for line in export(rows, "default", lambda: datetime.now(UTC))])


@also_over_azurite
async def test_what_changes_while_the_export_runs_has_its_last_state(
    directory: Callable[[], Directory], file: Path
) -> None:
    before, after = directory(), directory()
    first = await before.client.user("first@example.com")
    second = await before.client.user("second@example.com")
    group = await before.client.group("G", first)

    async def happening() -> None:
        await before.client.patch(f"/Users/{first['id']}", replace("userName", "new@example.com"))
        await before.client.user("first@example.com", title="who took the name")
        await before.client.patch(f"/Groups/{group['id']}", add("members", references(second)))

    file.write_bytes(await exported_while(before, happening))
    expected = (await before.client.get("/Users")).body, (await before.client.get(f"/Groups/{group['id']}")).body
    imported = await after.run("import", file, "--unsigned")

    assert "rows had changed while the export ran" in imported.stdout, imported.stderr
    assert (
        (await after.client.get("/Users")).body,
        (await after.client.get(f"/Groups/{group['id']}")).body,
    ) == expected
    assert "Every invariant holds" in (await after.run("check")).stdout


async def test_a_resource_that_was_deleted_meanwhile_gives_way_to_who_has_its_name(
    directory: Callable[[], Directory], file: Path
) -> None:
    """The export has seen it before it went; its name is another's by now."""
    before, after = directory(), directory()
    gone = await before.client.user("name@example.com")
    group = await before.client.group("G", gone)

    async def happening() -> None:
        await before.client.delete(f"/Users/{gone['id']}")
        await before.client.user("name@example.com", title="the other")

    file.write_bytes(await exported_while(before, happening))
    imported = await after.run("import", file, "--unsigned")

    assert f"User:{gone['id']} was left out" in imported.stdout, imported.stderr
    assert "1 memberships were left out" in imported.stdout
    [user] = await after.client.found("/Users", 'userName eq "name@example.com"')
    assert user["title"] == "the other"
    assert "members" not in await after.client.document(group)
    assert "Every invariant holds" in (await after.run("check")).stdout
