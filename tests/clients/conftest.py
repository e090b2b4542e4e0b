"""The endpoint that the recorded exchanges are played against."""

from hashlib import sha256

import pytest

from scim_core import build
from scim_core.memory import MemoryStorage
from scim_core.settings import Settings
from tests.clients.targets import InProcess, Target

TOKEN = "b6Xk0y6mQ8rW2nV5sJ1tZ7cL4hD9fG3p"


@pytest.fixture(params=["core"])
def target() -> Target:
    """An endpoint of its own for each play."""
    environment = {
        "SCIM_TOKEN_SHA256": sha256(TOKEN.encode()).hexdigest(),
        "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
    }
    endpoint = build(Settings.from_environment(environment), storage=MemoryStorage())
    return InProcess(endpoint, "http://localhost:7071/scim/v2", TOKEN)
