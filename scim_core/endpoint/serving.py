"""What answers the requests of a tenant: the handlers over the resource types and extensions that the tenant has.

A path is looked for twice: before it is known who asks, among everything that the deployment has, and then among what
the tenant has. So a request without a good credential is answered 401, and a tenant is told 404 of what it has not.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from scim_core.caches import Bounded
from scim_core.chosen_schemas import ChosenSchemas
from scim_core.endpoint.bulk import Bulk
from scim_core.endpoint.feed_handlers import FeedHandlers
from scim_core.endpoint.handlers import Handlers
from scim_core.endpoint.log_handlers import LogHandlers
from scim_core.endpoint.routes import Target, match
from scim_core.messages import HttpError
from scim_core.protocol.schemas import Catalogue
from scim_core.protocol.sub_catalogues import MAX_SETS, Catalogues

DISCOVERY = frozenset({"resource_types", "resource_type", "schemas", "schema"})
"""The handlers that announce what can be used."""

OF_A_TENANT = DISCOVERY | {"options"}
"""The handlers that need no credential, and whose answers follow from what a tenant has. Whoever sends one is answered
with what this tenant has; whoever sends none, with what is on by default."""

WRONG_METHOD = 405


@dataclass(frozen=True, slots=True)
class Serving:
    """What answers the requests of all tenants that have the same catalogue. `hidden` are the types that it lacks."""

    catalogue: Catalogue
    hidden: frozenset[str]
    handlers: Handlers
    feed: FeedHandlers
    logs: LogHandlers
    bulk: Bulk


class Servings:
    """What answers requests. `make` makes it of a catalogue: once for each distinct one that is remembered."""

    def __init__(self, catalogues: Catalogues, make: Callable[[Catalogue], Serving]) -> None:
        self._catalogues = catalogues
        self._make = make
        self._made: Bounded[ChosenSchemas, Serving] = Bounded(MAX_SETS)
        self.whole = make(catalogues.whole)

    @property
    def differ(self) -> bool:
        """Whether tenants can have different resource types and extensions."""
        return self._catalogues.by_tenant

    def of(self, chosen: ChosenSchemas) -> Serving:
        """What answers the requests of a tenant with this choice."""
        known = self._made.get(chosen)
        if known is None:
            catalogue = self._catalogues.of(chosen)
            known = self.whole if catalogue is self.whole.catalogue else self._make(catalogue)
            self._made.put(chosen, known)
        return known


@dataclass(frozen=True, slots=True)
class Reached:
    """What a request is about, and what answers it."""

    target: Target
    serving: Serving


class Sought:
    """What one request is about. `found` is None as long as nothing is, and where the tenant has no such path."""

    def __init__(self, servings: Servings, method: str, path: str) -> None:
        self._servings = servings
        self._method = method
        self._path = path
        self.found: Reached | None = None

    @property
    def target(self) -> Target | None:
        """What was found."""
        return self.found.target if self.found else None

    @property
    def handler(self) -> str:
        """The name of its handler, for the log."""
        return self.found.target.handler if self.found else "unknown"

    async def find(self, choice: Callable[[], Awaitable[ChosenSchemas]]) -> Reached:
        """What it is among everything that the deployment has. Raises as `match`.

        What is answered without a credential is of whoever asks: `choice` tells it, and is asked for nothing else.
        """
        refused: HttpError | None = None
        try:
            found = self._among(self._servings.whole)
            depends = found.target.needs is None and found.target.handler in OF_A_TENANT
        except HttpError as error:
            refused, depends = error, error.status == WRONG_METHOD
        if depends and self._servings.differ:
            return self._among(self._servings.of(await choice()))
        if refused is not None:
            raise refused
        return found

    def of_tenant(self, chosen: ChosenSchemas) -> Reached:
        """What it is among what a tenant with this choice has. Raises as `match`."""
        serving = self._servings.of(chosen)
        return self.found if self.found and self.found.serving is serving else self._among(serving)

    def _among(self, serving: Serving) -> Reached:
        self.found = None
        self.found = Reached(match(serving.catalogue, self._method, self._path), serving)
        return self.found
