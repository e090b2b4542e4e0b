"""The route table: which handler answers which method and path (RFC 7644 section 3.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from scim_core.messages import BASE_PATH, HttpError
from scim_core.protocol.schemas import Catalogue, ResourceType
from scim_core.registry import Access

READ, WRITE, FEED = Access.READ, Access.WRITE, Access.FEED

NOTHING = None
"""What a route needs that answers without a credential."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row. `{type}` stands for the endpoint of any resource type, `{id}` for any single segment.

    `needs` is the access that the credential must have. One `of_applications` is for these only; one `of_all_tenants`
    too, and it is about no tenant.
    """

    method: str
    segments: tuple[str, ...]
    handler: str
    needs: Access | None
    of_all_tenants: bool = False
    of_applications: bool = False

    @property
    def anonymous(self) -> bool:
        """Whether the route answers without a credential."""
        return self.needs is NOTHING


ROUTES = (
    Route("GET", ("ServiceProviderConfig",), "service_provider_config", NOTHING),
    Route("GET", ("ResourceTypes",), "resource_types", NOTHING),
    Route("GET", ("ResourceTypes", "{id}"), "resource_type", NOTHING),
    Route("GET", ("Schemas",), "schemas", NOTHING),
    Route("GET", ("Schemas", "{id}"), "schema", NOTHING),
    Route("GET", ("Me",), "me", READ),
    *(Route(method, ("Me",), "me", WRITE) for method in ("POST", "PUT", "PATCH", "DELETE")),
    Route("POST", ("Bulk",), "bulk", WRITE),
    Route("POST", (".search",), "search_all", READ),
    Route("POST", ("{type}", ".search"), "search_with_body", READ),
    Route("GET", ("{type}",), "search", READ),
    Route("POST", ("{type}",), "create", WRITE),
    Route("GET", ("{type}", "{id}"), "get", READ),
    Route("PUT", ("{type}", "{id}"), "replace", WRITE),
    Route("PATCH", ("{type}", "{id}"), "patch", WRITE),
    Route("DELETE", ("{type}", "{id}"), "delete", WRITE),
)

LOG = ("entries", "people", "refusals", "timeline", "why")
"""What can be asked of the provisioning log: the last segments of its paths."""

ANY = "*"
"""Any method. The handler itself refuses methods that it lacks, for its errors have another form."""

ROOT_ROUTES = (
    Route("GET", ("health",), "health", NOTHING),
    Route(ANY, ("oauth2", "token"), "token", NOTHING),
    Route("GET", (".well-known", "oauth-authorization-server"), "authorization_server", NOTHING),
    Route("GET", (".well-known", "oauth-protected-resource"), "protected_resource", NOTHING),
    Route("GET", (".well-known", "oauth-protected-resource", "scim", "v2"), "protected_resource", NOTHING),
    Route("GET", ("setup",), "setup_page", NOTHING),
    Route("POST", ("setup",), "setup_open", NOTHING),
    Route("GET", ("setup", "mapping"), "setup_page", NOTHING),
    Route("POST", ("setup", "mapping"), "setup_mapping", NOTHING),
    Route("GET", ("setup", "assets", "{id}"), "setup_asset", NOTHING),
    Route("GET", ("feed", "v1", "changes"), "feed_changes", FEED),
    Route("GET", ("feed", "v1", "jwks"), "feed_keys", NOTHING),
    Route("GET", ("feed", "v1", "snapshot"), "feed_snapshot", FEED),
    Route("GET", ("feed", "v1", "tenants"), "feed_tenants", FEED, of_all_tenants=True),
    *(Route("GET", ("log", "v1", name), f"log_{name}", READ, of_applications=True) for name in LOG),
)
"""The routes outside the SCIM endpoint. A resource's metadata repeats its path (RFC 9728 section 3.1)."""

CHANGES = frozenset({"create", "replace", "patch", "delete"})
"""The handlers that change a resource. Their lines in the log say what became of it."""

