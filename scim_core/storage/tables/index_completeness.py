"""Keeps the record of complete indexes true. ADR 0025 says how.

An instance believes a record for RECORD_SECONDS after it has read it. A writer may find an index in the record that it
does not keep. Then it withdraws the index first, and writes once nobody uses the index any more.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from scim_core.caches import Fresh
from scim_core.clock import Clock
from scim_core.ids import first_id
from scim_core.model import FIRST_INDEXES, FIRST_TYPES, Index, StoredResource, names_of
from scim_core.storage.port import StorageBusy, VersionConflict
from scim_core.storage.tables import keys
from scim_core.storage.tables.entities import ReadState, indexed
from scim_core.storage.tables.errors import RowFailure
from scim_core.storage.tables.index_record import (
    RECORD_SECONDS,
    SKEW_SECONDS,
    USED_SECONDS,
    IndexRecord,
    IndexState,
    TypeRecord,
    record_properties,
    to_record,
)
from scim_core.storage.tables.reading import ID, read_range
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows, read_pages

TENANTS_REMEMBERED = 10_000
"""Records that an instance remembers: a few hundred bytes each."""

MAX_ATTEMPTS = 10
"""How often a change of a record is tried while others change it."""

VERIFIED_AGAIN_AFTER = timedelta(hours=1)
"""Age at which `verified` is moved on. So a new instance looks at the creations of an hour at most."""

MOST_LOOKED_AT = 1_000
"""With more creations than this `verified` is moved on earlier: one answer holds so many. While a tenant is being
filled, every instance would otherwise read the creations of up to an hour, once a minute.
"""

log = logging.getLogger(__name__)


async def read_record(rows: Rows, tenant: str) -> IndexRecord:
    """The record of this tenant as it is now."""
    row = await rows.get(tenant, keys.indexes())
    return to_record(row.properties, row.etag) if row else IndexRecord()


async def change_record(
    rows: Rows, tenant: str, record: IndexRecord, change: Callable[[IndexRecord], IndexRecord]
) -> IndexRecord:
    """The record as stored after `change`. If others change it at the same time, `change` is made again to theirs.

    If it changes nothing, nothing is written. Raises StorageBusy.
    """
    for _ in range(MAX_ATTEMPTS):
        changed = change(record)
        if changed == record:
            return record
        verb = Verb.REPLACE if record.etag else Verb.INSERT
        properties = record_properties(changed)
        operation = RowOperation(verb, Role.OTHER, keys.indexes(), properties, etag=record.etag)
        try:
            [etag] = await rows.transact(tenant, [operation])
        except (RowFailure, VersionConflict):
            record = await read_record(rows, tenant)
        else:
            return replace(changed, etag=etag)
    raise StorageBusy("Other instances are changing the record of the tenant's indexes.")


class Completeness:
    """What one instance remembers of the records of all tenants."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: Fresh[str, IndexRecord] = Fresh(TENANTS_REMEMBERED, RECORD_SECONDS)
        self._verified: Fresh[tuple[str, str], None] = Fresh(TENANTS_REMEMBERED, RECORD_SECONDS)

    async def complete(self, rows: Rows, tenant: str, indexes: frozenset[Index]) -> frozenset[Index]:
        """The ones of these indexes of one resource type that searches may use. FIRST_INDEXES cost no read."""
        if indexes <= FIRST_INDEXES:
            return indexes
        [resource_type] = {index.resource_type for index in indexes}
        record = await self._verified_record(rows, tenant, resource_type)
        complete = record.of(resource_type).named(IndexState.COMPLETE)
        return frozenset(index for index in indexes if index in FIRST_INDEXES or index.name in complete)

    async def has_names(self, rows: Rows, tenant: str, resource_type: str) -> bool:
        """Whether each value of the type is found by its key of today. Costs reads as `complete` does."""
        record = await self._verified_record(rows, tenant, resource_type)
        return names_of(resource_type).name in record.of(resource_type).named(IndexState.COMPLETE)

    async def permit_write(self, rows: Rows, tenant: str, resource: StoredResource) -> None:
        """Returns when this write hides the resource from no search that uses an index.

        A resource with the first indexes only, now and before, costs no read. Raises StorageBusy when it has to wait.
        """
        names = names_of(resource.resource_type).name  # kept, or looked after by `admin reindex`: never given up here
        kept = frozenset(index.name for index in resource.indexes - FIRST_INDEXES) - {names}
        kept_so_far = ReadState.of(resource).indexed - {names} if resource.etag else frozenset[str]()
        if resource.resource_type in FIRST_TYPES and not kept and not kept_so_far:
            return
        name = resource.resource_type
        record = await self._record(rows, tenant)
        if name not in record.types:
            record = await self._entered(rows, tenant, record, name, kept)
        kept |= {names}
        if record.of(name).named(IndexState.BUILDING, IndexState.COMPLETE) - kept:
            record = await self._without(
                rows,
                tenant,
                record,
                name,
                lambda found: found.named(IndexState.BUILDING, IndexState.COMPLETE) - kept,
            )
        until, now = record.of(name).waits_until(kept), self._clock()
        if until is not None and until > now:
            raise StorageBusy(
                "Another instance has a resource type's file with an index that is unknown here; it is being given up.",
                math.ceil((until - now).total_seconds()),
            )

    async def _record(self, rows: Rows, tenant: str) -> IndexRecord:
        since = self._clock()
        if (remembered := self._records.get(tenant, since.timestamp())) is not None:
            return remembered[0]
        record = await read_record(rows, tenant)
        self._records.put(tenant, record, since.timestamp())
        return record

    async def _changed(
        self, rows: Rows, tenant: str, record: IndexRecord, change: Callable[[IndexRecord], IndexRecord]
    ) -> IndexRecord:
        since = self._clock()
        record = await change_record(rows, tenant, record, change)
        self._records.put(tenant, record, since.timestamp())
        return record

    async def _entered(
        self, rows: Rows, tenant: str, record: IndexRecord, resource_type: str, kept: frozenset[str]
    ) -> IndexRecord:
        """The record with an entry for the type. If the type has no resource yet, its indexes are complete.

        A writer stores this entry before it creates the first resource of the type. If two writers do so, the second
        one finds the entry of the first one. A type that has resources already starts without a complete index.
        """
        now = self._clock()
        first = await read_range(rows, tenant, keys.resources(resource_type), limit=1, select=ID)
        of_type = TypeRecord(now) if first else TypeRecord(now).having(kept, IndexState.COMPLETE, now)

        def entered(found: IndexRecord) -> IndexRecord:
            return found if resource_type in found.types else found.having(resource_type, of_type)

        return await self._changed(rows, tenant, record, entered)

    async def _without(
        self,
        rows: Rows,
        tenant: str,
        record: IndexRecord,
        resource_type: str,
        lost: Callable[[TypeRecord], frozenset[str]],
    ) -> IndexRecord:
        """The record after the indexes of the type that `lost` finds in it are given up."""

        def without(found: IndexRecord) -> IndexRecord:
            of_type = found.of(resource_type)
            names = lost(of_type)
            return found.having(resource_type, of_type.without(names, self._clock())) if names else found

        log.warning("an index is given up: an instance that does not keep it writes", extra={"tenant": tenant})
        return await self._changed(rows, tenant, record, without)

    async def _verified_record(self, rows: Rows, tenant: str, resource_type: str) -> IndexRecord:
        """The record. Once a minute it is compared with the resources that were created lately.

        If one of these is missing in a complete index, its writer knows of no record: it is version 0.1, or declares
        the first indexes only. Then the index is given up.
        """
        since = self._clock()
        record = await self._record(rows, tenant)
        of_type = record.of(resource_type)
        complete = of_type.named(IndexState.COMPLETE)
        if not complete or self._verified.get((tenant, resource_type), since.timestamp()) is not None:
            return record
        kept, looked_at = await self._kept_lately(rows, tenant, resource_type, of_type.verified, complete)
        if kept != complete:
            record = await self._without(
                rows, tenant, record, resource_type, lambda found: found.named(IndexState.COMPLETE) - kept
            )
        elif looked_at > MOST_LOOKED_AT or since - of_type.verified > VERIFIED_AGAIN_AFTER:
            moved = replace(of_type, verified=since)

            def verified(found: IndexRecord) -> IndexRecord:
                return found.having(resource_type, moved) if found.of(resource_type) == of_type else found

            record = await self._changed(rows, tenant, record, verified)
        self._verified.put((tenant, resource_type), None, since.timestamp())
        return record

    async def _kept_lately(
        self, rows: Rows, tenant: str, resource_type: str, verified: datetime, names: frozenset[str]
    ) -> tuple[frozenset[str], int]:
        """The ones of these indexes that are named by every resource which may have been created since `verified`.

        Also the number of these resources.
        """
        looked_at = 0
        after = first_id(verified - timedelta(seconds=USED_SECONDS + SKEW_SECONDS))
        lately = keys.resources(resource_type, after)
        async for page in read_pages(rows, tenant, lately, select="id,indexed"):
            looked_at += len(page)
            for row in page:
                names &= indexed(row.properties)
        return names, looked_at
