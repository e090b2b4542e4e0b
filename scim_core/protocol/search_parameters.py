"""The parameters of a list or .search request, from a query string or a SearchRequest body, with the RFC's leniency."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import parse_qsl

from scim2_models import (
    InvalidCountException,
    InvalidCursorException,
    InvalidSyntaxException,
    InvalidValueException,
    ResponseParameters,
    SearchRequest,
)

from scim_core.model import Json
from scim_core.protocol.attribute_names import qualified
from scim_core.protocol.costs import filter_text_units
from scim_core.protocol.limits import (
    DEFAULT_COUNT,
    MAX_ATTRIBUTE_NAMES,
    MAX_ATTRIBUTES_CHARACTERS,
    MAX_COUNT,
    MAX_PATH_BYTES,
    MAX_QUERY_CHARACTERS,
    MAX_QUERY_FIELDS,
)
from scim_core.protocol.representation import Projection
from scim_core.protocol.schemas import ResourceType
from scim_core.protocol.strict_json import by_lower_name

NAME_UNITS = 4
"""Units of work in which the name of an attribute is read. Measured: 3."""

NAME_CHARACTERS = 40
"""Characters of names that are read in one unit of work. Measured: 50."""

_LISTS = ("attributes", "excludedattributes")
_VALUE_FILTER = re.compile(r"\[[^\[\]]*\]")


@dataclass(frozen=True, slots=True)
class SearchParameters:
    """RFC 7644 section 3.4.2, RFC 9865. startIndex and count are within their bounds.

    A list is paged by index if there is no `cursor`; an empty one asks for the first page.
    """

    filter_text: str | None
    start_index: int
    count: int
    sort: SearchRequest[Any] | None
    projection: Projection
    cursor: str | None = None
    names_count: bool = False

    def query(self, resource_types: Sequence[ResourceType]) -> bytes:
        """What is the same for all pages of one walk over these types. It tells nothing else apart."""
        order = [str(self.sort.sort_by), str(self.sort.sort_order)] if self.sort else []
        shown = self.projection.parameters
        chosen = (
            [list(map(str, names or ())) for names in (shown.attributes, shown.excluded_attributes)] if shown else []
        )
        parts = [[item.name for item in resource_types], self.filter_text, order, chosen]
        return json.dumps(parts).encode()


def query_fields(query: str) -> dict[str, str]:
    """The fields of a raw query string by lower-case name. A + is a space. Of equal names the last one counts.

    `attributes` and `excludedAttributes` are lists: if one is repeated, all its values count.
    Raises InvalidSyntaxException when it is not UTF-8, is too long, or has too many fields.
    """
    if len(query) > MAX_QUERY_CHARACTERS:
        raise InvalidSyntaxException(detail=f"The query string is longer than {MAX_QUERY_CHARACTERS} characters.")
    try:
        fields = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
    except ValueError as error:
        raise InvalidSyntaxException(
            detail=f"The query string is not percent-encoded UTF-8, or has more than {MAX_QUERY_FIELDS} fields."
        ) from error
    given: dict[str, str] = {}
    for name, value in ((name.lower(), value) for name, value in fields):
        given[name] = f"{given[name]},{value}" if name in _LISTS and name in given else value
    return given


def body_fields(payload: Any) -> Json:
    """The fields of a SearchRequest body by lower-case name (RFC 7644 section 3.4.3)."""
    if not isinstance(payload, dict):
        raise InvalidSyntaxException(detail="The body must be a SearchRequest object.")
    return {name: value for name, value in by_lower_name(payload).items() if value is not None}


def parameter_units(fields: Mapping[str, Any]) -> int:
    """Units of work in which `sortBy`, `attributes` and `excludedAttributes` of these fields are read, or more."""
    sort_by = filter_text_units(str(fields.get("sortby") or "")[:MAX_PATH_BYTES])
    texts = [str(fields.get(name) or "") for name in ("attributes", "excludedattributes")]
    names = min(MAX_ATTRIBUTE_NAMES, sum(1 + text.count(",") for text in texts))
    characters = min(MAX_ATTRIBUTES_CHARACTERS, sum(map(len, texts)))
    return 1 + sort_by + NAME_UNITS * names + characters // NAME_CHARACTERS


def search_parameters(resource_types: Sequence[ResourceType], fields: Mapping[str, Any]) -> SearchParameters:
    """The search that these fields ask for. Raises InvalidValueException, InvalidPathException, ValidationError."""
    filter_text = fields.get("filter")
    if filter_text is not None and not isinstance(filter_text, str):
        raise InvalidValueException(detail="filter must be a string.")
    cursor = _cursor(fields)
    return SearchParameters(
        filter_text=filter_text or None,
        start_index=max(1, _integer(fields, "startIndex", 1)),
        count=min(MAX_COUNT, max(0, _count(fields, by_cursor=cursor is not None))),
        sort=_sort(resource_types, fields),
        projection=projection(resource_types, fields),
        cursor=cursor,
        names_count=_given(fields, "count"),
    )


def projection(resource_types: Sequence[ResourceType], fields: Mapping[str, Any]) -> Projection:
    """The `attributes` or `excludedAttributes` among these fields. Raises InvalidValueException when both are given."""
    given = {
        name: _attribute_names(resource_types, fields[name.lower()])
        for name in ("attributes", "excludedAttributes")
        if fields.get(name.lower())
    }
    if not any(given.values()):
        return Projection()
    if len(given) > 1:
        raise InvalidValueException(detail="attributes and excludedAttributes exclude each other: send one of them.")
    return Projection(ResponseParameters[_union(resource_types)].model_validate(given))  # type: ignore[misc]


def _attribute_names(resource_types: Sequence[ResourceType], value: Any) -> list[str]:
    """Attribute names, as each of the resource types declares them.

    A value filter in a name is left out: Microsoft's test collection sends such names.
    """
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise InvalidValueException(detail="attributes and excludedAttributes must hold names of attributes.")
    if sum(map(len, texts)) > MAX_ATTRIBUTES_CHARACTERS:
        raise InvalidValueException(
            detail=f"attributes and excludedAttributes have at most {MAX_ATTRIBUTES_CHARACTERS} characters."
        )
    names = [name for text in texts for part in _VALUE_FILTER.sub("", text).split(",") if (name := part.strip())]
    if len(names) > MAX_ATTRIBUTE_NAMES:
        raise InvalidValueException(detail=f"More than {MAX_ATTRIBUTE_NAMES} attributes are named.")
    return list(dict.fromkeys(qualified(item, name) for name in names for item in resource_types))


def _sort(resource_types: Sequence[ResourceType], fields: Mapping[str, Any]) -> SearchRequest[Any] | None:
    if not fields.get("sortby"):
        return None
    if len(str(fields["sortby"])) > MAX_PATH_BYTES:
        raise InvalidValueException(detail=f"sortBy is longer than {MAX_PATH_BYTES} characters.")
    order = str(fields.get("sortorder") or "ascending").lower()
    request: Any = SearchRequest[_union(resource_types)]  # type: ignore[misc]
    return request.model_validate({"sortBy": _sort_key(resource_types, fields["sortby"]), "sortOrder": order})  # type: ignore[no-any-return]


def _sort_key(resource_types: Sequence[ResourceType], name: Any) -> Any:
    """The name as the first resource type that has this attribute declares it."""
    if not isinstance(name, str):
        return name
    return next((found for item in resource_types if (found := qualified(item, name)) != name), name)


def _union(resource_types: Sequence[ResourceType]) -> Any:
    return reduce(or_, [item.model for item in resource_types])


def _cursor(fields: Mapping[str, Any]) -> str | None:
    cursor = fields.get("cursor")
    if cursor is None:
        return None
    if not isinstance(cursor, str):
        raise InvalidCursorException(detail="cursor must be a string.")
    if _given(fields, "startIndex"):
        raise InvalidValueException(detail="cursor and startIndex exclude each other: send one of them.")
    return cursor


def _count(fields: Mapping[str, Any], *, by_cursor: bool) -> int:
    try:
        return _integer(fields, "count", DEFAULT_COUNT)
    except InvalidValueException as error:
        if by_cursor:
            raise InvalidCountException(detail=error.detail) from error
        raise


def _given(fields: Mapping[str, Any], name: str) -> bool:
    return fields.get(name.lower()) not in (None, "")


def _integer(fields: Mapping[str, Any], name: str, default: int) -> int:
    if not _given(fields, name):
        return default
    value = fields[name.lower()]
    try:
        return int(str(value))
    except ValueError as error:
        raise InvalidValueException(detail=f"{name} must be an integer.") from error
