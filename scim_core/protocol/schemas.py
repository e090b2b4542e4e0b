"""Resource types and schemas, read from data: the built-in definitions and those a deployment adds.

A schema extends a resource type if its URN has `:extension:` and ends in the name of the type. So one JSON file makes a
vendor's extension known to the whole service. A resource type is one JSON file; its schema is another one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_
from pathlib import Path as FilePath
from typing import Any

from scim2_models import AttributeBinding, Extension, InvalidPathException, Path, Resource, Schema, ScimPolicy

from scim_core import comparison
from scim_core.model import GROUP, RESERVED_NAMES, Index, IndexEntry, Json
from scim_core.protocol.attribute_definitions import COMMON, AttributeDefinition, attributes_by_name
from scim_core.protocol.definition_files import DefinitionError, by_urn, documents, has_texts, is_folder, off_by_default

_RESERVED = frozenset(name.lower() for name in RESERVED_NAMES)
_NO_NAME = re.compile(r"\W")

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
    declared_extensions: tuple[str, ...] = ()

    @property
    def has_members(self) -> bool:
        """Whether its `members` are memberships (RFC 7643 section 4.2); any other type may have such an attribute."""
        return self.name == GROUP

    @cached_property
    def hidden(self) -> frozenset[str]:
        """The extensions that the tenant has not. What is stored of them is kept, and not shown."""
        return frozenset(self.declared_extensions) - self.extensions.keys()

    def is_membership(self, attribute: AttributeDefinition) -> bool:
        """Whether the values of this attribute are memberships, which are rows."""
        return self.has_members and attribute is self.attributes["members"]

    @cached_property
    def shown_as_stored(self) -> bool:
        """Whether a client that names no attributes is shown all that a document holds."""
        schemas = [self.attributes, *self.extensions.values()]
        return all(attribute.shown for schema in schemas for attribute in schema.values())

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
        try:
            binding = Path[self.model](name).resolve()  # type: ignore[name-defined]
        except InvalidPathException:
            binding = None
        if binding is None:
            raise DefinitionError(f"resource type {self.name}: indexed attribute {name} is not declared")
        definition = self.attributes.get(name.lower())
        unique = definition is not None and definition.unique
        index = Index(self.name, name, unique, binding.case_exact)
        return IndexedAttribute(name, tuple(name.split(".")), binding, unique, index)

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

    Raises DefinitionError for a folder that is missing, a file that is not JSON, a URN given twice, or a type whose
    schema is missing.
    """
    if additional and not is_folder(additional):
        raise DefinitionError(
            f"There is no folder {additional}, which is to hold further schemas (SCIM_SCHEMA_DIRECTORY)."
        )
    folders = [DEFINITIONS, *([additional] if additional else [])]
    schemas = by_urn(document for folder in folders for document in documents(folder / "schemas"))
    off = off_by_default(schemas.values(), "id")
    types = [document for folder in folders for document in documents(folder / "resource-types")]
    resource_types = [_checked(_resource_type(document, schemas)) for document in types]
    _check_all_used(schemas, resource_types)
    return Catalogue(
        resource_types={item.endpoint.strip("/").lower(): item for item in resource_types},
        schemas=schemas,
        protocol_schemas=by_urn(documents(DEFINITIONS / "protocol")),
        off_by_default=off | off_by_default(types, "name"),
    )


