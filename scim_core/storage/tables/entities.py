"""A stored resource as the properties of its row, and back; likewise the small rows of page positions and memberships.

id, created, lastModified, version   of the resource
d0, d1, ...                          its document: JSON text, in parts that fit a property
i0, i1, ...                          the row keys of its index entries, one a line
c_...                                its promoted columns
indexed                              the names of the indexes beyond the first ones that its writer kept, one a line
base                                 of what can have members: the version by its last change as a whole
edges                                the id of the last change of a membership it takes part in, if any
pending                              the id of its pending change, if any
stamp                                the place of its last change among those of the resource (outbox.py), if known
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from scim_core.model import FIRST_INDEXES, GROUP, MEMBERLESS, Column, Membership, StoredResource
from scim_core.storage.port import PagePosition, VersionConflict
from scim_core.storage.tables import keys
from scim_core.storage.tables.service_limits import MAX_PROPERTY_UNITS, units

OWN_COLUMNS = frozenset({"created", "lastModified"})
"""Columns every resource has, under their own names."""

_COLUMN_PREFIX = "c_"
_ESCAPED = re.compile(r"_([0-9a-f]{4})")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9]*")
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class ReadState:
    """The state of a row when it was read: its ETag, the id of its last membership change, and its stamp.

    As text it is the `etag` of the port. So a change knows what it replaces without another read.
    """

    etag: str
    change_id: str
    stamp: str
    _indexed: str
    _index_lines: str

    @classmethod
    def of(cls, resource: StoredResource) -> "ReadState":
        """The state in which this resource was read. Raises VersionConflict for one that was never read."""
        if not resource.etag:
            raise VersionConflict
        etag, _, rest = resource.etag.partition("\n")
        change_id, _, rest = rest.partition("\n")
        indexed, _, rest = rest.partition("\n")
        stamp, _, index_lines = rest.partition("\n")
        return cls(etag, change_id, stamp, indexed, index_lines)

    @property
    def indexed(self) -> frozenset[str]:
        """The names of the indexes beyond FIRST_INDEXES that the row's writer kept."""
        return frozenset(self._indexed.split())

    @property
    def index_keys(self) -> frozenset[str]:
        """The keys of its index rows."""
        return frozenset(self._index_lines.splitlines())


def index_keys(resource: StoredResource) -> dict[str, str]:
    """The attribute of each index row that the resource should have, by row key."""
    return {
        keys.index(resource.resource_type, entry, resource.id): entry.attribute
        for entry in sorted(resource.index, key=lambda entry: (entry.attribute, entry.key))
    }


def listed_index_keys(entity: Mapping[str, Any]) -> list[str]:
    """The keys of the index rows that the row of a resource lists as its own."""
    return "".join(joined("i", entity)).splitlines()


def to_properties(resource: StoredResource, index_rows: Iterable[str], change_id: str, stamp: str) -> dict[str, Column]:
    """The whole row of a resource, and of these index rows; `change_id` is that of the last change of its memberships,
    empty for none.
    """
    properties: dict[str, Column] = {
        "id": resource.id,
        "created": resource.created,
        "lastModified": resource.last_modified,
        "version": resource.version,
        **stamp_property(stamp),
    }
    if resource.resource_type not in MEMBERLESS:
        properties |= base_property(resource.version)
    if change_id:
        properties["edges"] = change_id
    properties |= indexed_property(index.name for index in resource.indexes - FIRST_INDEXES)
    properties |= {column_property(name): value for name, value in resource.columns.items()}
    properties |= split("i", "\n".join(index_rows))
    return properties | document_properties(resource.document)


def document_properties(document: dict[str, Any]) -> dict[str, Column]:
    """A document in parts that fit a property."""
    return split("d", _to_json(document))


def indexed_property(names: Iterable[str]) -> dict[str, Column]:
    """The names of the indexes beyond FIRST_INDEXES in which a resource has its rows; no property for none."""
    lines = "\n".join(sorted(names))
    return {"indexed": lines} if lines else {}


