"""All rules over what would be deployed, and what breaks them."""

from infra.checks import alerts, console, kept, networks, pipeline, required, roles, secrecy, settings
from infra.checks.deployed import Deployed, Rule

OF_A_STAGE: tuple[Rule, ...] = (
    required.values,
    *(roles.needed, roles.named),
    *(secrecy.written, secrecy.parameters, secrecy.references, secrecy.identity),
    *(networks.callers, networks.stores, networks.stars),
    *(kept.vault, kept.backups, kept.locks, kept.accounts, kept.for_tests, kept.tags),
    *(alerts.reach, alerts.thresholds),
    *(settings.known, settings.flex),
)
"""What must hold of each deployment of main.bicep."""

OF_THE_PIPELINE: tuple[Rule, ...] = (pipeline.data, pipeline.forbidden, pipeline.condition)
"""What must hold of pipeline.bicep. `pipeline.enough` compares the two."""

OF_THE_CONSOLE: tuple[Rule, ...] = (
    *(required.values, roles.named, secrecy.written, secrecy.references, networks.stars),
    *(settings.known, settings.flex),
    *(console.access, console.signed_in, console.callers),
)
"""What must hold of console.bicep."""

PIPELINE, MOST, CONSOLE = "pipeline", "everything", "console"
"""The snapshot of pipeline.bicep, the one that has every type of resource, and that of console.bicep."""


def broken(snapshots: dict[str, Deployed]) -> list[tuple[str, str]]:
    """What breaks a rule, with the name of its snapshot. Raises KeyError if PIPELINE or MOST is missing."""
    kinds = {item["type"] for item in snapshots[MOST].resources}
    found = [(PIPELINE, text) for text in pipeline.enough(snapshots[PIPELINE], kinds)]
    for name, deployed in snapshots.items():
        rules = {PIPELINE: OF_THE_PIPELINE, CONSOLE: OF_THE_CONSOLE}.get(name, OF_A_STAGE)
        found += [(name, text) for rule in rules for text in rule(deployed)]
    return found
