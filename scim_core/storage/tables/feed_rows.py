"""The rows of the feed and of the log, as the relay makes them of what a change says of itself; and the feed's head.

feed:                              the head: `epoch`, `first` and `next` number, `importing`
feed:{number}                      an entry of the feed: names and ids, no values
log:{id}:{place}:{change id}       a change of this resource, whole; or, with `of`, that a change of another one, whose
                                   row has the key `of`, has added or removed a membership of this one
was:{key}:{id}                     the resource had this unique value, and gave it up
attempt:{place}:{id}               a request that did not do all that it asked for: refused, or something was ignored

The newest row of a log comes first: log_keys.py says what a place is.
All have `id` and `lastModified`: version 0.2 expects them of every row of a tenant that it does not know.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from scim_core.clock import instant_text
from scim_core.model import Column
from scim_core.storage.feed_port import SEEN, Attempt, FeedChange, FeedHead, FeedRow
from scim_core.storage.tables import keys, log_keys
from scim_core.storage.tables.entities import split
from scim_core.storage.tables.outbox import OutboxRow, lines_of, new_change_id, stamp
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row

_EPOCH_BYTES = 8


def new_epoch() -> str:
    """An epoch that no feed has had."""
    return secrets.token_hex(_EPOCH_BYTES)


def to_head(entity: Mapping[str, Any]) -> FeedHead:
    """The head of a row."""
    return FeedHead(entity["epoch"], int(entity["first"]), int(entity["next"]), bool(entity.get("importing")))


def head_insertion(head: FeedHead) -> RowOperation:
    """The tenant has a feed from now on."""
    properties: dict[str, Column] = {
        "id": "",
        "lastModified": "",
        "epoch": head.epoch,
        "first": str(head.first),
        "next": str(head.next),
        "importing": head.importing,
    }
    return RowOperation(Verb.INSERT, Role.FEED, keys.feed_head(), properties)


def head_change(etag: str = "", **properties: Column) -> RowOperation:
    """These properties of the head have other values; with an `etag`, if nobody else has changed it."""
    return RowOperation(Verb.MERGE, Role.FEED, keys.feed_head(), dict(properties), etag)


def to_feed_row(row: Row) -> FeedRow:
    """The entry of a row."""
    entity = row.properties
    return FeedRow(
        number=keys.feed_number(entity["RowKey"]),
        time=entity["lastModified"],
        change=FeedChange(entity["change"]),
        resource_type=entity["type"],
        id=entity["id"],
        attributes=lines_of(entity, "attributes"),
        joined=lines_of(entity, "joined"),
        left=lines_of(entity, "left"),
        entry=entity["entry"],
        trace_parent=entity.get("traceparent") or "",
        marks=lines_of(entity, "marks"),
    )


def relayed(said: OutboxRow, number: int | None) -> dict[str, RowOperation]:
    """The operations, by row key, that move a change from the outbox to the log, and under a number to the feed."""
    operations = [
        RowOperation(Verb.DELETE, Role.OUTBOX, said.key),
        _logged(said),
        *_pointers(said),
        *_former(said),
        *([_entry(said, number)] if number is not None else []),
    ]
    return {item.key: item for item in operations}


def attempted(attempt: Attempt) -> RowOperation:
    """The attempt is in the log. Nobody else writes this row."""
    properties: dict[str, Column] = {
        "id": attempt.id,
        "type": attempt.resource_type,
        "lastModified": instant_text(attempt.at),
        "outcome": str(attempt.outcome),
        **({"others": str(attempt.others)} if attempt.others else {}),
        **split("n", attempt.text),
    }
    key_of = log_keys.seen if attempt.outcome in SEEN else log_keys.attempt
    key = key_of(stamp(attempt.at, ""), new_change_id())
    return RowOperation(Verb.UPSERT, Role.FEED, key, properties)


def _logged(said: OutboxRow) -> RowOperation:
    return RowOperation(Verb.UPSERT, Role.FEED, _log_key(said), said.properties())


def _pointers(said: OutboxRow) -> list[RowOperation]:
    """Each member that joined or left has its row in the log, too. So has what was linked to a deleted resource."""
    return [
        RowOperation(
            Verb.UPSERT,
            Role.FEED,
            log_keys.logged(resource_id, said.stamp, said.change_id),
            {"id": resource_id, "lastModified": said.time, "change": word, "of": _log_key(said)},
        )
        for word, ids in (("joined", said.joined), ("left", said.left))
        for resource_id in ids
    ]


def _former(said: OutboxRow) -> list[RowOperation]:
    return [
        RowOperation(
            Verb.UPSERT,
            Role.FEED,
            keys.was(unique_key, said.resource_id),
            {"id": said.resource_id, "lastModified": said.time, "type": said.resource_type, "of": _log_key(said)},
        )
        for unique_key in said.former
    ]


def _entry(said: OutboxRow, number: int) -> RowOperation:
    """An entry of the feed. That a resource is gone says of its memberships that they are gone."""
    edges = {} if said.change is FeedChange.DELETED else {"joined": said.joined, "left": said.left}
    lines = {"attributes": said.note.attributes, "marks": said.note.marks, **edges}
    properties: dict[str, Column] = {
        "id": said.resource_id,
        "type": said.resource_type,
        "change": said.change.value,
        "lastModified": said.time,
        "entry": _log_key(said),
        **({"traceparent": said.note.trace_parent} if said.note.trace_parent else {}),
        **{name: "\n".join(values) for name, values in lines.items() if values},
    }
    return RowOperation(Verb.INSERT, Role.FEED, keys.feed(number), properties)


def _log_key(said: OutboxRow) -> str:
    return log_keys.logged(said.resource_id, said.stamp, said.change_id)
