"""Looks at all rows of a tenant, finds what breaks an invariant, and mends it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scim_core.clock import utc_now
from scim_core.model import Column, Membership, MembershipEdits
from scim_core.storage.feed_port import FeedChange
from scim_core.storage.maintenance.index_checking import enter, index_findings
from scim_core.storage.maintenance.indexing import NOTHING, Declared
from scim_core.storage.maintenance.invariants import SELECTED, Finding, Problem, concerned, findings
from scim_core.storage.port import ChangeNote, StorageBusy
from scim_core.storage.tables import keys, large_change_runner
from scim_core.storage.tables.doorbell import ringing
from scim_core.storage.tables.entities import group_type_of, membership_properties, pending_property, to_membership
from scim_core.storage.tables.errors import RowFailure
from scim_core.storage.tables.outbox import new_change_id, outbox_row
from scim_core.storage.tables.reading import side_by_side
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows, read_pages

REPAIRED = '{"method":"check --repair"}'
"""What the log says of a membership that a repair has completed or removed."""


@dataclass(frozen=True, slots=True)
class Checked:
    """How many rows were looked at, and what they break."""

    rows: int
    findings: list[Finding]


async def check(
    rows: Rows, tenant: str, progress: Callable[[int], object] = lambda _: None, declared: Declared = NOTHING
) -> Checked:
    """What the rows of this tenant break, in key order; then what is missing in the indexes that the files declare.

    `progress` is told how many rows were read. Rows may change while they are read. So each finding is looked at
    again, in rows that are read together.
    """
    snapshot: dict[str, dict[str, Any]] = {}
    async for page in read_pages(rows, tenant, keys.everything(), select=SELECTED):
        snapshot |= {row.properties["RowKey"]: _told(row.properties) for row in page}
        progress(len(page))
    found = list(findings(snapshot))
    standing = [item for item in found if await _stands(rows, tenant, item, snapshot)]
    missing = [item async for item in index_findings(rows, tenant, declared)]
    return Checked(len(snapshot), standing + missing)


async def repair(rows: Rows, tenant: str, finding: Finding, declared: Declared = NOTHING) -> bool:
    """Whether the finding is mended. A missing row is written if all that it needs exists; everything else is deleted.

    False: another resource has the unique value, others change the same rows, or an index is not complete, which
    `reindex` mends.
    """
    match finding.problem:
        case Problem.INDEX_INCOMPLETE | Problem.NAMES_INCOMPLETE | Problem.NAMES_ARE_ONE:
            return False
        case Problem.INDEX_LACKING:
            return await enter(rows, tenant, finding, declared)
    return await _mended(rows, tenant, finding)


async def _mended(rows: Rows, tenant: str, finding: Finding) -> bool:
    row = await rows.get(tenant, finding.row, select=SELECTED)
    if row is None or not await _stands(rows, tenant, finding, {finding.row: _told(row.properties)}):
        return True
    try:
        match finding.problem:
            case Problem.UNFINISHED:
                return await large_change_runner.apply(
                    rows, tenant, row.properties["id"], large_change_runner.WHOLE_SECONDS
                )
            case Problem.STRAY_PART:
                return await large_change_runner.abandon(rows, tenant, *keys.change_of(finding.row))
            case Problem.WAITS_IN_VAIN:
                await rows.transact(tenant, [_unchanged(finding, row, pending_property(""))])
            case Problem.INDEX_MISSING:
                index_row = RowOperation(Verb.INSERT, Role.INDEX, finding.other, {"id": row.properties["id"]})
                await rows.transact(tenant, [_unchanged(finding, row), index_row])
            case Problem.HALF_MEMBERSHIP:
                await _complete(rows, tenant, finding, row)
            case Problem.DANGLING_MEMBERSHIP:
                await _sever(rows, tenant, row.properties)
            case Problem.INDEX_STRAY:
                await rows.transact(tenant, [RowOperation(Verb.DELETE, Role.INDEX, finding.row, etag=row.etag)])
    except (RowFailure, StorageBusy):
        return False
    return True


async def _stands(rows: Rows, tenant: str, finding: Finding, snapshot: dict[str, dict[str, Any]]) -> bool:
    wanted = sorted(concerned(finding, snapshot))
    found = await side_by_side(rows.get(tenant, key, select=SELECTED) for key in wanted)
    now = {key: _told(row.properties) for key, row in zip(wanted, found, strict=True) if row}
    return finding in set(findings(now))


def _unchanged(finding: Finding, row: Row, properties: dict[str, Column] | None = None) -> RowOperation:
    """A touch of the row of the finding that demands the state in which it was read."""
    return RowOperation(Verb.MERGE, Role.RESOURCE, finding.row, properties or {}, row.etag)


async def _complete(rows: Rows, tenant: str, finding: Finding, row: Row) -> None:
    """If both ends exist, a membership was meant: the other half is written. Otherwise this half is deleted."""
    ends = (
        keys.resource(group_type_of(row.properties), row.properties["group"]),
        keys.resource(row.properties["type"], row.properties["member"]),
    )
    found = await side_by_side(rows.get(tenant, key, select="id,stamp") for key in ends)
    if None in found:
        await _sever(rows, tenant, row.properties)
        return
    half = await rows.get(tenant, finding.row)
    if half is not None:
        edge = to_membership(half.properties)
        same = membership_properties(edge, edge.change_id)
        other_half = RowOperation(Verb.UPSERT, Role.MEMBERSHIP, finding.other, same)
        said = await _said(rows, tenant, MembershipEdits(add=(edge,)), found[0])
        await rows.transact(tenant, [_unchanged(finding, half), other_half, said])


async def _sever(rows: Rows, tenant: str, properties: dict[str, Any]) -> None:
    """Both rows of the membership are gone. One of them, or both, may have been gone before."""
    group_id, member_id = properties["group"], properties["member"]
    both = (keys.member(group_id, member_id), keys.member_of(member_id, group_id))
    found = await side_by_side(rows.get(tenant, key, select="id") for key in both)
    there = [key for key, row in zip(both, found, strict=True) if row]
    if there:
        group_type = group_type_of(properties)
        group = await rows.get(tenant, keys.resource(group_type, group_id), select="id,stamp")
        edge = Membership(group_id, member_id, group_type=group_type)
        said = await _said(rows, tenant, MembershipEdits(remove=(edge,)), group)
        await rows.transact(tenant, [*(RowOperation(Verb.DELETE, Role.MEMBERSHIP, key) for key in there), said])


async def _said(rows: Rows, tenant: str, edits: MembershipEdits, group: Row | None) -> RowOperation:
    """The row in which a repair says what it changes. The timer knows that it may wait for the relay."""
    [edge] = (*edits.add, *edits.remove)
    now = utc_now()
    await rows.transact(keys.SWEEP, [ringing(tenant, now)])
    said = outbox_row(
        FeedChange.MEMBERS,
        edge.group_type,
        edge.group_id,
        change_id=new_change_id(),
        now=now,
        after=(group.properties.get("stamp") or "") if group else "",
        note=ChangeNote(text=REPAIRED),
    )
    return said.having(edits).insertion()


def _told(properties: dict[str, Any]) -> dict[str, Any]:
    """What the row says, without None: that is the answer for a property that the row does not have."""
    return {name: value for name, value in properties.items() if value is not None}
