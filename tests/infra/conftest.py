"""What would be deployed, as the committed snapshots have it; and faults that a test sows into it."""

import copy
from typing import Any

from infra.checks.deployed import Deployed, Resource, Rule, snapshots
from tests.running import ROOT

INFRA = ROOT / "infra"
SNAPSHOTS = {path.name.partition(".")[0]: Deployed.read(path) for path in snapshots()}
STAGES = sorted(SNAPSHOTS.keys() - {"pipeline"})
GONE = object()
"""In place of a value: the property is taken away."""


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
