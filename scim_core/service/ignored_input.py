"""Input that was ignored is logged, for the administrator of the mapping: names, ids of ours and numbers, no values."""

import logging
import re
from collections.abc import Iterable, Sequence
from heapq import nsmallest

from scim_core.counted_log import CountedLog

MAX_LOGGED_NAMES = 50
"""Names or ids in one log record: enough to find a mistaken mapping, and no way to fill the log."""

MAX_PART_CHARACTERS = 40
"""Longest part of a name that is logged. Attributes have shorter names. Tokens and secrets are longer."""

MAX_NAME_CHARACTERS = 200
"""Longest name that is logged, with its URN. MAX_LOGGED_NAMES of them fit into a note of the provisioning log."""

_NAME = re.compile(r"(?:[A-Za-z$][\w$-]*|[0-9]+)(?:[.:](?:[A-Za-z$][\w$-]*|[0-9]+))*", re.ASCII)

log = logging.getLogger(__name__)


class IgnoredInput:
    """Logs what was ignored, at once and then as numbers, for each tenant."""

    def __init__(self, counted: CountedLog) -> None:
        self._counted = counted

    def attributes(self, tenant: str, resource_type: str, names: Sequence[str]) -> None:
        """Names of attributes that no schema declares are in the log. What lacks the form of a name is counted."""
        if names:
            shown, others = shown_names(names)
            fields = {"resource_type": resource_type, "ignored": shown, "others": others}
            self._note("attributes that no schema declares were ignored", tenant, fields)

    def absent_members(self, tenant: str, group_id: str, ids: Sequence[str]) -> None:
        """The group, and the ids of its members that do not exist, are in the log. They have the form of our ids."""
        if ids:
            shown, others = shown_ids(ids)
            fields = {"group": group_id, "ids": shown, "others": others}
            self._note("members that do not exist were skipped", tenant, fields)

    def malformed_members(self, tenant: str, group_id: str, members: int) -> None:
        """The log has the group, and how many members are named by no id of ours, but by a secret or an address."""
        if members:
            self._note(
                "members that are named by no id of ours were skipped", tenant, {"group": group_id, "members": members}
            )

    def skipped_operations(self, tenant: str, resource_type: str, paths: Sequence[str]) -> None:
        """Paths of operations that were skipped are in the log. What lacks the form of a name is counted."""
        if paths:
            shown, others = shown_names(paths)
            fields = {"resource_type": resource_type, "ignored": shown, "others": others}
            self._note("operations that are refused were skipped, because the resource is deactivated", tenant, fields)

    def _note(self, said: str, tenant: str, fields: dict[str, object]) -> None:
        def write(count: int, _: str) -> None:
            log.warning(said, extra={"tenant": tenant, **fields, "count": count})

        self._counted.note((said, tenant, fields.get("resource_type")), "", write)


def shown_names(names: Iterable[str]) -> tuple[list[str], int]:
    """The texts that have the form of a name, MAX_LOGGED_NAMES at most, and how many others there are."""
    distinct = set(names)
    shown = nsmallest(MAX_LOGGED_NAMES, filter(_is_name, distinct))
    return shown, len(distinct) - len(shown)


def shown_ids(ids: Sequence[str]) -> tuple[list[str], int]:
    """MAX_LOGGED_NAMES of these ids of ours, and how many others there are."""
    shown = nsmallest(MAX_LOGGED_NAMES, ids)
    return shown, len(ids) - len(shown)


def _is_name(text: str) -> bool:
    return (
        len(text) <= MAX_NAME_CHARACTERS
        and _NAME.fullmatch(text) is not None
        and all(len(part) <= MAX_PART_CHARACTERS for part in re.split("[.:]", text))
    )
