"""The line of the log that tells of a mass change: the alert looks for it. The timer writes it."""

import logging
from collections.abc import Mapping

from scim_core.feed.mass_changes import MassChange, MassChanges
from scim_core.messages import Result, ScimResponse
from scim_core.protocol.documents import ACTIVE
from scim_core.storage.feed_port import Losses

log = logging.getLogger(__name__)


def suspect(mass_changes: MassChanges, tenant: str, response: ScimResponse) -> None:
    """The tenant is looked at after the next relay, if the request may have deactivated or deleted somebody.

    A bulk may have, and so may a refusal with 409 (ADR 0036): these have no effect to tell by.
    """
    effect = response.effect
    leaves = effect is None or effect.result is Result.DELETED
    if leaves or (effect is not None and effect.result is Result.CHANGED and ACTIVE in effect.changed):
        mass_changes.suspect(tenant)


async def tell(mass_changes: MassChanges, losses: Mapping[str, Losses]) -> None:
    """Each mass change among these losses is in the log, and again when it has grown by a tenth."""
    alarms = await mass_changes.alarms(losses)
    for change in alarms.changes:
        _tell(change)
    for tenant, reason in alarms.unknown.items():
        log.warning("whether there is a mass change could not be told: %s", reason, extra={"tenant": tenant})


def _tell(change: MassChange) -> None:
    log.error(
        "mass change: %s active users of the tenant %s were deactivated or deleted within an hour, %s of them by the "
        "credential %s. %s",
        change.count,
        change.tenant,
        change.by_credential,
        change.credential,
        "Further ones are held." if change.held else "Further ones are not held.",
        extra={
            "operation": "mass change",
            "tenant": change.tenant,
            "credential": change.credential,
            "count": change.count,
            "held": change.held or None,
        },
    )
