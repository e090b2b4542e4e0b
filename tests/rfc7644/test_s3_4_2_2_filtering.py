"""RFC 7644 section 3.4.2.2: filters."""

from urllib.parse import quote

import pytest

from scim_core import Endpoint
from tests.memory_rows import memory_storage
from tests.scim import (
    ENTERPRISE,
    GLOBAL_RELAY,
    USER,
    Client,
    Clock,
    Json,
    endpoint_over,
    member_ids,
    path,
    remove,
    sentence,
    without,
)

PEOPLE: tuple[Json, ...] = (
    {
        "userName": "bjensen@example.com",
        "externalId": "701984",
        "name": {"formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen", "givenName": "Barbara"},
        "displayName": "Babs Jensen",
        "title": "Tour Guide",
        "userType": "Employee",
        "profileUrl": "https://login.example.com/bjensen",
        "active": True,
        "emails": [
            {"value": "bjensen@example.com", "type": "work", "primary": True},
            {"value": "babs@jensen.org", "type": "home"},
        ],
        "phoneNumbers": [{"value": "tel:+1-201-555-0123", "type": "work"}],
        "photos": [{"value": "https://photos.example.com/profilephoto/72930000000Ccne/F", "type": "photo"}],
        "x509Certificates": [{"value": "MIIDQzCCAqygAwIBAgICEAAwDQYJKoZIhvcNAQEF"}],
        ENTERPRISE: {"employeeNumber": "701984", "department": "Tour Operations", "manager": {"value": "26118915"}},
    },
    {
        "userName": "jsmith@example.org",
        "externalId": "b701985",
        "name": {"familyName": "Smith", "givenName": "John"},
        "displayName": "John Smith",
        "userType": "Intern",
        "active": False,
        "emails": [{"value": "jsmith@example.org", "type": "Work"}, {"value": "john@example.com", "type": "other"}],
        GLOBAL_RELAY: {"proxyAddresses": "SMTP:jsmith@example.org", "extensionAttribute1": "42"},
    },
    {"userName": "O'Malley"},
)
BABS, JOHN, PAT = ([person["userName"]] for person in PEOPLE)
BABS_JOHN, JOHN_PAT, ALL = [*BABS, *JOHN], [*JOHN, *PAT], [*BABS, *JOHN, *PAT]


@pytest.fixture(scope="module")
async def people() -> Client:
    """The three of them, created a minute apart from 2026-11-23T09:05 on."""
    clock = Clock()
    client = Client(_endpoint(clock))
    for person in PEOPLE:
        user = await client.user(person["userName"], **without(person, "userName"))
        if "active" not in person:
            await client.patch(path(user), remove("active"))
        clock.advance(minutes=1)
    return client


def _endpoint(clock: Clock) -> Endpoint:
    return endpoint_over(memory_storage(), clock)


