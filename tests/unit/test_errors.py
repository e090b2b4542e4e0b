"""What an administrator reads in `detail`: where, and what to change, in JSON's words and not in a library's."""

import pytest

from tests.scim import path, replace


@pytest.mark.parametrize(
    ("attributes", "detail"),
    [
        ({"name": "x y"}, "name must be an object."),
        ({"active": "perhaps"}, "active must be true or false."),
        ({"userName": ["a", "b"]}, "userName must be a string."),
        ({"emails": [{"value": {"x": 1}}]}, "emails.0.value must be a string."),
    ],
)
async def test_a_wrong_type_is_named_with_what_it_should_be(client, attributes, detail):
    answer = await client.post("/Users", {"userName": "bjensen", **attributes})

    assert (answer.status, answer.document["detail"]) == (400, detail)


@pytest.mark.parametrize(
    ("attribute", "value", "detail"),
    [
        ("name", "x y", "name must be an object."),
        ("active", "perhaps", "active must be true or false."),
        ("userName", "", "userName is required: it can be replaced, but not removed."),
    ],
)
async def test_a_refused_patch_value_is_named_likewise(client, attribute, value, detail):
    answer = await client.patch(path(await client.user()), replace(attribute, value))

    assert (answer.status, answer.document["detail"]) == (400, detail)


async def test_both_projections_at_once_are_refused_by_their_names(client):
    answer = await client.get("/Users", attributes="id", excludedAttributes="emails")

    assert answer.status == 400
    assert "attributes and excludedAttributes exclude each other" in answer.document["detail"]


async def test_a_group_that_does_not_exist_is_missing_before_it_is_its_own_member(client):
    gone = await client.group()
    await client.delete(path(gone))

    operation = {"op": "add", "path": "members", "value": [{"value": gone["id"]}]}

    assert (await client.patch(path(gone), operation)).status == 404
