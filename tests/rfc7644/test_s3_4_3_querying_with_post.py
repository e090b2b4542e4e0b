"""RFC 7644 section 3.4.3: .search, below a resource type and for all of them."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.scim import GROUP, LIST, SEARCH_REQUEST, USER, Client, Json, path

MESSAGE: Json = {"schemas": [SEARCH_REQUEST]}


@pytest.fixture
async def directory(client: Client) -> Json:
    """Five users, of whom two are members of one of three groups, by name."""
    users = [await client.user(f"user{number}", displayName=f"name{number}") for number in range(5)]
    groups = [await client.group(f"name{number}", *(users[:2] if number == 0 else [])) for number in range(3)]
    resources = [await client.document(item) for item in (*groups, *users)]
    return {item.get("userName") or f"group {item['displayName']}": item for item in resources}


async def search(client: Client, url: str, **fields: Any) -> Json:
    answer = await client.post(url, MESSAGE | fields)
    assert answer.status == 200, answer.document
    page: Json = answer.document
    return page


@pytest.mark.parametrize("url", ["/Users/.search", "/users/.SEARCH", "/Users/.search/"])
async def test_it_answers_what_get_answers(client: Client, directory: Json, url: str) -> None:
    assert directory
    for fields in (
        {},
        {"filter": 'userName sw "user"', "startIndex": 2, "count": 2},
        {"sortBy": "userName", "sortOrder": "descending", "attributes": "userName"},
        {"excludedAttributes": "groups,meta", "count": 0},
    ):
        posted = await search(client, url, **fields)
        got = await client.get("/Users", **fields)
        assert posted == got.document


@pytest.mark.parametrize(
    "attributes", [["userName", "emails.value"], "userName,emails.value", ["userName,emails.value"], [" userName ", ""]]
)
async def test_attributes_are_an_array_or_a_list(client: Client, directory: Json, attributes: Any) -> None:
    assert directory
    found = await search(client, "/Users/.search", attributes=attributes, count=1)
    assert set(found["Resources"][0]) == {"schemas", "id", "userName"}


async def test_all_resource_types_are_searched(client: Client, directory: Json) -> None:
    found = await search(client, "/.search")
    assert (found["schemas"], found["totalResults"], found["itemsPerPage"]) == ([LIST], 8, 8)
    assert {item["id"]: item for item in found["Resources"]} == {item["id"]: item for item in directory.values()}


@pytest.mark.parametrize(
    ("filter_text", "names"),
    [
        ('displayName eq "NAME1"', ["group name1", "user1"]),
        ('userName eq "user3"', ["user3"]),
        ('members[value eq "{user1}"]', ["group name0"]),
        ('members pr or userName eq "user4"', ["group name0", "user4"]),
        ('meta.resourceType eq "Group" and displayName ew "2"', ["group name2"]),
        (f'schemas eq "{GROUP}"', ["group name0", "group name1", "group name2"]),
        (f'{USER}:userName eq "user1" or {GROUP}:displayName eq "name2"', ["group name2", "user1"]),
        ('id eq "{user2}"', ["user2"]),
        ('shoeSize eq "44"', []),
    ],
)
async def test_an_attribute_that_a_type_lacks_is_without_a_value_there(
    client: Client, directory: Json, filter_text: str, names: list[str]
) -> None:
    text = filter_text.replace("{user1}", directory["user1"]["id"]).replace("{user2}", directory["user2"]["id"])
    found = await search(client, "/.search", filter=text)
    assert [item["id"] for item in found["Resources"]] == [directory[name]["id"] for name in names]
    assert found["totalResults"] == len(names)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 9])
async def test_pages_of_all_types_make_up_the_whole(client: Client, directory: Json, count: int) -> None:
    seen: list[str] = []
    while len(seen) < len(directory):
        page = await search(client, "/.search", startIndex=len(seen) + 1, count=count)
        assert (page["totalResults"], page["startIndex"]) == (8, len(seen) + 1)
        assert page["itemsPerPage"] == min(count, 8 - len(seen))
        seen += [item["id"] for item in page["Resources"]]
    assert sorted(seen) == sorted(item["id"] for item in directory.values())
    assert (await search(client, "/.search", startIndex=9))["Resources"] == []


ELSEWHERE = {
    "the first is deleted": lambda ids: (ids[:1], 0),
    "all but one are deleted": lambda ids: (ids[1:], 0),
    "some are created": lambda _: ([], 3),
    "some are deleted and more are created": lambda ids: (ids[1:3], 4),
}


@pytest.mark.parametrize("filter_text", [None, "displayName pr", 'displayName sw "name"', 'displayName co "a"'])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("change", ELSEWHERE.values(), ids=ELSEWHERE)
async def test_a_walk_that_has_left_a_type_is_not_disturbed_by_what_happens_there(
    client: Client, filter_text: str | None, count: int, change: Callable[[list[str]], tuple[list[str], int]]
) -> None:
    groups = [await client.group(f"name{number}") for number in range(4)]
    users = [await client.user(f"user{number}", displayName=f"name{number}") for number in range(7)]
    seen: list[str] = []
    page: Json = {"totalResults": 1}
    changed = False
    while len(seen) < page["totalResults"]:
        fields: Json = {"startIndex": len(seen) + 1, "count": count} | ({"filter": filter_text} if filter_text else {})
        page = await search(client, "/.search", **fields)
        if not page["Resources"]:
            break
        seen += [item["id"] for item in page["Resources"]]
        if not changed and len(seen) >= 4:
            changed = True
            deleted, created = change([item["id"] for item in groups])
            for resource_id in deleted:
                await client.delete(f"/Groups/{resource_id}")
            for number in range(created):
                await client.group(f"name later {number}")
    assert seen[:11] == [item["id"] for item in (*groups, *users)]
    assert len(seen) == len(set(seen))


async def test_a_walk_sees_what_exists_throughout_once_when_the_type_it_stands_in_shrinks(client: Client) -> None:
    groups = [await client.group(f"name{number}") for number in range(4)]
    users = [await client.user(f"user{number}") for number in range(7)]
    seen = [item["id"] for item in (await search(client, "/.search", count=3))["Resources"]]
    await client.delete(path(groups[3]))
    await client.delete(path(groups[0]))
    while page := (await search(client, "/.search", count=3, startIndex=len(seen) + 1))["Resources"]:
        seen += [item["id"] for item in page]
    assert seen == [item["id"] for item in (*groups[:3], *users)]


async def test_nothing_but_totals_is_answered_to_a_count_of_zero(client: Client, directory: Json) -> None:
    found = await search(client, "/.search", count=0, filter="displayName pr")
    assert (found["totalResults"], found["Resources"]) == (len(directory), [])


async def test_attributes_of_different_types_can_be_named(client: Client, directory: Json) -> None:
    assert directory
    found = await search(client, "/.search", attributes=["userName", "members.value"])
    assert all(set(item) <= {"schemas", "id", "userName", "members"} for item in found["Resources"])
    [group] = [item for item in found["Resources"] if "members" in item]
    assert [set(member) for member in group["members"]] == [{"value"}, {"value"}]


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"5", b"", b"{"])
@pytest.mark.parametrize("url", ["/.search", "/Users/.search"])
async def test_the_body_must_be_an_object(client: Client, url: str, body: bytes) -> None:
    answer = await client.post(url, body)
    assert (answer.status, answer.document["scimType"]) == (400, "invalidSyntax")


@pytest.mark.parametrize(
    "fields",
    [
        {"filter": 5},
        {"filter": ["userName pr"]},
        {"count": "x"},
        {"count": [1]},
        {"count": 1.5},
        {"count": True},
        {"startIndex": {}},
        {"sortBy": 5},
        {"sortBy": ["userName"]},
        {"sortBy": "userName", "sortOrder": 5},
        {"attributes": 5},
        {"attributes": [[]]},
        {"attributes": ["a"], "excludedAttributes": ["b"]},
        {"attributes": {"a": 1}},
    ],
)
@pytest.mark.parametrize("url", ["/.search", "/Users/.search"])
async def test_a_field_of_another_type_is_refused(client: Client, url: str, fields: Json) -> None:
    assert (await client.post(url, fields)).status == 400


async def test_fields_are_read_in_any_case_and_null_is_none(client: Client, directory: Json) -> None:
    answer = await client.post(
        "/Users/.search",
        {"FILTER": 'userName eq "user1"', "StartIndex": 1, "COUNT": None, "sortBy": None, "attributes": None, "x": 1},
    )
    assert answer.document["Resources"] == [directory["user1"]]


async def test_a_resource_type_can_be_searched_by_post_only(client: Client) -> None:
    for url in ("/.search", "/Users/.search"):
        answer = await client.get(url)
        assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST")


async def test_a_search_of_a_group_shows_its_members(client: Client, directory: Json) -> None:
    found = await search(client, "/Groups/.search", filter="members pr")
    assert found["Resources"] == [directory["group name0"]]
    assert found["Resources"][0] == await client.document(path(directory["group name0"]))
