"""What the snapshots say would be deployed, and faults that a test sows into it."""

import copy
import json
from typing import Any

from infra.checks.deployed import Deployed, Resource, Rule, snapshots
from tests.running import ROOT

INFRA = ROOT / "infra"
SNAPSHOTS = {path.name.partition(".")[0]: Deployed.read(path) for path in snapshots()}
STAGES = sorted(SNAPSHOTS.keys() - {"pipeline", "console"})
GONE = object()
"""In place of a value: the property is taken away."""


def foretold(name: str, kind: str) -> list[Resource]:
    """The resources of a type that the snapshot `name` has."""
    return SNAPSHOTS[name].of(kind)


def the(name: str, kind: str) -> Resource:
    """The only resource of a type."""
    [item] = foretold(name, kind)
    return item


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


def deployed(name: str) -> Deployed:
    """A copy of a snapshot, which a test may change."""
    return copy.deepcopy(SNAPSHOTS[name])


def put(item: Any, path: str, value: object) -> None:
    """Gives the property at this path a value: names and numbers of a list, with full stops between them."""
    *way, last = path.split(".")
    for name in way:
        item = item[int(name)] if isinstance(item, list) else item.setdefault(name, {})
    key = int(last) if isinstance(item, list) else last
    if value is GONE:
        del item[key]
    else:
        item[key] = value


def altered(name: str, kind: str, path: str, value: object) -> Deployed:
    """A snapshot whose first resource of a type has another value. `kind`: see `resource`."""
    found = deployed(name)
    put(resource(found, kind), path, value)
    return found


def without(name: str, kind: str) -> Deployed:
    """A snapshot without the first resource of a type."""
    found = deployed(name)
    found.resources.remove(resource(found, kind))
    return found


def resource(found: Deployed, kind: str) -> Resource:
    """The first resource of a type, Microsoft.KIND, or Microsoft.KIND#PART with this part in its name."""
    kind, _, part = kind.partition("#")
    return next(item for item in found.of(f"Microsoft.{kind}") if part in item["name"])


def finds(rule: Rule, found: Deployed, said: str) -> bool:
    """Whether a rule says this of what would be deployed, and nothing of the kind without the fault."""
    assert not any(said in text for text in rule(SNAPSHOTS[found.name]))
    return any(said in text for text in rule(found))
