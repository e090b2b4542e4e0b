"""The only clock, and the text of its instants. Code that needs the time gets a clock as an argument."""

from collections.abc import Callable
from datetime import UTC, datetime

type Clock = Callable[[], datetime]
"""Answers the current instant, in UTC."""

type Timer = Callable[[], float]
"""Seconds since some instant. They never go back."""


def utc_now() -> datetime:
    """The current instant, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 -- the one clock


def instant_text(instant: datetime) -> str:
    """The instant in UTC at a fixed width, so that text order is time order: 2026-11-23T09:05:00.000000Z."""
    return f"{instant.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def instant_in(text: str) -> str:
    """The instant that a person has written, as `instant_text` has it: UTC, unless the text says another offset.

    A day is its beginning. Raises ValueError for a text that is no instant.
    """
    try:
        found = datetime.fromisoformat(text)
        return instant_text(found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC))
    except OverflowError as error:
        raise ValueError("an instant before the first day, or after the last") from error
