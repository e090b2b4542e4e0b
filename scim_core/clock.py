"""The one clock, and the text of its instants. Everything that needs the time is given it."""

from collections.abc import Callable
from datetime import UTC, datetime

type Clock = Callable[[], datetime]
"""Answers the current instant, in UTC."""

type Timer = Callable[[], float]
"""Seconds since some instant, never going back."""


def utc_now() -> datetime:
    """The current instant, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 -- the one clock


def instant_text(instant: datetime) -> str:
    """The instant in UTC at a fixed width, so that text order is time order: 2026-11-23T09:05:00.000000Z."""
    return f"{instant.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
