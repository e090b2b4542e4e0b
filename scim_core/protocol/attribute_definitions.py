"""The characteristics of attributes (RFC 7643 section 7), read from the JSON of schemas."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class AttributeDefinition:
    """The characteristics of one attribute (RFC 7643 section 7). Sub-attributes are keyed by lower-case name."""

    name: str
    type: str
    multi_valued: bool
    mutability: str
    reference_types: tuple[str, ...]
    unique: bool
    required: bool
    returned: str
    sub_attributes: Mapping[str, "AttributeDefinition"]

    @classmethod
    def from_json(cls, definition: Mapping[str, Any]) -> "AttributeDefinition":
        """The attribute that this member of a schema's `attributes` declares."""
        return cls(
            name=definition["name"],
            type=definition["type"],
            multi_valued=definition.get("multiValued", False),
            mutability=definition.get("mutability", "readWrite"),
            reference_types=tuple(definition.get("referenceTypes", ())),
            unique=definition.get("uniqueness", "none") != "none",
            required=definition.get("required", False),
            returned=definition.get("returned", "default"),
            sub_attributes=attributes_by_name(definition.get("subAttributes", ())),
        )

    @property
    def read_only(self) -> bool:
        """Whether only the service provider assigns it."""
        return self.mutability == "readOnly"

    @property
    def is_reference(self) -> bool:
        """Whether its values name resources, by `value` and `$ref`."""
        return "value" in self.sub_attributes and "$ref" in self.sub_attributes

    @property
    def referenced(self) -> str | None:
        """The one resource type to which it refers, if it has one value: of manager, User."""
        kinds = self.sub_attributes["$ref"].reference_types if self.is_reference and not self.multi_valued else ()
        return kinds[0] if len(kinds) == 1 else None

    @property
    def has_date_times(self) -> bool:
        """Whether it is a dateTime, or a sub-attribute of it is."""
        return self.type == "dateTime" or any(item.has_date_times for item in self.sub_attributes.values())

    @property
    def readable(self) -> bool:
        """Whether a client can ever read it (RFC 7643 section 7: `mutability` writeOnly, `returned` never)."""
        return self.mutability != "writeOnly" and self.returned != "never"

    @property
    def shown(self) -> bool:
        """Whether a client that names no attributes is shown all of it (RFC 7643 section 7, `returned`)."""
        return self.returned in ("always", "default") and all(item.shown for item in self.sub_attributes.values())


def attributes_by_name(definitions: Iterable[Mapping[str, Any]]) -> dict[str, AttributeDefinition]:
    """Attribute definitions keyed by lower-case name: names compare case-insensitively (RFC 7643 section 2.1)."""
    return {item["name"].lower(): AttributeDefinition.from_json(item) for item in definitions}


def _read_only(name: str, *sub_attributes: AttributeDefinition, kind: str = "string") -> AttributeDefinition:
    subs = {sub.name.lower(): sub for sub in sub_attributes}
    return AttributeDefinition(
        name=name,
        type="complex" if subs else kind,
        multi_valued=False,
        mutability="readOnly",
        reference_types=(),
        unique=False,
        required=False,
        returned="default",
        sub_attributes=subs,
    )


COMMON = {
    "schemas": _read_only("schemas"),
    "id": _read_only("id"),
    "externalid": replace(_read_only("externalId"), mutability="readWrite"),
    "meta": _read_only(
        "meta",
        *(_read_only(name) for name in ("resourceType", "location", "version")),
        *(_read_only(name, kind="dateTime") for name in ("created", "lastModified")),
    ),
    "password": _read_only("password"),
}
"""Attributes that clients may send for every schema. Only externalId is kept (RFC 7643 section 3.1); the others are
ignored. None of our schemas declares passwords. Okta sends them, and nothing may store or log one."""
