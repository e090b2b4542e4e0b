"""Resource types and schemas, read from data: the built-in definitions and those a deployment adds.

A schema extends a resource type if the type's file lists it under `schemaExtensions`, or if its URN has `:extension:`
and ends in the name of the type. So one JSON file makes a vendor's extension known to the whole service. A resource
type is one JSON file; its schema is another one. `definition_checks` looks at all of them first.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_
from pathlib import Path as FilePath
from typing import Any

from scim2_models import AttributeBinding, Extension, Path, Resource, Schema, ScimPolicy

from scim_core import comparison
from scim_core.model import GROUP, Index, IndexEntry, Json, Membership
from scim_core.protocol.attribute_definitions import COMMON, AttributeDefinition, attributes_by_name
from scim_core.protocol.definition_checks import definition_mistakes, extensions_of
from scim_core.protocol.definition_files import DefinitionError, definitions, is_folder, off_by_default

_NO_NAME = re.compile(r"\W")

USER = "User"
"""The type of most members."""

DEFINITIONS = FilePath(__file__).parent / "definitions"
SCHEMA_URN = "urn:ietf:params:scim:schemas:core:2.0:Schema"

POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)
"""How far clients may depart from the RFCs. What Entra, Okta and OneLogin send must work (docs/adr/0005)."""


def comparable(binding: AttributeBinding, text: str) -> str:
    """What stands for a value of an attribute in comparisons (docs/adr/0029)."""
    return comparison.exact(text) if binding.case_exact else comparison.folded(text)


COMPARISON = POLICY.model_copy(update={"comparison_key": comparable})
"""The same policy for whatever compares: `with COMPARISON:` around filters and sorts. Under it scim2-models looks at
every text that is validated. This takes ten times as long, so bodies are validated under POLICY.
"""


@dataclass(frozen=True)
class IndexedAttribute:
    """An attribute whose values are found through index rows. `name` is, for example, userName or emails.value."""

    name: str
    path: tuple[str, ...]
    binding: AttributeBinding
    unique: bool
    required: bool
    index: Index

    def entry(self, value: str) -> IndexEntry:
        """The entry by which this value is found."""
        several = not (self.binding.case_exact or comparison.has_one_form(value))
        former = comparison.former(value) if several else None
        return IndexEntry(self.name, comparable(self.binding, value), self.unique, former)


@dataclass(frozen=True)
class ResourceType:
    """One resource type (RFC 7643 section 6) with all that the protocol needs to know of its schemas.

    `core_model` is the model without extensions. If it is the type of a tenant that has not all of its extensions,
    `declared_extensions` are the URNs of all, in their order.
    """

    name: str
    endpoint: str
    description: str
    schema: str
    attributes: Mapping[str, AttributeDefinition]
    extensions: Mapping[str, Mapping[str, AttributeDefinition]]
    model: type[Resource[Any]]
    core_model: type[Resource[Any]]
    indexed_names: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    extension_urns: Mapping[str, str] = field(default_factory=dict)
    required_extensions: tuple[str, ...] = ()
    memberships: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    declared_extensions: tuple[str, ...] = ()

    @cached_property
    def hidden(self) -> frozenset[str]:
        """The extensions that the tenant has not. What is stored of them is kept, and not shown."""
        return frozenset(self.declared_extensions) - self.extensions.keys()

    @cached_property
    def stored_names(self) -> frozenset[str]:
        """The names that a document or representation of this type can have at its top."""
        return frozenset({"schemas", "id", "meta", *self.document_names, *self.extensions})

    @cached_property
    def membership_attribute(self) -> AttributeDefinition | None:
        """The attribute that shows memberships, which are rows in storage and never in a document."""
        return self.attributes[self.memberships.lower()] if self.memberships is not None else None

    @cached_property
    def has_members(self) -> bool:
        """Whether the memberships are those of its own members (RFC 7643 section 4.2), and not the groups it is in."""
        return self.membership_attribute is not None and not self.membership_attribute.read_only

    @cached_property
    def members_name(self) -> str:
        """The name of the attribute that holds its members, in lower case; empty if it has no members."""
        return str(self.memberships).lower() if self.has_members else ""

    @cached_property
    def membership_field(self) -> str | None:
        """The field of the model that holds memberships."""
        if self.memberships is None:
            return None
        binding = Path[self.model](self.memberships).resolve()  # type: ignore[name-defined]
        return str(binding.field_name) if binding is not None else None

    @cached_property
    def membership_types(self) -> tuple[str, ...]:
        """The resource types that its memberships name: of its members, or of the groups that it shows."""
        attribute = self.membership_attribute
        return attribute.sub_attributes["$ref"].reference_types if attribute is not None else ()

    @property
    def usual_member(self) -> str:
        """The type of a member whose type nobody says."""
        return USER if USER in self.membership_types else self.membership_types[0]

    def takes(self, member_type: "ResourceType") -> bool:
        """Whether resources of this type can be its members. A Group takes all that there are."""
        return self.name == GROUP or member_type.name in self.membership_types

    def shown_memberships(self, memberships: Sequence[Membership]) -> Sequence[Membership]:
        """Those of these memberships that its attribute shows. What is of a type that is not served is not shown."""
        if self.has_members:
            hidden = {item.member_type for item in memberships}.difference(self.endpoints.values())
            return [item for item in memberships if item.member_type not in hidden] if hidden else memberships
        return [item for item in memberships if item.group_type in self.membership_types]

    def is_membership(self, attribute: AttributeDefinition) -> bool:
        """Whether the values of this attribute are memberships of its members."""
        return self.has_members and attribute is self.membership_attribute

    @cached_property
    def shown_as_stored(self) -> bool:
        """Whether a client that names no attributes is shown all that a document holds."""
        schemas = [self.attributes, *self.extensions.values()]
        return all(attribute.shown for schema in schemas for attribute in schema.values())

    @cached_property
    def always_returned(self) -> tuple[tuple[str | None, AttributeDefinition], ...]:
        """The attributes that no client can leave out, each with the URN of its extension; None for the core schema."""
        schemas = [(None, self.attributes), *self.extensions.items()]
        return tuple((urn, item) for urn, some in schemas for item in some.values() if item.returned == "always")

    @cached_property
    def references(self) -> tuple[tuple[str | None, str, str], ...]:
        """The single references to one resource type: (extension URN or None, attribute, that type), as manager."""
        schemas = [(None, self.attributes), *self.extensions.items()]
        return tuple(
            (urn, item.name, item.referenced)
            for urn, attributes in schemas
            for item in attributes.values()
            if item.referenced is not None
        )

    @cached_property
    def unreadable(self) -> frozenset[str]:
        """The names of the attributes that no client can ever read; those of an extension have its URN before them."""
        hidden = {item.name for item in self.attributes.values() if not item.readable}
        for urn, attributes in self.extensions.items():
            hidden |= {f"{urn}:{item.name}" for item in attributes.values() if not item.readable}
        return frozenset(hidden)

    @cached_property
    def document_names(self) -> tuple[str, ...]:
        """The names of the attributes that clients write, in the order of the schema; those of extensions not."""
        core = {"externalid": COMMON["externalid"], **self.attributes}
        return tuple(item.name for item in core.values())

    @cached_property
    def extension_names(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the attributes of each extension, by its URN."""
        return {urn: tuple(item.name for item in attributes.values()) for urn, attributes in self.extensions.items()}

    @cached_property
    def unreadable_parts(self) -> Mapping[str, frozenset[str]]:
        """The sub-attributes that no client can ever read, of each attribute of the core schema that has some."""
        hidden = {
            item.name: frozenset(part.name for part in item.sub_attributes.values() if not part.readable)
            for item in self.attributes.values()
        }
        return {name: parts for name, parts in hidden.items() if parts}

    @cached_property
    def has_date_times(self) -> bool:
        """Whether any attribute that clients write is a dateTime."""
        declared = [attributes.values() for attributes in (self.attributes, *self.extensions.values())]
        return any(item.has_date_times for attributes in declared for item in attributes)

    @cached_property
    def unique_names(self) -> tuple[str, ...]:
        """The attributes that no two resources may have with one value, in lower case."""
        return tuple(name for name, attribute in self.attributes.items() if attribute.unique)

    @cached_property
    def can_be_inactive(self) -> bool:
        """Whether `active` says of a resource of this type that it may not be used (RFC 7643 section 4.1.1)."""
        return "active" in self.attributes and self.attributes["active"].type == "boolean"

    @cached_property
    def indexed(self) -> tuple[IndexedAttribute, ...]:
        """The attributes that equality filters look up, bound to the model."""
        return tuple(self._bound(name) for name in self.indexed_names)

    @cached_property
    def indexes(self) -> frozenset[Index]:
        """The indexes that the file of this type declares. Every resource that is written gets its rows in them."""
        return frozenset(item.index for item in self.indexed)

    @cached_property
    def matched_texts(self) -> frozenset[str]:
        """The attributes by which clients look one resource up, in lower case: indexed ones of the core schema whose
        value is one text.
        """
        core = {
            name.lower(): self.attributes.get(name.lower(), COMMON.get(name.lower())) for name in self.indexed_names
        }
        return frozenset(
            name
            for name, item in core.items()
            if item is not None and item.type == "string" and not item.multi_valued and item is not COMMON["id"]
        )

    def is_indexed(self, path: str) -> bool:
        """Whether clients look resources up by this path, in any letter case, with or without the core schema's URN."""
        name = path.lower().removeprefix(f"{self.schema.lower()}:")
        return name in (indexed.lower() for indexed in self.indexed_names)

    def _bound(self, name: str) -> IndexedAttribute:
        binding = Path[self.model](name).resolve()  # type: ignore[name-defined]
        assert binding is not None  # noqa: S101 -- definition_mistakes has looked at it
        definition = self.attributes.get(name.lower())
        unique = definition is not None and definition.unique
        required = definition is not None and definition.required
        index = Index(self.name, name, unique, binding.case_exact)
        return IndexedAttribute(name, tuple(name.split(".")), binding, unique, required, index)

    def extension(self, urn: str) -> str | None:
        """The declared spelling of an extension URN, for `urn` in any letter case. None for a URN that is not ours."""
        return self.extension_urns.get(urn.lower())

    def attribute(self, name: str, urn: str | None = None) -> tuple[str | None, AttributeDefinition] | None:
        """The extension URN (None for the core schema) and definition of a named attribute.

        A name without a URN is also looked for in the extensions (Entra's `manager`). None when it is unknown.
        """
        key = name.lower()
        if urn is None or urn.lower() == self.schema.lower():
            if key in self.attributes or key in COMMON:
                return None, self.attributes.get(key) or COMMON[key]
            urns: Iterable[str] = () if urn else self.extensions
        else:
            declared = self.extension(urn)
            urns = (declared,) if declared else ()
        for extension in urns:
            if key in self.extensions[extension]:
                return extension, self.extensions[extension][key]
        return None


