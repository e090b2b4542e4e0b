"""The Bicep files, read once."""

import pytest

from infra.checks.bicep import Source
from tests.running import ROOT

INFRA = ROOT / "infra"
FILES = sorted(INFRA.rglob("*.bicep"))


@pytest.fixture(scope="session")
def sources() -> dict[str, Source]:
    """Each file by its name."""
    return {path.stem: Source(path) for path in FILES}
