"""`make console`: pages of what happened, over the Azurite of a `make run` in another terminal."""

import os
import socket
import sys
from collections.abc import Mapping, Sequence

from devhost.azurite import connection_string
from devhost.errors import DevhostError
from devhost.run import DEFAULT_AZURITE_PORT, Options
from scim_core.admin.__main__ import main as admin

LOOK_SECONDS = 1
"""How long Azurite may take to accept a connection, on the same machine."""


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit code of `admin console`, or 1 with a sentence if there is no Azurite."""
    try:
        options = Options.from_environment(environment)
        port = options.azurite_port or DEFAULT_AZURITE_PORT
    except DevhostError as error:
        print(f"devhost: {error}", file=sys.stderr)
        return 1
    try:
        socket.create_connection(("127.0.0.1", port), LOOK_SECONDS).close()
    except OSError:
        print(
            f"devhost: nothing answers on port {port}. Start `make run` in another terminal, and give its AZURITE_PORT "
            "here, too.",
            file=sys.stderr,
        )
        return 1
    chosen = {
        **environment,
        "SCIM_PUBLIC_BASE_URL": environment.get("SCIM_PUBLIC_BASE_URL") or f"http://localhost:{options.port}",
        "SCIM_STORAGE_CONNECTION": connection_string(port),
        "SCIM_STORAGE_ACCOUNT_URL": "",
    }
    return admin(["console", *arguments], chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
