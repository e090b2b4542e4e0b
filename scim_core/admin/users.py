"""`admin users forget`: erases a person who was deleted from the provisioning log."""

import json
from argparse import Namespace
from dataclasses import asdict

from scim_core.admin.known_tenant import require_known
from scim_core.settings import SettingsError, StorageSettings
from scim_core.storage.maintenance.forgetting import forget
from scim_core.storage.tables import table_rows

LEFT = """What this command cannot erase:
- Backups: blobs are immutable until their time is over (docs/operate.md). Those that were written while the person was
  here have the person's row.
- Log Analytics: it has ids and names of attributes, no names of people. The host's record of a request has the id in
  its address. Both end with the retention of the workspace.
- The identity provider's own provisioning log, and copies that read the feed: they were told of the deletion.
- Rows of groups in the log, and entries of the feed: they have the id alone, until SCIM_LOG_DAYS and SCIM_FEED_DAYS."""
"""What an operator has to know besides."""


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. Raises SettingsError, Gone, StillThere, StorageError."""
    if given.confirm != given.id:
        raise SettingsError(
            f"This erases what the log knows of {given.id}, for good. To do that, run the command again with "
            f"--confirm {given.id}"
        )
    rows = table_rows(settings)
    try:
        await require_known(rows, given.tenant)
        async with given.trail.recorded("users forget", "users forget", given.tenant):
            done = await forget(rows, given.tenant, given.id)
    finally:
        await rows.close()
    if given.json:
        print(json.dumps({"id": given.id, "erased": asdict(done), "left": LEFT.splitlines()}, indent=2))
    else:
        print(
            f"{done.log} rows of the log, {done.was} former names, {done.attempts} refusals and {done.gone} rows "
            f"kept for an undo were erased.\n\n{LEFT}"
        )
    return 0