OPERATORS = {
    # strings, compared without regard to case
    'userName eq "BJENSEN@example.com"': BABS,
    'userName ne "bjensen@example.com"': JOHN_PAT,
    'userName co "EXAMPLE"': BABS_JOHN,
    'userName sw "J"': JOHN,
    'userName ew ".ORG"': JOHN,
    'userName gt "j"': JOHN_PAT,
    'userName ge "jsmith@example.org"': JOHN_PAT,
    'userName lt "j"': BABS,
    'userName le "JSMITH@example.org"': BABS_JOHN,
    "userName pr": ALL,
    # strings with regard to case
    'externalId eq "b701985"': JOHN,
    'externalId eq "B701985"': [],
    'externalId ne "B701985"': ALL,
    'externalId sw "b"': JOHN,
    'externalId sw "B"': [],
    'externalId co "7019"': BABS_JOHN,
    'externalId ew "5"': JOHN,
    'externalId gt "8"': JOHN,
    # an attribute without a value
    "title pr": BABS,
    'title eq "Tour Guide"': BABS,
    'title ne "Tour Guide"': JOHN_PAT,
    'title gt ""': BABS,
    "title eq null": JOHN_PAT,
    "title ne null": BABS,
    'displayName eq ""': [],
    # Booleans
    "active eq true": BABS,
    "active eq false": JOHN,
    "active eq TRUE": BABS,
    'active eq "True"': BABS,
    'active eq "false"': JOHN,
    "active ne true": JOHN_PAT,
    "active pr": BABS_JOHN,
    "active eq null": PAT,
    "active ne null": BABS_JOHN,
    # dateTimes, compared as instants
    'meta.created gt "2026-11-23T09:05:59Z"': JOHN_PAT,
    'meta.created ge "2026-11-23T10:06:59+01:00"': PAT,
    'meta.created lt "2026-11-23T04:05:30-05:00"': BABS,
    'meta.created le "2026-11-23T09:06:30.1234567Z"': BABS_JOHN,
    "meta.created gt 2026-11-23T09:05:59Z": JOHN_PAT,
    'meta.created eq "2026-11-23T09:05:00Z"': [],
    'meta.created ne "2026-11-23T09:05:00Z"': ALL,
    "meta.lastModified pr": ALL,
    'meta.created gt "0999-01-01T00:00:00Z"': ALL,
    'meta.created gt "0001-01-01T00:00:00+14:00"': ALL,
    'meta.created lt "9999-12-31T23:59:59-14:00"': ALL,
    'meta.created gt "2026-11-23T09:05:59Z" and meta.created lt "2026-11-23T09:06:59Z"': JOHN,
    # dateTimes without an offset are in UTC, a date is its first instant; with and without the help of storage
    'meta.created gt "2026-11-23T09:05:59"': JOHN_PAT,
    'meta.created gt "2026-11-23T09:05:59" and userName pr': JOHN_PAT,
    'meta.created lt "2026-11-23T09:05:59.5" or title eq "x"': BABS,
    'not (meta.created gt "2026-11-23T09:05:59")': BABS,
    'meta.created gt "2026-11-23"': ALL,
    "meta.created gt 2026-11-23 and userName pr": ALL,
    'meta.created ge "2026-11-24" or title eq "x"': [],
    'meta.created ne "2026-11-23"': ALL,
    'meta.created gt "2026-11-23T09:05:59z" and userName pr': JOHN_PAT,
    'meta.created gt "2026-11-23 10:05:59+0100" and userName pr': JOHN_PAT,
    'meta.created co "2026"': [],
    "meta.created eq null": [],
    'meta.resourceType eq "User"': ALL,
    'meta.resourceType eq "Group"': [],
    # complex attributes and their sub-attributes
    'name.familyName eq "jensen"': BABS,
    'name.familyName co "MIT"': JOHN,
    "name pr": BABS_JOHN,
    "name.formatted pr": BABS,
    # multi-valued attributes: any value may match, and with ne none may be equal
    'emails eq "JOHN@example.com"': JOHN,
    'emails co "example.com"': BABS_JOHN,
    'emails.value co "jensen"': BABS,
    'emails.type eq "HOME"': BABS,
    'emails.type ne "work"': PAT,
    "emails pr": BABS_JOHN,
    "emails.primary pr": BABS,
    "emails.primary eq true": BABS,
    # an element that does not say primary is not the primary one (RFC 7643 section 2.4)
    "emails.primary eq false": BABS_JOHN,
    "emails.primary ne true": JOHN_PAT,
    "emails.primary ne false": PAT,
    "emails[primary eq false]": BABS_JOHN,
    'emails[primary eq "False" and type eq "work"]': JOHN,
    'emails[primary ne true and type eq "home"]': BABS,
    "emails[primary ne false]": BABS,
    'emails[not (primary eq false) and type eq "home"]': [],
    f"{USER}:emails.primary eq false and title pr": BABS,
    'emails[type eq "work"].primary eq true': BABS,
    'emails[type eq "work"].primary eq "false"': [],
    'phoneNumbers.value sw "tel:"': BABS,
    # value paths: one and the same value fulfils all
    'emails[type eq "work" and value co "@example.com"]': BABS,
    'emails[type eq "home" and value co "example"]': [],
    'emails[type eq "work" or type eq "home"]': BABS_JOHN,
    'emails[not (type eq "work")]': BABS_JOHN,
    'emails[not (type eq "work") and value ew ".org"]': BABS,
    'emails[(type eq "work" or type eq "home") and value ew ".org"]': BABS_JOHN,
    "emails[primary eq true]": BABS,
    'emails[primary eq "True"]': BABS,
    "emails[primary eq True]": BABS,
    "emails[display pr]": [],
    'emails[value eq "john@example.com"]': JOHN,
    'emails[value eq "john@example.com" and type eq "work"]': [],
    'userType eq "Employee" and emails[type eq "work" and value co "@example.com"]': BABS,
    'emails[type eq "work"].value eq "bjensen@example.com"': BABS,
    'emails[type eq "home"].value eq "bjensen@example.com"': [],
    'emails[type eq "work"].value pr': BABS_JOHN,
    # references and certificates, with regard to case
    'profileUrl eq "https://login.example.com/bjensen"': BABS,
    'profileUrl eq "https://login.example.com/BJENSEN"': [],
    'profileUrl sw "https://"': BABS,
    'photos.value ew "Ccne/F"': BABS,
    'photos.value ew "ccne/f"': [],
    'x509Certificates.value eq "MIIDQzCCAqygAwIBAgICEAAwDQYJKoZIhvcNAQEF"': BABS,
    # names qualified by a schema URN
    f'{USER}:userName eq "{BABS[0]}"': BABS,
    f'{USER}:name.familyName eq "smith"': JOHN,
    f'{USER.upper()}:USERNAME EQ "{BABS[0]}"': BABS,
    f'{ENTERPRISE}:department eq "tour operations"': BABS,
    f'{ENTERPRISE}:manager.value eq "26118915"': BABS,
    f'{ENTERPRISE}:manager eq "26118915"': BABS,
    f"{ENTERPRISE}:manager pr": BABS,
    f'{GLOBAL_RELAY}:extensionAttribute1 eq "42"': JOHN,
    f"{GLOBAL_RELAY}:extensionAttribute1 eq 42": JOHN,
    f'{GLOBAL_RELAY}:proxyAddresses sw "smtp:"': JOHN,
    'manager eq "26118915"': BABS,
    'department sw "tour"': BABS,
    f'{USER}:emails[type eq "home"]': BABS,
    # names and operators in any case
    'USERNAME Eq "bjensen@example.com"': BABS,
    'Emails[Type EQ "Home"]': BABS,
    "TITLE PR": BABS,
    'title PR AND username SW "b"': BABS,
    # and, or, not, and how tightly they bind
    'title pr and userType eq "Employee"': BABS,
    'title pr or userType eq "Intern"': BABS_JOHN,
    "not (title pr)": JOHN_PAT,
    "not(title pr)": JOHN_PAT,
    "not (title pr) and active eq false": JOHN,
    'userName sw "o" or title pr and active eq false': PAT,
    '(userName sw "o" or title pr) and active eq true': BABS,
    'title pr and active eq false or userName sw "o"': PAT,
    'not (title pr and active eq true) and not (userName sw "o")': JOHN,
    "not (not (title pr))": BABS,
    '((userName eq "O\'Malley"))': PAT,
    f'userName eq "{BABS[0]}" or userName eq "{JOHN[0]}"': BABS_JOHN,
    f'userName eq "{JOHN[0]}" or userName eq "{BABS[0]}" or userName eq "{JOHN[0]}"': BABS_JOHN,
    f'userName eq "{BABS[0]}" and userName eq "{JOHN[0]}"': [],
    f'userName eq "{BABS[0]}" and active eq true': BABS,
    f'active eq false and userName eq "{BABS[0]}"': [],
    f'userName eq "{BABS[0]}" or active eq false': BABS_JOHN,
    'externalId eq "701984" and emails eq "babs@jensen.org"': BABS,
    # attributes that no resource has are without a value
    'shoeSize eq "44"': [],
    "shoeSize pr": [],
    "not (shoeSize pr)": ALL,
    'shoeSize eq "44" or title pr': BABS,
    'name.shoeSize eq "44"': [],
    'emails[verified eq "x"]': [],
    'urn:ietf:params:scim:schemas:extension:Contoso:2.0:User:shoeSize eq "44"': [],
    'password eq "secret"': [],
    'emails[value.x eq "babs@jensen.org"]': [],
    "addresses pr or userName pr": ALL,
    # the schemas of a resource
    f'schemas eq "{USER}"': ALL,
    f'schemas eq "{ENTERPRISE}"': BABS,
    f'schemas[value eq "{GLOBAL_RELAY}"]': JOHN,
    'schemas co "enterprise"': BABS,
    # the examples of the section
    'name.familyName co "O\'Malley" or userName co "o\'malley"': PAT,
    f'{USER}:userName sw "J"': JOHN,
    'meta.lastModified gt "2011-05-13T04:42:34Z"': ALL,
    'userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")': BABS,
    'userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")': PAT,
    'userType eq "Employee" and (emails.type eq "work")': BABS,
    'emails[type eq "work" and value co "@example.org"] or ims[type eq "xmpp" and value co "@foo.com"]': JOHN,
    # values without quotes
    "externalId eq 701984": BABS,
    "userName eq bjensen@example.com": BABS,
    "userName eq O'Malley": PAT,
    "(userName eq bjensen@example.com or userName eq jsmith@example.org) and active eq false": JOHN,
    "emails[type eq home and value eq babs@jensen.org]": BABS,
    "emails[type eq home].value eq babs@jensen.org": BABS,
    "userName sw O": PAT,
    'userType eq null or userName eq "null"': PAT,
    # white space
    '  userName   eq\t"O\'Malley"  ': PAT,
}


