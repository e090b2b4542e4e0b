"""`admin schemas`: which resource types and extensions a tenant has."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scim_core.access.administration import Administration
from scim_core.access.credential_plans import Refused
from scim_core.admin.presentation import table
from scim_core.chosen_schemas import AS_BY_DEFAULT, ChosenSchemas, always_there
from scim_core.protocol.schemas import Catalogue, load_catalogue

ALWAYS, BY_DEFAULT, ALLOWED, DENIED = "every tenant has it", "default", "allowed", "denied"
"""Why a tenant has something, or not."""

UNDECLARED = "no file declares it"

_COPIES = "Programs that keep a copy begin again with it after: feed new-epoch --tenant "


@dataclass(frozen=True, slots=True)
class Choosable:
    """A resource type, or the extension `of` one, and whether tenants have it by default."""

    name: str
    of: str
    on_by_default: bool

    def has(self, chosen: ChosenSchemas) -> bool:
        """Whether a tenant with this choice has it: an extension only with its resource type."""
        return chosen.has(self.name, by_default=self.on_by_default)

    def because(self, chosen: ChosenSchemas) -> str:
        """What decides that."""
        if always_there(self.name):
            return ALWAYS
        for said, names in ((DENIED, chosen.denied), (ALLOWED, chosen.allowed)):
            if self.name.lower() in names.lower().split():
                return said
        return BY_DEFAULT


class SchemaCommands:
    """Runs one command. `tell` prints a line of the result."""

    def __init__(self, administration: Administration, arguments: Namespace, *, tell: Callable[[str], None]) -> None:
        self._administration = administration
        self._arguments = arguments
        self._tell = tell

    async def run(self) -> None:
        """The command is done, and its result is printed. Raises DefinitionError, RegistryError, StorageError."""
        folder = self._arguments.schemas
        declared = list(_declared(load_catalogue(Path(folder) if folder else None)))
        command: Callable[[Sequence[Choosable]], Any] = getattr(self, self._arguments.action)
        await command(declared)

    async def list(self, declared: Sequence[Choosable]) -> None:
        """All of them, and what the tenant has if one is named."""
        tenant = self._arguments.tenant
        chosen = (await self._administration.tenant(tenant)).schemas if tenant else AS_BY_DEFAULT
        self._print(declared, chosen)

    async def allow(self, declared: Sequence[Choosable]) -> None:
        """The tenant has these, whatever the default is."""
        names = _spelt(declared, self._arguments.names)
        await self._change("schemas allow", declared, lambda chosen: chosen.allowing(names))

    async def deny(self, declared: Sequence[Choosable]) -> None:
        """The tenant has these no longer."""
        names = _spelt(declared, self._arguments.names)
        for name in filter(always_there, names):
            raise Refused(f"Every tenant has {name}: it cannot be denied.")
        await self._change("schemas deny", declared, lambda chosen: chosen.denying(names))

    async def default(self, declared: Sequence[Choosable]) -> None:
        """Nothing is said about these any more, or about anything."""
        names = self._arguments.names
        known = {item.name.lower() for item in declared}

        def plan(chosen: ChosenSchemas) -> ChosenSchemas:
            said = " ".join(chosen).lower().split()
            _require(name for name in names if name.lower() not in known.union(said))
            return chosen.without(names) if names else AS_BY_DEFAULT

        await self._change("schemas default", declared, plan)

    async def _change(
        self, method: str, declared: Sequence[Choosable], plan: Callable[[ChosenSchemas], ChosenSchemas]
    ) -> None:
        tenant = await self._administration.choose_schemas(self._arguments.tenant, method, plan)
        said = f"Tenant {tenant.id} is changed. Every instance knows of it within a minute. {_COPIES}{tenant.id}"
        self._print(declared, tenant.schemas, f"{said}\n\n")

    def _print(self, declared: Sequence[Choosable], chosen: ChosenSchemas, said: str = "") -> None:
        rows = list(_rows(declared, chosen, of_tenant=bool(self._arguments.tenant)))
        if self._arguments.json:
            self._tell(json.dumps(rows, indent=2))
            return
        names = {"name": "NAME", "extends": "EXTENDS", "default": "DEFAULT", "has": "HAS IT", "because": "BECAUSE"}
        shown = [title for key, title in names.items() if key in rows[0]]
        cells = [[_cell(row[key]) for key in names if key in row] for row in rows]
        self._tell(said + table(shown, cells))


def _declared(catalogue: Catalogue) -> Iterator[Choosable]:
    off = catalogue.off_by_default
    for item in catalogue:
        yield Choosable(item.name, "", item.name.lower() not in off)
        for urn in item.extensions:
            yield Choosable(urn, item.name, urn.lower() not in off)


def _spelt(declared: Sequence[Choosable], names: Sequence[str]) -> list[str]:
    """The names as the files spell them. Raises Refused for one that no file declares."""
    known = {item.name.lower(): item.name for item in declared}
    _require(name for name in names if name.lower() not in known)
    return [known[name.lower()] for name in names]


def _require(undeclared: Iterable[str]) -> None:
    """Raises Refused for the first of these names."""
    for name in undeclared:
        raise Refused(
            f"No file declares {name!r}. Give the folder of your own files with --schemas; `schemas list` shows every "
            "name."
        )


def _rows(declared: Sequence[Choosable], chosen: ChosenSchemas, *, of_tenant: bool) -> Iterator[dict[str, Any]]:
    """What there is, and what was said of names that no file declares (any more)."""
    by_name = {item.name: item for item in declared}
    for item in declared:
        row: dict[str, Any] = {"name": item.name, "extends": item.of or None, "default": item.on_by_default}
        if of_tenant:
            lacking = item.of and not by_name[item.of].has(chosen)
            row["has"] = item.has(chosen) and not lacking
            row["because"] = f"{item.of}: {by_name[item.of].because(chosen)}" if lacking else item.because(chosen)
        yield row
    known = {name.lower() for name in by_name}
    for said, names in ((ALLOWED, chosen.allowed), (DENIED, chosen.denied)):
        for name in names.split():
            if name.lower() not in known:
                because = f"{said}, {UNDECLARED}"
                yield {"name": name, "extends": None, "default": False, "has": False, "because": because}


def _cell(value: str | bool | None) -> str:
    return value or "" if not isinstance(value, bool) else "yes" if value else "no"
