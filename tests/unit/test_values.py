"""The small readers: JSON bodies, conditions, ids and instants."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scim2_models import InvalidSyntaxException

from scim_core.clock import instant_text
from scim_core.ids import is_id, uuid7
from scim_core.protocol.preconditions import Preconditions
from scim_core.protocol.strict_json import parse_json


class TestJson:
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
    def test_json_is_read(self, body: bytes, value: object) -> None:
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
    def test_a_refusal_says_what_is_wrong(self, body: bytes, said: str) -> None:
        with pytest.raises(InvalidSyntaxException) as caught:
            parse_json(body)
        assert said in caught.value.detail


class TestConditions:
    @pytest.mark.parametrize(
        ("header", "versions"),
        [
            (None, None),
            ("", None),
            ("*", {"*"}),
            (' "a" ', {"a"}),
            ('W/"a"', {"a"}),
            ('W/"a", "b",W/"c"', {"a", "b", "c"}),
            ('""', {""}),
            ("a", {"a"}),
            ('"a,b"', {"a,b"}),
        ],
    )
    def test_entity_tags_are_read(self, header: str | None, versions: set[str] | None) -> None:
        headers = {} if header is None else {"if-match": header, "if-none-match": header}
        conditions = Preconditions.from_headers(headers)
        assert conditions.match == conditions.none_match == versions


class TestIds:
    def test_they_are_uuids_of_version_7(self) -> None:
        created = uuid7(datetime(2026, 11, 23, 9, 5, tzinfo=UTC))
        assert is_id(created)
        assert (created[14], created[19] in "89ab") == ("7", True)
        assert int(created.replace("-", "")[:12], 16) == 1795424700000

    @given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)), st.integers(1, 10**9))  # noqa: DTZ001
    def test_their_order_is_that_of_creation(self, first: datetime, milliseconds: int) -> None:
        first = first.replace(tzinfo=UTC)
        later = first + timedelta(milliseconds=milliseconds)
        assert uuid7(first) < uuid7(later)
        assert uuid7(first) != uuid7(first)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "x",
            "018F0000-0000-7000-8000-000000000000",
            "018f0000-0000-7000-8000-00000000000",
            "018f0000-0000-7000-8000-000000000000\n",
            "\u066018f000-0000-7000-8000-000000000000",
        ],
    )
    def test_other_text_is_none(self, text: str) -> None:
        assert not is_id(text)

    @given(st.datetimes(), st.datetimes())
    def test_text_of_instants_has_their_order(self, first: datetime, second: datetime) -> None:
        texts = [instant_text(item.replace(tzinfo=UTC)) for item in (first, second)]
        assert (texts[0] < texts[1]) == (first < second)
        assert [len(text) for text in texts] == [27, 27]
        assert datetime.fromisoformat(texts[0]) == first.replace(tzinfo=UTC)
