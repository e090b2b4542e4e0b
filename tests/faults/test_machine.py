"""The directory is what a model says, for all requests, any number of them at the same time, and all failures.

Requests of every kind go to several processes that serve one table, on a network with faults; some of the processes
die. Afterwards the directory holds what some order of the requests leads to, where those that were not answered
happened whole or not at all, and every invariant holds.

MACHINE_STEPS=100000 make test ARGS=tests/faults/test_machine.py takes so many steps, and tells now and then and at the
end how many steps, requests, deaths and answers of 503 there were.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from scim_core.storage.maintenance.checking import check
from scim_core.storage.maintenance.invariants import Problem
from scim_core.storage.tables import large_change_runner
from tests.clients.targets import Answer
from tests.faults.disturbed_rows import BREAKING, Death, ProcessDied
from tests.faults.model import Group, Model, Outcome, Request, User, explained
from tests.faults.processes import Process, Processes, Trouble
from tests.faults.test_death import FAR_FUTURE, TENANT
from tests.faults.wishes import CreateGroup, CreateUser, GroupChange, Known, Wish, group_changes, numbers, wishes
from tests.scim import Json, group_ids, member_ids

SHORT_STEPS = 400
STEPS = int(os.environ.get("MACHINE_STEPS", "0"))
PROGRESS_STEPS = 500
"""Steps of a long run after which it tells how far it is."""

STEPS_EACH = 50 if STEPS else 20
"""Steps that one directory is taken through."""

FIRST_USERS = 10
LAST_CALL = 12
"""Deaths and trouble begin at one of the first calls: a change in four steps makes about as many."""

AT_ONCE = 4
TRIES = 4
"""How often a call is made before the storage counts as busy."""

places = st.integers(0, 3) | st.integers(0, LAST_CALL)
deaths = st.builds(Death, places, st.booleans())
troubles = st.builds(Trouble, st.sampled_from(BREAKING), places, st.sampled_from([1, 3, TRIES, 2 * TRIES]))
which = st.integers(0, 1)
observed = st.frozensets(st.sampled_from(["reads", "sweeps"]))

type Observed = frozenset[str]
"""What else goes on while requests are under way: `reads`, `sweeps`."""

type Crowd[W: Wish] = Sequence[tuple[W, int]]
"""Wishes, each with the number of the process that is asked."""


def crowds[W: Wish](of: st.SearchStrategy[W], least: int = 1) -> st.SearchStrategy[Crowd[W]]:
    return st.lists(st.tuples(of, which), min_size=least, max_size=AT_ONCE)


class Directory(RuleBasedStateMachine):
    """One table, the processes that serve it, and the model of what it holds."""

    runner: ClassVar[asyncio.Runner]
    counted: ClassVar[Counter[str]]
    report: ClassVar[Callable[[], None]]

    def __init__(self) -> None:
        super().__init__()
        self.known = Known()
        self.swept = True
        self.history: list[str] = []

    def teardown(self) -> None:
        type(self).report()

    @initialize(seed=st.integers(0, 2**32))
    def there_are_users_and_a_large_group(self, seed: int) -> None:
        self.processes = Processes(seed)
        first = [CreateUser(f"user{number}", None) for number in range(FIRST_USERS)]
        for some in (first[:4], first[4:8], first[8:], [CreateGroup("everybody", tuple(range(1, 2 * FIRST_USERS, 2)))]):
            self.runner.run(self._sent([(wish, self.processes.healthy[0]) for wish in some]))

    @rule(wish=wishes, number=which)
    def a_request(self, wish: Wish, number: int) -> None:
        self._all_at_once([(wish, self.processes.healthy[number])])

    @rule(crowd=crowds(wishes, least=2), observed=observed)
    def requests_side_by_side(self, crowd: Crowd[Wish], observed: Observed) -> None:
        self._all_at_once([(wish, self.processes.healthy[number]) for wish, number in crowd], observed=observed)

    @rule(crowd=crowds(group_changes, least=2), who=numbers, observed=observed)
    def changes_of_one_group_side_by_side(self, crowd: Crowd[GroupChange], who: int, observed: Observed) -> None:
        about_it = [(replace(wish, who=who), self.processes.healthy[number]) for wish, number in crowd]
        self._all_at_once(about_it, observed=observed)

    @rule(crowd=crowds(wishes), death=deaths, touched=st.booleans())
    def a_process_dies(self, crowd: Crowd[Wish], death: Death, *, touched: bool) -> None:
        self._disturbed(crowd, self.processes.mortal(death), touched=touched)

    @rule(crowd=crowds(wishes), trouble=troubles, touched=st.booleans())
    def the_network_fails(self, crowd: Crowd[Wish], trouble: Trouble, *, touched: bool) -> None:
        self._disturbed(crowd, self.processes.troubled(trouble), touched=touched)

    @rule(crowd=crowds(group_changes), who=numbers, trouble=troubles, touched=st.booleans())
    def the_network_fails_those_who_change_one_group(
        self, crowd: Crowd[GroupChange], who: int, trouble: Trouble, *, touched: bool
    ) -> None:
        about_it = [(replace(wish, who=who), number) for wish, number in crowd]
        self._disturbed(about_it, self.processes.troubled(trouble), touched=touched)

    @invariant()
    def every_row_has_what_it_needs(self) -> None:
        checked = self.runner.run(check(self.processes.healthy[1].storage.rows, TENANT))
        # Parts that were written before a decision which never came are the sweep's.
        expected = None if self.swept else Problem.STRAY_PART
        self._require([finding for finding in checked.findings if finding.problem is not expected] == [], checked)

    def _disturbed(self, crowd: Crowd[Wish], process: Process, *, touched: bool) -> None:
        """The first request goes to the process that is disturbed, others go there or to a healthy one."""
        self.swept = self.swept and not touched
        both = (process, self.processes.healthy[0])
        wanted = [(wish, both[min(number, place)]) for place, (wish, number) in enumerate(crowd)]
        self._all_at_once(wanted, heals="touched" if touched else "swept")

    def _all_at_once(
        self, wanted: Sequence[tuple[Wish, Process]], heals: str = "", observed: Observed = frozenset()
    ) -> None:
        answers = self.runner.run(self._sent(wanted, heals, observed))
        self.counted["steps"] += 1
        self.counted["requests"] += len(answers)
        self.counted["side by side"] += len(answers) > 1
        self.counted["died"] += any(isinstance(answer, ProcessDied) for answer in answers)
        self.counted["503"] += sum(isinstance(answer, Answer) and answer.status == 503 for answer in answers)

    async def _sent(
        self, wanted: Sequence[tuple[Wish, Process]], heals: str = "", observed: Observed = frozenset()
    ) -> Sequence[Answer | BaseException]:
        """The requests are sent, and unfinished changes are finished. Then the requests explain what is there."""
        requests = [(wish.request(self.known), process) for wish, process in wanted]
        answered = asyncio.Event()
        observers = [asyncio.create_task(getattr(self, f"_{name}")(answered)) for name in sorted(observed)]
        answers = await asyncio.gather(
            *(process.client.send(item.method, item.url, item.body) for item, process in requests),
            return_exceptions=True,
        )
        answered.set()
        await asyncio.gather(*observers)
        outcomes = [_outcome(request, answer) for (request, _), answer in zip(requests, answers, strict=True)]
        self.history += [
            f"{item.request.method} {item.request.url} {item.request.body} -> {item.status} {item.new_id} {heals}"
            for item in outcomes
        ]
        await self._heal([item for item, _ in requests], heals)
        before, after = self.known.model, await self._shown()
        self._require(explained(before, outcomes, after), after)
        self._require(bool(heals) or None not in [item.status for item in outcomes], after)
        if len(outcomes) == 1:
            self._require(_tells_the_truth(outcomes[0], answers[0], after), answers[0])
        self.known.model = after
        self.known.gone += sorted({*before.users, *before.groups} - {*after.users, *after.groups})
        return answers

    async def _reads(self, until: asyncio.Event) -> None:
        """Readers get answers that are possible, while others write."""
        while not until.is_set():
            for url in ("/Groups", "/Users"):
                answer = await self.processes.healthy[1].client.get(url, count=1000)
                self.counted["reads"] += 1
                self._require(answer.status in (200, 503), answer.document)
                for item in answer.document.get("Resources", ()):
                    related = member_ids(item) + group_ids(item)
                    self._require(len(related) == len(set(related)), item)

    async def _sweeps(self, until: asyncio.Event) -> None:
        """The sweep abandons undecided changes and applies decided ones, while requests work on the same changes."""
        while not until.is_set():
            await self.processes.healthy[1].storage.sweep(before=FAR_FUTURE, seconds=30)
            self.counted["sweeps"] += 1

    async def _heal(self, requests: Sequence[Request], heals: str) -> None:
        """A client asks for the resources that the requests were about, or the sweep runs."""
        healthy = self.processes.healthy[1]
        if heals == "touched":
            for request in requests:
                status = (await healthy.client.get(request.touch)).status
                self._require(status in (200, 404), status)
        elif heals == "swept":
            swept = await healthy.storage.sweep(before=FAR_FUTURE, seconds=30)
            self._require(swept.left == 0, swept)
            self.swept = True

    async def _shown(self) -> Model:
        """What the directory holds, as a client finds it; users and groups agree about who is a member."""
        asked = self.processes.healthy[1].client
        groups, users = [(await asked.get(url, count=1000)).document["Resources"] for url in ("/Groups", "/Users")]
        shown = Model(
            {item["id"]: _user(item) for item in users},
            {item["id"]: _group(item) for item in groups},
        )
        for item in (*users, *groups):
            kind = {member["type"] for member in item.get("members", ()) if member["value"] in shown.users}
            self._require(kind <= {"User"}, item)
        for user in users:
            expected = sorted(id_ for id_, group in shown.groups.items() if user["id"] in group.members)
            self._require(group_ids(user) == expected, user)
        return shown

    def _require(self, fact: bool, found: object) -> None:
        assert fact, "\n".join([*self.history[-12:], f"before: {self.known.model}", f"found: {found}"])


def _outcome(request: Request, answer: Answer | BaseException) -> Outcome:
    if isinstance(answer, ProcessDied):
        return Outcome(request, None)
    if isinstance(answer, BaseException):
        raise answer
    if answer.status == 503:
        assert int(answer.headers["retry-after"]) > 0
        return Outcome(request, None)
    return Outcome(request, answer.status, answer.document["id"] if answer.status == 201 else "")


def _tells_the_truth(outcome: Outcome, answer: Answer | BaseException, after: Model) -> bool:
    """Whether an answer with a resource shows it as it is, and a refusal says why."""
    if outcome.status == 409:
        assert isinstance(answer, Answer)
        return bool(answer.document["scimType"] == "uniqueness")
    if not isinstance(answer, Answer) or answer.status not in (200, 201):
        return True
    found: Json = answer.document
    if "displayName" in found:
        return after.groups[found["id"]] == _group(found)
    return after.users[found["id"]] == _user(found)


def _user(found: Json) -> User:
    return User(found["userName"], active=found.get("active", True), external=found.get("externalId"))


def _group(found: Json) -> Group:
    return Group(found["displayName"], frozenset(member_ids(found)))


@pytest.mark.usefixtures("_small_transactions")
def test_the_directory_is_what_its_requests_make_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(large_change_runner, "REFUSED_SECONDS", 0.01)
    began, counted, told = time.monotonic(), Counter[str](), 0

    def report() -> None:
        nonlocal told
        if STEPS and counted["steps"] >= min(STEPS, told + PROGRESS_STEPS):
            told = counted["steps"]
            with capsys.disabled():
                print(f"{time.monotonic() - began:.0f} s: {dict(counted)}", flush=True)  # noqa: T201

    wanted = STEPS or SHORT_STEPS
    with asyncio.Runner() as runner:
        members = {"runner": runner, "counted": counted, "report": staticmethod(report)}
        machine = type("Directory", (Directory,), members)
        while counted["steps"] < wanted:  # now and then Hypothesis ends a directory early
            run_state_machine_as_test(machine, settings=_settings(wanted - counted["steps"]))


def _settings(steps: int) -> settings:
    return settings(
        max_examples=max(1, steps // STEPS_EACH),
        stateful_step_count=STEPS_EACH,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # what meets what is chance, so that a smaller example would not show it: see history
        derandomize=settings().derandomize and not STEPS,
    )
