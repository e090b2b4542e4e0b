"""What a process of the endpoint costs: processor time, resident memory, how long it takes to start."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.http_client import HttpClient, Request
from tests.running import ROOT, clean_environment, running_app

_CPU_CLOCK = 2
"""On Linux the clock (~pid << 3 | 2) is the processor time of a process, in nanoseconds. /proc counts hundredths of a
second, and that is too coarse for a round of a few requests."""

_RESET_PEAK = "5"
"""The value for clear_refs that makes Linux set the peak to what is resident now."""

_IMPORT = "import time; start = time.perf_counter(); import function_app; print(time.perf_counter() - start)"
"""It times itself, because the start of the interpreter does not belong to the import."""


@dataclass(frozen=True)
class Meter:
    """Reads the costs of one process from its clock and from /proc. It needs Linux."""

    pid: int

    def cpu_seconds(self) -> float:
        """Processor time so far, in the kernel and outside."""
        return time.clock_gettime(~self.pid << 3 | _CPU_CLOCK)

    def resident_mb(self) -> float:
        """Memory in use now."""
        return self._status("VmRSS")

    def peak_mb(self) -> float:
        """The most memory in use since the start, or since reset_peak."""
        return self._status("VmHWM")

    def reset_peak(self) -> None:
        """The peak starts again from here."""
        (Path("/proc") / str(self.pid) / "clear_refs").write_text(_RESET_PEAK)

    def _status(self, name: str) -> float:
        lines = (Path("/proc") / str(self.pid) / "status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


@dataclass(frozen=True)
class Durations:
    """The same thing timed several times."""

    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        """The shortest time: that of an undisturbed run."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """The middle time."""
        return median(self.seconds)


def import_durations(settings: Mapping[str, str], times: int) -> Durations:
    """How long a new interpreter takes to import function_app from its bytecode."""
    return Durations(tuple(_import_seconds(settings) for _ in range(times + 1))[1:])


def _import_seconds(settings: Mapping[str, str]) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT],
        cwd=ROOT,
        env={**clean_environment(), **settings},
        capture_output=True,
        check=True,
    )
    return float(done.stdout)


def first_answer_durations(settings: Mapping[str, str], request: Request, times: int) -> Durations:
    """The time from the start of the serving process to its first answer, to this request. The storage runs already."""
    return Durations(tuple(asyncio.run(first_answer_seconds(settings, request)) for _ in range(times)))


async def first_answer_seconds(settings: Mapping[str, str], request: Request, root: Path = ROOT) -> float:
    """The same once, for the endpoint of this working tree."""
    started = time.perf_counter()
    with running_app(root, settings, ("--quiet",), root=root) as app:
        async with HttpClient(app.url) as client:
            await client.send(request)
            return time.perf_counter() - started
