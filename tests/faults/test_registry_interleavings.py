"""Two administrative commands at the same time: what is left is what one order of the two would have left.

So no interleaving takes a revocation or a suspension back, and none loses a change silently. Each command that was done
has its records in the audit chain, which has no fork.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from scim_core.access import audit_trail
from scim_core.access.administration import Administration
from scim_core.access.credential_plans import Refused, Wanted
from scim_core.access.setup_sessions import LinkRefused, SetupSessions
from scim_core.audit_records import Actor, ChainCheck
from scim_core.registry import Access, CredentialKind, Overtaken, RegistryError, TenantState
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import TableRegistry, keys
from scim_core.storage.tables.keys import REGISTRY, KeyRange
from scim_core.storage.tables.registry import MAX_ATTEMPTS
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.setup_rows import setup_link
from tests.faults.disturbed_rows import Death, Fault, FaultyRows, MortalRows, ProcessDied, StumblingRows
from tests.memory_rows import MemoryRows
from tests.tenancy import ACTOR, administration_of
from tests.wrapped_rows import Call, WrappedRows

TENANT = "contoso"
NOW = datetime(2026, 11, 23, 9, 5, tzinfo=UTC)
DAY = "2026-11-24"
RACES = 30

_numbers = itertools.count()
"""Each command has a correlation id of its own."""


@dataclass
class Place:
    """A registry with a tenant that has a token and a client with one secret. The clock stands still."""

    rows: MemoryRows = field(default_factory=MemoryRows)
    token: str = ""
    client: str = ""
    secret: str = ""
    setup: str = ""

    @classmethod
    async def furnished(cls) -> "Place":
        """A place with rows of its own. What all of them begin with is made once."""
        if not _first:
            _first.append(await cls._made())
        return replace(_first[0], rows=_first[0].rows.copy())

    @classmethod
    async def _made(cls) -> "Place":
        place = cls()
        administration = place.administration()
        await administration.create_tenant("Contoso", TENANT)
        place.token = (await administration.create_credential(TENANT, of_kind("token", "the token"))).credential.id
        secret = (await administration.create_credential(TENANT, of_kind("secret", "the secret"))).credential
        place.secret, place.client = secret.id, secret.client_id
        place.setup = f"{TENANT}.{(await administration.link_setup(TENANT, 7))[1]}"
        return place

    def administration(self, rows: Rows | None = None) -> Administration:
        async def pause(_: float) -> None:
            """Nobody waits in a test."""

        return administration_of(TableRegistry(rows or self.rows), lambda: NOW, pause, str(next(_numbers)))

    async def does(self, command: "Command", rows: Rows | None = None) -> bool:
        """Whether the command was done. It was refused otherwise."""
        try:
            await command(self, rows or self.rows)
        except RegistryError:
            return False
        return True

    async def left(self) -> Any:
        """What the registry holds, without what chance has made. Raises AssertionError for a pointer that is wrong."""
        registry = TableRegistry(self.rows)
        found = await registry.load(TENANT)
        pointers = await self.rows.page(REGISTRY, KeyRange("pointer:", "pointer;"))
        expected = {keys.pointer(item.pointer) for item in (found.credentials if found else ())}
        assert {row.properties["RowKey"] for row in pointers.rows} == expected
        links = await self.rows.page(REGISTRY, keys.of_kind("setup"))
        is_deleted = found is None or found.state is TenantState.DELETING
        is_listed = found and found.setup.sha256 and not found.setup.revoked and not is_deleted
        listed = [setup_link(found.setup.expires, TENANT)] if found and is_listed else []
        assert [row.properties["RowKey"] for row in links.rows] == listed
        for row in links.rows:
            starts = {item.token_start for item in found.credentials if not item.revoked} if found else set()
            assert set(row.properties["starts"].split()) == starts - {""}
        await self.chain()
        if found is None:
            return None
        credentials = [
            replace(item, id="", sha256="", client_id="", token_start="", etag="") for item in found.credentials
        ]
        link = replace(found.setup, sha256="", session="")
        return replace(found, etag="", credentials=(), setup=link), sorted(map(str, credentials))

    async def chain(self) -> list[str]:
        """The events of the audit chain. Raises AssertionError when it is broken."""
        registry = TableRegistry(self.rows)
        check, events = ChainCheck(await registry.audit_end()), []
        async for record in registry.audit_records():
            assert [*check.follow(record)] == []
            events.append(record.text("event"))
        assert [*check.end()] == []
        return events


_first: list[Place] = []
"""The place that the others are copies of, once it is made."""

type Command = Callable[[Place, Rows], Awaitable[Any]]


def of_kind(kind: str, label: str, **others: Any) -> Wanted:
    return Wanted(CredentialKind(kind), label, **others)


async def opened(place: Place, rows: Rows) -> None:
    """Somebody opens the setup link. Raises RegistryError if that was refused."""
    try:
        await SetupSessions(TableRegistry(rows), lambda: NOW, lambda: 0.0).exchange(place.setup, "192.0.2.1")
    except LinkRefused as refused:
        raise Refused(str(refused)) from None


COMMANDS: dict[str, Command] = {
    "create": lambda place, rows: place.administration(rows).create_tenant("Contoso again", TENANT),
    "rename": lambda place, rows: place.administration(rows).rename(TENANT, "Other"),
    "suspend": lambda place, rows: place.administration(rows).suspend(TENANT),
    "resume": lambda place, rows: place.administration(rows).resume(TENANT),
    "delete": lambda place, rows: place.administration(rows).delete(TENANT, lambda _: None),
    "add": lambda place, rows: place.administration(rows).create_credential(TENANT, of_kind("token", "another")),
    "add to client": lambda place, rows: place.administration(rows).create_credential(
        TENANT, of_kind("secret", "second secret", client_id=place.client)
    ),
    "rotate": lambda place, rows: place.administration(rows).rotate(
        TENANT, place.token, timedelta(days=7), of_kind("token", "")
    ),
    "revoke": lambda place, rows: place.administration(rows).revoke(TENANT, place.token),
    "change": lambda place, rows: place.administration(rows).change_credential(
        TENANT, place.token, access=Access.READ, networks=["192.0.2.0/24"]
    ),
    "deny": lambda place, rows: place.administration(rows).choose_schemas(
        TENANT, "schemas deny", lambda chosen: chosen.denying(["Device"])
    ),
    "remove": lambda place, rows: place.administration(rows).remove(TENANT, place.token),
    "remove secret": lambda place, rows: place.administration(rows).remove(TENANT, place.secret),
    "link": lambda place, rows: place.administration(rows).link_setup(TENANT, 3),
    "unlink": lambda place, rows: place.administration(rows).revoke_setup(TENANT),
    "open": opened,
    "use": lambda place, rows: TableRegistry(rows).used(TENANT, place.token, DAY, "192.0.2.1"),
}


class IntrudedRows(WrappedRows):
    """Rows to which something happens before one of the calls, counted from 0."""

    def __init__(self, rows: Rows, call: int, happening: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(rows)
        self._left = call
        self._happening = happening

    @property
    def has_happened(self) -> bool:
        return self._left < 0

    async def _made[T](self, _: str, about: tuple[str, ...], call: Call[T], *, repeatable: bool = True) -> T:  # noqa: ARG002
        self._left -= 1
        if self._left == -1:
            await self._happening()
        return await call()


type Outcome = tuple[Any, list[str], list[bool]]

_in_order: dict[tuple[str, str], Outcome] = {}


async def in_order(first: str, second: str) -> Outcome:
    """What one command leaves after the other, which records they make, and which of the two were done."""
    if (first, second) not in _in_order:
        place = await Place.furnished()
        done = [await place.does(COMMANDS[first]), await place.does(COMMANDS[second])]
        _in_order[first, second] = await place.left(), sorted(await place.chain()), done
    return _in_order[first, second]


@pytest.mark.parametrize(("slow", "quick"), [*itertools.product(COMMANDS, repeat=2)])
async def test_a_command_within_another_leaves_what_one_order_of_the_two_leaves(slow: str, quick: str) -> None:
    left, events, [quick_done, slow_done] = await in_order(quick, slow)
    orders = [await in_order(slow, quick), (left, events, [slow_done, quick_done])]
    alone = (await in_order("delete", "delete"))[:2]
    for call in itertools.count():
        place, done = await Place.furnished(), list[bool]()

        async def intrude(place: Place = place, done: list[bool] = done) -> None:
            done.append(await place.does(COMMANDS[quick]))

        rows = IntrudedRows(place.rows, call, intrude)
        done.insert(0, await place.does(COMMANDS[slow], rows))
        if not rows.has_happened:
            break
        left, events = await place.left(), sorted(await place.chain())
        if slow == "delete" and not done[1]:  # in the midst of a deletion it may be refused for a reason of its own
            assert (left, events) == alone
        else:
            assert (left, events, done) in orders
    assert call > 0


@pytest.mark.parametrize(
    "names", [("rotate", "revoke"), ("suspend", "rename"), ("use", "revoke"), ("suspend", "add"), ("change", "revoke")]
)
async def test_a_revocation_and_a_suspension_stay_whatever_runs_at_the_same_time(names: tuple[str, str]) -> None:
    for seed in range(RACES):
        place, chance = await Place.furnished(), Random(seed)
        await asyncio.gather(
            *(place.does(COMMANDS[name], StumblingRows(place.rows, chance)) for name in names for _ in range(2))
        )
        found = await TableRegistry(place.rows).load(TENANT)
        assert found is not None
        token = found.credential(place.token)
        assert token is not None
        assert bool(token.revoked) == ("revoke" in names)
        assert (found.state is TenantState.SUSPENDED) == ("suspend" in names)
        await place.left()


async def test_choices_of_schemas_that_are_made_at_the_same_time_are_all_kept() -> None:
    for seed in range(RACES):
        place, chance = await Place.furnished(), Random(seed)
        administrations = [place.administration(StumblingRows(place.rows, chance)) for _ in range(6)]
        await asyncio.gather(
            *(
                administration.choose_schemas(
                    TENANT,
                    "schemas test",
                    lambda chosen, n=number: (chosen.denying if n % 2 else chosen.allowing)([f"Type{n}"]),  # type: ignore[misc]
                )
                for number, administration in enumerate(administrations)
            )
        )
        found = await TableRegistry(place.rows).load(TENANT)
        assert found is not None
        assert found.schemas == ("Type0 Type2 Type4", "Type1 Type3 Type5")
        await place.left()


async def test_many_commands_at_once_make_one_chain_without_a_fork() -> None:
    place, chance = await Place.furnished(), Random(7)
    names = [name for name in COMMANDS if name not in ("delete", "create", "remove", "remove secret", "use")]
    wanted = [chance.choice(names) for _ in range(30)]
    done = await asyncio.gather(*(place.does(COMMANDS[name], StumblingRows(place.rows, chance)) for name in wanted))
    records = {"rotate": 2, "open": 0}
    expected = 4 + sum(records.get(name, 1) for name, is_done in zip(wanted, done, strict=True) if is_done)
    assert len(await place.chain()) == expected


async def test_who_is_always_overtaken_is_told_and_has_changed_nothing() -> None:
    place = await Place.furnished()
    before = await place.left(), await place.chain()
    rows = FaultyRows(place.rows, lambda *_: Fault.CONFLICT)
    with pytest.raises(Overtaken, match="run the command again"):
        await place.administration(rows).suspend(TENANT)
    assert rows.seen.count("transact conflict") == audit_trail.MAX_ATTEMPTS
    assert (await place.left(), await place.chain()) == before


async def test_what_cannot_be_recorded_does_not_begin() -> None:
    place = await Place.furnished()
    before = await place.chain()

    async def who() -> Actor:
        return ACTOR

    registry = TableRegistry(FaultyRows(place.rows, lambda *_: Fault.CONFLICT))
    trail = audit_trail.AuditTrail(registry, who, clock=lambda: NOW, correlation_id="c")
    with pytest.raises(Overtaken, match="'repair began' is not recorded"):
        async with trail.recorded("repair", "check --repair", TENANT):
            pytest.fail("the block has run")
    assert await place.chain() == before


async def test_a_use_that_is_always_overtaken_is_given_up() -> None:
    place = await Place.furnished()
    rows = FaultyRows(place.rows, lambda *_: Fault.CONFLICT)
    with pytest.raises(StorageBusy):
        await TableRegistry(rows).used(TENANT, place.token, DAY, "192.0.2.1")
    assert rows.seen.count("transact conflict") == MAX_ATTEMPTS


async def alone(name: str) -> tuple[Any, list[str]]:
    """What the command leaves when nothing disturbs it, and the events of the chain."""
    place = await Place.furnished()
    await place.does(COMMANDS[name])
    return await place.left(), await place.chain()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_that_dies_leaves_its_change_and_its_record_or_neither(name: str, after: bool) -> None:
    furnished = await Place.furnished()
    expected = [(await furnished.left(), await furnished.chain()), await alone(name)]
    for call in itertools.count():
        place, death = await Place.furnished(), Death(call, after)
        with suppress(ProcessDied):
            await place.does(COMMANDS[name], MortalRows(place.rows, death))
        if not death.dead:
            break
        left, events = await place.left(), await place.chain()
        if name == "delete":
            assert (left is None) == ("tenant deleted" in events)
            doomed = left is None or left[0].state is TenantState.DELETING
            assert doomed == ("tenant deletion began" in events)
        else:
            assert (left, events) in expected
    assert call > 0


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_whose_answers_are_lost_is_done_once(name: str) -> None:
    place = await Place.furnished()
    rows = FaultyRows(place.rows, lambda _, before: None if before else Fault.RESET)
    assert await place.does(COMMANDS[name], rows) == (name != "create")
    assert (await place.left(), await place.chain()) == await alone(name)


async def test_a_tenant_whose_creation_gets_no_answer_is_created_once() -> None:
    place = Place()
    rows = FaultyRows(place.rows, lambda _, before: None if before else Fault.RESET)
    await place.administration(rows).create_tenant("Contoso", TENANT)
    assert await place.chain() == ["tenant created"]


async def test_a_tenant_that_was_created_again_survives_the_end_of_an_old_deletion() -> None:
    """Two operators delete a tenant, and one of them creates it again while the other's command still runs."""
    place = await Place.furnished()

    async def create_again() -> None:
        await place.does(COMMANDS["delete"])
        await place.does(COMMANDS["create"])

    for call in itertools.count():
        place = await Place.furnished()
        rows = IntrudedRows(place.rows, call, create_again)
        is_done = await place.does(COMMANDS["delete"], rows)
        if not rows.has_happened:
            break
        found = await TableRegistry(place.rows).load(TENANT)
        # Until the first read of the old deletion, it is the new tenant that it deletes.
        assert (found is None) == is_done
    assert call > 0
