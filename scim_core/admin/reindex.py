"""`admin reindex`: completes the indexes that the resource type files declare, while the service runs."""

import asyncio
from argparse import Namespace

from tqdm import tqdm

from scim_core.admin.declared import declared_indexes
from scim_core.admin.known_tenant import require_known
from scim_core.clock import utc_now
from scim_core.model import names_of
from scim_core.settings import StorageSettings
from scim_core.storage.maintenance.reindexing import Reindexed, Surroundings, reindex
from scim_core.storage.tables import table_rows

COMPLETE, INCOMPLETE = 0, 1
"""Exit codes."""


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. What was done is printed. The progress goes to standard error.

    Raises DefinitionError, Gone, StorageError.
    """
    declared = declared_indexes(given.schemas)
    rows = table_rows(settings)
    try:
        await require_known(rows, given.tenant)
        with (
            tqdm(desc=f"resources of {given.tenant}", unit=" resources", disable=None) as walked,
            tqdm(desc="until every instance knows", unit=" s", disable=None) as waited,
        ):
            surroundings = Surroundings(utc_now, asyncio.sleep, walked.update, waited.update)
            async with given.trail.recorded("reindex", "reindex", given.tenant):
                done = await reindex(rows, given.tenant, declared, surroundings)
    finally:
        await rows.close()
    for sentence in told(done):
        print(sentence)
    return COMPLETE if done.is_complete else INCOMPLETE


def told(done: Reindexed) -> list[str]:
    """What an operator must know, one sentence for each fact."""
    sentences = [f"{done.written} resources were written."]
    sentences += [
        f"The names of {of_type} are complete: only their keys of today are used."
        if (of_type := _whose_names(name))
        else f"{name} is complete: searches use it."
        for name in sorted(done.complete)
    ]
    sentences += [f"{conflict}." for conflict in done.conflicts]
    if done.conflicts:
        sentences.append(
            "Change or delete one of each two, then run the command again. Until then searches still find both."
        )
    for name in sorted(done.given_up):
        of_type = _whose_names(name)
        sentences.append(
            f"The names of {of_type} were given up: an instance of version 0.2 has written. Finish the roll-out, then "
            "run the command again."
            if of_type
            else f"{name} was given up: an instance whose files do not declare it has written. Finish the roll-out, "
            "then run the command again."
        )
    for name in sorted(done.still_written):
        of_type = _whose_names(name)
        sentences.append(
            f"The names of {of_type} are not complete: an instance of version 0.1 or 0.2 still writes. Stop it, then "
            "run the command again."
            if of_type
            else f"{name} is not complete: an instance of version 0.1, or one with other files, still writes. Stop "
            "it, then run the command again."
        )
    return sentences


def _whose_names(name: str) -> str:
    """The resource type, if it is the names of one that are called so in the record; otherwise empty."""
    of_type = name.partition(".")[0]
    return of_type if name == names_of(of_type).name else ""
