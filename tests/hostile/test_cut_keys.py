"""Two long texts whose cut keys are equal: nobody sees, finds or overwrites what is another's.

Such texts cost an attacker who chooses both 2 to the power of 64 attempts. Here all texts have the same digest.
"""

import pytest

from scim_core.access.credential_plans import Wanted
from scim_core.model import IndexEntry
from scim_core.registry import CredentialKind, Taken
from scim_core.storage.port import WHOLE_KEY_CHARACTERS
from scim_core.storage.tables import TableRegistry, codec, keys
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, replace
from tests.tenancy import administration_of

SAME = "x" * 400
ONE, OTHER = f"{SAME}one@example.com", f"{SAME}other@example.com"


@pytest.fixture(autouse=True)
def _every_digest_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "_digest", lambda _: "0" * codec._DIGEST_DIGITS)


async def names(client: Client, attribute: str, value: str) -> list[str]:
    answer = await client.get("/Users", filter=f'{attribute} eq "{value}"')
    document = answer.document
    assert document["totalResults"] == len(document["Resources"])
    return [str(item["userName"]) for item in document["Resources"]]


def test_the_keys_are_equal() -> None:
    entries = [IndexEntry("userName", text, unique=True) for text in (ONE, OTHER)]
    assert len({keys.unique_index("User", entry) for entry in entries}) == 1


async def test_a_unique_value_with_the_key_of_another_is_refused_and_changes_nothing(client: Client) -> None:
    first = await client.user(ONE)
    refused = await client.post("/Users", {"userName": OTHER})
    assert (refused.status, refused.document["scimType"]) == (409, "uniqueness")
    second = await client.user("second@example.com")
    refused = await client.patch(f"/Users/{second['id']}", replace("userName", OTHER))
    assert (refused.status, refused.document["scimType"]) == (409, "uniqueness")
    assert await names(client, "userName", ONE) == [ONE]
    assert (await client.document(first))["userName"] == ONE


async def test_a_search_for_one_value_does_not_find_the_other(client: Client) -> None:
    await client.user(ONE)
    assert await names(client, "userName", ONE) == [ONE]
    assert await names(client, "userName", OTHER) == []
    either = await client.get("/Users", filter=f'userName eq "{OTHER}" or userName eq "y"')
    assert either.document["totalResults"] == 0


async def test_of_a_value_that_many_may_have_each_is_found_by_its_own(client: Client) -> None:
    for name, external in (("a@example.com", ONE), ("b@example.com", OTHER)):
        await client.user(name, externalId=external, emails=[{"value": external}])
    for attribute in ("externalId", "emails.value"):
        assert await names(client, attribute, ONE) == ["a@example.com"]
        assert await names(client, attribute, OTHER) == ["b@example.com"]


async def test_a_value_can_change_to_one_with_the_same_key(client: Client) -> None:
    user = await client.user("ann@example.com")
    url = f"/Users/{user['id']}"
    for name in (ONE, OTHER):
        assert (await client.patch(url, replace("userName", name))).status == 200
    assert await names(client, "userName", ONE) == []
    assert await names(client, "userName", OTHER) == [OTHER]


async def test_a_credential_with_the_pointer_of_another_tenants_is_refused() -> None:
    async def pause(_: float) -> None:
        raise AssertionError

    registry = TableRegistry(MemoryRows())
    administration = administration_of(registry, Clock(), pause)
    for tenant in ("one", "other"):
        await administration.create_tenant(tenant)

    async def create(tenant: str, audience: str) -> None:
        entra = "ce5f061f-abe6-4e40-9615-301f87bcb7f0"
        wanted = Wanted(CredentialKind.ENTRA, entra_tenant=entra, audience=audience)
        await administration.create_credential(tenant, wanted)

    await create("one", f"{'!' * 150}one")
    with pytest.raises(Taken):
        await create("other", f"{'!' * 150}other")
    assert (await administration.tenant("other")).credentials == ()


@pytest.mark.parametrize("character", ["x", "+", "é", "\U0010ffff"])
def test_a_key_that_is_found_exactly_is_never_cut(character: str) -> None:
    code = keys.unique_index("User", IndexEntry("userName", character * WHOLE_KEY_CHARACTERS, unique=True))
    assert "}" not in code
