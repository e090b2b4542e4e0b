"""Entries of the feed as CloudEvents 1.0, in the structured JSON of a batch."""

import json
from collections.abc import Sequence

from scim_core.messages import FEED_PATH
from scim_core.model import Json

MEDIA_TYPE = "application/cloudevents-batch+json"

HEADERS = {"Content-Type": MEDIA_TYPE, "User-Agent": "scim-webhooks"}
"""The headers of a batch that do not depend on it."""

RESYNC = "scim.resync"
"""The type of the event that tells a receiver that entries will not come."""

TEST = "scim.test"
"""The type of the event that an operator sends to see whether a hook works."""


def of_entry(entry: Json, context: Json, endpoint: str, *, replay: bool, trace_parent: str = "") -> Json:
    """The event of an entry. `endpoint` is that of its resource type, such as Users.

    `trace_parent` names the span of the request that made the change: CloudEvents' extension for distributed tracing.
    """
    kind = f"scim.{entry['type'].lower()}.{entry['change']}"
    numbered = _event(context, kind, f"{entry['number']}", entry["time"])
    return {
        **numbered,
        "subject": f"{endpoint}/{entry['id']}",
        **({"replay": True} if replay else {}),
        **({"traceparent": trace_parent} if trace_parent else {}),
        "data": entry,
    }


def of_resync(context: Json, number: int, time: str, *, replay: bool) -> Json:
    """The event that says that entries up to this number may be missing."""
    event = _event(context, RESYNC, f"{number}:resync", time)
    return event | ({"replay": True} if replay else {}) | {"data": {"number": number}}


def of_test(context: Json, test_id: str, time: str) -> Json:
    """An event about nothing."""
    return _event(context, TEST, f"test:{test_id}", time) | {"data": {}}


def context_of(tenant: str, epoch: str, base_url: str) -> Json:
    """What all events of a tenant's feed have in common: `source`, and the beginning of `id`."""
    return {"source": f"{base_url}{FEED_PATH}/changes?tenant={tenant}", "id": f"{tenant}:{epoch}"}


def body_of(events: Sequence[Json]) -> bytes:
    """The batch as it is sent."""
    return b"[%b]" % b",".join(encoded(event) for event in events)


def encoded(event: Json) -> bytes:
    """One event as JSON."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _event(context: Json, kind: str, number: str, time: str) -> Json:
    return {
        "specversion": "1.0",
        "id": f"{context['id']}:{number}",
        "source": context["source"],
        "type": kind,
        "time": time,
        "datacontenttype": "application/json",
    }
