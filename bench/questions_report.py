"""The table of the questions run."""

from collections.abc import Sequence

from bench.questions import ATTEMPTS, CHANGES, Asked
from bench.report import table, verdict

MAX_SECONDS = 2.0
"""How long somebody waits for an answer, beyond the start of the process."""


def questions_report(asked: Sequence[Asked]) -> str:
    """The questions run as text for a terminal. The first one is the start of a process."""
    start, *questions = asked
    rows = [
        (
            item.command,
            f"{item.median:.2f}",
            f"{max(0.0, item.median - start.median):.2f}",
            verdict(met=item.median - start.median <= MAX_SECONDS),
        )
        for item in questions
    ]
    return "\n\n".join([_LEGEND.format(start=start.median), table(("command", "median s", "answer s", "target"), rows)])


_LEGEND = f"""\
median: of five runs, each a process of its own. answer: without the start of a process, which takes {{start:.2f}} s.
The target is for the answer: {MAX_SECONDS:.0f} s. The person has {CHANGES} changes, and the customer {ATTEMPTS:,}
attempts."""
