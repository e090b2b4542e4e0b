"""Every alert reaches somebody, and docs/operate/watching.md says what it means and what to do."""

import re
from collections.abc import Iterator

from infra.checks.deployed import PAGES, Deployed, Resource, at

_LOGS, _METRICS = "Microsoft.Insights/scheduledQueryRules", "Microsoft.Insights/metricAlerts"


def name(alert: Resource) -> str:
    """Its name in docs/operate/watching.md."""
    return str(alert["name"]).removeprefix("scim-")


def explained() -> dict[str, str]:
    """What docs/operate/watching.md says that an alert means, by its name."""
    table = (PAGES / "operate" / "watching.md").read_text(encoding="utf-8")
    table = table.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([\w-]+)` \| (.+?) \| ", table, re.MULTILINE))


def reach(deployed: Deployed) -> Iterator[str]:
    """Each tells the action group, and measures what its rule reads."""
    [group] = deployed.of("Microsoft.Insights/actionGroups")
    if not at(group, "properties.enabled"):
        yield f"{group['name']} tells nobody"
    for alert in deployed.of(_LOGS):
        if at(alert, "properties.actions.actionGroups") != [group["id"]]:
            yield f"{name(alert)} tells nobody"
        for condition in at(alert, "properties.criteria.allOf"):
            if f" {condition['metricMeasureColumn']} = " not in condition["query"]:
                yield f"{name(alert)} reads a column that its query does not have"
    for alert in deployed.of(_METRICS):
        if at(alert, "properties.actions") != [{"actionGroupId": group["id"]}]:
            yield f"{name(alert)} tells nobody"


def thresholds(deployed: Deployed) -> Iterator[str]:
    """docs/operate/watching.md explains each alert, with the threshold that it has by default."""
    page = explained()
    for alert in deployed.of(_LOGS, _METRICS):
        if name(alert) not in page:
            yield f"docs/operate/watching.md does not explain {name(alert)}"
            continue
        numbers = re.findall(r"\d[\d.,]*", page[name(alert)].replace(",", ""))
        # An availability test has no such condition.
        for condition in at(alert, "properties.criteria.allOf") or []:
            threshold = float(condition["threshold"])
            if threshold and not {threshold, threshold / 1000} & {float(number.rstrip(".")) for number in numbers}:
                yield f"docs/operate/watching.md does not say that {name(alert)} is raised above or below {threshold:g}"
