"""Ids of resources: UUIDs whose order is that of creation."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_core.ids import is_id, uuid7


def test_ids_are_uuids_of_version_7() -> None:
    created = uuid7(datetime(2026, 11, 23, 9, 5, tzinfo=UTC))
    assert is_id(created)
    assert (created[14], created[19] in "89ab") == ("7", True)
    assert int(created.replace("-", "")[:12], 16) == 1795424700000


@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)), st.integers(1, 10**9))  # noqa: DTZ001
def test_the_order_of_ids_is_that_of_creation(first: datetime, milliseconds: int) -> None:
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
def test_other_text_is_no_id(text: str) -> None:
    assert not is_id(text)
