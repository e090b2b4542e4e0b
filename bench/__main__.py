"""`python -m bench`: what the endpoint costs, and how that compares with the storage calls it makes."""

import argparse
import asyncio
import logging
import sys
import time

from bench import base, large, scale
from bench.report import base_report, large_report, large_step, scale_report


def main() -> int:
    """The exit code: 0. Targets are printed as met or missed; nothing fails for the speed of a machine."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks over loopback and Azurite.")
    parser.add_argument("run", nargs="?", choices=["base", "scale", "large"], default="base", help="default: base")
    parser.add_argument("--largest", type=int, default=max(scale.USERS), help="size at which scale and large stop")
    parser.add_argument(
        "--plain-azurite",
        action="store_true",
        help="over Azurite's own range reads, which look at every row (scale, large)",
    )
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    started = time.monotonic()
    if arguments.run == "base":
        print(base_report(asyncio.run(base.run())))
    elif arguments.run == "large":
        steps = large.run(arguments.largest, plain_azurite=arguments.plain_azurite, progress=_tell)
        print(large_report(asyncio.run(steps)))
    else:
        print(scale_report(asyncio.run(scale.run(arguments.largest, plain_azurite=arguments.plain_azurite))))
    print(f"\nAll of it took {time.monotonic() - started:.0f} s.")
    return 0


def _tell(step: large.Step) -> None:
    print(large_step(step), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