type _Table = Mapping[int, Sequence[tuple[Route, tuple[str, ...]]]]
"""The rows by how many segments their paths have, each with its segments in lower case."""


def _by_length(routes: Sequence[Route]) -> _Table:
    table: dict[int, list[tuple[Route, tuple[str, ...]]]] = {}
    for route in routes:
        lower = tuple(segment.lower() for segment in route.segments)
        table.setdefault(len(lower), []).append((route, lower))
    return table


_BELOW_BASE, _AT_ROOT = _by_length(ROUTES), _by_length(ROOT_ROUTES)
_BASE = [segment for segment in BASE_PATH.split("/") if segment]


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about. `needs` is the access that it takes, None without a credential.

    `allowed` are the methods of the path, for an answer that lists them.
    """

    handler: str
    needs: Access | None
    resource_type: ResourceType | None = None
    id: str = ""
    allowed: str = ""
    of_all_tenants: bool = False
    of_applications: bool = False


def has_problems(path: str) -> bool:
    """Whether the path is one of the feed or of the log, whose errors are problem details."""
    return _first(path) in ("feed", "log")


def is_setup(path: str) -> bool:
    """Whether the path is one of the setup page, whose errors are pages."""
    return _first(path) == "setup"


def _first(path: str) -> str:
    return next((segment for segment in path.split("/") if segment), "").lower()


def match(catalogue: Catalogue, method: str, path: str) -> Target:
    """The target of a request. Letter case of fixed segments, double slashes and a slash at the end do not matter.

    HEAD is wherever GET is, with the same target (RFC 9110 section 9.3.2). OPTIONS is everywhere.
    Raises HttpError 404 for an unknown path, 405 with Allow for a method that the path does not have.
    """
    segments = [segment for segment in path.split("/") if segment]
    if [segment.lower() for segment in segments[: len(_BASE)]] == _BASE:
        fitting = _fitting(catalogue, _BELOW_BASE, segments[len(_BASE) :])
    else:
        fitting = _fitting(catalogue, _AT_ROOT, segments)
    if not fitting:
        raise HttpError(
            404, f"There is nothing at {quote(path, errors='replace')[:200]}. The SCIM endpoint is {BASE_PATH}."
        )
    for route, resource_type, resource_id in fitting:
        if route.method in ("GET" if method == "HEAD" else method, ANY):
            return Target(
                route.handler,
                route.needs,
                resource_type,
                resource_id,
                of_all_tenants=route.of_all_tenants,
                of_applications=route.of_applications,
            )
    methods = {route.method for route, _, _ in fitting}
    allowed = ", ".join(sorted({*methods, "OPTIONS", *({"HEAD"} if "GET" in methods else ())}))
    if method == "OPTIONS":
        return Target("options", NOTHING, allowed=allowed)
    raise HttpError(405, f"{quote(path, errors='replace')[:200]} allows {allowed}.", Allow=allowed)


def _fitting(catalogue: Catalogue, table: _Table, segments: list[str]) -> list[tuple[Route, ResourceType | None, str]]:
    """The rows of the most specific pattern that fits these segments, with the resource type and the id in these.

    A fixed segment wins over `{id}`.
    """
    lower = [segment.lower() for segment in segments]
    found = [
        (route, *named)
        for route, pattern in table.get(len(segments), ())
        if (named := _named(catalogue, pattern, lower, segments)) is not None
    ]
    fixed = [item for item in found if "{id}" not in item[0].segments]
    return fixed or found


def _named(
    catalogue: Catalogue, pattern: tuple[str, ...], lower: list[str], segments: list[str]
) -> tuple[ResourceType | None, str] | None:
    """The resource type and the id that the segments name by this pattern. None if they do not fit it."""
    resource_type, resource_id = None, ""
    for number, (fixed, segment) in enumerate(zip(pattern, lower, strict=True)):
        if fixed == "{type}":
            resource_type = catalogue.resource_types.get(segment)
            if resource_type is None:
                return None
        elif fixed == "{id}":
            resource_id = segments[number]
        elif fixed != segment:
            return None
    return resource_type, resource_id
