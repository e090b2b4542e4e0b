"""`python -m devhost`: the function app alone, as `func start` runs it. Its settings come from the environment."""

import argparse
import logging
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path

from devhost import server
from devhost.bodies import GRACE_SECONDS
from devhost.errors import DevhostError


def main() -> int:
    """The exit code: 0 after a signal, 1 when the app cannot run."""
    parser = argparse.ArgumentParser(prog="python -m devhost", description="Runs a function app on this machine.")
    parser.add_argument("--port", type=int, default=7071, help="the port; 0: any free one (default: 7071)")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where function_app.py is (default: here)")
    parser.add_argument("--quiet", action="store_true", help="log warnings and errors only")
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input closes")
    parser.add_argument(
        "--grace-seconds",
        type=float,
        default=GRACE_SECONDS,
        help="how long a client may send its body slowly (default: %(default)s, as on Azure)",
    )
    arguments = parser.parse_args()
    server.configure_logging(logging.WARNING if arguments.quiet else logging.INFO)
    if arguments.stop_with_stdin:
        threading.Thread(target=_stop_with_stdin, daemon=True).start()
    try:
        with server.listen(arguments.port) as listener:
            address = f"http://localhost:{listener.getsockname()[1]}"
            tell = partial(print, f"Serving {address}", flush=True)
            server.run(arguments.directory.resolve(), listener, tell, arguments.grace_seconds)
    except DevhostError as error:
        print(f"devhost: {error}", file=sys.stderr)
        return 1
    return 0


def _stop_with_stdin() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
