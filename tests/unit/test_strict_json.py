"""A JSON body is read strictly: what is hostile or broken is refused."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scim2_models import InvalidSyntaxException

from scim_core.protocol import json_outline, strict_json
from scim_core.protocol.json_outline import BodyForm
from scim_core.protocol.limits import MAX_BODY_BYTES, MAX_GROUP_BODY_BYTES, MAX_MEMBERS, MAX_NODES, RequestTooLarge
from scim_core.protocol.strict_json import Body, parse_json, reading
from scim_core.work import UNITS_PER_TURN


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


def read(body: bytes, form: BodyForm) -> tuple[Body, list[int]]:
    """The body, and the units of each step of its reading."""
    steps, units = reading(body, form), []
    while True:
        try:
            units.append(next(steps))
        except StopIteration as end:
            return end.value, units


@pytest.fixture(scope="module", autouse=True)
def _small_pieces() -> Iterator[None]:
    """Members are cut into pieces of two or three, also those of a short text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "AT_ONCE_CHARACTERS", 0)
        patch.setattr(json_outline, "PIECE_CHARACTERS", 100)
        yield


names = st.sampled_from(
    ["members", "Members", "urn:x:Group:members", "urn:x:Group", "Operations", "value", "path", "op", "x"]
)
texts = st.sampled_from(["members", "emails", "", "]", "[{", '\\"', "\\", "é😀", "value", "y" * 60])
scalars = st.none() | st.booleans() | st.integers(-9, 10**12) | st.floats(-1e9, 1e9) | texts
entries = st.lists(scalars | st.dictionaries(names | texts, scalars, max_size=3), max_size=9)
anything = st.recursive(
    scalars | entries, lambda some: st.lists(some, max_size=3) | st.dictionaries(names, some, max_size=4), max_leaves=25
)
operations = st.fixed_dictionaries(
    {}, optional={"op": texts, "path": texts, "value": entries | anything | st.fixed_dictionaries({"members": entries})}
)
bodies = anything | st.fixed_dictionaries(
    {"Operations": st.lists(operations, max_size=4)}, optional={"members": entries}
)


def outcome(body: bytes, form: BodyForm) -> Any:
    try:
        return repr(read(body, form)[0].value)
    except InvalidSyntaxException as error:
        return error.detail


@given(bodies, st.sampled_from(BodyForm), st.sampled_from([None, 1]), st.booleans())
def test_members_in_pieces_are_what_they_are_at_once(
    value: Any, form: BodyForm, indent: int | None, escaped: bool
) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=escaped).encode()
    found, _ = read(body, form)
    assert repr(found.value) == repr(value)


@given(bodies, st.sampled_from(BodyForm), st.data())
def test_what_is_broken_is_refused_at_the_same_place(value: Any, form: BodyForm, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=False)
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(
        st.sampled_from(["", ",", "]", "[", "}", "{", '"', ":", "\\", " ", "x", "NaN", "1", "\x00", "\\ud800"])
    )
    broken = (text[:at] + put + text[at + data.draw(st.integers(0, 2)) :]).encode()
    whole, pieces = outcome(broken, BodyForm.NONE), outcome(broken, form)
    if not pieces.startswith("The body is not JSON") or not whole.startswith("The body is not JSON"):
        assert pieces == whole


@given(bodies, st.sampled_from(BodyForm), st.data())
def test_a_short_text_is_read_at_once_as_it_is_in_pieces(value: Any, form: BodyForm, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=False)
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(st.sampled_from(["", ",", "]", "[" * 33, "}", '"', ":", "\\", "x", "NaN", "1e400", "\\ud800"]))
    body = (text[:at] + put + text[at + data.draw(st.integers(0, 2)) :]).encode()
    in_pieces = outcome(body, form)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "AT_ONCE_CHARACTERS", 10_000)
        at_once = outcome(body, form)
        if not in_pieces.startswith("The body is not JSON") or not at_once.startswith("The body is not JSON"):
            assert at_once == in_pieces


@pytest.mark.parametrize("form", BodyForm)
def test_a_short_text_is_not_looked_through_first(form: BodyForm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json, "AT_ONCE_CHARACTERS", 4_000)
    monkeypatch.setattr(strict_json, "Outline", None)
    found, _ = read(members(20, BodyForm.PATCH), form)
    assert (len(found.value["Operations"][0]["value"]), found.members) == (20, 0)


def members(number: int, form: BodyForm) -> bytes:
    some = [
        {"value": f"{n:036}", "$ref": f"https://scim.example.com/Users/{n:036}", "display": "x"} for n in range(number)
    ]
    body = {"members": some} if form is BodyForm.GROUP else {"Operations": [{"path": "members", "value": some}]}
    return json.dumps(body).encode()


@pytest.mark.parametrize("form", [BodyForm.GROUP, BodyForm.PATCH])
def test_a_step_is_short_whatever_the_length(form: BodyForm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_outline, "PIECE_CHARACTERS", 64 * 1024)
    body = members(MAX_MEMBERS, form)
    found, units = read(body, form)
    assert (found.members, found.nodes < 12) == (MAX_MEMBERS, True)
    assert max(units) < UNITS_PER_TURN
    assert sum(units) < MAX_MEMBERS


def test_the_limits_are_exact() -> None:
    least = read(b"[" + b",".join([b"1"] * (MAX_NODES - 2)) + b"]", BodyForm.NONE)[0]
    assert least.nodes == MAX_NODES - 1
    with pytest.raises(RequestTooLarge, match="20000 values and names"):
        read(b"[" + b",".join([b"1"] * (MAX_NODES + 1)) + b"]", BodyForm.NONE)
    assert read(b'"' + b"," * (MAX_BODY_BYTES - 2) + b'"', BodyForm.NONE)
    with pytest.raises(RequestTooLarge, match="1048576 bytes"):
        read(b'"' + b"," * (MAX_BODY_BYTES - 1) + b'"', BodyForm.GROUP)


HOSTILE = {
    "arrays": b"[" * MAX_GROUP_BODY_BYTES,
    "objects": b'{"a":' * 3_000_000,
    "spaces": b" " * MAX_GROUP_BODY_BYTES,
    "escaped quotes": b'"' + b'\\"' * (MAX_GROUP_BODY_BYTES // 2),
    "byte order marks": b"\xef\xbb\xbf" * 5_000_000,
    **{
        f"members {entry!r}": b'{"members": [' + entry * (16_000_000 // len(entry))
        for entry in (b"1,", b'"",', b"[],", b'{"a":1},', b" ", b'"' + b"x" * 16_000_000)
    },
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=[name[:20] for name in HOSTILE])
def test_a_hostile_text_is_refused_after_a_few_steps(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_outline, "PIECE_CHARACTERS", 64 * 1024)
    steps = 0
    with pytest.raises((RequestTooLarge, InvalidSyntaxException)):  # noqa: PT012
        for _ in reading(text, BodyForm.GROUP):
            steps += 1
    assert steps < 200