@pytest.mark.parametrize(("filter_text", "found"), OPERATORS.items(), ids=OPERATORS)
async def test_a_filter_finds_exactly_what_matches(people: Client, filter_text: str, found: list[str]) -> None:
    assert await people.names(filter_text) == found


@pytest.mark.parametrize("filter_text", OPERATORS)
async def test_a_filter_and_its_negation_part_the_resources(people: Client, filter_text: str) -> None:
    found = await people.names(filter_text)
    assert sorted([*found, *await people.names(f"not ({filter_text})")]) == sorted(ALL)


@pytest.mark.parametrize(
    "filter_text",
    [
        "userName",
        "userName eq",
        "userName eq )",
        "(userName eq ) or title pr",
        'userName eq "x" and',
        'userName is "x"',
        '"x" eq userName',
        'and userName eq "x"',
        'userName eq "x',
        '(userName eq "x"',
        'userName eq "x")',
        'emails[type eq "work"',
        'emails[type eq "work" and emails[value pr]]',
        "emails[]",
        'not userName eq "x"',
        'user name eq "x"',
        'userName eq {"a": 1}',
        "pr",
        "()",
        "-1 eq 1",
        'userName..x eq "1"',
        'name.familyName.x eq "1"',
        'urn: eq "1"',
    ],
)
async def test_text_that_is_no_filter_is_refused(people: Client, filter_text: str) -> None:
    answer = await people.get("/Users", filter=filter_text)
    assert (answer.status, answer.document["scimType"]) == (400, "invalidFilter")


