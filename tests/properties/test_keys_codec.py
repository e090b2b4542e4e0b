"""The row key codec, for any text: injective, in order, within the alphabet and the length that Table Storage takes."""

import re

from hypothesis import given
from hypothesis import strategies as st

from scim_core.model import IndexEntry
from scim_core.storage.tables import keys
from scim_core.storage.tables.codec import ABOVE_ALL, BELOW_ALL, encode, fit, fit_prefix

ALPHABET = re.compile(r"[!-~]*")
FORBIDDEN = set("/\\#?%'\" :")
LIMIT = 60

near = st.sampled_from("-./09:;@AZ[]^_`az{|}~!+,%' \x00\x7f\x80\uffff\U00010000\U0010ffff\ud800\udfff")
texts = st.text(alphabet=near | st.characters(), max_size=80)
long_texts = st.text(alphabet=st.sampled_from("a./"), min_size=LIMIT - 34, max_size=LIMIT + 4)


@given(texts)
def test_a_code_holds_only_what_a_row_key_may(text: str) -> None:
    code = encode(text)
    assert ALPHABET.fullmatch(code)
    assert not FORBIDDEN & set(code)
    assert not code.startswith(ABOVE_ALL)
    assert code == "" or code >= BELOW_ALL


@given(texts, texts)
def test_codes_are_ordered_as_their_texts_are(one: str, other: str) -> None:
    assert (encode(one) < encode(other)) == (one < other)
    assert (encode(one) == encode(other)) == (one == other)


@given(texts, texts)
def test_the_code_of_two_texts_together_is_their_codes_together(one: str, other: str) -> None:
    assert encode(one + other) == encode(one) + encode(other)


@given(texts, texts)
def test_the_texts_with_a_prefix_are_those_between_its_code_and_the_bound(prefix: str, text: str) -> None:
    for whole in (text, prefix + text):
        between = encode(prefix) <= encode(whole) < encode(prefix) + ABOVE_ALL
        assert between == whole.startswith(prefix)


@given(st.from_regex(r"[a-zA-Z0-9._@-]*", fullmatch=True))
def test_ordinary_characters_stand_for_themselves(text: str) -> None:
    assert encode(text) == text


@given(texts | long_texts, texts | long_texts)
def test_codes_that_are_cut_stay_different_and_short(one: str, other: str) -> None:
    first, second = fit(encode(one), LIMIT), fit(encode(other), LIMIT)
    assert len(first) <= LIMIT
    assert (first == second) == (one == other)


@given(long_texts, st.integers(0, LIMIT + 4))
def test_a_prefix_misses_no_text_however_both_are_cut(text: str, length: int) -> None:
    low = fit_prefix(encode(text[:length]), LIMIT)
    assert low <= fit(encode(text), LIMIT) < low + ABOVE_ALL


@given(st.sampled_from(["User", "Custom-Type"]), texts, texts, texts, st.booleans())
def test_a_row_key_lies_in_the_ranges_it_belongs_to(
    kind: str, attribute: str, key: str, id_: str, unique: bool
) -> None:
    entry = IndexEntry(attribute, key * 20, unique)
    row = keys.index(kind, entry, id_)
    assert len(row) <= 512
    prefix = keys.holders_of_prefix(kind, IndexEntry(attribute, key))
    assert prefix.low <= row < prefix.high
    if not unique:
        holders = keys.holders(kind, entry)
        assert holders.low <= row < holders.high
    resources = keys.resources(kind)
    assert not resources.low <= row < resources.high


@given(texts, texts)
def test_the_resources_after_an_id_are_those_with_greater_ids(after: str, id_: str) -> None:
    resources = keys.resources("User", after)
    if max(len(encode(after)), len(encode(id_))) <= keys.ID_LIMIT and id_:
        assert (resources.low <= keys.resource("User", id_) < resources.high) == (id_ > after)
