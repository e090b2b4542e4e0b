"""What the doctor's checks say: whether all is well, and if not, what to do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum, auto

from scim_core.admin.probe import WrongAnswer


class Judgement(StrEnum):
    """What a check came to."""

    GOOD = auto()
    WRONG = auto()
    UNKNOWN = auto()
    """It could not be made: something kept the doctor from looking."""
    LEFT_OUT = auto()
    """The operator did not ask for it, or this deployment does not need it."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a check found, in a sentence, and what to do about it. `do` is empty when all is well."""

    check: str
    verdict: Judgement
    said: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong: what it is, and what to do."""

    said: str
    do: str


class CannotTell(Exception):
    """The check could not be made. Its texts say why, and what to do so that it can."""

    def __init__(self, said: str, do: str) -> None:
        self.said, self.do = said, do
        super().__init__(said)


class NotNeeded(Exception):
    """The check is left out. The text says why."""


type Examined = str | list[Trouble]
"""What is good, in a sentence; or all that is wrong."""

type Check = Callable[[], Awaitable[Examined]]
"""Looks at one thing. Raises CannotTell, NotNeeded, WrongAnswer."""


async def made(name: str, check: Check) -> list[Observation]:
    """What this check found."""
    try:
        examined = await check()
    except CannotTell as reason:
        return [Observation(name, Judgement.UNKNOWN, reason.said, reason.do)]
    except NotNeeded as reason:
        return [Observation(name, Judgement.LEFT_OUT, str(reason))]
    except WrongAnswer as wrong:
        return [Observation(name, Judgement.WRONG, str(wrong), "Run the command again: the service answered before.")]
    if isinstance(examined, str):
        return [Observation(name, Judgement.GOOD, examined)]
    return [Observation(name, Judgement.WRONG, trouble.said, trouble.do) for trouble in examined]
