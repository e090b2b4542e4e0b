"""What must hold between the rows of one tenant, and which rows break it. Pure: rows in, findings out.

A resource and its index rows name each other. A membership has both its rows, and both its ends exist. No change waits
to be applied.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from scim_core.model import RESERVED_NAMES
from scim_core.storage.tables import keys
from scim_core.storage.tables.entities import group_type_of, listed_index_keys
from scim_core.storage.tables.large_change import ChangeKind

Snapshot = Mapping[str, Mapping[str, Any]]
"""Rows by row key, each with at least the properties in SELECTED that it has."""

SELECTED = "RowKey,id,i0,i1,i2,i3,pending,group,groupType,member,type,mark,kind"
"""What is read of each row. Four parts hold the index keys of any resource, because one transaction writes them all."""


class Problem(StrEnum):
    """What can be wrong, as a sentence that `row` and `other` complete."""

    INDEX_MISSING = "{row} is not found by {other}, which it should be"
    INDEX_STRAY = "{row} finds {other}, which is not there or has another value"
    INDEX_LACKING = "{row} has no row {other}, which the file of its resource type asks for"
    INDEX_INCOMPLETE = "{row} has an index {other} that is not complete and not used: `admin reindex` completes it"
    NAMES_ARE_ONE = "{row} has a unique value that is equal to that of {other}: change or delete one of them"
    NAMES_INCOMPLETE = (
        "{row}: {other} resources are found by the key of version 0.2 alone: `admin reindex` adds that of today"
    )
    HALF_MEMBERSHIP = "{row} is a membership whose other half, {other}, is missing"
    DANGLING_MEMBERSHIP = "{row} is a membership of {other}, which does not exist"
    UNFINISHED = "{row} is a large change that has not been applied yet"
    STRAY_PART = "{row} belongs to a large change that is not there"
    WAITS_IN_VAIN = "{row} waits for a large change, {other}, that is not there"


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a row; `other` is the key of the row that it is with."""

    problem: Problem
    row: str
    other: str = ""

    def __str__(self) -> str:
        """A sentence for an operator."""
        return self.problem.value.format(row=self.row, other=self.other)


def findings(rows: Snapshot) -> Iterator[Finding]:
    """Everything that these rows break, if they are all rows that there are."""
    for key, properties in rows.items():
        kind = keys.kind_of(key)
        if kind == "member":
            yield from _membership(rows, key, keys.member_of(properties["member"], properties["group"]))
        elif kind == "memberOf":
            yield from _membership(rows, key, keys.member(properties["group"], properties["member"]))
        elif kind == "pending":
            yield from _pending(rows, key)
        elif "." in kind:
            yield from _index_row(rows, key, f"{kind.partition('.')[0]}:{properties['id']}")
        elif kind not in RESERVED_NAMES:
            yield from _resource(rows, key, properties)


def concerned(finding: Finding, rows: Snapshot) -> set[str]:
    """The keys of all rows on which this finding depends: whoever looks at it again reads them."""
    concerned = {finding.row}
    if finding.other:
        concerned.add(finding.other)
    properties = rows.get(finding.row, {})
    for resource_id in (properties.get("id"), properties.get("group"), properties.get("member")):
        if resource_id:
            concerned.add(keys.pending(resource_id))
    if finding.problem is Problem.STRAY_PART:
        concerned.add(_change_key(finding.row))
    return concerned


def _resource(rows: Snapshot, key: str, properties: Mapping[str, Any]) -> Iterator[Finding]:
    for index_key in listed_index_keys(properties):
        if rows.get(index_key, {}).get("id") != properties["id"]:
            yield Finding(Problem.INDEX_MISSING, key, index_key)
    change_key = keys.pending(properties["id"])
    change_id = properties.get("pending")
    if change_id and rows.get(change_key, {}).get("mark") != change_id:
        yield Finding(Problem.WAITS_IN_VAIN, key, change_key)


def _index_row(rows: Snapshot, key: str, resource_key: str) -> Iterator[Finding]:
    if key not in listed_index_keys(rows.get(resource_key, {})):
        yield Finding(Problem.INDEX_STRAY, key, resource_key)


def _membership(rows: Snapshot, key: str, twin: str) -> Iterator[Finding]:
    properties = rows[key]
    if twin not in rows:
        yield Finding(Problem.HALF_MEMBERSHIP, key, twin)
    for resource_type, resource_id in (
        (group_type_of(properties), properties["group"]),
        (properties["type"], properties["member"]),
    ):
        resource_key = keys.resource(resource_type, resource_id)
        leaving = rows.get(keys.pending(resource_id), {}).get("kind") == ChangeKind.DELETE
        if resource_key not in rows and not leaving:
            yield Finding(Problem.DANGLING_MEMBERSHIP, key, resource_key)


def _pending(rows: Snapshot, key: str) -> Iterator[Finding]:
    change_key = _change_key(key)
    if key == change_key:
        yield Finding(Problem.UNFINISHED, key)
    elif rows.get(change_key, {}).get("mark") != keys.change_of(key)[1]:
        yield Finding(Problem.STRAY_PART, key)


def _change_key(pending_key: str) -> str:
    return ":".join(pending_key.split(":")[:2])
