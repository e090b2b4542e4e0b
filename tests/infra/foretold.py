"""What the snapshots say would be deployed. `make check-infra` compares them with the Bicep files."""

import json
from typing import Any

from tests.running import ROOT

FOLDER = ROOT / "infra" / "snapshots"
SNAPSHOTS: dict[str, dict[str, Any]] = {
    path.name.partition(".")[0]: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.snapshot.json"))
}


def foretold(name: str, kind: str) -> list[dict[str, Any]]:
    """The resources of a type that the snapshot `name` has."""
    return [item for item in SNAPSHOTS[name]["predictedResources"] if item["type"] == kind]


def the(name: str, kind: str) -> dict[str, Any]:
    """The only resource of a type."""
    [item] = foretold(name, kind)
    return item


def app_settings(name: str) -> dict[str, str]:
    """The settings of the app."""
    found: dict[str, str] = the(name, "Microsoft.Web/sites/config")["properties"]
    return found


def queries(name: str) -> dict[str, str]:
    """The query of each alert over logs, by the alert's name."""
    return {
        item["name"]: item["properties"]["criteria"]["allOf"][0]["query"]
        for item in foretold(name, "Microsoft.Insights/scheduledQueryRules")
    }


def workbook(name: str) -> dict[str, Any]:
    """The workbook, as the portal gets it."""
    found: dict[str, Any] = json.loads(the(name, "Microsoft.Insights/workbooks")["properties"]["serializedData"])
    return found


def workbook_queries(name: str) -> dict[str, str]:
    """The query of each panel and of each parameter, by their names."""
    found: dict[str, str] = {}
    for item in workbook(name)["items"]:
        content = item["content"]
        given = {item["name"]: content, **{f"parameter {one['name']}": one for one in content.get("parameters", [])}}
        found |= {key: value["query"] for key, value in given.items() if value.get("query")}
    return found
