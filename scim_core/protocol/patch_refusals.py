"""An operation of a PATCH that is refused: an administrator has to know which of sixty it is."""

from collections.abc import Mapping

from pydantic import ValidationError
from scim2_models import SCIMException

from scim_core.protocol.attribute_definitions import AttributeDefinition
from scim_core.protocol.mistakes import mistake, status_and_type

MAX_PATH_CHARACTERS = 200
"""Longest part of a path that an error repeats: the longest path that clients map has half as many."""


class OperationRefused(SCIMException):
    """One operation is refused. The detail names its place among the Operations, and its path as the client sent it."""

    def __init__(
        self, number: int, path: str, error: SCIMException | ValidationError, names: Mapping[str, str]
    ) -> None:
        self.number = number
        self.path = path
        if isinstance(error, ValidationError):
            self.status, self.scim_type = status_and_type(error)
            said = mistake(error, lambda part: names.get(_squashed(part), part))
        else:
            self.status, self.scim_type = error.status, error.scim_type
            cause = error.__cause__
            said = (
                mistake(cause, lambda part: names.get(_squashed(part), part))
                if isinstance(cause, ValidationError)
                else error.detail
            )
        place = f"Operations[{number}]" + (f", path {path[:MAX_PATH_CHARACTERS]!r}" if path else "")
        super().__init__(detail=f"{place}: {said}")


def names_of(attribute: AttributeDefinition | None) -> dict[str, str]:
    """The names of an attribute and its sub-attributes, by the form in which a model's name for them can be found."""
    if attribute is None:
        return {}
    return {_squashed(item.name): item.name for item in (attribute, *attribute.sub_attributes.values())}


def _squashed(name: str) -> str:
    return name.replace("_", "").replace("$", "").lower()
