"""Serves a function app on a local port until a signal ends it."""

import asyncio
import errno
import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Never

import uvicorn
from uvicorn.loops.auto import auto_loop_factory

from devhost import timers, worker
from devhost.bodies import DEFAULT_LIMIT, GRACE_SECONDS, Limits
from devhost.configuration import apply_local_settings
from devhost.errors import DevhostError, PortInUseError
from devhost.host import FunctionsHost
from devhost.kestrel import SERVER, KestrelProtocol

log = logging.getLogger("devhost")

ADDRESS = "127.0.0.1"
KEEP_ALIVE_SECONDS = 130  # Kestrel's limit
SHUTDOWN_SECONDS = 5
# They write lines for each call. The access line has all that these lines tell.
_QUIET_LOGGERS = ("azure.functions", "azure.core.pipeline.policies.http_logging_policy", "uvicorn.error")


def listen(port: int) -> socket.socket:
    """A socket that listens on this port. 0: on any free port. Raises PortInUseError, DevhostError."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(f"Port {port} is in use. Stop what listens there, or choose another port.") from None
        raise DevhostError(f"Port {port} cannot be used ({error.strerror}). Choose another port.") from None
    return listener


def run(directory: Path, listener: socket.socket, started: Callable[[], None], grace: float = GRACE_SECONDS) -> None:
    """The app of this directory answers on the listener until SIGINT, SIGTERM or SIGHUP. It first calls `started`.

    `grace` are the seconds after which a body that comes too slowly is given up.

    Raises DevhostError when the app does not start.
    """
    handle_signals()
    try:
        asyncio.run(_serve(directory, listener, started, grace), loop_factory=auto_loop_factory())
    except KeyboardInterrupt:
        return  # uvicorn has finished its requests, and has raised the signal again


def configure_logging(level: int = logging.INFO) -> None:
    """Log records of this level and above go to standard error, one line each."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def handle_signals() -> None:
    """SIGTERM and SIGHUP end this process like Ctrl-C: with KeyboardInterrupt, so that everything is stopped."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


async def _serve(directory: Path, listener: socket.socket, started: Callable[[], None], grace: float) -> None:
    apply_local_settings(directory, os.environ)
    size = int(os.environ.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", DEFAULT_LIMIT))
    host = await FunctionsHost.start(directory, Limits(size, grace))
    config = uvicorn.Config(
        host,
        http=KestrelProtocol,
        headers=[SERVER],
        proxy_headers=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    ticking = asyncio.create_task(timers.run(host.timers))
    ticking.add_done_callback(_tell_failure)
    try:
        await _Server(config, started).serve([listener])
    finally:
        ticking.cancel()
        await host.transport.close()
        worker.stop()
        # The worker ends without a word to the app. So a connection that the app still has open then is no error.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)


def _tell_failure(ticking: asyncio.Task[None]) -> None:
    if not ticking.cancelled() and (error := ticking.exception()):
        log.error("The timers have stopped", exc_info=error)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self.tell_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.tell_started()


def _interrupt(*_: object) -> Never:
    raise KeyboardInterrupt
