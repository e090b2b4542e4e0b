"""The newest rows of a range that is in the order of time. Table Storage reads a range from its least key on only.

So the range is read in pieces that end where the one before began. The pieces grow, for often the last minutes suffice.
"""

from collections import deque
from datetime import datetime, timedelta

from scim_core.storage.tables import log_keys
from scim_core.storage.tables.outbox import stamp
from scim_core.storage.tables.rows import Row, Rows, read_pages

FIRST_PIECE = timedelta(minutes=10)
"""How far back the first piece goes. A customer who is set up sends 25 requests in it, as a page shows, or few."""

GROWTH = 4
"""How many times farther back the next piece goes: a day takes five."""


async def newest_seen(rows: Rows, tenant: str, since: datetime, now: datetime, limit: int) -> list[Row]:
    """The newest `limit` rows for a setup page since this instant, oldest first.

    Each piece is read to its end: what a process writes of each kind in an hour is bounded (MAX_SEEN_ROWS).
    """
    found, end, reach = list[Row](), "", FIRST_PIECE
    while True:
        start = max(since, now - reach)
        piece: deque[Row] = deque(maxlen=limit - len(found))
        async for page in read_pages(rows, tenant, log_keys.seen_since(stamp(start, ""), end)):
            piece.extend(page)
        found = [*piece, *found]
        if start == since or len(found) == limit:
            return found
        end, reach = stamp(start, ""), reach * GROWTH
