"""A text names a resource by its id, or by a URL that ends in an endpoint and an id: of any type that is served."""

import pytest

from scim_core.protocol.references import LOCATION_CHARACTERS, LONGEST_ENDPOINT, id_of_kind, named_id, named_kind

ID = "018f0000-0000-7000-8000-00000000000a"
LONG = "x" * LONGEST_ENDPOINT
ENDPOINTS = {"users": "User", "devices": "Device", LONG: "Long"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (ID, None),
        (ID.upper(), None),
        (f"Devices/{ID}", "Device"),
        (f"https://scim.example.com/scim/v2/Devices/{ID.upper()}/", "Device"),
        (f"/{LONG}/{ID}", "Long"),
        (f"https://{'a' * LOCATION_CHARACTERS}/{LONG}/{ID}/", "Long"),
        (f"../users/{ID}", "User"),
    ],
)
def test_an_id_and_a_url_of_a_type_that_is_served_name_a_resource(text: str, kind: str | None) -> None:
    assert (named_id(text, ENDPOINTS), named_kind(text, ENDPOINTS)) == (ID, kind)
    assert id_of_kind(text, "Device", ENDPOINTS) == (ID if kind in (None, "Device") else None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Devices",
        f"Devices/{ID}x",
        f"Devices/{ID}//",
        f"photos/{ID}",
        f"/x{LONG}/{ID}",
        f"MyDevices/{ID}",
        "/" * 200,
    ],
)
def test_any_other_text_names_none(text: str) -> None:
    assert (named_id(text, ENDPOINTS), named_kind(text, ENDPOINTS)) == (None, None)
