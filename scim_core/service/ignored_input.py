"""Input that was ignored is logged, for the administrator of the mapping: names and ids, never values."""

import logging
from collections.abc import Sequence
from heapq import nsmallest

MAX_LOGGED_NAMES = 50
"""Names in one log line: enough to find a mistaken mapping, and no way to fill the log."""

MAX_LOGGED_CHARACTERS = 100
"""Characters of a name or an id, which a client can make as long as a body."""

log = logging.getLogger(__name__)


def log_ignored(tenant: str, resource_type: str, names: Sequence[str]) -> None:
    """Names of attributes that no schema declares are in the log."""
    if names:
        log.warning(
            "attributes that no schema declares were ignored",
            extra={"tenant": tenant, "resource_type": resource_type, "ignored": _excerpt(names)},
        )


def log_unknown(tenant: str, ids: Sequence[str]) -> None:
    """Ids of members that do not exist are in the log."""
    if ids:
        log.warning("members that do not exist were skipped", extra={"tenant": tenant, "ids": _excerpt(ids)})


def log_skipped(tenant: str, resource_type: str, paths: Sequence[str]) -> None:
    """Paths of operations that were skipped, so that a deactivation is not lost, are in the log."""
    if paths:
        log.warning(
            "operations that cannot be applied were skipped, because the resource is deactivated",
            extra={"tenant": tenant, "resource_type": resource_type, "ignored": _excerpt(paths)},
        )


def _excerpt(names: Sequence[str]) -> list[str]:
    return [name[:MAX_LOGGED_CHARACTERS] for name in nsmallest(MAX_LOGGED_NAMES, set(names))]
