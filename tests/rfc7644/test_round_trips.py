"""What an operation costs: the round trips to Table Storage that wait for each other, whatever the hardware."""

from dataclasses import dataclass
from typing import Any

import pytest

from scim_core.storage.tables import TableStorage
from tests.memory_rows import memory_storage
from tests.scim import Client, Clock, Json, add, endpoint_over, path, references, remove, replace
from tests.transcript import transcript


@dataclass(frozen=True)
class Directory:
    """A client of a directory of a hundred and twenty users; each of the first hundred is in the two groups."""

    client: Client
    storage: TableStorage
    users: list[Json]
    groups: list[Json]

    async def round_trips(self, method: str, url: str, body: Json | None = None, /, **query: Any) -> tuple[int, int]:
        """The status of the answer and the round trips it took."""
        with transcript(self.storage) as recorded:
            answer = await self.client.send(method, url, body, **query)
        return answer.status, recorded.round_trips


@pytest.fixture(scope="module")
async def directory() -> Directory:
    storage = memory_storage()
    client = Client(endpoint_over(storage, Clock()))
    users = [
        await client.user(
            f"user{number:03}",
            externalId=f"x{number}",
            displayName=f"User {number}",
            emails=[{"value": f"user{number}@example.com", "type": "work"}],
        )
        for number in range(120)
    ]
    groups = [await filled(client, f"group {number}", users[:100], externalId=f"g{number}") for number in range(2)]
    return Directory(client, storage, users, groups)


async def filled(client: Client, name: str, members: list[Json], **attributes: str) -> Json:
    """A group that its members join some at a time."""
    group = await client.group(name, **attributes)
    for first in range(0, len(members), 30):
        await client.patch(path(group), add("members", references(*members[first : first + 30])))
    return group


async def test_a_resource_is_read_in_one(directory: Directory) -> None:
    user, group = directory.users[0], directory.groups[0]
    assert await directory.round_trips("GET", path(user)) == (200, 1)
    assert await directory.round_trips("GET", f"{path(user)}?attributes=id") == (200, 1)
    assert await directory.round_trips("GET", f"{path(group)}?excludedAttributes=members") == (200, 1)
    assert await directory.round_trips("GET", f"{path(group)}?attributes=id") == (200, 1)
    # The second one finds out whether a deletion of it is still pending, and applies it.
    assert await directory.round_trips("GET", "/Users/018f0000-0000-7000-8000-000000000000") == (404, 2)
    assert await directory.round_trips("GET", "/Users/nobody") == (404, 0)


async def test_a_group_that_is_shown_with_its_members_takes_two_more(directory: Directory) -> None:
    group = directory.groups[0]
    assert await directory.round_trips("GET", path(group)) == (200, 3)
    assert await directory.round_trips("GET", "/Groups", filter=f'id eq "{group["id"]}"') == (200, 3)
    assert await directory.round_trips("GET", "/Groups") == (200, 3)


NOTHING = {
    "userName": ("/Users", 'userName eq "nobody"'),
    "externalId": ("/Users", "externalId eq nobody"),
    "email": ("/Users", 'emails[type eq "work"].value eq "nobody@example.com"'),
    "displayName": ("/Groups", 'displayName eq "nobody"'),
    "id": ("/Users", 'id eq "018f0000-0000-7000-8000-000000000000"'),
}


@pytest.mark.parametrize(("url", "text"), NOTHING.values(), ids=NOTHING)
async def test_a_match_query_that_finds_nothing_takes_one(directory: Directory, url: str, text: str) -> None:
    assert await directory.round_trips("GET", url, filter=text) == (200, 1)


FOUND = {
    "userName": ("/Users", 'userName eq "USER007"'),
    "externalId": ("/Users", 'externalId eq "x7"'),
    "displayName": ("/Users", 'displayName eq "user 7"'),
    "email": ("/Users", 'emails.value eq "user7@example.com"'),
    "work email": ("/Users", 'emails[type eq "work"].value eq "user7@example.com"'),
    "and": ("/Users", 'userName eq "user007" and active ne false'),
    "group": ("/Groups", 'displayName eq "Group 0"'),
    "group by externalId": ("/Groups", 'externalId eq "g1"'),
}


@pytest.mark.parametrize("excluded", ["", "members"])
@pytest.mark.parametrize(("url", "text"), FOUND.values(), ids=FOUND)
async def test_a_match_query_that_finds_one_takes_two(directory: Directory, url: str, text: str, excluded: str) -> None:
    query = {"filter": text} | ({"excludedAttributes": excluded} if excluded else {})
    assert (await directory.client.get(url, **query)).document["totalResults"] == 1
    shows_members = url == "/Groups" and not excluded
    assert await directory.round_trips("GET", url, **query) == (200, 4 if shows_members else 2)


