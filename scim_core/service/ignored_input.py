"""Input that was ignored is logged, for the administrator of the mapping: names, ids of ours and numbers, no values."""

import logging
import re
from collections.abc import Callable, Sequence

from scim_core.counted_log import CountedLog
from scim_core.ids import is_id

MAX_LOGGED_NAMES = 50
"""Names or ids in one log record: enough to find a mistaken mapping, and no way to fill the log."""

MAX_PART_CHARACTERS = 40
"""Longest part of a name that is logged. Attributes have shorter names. Tokens and secrets are longer."""

_NAME = re.compile(r"(?:[A-Za-z$][\w$-]*|[0-9]+)(?:[.:](?:[A-Za-z$][\w$-]*|[0-9]+))*", re.ASCII)

log = logging.getLogger(__name__)


class IgnoredInput:
    """Logs what was ignored, once a minute for each tenant. In between it is counted."""

    def __init__(self, counted: CountedLog) -> None:
        self._counted = counted

    def attributes(self, tenant: str, resource_type: str, names: Sequence[str]) -> None:
        """Names of attributes that no schema declares are in the log. What lacks the form of a name is counted."""
        if names:
            fields = {"tenant": tenant, "resource_type": resource_type, **_excerpt("ignored", names, _is_name)}
            self._note("attributes that no schema declares were ignored", fields)

    def members(self, tenant: str, ids: Sequence[str]) -> None:
        """Ids of members that do not exist are in the log. What lacks the form of our ids is counted."""
        if ids:
            self._note("members that do not exist were skipped", {"tenant": tenant, **_excerpt("ids", ids, is_id)})

    def _note(self, said: str, fields: dict[str, object]) -> None:
        def write(count: int, _: str) -> None:
            log.warning(said, extra={**fields, "count": count})

        self._counted.note((said, fields["tenant"], fields.get("resource_type")), "", write)


def _excerpt(field: str, texts: Sequence[str], is_ours: Callable[[str], bool]) -> dict[str, object]:
    """Texts of a known form, and the number of the others. A client can write anything into them."""
    distinct = set(texts)
    shown = sorted(text for text in distinct if is_ours(text))
    return {field: shown[:MAX_LOGGED_NAMES], "others": len(distinct) - len(shown[:MAX_LOGGED_NAMES])}


def _is_name(text: str) -> bool:
    parts = re.split("[.:]", text)
    return _NAME.fullmatch(text) is not None and all(len(part) <= MAX_PART_CHARACTERS for part in parts)
