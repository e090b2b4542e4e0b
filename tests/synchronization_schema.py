"""Exports of Entra's synchronization schema, as the Entra admin center writes them."""

import json
from collections.abc import Sequence
from pathlib import Path

from tests.scim import Json

EVERYTHING = "Add, Update, Delete"
USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
"""The names that Entra's templates give to the objects of the target."""


def attribute(target: str, *, matching: int = 0, flow: str = "Always") -> Json:
    """One line of a mapping. What decides nothing for us is there, too, as Graph documents it."""
    return {
        "defaultValue": "",
        "exportMissingReferences": False,
        "flowBehavior": "FlowWhenChanged",
        "flowType": flow,
        "matchingPriority": matching,
        "targetAttributeName": target,
        "source": {"expression": "[mail]", "name": "mail", "type": "Attribute", "parameters": []},
    }


def objects(target: str, attributes: Sequence[Json], *, enabled: bool = True, actions: str = EVERYTHING) -> Json:
    """The mapping of one kind of objects."""
    return {
        "enabled": enabled,
        "flowTypes": actions,
        "name": f"Provision {target}",
        "scope": None,
        "sourceObjectName": "User",
        "targetObjectName": target,
        "attributeMappings": list(attributes),
    }


def written(file: Path, *mappings: Json) -> Path:
    """The file, with these mappings in it."""
    rule = {"name": "USER_INBOUND_USER", "sourceDirectoryName": "Azure Active Directory", "objectMappings": mappings}
    schema = {"id": "scim", "version": "v1.1", "synchronizationRules": [rule], "directories": []}
    file.write_text(json.dumps(schema), encoding="utf-8")
    return file
