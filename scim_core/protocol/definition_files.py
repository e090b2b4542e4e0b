"""Reads the JSON files that define schemas and resource types."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scim_core.model import Json


class DefinitionError(ValueError):
    """A schema or resource type file cannot be served; the text names the file or URN and says why."""


def is_folder(path: Path) -> bool:
    """Whether there is a folder of this name."""
    try:
        return path.is_dir()
    except OSError:  # such as a name that is too long
        return False


def documents(folder: Path) -> Iterator[Json]:
    """The documents of a folder, each with an id and a name. Raises DefinitionError, naming the file."""
    for file in sorted(folder.glob("*.json")):
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise DefinitionError(f"{file.name} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise DefinitionError(f"{file.name} is not JSON: {error}") from error
        if not isinstance(document, dict) or not has_texts(document, "id", "name"):
            raise DefinitionError(f"{file.name} lacks id or name")
        yield document


def has_texts(document: Mapping[str, Any], *names: str) -> bool:
    """Whether the document has a text under each of these names."""
    return all(isinstance(document.get(name), str) for name in names)


def by_urn(found: Iterable[Json]) -> dict[str, Json]:
    """The documents by their ids. Raises DefinitionError for one that is there twice, in any letter case."""
    schemas: dict[str, Json] = {}
    for document in found:
        if document["id"].lower() in (urn.lower() for urn in schemas):
            raise DefinitionError(f"schema {document['id']} is defined twice")
        schemas[document["id"]] = document
    return schemas
