"""Audit: failed authentications and administrative changes, as structured log records. No secret is ever in one."""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

_PLAIN = re.compile(r"[\w.:/-]+", re.ASCII)

log = logging.getLogger(__name__)

_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """What happened, to whom, by which means. `method` is a credential's kind, or the command of an administrator.

    `credential` is a label or the beginning of a hash; `tenant` is empty when nobody knows whose it was.
    """

    event: str
    method: str
    correlation_id: str
    tenant: str = ""
    credential: str = ""
    reason: str = ""
    source: str = ""

    def record(self, level: int = logging.WARNING) -> None:
        """The event is logged: its fields as attributes of the record, and in its text for readers of text."""
        fields = asdict(self)
        text = " ".join(f"{name}={_printable(value)}" for name, value in fields.items() if value)
        log.log(level, "audit %s", text, extra=fields)


def correlation_id(headers: Mapping[str, str], otherwise: str) -> str:
    """The id of the trace that the request belongs to (W3C Trace Context), by which Application Insights finds it."""
    found = _TRACE_PARENT.fullmatch(headers.get("traceparent", "").strip().lower())
    return found["trace"] if found else otherwise


def _printable(text: str) -> str:
    """The text, in quotes unless it is one plain word: nothing in it breaks a line or looks like another field."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
