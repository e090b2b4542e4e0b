"""`python -m bench`: what the endpoint costs, and how that compares with its storage calls or with another commit."""

import argparse
import asyncio
import logging
import sys
import time

from bench import against, base, bulk, cycle, feed, large, neighbour, scale
from bench.against_report import against_report, measured_line
from bench.commits import CommitError
from bench.cycle_report import cycle_report, stage_line
from bench.feed_report import feed_report
from bench.http_client import UnexpectedStatus
from bench.neighbour_report import neighbour_line, neighbour_report
from bench.ratios import Verdict
from bench.report import base_report, bulk_report, large_report, large_step, scale_report

FAILED = 2
"""The exit code for a comparison that could not be made, and for a wrong argument. 1 means that something is slower."""


def main() -> int:
    """The exit code: 1 when the comparison with another commit finds something slower, FAILED when it cannot be made.

    0 in all other cases: targets are printed as met or missed, so that a slow machine is no failure.
    """
    arguments = _parser().parse_args(sys.argv[1:] or ["base"])
    logging.disable(logging.WARNING)
    started = time.monotonic()
    try:
        code = _run(arguments)
    except (CommitError, UnexpectedStatus) as error:
        print(f"bench: {error}", file=sys.stderr)
        return FAILED
    print(f"\nThe whole run took {time.monotonic() - started:.0f} s.")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Benchmarks over loopback and Azurite. docs/benchmarks.md explains them. Without arguments: base.",
    )
    runs = parser.add_subparsers(dest="run", required=True, metavar="RUN")
    one = runs.add_parser("base", help="compare each operation with its storage calls, or with another commit")
    one.add_argument(
        "--against",
        metavar="COMMIT",
        help="compare the working tree with this commit, request by request; exit code 1: slower",
    )
    one.add_argument(
        "--still",
        action="store_true",
        help="in the comparison, the changes of the working tree wait for a reader: none is relayed after its answer",
    )
    beside = runs.add_parser("neighbour", help="show what one tenant notices of another's costliest requests")
    beside.add_argument("--only", default="", metavar="TEXT", help="only the attacks whose title contains this text")
    first = runs.add_parser("cycle", help="play a first cycle of Entra, and say what it costs")
    first.add_argument("--users", type=int, default=cycle.USERS, help="users to create")
    first.add_argument("--groups", type=int, default=cycle.GROUPS, help="groups to create and fill")
    _add_plain_azurite(first)
    followed = runs.add_parser("feed", help="time deliveries, a relay of many changes, and a snapshot")
    followed.add_argument("--users", type=int, default=feed.USERS, help="users of the snapshot")
    runs.add_parser("bulk", help="time bulks of 1,000 operations, and count their storage calls")
    for name, text in (
        ("scale", "show what costs the same in small and large directories and groups"),
        ("large", "time single requests that name many members"),
    ):
        sized = runs.add_parser(name, help=text)
        sized.add_argument("--largest", type=int, default=max(scale.USERS), help="the largest size to measure")
        _add_plain_azurite(sized)
    return parser


def _add_plain_azurite(parser: argparse.ArgumentParser) -> None:
    text = "use Azurite's own range reads, which look at every row"
    parser.add_argument("--plain-azurite", action="store_true", help=text)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.run == "base" and arguments.against:
        told = lambda measured: _tell(measured_line(measured))  # noqa: E731
        compared = asyncio.run(against.run(arguments.against, told, still=arguments.still))
        print(against_report(compared))
        return int(Verdict.SLOWER in compared.verdicts)
    if arguments.run == "base":
        print(base_report(asyncio.run(base.run())))
    elif arguments.run == "neighbour":
        observed = asyncio.run(neighbour.run(arguments.only, lambda item: _tell(neighbour_line(item))))
        print(neighbour_report(observed, neighbour.REQUESTS_A_SECOND))
    elif arguments.run == "cycle":
        played = cycle.run(
            arguments.users,
            arguments.groups,
            plain_azurite=arguments.plain_azurite,
            progress=lambda stage: _tell(stage_line(stage)),
        )
        print(cycle_report(asyncio.run(played)))
    elif arguments.run == "feed":
        print(feed_report(asyncio.run(feed.run(arguments.users, _tell))))
    elif arguments.run == "bulk":
        print(bulk_report(asyncio.run(bulk.run())))
    elif arguments.run == "large":
        steps = large.run(
            arguments.largest,
            plain_azurite=arguments.plain_azurite,
            progress=lambda step: _tell(large_step(step)),
        )
        print(large_report(asyncio.run(steps)))
    else:
        print(scale_report(asyncio.run(scale.run(arguments.largest, plain_azurite=arguments.plain_azurite))))
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
