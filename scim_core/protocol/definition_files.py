"""Reads the JSON files that define schemas and resource types."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scim_core.model import Json

ON_BY_DEFAULT = "onByDefault"
"""The member of a resource type's or an extension's file that says whether tenants have it unless it is denied them. It
is our own, and no part of RFC 7643."""

MAX_TOLD = 20
"""Mistakes that an error tells. It is one line of a log; whoever mends these finds the others."""


class DefinitionError(ValueError):
    """Schema or resource type files cannot be served; the text has each mistake, with the file and where in it."""

    def __init__(self, *mistakes: str) -> None:
        others = len(mistakes) - MAX_TOLD
        more = [f"and {others} more"] if others > 0 else []
        super().__init__("; ".join([*mistakes[:MAX_TOLD], *more]))


@dataclass(frozen=True, slots=True)
class Definition:
    """The JSON object of a file, with the file's name."""

    file: str
    document: Json


def is_folder(path: Path) -> bool:
    """Whether there is a folder of this name."""
    try:
        return path.is_dir()
    except OSError:  # such as a name that is too long
        return False


def definitions(folder: Path, mistakes: list[str]) -> Iterator[Definition]:
    """The definitions of a folder. What cannot be read is left out, and told in `mistakes`."""
    for file in sorted(folder.glob("*.json")):
        try:
            document = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_object)
        except OSError as error:
            mistakes.append(f"{file.name} cannot be read: {error.strerror}")
        except _Repeated as error:
            mistakes.append(f"{file.name}: {error}")
        except (ValueError, RecursionError) as error:
            mistakes.append(f"{file.name} is not JSON: {error}")
        else:
            if isinstance(document, dict):
                yield Definition(file.name, document)
            else:
                mistakes.append(f"{file.name} is no JSON object")


def off_by_default(found: Iterable[Definition], key: str) -> frozenset[str]:
    """What these files have under this key, in lower case, if they say that it is off by default.

    They do not say it any more: nothing that clients see has this member.
    """
    return frozenset(item.document[key].lower() for item in found if not item.document.pop(ON_BY_DEFAULT, True))


class _Repeated(ValueError):
    """An object has a name twice."""


def _object(pairs: Sequence[tuple[str, object]]) -> Json:
    """The object. Raises _Repeated: of two values of one name, JSON does not say which one counts."""
    found: Json = {}
    for name, value in pairs:
        if name in found:
            raise _Repeated(f"{name!r} is given twice in one object")
        found[name] = value
    return found
