"""What holds for every answer of a SCIM service provider, whoever asked for whatever."""

import re
from collections.abc import Iterator
from typing import Any

from tests.clients.targets import Answer

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SCIM_TYPES = {
    *("invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget"),
    *("invalidValue", "invalidVers", "sensitive"),
    *("invalidCursor", "expiredCursor", "invalidCount"),  # RFC 9865
}
"""RFC 7644 table 9."""
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def violations(method: str, answer: Answer) -> list[str]:
    """What is wrong with this answer whatever was expected of it (RFC 7644 sections 3.1, 3.3, 3.4.2, 3.12, 3.14)."""
    if method == "HEAD" or answer.status == 204:
        return ["a body where there must be none"] if answer.body else []
    if not answer.body:
        return ["the body is empty"]
    return [*_form(answer, answer.document), *_meaning(answer, answer.document)]


def _form(answer: Answer, document: Any) -> Iterator[str]:
    if answer.headers.get("content-type") != "application/scim+json":
        yield f"Content-Type is {answer.headers.get('content-type')}"
    for pointer, value in _walk(document):
        if value is None:
            yield f"{pointer} is null"
        if value == {}:
            yield f"{pointer} is an empty object"


def _walk(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    yield where, value
    match value:
        case dict():
            members: Any = value.items()
        case list():
            members = enumerate(value)
        case _:
            return
    for name, member in members:
        yield from _walk(member, f"{where}/{name}")


def _meaning(answer: Answer, document: Any) -> Iterator[str]:
    if not isinstance(document, dict) or not isinstance(document.get("schemas"), list):
        yield "the body is no SCIM message"
    elif answer.status >= 400:
        yield from _error(answer, document)
    elif document["schemas"] == [LIST_RESPONSE]:
        yield from _list(document)
    else:
        yield from _resource(document)
        yield from _resource_headers(answer, document.get("meta", {}))


def _error(answer: Answer, document: dict[str, Any]) -> Iterator[str]:
    if document["schemas"] != [ERROR]:
        yield f"an error with schemas {document['schemas']}"
    if document.get("status") != str(answer.status):
        yield f"the error's status is {document.get('status')!r} in an answer of status {answer.status}"
    if not isinstance(document.get("detail"), str) or not document["detail"].strip():
        yield "the error has no detail"
    if document.get("scimType", "tooMany") not in SCIM_TYPES:
        yield f"no SCIM error type: {document['scimType']}"


def _list(document: dict[str, Any]) -> Iterator[str]:
    by_cursor = "startIndex" not in document  # RFC 9865: then the total may be unknown
    for name in ("itemsPerPage",) if by_cursor else ("totalResults", "startIndex", "itemsPerPage"):
        if type(document.get(name)) is not int:
            yield f"{name} is {document.get(name)!r}"
    for name in ("nextCursor", "previousCursor"):
        if not _UNRESERVED.fullmatch(document.get(name, "x")) or (name in document and not by_cursor):
            yield f"{name} is {document[name]!r}"
    resources = document.get("Resources", [])
    if document.get("itemsPerPage") != len(resources):
        yield f"itemsPerPage is {document.get('itemsPerPage')} for {len(resources)} resources"
    for resource in resources:
        yield from _resource(resource)


def _resource(resource: dict[str, Any]) -> Iterator[str]:
    schemas = resource.get("schemas") or ["none"]
    if len(set(schemas)) != len(schemas):
        yield f"schemas has duplicates: {schemas}"
    for name in resource:
        if name.lower().startswith("urn:") and name not in schemas:
            yield f"{name} is not in schemas {schemas}"
    for name, value in resource.items():
        if isinstance(value, list) and all(isinstance(element, dict) for element in value):
            yield from _elements(name, value)
    yield from _meta(resource.get("meta", {}), resource.get("id"))


def _elements(name: str, elements: list[dict[str, Any]]) -> Iterator[str]:
    if [element.get("primary") for element in elements].count(True) > 1:
        yield f"{name} has more than one primary element"
    pairs = [(element.get("type"), element["value"]) for element in elements if "value" in element]
    if len(set(pairs)) != len(pairs):
        yield f"{name} has two elements of the same type and value"


def _meta(meta: dict[str, Any], resource_id: str | None) -> Iterator[str]:
    for name in ("created", "lastModified"):
        if name in meta and not _DATE_TIME.fullmatch(meta[name]):
            yield f"meta.{name} is {meta[name]}"
    if resource_id and not meta.get("location", resource_id).endswith(resource_id):
        yield f"meta.location is {meta['location']} for id {resource_id}"


def _resource_headers(answer: Answer, meta: dict[str, Any]) -> Iterator[str]:
    location, etag = answer.headers.get("location"), answer.headers.get("etag")
    if answer.status == 201 and (not location or location != meta.get("location", location)):
        yield f"the Location header is {location}, meta.location is {meta.get('location')}"
    if etag != meta.get("version", etag):
        yield f"the ETag header is {etag}, meta.version is {meta.get('version')}"