@pytest.mark.parametrize("operator", ["gt", "ge", "lt", "le", "co", "sw", "ew"])
@pytest.mark.parametrize("attribute", ["active", "emails.primary"])
async def test_booleans_have_no_order_and_no_parts(people: Client, attribute: str, operator: str) -> None:
    answer = await people.get("/Users", filter=f"{attribute} {operator} true")
    assert (answer.status, answer.document["scimType"]) == (400, "invalidFilter")


@pytest.mark.parametrize(
    "filter_text",
    [
        'active eq "perhaps"',
        'name[familyName eq "x"]',
        *(f'meta.created gt "{value}"' for value in ("yesterday", "", "2026-13-01", "20261123", "1763888700", "2026")),
        "meta.lastModified lt 1763888700",
        "meta.lastModified eq true",
    ],
)
async def test_a_value_its_attribute_cannot_have_is_refused(people: Client, filter_text: str) -> None:
    answer = await people.get("/Users", filter=filter_text)
    assert (answer.status, answer.document["scimType"]) == (400, "invalidFilter")


AWKWARD_NAMES = {
    "a space": "a b",
    "an apostrophe": "O'Brien",
    "a quote": 'say "hi"',
    "a quote at the end": 'say "hi"',
    "backslashes": "CORP\\jdoe\\",
    "an ampersand": "R&D",
    "plus and percent": "a+b%20c%2Bd%",
    "a number sign": "guest#EXT#@x",
    "brackets": "a[b](c)]",
    "a logical word": 'x" or "y and z',
    "only a keyword": "and",
    "a slash": "a/b?c=d;e",
    "accents": "Zoë Müller",
    "Greek and Japanese": "Ωμέγα 田中",
    "an emoji": "👩‍💻 dev",
    "escapes spelt out": "\\n\\u0041\\",
    "a comma": "Jensen, Barbara",
}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(f"\\u{ord(c):04x}" if c < " " else c for c in escaped) + '"'


