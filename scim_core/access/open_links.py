"""The tenants whose setup page waits for a request: found by how the bearer token of a request starts.

The request itself named no tenant, because its token is wrong.
"""

from collections.abc import Sequence

from scim_core.clock import Clock, Timer, instant_text
from scim_core.registry import SetupSource, TenantState
from scim_core.setup_link import OpenLink

LIST_SECONDS = 10
"""Greatest age of the list of open links. It is one read, and only wrong tokens of ours cause it."""


class OpenLinks:
    """The open links, as one process knows them."""

    def __init__(self, source: SetupSource, clock: Clock, timer: Timer) -> None:
        self._source = source
        self._clock = clock
        self._timer = timer
        self._read: tuple[float, list[OpenLink]] | None = None

    async def tenants(self, *, named: str = "", start: str = "") -> Sequence[str]:
        """The tenants with an open link: the one of this id, and those whose tokens start so. Raises StorageBusy."""
        now = instant_text(self._clock())
        links = [link for link in await self._links() if now < link.expires]
        return [link.tenant for link in links if link.tenant == named or start in link.starts]

    async def is_there(self, tenant: str) -> bool:
        """Whether the tenant is there now, and is not being deleted. Raises StorageBusy."""
        found = await self._source.load(tenant)
        return found is not None and found.state is not TenantState.DELETING

    async def _links(self) -> list[OpenLink]:
        now = self._timer()
        if self._read is None or now - self._read[0] >= LIST_SECONDS:
            self._read = (now, await self._source.open_links(instant_text(self._clock())))
        return self._read[1]
