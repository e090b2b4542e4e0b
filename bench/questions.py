"""The questions run: how long the commands of support take for a large customer, as somebody waits at a terminal."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from bench.apps import serving
from bench.directory import TENANT, group_id, store_group, store_users, stored_user, user_id, user_name
from devhost.azurite import Azurite
from scim_core.clock import utc_now
from scim_core.model import Membership, MembershipEdits
from scim_core.storage.feed_port import Attempt, AttemptOutcome
from scim_core.storage.port import ChangeNote
from scim_core.storage.tables import TableStorage, table_storage
from tests.running import ROOT

USERS = 100_000
"""Users of the customer."""

MEMBERS = 1_000
"""Members of the group that is asked about."""

ATTEMPTS = 3_000
"""Requests that were refused or ignored in part: more than a question reads."""

CHANGES = 300
"""Changes of the person who is asked about."""

ROUNDS = 5
"""How often each command runs. The others of the machine make some runs slower."""

_ABSENT = "nobody@example.com"
_AT_ONCE = 100


@dataclass(frozen=True)
class Asked:
    """A command, and the seconds of each run, with the start of its process."""

    command: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The seconds of the run in the middle."""
        return sorted(self.seconds)[len(self.seconds) // 2]


type Ask = Callable[[tuple[str, ...], dict[str, str]], str]
"""Runs a command of the administration in an environment. Returns what it says to standard error."""


def in_a_process(command: tuple[str, ...], environment: dict[str, str]) -> str:
    """See Ask: as somebody at a terminal runs it."""
    asking = [sys.executable, "-m", "scim_core.admin", *command]
    return subprocess.run(asking, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stderr


async def run(users: int, tell: Callable[[str], None], ask: Ask = in_a_process) -> list[Asked]:
    """The commands against a customer of so many users, on an Azurite that seeks as Table Storage does.

    The first one is the start of a process that asks nothing.
    """
    with Azurite.start(seeks=True) as azurite, serving(azurite, "questions") as endpoint:
        tell(f"storing {users:,} users")
        storage = table_storage(endpoint.settings.storage)
        await store_users(storage, range(users))
        await store_group(storage, 0, range(min(users, MEMBERS)))
        tell("storing what happened")
        await _store_past(storage, users)
        await storage.close()
        settings = endpoint.settings.storage
        environment = {
            "SCIM_STORAGE_CONNECTION": settings.storage_connection or "",
            "SCIM_TABLE_NAME": settings.table_name,
        }
        return [_asked(command, environment, tell, ask) for command in _commands(users)]


def _commands(users: int) -> Iterator[tuple[str, ...]]:
    person, other = user_name(users // 2), user_name(users - 1)
    group = group_id(0)
    yield ("--help",)
    yield "who", TENANT, person
    yield "who", TENANT, person[:-3]
    yield "who", TENANT, _ABSENT
    yield "why", TENANT, other, group
    yield "why", TENANT, person, group
    yield "refusals", TENANT
    yield "log", TENANT, "--resource", user_id(users // 2)
    yield "log", TENANT
    yield "doctor", TENANT


async def _store_past(storage: TableStorage, users: int) -> None:
    """Changes of a person, and refusals of the last day."""
    now = utc_now()
    person = stored_user(users // 2)
    for number in range(CHANGES):
        edge = (Membership(group_id(0), person.id),)
        edits = MembershipEdits(remove=edge) if number % 2 else MembershipEdits(add=edge)
        [group] = await storage.read(TENANT, "Group", [group_id(0)])
        assert group is not None
        note = ChangeNote((), json.dumps({"method": "PATCH", "credential": "Entra", "request": f"{number}"}))
        await storage.edit_members(TENANT, group, edits, guarded=False, note=note)
    await storage.relay(TENANT)
    for start in range(0, ATTEMPTS, _AT_ONCE):
        numbers = range(start, start + _AT_ONCE)
        attempts = [
            Attempt(now - timedelta(seconds=number), AttemptOutcome.IN_PART, "User", person.id, _ignored(number))
            for number in numbers
        ]
        await storage.attempted(TENANT, attempts)


def _ignored(number: int) -> str:
    names = [f"wrkEmail{number % 20}", "accountEnabled"]
    return json.dumps({"method": "PATCH", "credential": "Entra", "request": f"{number}", "ignored": names})


def _asked(command: tuple[str, ...], environment: dict[str, str], tell: Callable[[str], None], ask: Ask) -> Asked:
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        said = ask(command, environment)
        seconds.append(time.perf_counter() - started)
        if said:
            raise RuntimeError(f"{' '.join(command)}: {said}")
    asked = Asked(" ".join(command), tuple(seconds))
    tell(f"{asked.command}: {asked.median:.2f} s")
    return asked
