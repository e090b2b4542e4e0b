"""`admin lint-mapping`: what this endpoint will do with an attribute mapping that Entra exports."""

import json
from argparse import Namespace
from collections.abc import Sequence

from scim_core.admin.known_tenant import catalogue_of
from scim_core.admin.presentation import table
from scim_core.protocol.mapping_lint import MappingFinding, Verdict, lint_mappings
from scim_core.protocol.synchronization_schema import object_mappings
from scim_core.registry import Gone, Tenant
from scim_core.settings import StorageSettings
from scim_core.storage.tables import table_registry

NOTHING, SOMETHING = 0, 1
"""Exit codes: there is nothing to complain about, or there is something."""


async def run(given: Namespace, settings: StorageSettings | None) -> int:
    """The exit code. What is found is printed. With `settings`, what the tenant has counts, and otherwise all files.

    Raises DefinitionError, MappingFileError, OSError, Gone, StorageError.
    """
    tenant = await _tenant(given.tenant, settings) if settings is not None else None
    catalogue = catalogue_of(tenant, given.schemas)
    found = lint_mappings(catalogue, object_mappings(given.file.read_bytes()))
    wrong = [item for item in found if item.advice]
    if given.json:
        print(json.dumps({"good": not wrong, "targets": [_json(item) for item in found]}, indent=2))
    else:
        _tell(found, wrong)
    return SOMETHING if wrong else NOTHING


async def _tenant(tenant_id: str, settings: StorageSettings) -> Tenant:
    registry = table_registry(settings)
    try:
        tenant = await registry.load(tenant_id)
    finally:
        await registry.close()
    if tenant is None:
        raise Gone(f"There is no tenant {tenant_id!r}; `tenants list` shows all of them.")
    return tenant


def _tell(found: Sequence[MappingFinding], wrong: Sequence[MappingFinding]) -> None:
    print(table(("TYPE", "TARGET", "VERDICT"), [(item.resource_type, item.target, item.verdict) for item in found]))
    for item in wrong:
        print(f"\n{item.resource_type} {item.target or '(as a whole)'}: {item.verdict}\n  {item.advice}")
    kept = sum(item.verdict is Verdict.KEPT for item in found)
    print(f"\n{kept} targets are stored as sent. {_number(wrong)}")


def _number(wrong: Sequence[MappingFinding]) -> str:
    return f"{len(wrong)} to look at." if wrong else "There is nothing to complain about."


def _json(item: MappingFinding) -> dict[str, str | None]:
    return {
        "type": item.resource_type,
        "target": item.target or None,
        "verdict": item.verdict,
        "advice": item.advice or None,
    }
