"""What a deletion keeps of a resource, in its own transaction: only an undo reads it, and no export has it.

gone:{stamp}:{change id}           the document, as it was at rest
gone:{stamp}:{change id}:{number}  memberships that it took part in: all of them, or those of a step of a large change

Memberships have rows of their own: a document may be as large as a row can be. All have `id` and `lastModified`, which
version 0.2 expects of every row of a tenant that it does not know.
"""

import json
from collections.abc import Iterable, Sequence

from scim_core.model import Membership, StoredResource
from scim_core.storage.feed_port import GoneResource
from scim_core.storage.tables.entities import document_properties, joined, split
from scim_core.storage.tables.gone_keys import deletion_of, entry_of, gone, gone_edges
from scim_core.storage.tables.outbox import OutboxRow
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row


def kept_document(resource: StoredResource, said: OutboxRow) -> RowOperation:
    """The document of the resource that this change deletes is kept. Nobody else writes this row."""
    properties = {
        "id": resource.id,
        "type": resource.resource_type,
        "lastModified": said.time,
        "created": resource.created,
        **document_properties(resource.document),
    }
    return RowOperation(Verb.UPSERT, Role.FEED, gone(said.stamp, said.change_id), properties)


def kept_edges(
    gone_key: str, resource_id: str, edges: Iterable[Membership], *, done: int, time: str
) -> list[RowOperation]:
    """These memberships of the deleted resource are kept, after `done` others; no operation if there are none."""
    lines = [f"{edge.group_id}\t{edge.member_id}\t{edge.member_type}\t{edge.group_type}" for edge in edges]
    if not lines:
        return []
    properties = {"id": resource_id, "lastModified": time, **split("m", "\n".join(lines))}
    return [RowOperation(Verb.UPSERT, Role.FEED, gone_edges(gone_key, done), properties)]


def restoration(state: str, time: str) -> RowOperation:
    """What was kept has been put back, if it is still as it was read: a GoneResource has its `state`."""
    key, etag = state.split(" ", 1)
    return RowOperation(Verb.MERGE, Role.FEED, key, {"restored": time}, etag)


def to_gone(rows: Sequence[Row]) -> list[GoneResource]:
    """The deleted resources of these rows, which are in the order of their keys."""
    found: dict[str, GoneResource] = {}
    edges: dict[str, list[Membership]] = {}
    for row in rows:
        key, properties = row.properties["RowKey"], row.properties
        deletion = deletion_of(key)
        if key == deletion:
            found[deletion] = GoneResource(
                entry=entry_of(deletion, properties["id"]),
                resource_type=properties["type"],
                id=properties["id"],
                time=properties["lastModified"],
                created=properties["created"],
                document=json.loads("".join(joined("d", properties))),
                memberships=edges.setdefault(deletion, []),
                state=f"{key} {row.etag}",
            )
        else:
            lines = "".join(joined("m", properties)).splitlines()
            edges.setdefault(deletion, []).extend(Membership(*line.split("\t")) for line in lines)
    return list(found.values())
