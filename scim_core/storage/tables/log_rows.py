"""Rows of the provisioning log as they are read: of changes, which wait or are relayed, and of attempts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from scim_core.storage.feed_port import Attempt, AttemptOutcome, LogRow
from scim_core.storage.tables import keys, log_keys
from scim_core.storage.tables.entities import joined
from scim_core.storage.tables.outbox import lines_of
from scim_core.storage.tables.rows import Row


def concerned(entity: Mapping[str, Any]) -> set[str]:
    """The ids of the resources in whose log a change that waits will be."""
    return {entity["id"], *lines_of(entity, "joined"), *lines_of(entity, "left")}


def to_log_row(row: Row, resource_id: str) -> LogRow:
    """The change in the log of this resource. One that waits is told of a member as the relay will tell it."""
    entity = row.properties
    entry = entity.get("of") or entity.get("entry") or entity["RowKey"]
    other = entity["of"].split(":")[1] if entity.get("of") else ""
    change = entity["change"]
    members = (lines_of(entity, "joined"), lines_of(entity, "left"))
    if entity["id"] != resource_id:
        other, change = entity["id"], "joined" if resource_id in members[0] else "left"
    return LogRow(
        time=entity["lastModified"],
        change=change,
        resource_type=entity.get("type") or "",
        id=resource_id,
        attributes=lines_of(entity, "attributes"),
        joined=() if other else members[0],
        left=() if other else members[1],
        note="".join(joined("n", entity)),
        of=other,
        entry=entry,
        place=_place(entity["RowKey"]),
        change_id=entry.rpartition(":")[2],
        part_of=entity.get("partOf") or "",
    )


def to_attempt(row: Row) -> Attempt:
    """The attempt of a row."""
    entity = row.properties
    return Attempt(
        at=datetime.fromisoformat(entity["lastModified"]),
        outcome=AttemptOutcome(entity["outcome"]),
        resource_type=entity["type"],
        id=entity["id"],
        text="".join(joined("n", entity)),
        others=int(entity.get("others") or 0),
        place=log_keys.place_of(entity["RowKey"]),
    )


def _place(key: str) -> str:
    """The place in a log, or the number in the feed."""
    return str(keys.feed_number(key)) if keys.kind_of(key) == "feed" else log_keys.place_of(key)
