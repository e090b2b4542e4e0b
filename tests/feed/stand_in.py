"""A feed that a test moves by hand, for what the endpoint does with it."""

from dataclasses import dataclass, field
from typing import Any

from scim_core.feed.feed import ChangesPage, FeedError, HeadsPage, SnapshotPage, TenantHead


def entry(number: int, **members: Any) -> dict[str, Any]:
    """An entry of a user that is gone."""
    usual = {
        "number": number,
        "time": "2026-11-26T16:00:00.123Z",
        "change": "deleted",
        "type": "User",
        "id": f"0199b2a0-0000-7000-8000-{number:012}",
        "was": {"userName": f"user{number}@example.com"},
    }
    return usual | members


@dataclass
class StandIn:
    """In the place of a Feed: the same entries for every tenant, and how it was called."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    failure: FeedError | Exception | None = None

    async def changes(self, tenant: str, *, after: str | None, limit: int, base_url: str) -> ChangesPage:
        """See Feed.changes. A cursor is the number of the last entry."""
        self._called("changes", tenant=tenant, after=after, limit=limit, base_url=base_url)
        start = int(after or 0)
        left = [item for item in self.entries if item["number"] > start]
        page = left[:limit]
        return ChangesPage(page, str(page[-1]["number"] if page else start), more=len(left) > limit)

    async def snapshot(self, tenant: str, *, page: str | None, limit: int, base_url: str) -> SnapshotPage:
        """See Feed.snapshot."""
        self._called("snapshot", tenant=tenant, page=page, limit=limit, base_url=base_url)
        return SnapshotPage([], [{"group": "g", "member": f"m{number}"} for number in range(limit)], None, "0")

    async def heads(self, *, page: str | None, limit: int) -> HeadsPage:
        """See Feed.heads."""
        self._called("heads", page=page, limit=limit)
        heads = [TenantHead("b", 7, "2026-11-26T16:00:00.123Z"), TenantHead("a", 3, "2026-11-26T15:00:00.123Z")]
        return HeadsPage(heads[:limit], "n2" if limit == 1 else None)

    def _called(self, name: str, **given: Any) -> None:
        self.calls.append((name, given))
        if self.failure is not None:
            raise self.failure
