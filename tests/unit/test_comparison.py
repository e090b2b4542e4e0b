"""How texts are compared: NFC and simple case folding. Held to all of Unicode, as Python has it."""

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_core.comparison import _FOLDS, FORMER_SIGMAS, folded, former, former_spellings, has_one_form

# ruff: noqa: RUF001 -- letters that look alike are what it is about

EVERY = [chr(point) for point in range(0x20000) if not 0xD800 <= point <= 0xDFFF]
"""Beyond these no letter has a case."""

UNICODE, DIGEST = "15.1.0", "2f8f"
"""Stored keys hold folded texts. If a new Python changes them, `admin reindex` has to make the keys again."""

HARD = st.sampled_from("Σσςßẞſsİiıµμϐᾳᾼᾴ\u0345\u0301\u0307\u0300KÅÅǅᏣꮳﬅﬆﬁΐΐ᾽'ΆΑᲀв")
texts = st.text(HARD | st.characters(exclude_categories=["Cs"]), max_size=12)


def test_stored_keys_stay_as_they_are_with_every_python() -> None:
    table = "".join(f"{ord(letter):x}={folded(letter)}\n" for letter in EVERY)
    assert unicodedata.unidata_version == UNICODE
    assert hashlib.sha256(table.encode()).hexdigest()[:4] == DIGEST


def test_two_letters_are_one_exactly_if_unicode_folds_them_to_the_same() -> None:
    """Two letters are one by simple case folding if the full folding of both is the same; both are in NFC first."""
    by_full_folding: dict[str, set[str]] = {}
    for letter in EVERY:
        composed = unicodedata.normalize("NFC", letter)
        if len(composed) == 1 and composed != "\u0345":  # COMBINING GREEK YPOGEGRAMMENI composes: docs/adr/0029
            by_full_folding.setdefault(composed.casefold(), set()).add(folded(letter))
    assert [forms for forms in by_full_folding.values() if len(forms) > 1] == []
    one_for_several: dict[str, set[str]] = {}
    for full, [form] in by_full_folding.items():
        one_for_several.setdefault(form, set()).add(full)
    assert {form for form, fulls in one_for_several.items() if len(fulls) > 1} == set()


@given(texts)
def test_what_stands_for_a_text_stands_for_itself(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert unicodedata.is_normalized("NFC", folded(text))


@given(texts)
def test_canonically_equal_texts_are_one(text: str) -> None:
    assert {folded(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")} == {folded(text)}


@given(texts)
def test_texts_that_version_0_2_took_for_one_are_one(text: str) -> None:
    assert folded(former(text)) == folded(text)


def test_letters_of_one_form_are_folded_as_version_0_2_makes_them_small() -> None:
    """So a text of such letters is, too: of all letters only the capital sigma becomes small by those around it."""
    plain = [unicodedata.normalize("NFC", letter) for letter in EVERY if has_one_form(letter)]
    assert [letters for letters in plain if letters.translate(_FOLDS) != letters.lower()] == []
    assert [letters for letters in plain if not has_one_form(letters)] == []


def test_letters_of_one_form_have_one_key_in_version_0_2() -> None:
    keys: dict[str, set[str]] = {}
    for letter in EVERY:
        keys.setdefault(folded(letter), set()).add(former(letter))
    left_out = {"s", "ṡ", "ﬆ", *"βεθκμπρφ", *"вдостъѣꙋ"}
    assert {key for key, formers in keys.items() if formers != {key} and has_one_form(key)} == left_out


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ΟΔΟΣ@x", "οδοσ@x"),
        ("ΟΔΟΣ@x", "οδος@x"),
        ("STRASSE", "strasse"),
        ("STRAẞE", "straße"),
        ("Zo\u00eb", "ZOE\u0308"),
        ("\u212aelvin", "kelvin"),
        ("\u212bngström", "ÅNGSTRÖM"),
        ("ſmith", "Smith"),
        ("µ", "Μ"),
        ("ﬅ", "ﬆ"),
        ("ꮳ", "Ꮳ"),
        ("İ", "i\u0307"),
    ],
)
def test_these_are_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ß", "ss"), ("ﬁ", "fi"), ("ı", "i"), ("İ", "i"), ("İ", "I"), ("ａ", "a"), ("а", "a"), ("é", "e"), ("ᾳ", "αι")],
)
def test_these_stay_two(one: str, other: str) -> None:
    assert folded(one) != folded(other)


def test_spellings_are_bounded_and_hold_the_natural_one() -> None:
    assert former_spellings("ann") == frozenset()
    assert former_spellings(folded("ΟΔΟΣ@x")) == {"οδος@x"}
    assert len(former_spellings("σ" * FORMER_SIGMAS)) == 2**FORMER_SIGMAS - 1
    assert former_spellings("σα" * 20 + "σ") == {"σα" * 20 + "ς"}
