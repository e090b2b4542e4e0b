"""Filter text as clients write it, brought into the grammar of RFC 7644 section 3.4.2.2.

Entra sends values without quotes (`externalId eq jyoung`). It may leave quotes inside a value unescaped, and compares
`manager` with an id. A dateTime may have no offset. The rest of the text stays as it is. Text that already follows the
grammar keeps its meaning.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from scim2_models import InvalidFilterException, ScimFilter

from scim_core.protocol.datetimes import with_offset
from scim_core.protocol.limits import MAX_FILTER_BYTES
from scim_core.protocol.schemas import AttributeDefinition, ResourceType

_OPERATORS = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le"})
_FRAGMENTS = frozenset({"co", "sw", "ew"})
_LOGIC = frozenset({"and", "or", "not", "pr"})
_WORD = re.compile(r'[^\s()\[\]"]+')
_BARE_VALUE = re.compile(r'[^\s)\]"]+')
_STRING = re.compile(r'"(?:[^"\\\x00-\x1F]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*"')
_STRING_END = re.compile(r'"(?=\s+(?:and|or)\s|\s*[)\]]|\s*$)', re.IGNORECASE)
_COMPARISON_FOLLOWS = re.compile(r"\s+(?:eq|ne|co|sw|ew|gt|lt|ge|le)\s", re.IGNORECASE)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


def parse_filter(resource_type: ResourceType, text: str) -> ScimFilter[Any]:
    """The filter, bound to the resource type's model.

    Raises InvalidFilterException for text that no leniency can read, or an operator its attribute does not have.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_FILTER_BYTES:
        raise InvalidFilterException(detail=f"The filter is longer than {MAX_FILTER_BYTES} bytes.")
    bound = ScimFilter[resource_type.model]  # type: ignore[name-defined]
    try:
        return bound("".join(_rewritten(resource_type, _tokens(text))))
    except InvalidFilterException as error:
        raise InvalidFilterException(detail=f"The filter cannot be applied: {error.detail}") from error


class _Kind(Enum):
    NAME = "the path of an attribute"
    OPERATOR = "an operator that compares with a value"
    WORD = "and, or, not, pr"
    STRING = "a value in quotes"
    BARE_VALUE = "a value without quotes"
    OTHER = "a space, a bracket or a parenthesis"


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of the filter. Of a NAME, `compared` says whether a comparison with a value follows."""

    kind: _Kind
    text: str
    compared: bool = False


def _tokens(text: str) -> Iterator[_Token]:
    """The whole text in pieces. Whatever stands behind an operator is a value, with or without quotes.

    Raises InvalidFilterException where a value is missing, or a string never ends.
    """
    position, named, value_follows = 0, False, False
    while position < len(text):
        if text[position] == '"':
            token, value_follows = _Token(_Kind.STRING, _string_at(text, position)), False
        elif value_follows and not text[position].isspace():
            token, value_follows = _Token(_Kind.BARE_VALUE, _match(_BARE_VALUE, text, position)), False
        elif (word := _WORD.match(text, position)) is None:
            token = _Token(_Kind.OTHER, text[position])
        elif named and word[0].lower() in _OPERATORS:
            token, value_follows = _Token(_Kind.OPERATOR, word[0]), True
        elif word[0].lower() in _LOGIC:
            token = _Token(_Kind.WORD, word[0])
        else:
            named = True
            token = _Token(_Kind.NAME, word[0], _COMPARISON_FOLLOWS.match(text, word.end()) is not None)
        yield token
        position += len(token.text)


def _rewritten(resource_type: ResourceType, tokens: Iterable[_Token]) -> Iterator[str]:
    """The text of each token by the grammar."""
    attribute, operator = "", ""
    enclosing, within = "", False
    for token in tokens:
        match token.kind:
            case _Kind.STRING | _Kind.BARE_VALUE:
                declared = _declared(resource_type, attribute)
                yield _compared(declared, operator, _literal(declared, token))
                operator = ""
            case _Kind.OPERATOR:
                operator = token.text.lower()
                yield token.text
            case _Kind.NAME:
                inner = f".{token.text}" if enclosing and not token.text.startswith(".") else token.text
                attribute = f"{enclosing}{inner}"
                yield token.text if enclosing else _qualified(resource_type, token.text, compared=token.compared)
            case _Kind.WORD:
                yield token.text
            case _Kind.OTHER:
                # Within brackets, and right behind them, names are sub-attributes of the attribute before them.
                if token.text == "[":
                    enclosing, within = attribute, True
                elif token.text == "]":
                    within = False
                elif not within:
                    enclosing = ""
                yield token.text


def _match(pattern: re.Pattern[str], text: str, position: int) -> str:
    found = pattern.match(text, position)
    if found is None:
        raise InvalidFilterException(detail=f"A value is missing at column {position + 1} of the filter.")
    return found[0]


def _string_at(text: str, position: int) -> str:
    """The quoted string that starts here: by the grammar, otherwise up to the quote that can only be the last one."""
    strict = _STRING.match(text, position)
    if strict is not None and _STRING_END.match(text, strict.end() - 1):
        return strict[0]
    end = _STRING_END.search(text, position + 1)
    if end is None:
        raise InvalidFilterException(
            detail=f"The string that starts at column {position + 1} of the filter never ends."
        )
    return text[position : end.end()]


def _declared(resource_type: ResourceType, path: str) -> AttributeDefinition | None:
    """The definition of the attribute or sub-attribute that a filter's attribute path names; None when unknown."""
    urn, _, names = path.rpartition(":")
    name, _, sub_name = names.partition(".")
    found = resource_type.attribute(name, urn or None)
    if found is None or not sub_name:
        return found[1] if found else None
    return found[1].sub_attributes.get(sub_name.lower())


