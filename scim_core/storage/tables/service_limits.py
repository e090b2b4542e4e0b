"""The limits of Table Storage and Azurite. We refuse first: with a reason, and before half a change is planned.

Azure counts UTF-16, two bytes for a character of most scripts; Azurite counts the bytes of the JSON it is sent, where a
character that is not ASCII takes six. The stricter limit holds, so what works with one works with the other.
"""

import json
from collections.abc import Mapping, Sequence

from scim_core.model import Column
from scim_core.storage.port import TooLarge
from scim_core.storage.tables.row_operations import RowOperation

MAX_PROPERTY_UNITS = 32_000
"""UTF-16 units of one string. The service takes 64 KiB, which is 32,768."""

MAX_PROPERTIES = 252
"""Properties of one entity, without its keys and its timestamp: the service's own limit."""

MAX_ENTITY_BYTES = 1024 * 1024
"""Bytes of one entity, in UTF-16 (Azure) as in JSON (Azurite): the limit of both."""

TRANSACTION_OPERATIONS = 100
"""Operations of one transaction: the service's own limit."""

MAX_INDEX_ROWS = TRANSACTION_OPERATIONS - 4
"""Index rows of one resource: one transaction deletes them and the resource's row, says so, and decides the rest."""

MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
"""Bytes of one transaction's request body: the service's own limit."""

PAGE_ROWS = 1000
"""Rows of one answer to a range read: the service's own limit."""

_OPERATION_BYTES = 2048
"""Room for what stands around an entity in the request body: boundaries, headers, and keys in a URL."""

_PROPERTY_BYTES = 8
_STRING_BYTES = 4
_KEY_BYTES = 4 + 2 * 2 * 512
"""What Azure's data model adds to the characters of an entity; the keys at their longest."""

_TYPE_BYTES = 32
"""What stands around the name where the JSON of an entity states the type of a property. Ours does not. Other tools do,
and they must be able to write a row of ours again."""

_JSON_PROPERTY_BYTES = _TYPE_BYTES + 40
"""The most that a property takes in JSON apart from its name and its text: its type, punctuation, a number."""

_JSON_UNIT_BYTES = 6
"""The most that a UTF-16 unit takes in JSON. What is small enough by this measure needs no writing to be measured."""


def require_entity(properties: dict[str, Column]) -> int:
    """The bytes of this entity as JSON, or a few times as many if it is small.

    Raises TooLarge when the entity is beyond a limit, which it names.
    """
    if len(properties) > MAX_PROPERTIES:
        raise TooLarge(f"The resource needs {len(properties)} table properties; {MAX_PROPERTIES} is the limit.")
    text = names = 0
    for name, value in properties.items():
        names += len(name)
        if isinstance(value, str):
            own = len(value) if value.isascii() else units(value)
            if own > MAX_PROPERTY_UNITS:
                raise TooLarge(f"The value of {name} has more than {MAX_PROPERTY_UNITS} UTF-16 units.")
            text += own
    number = len(properties)
    in_utf16 = _KEY_BYTES + number * (_PROPERTY_BYTES + _STRING_BYTES) + 2 * (names + text)
    as_json = len("{}") + 2 * names + number * _JSON_PROPERTY_BYTES + _JSON_UNIT_BYTES * text
    if max(as_json, in_utf16) <= MAX_ENTITY_BYTES:
        return as_json
    as_json = json_bytes(properties)
    if max(as_json, _utf16_bytes(properties)) > MAX_ENTITY_BYTES:
        raise TooLarge(f"The resource is larger than {MAX_ENTITY_BYTES} bytes, the most that one can have.")
    return as_json


def require_index_rows(number: int, before: int = 0) -> None:
    """Raises TooLarge when the number of index rows grows beyond what one transaction can delete."""
    if number > MAX_INDEX_ROWS and number > before:
        raise TooLarge(f"The resource has {number} indexed values; {MAX_INDEX_ROWS} is the limit.")


def require_transaction(operations: Sequence[RowOperation]) -> None:
    """Raises TooLarge when these operations do not fit one transaction, or an entity of theirs is too large."""
    if len(operations) > TRANSACTION_OPERATIONS:
        number = len(operations)
        raise TooLarge(f"The change takes {number} row operations; one transaction holds {TRANSACTION_OPERATIONS}.")
    around = _OPERATION_BYTES * len(operations)
    size = around + sum(require_entity(operation.properties) for operation in operations)
    if size > MAX_TRANSACTION_BYTES:
        size = around + sum(json_bytes(operation.properties) for operation in operations)
    if size > MAX_TRANSACTION_BYTES:
        raise TooLarge(f"The change takes {size} bytes; one transaction holds {MAX_TRANSACTION_BYTES}.")


def units(text: str) -> int:
    """The UTF-16 units of a text: two for a character beyond U+FFFF."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def json_bytes(properties: dict[str, Column]) -> int:
    """The bytes of this entity as JSON, with its types."""
    return len(json.dumps(properties)) + sum(_TYPE_BYTES + len(name) for name in properties)


def most_json_bytes(properties: Mapping[str, Column]) -> int:
    """The most bytes that this entity takes as JSON, with its types: found without writing it, and far too many."""
    text = sum(len(value) for value in properties.values() if isinstance(value, str))
    names = sum(map(len, properties))
    return len("{}") + 2 * names + len(properties) * _JSON_PROPERTY_BYTES + 2 * _JSON_UNIT_BYTES * text


def _utf16_bytes(properties: dict[str, Column]) -> int:
    return _KEY_BYTES + sum(
        _PROPERTY_BYTES + 2 * len(name) + (_STRING_BYTES + 2 * units(value) if isinstance(value, str) else 1)
        for name, value in properties.items()
    )
