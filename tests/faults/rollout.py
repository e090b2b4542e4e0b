"""A deployment whose schema files change: instances of several versions side by side over one table, and one clock."""

import functools
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from scim_core import composition
from scim_core.admin.declared import DeclaredIndexes
from scim_core.model import (
    FIRST_INDEXES,
    FIRST_TYPES,
    NO_EDITS,
    Index,
    IndexEntry,
    Membership,
    MembershipEdits,
    StoredResource,
)
from scim_core.protocol.schemas import Catalogue, load_catalogue
from scim_core.storage.maintenance.checking import check
from scim_core.storage.maintenance.indexing import NOTHING, Declared
from scim_core.storage.maintenance.reindexing import Reindexed, Surroundings, reindex
from scim_core.storage.port import NO_NOTE, ChangeNote, StorageBusy
from scim_core.storage.tables import TableStorage
from scim_core.storage.tables.entities import ReadState
from scim_core.storage.tables.index_completeness import Completeness, read_record
from scim_core.storage.tables.index_record import IndexRecord, IndexState
from scim_core.storage.tables.names import Names
from scim_core.storage.tables.rows import Rows
from tests.scim import Client, Clock, Json, attribute, endpoint_over, schema_files

TENANT = "default"
DEVICE = "urn:example:params:scim:schemas:core:2.0:Device"


