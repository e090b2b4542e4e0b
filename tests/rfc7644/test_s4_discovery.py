"""RFC 7644 section 4: the discovery endpoints."""

from urllib.parse import quote

import pytest

from tests.memory_rows import memory_storage
from tests.scim import BASE, ENTERPRISE, GLOBAL_RELAY, GROUP, LIST, USER, Client, Clock, endpoint_over
from tests.transcript import transcript

ENDPOINTS = ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"]
CORE = "urn:ietf:params:scim:schemas:core:2.0"


@pytest.mark.parametrize("url", [*ENDPOINTS, "/ResourceTypes/User", f"/Schemas/{USER}"])
async def test_it_needs_no_token(client: Client, url: str) -> None:
    anonymous = await client.get(url, headers={"authorization": None})
    assert anonymous.status == 200
    assert anonymous.body == (await client.get(url)).body
    assert (await client.get(url, headers={"authorization": "Bearer wrong"})).body == anonymous.body


@pytest.mark.parametrize("url", ENDPOINTS)
@pytest.mark.parametrize("query", ["?filter=id%20pr", "?FILTER=x", "?filter="])
async def test_a_filter_is_forbidden(client: Client, url: str, query: str) -> None:
    assert (await client.get(url + query)).status == 403


@pytest.mark.parametrize("url", [*ENDPOINTS, "/ResourceTypes/Group", f"/Schemas/{GROUP}"])
async def test_paging_sorting_and_named_attributes_are_ignored(client: Client, url: str) -> None:
    plain = await client.get(url)
    answer = await client.get(
        url, startIndex=2, count=0, sortBy="id", sortOrder="descending", attributes="id", excludedAttributes="name"
    )
    assert (answer.status, answer.body) == (200, plain.body)


@pytest.mark.parametrize("url", ["/ResourceTypes/Nothing", "/Schemas/urn:nothing", "/Schemas/x", "/ResourceTypes/%00"])
async def test_an_unknown_name_is_not_found(client: Client, url: str) -> None:
    assert (await client.get(url)).status == 404


@pytest.mark.parametrize("url", ENDPOINTS[1:])
async def test_a_list_is_a_list_response_of_what_can_be_read_one_by_one(client: Client, url: str) -> None:
    listed = (await client.get(url)).document
    assert (listed["schemas"], listed["startIndex"]) == ([LIST], 1)
    assert listed["totalResults"] == listed["itemsPerPage"] == len(listed["Resources"])
    for item in listed["Resources"]:
        assert item["meta"]["location"] == f"{BASE}{url}/{item['id']}"
        assert (await client.get(f"{url}/{quote(item['id'])}")).document == item
        assert (await client.get(f"{url}/{item['id'].upper()}")).document == item


async def test_the_configuration_is_what_is_kept(client: Client) -> None:
    config = (await client.get("/ServiceProviderConfig")).document
    assert config["schemas"] == [f"{CORE}:ServiceProviderConfig"]
    supported = {
        name: value["supported"] for name, value in config.items() if isinstance(value, dict) and "supported" in value
    }
    assert supported == {
        "patch": True,
        "bulk": True,
        "filter": True,
        "changePassword": False,
        "sort": True,
        "etag": True,
    }
    assert config["filter"]["maxResults"] == 1000
    assert (config["bulk"]["maxOperations"], config["bulk"]["maxPayloadSize"]) == (1_000, 16 * 1024 * 1024)
    assert config["pagination"]["index"] is True
    assert config["pagination"]["cursor"] is False
    assert config["pagination"]["defaultPaginationMethod"] == "index"
    assert [item["type"] for item in config["authenticationSchemes"]] == ["oauthbearertoken"]
    assert config["meta"] == {"resourceType": "ServiceProviderConfig", "location": f"{BASE}/ServiceProviderConfig"}


async def test_the_schemas_are_those_of_the_resources_served(client: Client) -> None:
    listed = (await client.get("/Schemas")).document["Resources"]
    assert {item["id"] for item in listed} == {USER, GROUP, ENTERPRISE, GLOBAL_RELAY}
    assert all(item["schemas"] == [f"{CORE}:Schema"] and item["meta"]["resourceType"] == "Schema" for item in listed)


@pytest.mark.parametrize("name", ["Schema", "ResourceType", "ServiceProviderConfig"])
async def test_the_schemas_of_discovery_answer_to_their_ids(client: Client, name: str) -> None:
    assert (await client.get(f"/Schemas/{CORE}:{name}")).document["name"]


async def test_discovery_reads_no_storage(clock: Clock) -> None:
    storage = memory_storage()
    client = Client(endpoint_over(storage, clock))
    with transcript(storage) as recorded:
        for url in ENDPOINTS:
            assert (await client.get(url)).status == 200
    assert recorded.calls == []