def indexed(entity: Mapping[str, Any]) -> frozenset[str]:
    """The names of the indexes beyond FIRST_INDEXES that the writer of a row kept."""
    return frozenset((entity.get("indexed") or "").split())


def base_property(version: str) -> dict[str, Column]:
    """The version that a group gets by a change as a whole: it tells readers that more than single members moved."""
    return {"base": version}


def stamp_property(stamp: str) -> dict[str, Column]:
    """The place of a resource's last change among its changes."""
    return {"stamp": stamp}


def pending_property(change_id: str) -> dict[str, Column]:
    """The id of a resource's pending change; empty for none."""
    return {"pending": change_id}


def from_entity(resource_type: str, entity: Mapping[str, Any], etag: str) -> StoredResource:
    """The resource of a row that was read."""
    text = "".join(joined("d", entity))
    return StoredResource(
        resource_type=resource_type,
        id=entity["id"],
        document=json.loads(text),
        created=entity["created"],
        last_modified=entity["lastModified"],
        version=entity["version"],
        columns={_column_name(name): value for name, value in entity.items() if name.startswith(_COLUMN_PREFIX)},
        etag="\n".join(_read_state(etag, entity)),
        base_version=entity.get("base", ""),
        change_pending=bool(entity.get("pending")),
        size=len(text),
        values=text.count(",") + 1,
    )


def _read_state(etag: str, entity: Mapping[str, Any]) -> tuple[str, ...]:
    edges, stamp = entity.get("edges", ""), entity.get("stamp", "")
    return etag, edges, " ".join(indexed(entity)), stamp, "".join(joined("i", entity))


@lru_cache(maxsize=256)  # the columns are a fixed few
def column_property(column: str) -> str:
    """The property that holds a column. Its name is a C# identifier: other characters become _ and digits."""
    if column in OWN_COLUMNS:
        return column
    escaped = "".join(char if _PLAIN_NAME.fullmatch(char) else f"_{ord(char):04x}" for char in column)
    return _COLUMN_PREFIX + escaped


def membership_properties(edge: Membership, change_id: str) -> dict[str, Column]:
    """Either row of a membership. The type of its group is named if it is another one than Group."""
    of_type = {} if edge.group_type == GROUP else {"groupType": edge.group_type}
    return {"group": edge.group_id, "member": edge.member_id, "type": edge.member_type, "edges": change_id, **of_type}


def group_type_of(entity: Mapping[str, Any]) -> str:
    """The resource type of the group of either row of a membership. Versions 0.1 and 0.2 knew one such type."""
    return entity.get("groupType") or GROUP


def to_membership(entity: Mapping[str, Any]) -> Membership:
    """The membership of either of its rows."""
    return Membership(
        entity["group"], entity["member"], entity["type"], group_type_of(entity), change_id=entity["edges"]
    )


def page_position_properties(position: PagePosition) -> dict[str, Column]:
    """The row of a page position."""
    return {"lastId": position.last_id, "totalResults": str(position.total_results), "expires": position.expires}


def to_page_position(entity: Mapping[str, Any]) -> PagePosition:
    """The page position of a row."""
    return PagePosition(entity["lastId"], int(entity["totalResults"]), entity["expires"])


@lru_cache(maxsize=256)
def _column_name(name: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name.removeprefix(_COLUMN_PREFIX))


def _to_json(document: dict[str, Any]) -> str:
    text = _encode(document)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: JSON can hold it, UTF-8 cannot
        return json.dumps(document, separators=(",", ":"))
    return text


def split(prefix: str, text: str) -> dict[str, Column]:
    """A text as properties prefix0, prefix1, ..., each of them short enough."""
    # Without characters beyond U+FFFF a character is a unit; with some, half as many characters always fit.
    step = MAX_PROPERTY_UNITS if units(text) == len(text) else MAX_PROPERTY_UNITS // 2
    return {f"{prefix}{number}": text[start : start + step] for number, start in enumerate(range(0, len(text), step))}


def joined(prefix: str, entity: Mapping[str, Any]) -> Iterator[str]:
    """The parts of a text that was split."""
    number = 0
    while (part := entity.get(f"{prefix}{number}")) is not None:
        yield part
        number += 1