@dataclass(frozen=True)
class Catalogue:
    """Everything served: resource types by lower-case endpoint, and the published schema documents by URN.

    `off_by_default` are names of resource types, and URNs of extensions, in lower case.
    """

    resource_types: Mapping[str, ResourceType]
    schemas: Mapping[str, Json]
    protocol_schemas: Mapping[str, Json]
    off_by_default: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(self.resource_types.values())

    def named(self, name: str) -> ResourceType | None:
        """The resource type of this name, such as User."""
        return self._by_name.get(name.lower())

    @cached_property
    def _by_name(self) -> Mapping[str, ResourceType]:
        return {item.name.lower(): item for item in self}


def load_catalogue(additional: FilePath | None = None) -> Catalogue:
    """The built-in definitions and those of the folder `additional`, which holds `schemas` and `resource-types`.

    Raises DefinitionError for a folder that is missing, and for files that cannot be served, with every mistake.
    """
    if additional and not is_folder(additional):
        raise DefinitionError(
            f"There is no folder {additional}, which is to hold further schemas (SCIM_SCHEMA_DIRECTORY)."
        )
    folders = [DEFINITIONS, *([additional] if additional else [])]
    mistakes = list[str]()
    of_folders = [list(definitions(folder / "schemas", mistakes)) for folder in folders]
    schemas = [item for some in of_folders for item in some]
    types = [item for folder in folders for item in definitions(folder / "resource-types", mistakes)]
    mistakes += definition_mistakes(schemas, types)
    if mistakes:
        raise DefinitionError(*mistakes)
    off = off_by_default(schemas, "id") | off_by_default(types, "name")
    by_urn = {item.document["id"]: item.document for item in schemas}
    given = frozenset(item.document["id"] for some in of_folders[1:] for item in some)
    endpoints = {item.document["endpoint"][1:].lower(): item.document["name"] for item in types}
    return Catalogue(
        resource_types={
            item.document["endpoint"][1:].lower(): _resource_type(item.document, by_urn, endpoints, given)
            for item in types
        },
        schemas=by_urn,
        protocol_schemas={item.document["id"]: item.document for item in definitions(DEFINITIONS / "protocol", [])},
        off_by_default=off,
    )


