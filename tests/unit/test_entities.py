import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_core.model import Column, IndexEntry, StoredResource
from scim_core.storage.feed_port import FeedChange
from scim_core.storage.port import TooLarge, VersionConflict
from scim_core.storage.tables.changes import creation
from scim_core.storage.tables.entities import ReadState, column_property, from_entity, index_keys, to_properties
from scim_core.storage.tables.outbox import outbox_row
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.service_limits import (
    MAX_PROPERTY_UNITS,
    json_bytes,
    most_json_bytes,
    require_entity,
    require_transaction,
    units,
)


def resource(**changes: Any) -> StoredResource:
    values: dict[str, Any] = {
        "resource_type": "User",
        "id": "1",
        "document": {"userName": "ann"},
        "created": "then",
        "last_modified": "then",
        "version": "v1",
    }
    return StoredResource(**(values | changes))


def row_of(some: StoredResource, change_id: str, stamp: str) -> dict[str, Column]:
    return to_properties(some, index_keys(some), change_id, stamp)


SAID = outbox_row(FeedChange.CREATED, "User", "1", change_id="change", now=datetime(2026, 11, 26, tzinfo=UTC), after="")


def test_the_properties_of_a_row_are_those_of_the_layout() -> None:
    entries = frozenset({IndexEntry("userName", "ann", unique=True), IndexEntry("externalId", "7")})
    assert row_of(resource(index=entries, columns={"active": True}), "change", "0001") == {
        "id": "1",
        "created": "then",
        "lastModified": "then",
        "version": "v1",
        "stamp": "0001",
        "edges": "change",
        "c_active": True,
        "i0": "User.externalId:7:1\nUser.userName:ann",
        "d0": '{"userName":"ann"}',
    }


@pytest.mark.parametrize(
    ("text", "parts"),
    [("x" * 63_980, 2), ("é" * 63_980, 2), ("😀" * 20_000, 2), ("x" * 20_000 + "😀", 2), ("\ud800" * 6_000, 2)],
)
def test_a_document_is_split_into_parts_that_fit_a_property_and_joined_again(text: str, parts: int) -> None:
    properties = row_of(resource(document={"note": text}), "", "0001")
    documents = [value for name, value in properties.items() if name.startswith("d")]
    assert len(documents) == parts
    assert all(isinstance(part, str) and units(part) <= MAX_PROPERTY_UNITS for part in documents)
    assert from_entity("User", properties, "etag").document == {"note": text}


def test_a_resource_remembers_the_state_in_which_it_was_read() -> None:
    entries = frozenset(IndexEntry("emails.value", f"{number:04d}" * 99) for number in range(90))
    properties = row_of(resource(index=entries), "change", "0001")
    assert {"i0", "i1"} <= properties.keys()
    state = ReadState.of(from_entity("User", properties, "etag"))
    assert (state.etag, state.change_id, state.stamp, len(state.index_keys)) == ("etag", "change", "0001", 90)


def test_a_resource_that_was_never_read_cannot_be_changed() -> None:
    with pytest.raises(VersionConflict):
        ReadState.of(resource())


@pytest.mark.parametrize("name", ["active", "name.familyName", "a_b", "urn:x:User:größe", "_0041"])
def test_a_column_of_any_name_is_a_property_and_back(name: str) -> None:
    assert column_property(name).isidentifier()
    assert column_property(name).isascii()
    assert from_entity("User", row_of(resource(columns={name: "x"}), "", ""), "etag").columns == {name: "x"}


def test_columns_of_different_names_are_different_properties() -> None:
    names = ["a.b", "a_b", "a_002eb", "ab", "created", "c_a"]
    assert len({column_property(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({f"p{number}": "" for number in range(253)}, "252"),
        ({"name": "x" * 32_001}, "value of name"),
        ({"name": "😀" * 16_001}, "value of name"),
        ({f"p{number}": "x" * 32_000 for number in range(17)}, "1048576"),
        ({f"p{number}": "é" * 32_000 for number in range(6)}, "1048576"),
    ],
)
def test_an_entity_beyond_a_limit_is_refused_by_name(properties: dict[str, Column], said: str) -> None:
    with pytest.raises(TooLarge, match=said):
        require_entity(properties)


def test_an_entity_at_the_limits_is_accepted() -> None:
    assert require_entity({f"p{number}": "x" * 32_000 for number in range(16)}) <= 1024 * 1024
    require_entity({f"p{number}": "" for number in range(252)})


@given(st.dictionaries(st.from_regex(r"[a-z]{1,20}", fullmatch=True), st.text() | st.booleans()))
def test_the_size_of_an_entity_is_at_least_what_its_json_takes(properties: dict[str, Column]) -> None:
    stated_types = sum(len(name) for name in properties)
    assert require_entity(properties) >= len(json.dumps(properties)) + stated_types


def test_a_small_entity_is_measured_without_writing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK writes each entity that is sent. To write it a second time for its size took a tenth of a change."""

    def dumps(*_: object) -> str:
        raise AssertionError("written")

    monkeypatch.setattr("scim_core.storage.tables.service_limits.json.dumps", dumps)
    row: dict[str, Column] = {f"p{number}": "ä" * 2_000 for number in range(3)}
    require_transaction([RowOperation(Verb.UPSERT, Role.INDEX, str(number), row) for number in range(100)])


def test_a_transaction_beyond_a_limit_is_refused_by_name() -> None:
    small = [RowOperation(Verb.UPSERT, Role.INDEX, str(number)) for number in range(101)]
    require_transaction(small[:100])
    with pytest.raises(TooLarge, match="101 row operations; one transaction holds 100"):
        require_transaction(small)
    large = [
        RowOperation(Verb.UPSERT, Role.INDEX, str(n), {f"d{p}": "x" * 32_000 for p in range(16)}) for n in range(9)
    ]
    require_transaction(large[:8])
    with pytest.raises(TooLarge, match="one transaction holds 4194304"):
        require_transaction(large)


def test_a_new_resource_is_the_first_operation_so_that_a_repetition_is_known() -> None:
    entries = frozenset({IndexEntry("userName", "ann", unique=True), IndexEntry("externalId", "7")})
    verbs = [(item.verb, item.role, item.about) for item in creation(resource(index=entries), (), SAID).own]
    assert verbs == [
        (Verb.INSERT, Role.RESOURCE, ""),
        (Verb.UPSERT, Role.INDEX, "externalId"),
        (Verb.INSERT, Role.INDEX, "userName"),
    ]


@given(
    st.dictionaries(
        st.from_regex(r"\A[A-Za-z_]\w*\Z", alphabet=st.characters(codec="ascii")), st.one_of(st.text(), st.booleans())
    )
)
def test_an_entity_has_no_more_bytes_than_the_most_that_it_can_have(properties: dict[str, Column]) -> None:
    assert json_bytes(properties) <= most_json_bytes(properties)
