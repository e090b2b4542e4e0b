"""Who runs a command: what the audit trail says of the operator."""

import getpass
import os
import socket

from scim_core.audit_records import Actor
from scim_core.settings import StorageSettings
from scim_core.storage.tables import signed_in
from scim_core.version import __version__


async def operator(settings: StorageSettings) -> Actor:
    """The operator of this process. Raises StorageBusy when Azure does not tell who is signed in."""
    return Actor(
        identity=await signed_in(settings),
        tool=f"scim_core.admin {__version__}",
        host=socket.gethostname(),
        user=_user(),
    )


def _user() -> str:
    """The user of the operating system. In a container it may have no name, but a number."""
    try:
        return getpass.getuser()
    except OSError:
        return f"uid {os.getuid()}"
