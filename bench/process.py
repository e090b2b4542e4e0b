"""What a process of the endpoint costs: processor time, resident memory, how long it takes to start."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.http_client import HttpClient, Request
from tests.running import ROOT, clean_environment, running_app

_TICKS = os.sysconf("SC_CLK_TCK")
_USER_TIME, _SYSTEM_TIME = 11, 12  # places behind the name of the program in /proc/<pid>/stat
_RESET_PEAK = "5"
_IMPORT = "import time; start = time.perf_counter(); import function_app; print(time.perf_counter() - start)"


@dataclass(frozen=True)
class Meter:
    """Reads the costs of one process from /proc, so on Linux alone."""

    pid: int

    def cpu_seconds(self) -> float:
        """Processor time so far, in the kernel and outside."""
        fields = self._read("stat").rpartition(")")[2].split()
        return (int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])) / _TICKS

    def resident_mb(self) -> float:
        """Memory in use now."""
        return self._status("VmRSS")

    def peak_mb(self) -> float:
        """The most memory in use since the start, or since reset_peak."""
        return self._status("VmHWM")

    def reset_peak(self) -> None:
        """The peak counts from here."""
        (Path("/proc") / str(self.pid) / "clear_refs").write_text(_RESET_PEAK)

    def _status(self, name: str) -> float:
        line = next(line for line in self._read("status").splitlines() if line.startswith(name))
        return int(line.split()[1]) / 1024

    def _read(self, name: str) -> str:
        return (Path("/proc") / str(self.pid) / name).read_text()


@dataclass(frozen=True)
class Durations:
    """The same thing timed several times."""

    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        """The shortest: what the thing takes when nothing disturbs it."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.seconds)


def import_durations(settings: Mapping[str, str], times: int) -> Durations:
    """How long a new interpreter takes to import function_app, its bytecode being there."""
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
    """From the start of the serving process to its answer to this request, which is the first; its storage is up."""
    return Durations(tuple(asyncio.run(_first_answer_seconds(settings, request)) for _ in range(times)))


async def _first_answer_seconds(settings: Mapping[str, str], request: Request) -> float:
    started = time.perf_counter()
    with running_app(ROOT, settings, ("--quiet",)) as app:
        async with HttpClient(app.url) as client:
            await client.send(request)
            return time.perf_counter() - started
