"""What is deployed: it is whole, it is small, and it starts where there is nothing but Python."""

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import pytest

from devhost.azurite import Azurite
from infra import package
from tests.requirement_files import locked
from tests.running import ROOT
from tests.tables import new_table

TOKEN = "of-the-package"
REQUIREMENTS = ".python_packages/lib/site-packages/"
WHERE = Path(__file__)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The package, and the one with telemetry, each built for itself, at the same time: pip waits for the network."""
    folder = tmp_path_factory.mktemp("package")
    files = {"plain": folder / "scim.zip", "telemetry": folder / "telemetry.zip"}
    with ThreadPoolExecutor(len(files)) as threads:
        builds = [threads.submit(package.build, file, telemetry=name == "telemetry") for name, file in files.items()]
    for build in builds:
        build.result()
    return files


@pytest.fixture(scope="session")
def built(packages: dict[str, Path]) -> Path:
    return packages["plain"]


@pytest.fixture(scope="session")
def with_telemetry(packages: dict[str, Path]) -> Path:
    return packages["telemetry"]


@pytest.fixture(scope="session")
def unzipped(built: Path) -> Path:
    folder = built.parent / "wwwroot"
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python without any package, not even pip."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


@pytest.fixture
def devhost_alone(tmp_path: Path) -> Path:
    """A folder in which there is devhost, and nothing else of this project."""
    shutil.copytree(ROOT / "devhost", tmp_path / "devhost", ignore=shutil.ignore_patterns("__pycache__", "npm"))
    return tmp_path


def names(built: Path) -> list[str]:
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def ignored(name: str) -> bool:
    lines = (ROOT / ".funcignore").read_text().splitlines()
    return any(fnmatch(name, line) for line in lines if line and not line.startswith("#"))


RECORDS = """
import os, sys
sys.path[:0] = sys.argv[1:]
import telemetry
print(type(telemetry.azure_monitor(os.environ)).__name__, flush=True)
os._exit(0)  # what has not been sent is lost: there is nobody to send it to
"""


def test_the_exporter_is_there_if_it_was_asked_for_and_records(
    built: Path, with_telemetry: Path, python: Path, tmp_path: Path
) -> None:
    exporter = f"{REQUIREMENTS}azure/monitor/opentelemetry/exporter/__init__.py"
    assert exporter in names(with_telemetry)
    assert not any(name.startswith((exporter, f"{REQUIREMENTS}opentelemetry")) for name in names(built))
    assert set(names(built)) <= set(names(with_telemetry))

    with zipfile.ZipFile(with_telemetry) as archive:
        archive.extractall(tmp_path)
    component = "InstrumentationKey=00000000-0000-4000-8000-000000000000;IngestionEndpoint=https://127.0.0.1:9/"
    done = subprocess.run(
        [str(python), "-c", RECORDS, str(tmp_path), str(tmp_path / REQUIREMENTS)],
        env={"APPLICATIONINSIGHTS_CONNECTION_STRING": component},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("OpenTelemetry\n", "")


def test_it_is_small(built: Path) -> None:
    assert built.stat().st_size < 60 * 1024 * 1024


def test_it_holds_the_app_its_requirements_and_nothing_else(built: Path) -> None:
    assert {name.partition("/")[0] for name in names(built)} == {*package.CONTENT, ".python_packages", "__pycache__"}
    pinned = {
        requirement.name.lower().replace("-", "_")
        for requirement in locked(ROOT / "requirements.txt")
        if requirement.marker is None or requirement.marker.evaluate()
    }
    inside = {
        name.removeprefix(REQUIREMENTS).partition("/")[0].partition("-")[0].lower()
        for name in names(built)
        if ".dist-info/" in name
    }
    assert inside == pinned


def test_other_tools_take_the_same_files_along() -> None:
    """azd and Core Tools take everything that .funcignore does not name."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {line.partition("/")[0] for line in listed.splitlines()}

    assert {name for name in top if not ignored(name)} == set(package.CONTENT)
    for name in ("local.settings.json", ".azurite", ".venv", ".venv-release", "dist", ".azure"):
        assert ignored(name), name


def test_there_is_bytecode_of_every_module_of_ours_and_it_holds_everywhere(built: Path) -> None:
    sources = [name for name in names(built) if name.endswith(".py") and not name.startswith(".python_packages")]
    with zipfile.ZipFile(built) as archive:
        for source in sources:
            path = Path(source)
            compiled = archive.read((path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc").as_posix())
            assert int.from_bytes(compiled[4:8], "little") == 0b01  # a hash, which nobody checks
            assert ast.parse(archive.read(source)) is not None
            assert str(ROOT).encode() not in compiled


def entries(built: Path) -> dict[str, dict[str, object]]:
    """All that the zip says of each file, with its length and its checksum, but not where in the zip it is."""
    with zipfile.ZipFile(built) as archive:
        assert archive.comment == b""
        said = [name for name in zipfile.ZipInfo.__slots__ if name not in ("header_offset", "_end_offset")]
        return {info.filename: {name: getattr(info, name, None) for name in said} for info in archive.infolist()}


def test_the_same_sources_give_the_same_bytes(built: Path, with_telemetry: Path) -> None:
    """Of two builds, each file is the same in both. A zip is its files, in an order that does not depend on a build."""
    plain, other = entries(built), entries(with_telemetry)
    assert {name for name, entry in plain.items() if other[name] != entry} == set()
    for found in (plain, other):
        assert list(found) == sorted(found, key=Path)


def test_it_starts_and_answers_with_nothing_but_python(
    python: Path, unzipped: Path, devhost_alone: Path, azurite: Azurite
) -> None:
    environment = {
        "PATH": os.defpath,
        "SCIM_TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest(),
        **new_table(azurite),
    }
    script = WHERE.with_name("start_package.py")
    command = [str(python), "-I", str(script), str(unzipped), str(devhost_alone), "POST", "/scim/v2/Users", TOKEN]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["status"] == 201
    assert told["functions"] > 10
    assert told["compiled"] == []


def test_without_a_network_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")

    with pytest.raises(package.PackageError, match="check the network"):
        package.build(tmp_path / "scim.zip")
    assert not (tmp_path / "scim.zip").exists()
