"""The command `admin undo` runs after what it undoes, whatever the clock of the machine says."""

import pytest

from scim_core.admin import undo
from tests.mass_changes.incident import LATER


@pytest.fixture(autouse=True)
def _command_runs_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo, "utc_now", lambda: LATER)
