"""The row by which a registry that is moved to another table refuses changes, in the old place and in the new one.

Every administrative change inserts the next record of the audit chain. The marker is written together with such a
record. So a change that began before the marker fails, and one that begins after it sees the marker: none is lost.
"""

from dataclasses import dataclass
from enum import StrEnum

from scim_core.registry import Moved
from scim_core.storage.tables import keys
from scim_core.storage.tables.keys import REGISTRY
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.registry_apart import RegistryApart
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows


class MoveState(StrEnum):
    """Which part a table has in a move."""

    LEAVING = "leaving"
    """The registry is being copied from here."""
    LEFT = "left"
    """The registry is in the other table. What is here is what it was at the time of the move."""
    RETURNING = "returning"
    """The move is given up: the copy is being removed."""
    ARRIVING = "arriving"
    """The registry is being copied to here."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What a table says of a move: its own part, the name of the other table, and since when. `etag` as it was read."""

    state: MoveState
    other_table: str
    since: str
    etag: str = ""

    def written(self, verb: Verb) -> RowOperation:
        """What writes it. With an ETag, the row must still be as it was read."""
        properties = {"state": str(self.state), "table": self.other_table, "since": self.since}
        return RowOperation(verb, Role.OTHER, keys.registry_move(), dict(properties), self.etag)


async def read_marker(rows: Rows) -> Marker | None:
    """The marker of the registry in these rows."""
    row = await rows.get(REGISTRY, keys.registry_move())
    if row is None:
        return None
    found = row.properties
    return Marker(MoveState(found["state"]), str(found["table"]), str(found["since"]), row.etag)


async def require_here(rows: Rows) -> None:
    """Raises Moved unless the registry is in these rows and stays there. Call it after the chain's end was read."""
    marker = await read_marker(rows)
    if marker is not None and marker.state is MoveState.LEFT:
        raise Moved(
            f"The registry is in the table {marker.other_table} since {marker.since[:10]}. "
            "Set SCIM_REGISTRY_TABLE_NAME to this name."
        )
    if marker is not None:
        raise Moved(
            "The registry is being moved, so nothing in it can be changed. `registry move` finishes that, "
            "`registry move --cancel` gives it up."
        )
    if isinstance(rows, RegistryApart) and await _is_left_behind(rows.directory):
        raise Moved("The registry is still in the table that SCIM_TABLE_NAME names. `registry move` moves it.")


async def _is_left_behind(directory: Rows) -> bool:
    """Whether the directory's table has a registry that was never moved."""
    marker = await read_marker(directory)
    if marker is not None:
        return marker.state is not MoveState.LEFT
    return bool(await read_range(directory, REGISTRY, keys.everything(), limit=1, select="RowKey"))
