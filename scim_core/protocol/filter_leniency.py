"""Filter text as clients write it, brought into the grammar of RFC 7644 section 3.4.2.2.

Entra sends values without quotes (`externalId eq jyoung`). It may leave quotes inside a value unescaped, and compares
`manager` with an id. A dateTime may have no offset. Microsoft's libraries do not escape a backslash. The rest of the
text stays as it is. Text that already follows the grammar keeps its meaning. What no client can mean is refused: a
client takes an empty list for "there is no such user", and creates it again.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from scim2_models import InvalidFilterException, ScimFilter
from scim2_models.path import AttrPath, CompareOperator, Comparison

from scim_core.protocol.attribute_definitions import COMMON, AttributeDefinition
from scim_core.protocol.attribute_names import qualified, split_name
from scim_core.protocol.datetimes import with_offset
from scim_core.protocol.limits import MAX_FILTER_BYTES
from scim_core.protocol.references import named_id
from scim_core.protocol.schemas import ResourceType

_OPERATORS = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le"})
_FRAGMENTS = frozenset({"co", "sw", "ew"})
_LOGIC = frozenset({"and", "or", "not", "pr"})
_NAME = r'[^\s()\[\]"]+'
_WORD = re.compile(_NAME)
_BARE_VALUE = re.compile(r'[^\s)\]"]+')
_STRING = re.compile(r'"(?:[^"\\\x00-\x1F]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*"')
_COMPARED = r"\s+(?:eq|ne|co|sw|ew|gt|lt|ge|le)\s"
_COMPARISON_FOLLOWS = re.compile(_COMPARED, re.IGNORECASE)
_COMPARISON = rf"(?:{_NAME}\[\s*|\(\s*|not\b\s*)*{_NAME}(?:{_COMPARED}|\s+pr(?![^\s)\]]))"
_STRING_END = re.compile(rf'"(?=\s*(?:[)\]]|$)|\s*(?:{_NAME}\s+)?{_COMPARISON})', re.IGNORECASE)
"""The last quote of a value: the end, a closing bracket, or another comparison follows, with or without a joiner."""

_COLUMN = re.compile(r"(invalid syntax at column )(\d+)$")
"""What scim2-models says of text that is no filter. It counts in the text that it gets, which is the rewritten one."""

_PLAIN = re.compile(r'([A-Za-z][A-Za-z0-9]*) eq "([ !#-\[\]-~]*)"')
"""How clients look one resource up. It needs no leniency, and no parser: the value says itself, in ASCII."""

_CONTROL = re.compile(r"[\x00-\x1F]")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


def parse_filter(resource_type: ResourceType, text: str) -> ScimFilter[Any]:
    """The filter, bound to the resource type's model.

    Raises InvalidFilterException for text that no leniency can read, or an operator its attribute does not have.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_FILTER_BYTES:
        raise InvalidFilterException(detail=f"The filter is longer than {MAX_FILTER_BYTES} bytes.")
    bound = ScimFilter[resource_type.model]  # type: ignore[name-defined]
    plain = _PLAIN.fullmatch(text)
    if plain and plain[1].lower() in resource_type.matched_texts:
        return bound(Comparison(AttrPath(plain[1]), CompareOperator.eq, plain[2]))
    return read_filter(resource_type, text)


def read_filter(resource_type: ResourceType, text: str) -> ScimFilter[Any]:
    """As parse_filter, for text of every form and every length."""
    bound = ScimFilter[resource_type.model]  # type: ignore[name-defined]
    rewriting = _Rewriting(resource_type)
    try:
        return bound(rewriting.text(_tokens(text)))
    except InvalidFilterException as error:
        detail = _COLUMN.sub(lambda found: f"{found[1]}{rewriting.column_as_sent(int(found[2]))}", error.detail or "")
        raise InvalidFilterException(detail=f"The filter cannot be applied: {detail}") from error


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
        if token.kind is _Kind.STRING and (glued := _WORD.match(text, position)):
            raise InvalidFilterException(detail=f"A space is missing before {glued[0][:40]!r}, column {position + 1}.")


