"""Changes that are large at few memberships already."""

import pytest

from scim_core.storage.tables import changes, large_change, large_change_runner


@pytest.fixture
def _small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of more than four memberships are large, and a step makes three."""
    monkeypatch.setattr(changes, "TRANSACTION_OPERATIONS", 14)
    monkeypatch.setattr(large_change_runner, "STEP", 3)
    monkeypatch.setattr(large_change, "PART_IDS", 5)