@pytest.mark.parametrize("name", AWKWARD_NAMES.values(), ids=AWKWARD_NAMES)
@pytest.mark.parametrize("url", ["/Users", "/Groups"])
async def test_any_text_can_be_found_by_equality(client: Client, url: str, name: str) -> None:
    created = await (client.user(name) if url == "/Users" else client.group(name))
    attribute = "userName" if url == "/Users" else "displayName"
    assert [item["id"] for item in await client.found(url, f"{attribute} eq {_quoted(name)}")] == [created["id"]]


@pytest.mark.parametrize(
    "name",
    ['say "hi"', 'a "b" c', '"', 'Fraser\'s "R&D" +1', 'R" and D', 'R" or "D', '"and" eq', 'Tim "The Tool" Taylor'],
)
async def test_quotes_within_a_value_need_not_be_escaped(client: Client, name: str) -> None:
    await client.group(name)
    assert await client.names(f'displayName eq "{name}"', "/Groups") == [name]


async def test_a_plus_is_a_space_and_an_encoded_plus_is_a_plus(client: Client) -> None:
    await client.group("EDU All personal")
    await client.group("EDU+All")
    spaced = await client.get("/Groups?filter=displayName+eq+%22EDU+All+personal%22")
    plus = await client.get("/Groups?filter=displayName%20eq%20%22EDU%2BAll%22")
    assert [item["displayName"] for item in spaced.document["Resources"]] == ["EDU All personal"]
    assert [item["displayName"] for item in plus.document["Resources"]] == ["EDU+All"]


async def test_composed_and_decomposed_letters_are_the_same(client: Client) -> None:
    await client.user("Zo\u00eb")
    assert await client.names('userName eq "ZOE\u0308"') == ["Zo\u00eb"]
    assert await client.names('userName sw "zoe\u0308"') == ["Zo\u00eb"]


async def test_unicode_escapes_in_a_filter_are_read(client: Client) -> None:
    await client.user("Zoë 😀")
    assert await client.names(r'userName eq "Zo\u00eb \ud83d\ude00"') == ["Zoë 😀"]


async def test_an_empty_filter_is_no_filter(people: Client) -> None:
    answer = await people.get("/Users?filter=")
    assert answer.document["totalResults"] == len(PEOPLE)


@pytest.mark.parametrize("name", ["filter", "Filter", "FILTER"])
async def test_parameter_names_are_read_in_any_case(people: Client, name: str) -> None:
    answer = await people.get(f"/Users?{name}={quote('title pr')}")
    assert answer.document["totalResults"] == 1


async def test_an_id_is_found_in_upper_case_too(client: Client) -> None:
    user = await client.user()
    assert [item["id"] for item in await client.found("/Users", f'id eq "{user["id"]}"')] == [user["id"]]
    assert await client.found("/Users", f'id eq "{user["id"].upper()}"') == [user]
    assert await client.found("/Users", f'id ne "{user["id"].upper()}"') == []
    assert await client.found("/Users", f'id sw "{user["id"][:8].upper()}"') == []
    assert await client.found("/Users", f'id sw "{user["id"][:8]}"') == [user]
    assert await client.found("/Users", f"id eq {user['id']} and active eq false") == []


@pytest.fixture
async def group(client: Client) -> tuple[Client, Json, Json, Json]:
    """A client, and a group of whose two acquaintances one is a member."""
    member, stranger = await client.user("member"), await client.user("stranger")
    return client, await client.group("Group", member), member, stranger


@pytest.mark.parametrize(
    "probe",
    [
        'id eq "{group}" and members eq "{user}"',
        'members eq "{user}" and id eq "{group}"',
        "id eq {group} and members eq {user}",
        'members.value eq "{user}" and id eq "{group}"',
        'members[value eq "{user}"]',
        'members[value eq "{user}" and type eq "User"]',
        'members[value eq "{user}"].type eq "User"',
        'members.$ref ew "/{user}"',
        'members eq "{user}" and displayName eq "group"',
        'displayName sw "gr" and members eq "{user}"',
        'id eq "{group}" and members eq "{user}" and displayName eq "group"',
        'not (displayName eq "x") and members.value eq "{user}"',
        '(id eq "{group}" and members eq "{user}") or displayName eq "x"',
    ],
)
async def test_a_group_is_found_by_its_members(group: tuple[Client, Json, Json, Json], probe: str) -> None:
    client, its, member, stranger = group
    assert await client.names(probe.format(group=its["id"], user=member["id"]), "/Groups") == ["Group"]
    assert await client.names(probe.format(group=its["id"], user=stranger["id"]), "/Groups") == []


