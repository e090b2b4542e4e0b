"""Every alert tells somebody, and docs/operate/watching.md says what it means and what to do."""

import pytest

from infra.checks import alerts
from tests.infra.foretold import SNAPSHOTS, STAGES, altered, finds

LOGS, METRICS, GROUP = "Insights/scheduledQueryRules", "Insights/metricAlerts", "Insights/actionGroups"
CONDITION = "properties.criteria.allOf.0"


def names(stage: str) -> set[str]:
    return {alerts.name(item) for item in SNAPSHOTS[stage].of(f"Microsoft.{LOGS}", f"Microsoft.{METRICS}")}


def test_every_alert_that_is_explained_is_deployed() -> None:
    assert names("everything") == alerts.explained().keys()
    assert all(names(stage) >= names("dev") for stage in STAGES if stage != "second")
    # The account of its directory is watched by the deployment that it belongs to.
    assert names("dev") - names("second") == {"storage-throttling", "storage-availability"}
    assert names("choices") - names("dev") == {"backup-missing"}


@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        (LOGS, "properties.actions.actionGroups", [], "server-errors tells nobody"),
        (METRICS, "properties.actions", [{"actionGroupId": "/other"}], "storage-throttling tells nobody"),
        (GROUP, "properties.enabled", False, "tells nobody"),
        (LOGS, f"{CONDITION}.metricMeasureColumn", "counted", "reads a column that its query does not have"),
    ],
)
def test_an_alert_that_reaches_nobody_is_found(kind: str, path: str, value: object, said: str) -> None:
    assert finds(alerts.reach, altered("prod", kind, path, value), said)


@pytest.mark.parametrize("kind", [f"{LOGS}#server-errors", f"{LOGS}#latency", f"{METRICS}#availability"])
def test_a_threshold_that_the_page_does_not_say_is_found(kind: str) -> None:
    assert finds(alerts.thresholds, altered("prod", kind, f"{CONDITION}.threshold", 77), "above or below 77")


def test_an_alert_that_the_page_does_not_explain_is_found() -> None:
    assert finds(alerts.thresholds, altered("prod", LOGS, "name", "scim-new"), "does not explain new")


def test_only_who_gives_an_address_gets_mails() -> None:
    [of_dev], [of_everything] = (SNAPSHOTS[name].of(f"Microsoft.{GROUP}") for name in ("dev", "everything"))

    assert of_dev["properties"]["emailReceivers"] == []
    assert [item["emailAddress"] for item in of_everything["properties"]["emailReceivers"]] == ["ops@example.com"]


def test_a_budget_is_there_only_where_it_has_an_amount() -> None:
    assert {name for name, found in SNAPSHOTS.items() if found.of("Microsoft.Consumption/budgets")} == {"everything"}