class _Rewriting:
    """The pieces of the filter by the grammar. Each token adds one; a value may change those of its comparison."""

    def __init__(self, resource_type: ResourceType) -> None:
        self._resource_type = resource_type
        self._pieces: list[str] = []
        self._origins: list[int] = []
        self._position = 0
        self._attribute, self._operator = "", ""
        self._comparison = 0
        self._enclosing, self._within = "", False

    def text(self, tokens: Iterable[_Token]) -> str:
        """The whole text. Raises InvalidFilterException for a value that cannot be one."""
        for token in tokens:
            self._add(token)
            self._position += len(token.text)
        return "".join(self._pieces)

    def column_as_sent(self, column: int) -> int:
        """The column, in the text as it was sent, of the token that this column of the rewritten text is in."""
        end = 0
        for piece, origin in zip(self._pieces, self._origins, strict=True):
            end += len(piece)
            if column <= end:
                return origin + 1
        return self._position + 1

    def _append(self, piece: str) -> None:
        self._pieces.append(piece)
        self._origins.append(self._position)

    def _put_for_comparison(self, piece: str) -> None:
        """The piece stands for the whole comparison that ends here."""
        del self._pieces[self._comparison :], self._origins[self._comparison + 1 :]
        self._pieces.append(piece)

    def _add(self, token: _Token) -> None:
        match token.kind:
            case _Kind.STRING | _Kind.BARE_VALUE:
                self._add_value(token)
            case _Kind.OPERATOR:
                self._operator = token.text.lower()
                self._append(token.text)
            case _Kind.NAME:
                self._add_name(token)
            case _Kind.WORD:
                self._append(token.text)
            case _Kind.OTHER:
                self._add_other(token.text)

    def _add_name(self, token: _Token) -> None:
        inner = f".{token.text}" if self._enclosing and not token.text.startswith(".") else token.text
        self._attribute = f"{self._enclosing}{inner}"
        self._comparison = len(self._pieces)
        named = token.text if self._enclosing else _qualified(self._resource_type, token.text, compared=token.compared)
        self._append(named)

    def _add_other(self, text: str) -> None:
        # Within brackets, and right behind them, names are sub-attributes of the attribute before them.
        if text == "[":
            self._enclosing, self._within = self._attribute, True
        elif text == "]":
            self._within = False
        elif not self._within:
            self._enclosing = ""
        self._append(text)

    def _add_value(self, token: _Token) -> None:
        declared = _declared(self._resource_type, self._attribute)
        sent = _literal(declared, token)
        literal = self._by_id(declared, sent)
        if declared is None and (self._operator == "ne") != (literal.lower() == "null"):
            # An attribute that no schema declares has no value. The models would find nothing at all here.
            self._put_for_comparison(f"not ({self._pieces[self._comparison]} pr)")
        elif self._operator in ("eq", "ne") and _tells_primary(declared, literal) and not self._behind_brackets:
            self._put_for_comparison(self._primary(literal))
        else:
            self._append(_compared(declared, self._operator, literal))
            self._as_it_stands(token)
            if literal != sent and declared is not None:
                self._or_as_sent(declared, literal, sent)
        self._operator = ""

    def _as_it_stands(self, token: _Token) -> None:
        r"""An indexed attribute is also compared with the value as it stands if this has a control character's escape.

        Clients match by these attributes, and Microsoft's libraries do not escape: `DOMAIN\tom` may hold no tab.
        """
        matched = self._operator == "eq" and self._resource_type.is_indexed(self._attribute)
        if (
            matched
            and not self._behind_brackets
            and token.kind is _Kind.STRING
            and _CONTROL.search(json.loads(self._pieces[-1]))
        ):
            comparison = "".join(self._pieces[self._comparison : -1])
            as_it_stands = json.dumps(token.text[1:-1], ensure_ascii=False)
            self._put_for_comparison(f"({comparison}{self._pieces[-1]} or {comparison}{as_it_stands})")

    def _by_id(self, attribute: AttributeDefinition | None, literal: str) -> str:
        """The literal; the id, if the filter has it in upper case or in a URL, and compares the ids of resources."""
        if attribute is None or self._operator not in ("eq", "ne") or not literal.startswith('"'):
            return literal
        holder = self._holder(attribute)
        of_ids = holder in (COMMON["id"], self._resource_type.membership_attribute)
        if not of_ids and holder.referenced is None:
            return literal
        identifier = named_id(json.loads(literal), self._resource_type.endpoints)
        return f'"{identifier}"' if identifier else literal

    def _holder(self, attribute: AttributeDefinition) -> AttributeDefinition:
        """The complex attribute whose `value` the filter names last, or the attribute itself."""
        path = self._attribute.rpartition(".")[0] if attribute.name == "value" else ""
        return _declared(self._resource_type, path) or attribute

    def _or_as_sent(self, attribute: AttributeDefinition, literal: str, sent: str) -> None:
        """A manager is also compared as the filter has it: until version 0.2 such text was stored as it was sent."""
        if self._holder(attribute).referenced is None:
            return
        comparison, also = "".join(self._pieces[self._comparison : -1]), "or" if self._operator == "eq" else "and"
        self._put_for_comparison(f"({comparison}{literal} {also} {comparison}{sent})")

    @property
    def _behind_brackets(self) -> bool:
        """Whether the attribute is one of the elements that brackets select, as in emails[...].primary."""
        return self._pieces[self._comparison].startswith(".")

    def _primary(self, literal: str) -> str:
        """A comparison with `primary`. An element without it is not the primary one (RFC 7643 section 2.4)."""
        name, equal = self._pieces[self._comparison], self._operator == "eq"
        if self._within:
            return f"{name} eq true" if equal == (literal == "true") else f"not ({name} eq true)"
        holder = name.rpartition(".")[0]
        any_such = f"{name} eq true" if literal == "true" else f"{holder}[not (primary eq true)]"
        return any_such if equal else f"not ({any_such})"