@pytest.mark.parametrize(
    "probe", ['groups eq "{group}"', 'groups.value eq "{group}"', 'groups[value eq "{group}"]', "groups pr"]
)
async def test_a_user_is_found_by_its_groups(group: tuple[Client, Json, Json, Json], probe: str) -> None:
    client, its, _, _ = group
    assert await client.names(probe.format(group=its["id"])) == ["member"]
    assert await client.names(f"not ({probe.format(group=its['id'])})") == ["stranger"]


async def test_a_probe_that_asks_for_the_id_gets_only_that(group: tuple[Client, Json, Json, Json]) -> None:
    client, its, member, _ = group
    [found] = await client.found("/Groups", f'id eq "{its["id"]}" and members eq "{member["id"]}"', attributes="id")
    assert set(found) == {"schemas", "id"}


async def test_a_probe_can_be_sorted(group: tuple[Client, Json, Json, Json]) -> None:
    client, its, member, stranger = group
    for user, found in ((member, [its]), (stranger, [])):
        probe = f'id eq "{its["id"]}" and members eq "{user["id"]}"'
        assert (await client.get("/Groups", filter=probe, sortBy="displayName")).document["Resources"] == found


async def test_a_probe_shows_the_members_it_matched(group: tuple[Client, Json, Json, Json]) -> None:
    client, its, member, _ = group
    [found] = await client.found("/Groups", f'id eq "{its["id"]}" and members eq "{member["id"]}"')
    assert member_ids(found) == [member["id"]]


@pytest.mark.parametrize("member_id", ["no-such-id", "018f0000-0000-7000-8000-000000000000", "", "x" * 1000, "a/b#c?d"])
@pytest.mark.parametrize("url", ["/Groups", "/Users"])
async def test_ids_that_name_nothing_find_nothing(client: Client, url: str, member_id: str) -> None:
    await client.group("Group", await client.user())
    attribute = "members" if url == "/Groups" else "groups"
    for text in (
        f'id eq "{member_id}"',
        f'{attribute} eq "{member_id}"',
        f'id eq "x" and {attribute} eq "{member_id}"',
    ):
        assert await client.found(url, text) == []


async def test_inactive_users_are_found(people: Client) -> None:
    assert await people.names(f'userName eq "{JOHN[0]}"') == JOHN


async def test_a_large_disjunction_within_the_limit_is_answered(client: Client) -> None:
    await client.user("u7")
    terms = " or ".join(f'userName eq "u{number}"' for number in range(300))
    assert await client.names(terms) == ["u7"]


async def test_ids_that_do_not_exist_are_not_counted(client: Client) -> None:
    users = [await client.user(f"user{number}", externalId="same") for number in range(3)]
    gone = [f"018f0000-0000-7000-8000-{number:012x}" for number in range(3)]
    ids = " or ".join(f'id eq "{resource_id}"' for resource_id in [*gone, users[0]["id"], users[2]["id"]])
    for text, found in ((ids, [users[0], users[2]]), (f'{ids} or externalId eq "same"', users)):
        assert await client.found("/Users", text) == found
        seen = []
        for start in range(1, len(found) + 1):
            page = (await client.get("/Users", filter=text, count=1, startIndex=start)).document
            assert (page["totalResults"], page["itemsPerPage"]) == (len(found), 1)
            seen += page["Resources"]
        assert seen == found


NO_CLIENT_MEANS = {
    "single quotes": "userName eq 'bjensen@example.com'",
    "single quotes around words": "displayName eq 'Babs Jensen'",
    "no joiner": 'userName eq "x" title eq "y"',
    "no joiner before pr": 'userName eq "x" title pr',
    "no joiner before parentheses": 'userName eq "x" (title pr)',
    "no joiner before brackets": 'userName eq "x" emails[type eq "work"]',
    "an unknown joiner": 'userName eq "x" xor title eq "y"',
    "a symbol as joiner": 'userName eq "x" && title eq "y"',
    "a joiner glued to the value": 'userName eq "x"and title eq "y"',
    "a joiner glued to the name": 'userName eq "x" andtitle eq "y"',
    "a name glued to the value": 'userName eq "x"title eq "y"',
    "a word behind a number": 'meta.created gt "2026-11-23T09:05:59Z" title pr',
    "no joiner within brackets": 'emails[type eq "work" value eq "x"]',
    "a Boolean that is none": 'active eq "off"',
    "a number for a Boolean": "active eq 0",
    "yes for true": "active eq yes",
    "a text for primary": 'emails[primary eq "1"]',
}


