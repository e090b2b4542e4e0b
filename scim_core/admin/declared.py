"""What the resource type files of a deployment declare as indexed, for the commands that look at rows."""

from functools import cached_property
from pathlib import Path

from scim_core.model import Index, IndexEntry, Json
from scim_core.protocol.representation import index_entries
from scim_core.protocol.schemas import Catalogue, load_catalogue


class DeclaredIndexes:
    """The indexes of all resource types of a catalogue, and the entries of a document."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._types = {item.name: item for item in catalogue}

    @cached_property
    def indexes(self) -> frozenset[Index]:
        """All of them."""
        return frozenset(index for item in self._types.values() for index in item.indexes)

    def entries(self, resource_type: str, document: Json) -> frozenset[IndexEntry]:
        """The index entries of a document of this type. A type that is not served has none."""
        known = self._types.get(resource_type)
        return index_entries(known, document) if known else frozenset()


def declared_indexes(schemas: str) -> DeclaredIndexes:
    """What the built-in files declare, and the files of this folder unless it is empty. Raises DefinitionError."""
    return DeclaredIndexes(load_catalogue(Path(schemas) if schemas else None))
