"""The commands of `python -m scim_core.admin`, in this process over given rows, or in a process of their own."""

import asyncio
import base64
import io
import subprocess
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import cache, partial
from typing import Any

import pytest

from scim_core.admin import __main__ as program
from scim_core.admin.arguments import parser
from scim_core.storage import tables
from scim_core.storage.tables.rows import Rows
from tests.forked_commands import forked_commands
from tests.running import ROOT, clean_environment

BACKUP_KEY = b"a key of tests, of 32 bytes, ....."
SIGNING = {"SCIM_BACKUP_KEY": base64.urlsafe_b64encode(BACKUP_KEY).decode()}
"""The setting by which exports are signed, and imports verify them."""

NOWHERE = {"SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true", **SIGNING}
"""The settings of commands whose rows are given to them."""

Done = subprocess.CompletedProcess[str]

one_parser = cache(parser)
"""The arguments of all commands. To describe them takes longer than many a command does."""


async def run_here(rows: Rows | Mapping[str, Rows], *given: object, **settings: str) -> Done:
    """What the command does with these rows and these further settings, on an event loop of its own.

    Several tables are given by their names.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "AzureRows", lambda connect: _table(rows, connect))
        patch.setattr(program, "parser", one_parser)
        return await asyncio.to_thread(_run, list(map(str, given)), NOWHERE | settings)


def run_process(environment: Mapping[str, str], *given: object) -> Done:
    """What the command does in a process of its own, with these settings."""
    return forked_commands(ROOT).run(list(map(str, given)), {**clean_environment(), **environment})


def _table(rows: Rows | Mapping[str, Rows], connect: partial[Any]) -> Rows:
    return rows[connect.args[0].table_name] if isinstance(rows, Mapping) else rows


def _run(given: list[str], settings: dict[str, str]) -> Done:
    with redirect_stdout(io.StringIO()) as output, redirect_stderr(io.StringIO()) as errors:
        code = program.main(given, settings)
    return Done(given, code, output.getvalue(), errors.getvalue())
