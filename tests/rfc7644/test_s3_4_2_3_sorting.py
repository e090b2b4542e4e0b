"""RFC 7644 section 3.4.2.3: sortBy and sortOrder."""

import pytest

from tests.memory_rows import memory_storage
from tests.scim import ENTERPRISE, GROUP, USER, Client, Clock, Json, endpoint_over, path, remove

PEOPLE: tuple[Json, ...] = (
    {
        "userName": "delta",
        "externalId": "b",
        "title": "b",
        "name": {"familyName": "Zimmer"},
        "active": True,
        "emails": [{"value": "z@x"}, {"value": "a@x", "primary": True}],
        ENTERPRISE: {"department": "1"},
    },
    {"userName": "Alpha", "externalId": "B", "title": "a", "emails": [{"value": "m@x"}, {"value": "b@x"}]},
    {"userName": "charlie", "externalId": "a", "name": {"familyName": "adams"}, "active": False},
    {"userName": "Bravo", "title": "B", "emails": [{"value": "C@x", "primary": True}], ENTERPRISE: {"department": "0"}},
)
NAMES = [item["userName"] for item in PEOPLE]


@pytest.fixture(scope="module")
async def people() -> Client:
    client = Client(endpoint_over(memory_storage(), Clock()))
    for person in PEOPLE:
        created = await client.post("/Users", person)
        assert created.status == 201
        if "active" not in person:
            await client.patch(path(created.document), remove("active"))
    return client


@pytest.mark.parametrize(
    ("by", "ascending", "descending"),
    [
        ("userName", "Alpha Bravo charlie delta", "delta charlie Bravo Alpha"),
        ("USERNAME", "Alpha Bravo charlie delta", "delta charlie Bravo Alpha"),
        (f"{USER}:userName", "Alpha Bravo charlie delta", "delta charlie Bravo Alpha"),
        ("externalId", "Alpha charlie delta Bravo", "Bravo delta charlie Alpha"),
        ("title", "Alpha delta Bravo charlie", "charlie delta Bravo Alpha"),
        ("name.familyName", "charlie delta Alpha Bravo", "Alpha Bravo delta charlie"),
        ("active", "charlie delta Alpha Bravo", "Alpha Bravo delta charlie"),
        ("emails", "delta Bravo Alpha charlie", "charlie Alpha Bravo delta"),
        ("emails.value", "delta Bravo Alpha charlie", "charlie Alpha Bravo delta"),
        ("meta.created", "delta Alpha charlie Bravo", "Bravo charlie Alpha delta"),
        ("meta.lastModified", "delta Alpha charlie Bravo", "Bravo charlie Alpha delta"),
        ("id", "delta Alpha charlie Bravo", "Bravo charlie Alpha delta"),
        (f"{ENTERPRISE}:department", "Bravo delta Alpha charlie", "Alpha charlie delta Bravo"),
        ("nickName", "delta Alpha charlie Bravo", "delta Alpha charlie Bravo"),
    ],
)
async def test_missing_values_are_last_ascending_and_first_descending(
    people: Client, by: str, ascending: str, descending: str
) -> None:
    for order, expected in ((None, ascending), ("Ascending", ascending), ("descending", descending)):
        answer = await people.get("/Users", sortBy=by, **({"sortOrder": order} if order else {}))
        assert " ".join(item["userName"] for item in answer.document["Resources"]) == expected


async def test_pages_of_a_sorted_list_make_up_the_whole(people: Client) -> None:
    pages = [(await people.get("/Users", sortBy="userName", startIndex=start, count=3)).document for start in (1, 4, 7)]
    assert [[item["userName"] for item in page["Resources"]] for page in pages] == [
        ["Alpha", "Bravo", "charlie"],
        ["delta"],
        [],
    ]
    assert [(page["totalResults"], page["startIndex"], page["itemsPerPage"]) for page in pages] == [
        (4, 1, 3),
        (4, 4, 1),
        (4, 7, 0),
    ]


async def test_a_filter_and_named_attributes_apply(people: Client) -> None:
    answer = await people.get("/Users", sortBy="userName", filter="title pr", attributes="title", count=2)
    assert answer.document["totalResults"] == 3
    assert [item["title"] for item in answer.document["Resources"]] == ["a", "B"]
    assert all("userName" not in item for item in answer.document["Resources"])


async def test_sort_order_alone_does_nothing(people: Client) -> None:
    answer = await people.get("/Users", sortOrder="descending")
    assert [item["userName"] for item in answer.document["Resources"]] == NAMES


@pytest.mark.parametrize("by", ["shoeSize", "name", 'emails[type eq "work"]', "a b", "addresses"])
async def test_what_has_no_order_is_refused(people: Client, by: str) -> None:
    assert (await people.get("/Users", sortBy=by)).status == 400


async def test_an_unknown_order_is_refused(people: Client) -> None:
    answer = await people.get("/Users", sortBy="userName", sortOrder="sideways")
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")


async def test_members_and_groups_are_shown_in_sorted_lists(client: Client) -> None:
    user = await client.user()
    groups = [await client.group(name, user) for name in ("two", "one")]
    listed = await client.get("/Groups", sortBy="displayName")
    assert listed.document["Resources"] == groups[::-1]
    everything = await client.post("/.search", {"sortBy": "displayName"})
    assert [item["schemas"] for item in everything.document["Resources"]] == [[GROUP], [GROUP], [USER]]
    assert everything.document["Resources"] == [*groups[::-1], await client.document(user)]
