"""A JSON body is read strictly: what is hostile or broken is refused."""

import pytest
from scim2_models import InvalidSyntaxException

from scim_core.protocol.strict_json import parse_json


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, -1.5e3, true, null, "\\u00e9\\n\\/"]}', {"a": [1, -1500.0, True, None, "é\n/"]}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b" 1 ", 1),
        ('"😀"'.encode(), "😀"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\\\ud800"', "\\ud800"),
        (b"[" * 32 + b"]" * 32, None),
        (b"1e308", 1e308),
        (b"9" * 4300, int("9" * 4300)),
        (b"-0", 0),
    ],
)
def test_json_is_read(body: bytes, value: object) -> None:
    assert value is None or parse_json(body) == value
    assert value is not None or parse_json(body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "line 1, column 2"),
        (b"\xff", "UTF-8"),
        (b"NaN", "NaN"),
        (b"1e309", "too large"),
        (b"9" * 5000, "too long"),
        (b"[" * 33 + b"]" * 33, "32 levels"),
        (b"[" * 200_000, "32 levels"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' occurs twice"),
        (b'"\\ud800"', "surrogate"),
    ],
)
def test_a_refusal_says_what_is_wrong(body: bytes, said: str) -> None:
    with pytest.raises(InvalidSyntaxException) as caught:
        parse_json(body)
    assert said in caught.value.detail
