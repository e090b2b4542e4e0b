"""What `make bench ARGS='base --against COMMIT'` prints, and with which exit code it ends."""

import logging
import sys
from collections.abc import Callable, Iterator

import pytest

from bench import against
from bench.__main__ import main
from bench.against import AgainstRun, Measured
from bench.commits import CommitError
from bench.ratios import Pair, Paired


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    yield
    logging.disable(logging.NOTSET)


def paired(ratio: float) -> Paired:
    return Paired((0.010 * ratio,) * 4, (0.010,) * 4)


def a_run(*, operation: float = 1.0, start: float = 1.0, other_versions: tuple[str, ...] = ()) -> AgainstRun:
    return AgainstRun(
        names=Pair("1111111 with changes", "2222222"),
        other_versions=other_versions,
        operations=(Measured("GET user", 16, paired(operation), paired(1.0)),),
        first_answers=paired(start),
        memory_at_start=Pair(90.0, 100.0),
        memory_after=Pair(120.0, 100.0),
    )


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Callable[[AgainstRun | Exception], int]:
    """The exit code of the command, when the comparison gives this."""

    def compare(outcome: AgainstRun | Exception) -> int:
        async def run(commit: str, progress: Callable[[Measured], object], *, still: bool) -> AgainstRun:
            assert (commit, still) == ("v0.1.0", False)
            if isinstance(outcome, Exception):
                raise outcome
            progress(outcome.operations[0])
            return outcome

        monkeypatch.setattr(against, "run", run)
        monkeypatch.setattr(sys, "argv", ["bench", "base", "--against", "v0.1.0"])
        return main()

    return compare


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (a_run(), 0),
        (a_run(operation=0.8), 0),
        (a_run(operation=1.2), 1),
        (a_run(start=1.2), 1),
    ],
)
def test_the_exit_code_says_whether_something_is_slower(
    compare: Callable[[AgainstRun | Exception], int], run: AgainstRun, code: int
) -> None:
    assert compare(run) == code


def test_a_comparison_that_cannot_be_made_is_a_sentence_and_an_exit_code_of_its_own(
    compare: Callable[[AgainstRun | Exception], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(CommitError("There is no commit 'v0.1.0'.")) == 2
    assert capsys.readouterr().err == "bench: There is no commit 'v0.1.0'.\n"


def test_the_report_names_both_and_shows_each_operation_with_ratio_spread_and_verdict(
    compare: Callable[[AgainstRun | Exception], int], capsys: pytest.CaptureFixture[str]
) -> None:
    compare(a_run(operation=1.2, other_versions=("aiohttp==3.0.0",)))
    said = capsys.readouterr()
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert "this: the working tree at 1111111 with changes; against: 2222222, which wants aiohttp==3.0.0" in said.out
    assert "GET user 16 12.00 10.00 1.20 1.20-1.20 slower 10.00 10.00 1.00 1.00-1.00" in lines
    assert "first answer of a new process 10.00 10.00 1.00 1.00-1.00 same" in lines
    assert "before the rounds 90 100 0.90" in lines
    assert "slower: 1, faster: 0, same: 1, unclear: 0" in said.out
    assert said.err == "GET user, 16 conn: ratio 1.20 (1.20-1.20), slower\n"
