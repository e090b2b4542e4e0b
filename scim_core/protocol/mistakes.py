"""What pydantic finds wrong with a value, in JSON's words and SCIM's names. Values are never repeated."""

from collections.abc import Callable

from pydantic import ValidationError

_EXPECTED = {
    "string_type": "must be a string",
    "list_type": "must be an array",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "datetime_parsing": "must be a dateTime such as 2026-11-23T09:05:00Z",
    "datetime_from_date_parsing": "must be a dateTime such as 2026-11-23T09:05:00Z",
}
"""What a value must be, by pydantic's name for the mistake."""


def mistake(error: ValidationError, name: Callable[[str], str] = str) -> str:
    """The first mistake, and where it is. `name` turns a model's name for an attribute into SCIM's."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(name(part) if isinstance(part, str) else str(part) for part in first["loc"])
    wrong = _EXPECTED.get(first["type"])
    return f"{where} {wrong}." if wrong else f"{where}: {first['msg']}" if where else first["msg"]


def status_and_type(error: ValidationError) -> tuple[int, str]:
    """The HTTP status and the scimType of the first mistake (RFC 7644 section 3.12)."""
    context = error.errors(include_url=False, include_input=False)[0].get("ctx", {})
    return int(context.get("status", 400)), str(context.get("scim_type") or "invalidValue")
