"""The questions run asks each question of a customer with a past, and its report tells the answer from the start."""

import pytest

from bench import questions
from bench.questions import Asked
from bench.questions_report import questions_report
from tests.commands import run_process


def forked(command: tuple[str, ...], environment: dict[str, str]) -> str:
    """Each command but the first in a process that is forked: a start takes a second."""
    if command == ("--help",):
        return questions.in_a_process(command, environment)
    return run_process(environment, *command).stderr


async def test_each_question_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ATTEMPTS", 100), ("CHANGES", 2), ("ROUNDS", 1)):
        monkeypatch.setattr(questions, name, value)
    told: list[str] = []
    asked = await questions.run(10, told.append, forked)
    assert [item.command.split()[0] for item in asked] == [
        *("--help", "who", "who", "who", "why", "why", "refusals", "log", "log", "doctor")
    ]
    assert all(len(item.seconds) == 1 for item in asked)
    assert told[0] == "storing 10 users"


def test_the_report_leaves_the_start_of_a_process_out_of_the_answer() -> None:
    report = questions_report([Asked("--help", (0.5,)), Asked("who a b", (1.0, 9.0, 2.0)), Asked("log a", (3.0,))])
    lines = [line.split() for line in report.splitlines()]
    assert ["who", "a", "b", "2.00", "1.50", "pass"] in lines
    assert ["log", "a", "3.00", "2.50", "MISS"] in lines
