"""Azurite's table service, the emulator of Azure Table Storage: installed from npm, started, stopped."""

import fcntl
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from devhost import npm_packages
from devhost.errors import DevhostError, PortInUseError
from devhost.node import Node

NPM = Path(__file__).parent / "npm"
MAIN = Path("node_modules/azurite/dist/src/table/main.js")
ACCOUNT = "devstoreaccount1"
# This is no secret: every Azurite has this account with this key.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_SECONDS = 60  # a start takes one or two, and more from a cold disk under load
STOP_SECONDS = 10
PORT_ATTEMPTS = 5
PORTS = range(15_000, 32_000)
"""Free ports come from this range. Clients get higher ports from the system, so none takes a port just chosen."""


def connection_string(port: int) -> str:
    """The connection string, for the storage SDKs, of an Azurite whose tables are on this port."""
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};TableEndpoint={endpoint};"


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running table service on 127.0.0.1. It ends with `stop`, or when this process ends."""

    port: int
    process: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls, port: int | None = None, data: Path | None = None, log: Path | None = None, *, seeks: bool = False
    ) -> Self:
        """Azurite answers on `port`, or on a free one. Its tables are in the folder `data`, or in memory.

        If it `seeks`, a range read looks at the rows of the range alone, as in Table Storage, not at the whole table.

        Raises PortInUseError. Raises DevhostError when Azurite cannot be installed or started, or `data` is in use.
        """
        node, folder = installed()
        files = ["exit_with_parent.cjs", *(["azurite_seek.cjs"] if seeks else [])]
        preloaded = [word for name in files for word in ("--require", str(NPM / name))]
        command = [node.executable, *preloaded, str(folder / MAIN)]
        for _ in range(PORT_ATTEMPTS - 1 if port is None else 0):
            try:
                return cls._start(command, free_port(), data, log)
            except PortInUseError:  # another process took the free port before Azurite did
                continue
        return cls._start(command, port or free_port(), data, log)

    @classmethod
    def _start(cls, command: Sequence[str], port: int, data: Path | None, log: Path | None) -> Self:
        with _open_log(log) as output, locked(data) as lock:
            process = subprocess.Popen(
                [*command, *_options(port, data)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=lock,
                start_new_session=True,  # Ctrl-C must reach only the app, which then stops Azurite
            )
            azurite = cls(port, process)
            try:
                azurite._wait_until_started(output)
            except BaseException:
                azurite.stop()
                raise
            return azurite

    @property
    def connection_string(self) -> str:
        """The connection string for the storage SDKs."""
        return connection_string(self.port)

    def stop(self) -> None:
        """Azurite has saved its data, and its process has ended. A second stop does nothing."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_started(self, output: IO[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            said = os.pread(output.fileno(), 10_000, 0).decode(errors="replace")
            if "successfully started" in said:
                return
            if self.process.poll() is not None:
                if "EADDRINUSE" in said:
                    raise PortInUseError(
                        f"Port {self.port} is in use. Stop what listens there, or give Azurite another port."
                    )
                raise DevhostError(f"Azurite ended while it started. It said: {said.strip() or 'nothing'}")
            time.sleep(0.02)
        raise DevhostError(f"Azurite did not start within {START_SECONDS} seconds. Try again when the machine is idle.")


def installed() -> tuple[Node, Path]:
    """Node.js, and the folder with the Azurite that package-lock.json names. Raises DevhostError."""
    return npm_packages.installed(NPM, "Azurite", MAIN)


def free_port() -> int:
    """A port on 127.0.0.1 that is free at this moment. The system does not give it to clients."""
    while True:
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _options(port: int, data: Path | None) -> list[str]:
    place = ["--inMemoryPersistence"] if data is None else ["--location", str(data)]
    return ["--tablePort", str(port), "--silent", "--disableTelemetry", *place]


@contextmanager
def _open_log(log: Path | None) -> Iterator[IO[bytes]]:
    if log is None:
        with tempfile.TemporaryFile() as output:
            yield output
    else:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w+b") as output:
            yield output


@contextmanager
def locked(data: Path | None) -> Iterator[tuple[int, ...]]:
    """The folder, locked by an open file. Azurite inherits the file, so the lock holds until both processes end."""
    if data is None:
        yield ()
        return
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DevhostError(f"Another Azurite keeps its tables in {data}. Stop it, or use another folder.") from None
        yield (lock.fileno(),)
