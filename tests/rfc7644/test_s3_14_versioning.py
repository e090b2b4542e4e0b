"""RFC 7644 section 3.14 and RFC 9110 section 13: ETag, If-Match, If-None-Match."""

import pytest

from tests.clients.targets import Answer
from tests.scim import Client, Clock, Json, add, path, remove, replace

OTHER = 'W/"018f0000-0000-7000-8000-000000000000"'


@pytest.fixture
async def user(client: Client) -> Json:
    return await client.user()


async def send(client: Client, method: str, resource: Json, **headers: str) -> Answer:
    """A request that would change the resource, or read it, under these conditions."""
    name = "userName" if "userName" in resource else "displayName"
    bodies = {
        "PUT": {name: "changed"},
        "PATCH": {"Operations": [replace("displayName", "changed")]},
        "GET": None,
        "DELETE": None,
    }
    conditions: dict[str, str | None] = {key.replace("_", "-"): value for key, value in headers.items()}
    return await client.send(method, path(resource), bodies[method], headers=conditions)


def strong(tag: str) -> str:
    return tag.removeprefix("W/")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("form", ["{tag}", "{strong}", "*", "{other}, {tag}", "{tag},{other}", " {tag} ", "{bare}"])
async def test_if_match_names_the_version_that_may_be_changed(
    client: Client, user: Json, method: str, form: str
) -> None:
    tag = user["meta"]["version"]
    header = form.format(tag=tag, strong=strong(tag), other=OTHER, bare=strong(tag).strip('"'))
    assert (await send(client, method, user, if_match=header)).status in (200, 204)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("header", [OTHER, strong(OTHER), '"x", "y"', '""', "x", '"', 'W/"'])
async def test_another_version_is_refused_and_nothing_changes(
    client: Client, user: Json, method: str, header: str
) -> None:
    answer = await send(client, method, user, if_match=header)
    assert answer.status == 412
    assert await client.document(user) == user


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("form", ["{tag}", "{strong}", "*", "{other}, {tag}"])
async def test_if_none_match_names_the_version_that_may_not(client: Client, user: Json, method: str, form: str) -> None:
    tag = user["meta"]["version"]
    header = form.format(tag=tag, strong=strong(tag), other=OTHER)
    assert (await send(client, method, user, if_none_match=header)).status == 412
    assert await client.document(user) == user
    assert (await send(client, method, user, if_none_match=OTHER)).status in (200, 204)


@pytest.mark.parametrize("form", ["{tag}", "{strong}", "*", "{other}, {tag}", "{tag}, {other}"])
async def test_what_the_client_has_is_not_sent_again(client: Client, user: Json, form: str) -> None:
    tag = user["meta"]["version"]
    header = form.format(tag=tag, strong=strong(tag), other=OTHER)
    answer = await send(client, "GET", user, if_none_match=header)
    assert (answer.status, answer.body, answer.headers) == (304, b"", {"etag": tag, "cache-control": "no-store"})
    assert (await send(client, "GET", user, if_none_match=OTHER)).document == user


async def test_a_version_is_that_of_the_representation(client: Client, clock: Clock, user: Json) -> None:
    versions = {user["meta"]["version"]}
    for operation in (replace("title", "x"), replace("title", "y"), remove("title"), add("emails", [{"value": "a@b"}])):
        clock.advance(seconds=1)
        answer = await client.patch(path(user), operation)
        assert answer.headers["etag"] == answer.document["meta"]["version"]
        versions.add(answer.headers["etag"])
    assert len(versions) == 5
    assert all(tag.startswith('W/"') and tag.endswith('"') for tag in versions)
    stale = await send(client, "PATCH", user, if_match=user["meta"]["version"])
    assert stale.status == 412


async def test_a_change_that_changes_nothing_still_needs_its_version(client: Client, user: Json) -> None:
    no_change: Json = {"Operations": []}
    answer = await client.send("PATCH", path(user), no_change, headers={"if-match": OTHER})
    assert answer.status == 412
    answer = await client.send("PATCH", path(user), no_change, headers={"if-match": user["meta"]["version"]})
    assert answer.document == user


async def test_a_group_changes_its_version_with_its_members(client: Client, user: Json) -> None:
    group = await client.group()
    joined = await client.patch(path(group), add("members", user["id"]), headers={"if-match": group["meta"]["version"]})
    assert joined.status == 204
    again = await client.patch(path(group), remove("members"), headers={"if-match": group["meta"]["version"]})
    assert again.status == 412
    named = await client.send(
        "PATCH",
        f"{path(group)}?attributes=displayName",
        {"Operations": [remove("members")]},
        headers={"if-match": joined.headers["etag"]},
    )
    assert named.status == 200
    assert named.headers["etag"] not in (joined.headers["etag"], group["meta"]["version"])


async def test_a_member_that_read_its_groups_is_told_when_they_change(client: Client, user: Json) -> None:
    group = await client.group("group", user)
    answer = await send(client, "GET", user, if_none_match=user["meta"]["version"])
    assert answer.status == 200
    tag = answer.headers["etag"]
    assert (await send(client, "GET", user, if_none_match=tag)).status == 304
    await client.delete(path(group))
    assert (await send(client, "GET", user, if_none_match=tag)).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_what_is_not_there_is_not_found_whatever_the_condition(client: Client, user: Json, method: str) -> None:
    await client.delete(path(user))
    for headers in ({"if_match": "*"}, {"if_none_match": "*"}, {"if_match": OTHER}):
        assert (await send(client, method, user, **headers)).status == 404


@pytest.mark.parametrize("header", ["", "  "])
async def test_an_empty_condition_is_none(client: Client, user: Json, header: str) -> None:
    assert (await send(client, "PATCH", user, if_match=header, if_none_match=header)).status == 200


async def test_conditions_on_a_creation_or_a_list_do_not_matter(client: Client) -> None:
    headers: dict[str, str | None] = {"if-match": OTHER, "if-none-match": "*"}
    assert (await client.send("POST", "/Users", {"userName": "x"}, headers=headers)).status == 201
    assert (await client.get("/Users", headers=headers)).status == 200