def device_files(folder: Path, *indexed: str, unique: str = "", case_exact: str = "") -> Path:
    """The files of a resource type Device that declares these attributes as indexed; `unique` names the unique ones."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = [
        attribute(name, uniqueness="server" if name in unique.split() else "none", caseExact=name == case_exact)
        for name in ("displayName", "serialNumber", "site")
    ]
    schema: Json = {"id": DEVICE, "name": "Device", "description": "A device", "attributes": plain}
    kind: Json = {"id": "Device", "name": "Device", "description": "A device", "endpoint": "/Devices"}
    return schema_files(folder, device=schema, device_type=kind | {"schema": DEVICE, "indexed": list(indexed)})


class FirstStorage(TableStorage):
    """The storage of version 0.1: it knows no record, and takes every declared index for complete."""

    async def complete_indexes(self, tenant: str, indexes: frozenset[Index]) -> frozenset[Index]:
        del tenant
        return indexes

    async def create(
        self,
        tenant: str,
        resource: StoredResource,
        members: Sequence[Membership] = (),
        *,
        note: ChangeNote = NO_NOTE,
        kept: str = "",
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self._completeness, "permit_write", _permitted)
            await super().create(tenant, replace(resource, indexes=frozenset()), members, note=note, kept=kept)

    async def update(
        self, tenant: str, resource: StoredResource, edits: MembershipEdits = NO_EDITS, *, note: ChangeNote = NO_NOTE
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self._completeness, "permit_write", _permitted)
            await super().update(tenant, replace(resource, indexes=frozenset()), edits, note=note)


class SecondCompleteness(Completeness):
    """What version 0.2 knows of records: to it the names of a type are an index that it does not keep."""

    async def permit_write(self, rows: Rows, tenant: str, resource: StoredResource) -> None:
        kept = frozenset(index.name for index in resource.indexes - FIRST_INDEXES)
        kept_so_far = ReadState.of(resource).indexed if resource.etag else frozenset[str]()
        if resource.resource_type in FIRST_TYPES and not kept and not kept_so_far:
            return
        name, used = resource.resource_type, (IndexState.BUILDING, IndexState.COMPLETE)
        record = await self._record(rows, tenant)
        if name not in record.types:
            record = await self._entered(rows, tenant, record, name, kept)
        if record.of(name).named(*used) - kept:
            record = await self._without(rows, tenant, record, name, lambda found: found.named(*used) - kept)
        until, now = record.of(name).waits_until(kept), self._clock()
        if until is not None and until > now:
            raise StorageBusy("An index is being given up.", int((until - now).total_seconds()) + 1)


class SecondNames(Names):
    """Version 0.2 knows only the keys in lower case, and looks for one of them."""

    async def resolved(self, rows: Rows, tenant: str, resource: StoredResource) -> StoredResource:
        del rows, tenant
        return replace(resource, index=frozenset(map(_in_lower_case, resource.index)))

    async def looked_up(self, rows: Rows, tenant: str, resource_type: str, entry: IndexEntry) -> frozenset[IndexEntry]:
        del rows, tenant, resource_type
        return frozenset({_in_lower_case(entry)})


class SecondStorage(TableStorage):
    """The storage of version 0.2."""

    def __init__(self, rows: Rows, clock: Clock) -> None:
        super().__init__(rows, clock)
        self._completeness = SecondCompleteness(clock)
        self._names = SecondNames(self._completeness)


def _in_lower_case(entry: IndexEntry) -> IndexEntry:
    return entry if entry.former is None else replace(entry, key=entry.former, former=None)


async def _permitted(*_: object) -> None:
    """Version 0.1 needs no permission."""


@dataclass
class Instance:
    """One process: its storage, a client of it, and what its files declare."""

    storage: TableStorage
    client: Client
    declared: DeclaredIndexes
    plans: list[str]

    async def device(self, name: str, **attributes: Any) -> Json:
        """A device that is created."""
        answer = await self.client.post("/Devices", {"schemas": [DEVICE], "displayName": name, **attributes})
        assert answer.status == 201, answer.document
        created: Json = answer.document
        return created

    async def devices(self, filter_text: str) -> list[str]:
        """The names of the devices that the filter finds."""
        return sorted(item["displayName"] for item in await self.client.found("/Devices", filter_text))

    async def plan(self, filter_text: str, url: str = "/Devices") -> str:
        """The plan of such a search, as the log says it."""
        self.plans.clear()
        await self.client.found(url, filter_text)
        return self.plans[-1]


@dataclass
class Rollout:
    """A table and the instances that serve it."""

    rows: Rows
    folder: Path
    plans: list[str]
    clock: Clock = field(default_factory=Clock)

    def files(self, *indexed: str, unique: str = "", case_exact: str = "") -> Path:
        """The folder of files that declare these indexes of Device."""
        name = "-".join([*indexed, f"unique{unique}", f"exact{case_exact}"])
        return device_files(self.folder / name, *indexed, unique=unique, case_exact=case_exact)

    def instance(
        self,
        *indexed: str,
        unique: str = "",
        case_exact: str = "",
        rows: Rows | None = None,
        first: bool = False,
        second: bool = False,
        users_by: tuple[str, ...] = (),
    ) -> Instance:
        """A process with these indexes of Device in its files; `users_by` are more of User than version 0.1 had."""
        folder = self.files(*indexed, unique=unique, case_exact=case_exact)
        kind = FirstStorage if first else SecondStorage if second else TableStorage
        storage = kind(rows or self.rows, self.clock)
        catalogue = _indexing_users(_catalogue(folder), users_by)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(composition, "load_catalogue", lambda _: catalogue)
            client = Client(endpoint_over(storage, self.clock, SCIM_SCHEMA_DIRECTORY=str(folder)))
        return Instance(storage, client, DeclaredIndexes(catalogue), self.plans)

    async def pause(self, seconds: float) -> None:
        """The clock of all instances moves on."""
        self.clock.advance(seconds=seconds)

    async def reindexed(
        self,
        instance: Instance,
        pause: Callable[[float], Awaitable[object]] | None = None,
        progress: Callable[[int], object] = lambda _: None,
    ) -> Reindexed:
        """The result of `admin reindex` with the files of this instance."""
        given = Surroundings(self.clock, pause or self.pause, progress)
        return await reindex(instance.storage.rows, TENANT, instance.declared, given)

    async def findings(self, declared: Declared = NOTHING) -> list[str]:
        """What `admin check` says."""
        return [str(item) for item in (await check(self.rows, TENANT, declared=declared)).findings]

    async def record(self) -> IndexRecord:
        """The record, as it is stored."""
        return await read_record(self.rows, TENANT)

    async def complete(self, resource_type: str = "Device") -> set[str]:
        """The indexes of a type that are recorded as complete."""
        return set((await self.record()).of(resource_type).named(IndexState.COMPLETE))


def further(names: Collection[str]) -> set[str]:
    """These names of indexes, without those that stand for all names of a resource type (docs/adr/0029)."""
    return {name for name in names if not name.endswith(".*")}


@functools.cache
def _catalogue(folder: Path) -> Catalogue:
    return load_catalogue(folder)


def _indexing_users(catalogue: Catalogue, users_by: tuple[str, ...]) -> Catalogue:
    types = {
        endpoint: replace(item, indexed_names=(*item.indexed_names, *users_by)) if item.name == "User" else item
        for endpoint, item in catalogue.resource_types.items()
    }
    return replace(catalogue, resource_types=types)


@contextmanager
def searches_planned() -> Iterator[list[str]]:
    """The plans of all searches in the block, as the log names them."""
    log, handler = logging.getLogger("scim_core.service.search"), _PlanLog()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield handler.plans
    log.setLevel(level)
    log.removeHandler(handler)


class _PlanLog(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.plans: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if (plan := getattr(record, "plan", None)) is not None:
            self.plans.append(plan)
