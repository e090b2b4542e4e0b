"""The plan of a filter, as the log names it: an index where there is one, and honest about what it leaves open."""

import pytest

from scim_core.protocol.filter_leniency import parse_filter
from scim_core.protocol.schemas import load_catalogue
from scim_core.service.query_plan import plan
from tests.scim import ENTERPRISE, GROUP, USER, Client

CATALOGUE = load_catalogue()
ID = "018f0000-0000-7000-8000-000000000000"

USERS = {
    'userName eq "x"': "index userName, exact",
    "userName eq x": "index userName, exact",
    'USERNAME EQ "x"': "index userName, exact",
    f'{USER}:userName eq "x"': "index userName, exact",
    'externalId eq "x"': "index externalId, exact",
    'displayName eq "x"': "index displayName, exact",
    'emails eq "x"': "index emails.value, exact",
    'emails.value eq "x"': "index emails.value, exact",
    'emails[value eq "x"]': "index emails.value, exact",
    'emails[type eq "work" and value eq "x"]': "index emails.value, superset",
    'emails[type eq "work"].value eq "x"': "index emails.value, superset",
    f'id eq "{ID}"': "ById, exact",
    'userName sw "x"': "prefix userName, superset",
    'userName eq "x" and active eq true': "index userName, superset",
    'active eq true and userName eq "x"': "index userName, superset",
    'externalId eq "x" and userName eq "y"': "index userName, superset",
    'emails eq "x" and not (userName eq "y")': "index emails.value, superset",
    f'id eq "{ID}" and manager eq "y"': "ById, superset",
    'userName eq "x" or externalId eq "x"': "any of 2, exact",
    'userName eq "x" or emails[value eq "x" and type eq "work"]': "any of 2, superset",
    'userName eq "x" or title eq "y"': "scan, superset",
    f'groups eq "{ID}"': "MembersOf, exact",
    f'groups eq "{ID}" and active eq true': "MembersOf, superset",
    "active eq true": "scan active, exact",
    'active eq "False"': "scan active, exact",
    "active eq null": "scan, superset",
    "not (active eq true)": "scan, superset",
    'meta.lastModified gt "2026-01-01T00:00:00Z"': "scan lastModified, exact",
    'meta.created ge "2026-01-01T00:00:00Z" and meta.created lt "2027-01-01T00:00:00Z"': "scan created created, exact",
    'active eq true and meta.lastModified gt "2026-01-01T00:00:00Z"': "scan active lastModified, exact",
    'active eq true and title eq "x"': "scan active, superset",
    " and ".join(["active eq true"] * 9): "scan " + " ".join(["active"] * 8) + ", superset",
    'title eq "x"': "scan, superset",
    'userName ne "x"': "scan, superset",
    'userName co "x"': "scan, superset",
    'userName sw ""': "scan, superset",
    "userName pr": "scan, superset",
    'shoeSize eq "x"': "nothing, exact",
    'shoeSize ne "x"': "scan, superset",
    "shoeSize eq null": "scan, superset",
    "shoeSize ne null": "nothing, exact",
    "shoeSize pr": "nothing, exact",
    'members eq "x"': "nothing, exact",
    'members[value eq "x"]': "nothing, exact",
    "not (shoeSize pr)": "scan, superset",
    'shoeSize eq "x" and title pr': "nothing, exact",
    'shoeSize eq "x" or title pr': "scan, superset",
    'shoeSize eq "x" or userName eq "x"': "index userName, exact",
    'shoeSize eq "x" or (members pr and userName eq "x")': "nothing, exact",
    'emails[verified eq "x"]': "scan, superset",
    'emails[value.x eq "x"]': "scan, superset",
    'schemas[value eq "x"]': "scan, superset",
    "addresses pr": "scan, superset",
    'userName eq "x" or userName eq "X" or emails eq "x"': "any of 2, exact",
    'userName eq "x" or userName eq "X"': "index userName, exact",
    '(userName eq "x" or externalId eq "x") or (externalId eq "x" or emails eq "x")': "any of 3, exact",
    f'{ENTERPRISE}:department eq "x"': "scan, superset",
    f'{ENTERPRISE}:manager eq "x"': "scan, superset",
}
GROUPS = {
    'displayName eq "x"': "index displayName, exact",
    f'{GROUP}:externalId eq "x"': "index externalId, exact",
    f'members eq "{ID}"': "GroupsOf, exact",
    f'members[value eq "{ID}"]': "GroupsOf, exact",
    f'members[value eq "{ID}" and type eq "User"]': "GroupsOf, superset",
    f'id eq "{ID}" and members eq "{ID}"': "Edge, exact",
    f'members.value eq "{ID}" and id eq "{ID}"': "Edge, exact",
    f'id eq "{ID}" and members eq "{ID}" and displayName eq "x"': "Edge, superset",
    f'displayName eq "x" and members eq "{ID}"': "index displayName, superset",
    'members[type eq "Group"]': "scan, superset",
}


def planned(endpoint: str, text: str) -> str:
    resource_type = CATALOGUE.resource_types[endpoint]
    return str(plan(resource_type, parse_filter(resource_type, text), resource_type.indexes))


@pytest.mark.parametrize(("text", "expected"), USERS.items(), ids=USERS)
def test_a_filter_of_users_is_planned(text: str, expected: str) -> None:
    assert planned("users", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        'userName eq "x"': "scan, superset",
        'externalId eq "x"': "index externalId, exact",
        'userName eq "x" and externalId eq "y"': "index externalId, superset",
        'userName sw "x" and active eq true': "scan active, superset",
        'userName eq "x" or externalId eq "y"': "scan, superset",
        f'id eq "{ID}" and userName eq "x"': "ById, superset",
    }.items(),
)
def test_an_index_that_is_not_complete_is_none(text: str, expected: str) -> None:
    users = CATALOGUE.resource_types["users"]
    complete = {index for index in users.indexes if index.attribute != "userName"}
    assert str(plan(users, parse_filter(users, text), complete)) == expected


@pytest.mark.parametrize(("text", "expected"), GROUPS.items(), ids=GROUPS)
def test_a_filter_of_groups_is_planned(text: str, expected: str) -> None:
    assert planned("groups", text) == expected


@pytest.mark.parametrize(
    ("endpoint", "text", "reads"),
    [
        ("users", f'groups eq "{ID}"', False),
        ("users", f'groups eq "{ID}" and title pr', True),
        ("users", "not (groups pr)", True),
        ("users", 'userName eq "x" and title pr', False),
        ("groups", f'id eq "{ID}" and members eq "{ID}"', False),
        ("groups", 'members[type eq "Group"]', True),
        ("groups", 'displayName sw "x"', False),
        ("groups", 'displayName sw "x" or members.type eq "User"', True),
    ],
)
def test_memberships_are_read_only_for_a_filter_that_looks_at_them(endpoint: str, text: str, reads: bool) -> None:
    resource_type = CATALOGUE.resource_types[endpoint]
    assert plan(resource_type, parse_filter(resource_type, text), resource_type.indexes).reads_memberships is reads


async def test_the_log_names_the_plan_without_its_values(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger="scim_core"):
        await client.get("/Users", filter='userName eq "bjensen@example.com" or emails eq "babs@jensen.org"')
    assert [record.__dict__["plan"] for record in caplog.records if hasattr(record, "plan")] == ["any of 2, exact"]
    assert not any("jensen" in str(record.__dict__) for record in caplog.records)