def _tells_primary(attribute: AttributeDefinition | None, literal: str) -> bool:
    named = attribute is not None and attribute.type == "boolean" and attribute.name == "primary"
    return named and literal != "null"


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
    urn, names = split_name(resource_type, path)
    name, _, sub_name = names.partition(".")
    found = resource_type.attribute(name, urn)
    if found is None or not sub_name:
        return found[1] if found else None
    return found[1].sub_attributes.get(sub_name.lower())


def _literal(attribute: AttributeDefinition | None, token: _Token) -> str:
    """A value as JSON. Without quotes it is a literal if its attribute's type has literals, otherwise a string.

    Raises InvalidFilterException.
    """
    text = token.text
    if attribute is not None and attribute.type == "boolean":
        return _boolean(attribute, text)
    if token.kind is _Kind.STRING:
        return text if _STRING.fullmatch(text) else json.dumps(text[1:-1], ensure_ascii=False)
    if text.startswith("'"):
        raise InvalidFilterException(detail=f"{text[:80]} begins with a single quote. A string has double quotes.")
    kind = attribute.type if attribute is not None else "string"
    literal = text.lower() == "null" or (kind in ("integer", "decimal") and _NUMBER.fullmatch(text))
    return text if literal else json.dumps(text, ensure_ascii=False)


def _boolean(attribute: AttributeDefinition, text: str) -> str:
    """true, false or null; clients write the first two in quotes and in any letter case, too."""
    literal = text.strip('"').lower()
    if literal in ("true", "false") or text.lower() == "null":
        return literal
    raise InvalidFilterException(detail=f"{attribute.name} is compared with {text[:80]}; it is true or false.")


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
    path = qualified(resource_type, token)
    attribute = _declared(resource_type, path)
    complex_value = (
        compared
        and attribute is not None
        and attribute.type == "complex"
        and not attribute.multi_valued
        and "value" in attribute.sub_attributes
    )
    return f"{path}.value" if complex_value else path