def _resource_type(document: Mapping[str, Any], schemas: Mapping[str, Json]) -> ResourceType:
    name = document["name"]
    if not has_texts(document, "schema", "endpoint"):
        raise DefinitionError(f"resource type {name} lacks schema or endpoint")
    urn = document["schema"]
    if not name.isalnum() or not name.isascii() or name.lower() in _RESERVED:
        raise DefinitionError(f"resource type {name}: a name is ASCII letters and digits, and not one that we use")
    if urn not in schemas:
        raise DefinitionError(f"resource type {name}: no file defines its schema {urn}")
    extensions = [item for item in schemas if ":extension:" in item and item.rsplit(":", 1)[-1] == name]
    try:
        core = Resource.from_schema(_model_schema(schemas[urn], schemas[urn]["name"]))
        return ResourceType(
            name=name,
            endpoint=document["endpoint"],
            description=document.get("description", name),
            schema=urn,
            attributes=attributes_by_name(schemas[urn]["attributes"]),
            extensions={item: attributes_by_name(schemas[item]["attributes"]) for item in extensions},
            model=extended(core, [_extension_model(schemas[item]) for item in extensions]),
            core_model=core,
            indexed_names=tuple(document.get("indexed", ())),
            names=tuple(document.get("names", ())),
            extension_urns={item.lower(): item for item in extensions},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        urns = ", ".join([urn, *extensions])
        raise DefinitionError(f"the attributes of {urns} are not as RFC 7643 section 7 says: {error}") from error


def _checked(resource_type: ResourceType) -> ResourceType:
    """The resource type, if we can serve the names of its attributes and keep them unique as declared."""
    indexed = {item.name.lower() for item in resource_type.indexed}
    unique = [name for name, attribute in resource_type.attributes.items() if attribute.unique and name not in indexed]
    common = (COMMON.keys() - {"externalid"}) & resource_type.attributes.keys()
    for urn, attributes in resource_type.extensions.items():
        unique += [f"{urn}:{name}" for name, attribute in attributes.items() if attribute.unique]
        common |= COMMON.keys() & attributes.keys()
    for name in resource_type.names:
        found = Path[resource_type.model](name).resolve()  # type: ignore[name-defined]
        if found is None or found.target_type is not str:
            raise DefinitionError(f"resource type {resource_type.name}: {name} is no text, so it cannot be a name")
    if common:
        raise DefinitionError(
            f"resource type {resource_type.name}: its schemas cannot declare {', '.join(sorted(common))}"
        )
    if unique:
        raise DefinitionError(
            f"resource type {resource_type.name}: only core attributes that it lists as indexed can be unique, "
            f"not {', '.join(unique)}"
        )
    return resource_type


def _check_all_used(schemas: Mapping[str, Json], resource_types: Sequence[ResourceType]) -> None:
    """Raises DefinitionError for two types with one name or endpoint, and for a schema without a type."""
    for names in ([item.name.lower() for item in resource_types], [item.endpoint.lower() for item in resource_types]):
        if twice := {name for name in names if names.count(name) > 1}:
            raise DefinitionError(f"two resource types are called {', '.join(sorted(twice))}")
    used = {urn for item in resource_types for urn in (item.schema, *item.extensions)}
    if unused := schemas.keys() - used:
        raise DefinitionError(
            f"no resource type has the schema {', '.join(sorted(unused))}; "
            "an extension's URN has :extension: and ends in the name of the resource type"
        )


def extended(core: type[Resource[Any]], extensions: Sequence[type[Extension]]) -> type[Resource[Any]]:
    """The model with these extensions."""
    return core.__class_getitem__(reduce(or_, extensions)) if extensions else core


def _extension_model(document: Mapping[str, Any]) -> type[Extension]:
    """The model of an extension. It is named by its URN: two extensions may have the same name."""
    return Extension.from_schema(_model_schema(document, _NO_NAME.sub("_", document["id"])))


def _model_schema(document: Mapping[str, Any], name: str) -> Schema:
    """The schema the model is built from: externalId is common, and values stay text as sent.

    Otherwise a model would check URLs and encode base64 again. By RFC 7643 both compare case-exactly.
    """
    attributes = [_as_sent(item) for item in document["attributes"] if item["name"] != "externalId"]
    return Schema.model_validate({"id": document["id"], "name": name, "attributes": attributes})


def _as_sent(attribute: Mapping[str, Any]) -> Json:
    kept = {key: value for key, value in attribute.items() if key not in ("canonicalValues", "referenceTypes")}
    if attribute["type"] in ("reference", "binary"):
        kept |= {"type": "string", "caseExact": True}
    if "subAttributes" in attribute:
        kept["subAttributes"] = [_as_sent(item) for item in attribute["subAttributes"]]
    return kept
