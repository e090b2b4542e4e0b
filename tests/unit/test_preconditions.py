"""If-Match and If-None-Match, as clients write them."""

import pytest

from scim_core.protocol.preconditions import Preconditions


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
def test_entity_tags_are_read(header: str | None, versions: set[str] | None) -> None:
    headers = {} if header is None else {"if-match": header, "if-none-match": header}
    conditions = Preconditions.from_headers(headers)
    assert conditions.match == conditions.none_match == versions
