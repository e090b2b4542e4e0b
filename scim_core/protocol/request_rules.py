"""What the models ask of the body of a request, and not of a document.

Required attributes are there, read-only ones are not, and one element at most is primary. scim2-models asks this of
every attribute that a schema declares, whether the body has it or not. That takes three times as long as the rest of
the validation. So it is asked only where a body may break one of these rules (ADR 0075).
"""

from collections.abc import Mapping
from typing import Any

from scim_core.model import Json
from scim_core.protocol.attribute_definitions import AttributeDefinition
from scim_core.protocol.schemas import ResourceType


def may_be_broken(resource_type: ResourceType, shaped: Json) -> bool:
    """Whether a body that leniency has shaped may break such a rule (RFC 7643 sections 2.2 and 2.4).

    If it says no, that is certain. If it says yes, the models know.
    """
    if _may_be_broken(resource_type.attributes, shaped):
        return True
    extensions = ((urn, shaped.get(urn)) for urn in resource_type.extensions)
    return any(
        isinstance(values, dict) and _may_be_broken(resource_type.extensions[urn], values) for urn, values in extensions
    )


def _may_be_broken(declared: Mapping[str, AttributeDefinition], values: Json) -> bool:
    given = {name.lower(): value for name, value in values.items()}
    for name, attribute in declared.items():
        value = given.get(name)
        if value is None or value == []:
            if attribute.required:
                return True
        elif attribute.read_only:
            return True
        elif attribute.sub_attributes:
            elements = value if isinstance(value, list) else [value]
            if sum(map(_is_primary, elements)) > 1:
                return True
            if any(isinstance(item, dict) and _may_be_broken(attribute.sub_attributes, item) for item in elements):
                return True
    return False


def _is_primary(element: Any) -> bool:
    """Whether the model may take this element for the primary one."""
    return isinstance(element, dict) and element.get("primary") not in (None, False)