def _literal(attribute: AttributeDefinition | None, token: _Token) -> str:
    """A value as JSON. Without quotes it is a literal if its attribute's type has literals, otherwise a string."""
    text = token.text
    if token.kind is _Kind.STRING:
        return text if _STRING.fullmatch(text) else json.dumps(text[1:-1], ensure_ascii=False)
    kind = attribute.type if attribute is not None else "string"
    literal = (
        text.lower() == "null"
        or (kind == "boolean" and text.lower() in ("true", "false"))
        or (kind in ("integer", "decimal") and _NUMBER.fullmatch(text))
    )
    return text if literal else json.dumps(text, ensure_ascii=False)


def _compared(attribute: AttributeDefinition | None, operator: str, literal: str) -> str:
    """The literal; a dateTime gets an offset, because it is compared with dateTimes that have one.

    Raises InvalidFilterException for any other string that is compared with a dateTime.
    """
    whole = operator and operator not in _FRAGMENTS and literal.startswith('"')
    if not whole or attribute is None or attribute.type != "dateTime":
        return literal
    instant = with_offset(json.loads(literal))
    if instant is None:
        raise InvalidFilterException(
            detail=f"{attribute.name} is compared with {literal}, which is no dateTime such as 2026-11-23T09:05:00Z."
        )
    return json.dumps(instant)


def _qualified(resource_type: ResourceType, token: str, *, compared: bool) -> str:
    """An attribute path, with the URN of an extension if only the extension declares it.

    A comparison with a complex attribute that has a `value` (Entra's `manager eq`) compares this value.
    """
    urn, _, names = token.rpartition(":")
    name, _, sub_name = names.partition(".")
    found = resource_type.attribute(name, urn or None)
    if found is None:
        return token
    extension, attribute = found
    path = f"{extension}:{names}" if extension and not urn else token
    single_complex = attribute.type == "complex" and not attribute.multi_valued
    return (
        f"{path}.value"
        if compared and single_complex and not sub_name and "value" in attribute.sub_attributes
        else path
    )
