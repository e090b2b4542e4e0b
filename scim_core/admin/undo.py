"""`admin undo`: lists who was deactivated, deleted or removed from a group in a time, and puts them back."""

import json
import sys
from argparse import Namespace
from collections import Counter
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from scim_core.access.credential_plans import Refused
from scim_core.admin.audit import instant
from scim_core.admin.known_tenant import require_known
from scim_core.admin.presentation import table
from scim_core.clock import instant_text, utc_now
from scim_core.ids import uuid7
from scim_core.messages import Origin
from scim_core.protocol.schemas import load_catalogue
from scim_core.service.losses import LEFT_ALONE, UNDO, Chosen
from scim_core.service.undo import Undo
from scim_core.service.undo_results import Undone
from scim_core.settings import StorageSettings
from scim_core.storage.tables import table_storage

ALL, SOME = 0, 1
"""Exit codes: everything that was found can be put back, or is; something is left alone."""

BY = "admin undo"
"""What the log names as the credential of what an undo has put back."""


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. Raises Refused, Gone, DefinitionError, StorageError."""
    asked = Chosen(instant(given.since, "--from"), instant(given.until, "--to"), given.by)
    if asked.since >= asked.until:
        raise Refused("--from must be before --to.")
    chosen = replace(asked, until=min(asked.until, instant_text(utc_now())))
    if chosen.since >= chosen.until:
        raise Refused("--from must be before now.")
    storage = table_storage(settings)
    try:
        await require_known(storage.rows, given.tenant)
        catalogue = load_catalogue(Path(given.schemas) if given.schemas else None)
        origin = Origin(method=UNDO, credential=BY, request_id=uuid7(utc_now()))
        undo = Undo(storage, catalogue, origin, clock=utc_now, new_id=lambda: uuid7(utc_now()))
        if given.yes:
            async with given.trail.recorded(UNDO, UNDO, given.tenant):
                with tqdm(unit=" resources", disable=not sys.stderr.isatty()) as bar:
                    found = await undo.run(given.tenant, chosen, partial(bar.update))
        else:
            found = await undo.look(given.tenant, chosen)
    finally:
        await storage.close()
    if given.json:
        print(json.dumps(_as_json(given, chosen, found), indent=2))
    else:
        print(_as_text(given, found, listed_to=chosen.until if chosen != asked else ""))
    return SOME if any(loss.fate in LEFT_ALONE for loss in found.losses) else ALL


def _as_json(given: Namespace, chosen: Chosen, found: Undone) -> dict[str, object]:
    return {
        "tenant": given.tenant,
        "from": chosen.since,
        "to": chosen.until,
        "done": given.yes,
        "memberships": found.memberships,
        "resources": [asdict(loss) for loss in found.losses],
    }


def _as_text(given: Namespace, found: Undone, *, listed_to: str) -> str:
    """What is printed. `listed_to` is the end of the time if it is not --to."""
    rows = [
        (
            f"{loss.time[:10]} {loss.time[11:19]}Z",
            loss.what,
            loss.name,
            str(loss.fate),
            loss.credential,
            loss.request,
            ", ".join(loss.others),
            str(loss.memberships) if loss.memberships else "",
            loss.id,
        )
        for loss in found.losses
    ]
    names = ("WHEN", "WHAT", "WHO", "FATE", "BY", "REQUEST", "ALSO CHANGED", "MEMBERSHIPS", "ID")
    counted = Counter(str(loss.fate) for loss in found.losses)
    said = "; ".join(f"{number} {fate}" for fate, number in sorted(counted.items()))
    end = f"{said or 'Nobody was deactivated, deleted or removed in this time'}."
    if listed_to:
        end += f" --to is later than now: the time ends before {listed_to}."
    if given.yes:
        return f"{table(names, rows)}\n\n{end} Memberships put back: {found.memberships}."
    again = f"--yes and --to {listed_to}" if listed_to else "--yes"
    return f"{table(names, rows)}\n\n{end} Nothing is changed. To do it, run the command again with {again}."