@pytest.mark.parametrize("text", NO_CLIENT_MEANS.values(), ids=NO_CLIENT_MEANS)
async def test_nonsense_is_no_empty_list(people: Client, text: str) -> None:
    """A connector takes an empty list for "there is no such user", and creates a second one."""
    answer = await people.get("/Users", filter=text)
    assert (answer.status, answer.document.get("scimType")) == (400, "invalidFilter"), answer.document


async def test_an_error_says_where_a_space_or_a_double_quote_is_missing(people: Client) -> None:
    glued = await people.get("/Users", filter='userName eq "x"and title eq "y"')
    assert "A space is missing before 'and', column 16" in glued.document["detail"]
    single = await people.get("/Users", filter="userName eq 'x'")
    assert "begins with a single quote. A string has double quotes." in single.document["detail"]


@pytest.mark.parametrize(
    ("undeclared", "without_a_value"),
    [
        ('bogus ne "x"', 'nickName ne "x"'),
        ("bogus eq null", "nickName eq null"),
        ("bogus ne null", "nickName ne null"),
        ("bogus pr", "nickName pr"),
        ('not (bogus ne "x")', 'not (nickName ne "x")'),
        ('title pr and bogus ne "x"', 'title pr and nickName ne "x"'),
        ('name.bogus ne "x"', 'name.middleName ne "x"'),
        ('emails[bogus ne "x"]', 'emails[display ne "x"]'),
        ("emails[bogus eq null]", "emails[display eq null]"),
        ('urn:contoso:User:bogus ne "x"', 'nickName ne "x"'),
        ("bogus ne 5", 'nickName ne "5"'),
        ('bogus gt "x"', 'nickName gt "x"'),
    ],
)
async def test_an_attribute_that_no_schema_declares_is_one_without_a_value(
    people: Client, undeclared: str, without_a_value: str
) -> None:
    assert await people.names(undeclared) == await people.names(without_a_value)


@pytest.mark.parametrize("name", ["DOMAIN\\tom", "DOMAIN\\nick", "A\\bob", "A\\rob", "A\\fred", "A\\u0009x"])
@pytest.mark.parametrize("attribute", ["userName", "externalId", "emails.value", f"{USER}:userName"])
async def test_a_backslash_that_is_not_escaped_is_found_as_it_is(client: Client, attribute: str, name: str) -> None:
    """Microsoft's libraries do not escape it. Entra would create a user again whose name holds one."""
    value = f"{attribute}{name}"
    body: Json = {"userName": value, "externalId": value, "emails": [{"value": value}]}
    created = (await client.post("/Users", body)).document
    for written in (value, value.replace("\\", "\\\\")):
        assert [item["id"] for item in await client.found("/Users", f'{attribute} eq "{written}"')] == [created["id"]]


async def test_in_other_attributes_an_escape_is_what_json_says(client: Client) -> None:
    created = await client.user("plaza", addresses=[{"type": "work", "formatted": "Plaza\nHolly\\wood"}])
    for text in (r'addresses.formatted co "Plaza\nHolly"', r'addresses.formatted ew "Holly\\wood"'):
        assert [item["id"] for item in await client.found("/Users", text)] == [created["id"]]


@pytest.mark.parametrize(
    ("sent", "column"),
    [
        ("userName eq bjensen and (active pr", 33),
        ("manager eq abc and userName eq", 29),
        ("manager eq abc and and active pr", 24),
        ('manager eq "abc" & active pr', 18),
        ("emails.primary eq true and nickName", 28),
        ("shoeSize eq 1 and nickName nickName pr", 28),
        ('(externalId eq "DOMAIN\\tom") nickName pr', 30),
        ("meta.created gt 2026-11-23T09:05:00 and nickName nickName pr", 50),
    ],
)
async def test_an_error_names_the_column_of_the_filter_as_it_was_sent(client: Client, sent: str, column: int) -> None:
    """Before it is read, values get quotes and names their URN. The client knows nothing of that.

    Where the filter ends too early, it is the column of its last word.
    """
    answer = await client.get("/Users", filter=sent)
    assert (answer.status, answer.document["scimType"]) == (400, "invalidFilter")
    assert sentence(answer) == f"The filter cannot be applied: invalid syntax at column {column}"
