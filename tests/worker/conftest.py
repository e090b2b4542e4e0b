import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import RunningApp, running_app

ODD_APP = Path(__file__).with_name("odd_app")
BODY_LIMIT = 1000
GRACE_SECONDS = 1
"""After this time the odd app's host gives up a body that stalls. The tests send the other bodies at once."""
LOCAL_SETTINGS = '{"Values": {"ODD_ONE": "of the file", "ODD_TWO": "of the file"}}'


@pytest.fixture(scope="session", params=["grpc", "proxy"])
def way(request: pytest.FixtureRequest) -> str:
    """How requests get to the functions of the odd app: SCIM_HTTP of our own app."""
    return str(request.param)


@pytest.fixture(scope="session")
def odd_app(tmp_path_factory: pytest.TempPathFactory, way: str) -> Iterator[RunningApp]:
    directory = shutil.copytree(ODD_APP, tmp_path_factory.mktemp("app") / way)
    (directory / "local.settings.json").write_text(LOCAL_SETTINGS)
    settings = {"ODD_HTTP": way, "ODD_TWO": "of the environment", "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(BODY_LIMIT)}
    with running_app(directory, settings, (f"--grace-seconds={GRACE_SECONDS}",)) as app:
        yield app
