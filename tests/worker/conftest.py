import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import RunningApp, running_app

ODD_APP = Path(__file__).with_name("odd_app")
LOCAL_SETTINGS = '{"Values": {"ODD_ONE": "of the file", "ODD_TWO": "of the file"}}'


@pytest.fixture(scope="session")
def odd_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    directory = shutil.copytree(ODD_APP, tmp_path_factory.mktemp("app") / "odd")
    (directory / "local.settings.json").write_text(LOCAL_SETTINGS)
    with running_app(directory, {"ODD_TWO": "of the environment"}) as app:
        yield app
