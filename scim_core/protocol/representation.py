"""The stored document and what a client sees of it: meta, references, memberships, projection.

The document at rest is the canonical JSON representation without `meta` and memberships. So a read builds no model:
`document == model_validate(document).model_dump()` holds for every document (tests/properties).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scim2_models import Context, InvalidValueException, Path, Resource, ResponseParameters

from scim_core.ids import is_id
from scim_core.model import Column, IndexEntry, Json, Membership, StoredResource
from scim_core.protocol.always_returned import add_what_is_always_returned
from scim_core.protocol.attribute_definitions import AttributeDefinition
from scim_core.protocol.datetimes import with_offset
from scim_core.protocol.elements import merged
from scim_core.protocol.limits import MAX_VALUES, at_most
from scim_core.protocol.schemas import POLICY, ResourceType
from scim_core.protocol.stored_documents import as_declared

type ShownMember = Callable[[Membership], Json]
"""A member as clients see it: Renderer.shown_member."""


@dataclass(frozen=True, slots=True)
class Projection:
    """The `attributes` and `excludedAttributes` of a request (RFC 7644 section 3.9)."""

    parameters: ResponseParameters[Any] | None = None

    @property
    def names(self) -> int:
        """How many names of attributes it has."""
        if self.parameters is None:
            return 0
        return len(self.parameters.attributes or ()) + len(self.parameters.excluded_attributes or ())

    def shows(self, attribute: str) -> bool:
        """Whether a top-level core attribute of this name can appear in the answer."""
        if self.parameters is None:
            return True
        if self.parameters.attributes:
            return any(_names(path, attribute, whole=False) for path in self.parameters.attributes)
        return not any(_names(path, attribute, whole=True) for path in self.parameters.excluded_attributes or ())


def _names(path: Path[Any], attribute: str, *, whole: bool) -> bool:
    parts = path.parts
    if path.schema and path.model is not None:
        return not whole
    return bool(parts) and parts[0].lower() == attribute.lower() and not (whole and len(parts) > 1)


def shows_memberships(resource_type: ResourceType, projection: Projection) -> bool:
    """Whether the type has an attribute for memberships, and an answer shows it."""
    attribute = resource_type.memberships
    return attribute is not None and projection.shows(attribute)


def to_document(resource_type: ResourceType, resource: Resource[Any], resource_id: str | None = None) -> Json:
    """The canonical document of a model: declared order, no nulls, no empty elements, equal values once.

    The id is this one, or that of the model.
    `schemas` lists exactly the core schema and the extensions that have data (RFC 7643 section 3).
    """
    dumped = resource.model_dump(exclude={"meta", resource_type.memberships or "meta"})
    document: Json = {"schemas": [resource_type.schema], "id": resource_id or dumped.get("id")}
    for name, value in dumped.items():
        extension = resource_type.extensions.get(name)
        if extension is not None and (assigned := dict(_assigned(extension, value))):
            document["schemas"].append(name)
            document[name] = assigned
        elif extension is None and name not in document:
            document[name] = _without_repetitions(resource_type.attributes.get(name.lower()), value)
    return {name: value for name, value in document.items() if value not in ({}, [], None)}


def _assigned(attributes: Mapping[str, AttributeDefinition], value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        kept = _without_repetitions(attributes.get(name.lower()), item)
        if name.lower() in attributes and kept not in ({}, [], None):
            yield name, kept


def _without_repetitions(attribute: AttributeDefinition | None, value: Any) -> Any:
    """A multi-valued attribute without empty elements. Elements of equal type and value are one.

    A reference to one kind of resource loses its `$ref`: the service provider assigns it by the value.
    Raises RequestTooLarge for more than MAX_VALUES.
    """
    at_most(MAX_VALUES, len(value) if isinstance(value, list) else 0, "values of an attribute")
    if isinstance(value, dict) and attribute is not None and attribute.referenced:
        return {name: item for name, item in value.items() if name != "$ref"}
    if not isinstance(value, list):
        return value
    if not all(isinstance(item, dict) for item in value):
        return list(dict.fromkeys(value))
    return merged([element for element in value if element])


def with_hidden(resource_type: ResourceType, document: Json, before: Mapping[str, Any]) -> Json:
    """The document that a change has made, with what was stored before of extensions that the tenant has not."""
    hidden = {urn: before[urn] for urn in resource_type.hidden & before.keys()}
    if not hidden:
        return document
    whole = document | hidden
    urns = (urn for urn in resource_type.declared_extensions if urn in whole)
    return whole | {"schemas": [resource_type.schema, *urns]}


def index_entries(resource_type: ResourceType, document: Mapping[str, Any]) -> frozenset[IndexEntry]:
    """The index entries of a document: one for each distinct comparable value of each indexed attribute."""
    return frozenset(
        indexed.entry(value) for indexed in resource_type.indexed for value in values_at(document, indexed.path)
    )


def values_at(document: Mapping[str, Any], path: Sequence[str]) -> Iterator[str]:
    """The texts of an attribute: of `emails.value`, one for each element."""
    first = document.get(path[0])
    for item in first if isinstance(first, list) else [first]:
        value = item.get(path[1]) if len(path) > 1 and isinstance(item, dict) else item
        if isinstance(value, str):
            yield value


def columns(document: Mapping[str, Any]) -> dict[str, Column]:
    """Copies of values that the storage can test without returning the document."""
    return {"active": document["active"]} if isinstance(document.get("active"), bool) else {}


def with_document(resource_type: ResourceType, stored: StoredResource, document: Json) -> StoredResource:
    """The resource with this document, and with the index entries and copies of values that follow from it."""
    return replace(
        stored,
        document=document,
        index=index_entries(resource_type, document),
        columns=columns(document),
        indexes=resource_type.indexes,
        size=0,
        values=0,
    )


def check_required(resource_type: ResourceType, document: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    """Raises InvalidValueException when a required unique attribute is missing, or a unique one is blank.

    Also when a required extension is missing (RFC 7643 section 6). Other required attributes the model asks for. What
    was missing in the document `before` a PATCH may be missing: it became required later.
    """
    for indexed in resource_type.indexed:
        if not indexed.unique:
            continue
        values = list(values_at(document, indexed.path))
        there = before is None or any(values_at(before, indexed.path))
        if not any(value.strip() for value in values) and (values or (indexed.required and there)):
            required = "is required and must not be empty" if indexed.required else "must not be empty: leave it out"
            raise InvalidValueException(detail=f"{indexed.name} {required}.")
    for urn in resource_type.required_extensions:
        if urn not in document and (before is None or urn in before):
            raise InvalidValueException(detail=f"{urn} is required: the schema extension must have attributes.")


@dataclass(frozen=True, slots=True)
class Renderer:
    """Turns stored resources into representations. `base_url` is that of the SCIM endpoint, without trailing slash.

    What refers to a resource whose type is `hidden` from the tenant has its id, and neither its URI nor its type.
    """

    base_url: str
    endpoints: Mapping[str, str]
    hidden: frozenset[str] = frozenset()

    def location(self, resource_type: str, resource_id: str) -> str:
        """The absolute URI of a resource: meta.location, the Location header and `$ref` alike."""
        return f"{self.base_url}{self.endpoints[resource_type]}/{resource_id}"

    def shown_member(self, membership: Membership) -> Json:
        """An element of the members of a group, as clients see it and as filters test it."""
        return self._edge(membership.member_type, membership.member_id, membership.member_type)

    def _edge(self, resource_type: str, resource_id: str, kind: str) -> Json:
        """The resource at the other end of a membership: its id, and if its type is not hidden, its URI and `type`."""
        if resource_type in self.hidden:
            return {"value": resource_id}
        return {"value": resource_id, "$ref": self.location(resource_type, resource_id), "type": kind}

    def full(self, resource_type: ResourceType, stored: StoredResource, memberships: Sequence[Membership]) -> Json:
        """The whole representation. Memberships are in the attribute that the resource type has for them."""
        representation = dict(as_declared(resource_type, stored.document))
        self._fill_references(resource_type, representation)
        attribute = resource_type.memberships
        if attribute is not None:
            representation.pop(attribute, None)  # stored before the type had memberships
            if memberships and (shown := self._edges(resource_type, memberships)):
                representation[attribute] = shown
        representation["meta"] = {
            "resourceType": stored.resource_type,
            "created": stored.created,
            "lastModified": stored.last_modified,
            "location": self.location(stored.resource_type, stored.id),
            "version": entity_tag(stored.version),
        }
        return representation

    def projected(
        self,
        resource_type: ResourceType,
        stored: StoredResource,
        memberships: Sequence[Membership],
        projection: Projection,
    ) -> Json:
        """The representation that `attributes` and `excludedAttributes` leave; `id` and `schemas` always stay."""
        if projection.parameters is None and resource_type.shown_as_stored:
            return self.full(resource_type, stored, memberships)
        # All memberships show the same attributes, as far as they have them. One that has all goes through the model,
        # for a group can have 100,000.
        edges = self._edges(resource_type, memberships)
        whole = self.full(resource_type, stored, ())
        if edges and resource_type.memberships is not None:
            whole[resource_type.memberships] = [max(edges, key=len)]
        model = to_model(resource_type, whole)
        shown = model.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=projection.parameters)
        add_what_is_always_returned(resource_type, whole, shown)
        attribute = resource_type.memberships
        if attribute is not None and attribute in shown:
            names = list(shown[attribute][0])
            left = [{name: edge[name] for name in names if name in edge} for edge in edges]
            shown[attribute] = [edge for edge in left if edge]
        return shown

    def _edges(self, resource_type: ResourceType, memberships: Sequence[Membership]) -> list[Json]:
        shown = resource_type.shown_memberships(memberships)
        if resource_type.has_members:
            return [self.shown_member(item) for item in shown]
        return [self._edge(item.group_type, item.group_id, "direct") for item in shown]

    def _fill_references(self, resource_type: ResourceType, representation: Json) -> None:
        """Assigns the `$ref` of each single reference that has a value, such as manager (RFC 7643 section 2.4)."""
        for urn, name, referenced in resource_type.references:
            holder = representation if urn is None else representation.get(urn)
            if holder is None or name not in holder or referenced not in self.endpoints or referenced in self.hidden:
                continue
            value = holder[name].get("value")
            if value is None or not is_id(value):
                continue
            reference = {**holder[name], "$ref": self.location(referenced, value)}
            if urn is None:
                representation[name] = reference
            else:
                representation[urn] = {**holder, name: reference}


def entity_tag(version: str) -> str:
    """The weak entity tag of a version: meta.version and the ETag header (RFC 7644 section 3.14)."""
    return f'W/"{version}"'


def to_comparable(resource_type: ResourceType, document: Json) -> Resource[Any]:
    """The model, in which each dateTime has an offset. Filters test it, and it is sorted."""
    if resource_type.has_date_times:
        extensions = {
            urn: _with_offsets(resource_type.extensions[urn], document[urn])
            for urn in resource_type.extensions.keys() & document.keys()
        }
        document = _with_offsets(resource_type.attributes, document) | extensions
    return to_model(resource_type, document)


def _with_offsets(attributes: Mapping[str, AttributeDefinition], values: Mapping[str, Any]) -> Json:
    return {name: _with_offset(attributes.get(name.lower()), value) for name, value in values.items()}


def _with_offset(attribute: AttributeDefinition | None, value: Any) -> Any:
    if attribute is None or not attribute.has_date_times:
        return value
    if isinstance(value, list):
        return [_with_offset(attribute, item) for item in value]
    if isinstance(value, dict):
        return _with_offsets(attribute.sub_attributes, value)
    return with_offset(value) or value if isinstance(value, str) else value


def to_model(resource_type: ResourceType, document: Json) -> Resource[Any]:
    """The model of a stored or rendered document. What no schema declares any more is left out.

    So is what is stored of extensions that the tenant has not.
    """
    return resource_type.model.model_validate(dict(as_declared(resource_type, document)), scim_policy=POLICY)
