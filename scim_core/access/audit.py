"""Audit: failed authentications and administrative changes, as structured log records. They never hold a secret."""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from scim_core.counted_log import CountedLog
from scim_core.traces import trace_id_of, trace_parent_of

_PLAIN = re.compile(r"[\w.:/-]+", re.ASCII)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What happened, to whom, by which means. `method` is a credential's kind, or the command of an administrator.

    `credential` is a label or the first digits of a hash. `tenant` is empty when the tenant is not known. `count` says
    how often it happened since the last record of its kind. It is 0 for what is not counted.
    """

    event: str
    method: str
    correlation_id: str
    tenant: str = ""
    credential: str = ""
    reason: str = ""
    source: str = ""
    count: int = 0

    def record(self, level: int = logging.WARNING) -> None:
        """The event is logged. Its fields are attributes of the record, and part of its text."""
        fields = asdict(self)
        text = " ".join(f"{name}={_printable(str(value))}" for name, value in fields.items() if value)
        log.log(level, "audit %s", text, extra=fields)

    def note(self, counted: CountedLog, group: str = "") -> None:
        """The event is logged, or counted if the same has happened from the same source within the minute.

        `group` is what the source counts as, such as its network; without it, the source itself.
        """
        key = group or self.source
        cause = (self.event, self.method, self.tenant, self.credential, self.reason)

        def write(count: int, counted_for: str) -> None:
            replace(self, count=count, source=self.source if counted_for == key else counted_for).record()

        counted.note(cause, key, write)


def correlation_id(headers: Mapping[str, str], otherwise: str) -> str:
    """The id of the request's trace (W3C Trace Context). Application Insights finds the request by it."""
    return trace_id_of(trace_parent_of(headers)) or otherwise


def _printable(text: str) -> str:
    """The text, in quotes unless it is one plain word. It cannot break a line or look like another field."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
