"""`make azurite`: Azurite with all of its services. `func start` needs them: the host keeps blobs and queues, too."""

import argparse
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from devhost import server
from devhost.azurite import NPM, installed, locked
from devhost.errors import DevhostError

MAIN = Path("node_modules/azurite/dist/src/azurite.js")
PORTS = {"blob": 10000, "queue": 10001, "table": 10002}
"""Where `UseDevelopmentStorage=true` looks for them."""

DATA = Path(".azurite", "func")


def main() -> int:
    """The exit code: Azurite's own after a signal, 1 with a sentence when it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m devhost.emulator", description="Runs Azurite with all services.")
    for service, port in PORTS.items():
        parser.add_argument(f"--{service}-port", type=int, default=port, metavar="PORT", help=f"default: {port}")
    arguments = parser.parse_args()
    server.handle_signals()
    try:
        return _serve({service: getattr(arguments, f"{service}_port") for service in PORTS})
    except DevhostError as error:
        print(f"devhost: {error}", file=sys.stderr)
        return 1


def _serve(ports: Mapping[str, int]) -> int:
    node, folder = installed()
    for port in ports.values():
        server.listen(port).close()  # Azurite would tell of a port in use by a stack trace
    command = [node.executable, "--require", str(NPM / "exit_with_parent.cjs"), str(folder / MAIN)]
    command += [item for service, port in ports.items() for item in (f"--{service}Port", str(port))]
    command += ["--silent", "--disableTelemetry", "--location", str(DATA)]
    with locked(DATA) as lock:
        print(f"Blobs, queues and tables are kept in {DATA}. Ctrl-C stops Azurite.", flush=True)
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=lock, start_new_session=True) as azurite:
            try:
                return azurite.wait()
            except KeyboardInterrupt:
                azurite.communicate()  # closes the pipe by which Azurite knows that it has to save and end
                return 0


if __name__ == "__main__":
    sys.exit(main())
