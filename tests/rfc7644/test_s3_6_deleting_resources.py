"""RFC 7644 section 3.6: DELETE."""

from scim_core.storage.tables import TableStorage
from tests.scim import Client, Clock, add, group_ids, member_ids, path, references


async def test_a_deleted_resource_is_gone_everywhere(client: Client) -> None:
    user = await client.user(externalId="1", displayName="Babs", emails=[{"value": "a@b"}])
    answer = await client.delete(path(user))
    assert (answer.status, answer.body) == (204, b"")
    for method, body in (("GET", None), ("DELETE", None), ("PUT", {"userName": "x"}), ("PATCH", {"Operations": []})):
        assert (await client.send(method, path(user), body)).status == 404
    filters = ['externalId eq "1"', 'displayName eq "Babs"', 'emails eq "a@b"', f'id eq "{user["id"]}"', "userName pr"]
    assert [await client.names(text) for text in filters] == [[]] * 5
    assert (await client.get("/Users")).document["totalResults"] == 0


async def test_its_name_is_free_again_and_its_id_is_not(client: Client) -> None:
    for make in (client.user, client.group):
        first = await make("same")
        await client.delete(path(first))
        second = await make("same")
        assert second["id"] != first["id"]
        assert (await client.get(path(first))).status == 404


async def test_a_deleted_user_leaves_its_groups(client: Client, clock: Clock) -> None:
    leaver, stayer = await client.user("leaver"), await client.user("stayer")
    groups = [await client.group(f"group {number}", leaver, stayer) for number in range(3)]
    other = await client.group("other", stayer)
    clock.advance(hours=1)
    await client.delete(path(leaver))
    for group in groups:
        after = await client.document(group)
        assert member_ids(after) == [stayer["id"]]
        assert after["meta"]["version"] != group["meta"]["version"]
        assert after["meta"]["lastModified"] > group["meta"]["lastModified"]
    assert await client.document(other) == other
    assert await client.found("/Groups", f'members eq "{leaver["id"]}"') == []


async def test_a_deleted_group_leaves_its_members_and_its_groups(client: Client) -> None:
    user = await client.user()
    inner = await client.group("inner", user)
    outer = await client.group("outer", inner, user)
    await client.delete(path(inner))
    assert member_ids(await client.document(outer)) == [user["id"]]
    assert group_ids(await client.document(user)) == [outer["id"]]


async def test_a_user_created_later_does_not_inherit_memberships(client: Client) -> None:
    first = await client.user()
    group = await client.group("group", first)
    await client.delete(path(first))
    second = await client.user()
    assert "groups" not in await client.document(second)
    assert "members" not in await client.document(group)


async def test_many_memberships_are_removed(client: Client, storage: TableStorage) -> None:
    users = [await client.user(f"user{number}") for number in range(120)]
    group = await client.group("group")
    await client.patch(path(group), add("members", references(*users)))
    await client.delete(path(group))
    assert await storage.members_of("default", group["id"]) == []
    assert "groups" not in await client.document(users[0])
