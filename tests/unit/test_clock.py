"""Instants as text."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from scim_core.clock import instant_text


@given(st.datetimes(), st.datetimes())
def test_text_of_instants_has_their_order(first: datetime, second: datetime) -> None:
    texts = [instant_text(item.replace(tzinfo=UTC)) for item in (first, second)]
    assert (texts[0] < texts[1]) == (first < second)
    assert [len(text) for text in texts] == [27, 27]
    assert datetime.fromisoformat(texts[0]) == first.replace(tzinfo=UTC)
