"""The attribute targets of the Global Relay Identity Sync tutorial: 67 of a user and 2 of a group."""

import re
from typing import Any

from tests.scim import ENTERPRISE, GLOBAL_RELAY, Json

_CORE = [
    "userName",
    "active",
    "displayName",
    "title",
    "preferredLanguage",
    "nickName",
    "userType",
    "locale",
    "timezone",
    "externalId",
]
_NAME = ["givenName", "familyName", "formatted", "honorificPrefix", "honorificSuffix"]
_PHONES = ["work", "mobile", "fax", "home", "other", "pager"]
_ADDRESS = ["formatted", "streetAddress", "locality", "region", "postalCode", "country"]
_ENTERPRISE = ["employeeNumber", "costCenter", "organization", "division", "department", "manager"]

USER_TARGETS = (
    *_CORE,
    *(f"name.{part}" for part in _NAME),
    *(f'emails[type eq "{kind}"].value' for kind in ("work", "home", "other")),
    *(f'phoneNumbers[type eq "{kind}"].value' for kind in _PHONES),
    *(f'addresses[type eq "{kind}"].{part}' for kind in ("work", "home", "other") for part in _ADDRESS),
    *(f'roles[primary eq "True"].{part}' for part in ("display", "type", "value")),
    *(f"{ENTERPRISE}:{name}" for name in _ENTERPRISE),
    *(f"{GLOBAL_RELAY}:{name}" for name in ("proxyAddresses", *(f"extensionAttribute{n}" for n in range(1, 16)))),
)
GROUP_TARGETS = ("displayName", "members")

_TARGET = re.compile(
    r'(?:(?P<urn>urn:.+):)?(?P<name>\w+)(?:\[(?P<label>\w+) eq "(?P<is>\w+)"\])?(?:\.(?P<part>\w+))?', re.ASCII
)


def built(values: dict[str, Any]) -> Json:
    """The attributes of a user that has these values at these targets, as its representation shows them."""
    user: Json = {}
    for target, value in values.items():
        found = _TARGET.fullmatch(target)
        assert found, target
        holder = user.setdefault(found["urn"], {}) if found["urn"] else user
        if found["label"]:
            wanted = True if found["is"] == "True" else found["is"]
            elements = holder.setdefault(found["name"], [])
            element = next((item for item in elements if item[found["label"]] == wanted), None)
            if element is None:
                element = {found["label"]: wanted}
                elements.append(element)
            element[found["part"]] = value
        elif found["part"]:
            holder.setdefault(found["name"], {})[found["part"]] = value
        else:
            holder[found["name"]] = {"value": value} if found["name"] == "manager" else value
    return user
