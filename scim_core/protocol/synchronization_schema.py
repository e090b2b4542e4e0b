"""What Entra exports of an application's provisioning: the synchronization schema of Microsoft Graph, as JSON.

Only what decides about what is sent to us is read. Graph's documentation names the rest.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Largest file. Entra's exports have some 300 KB, most of them its list of source attributes."""

MAX_PARTS = 100_000
"""Most objects and lists in a file. Entra's exports have some 10,000. They are what reading takes long for, and it is
one call: 100,000 of them take some 40 milliseconds, and a file of 1 MiB that is full of them takes seven times that."""

type Several[Part] = Annotated[tuple[Part, ...], FailFast()]
"""Parts of which the first wrong one is told. To say what is wrong with each of 500,000 takes seconds, and 600 MB."""


_ANY_JSON = TypeAdapter[Any](Any)


class MappingFileError(ValueError):
    """The file is no export of a synchronization schema. The text says how to get one, and never quotes the file."""


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore")


class AttributeMapping(_Part):
    """One line of an attribute mapping. With a priority above 0, Entra looks resources up by it."""

    target_attribute_name: str
    matching_priority: int = 0
    flow_type: str = "Always"


class ObjectMapping(_Part):
    """The mapping of one kind of objects. `flow_types` are the actions that Entra takes, such as "Add, Update"."""

    name: str | None = None
    enabled: bool = True
    flow_types: str = "Add, Update, Delete"
    target_object_name: str
    attribute_mappings: Several[AttributeMapping] = ()

    @property
    def actions(self) -> frozenset[str]:
        """The actions, in lower case: add, update, delete."""
        return frozenset(word.strip().lower() for word in self.flow_types.split(","))


class _Rule(_Part):
    object_mappings: Several[ObjectMapping] = ()


class _Schema(_Part):
    synchronization_rules: Several[_Rule]


def object_mappings(content: bytes, most: int | None = None) -> Sequence[ObjectMapping]:
    """The object mappings of the file, in its order, those that are switched off included. Raises MappingFileError.

    With `most`, a file with more rules or more targets is refused before they are looked at.
    """
    if len(content) > MAX_FILE_BYTES:
        raise MappingFileError(f"The file is larger than {MAX_FILE_BYTES // 1024**2} MiB, so it is no such export.")
    if content.count(b"{") + content.count(b"[") > MAX_PARTS:
        raise MappingFileError(f"The file has more than {MAX_PARTS} objects and lists, so it is no such export.")
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        if most is not None:
            _require_few(_ANY_JSON.validate_json(content), most)
        schema = _Schema.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise MappingFileError(
            f"This is no synchronization schema of Entra ({place}: {first['msg']}). In the Entra admin center open the "
            "application, Provisioning, Edit attribute mappings, Show advanced options, Review your schema here, and "
            "download it."
        ) from None
    return [mapping for rule in schema.synchronization_rules for mapping in rule.object_mappings]


def _require_few(found: Any, most: int) -> None:
    """Raises MappingFileError for more rules, or more targets, than any mapping has."""
    rules = _parts(found, "synchronizationRules")
    mappings = [mapping for rule in rules[:most] for mapping in _parts(rule, "objectMappings")]
    targets = sum(1 + len(_parts(mapping, "attributeMappings")) for mapping in mappings)
    if len(rules) > most or targets > most:
        raise MappingFileError(f"The file has more than {most} targets, so it is no mapping of one application.")


def _parts(whole: Any, name: str) -> Sequence[Any]:
    """The list of this name. What has another shape is told by the model."""
    found = whole.get(name) if isinstance(whole, dict) else None
    return found if isinstance(found, list) else ()
