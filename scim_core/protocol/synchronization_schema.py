"""What Entra exports of an application's provisioning: the synchronization schema of Microsoft Graph, as JSON.

Only what decides about what is sent to us is read. Graph's documentation names the rest.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Largest file. Entra's exports have some 300 KB, most of them its list of source attributes."""


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
    attribute_mappings: tuple[AttributeMapping, ...] = ()

    @property
    def actions(self) -> frozenset[str]:
        """The actions, in lower case: add, update, delete."""
        return frozenset(word.strip().lower() for word in self.flow_types.split(","))


class _Rule(_Part):
    object_mappings: tuple[ObjectMapping, ...] = ()


class _Schema(_Part):
    synchronization_rules: tuple[_Rule, ...]


def object_mappings(content: bytes) -> Sequence[ObjectMapping]:
    """The object mappings of the file, in its order, those that are switched off included. Raises MappingFileError."""
    if len(content) > MAX_FILE_BYTES:
        raise MappingFileError(f"The file is larger than {MAX_FILE_BYTES // 1024**2} MiB, so it is no such export.")
    try:
        schema = _Schema.model_validate_json(content.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise MappingFileError(
            f"This is no synchronization schema of Entra ({place}: {first['msg']}). In the Entra admin center open the "
            "application, Provisioning, Edit attribute mappings, Show advanced options, Review your schema here, and "
            "download it."
        ) from None
    return [mapping for rule in schema.synchronization_rules for mapping in rule.object_mappings]
