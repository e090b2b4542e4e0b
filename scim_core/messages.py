"""A request and a response without a transport: what the edge passes in and gets back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

BASE_PATH = "/scim/v2"
"""Where the SCIM endpoint is, below the host."""

LOG_PATH = "/log/v1"
"""Where the provisioning log is."""

FEED_PATH = "/feed/v1"
"""Where the feed of changes is, below the host."""

SETUP_PATH = "/setup"
"""Where the setup page of a customer is, below the host."""

SENT_IN_CHUNKS = (
    "The body was sent in chunks. Send it with a Content-Length header, or ask the operator to set SCIM_HTTP to proxy."
)
"""Why a body is refused with 411: the Functions host's messages hold no such body."""


@dataclass(frozen=True, slots=True)
class ScimRequest:
    """One HTTP request. `path` is percent-decoded, `query` is the raw query string, header names are lower case.

    `base_url` is scheme and authority as the client sees them, such as https://scim.example.com.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = ""


class Result(StrEnum):
    """What became of a resource."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a request did to one resource, for the log. `changed` names attributes as the schemas do, without values.

    A version is empty where there is no resource. `note` is for the provisioning log, if nothing changed or a part
    of the request was ignored: who asked, and what was ignored.
    """

    resource_id: str
    result: Result
    changed: tuple[str, ...] = ()
    version_before: str = ""
    version_after: str = ""
    note: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ScimResponse:
    """One HTTP response. Header values are ASCII. `body` is empty exactly when the status or HEAD forbids one.

    `effect` is set when the request was to change a resource, and was not refused. It is not sent.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    effect: Effect | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from, before it is authenticated. `source` is for limits, `correlation_id` for the log.

    `address` is the exact address, for allowed networks and for records; `source` can be its network.
    `base_url` is the service's address for the caller: the public one if it is set. `began` is when the request did,
    by the endpoint's timer. `trace_parent` is as in Origin.
    """

    began: float
    source: str
    address: str
    correlation_id: str
    base_url: str
    headers: Mapping[str, str]
    trace_parent: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """By which request a change is made, for the provisioning log. What is not known is empty.

    `credential` is the name of the credential, `correlation` the headers by which the client's own log names the
    request. They are texts of the client: bounded, and printable. `holds` says that deactivations and deletions wait
    for an operator after a mass change. `trace_parent` names the span of the request, ours if one is
    recorded, otherwise the client's.
    """

    method: str = ""
    credential: str = ""
    credential_id: str = ""
    request_id: str = ""
    correlation: tuple[tuple[str, str], ...] = ()
    holds: bool = False
    trace_parent: str = ""


NOBODY = Origin()
"""Of a request that changes nothing."""


class HttpError(Exception):
    """A refusal with an HTTP status of RFC 7644 for which scim2-models has no exception."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        self.status = status
        self.detail = detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(detail)
