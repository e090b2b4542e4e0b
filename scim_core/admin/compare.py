"""`admin compare`: holds an identity provider's list of users against a tenant's directory. It changes nothing."""

import json
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence

from scim_core.admin.comparing import DANGEROUS, Differing, DirectoryUser, differences
from scim_core.admin.known_tenant import require_known
from scim_core.admin.presentation import table
from scim_core.admin.user_list import COLUMNS, UserListError, listed_users
from scim_core.settings import StorageSettings
from scim_core.storage.port import Storage
from scim_core.storage.tables import table_storage

SAME, DIFFERENT, DANGER = 0, 1, 3
"""Exit codes: nothing differs; something does; somebody is active here who is disabled or gone there."""

PAGE = 1_000
"""Users that are read at once: what one answer of Table Storage holds."""


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. Each difference is printed. Raises UserListError, Gone, StorageError, OSError."""
    there = list(listed_users(given.file.read_bytes(), _columns(given.columns)))
    if not there:
        raise UserListError("The file lists nobody. Everybody here would be reported as gone.")
    storage = table_storage(settings)
    try:
        await require_known(storage.rows, given.tenant)
        here = await directory_users(storage, given.tenant)
    finally:
        await storage.close()
    found = list(differences(here, there))
    if given.json:
        print(json.dumps({"here": len(here), "there": len(there), "differences": list(map(_json, found))}, indent=2))
    else:
        _tell(found, len(here), len(there))
    return DANGER if any(item.kind in DANGEROUS for item in found) else DIFFERENT if found else SAME


async def directory_users(storage: Storage, tenant: str) -> list[DirectoryUser]:
    """All users of the tenant, of each what is compared."""
    users: list[DirectoryUser] = []
    after: str | None = None
    while True:
        page = await storage.page(tenant, "User", after=after, limit=PAGE)
        users += [DirectoryUser.of(item.id, item.document) for item in page.resources]
        after = page.last_id
        if after is None:
            return users


def _columns(given: Sequence[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for text in given:
        attribute, equals, column = text.partition("=")
        if attribute not in COLUMNS or not equals:
            raise UserListError(f"--column takes ATTRIBUTE=COLUMN, with an attribute of: {', '.join(COLUMNS)}.")
        columns[attribute] = column
    return columns


def _tell(found: Sequence[Differing], here: int, there: int) -> None:
    if found:
        print(table(("DIFFERENCE", "USER", "ID", "DETAIL"), [(i.kind, i.user_name, i.id, i.detail) for i in found]))
        print()
    counted = ", ".join(f"{number} {kind}" for kind, number in Counter(item.kind for item in found).items())
    print(f"{here} users here, {there} in the file. {counted or 'Nothing differs'}.")


def _json(item: Differing) -> dict[str, str | None]:
    return {
        "difference": item.kind,
        "userName": item.user_name,
        "id": item.id or None,
        "detail": item.detail or None,
    }
