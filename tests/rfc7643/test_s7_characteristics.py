"""RFC 7643 sections 2 and 7: every data type and characteristic does what it says, for each attribute that has it.

The type is tests/everything.py. Each test is made for each attribute with the characteristic that it is about.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scim_core.storage.tables import TableStorage
from tests.clients.targets import Answer
from tests.everything import CORE_ATTRIBUTES, EXTENSION, EXTENSION_ATTRIBUTES, WRONG, files, least, value_of
from tests.scim import Client, Clock, Json, add, endpoint_over, path, remove, replace

URL = "/Everything"


@dataclass(frozen=True)
class Place:
    """An attribute, and where it is: in the core schema, or in the extension."""

    declared: Json
    urn: str = ""

    @property
    def name(self) -> str:
        name: str = self.declared["name"]
        return name

    @property
    def path(self) -> str:
        return f"{self.urn}:{self.name}" if self.urn else self.name

    def body(self, value: Any) -> Json:
        """A body with this value."""
        body = least()
        (body[self.urn] if self.urn else body)[self.name] = value
        return body

    def without(self) -> Json:
        """A body without the attribute."""
        body = least()
        (body[self.urn] if self.urn else body).pop(self.name, None)
        return body

    def shown(self, document: Json) -> Any:
        """The value that a representation shows; None for none."""
        return (document.get(self.urn, {}) if self.urn else document).get(self.name)


PLACES = [
    *(Place(item) for item in CORE_ATTRIBUTES),
    *(Place(item, EXTENSION) for item in EXTENSION_ATTRIBUTES),
]


def each(chosen: Callable[[Json], bool]) -> pytest.MarkDecorator:
    """Makes the test for each attribute that is chosen."""
    places = [place for place in PLACES if chosen(place.declared)]
    assert places
    return pytest.mark.parametrize("place", places, ids=lambda place: place.path.removeprefix("urn:example:params:"))


def is_plain(declared: Json) -> bool:
    """Whether clients write and read it, as often as they like."""
    return bool(declared["mutability"] == "readWrite" and declared["returned"] in ("default", "always"))


def has(**characteristics: Any) -> Callable[[Json], bool]:
    return lambda declared: all(declared.get(name) == value for name, value in characteristics.items())


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files(tmp_path_factory.mktemp("everything"))


@pytest.fixture
def client(storage: TableStorage, clock: Clock, directory: Path) -> Client:
    return Client(endpoint_over(storage, clock, SCIM_SCHEMA_DIRECTORY=str(directory)))


async def created(client: Client, body: Json) -> Json:
    answer = await client.post(URL, body)
    assert answer.status == 201, answer.document
    document: Json = answer.document
    return document


def refused(answer: Answer, scim_type: str) -> None:
    assert (answer.status, answer.document.get("scimType")) == (400, scim_type), answer.document


@each(is_plain)
async def test_a_value_of_its_type_is_kept_and_found_and_patched(client: Client, place: Place) -> None:
    first, second = value_of(place.declared, 0), value_of(place.declared, 1)
    document = await created(client, place.body(first))
    assert place.shown(document) == first
    assert place.shown(await client.document(document)) == first
    patched = await client.patch(path(document), replace(place.path, second))
    assert patched.status == 200, patched.document
    assert place.shown(patched.document) == second
    one = second[0] if isinstance(second, list) else second
    if isinstance(one, dict):
        text = f'{place.path}.innerString eq "{one["innerString"]}"'
    else:
        text = f"{place.path} eq {str(one).lower() if isinstance(one, bool | int | float) else f'"{one}"'}"
    assert [item["id"] for item in await client.found(URL, text)] == [document["id"]]
    assert [item["id"] for item in await client.found(URL, f"{place.path} pr")] == [document["id"]]


@each(lambda declared: bool(declared["mutability"] != "readOnly"))
async def test_a_value_of_another_type_is_refused(client: Client, place: Place) -> None:
    document = await created(client, least())
    for wrong in WRONG[place.declared["type"]]:
        value = [wrong] if place.declared["multiValued"] else wrong
        refused(await client.post(URL, place.body(value)), "invalidValue")
        refused(await client.put(path(document), place.body(value)), "invalidValue")
        refused(await client.patch(path(document), replace(place.path, value)), "invalidValue")


@each(lambda declared: bool(is_plain(declared) and declared["multiValued"] and not declared["required"]))
async def test_several_values_are_added_and_removed(client: Client, place: Place) -> None:
    [first], [second] = value_of(place.declared, 0), value_of(place.declared, 1)
    document = await created(client, place.body([first]))
    added = await client.patch(path(document), add(place.path, [second]), add(place.path, first))
    assert place.shown(added.document) == [first, second]
    left = await client.patch(path(document), remove(place.path, value=[first]))
    assert place.shown(left.document) == [second]
    gone = await client.patch(path(document), remove(place.path))
    assert place.shown(gone.document) is None


@each(has(required=True))
async def test_a_required_attribute_cannot_be_missing(client: Client, place: Place) -> None:
    document = await created(client, least())
    refused(await client.post(URL, place.without()), "invalidValue")
    refused(await client.put(path(document), place.without()), "invalidValue")
    refused(await client.put(path(document), place.body(None)), "invalidValue")
    refused(await client.patch(path(document), remove(place.path)), "mutability")
    if place.declared["multiValued"]:
        refused(await client.post(URL, place.body([])), "invalidValue")
        [value] = value_of(place.declared)
        removed = await client.patch(path(document), remove(place.path, value=[value]))
        assert removed.status == 400, removed.document
    assert await client.document(document) == document


@each(lambda declared: not declared["required"])
async def test_an_attribute_that_is_not_required_can_be_missing(client: Client, place: Place) -> None:
    document = await created(client, place.without())
    assert place.shown(document) is None
    assert (await client.put(path(document), place.body(None))).status == 200


async def test_a_required_extension_cannot_be_missing(client: Client) -> None:
    announced = (await client.get("/ResourceTypes/Everything")).document
    assert announced["schemaExtensions"] == [{"schema": EXTENSION, "required": True}]
    body = least()
    del body[EXTENSION]
    refused(await client.post(URL, body), "invalidValue")
    document = await created(client, least())
    refused(await client.put(path(document), body), "invalidValue")
    answer = await client.patch(path(document), remove(EXTENSION))
    assert answer.status == 400
    assert await client.document(document) == document


@each(has(mutability="readOnly"))
async def test_only_the_service_writes_what_is_read_only(client: Client, place: Place) -> None:
    value = value_of(place.declared)
    document = await created(client, place.body(value))
    assert place.shown(document) is None
    put = await client.put(path(document), place.body(value))
    assert (put.status, place.shown(put.document)) == (200, None)
    refused(await client.patch(path(document), replace(place.path, value)), "mutability")
    refused(await client.patch(path(document), remove(place.path)), "mutability")


@each(has(mutability="immutable"))
async def test_what_is_immutable_is_written_once(client: Client, place: Place) -> None:
    first, second = value_of(place.declared, 0), value_of(place.declared, 1)
    document = await created(client, place.body(first))
    assert place.shown(document) == first
    refused(await client.patch(path(document), replace(place.path, second)), "mutability")
    refused(await client.patch(path(document), remove(place.path)), "mutability")
    refused(await client.put(path(document), place.body(second)), "mutability")
    assert place.shown((await client.put(path(document), place.body(first))).document) == first
    later = await created(client, place.without())
    set_once = await client.patch(path(later), add(place.path, first))
    assert (set_once.status, place.shown(set_once.document)) == (200, first)
    refused(await client.patch(path(later), replace(place.path, second)), "mutability")


@each(lambda declared: bool(declared["mutability"] == "writeOnly" or declared["returned"] == "never"))
async def test_what_is_never_returned_is_stored_and_shown_to_nobody(
    client: Client, storage: TableStorage, place: Place
) -> None:
    first, second = value_of(place.declared, 0), value_of(place.declared, 1)
    document = await created(client, place.body(first))
    [stored] = await storage.read("default", "Everything", [document["id"]])
    assert stored is not None
    assert place.shown(stored.document) is not None
    answers = [
        document,
        (await client.patch(path(document), replace(place.path, second))).document,
        (await client.put(path(document), place.body(first))).document,
        await client.document(document),
        (await client.get(path(document), attributes=place.path)).document,
        (await client.get(URL)).document["Resources"][0],
        (await client.get(URL, attributes=place.path)).document["Resources"][0],
    ]
    assert [place.shown(item) for item in answers] == [None] * len(answers)


@each(has(returned="always"))
async def test_what_is_always_returned_cannot_be_left_out(client: Client, place: Place) -> None:
    value = value_of(place.declared)
    document = await created(client, place.body(value))
    for query in ({"attributes": "id"}, {"excludedAttributes": place.path}, {"attributes": place.path}):
        assert place.shown((await client.get(path(document), **query)).document) == value
        [listed] = (await client.get(URL, **query)).document["Resources"]
        assert place.shown(listed) == value


@each(has(returned="request"))
async def test_what_is_returned_on_request_is_shown_to_who_names_it(client: Client, place: Place) -> None:
    value = value_of(place.declared)
    document = await created(client, place.body(value))
    assert place.shown(await client.document(document)) is None
    assert place.shown((await client.get(URL)).document["Resources"][0]) is None
    assert place.shown((await client.get(path(document), attributes=place.path)).document) == value
    assert place.shown((await client.get(path(document), excludedAttributes="id")).document) is None


@each(lambda declared: is_plain(declared) and declared["returned"] == "default")
async def test_what_is_returned_by_default_can_be_left_out(client: Client, place: Place) -> None:
    document = await created(client, place.body(value_of(place.declared)))
    assert place.shown((await client.get(path(document), excludedAttributes=place.path)).document) is None
    assert place.shown((await client.get(path(document), attributes="id")).document) is None


@each(lambda declared: declared.get("uniqueness", "none") != "none")
async def test_no_two_have_one_unique_value(client: Client, place: Place) -> None:
    first, second = value_of(place.declared, 0), value_of(place.declared, 1)
    one, other = await created(client, place.body(first)), await created(client, place.body(second))
    for answer in (
        await client.post(URL, place.body(first)),
        await client.put(path(other), place.body(first)),
        await client.patch(path(other), replace(place.path, first)),
    ):
        assert (answer.status, answer.document["scimType"]) == (409, "uniqueness")
    exact = place.declared["type"] != "string" or place.declared.get("caseExact")
    swapped = await client.post(URL, place.body(first.swapcase()))
    assert swapped.status == (201 if exact else 409)
    assert (await client.delete(path(one))).status == 204
    assert (await client.patch(path(other), replace(place.path, first))).status == 200
    await created(client, place.without())
    await created(client, place.without())
    refused(await client.post(URL, place.body("  ")), "invalidValue")


@each(lambda declared: is_plain(declared) and declared["type"] in ("string", "reference", "binary"))
async def test_letter_case_counts_where_the_schema_says_so(client: Client, place: Place) -> None:
    value = value_of(place.declared)
    document = await created(client, place.body(value))
    text = value[0] if isinstance(value, list) else value
    found = await client.found(URL, f'{place.path} eq "{text.swapcase()}"')
    exact = place.declared["type"] != "string" or place.declared.get("caseExact", False)
    assert [item["id"] for item in found] == ([] if exact else [document["id"]])


@each(lambda declared: "canonicalValues" in declared)
async def test_canonical_values_are_suggestions(client: Client, place: Place) -> None:
    """RFC 7643 section 7: a service provider may restrict values to them. This one does not."""
    announced = (await client.get(f"/Schemas/{EXTENSION}")).document["attributes"]
    [declared] = [item for item in announced if item["name"] == place.name]
    assert declared["canonicalValues"] == place.declared["canonicalValues"]
    for text in (*place.declared["canonicalValues"], "Blue"):
        value = [text] if place.declared["multiValued"] else text
        assert place.shown(await created(client, place.body(value))) == value


@each(lambda declared: is_plain(declared) and declared["type"] == "complex")
async def test_the_parts_of_a_complex_attribute_have_characteristics_of_their_own(
    client: Client, storage: TableStorage, place: Place
) -> None:
    names = ("innerAlways", "innerRequest", "innerNever", "innerReadOnly", "innerWriteOnly")
    value = dict.fromkeys(names, "x") | {"innerString": "s"}
    document = await created(client, place.body([value] if place.declared["multiValued"] else value))

    def parts(shown: Json) -> Json:
        found = place.shown(shown) or {}
        inner: Json = found[0] if isinstance(found, list) else found
        return inner

    assert parts(document) == parts(await client.document(document)) == {"innerAlways": "x", "innerString": "s"}
    [stored] = await storage.read("default", "Everything", [document["id"]])
    assert stored is not None
    assert set(parts(stored.document)) == {*names, "innerString"} - {"innerReadOnly"}
    asked = (await client.get(path(document), attributes=f"{place.path}.innerRequest")).document
    assert parts(asked) == {"innerAlways": "x", "innerRequest": "x"}
    whole = f"{place.path}.innerReadOnly"
    refused(await client.patch(path(document), replace(whole, "y")), "mutability")


async def test_the_schema_is_announced_as_the_file_has_it(client: Client) -> None:
    assert (await client.get(f"/Schemas/{EXTENSION}")).document["attributes"] == list(EXTENSION_ATTRIBUTES)
