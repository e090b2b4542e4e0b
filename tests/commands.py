"""The commands of `python -m scim_core.admin`, in this process over given rows, or in a process of their own."""

import asyncio
import io
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout

import pytest

from scim_core.admin.__main__ import main
from scim_core.storage import tables
from scim_core.storage.tables.rows import Rows
from tests.running import ROOT, clean_environment

NOWHERE = {"SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true"}
"""The settings of commands whose rows are given to them."""

Done = subprocess.CompletedProcess[str]


async def run_here(rows: Rows, *given: object) -> Done:
    """What the command does with these rows, on an event loop of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "AzureRows", lambda _: rows)
        return await asyncio.to_thread(_run, list(map(str, given)))


def run_process(environment: Mapping[str, str], *given: object) -> Done:
    """What the command does as an operator starts it, with these settings."""
    command = [sys.executable, "-m", "scim_core.admin", *map(str, given)]
    surroundings = {**clean_environment(), **environment}
    return subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)


def _run(given: list[str]) -> Done:
    with redirect_stdout(io.StringIO()) as output, redirect_stderr(io.StringIO()) as errors:
        code = main(given, NOWHERE)
    return Done(given, code, output.getvalue(), errors.getvalue())
