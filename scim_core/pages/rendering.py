"""Pages of templates. Everything is escaped, and a value that a template lacks is an error, never an empty place."""

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

from scim_core.clock import Clock
from scim_core.messages import ScimResponse
from scim_core.pages.answers import asset_version, html

_SHARED = Path(__file__).with_name("templates")
_DAY = len("2026-11-27")
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


class Pages:
    """The pages of one room, whose templates are in `folder`. `assets` is the path below which `asset` is answered.

    `values` are there in every template. Templates are compiled with their first use; macros that
    a template imports see only what they are given.
    """

    def __init__(self, folder: Path, assets: str, clock: Clock, values: Mapping[str, Any] | None = None) -> None:
        self._environment = _environment(folder)
        self._values = {"assets": assets, "version": asset_version(), **(values or {})}
        self._clock = clock

    def text(self, template: str, **values: Any) -> str:
        """The page as text."""
        now = self._clock()
        given = {**self._values, "ago": lambda time: ago(time, now), **values}
        return self._environment.get_template(template).render(given)

    def answer(self, template: str, status: int = 200, **values: Any) -> ScimResponse:
        """The page as an answer, with the headers of every page."""
        return html(self.text(template, **values), status)


@cache
def _environment(folder: Path) -> Environment:
    """The templates of this folder, and those that all pages share, as far as they were compiled."""
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder), FileSystemLoader(_SHARED)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {"printable": printable, "moment": moment}
    return environment


def printable(value: object) -> str:
    """The text, in which no character moves the cursor or the order of what is read: each of these is written out."""
    return "".join(item if item.isprintable() else ascii(item)[1:-1] for item in str(value))


def moment(time: str) -> str:
    """An instant (UTC text) for people: `2026-11-27 09:05:00 UTC`. A day stays as it is."""
    return f"{time[:10]} {time[11:19]} UTC" if len(time) > _DAY else time


def ago(time: str, now: datetime) -> str:
    """How far an instant or a day (UTC text) is from now: `3 hours ago`, `in 12 days`, `just now`, `today`."""
    if len(time) == _DAY:
        days = (now.date() - date.fromisoformat(time)).days
        return "today" if days == 0 else "yesterday" if days == 1 else _distance(abs(days), "day", past=days > 0)
    seconds = int((now - datetime.fromisoformat(time)).total_seconds())
    for unit, length in _UNITS:
        number = abs(seconds) // length
        if number:
            return _distance(number, unit, past=seconds > 0)
    return "just now"


def _distance(number: int, unit: str, *, past: bool) -> str:
    said = f"{number} {unit}{'s' if number > 1 else ''}"
    return f"{said} ago" if past else f"in {said}"
