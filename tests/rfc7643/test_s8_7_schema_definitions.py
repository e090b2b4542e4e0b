"""RFC 7643 sections 7 and 8.7 with their errata: what /Schemas says of each attribute."""

from collections.abc import Iterator

import pytest

from tests.clients.discovery import mappable
from tests.global_relay import GROUP_TARGETS, USER_TARGETS
from tests.scim import ENTERPRISE, GLOBAL_RELAY, GROUP, USER, Client, Json

CORE = "urn:ietf:params:scim:schemas:core:2.0"


async def schemas(client: Client) -> dict[str, Json]:
    """All schemas there are by id, those of the discovery resources included."""
    listed = (await client.get("/Schemas")).document["Resources"]
    others = [
        await client.get(f"/Schemas/{CORE}:{name}") for name in ("Schema", "ResourceType", "ServiceProviderConfig")
    ]
    return {item["id"]: item for item in (*listed, *(answer.document for answer in others))}


def attributes(schema: Json) -> Iterator[tuple[str, Json]]:
    """Each attribute and sub-attribute with its path."""
    for attribute in schema["attributes"]:
        yield attribute["name"], attribute
        for sub_attribute in attribute.get("subAttributes", ()):
            yield f"{attribute['name']}.{sub_attribute['name']}", sub_attribute


async def characteristics(client: Client, urn: str, name: str) -> Json:
    return dict(attributes((await schemas(client))[urn]))[name]


def test_the_tutorial_maps_67_targets_of_a_user() -> None:
    assert len(USER_TARGETS) == len(set(USER_TARGETS)) == 67


async def test_every_target_of_the_tutorial_is_found(client: Client) -> None:
    listed = (await client.get("/Schemas")).document["Resources"]
    found = {name.lower() for name in mappable(listed)}
    assert {name for name in (*USER_TARGETS, *GROUP_TARGETS) if name.lower() not in found} == set()


async def test_an_attribute_has_every_characteristic_that_it_can_have(client: Client) -> None:
    for urn, schema in (await schemas(client)).items():
        for name, attribute in attributes(schema):
            where = f"{urn}:{name}"
            assert attribute["type"] in (
                *("string", "boolean", "decimal", "integer", "dateTime", "binary", "reference"),
                *(("complex",) if "." not in name or name == "attributes.subAttributes" else ()),  # erratum 8415
            ), where
            assert isinstance(attribute["multiValued"], bool), where
            assert isinstance(attribute["required"], bool), where
            assert attribute["mutability"] in ("readOnly", "readWrite", "immutable", "writeOnly"), where
            assert attribute["returned"] in ("always", "never", "default", "request"), where
            assert ("subAttributes" in attribute) == (attribute["type"] == "complex"), where
            if attribute["type"] == "complex":
                assert "uniqueness" not in attribute, where  # erratum 6004
                assert "caseExact" not in attribute, where
            if attribute["type"] in ("string", "reference", "binary"):
                assert isinstance(attribute["caseExact"], bool), where
            if attribute["type"] == "reference":
                assert attribute["caseExact"] is True, where  # erratum 6001
                assert attribute["referenceTypes"], where
            assert None not in attribute.values(), where


async def test_a_schema_carries_schemas_and_meta(client: Client) -> None:
    for urn, schema in (await schemas(client)).items():  # errata 8417, 5999
        assert schema["schemas"] == [f"{CORE}:Schema"]
        assert schema["meta"]["resourceType"] == "Schema"
        assert schema["meta"]["location"].endswith(f"/Schemas/{urn}")