def _resource_type(
    document: Json, schemas: Mapping[str, Json], endpoints: Mapping[str, str], given: frozenset[str]
) -> ResourceType:
    """The resource type of a file. `given` are the URNs of the schemas that are a deployment's own."""
    urn, extensions = document["schema"], extensions_of(document, list(schemas))
    core = Resource.from_schema(_model_schema(schemas[urn], schemas[urn]["name"]))
    return ResourceType(
        name=document["name"],
        endpoint=document["endpoint"],
        description=str(document.get("description", document["name"])),
        schema=urn,
        attributes=attributes_by_name(schemas[urn]["attributes"]),
        extensions={item: attributes_by_name(schemas[item]["attributes"]) for item in extensions},
        model=extended(core, [_extension_model(schemas[item]) for item in extensions]),
        core_model=core,
        indexed_names=tuple(document.get("indexed", ())),
        names=tuple(document.get("names", ())),
        extension_urns={item.lower(): item for item in extensions},
        required_extensions=tuple(item for item, required in extensions.items() if required),
        memberships=document.get("memberships"),
        endpoints=endpoints,
        given=given.intersection((urn, *extensions)),
    )


def extended(core: type[Resource[Any]], extensions: Sequence[type[Extension]]) -> type[Resource[Any]]:
    """The model with these extensions."""
    return core.__class_getitem__(reduce(or_, extensions)) if extensions else core


def _extension_model(document: Mapping[str, Any]) -> type[Extension]:
    """The model of an extension. It is named by its URN: two extensions may have the same name."""
    return Extension.from_schema(_model_schema(document, _NO_NAME.sub("_", document["id"])))


def _model_schema(document: Mapping[str, Any], name: str) -> Schema:
    """The schema the model is built from: externalId is common, and values stay text as sent.

    Otherwise a model would check URLs and encode base64 again. By RFC 7643 both compare case-exactly. Several dateTimes
    are texts, too: a model does not find one of them by its value.
    """
    attributes = [_as_sent(item) for item in document["attributes"] if item["name"] != "externalId"]
    return Schema.model_validate({"id": document["id"], "name": name, "attributes": attributes})


def _as_sent(attribute: Mapping[str, Any]) -> Json:
    kept = {key: value for key, value in attribute.items() if key not in ("canonicalValues", "referenceTypes")}
    if attribute["type"] in ("reference", "binary") or (
        attribute["type"] == "dateTime" and attribute.get("multiValued")
    ):
        kept |= {"type": "string", "caseExact": True}
    if "subAttributes" in attribute:
        kept["subAttributes"] = [_as_sent(item) for item in attribute["subAttributes"]]
    return kept
