"""What a change costs: a change of members builds no model, however it names them."""

from collections.abc import Iterator
from typing import Any

import pytest
from scim2_models import Resource

from tests.scim import Client, Json, add, path, references, remove, replace


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The models that were built or dumped, by name."""
    used: list[str] = []
    validate, dump = Resource.model_validate.__func__, Resource.model_dump  # type: ignore[attr-defined]

    def validated(cls: type[Resource[Any]], *args: Any, **options: Any) -> Any:
        used.append(f"{cls.__name__} built")
        return validate(cls, *args, **options)

    def dumped(self: Resource[Any], *args: Any, **options: Any) -> Any:
        used.append(f"{type(self).__name__} dumped")
        return dump(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Resource, "model_validate", classmethod(validated))
        patch.setattr(Resource, "model_dump", dumped)
        yield used


@pytest.fixture
async def people(client: Client) -> list[Json]:
    return [await client.user(f"user{number}") for number in range(3)]


async def test_a_change_of_members_builds_no_model(client: Client, people: list[Json], models: list[str]) -> None:
    group = await client.group("group", *people[:2])
    models.clear()
    for operation in (
        add("members", references(people[2])),
        remove(f'members[value eq "{people[0]["id"]}"]'),
        remove("members", value=references(people[1])),
        replace("members", references(*people)),
        remove("members"),
        {"op": "add", "value": {"members": references(people[0])}},
    ):
        assert (await client.patch(path(group), operation)).status == 204
    assert models == []


async def test_a_change_of_attributes_builds_one(client: Client, people: list[Json], models: list[str]) -> None:
    group = await client.group("group", *people[:2])
    models.clear()
    operations = [add("members", references(people[2])), replace("displayName", "renamed")]
    assert (await client.patch(path(group), *operations)).status == 204
    assert [name.partition(" ")[2] for name in models] == ["built", "dumped"]