@pytest.mark.parametrize(
    ("urn", "name", "expected"),
    [
        (USER, "userName", {"required": True, "uniqueness": "server", "caseExact": False}),
        (USER, "externalId", {"caseExact": True, "uniqueness": "none", "mutability": "readWrite"}),
        (USER, "groups", {"mutability": "readOnly"}),
        (USER, "groups.$ref", {"referenceTypes": ["Group"]}),  # erratum 8471
        (USER, "groups.type", {"canonicalValues": ["direct", "indirect"]}),
        (USER, "addresses.primary", {"type": "boolean"}),  # erratum 6005
        (USER, "emails.display", {"mutability": "readWrite"}),  # erratum 8358
        (USER, "emails.type", {"canonicalValues": ["work", "home", "other"]}),
        (USER, "addresses.type", {"canonicalValues": ["work", "home", "other"]}),
        (USER, "phoneNumbers.type", {"canonicalValues": ["work", "home", "other", "fax", "mobile", "pager"]}),
        (USER, "x509Certificates.value", {"type": "binary", "caseExact": True}),  # erratum 6000
        (USER, "profileUrl", {"type": "reference", "referenceTypes": ["external"]}),
        (USER, "photos.value", {"type": "reference"}),
        (GROUP, "displayName", {"required": True, "uniqueness": "server"}),  # erratum 5368
        (GROUP, "externalId", {"caseExact": True, "uniqueness": "none"}),
        (GROUP, "members.value", {"mutability": "immutable"}),
        (GROUP, "members.$ref", {"referenceTypes": ["User", "Group"]}),
        (GROUP, "members.type", {"canonicalValues": ["User", "Group"]}),
        (GROUP, "members.display", {"mutability": "readOnly"}),  # erratum 6011
        (ENTERPRISE, "manager.value", {"caseExact": True, "required": False}),  # errata 8472, 6403
        (ENTERPRISE, "manager.$ref", {"referenceTypes": ["User"], "required": False}),
        (ENTERPRISE, "manager.displayName", {"mutability": "readOnly"}),
        (GLOBAL_RELAY, "proxyAddresses", {"type": "string", "multiValued": False}),
        (f"{CORE}:Schema", "attributes.type", {"required": True}),
        (f"{CORE}:Schema", "attributes.referenceTypes", {"multiValued": True}),  # erratum 5607
        (f"{CORE}:ResourceType", "schemaExtensions", {"multiValued": True}),  # erratum 7522
        (f"{CORE}:ServiceProviderConfig", "authenticationSchemes.type", {"required": True}),  # errata 8011, 9018
        (f"{CORE}:ServiceProviderConfig", "etag.supported", {"type": "boolean"}),
    ],
)
async def test_an_attribute_is_declared_as_it_is_kept(client: Client, urn: str, name: str, expected: Json) -> None:
    declared = await characteristics(client, urn, name)
    assert {key: declared[key] for key in expected} == expected


async def test_binary_is_a_type(client: Client) -> None:
    declared = await characteristics(client, f"{CORE}:Schema", "attributes.type")  # errata 5606, 8435
    assert set(declared["canonicalValues"]) == {
        *("string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex")
    }


async def test_roles_have_no_canonical_types(client: Client) -> None:
    assert "canonicalValues" not in await characteristics(client, USER, "roles.type")


async def test_nothing_is_announced_that_is_never_returned(client: Client) -> None:
    for urn in (USER, GROUP, ENTERPRISE, GLOBAL_RELAY):
        for name, attribute in attributes((await schemas(client))[urn]):
            assert attribute["returned"] != "never", name
            assert attribute["mutability"] != "writeOnly", name
    assert "password" not in dict(attributes((await schemas(client))[USER]))


async def test_the_discovery_documents_are_as_their_schemas_have_them(client: Client) -> None:
    """Each member is declared, has its plurality, and what is required is there."""
    known = await schemas(client)
    config = (await client.get("/ServiceProviderConfig")).document
    types = (await client.get("/ResourceTypes")).document["Resources"]
    for document, name in [(config, "ServiceProviderConfig"), *((item, "ResourceType") for item in types)]:
        _conforms(document, known[f"{CORE}:{name}"]["attributes"], ("schemas", "id", "meta"))
    for schema in known.values():
        _conforms(schema, known[f"{CORE}:Schema"]["attributes"], ("schemas", "id", "meta"))


def _conforms(document: Json, declared: list[Json], common: tuple[str, ...] = ()) -> None:
    by_name = {attribute["name"]: attribute for attribute in declared}
    assert set(document) - set(common) <= set(by_name)
    for name, attribute in by_name.items():
        # Section 6 has schemaExtensions optional, though section 8.7.2 says required.
        assert name in document or not attribute["required"] or name == "schemaExtensions", name
        if name not in document:
            continue
        assert isinstance(document[name], list) == attribute["multiValued"], name
        for value in document[name] if attribute["multiValued"] else [document[name]]:
            if attribute["type"] == "complex" and name != "subAttributes":
                _conforms(value, attribute["subAttributes"])