async def test_a_probe_of_a_reference_takes_one(directory: Directory) -> None:
    group, member, stranger = directory.groups[0], directory.users[0], directory.users[110]
    for user in (member, stranger):
        for text in (
            f'id eq "{group["id"]}" and members eq "{user["id"]}"',
            f"members eq {user['id']} and id eq {group['id']}",
        ):
            assert await directory.round_trips("GET", "/Groups", filter=text, attributes="id") == (200, 1)
        manager = f'id eq "{user["id"]}" and manager eq "{member["id"]}"'
        assert await directory.round_trips("GET", "/Users", filter=manager, attributes="id") == (200, 1)


async def test_a_resource_is_created_in_one(directory: Directory) -> None:
    body = {"userName": "created", "externalId": "c", "emails": [{"value": "c@example.com"}]}
    assert await directory.round_trips("POST", "/Users", body) == (201, 1)
    assert await directory.round_trips("POST", "/Groups", {"displayName": "created"}) == (201, 1)
    members = references(*directory.users[:20])
    assert await directory.round_trips("POST", "/Groups", {"displayName": "filled", "members": members}) == (201, 1)


async def test_a_name_that_is_taken_is_refused_in_two(directory: Directory) -> None:
    assert await directory.round_trips("POST", "/Users", {"userName": "USER000"}) == (409, 2)


async def test_a_user_is_changed_in_two(directory: Directory) -> None:
    user = directory.users[1]
    for operations in (
        [replace("title", "x")],
        [replace("active", "False")],
        [replace("userName", "renamed"), replace('emails[type eq "work"].value', "new@example.com")],
    ):
        assert await directory.round_trips("PATCH", path(user), {"Operations": operations}) == (200, 2)
    assert await directory.round_trips("PUT", path(user), {"userName": "replaced"}) == (200, 2)


async def test_a_change_that_changes_nothing_takes_one(directory: Directory) -> None:
    user = await directory.client.document(directory.users[2])
    assert await directory.round_trips("PATCH", path(user), {"Operations": [replace("userName", "user002")]}) == (
        200,
        1,
    )
    assert await directory.round_trips("PUT", path(user), user) == (200, 1)


@pytest.mark.parametrize("size", [0, 100])
async def test_members_change_in_two_however_large_the_group(directory: Directory, size: int) -> None:
    group = await filled(directory.client, f"of {size}", directory.users[:size])
    many = references(*directory.users[-20:])
    changes: list[Json] = [
        add("members", many[:1]),
        remove("members", value=many[:1]),
        add("members", many[1:]),
        remove(f'members[value eq "{many[1]["value"]}"]'),
        replace("displayName", f"renamed {size}"),
    ]
    for operation in changes:
        assert await directory.round_trips("PATCH", path(group), {"Operations": [operation]}) == (204, 2)


async def test_thirty_two_members_join_in_two(directory: Directory) -> None:
    group = await directory.client.group("joined")
    operation = add("members", references(*directory.users[60:92]))
    assert await directory.round_trips("PATCH", path(group), {"Operations": [operation]}) == (204, 2)


@pytest.mark.parametrize(("count", "expected"), [(33, 7), (100, 9)])
async def test_more_members_join_in_five_and_one_for_each_thirty_two(
    directory: Directory, count: int, expected: int
) -> None:
    group = await directory.client.group(f"joined by {count}")
    operation = add("members", references(*directory.users[:count]))
    assert await directory.round_trips("PATCH", path(group), {"Operations": [operation]}) == (204, expected)


async def test_a_user_is_deleted_in_two_from_its_groups(directory: Directory) -> None:
    user = await directory.client.user("leaver")
    for number in range(30):
        await directory.client.group(f"left {number}", user)
    assert await directory.round_trips("DELETE", path(user)) == (204, 2)
    assert await directory.client.found("/Groups", f'members eq "{user["id"]}"') == []


async def test_a_page_of_a_hundred_users_with_their_groups_takes_two(directory: Directory) -> None:
    assert await directory.round_trips("GET", "/Users", count=100) == (200, 2)
    page = (await directory.client.get("/Users", count=100)).document["Resources"]
    assert len(page) == 100
    assert all(len(item["groups"]) >= 2 for item in page)
    second = await directory.round_trips("GET", "/Users", startIndex=101, count=100)
    assert second == (200, 2)


async def test_discovery_takes_none(directory: Directory) -> None:
    for url in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas"):
        assert await directory.round_trips("GET", url) == (200, 0)
