import pytest

from scim_core.model import IndexEntry
from scim_core.storage.tables import keys
from scim_core.storage.tables.codec import encode, fit

ID = "018f0000-0000-7000-8000-000000000001"


def test_row_keys_read_as_the_layout_says() -> None:
    name = IndexEntry("userName", "ann@example.com", unique=True)
    assert keys.resource("User", ID) == f"User:{ID}"
    assert keys.index("User", name, ID) == "User.userName:ann@example.com"
    assert keys.index("User", IndexEntry("externalId", "7b"), ID) == f"User.externalId:7b:{ID}"
    assert keys.index("User", IndexEntry("emails.value", "a"), ID) == f"User.emails.value:a:{ID}"
    assert keys.member("g", "u") == "member:g:u"
    assert keys.member_of("u", "g") == "memberOf:u:g"
    assert keys.bookmark("b") == "bookmark:b"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ann.o-neil_1@example.com", "ann.o-neil_1@example.com"),
        ("ann+x", "ann!2bx"),
        ("a/b", "a.~b"),
        ("a b", "a!20b"),
        ("o'neil", "o!27neil"),
        ("urn:x", "urn;3ax"),
        ("[a]", "[5ba[5d"),
        ("a`b", "a`b"),
        ("~{", "{007e{007b"),
        ("é", "{00e9"),
        ("😀", "|01f600"),
        ("\ud800", "{d800"),
        ("\0", "!00"),
    ],
)
def test_characters_that_a_row_key_cannot_hold_are_escaped(text: str, code: str) -> None:
    assert encode(text) == code


def test_a_code_at_the_limit_is_whole_and_one_beyond_is_cut() -> None:
    assert fit("x" * 400, 400) == "x" * 400
    cut = fit("x" * 401, 400)
    assert (len(cut), cut[:368]) == (400, "x" * 367 + "}")


def test_no_row_key_is_longer_than_both_services_take() -> None:
    longest = IndexEntry("urn:ietf:params:scim:schemas:extension:" + "x" * 200, "é" * 1_000)
    row = keys.index("Type", longest, "?" * 100)
    assert len(row) == keys.KIND_LIMIT + 1 + keys.KEY_LIMIT + 1 + keys.ID_LIMIT
    assert len(row) <= 512


def test_long_attributes_that_differ_at_the_end_have_rows_of_different_kinds() -> None:
    rows = {keys.index("User", IndexEntry("x" * 100 + end, "k"), ID) for end in "ab"}
    assert len(rows) == 2


@pytest.mark.parametrize("name", ["member", "memberOf", "bookmark", "pending", "User.userName"])
def test_a_resource_type_cannot_take_the_name_of_another_kind_of_row(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        keys.resource(name, ID)
