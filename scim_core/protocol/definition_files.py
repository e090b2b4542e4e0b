"""Reads the JSON files that define schemas and resource types."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scim_core.chosen_schemas import always_there
from scim_core.model import Json

ON_BY_DEFAULT = "onByDefault"
"""The member of a resource type's or an extension's file that says whether tenants have it unless it is denied them. It
is our own, and no part of RFC 7643."""


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


def off_by_default(found: Iterable[Json], key: str) -> frozenset[str]:
    """What these documents have under this key, in lower case, if they say that it is off by default.

    They do not say it any more: nothing that clients see has this member. Raises DefinitionError.
    """
    off = set()
    for document in found:
        name, is_on = document[key], document.pop(ON_BY_DEFAULT, True)
        if not isinstance(is_on, bool):
            raise DefinitionError(f"{name}: {ON_BY_DEFAULT} must be true or false")
        if not is_on and (always_there(name) or (key == "id" and ":extension:" not in name)):
            raise DefinitionError(
                f"{name} cannot be off by default: {ON_BY_DEFAULT} is for extensions, and for resource types "
                "other than User and Group"
            )
        off |= set() if is_on else {name.lower()}
    return frozenset(off)


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
