"""How the doctor tells what it has found: a line for each finding, JSON for scripts, and the exit code."""

import json
from argparse import Namespace
from collections.abc import Sequence

from scim_core.admin.doctor.findings import Judgement, Observation
from scim_core.admin.presentation import printable

HEALTHY, WRONG, UNKNOWN = 0, 1, 2
"""Exit codes: all is well; something is wrong; nothing is known to be wrong, but something could not be looked at."""

_MARKS = {
    Judgement.GOOD: "ok     ",
    Judgement.WRONG: "WRONG  ",
    Judgement.UNKNOWN: "?      ",
    Judgement.LEFT_OUT: "-      ",
}
_INDENT = " " * 7


def tell(given: Namespace, found: list[Observation], findings: list[Observation]) -> None:
    """The findings are among those that were found, and are printed for people."""
    found += findings
    for item in findings if not given.json else ():
        print(f"{_MARKS[item.verdict]}{item.check}: {printable(item.said)}")
        if item.do:
            print(f"{_INDENT}{printable(item.do)}")


def print_json(found: Sequence[Observation], **more: str) -> None:
    """All findings are printed for scripts."""
    healthy = exit_code(found) == HEALTHY
    print(json.dumps({**more, "healthy": healthy, "findings": list(map(_as_json, found))}, indent=2))


def exit_code(found: Sequence[Observation]) -> int:
    """What the command ends with."""
    verdicts = {item.verdict for item in found}
    return WRONG if Judgement.WRONG in verdicts else UNKNOWN if Judgement.UNKNOWN in verdicts else HEALTHY


def _as_json(finding: Observation) -> dict[str, str | None]:
    return {"check": finding.check, "verdict": finding.verdict, "said": finding.said, "do": finding.do or None}
