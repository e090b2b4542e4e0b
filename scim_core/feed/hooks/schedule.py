"""When a batch that was not taken is sent again: ten attempts within some three days."""

from datetime import datetime, timedelta
from hashlib import sha256

SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""The pauses after the first attempts. A receiver that is down over a weekend loses nothing."""

JITTER = 0.2
"""Each pause is longer by up to this share, so that many batches do not come back at the same moment."""


def next_attempt(webhook_id: str, attempts: int, now: datetime) -> datetime | None:
    """When the batch is sent again after so many attempts; None: never. The jitter follows from the id."""
    return _after(webhook_id, attempts, now) if attempts <= len(SCHEDULE) else None


def at_last(webhook_id: str, attempts: int, now: datetime) -> datetime:
    """The same for what is sent until it is taken: in the end once a day."""
    return _after(webhook_id, min(attempts, len(SCHEDULE)), now)


def _after(webhook_id: str, attempts: int, now: datetime) -> datetime:
    digest = sha256(f"{webhook_id}:{attempts}".encode()).digest()
    share = int.from_bytes(digest[:4]) / 2**32
    return now + SCHEDULE[attempts - 1] * (1 + JITTER * share)
