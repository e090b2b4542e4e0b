"""What the package contains is written down as it is: library by library, with the version of the project."""

import json
import os
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra import sbom
from infra.package import REQUIREMENTS
from scim_core.version import __version__
from tests.requirement_files import direct
from tests.running import ROOT

LIBRARIES = {"aiohttp": "1.2.3", "nobody_asked_for_it": "4.5"}


@pytest.fixture(scope="module")
def _tool() -> None:
    """cyclonedx-py, which `make sbom` installs."""
    command = ["sh", "devhost/environment.sh", "infra/requirements-release.txt"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "VENV": ".venv-release"}, check=True)


def package_with(file: Path, libraries: dict[str, str]) -> Path:
    """A package that holds these libraries, with their versions, and nothing of ours."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, version in libraries.items():
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n"
            archive.writestr(f"{REQUIREMENTS.as_posix()}/{name}-{version}.dist-info/METADATA", metadata)
    return file


@pytest.fixture(scope="module")
def written(_tool: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two bills of materials of one package, in a folder of their own."""
    folder = tmp_path_factory.mktemp("sbom")
    package = package_with(folder / "scim.zip", LIBRARIES)
    one, two = folder / "one", folder / "two"
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(sbom.write, (package, package), (one, two)))
    return one, two


def test_it_lists_what_lies_in_the_package_and_what_it_is_of(written: tuple[Path, Path]) -> None:
    output = written[0]
    found = json.loads(output.read_text())
    assert found["bomFormat"] == "CycloneDX"
    assert {item["name"]: item["version"] for item in found["components"]} == LIBRARIES
    assert all(
        item["purl"] == f"pkg:pypi/{item['name'].replace('_', '-')}@{item['version']}" for item in found["components"]
    )
    assert found["metadata"]["component"]["version"] == __version__
    assert str(output.parent) not in output.read_text()


def test_the_same_package_gives_the_same_bytes(written: tuple[Path, Path]) -> None:
    one, two = written
    assert one.read_bytes() == two.read_bytes()


def test_without_a_package_a_sentence_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(sbom.SbomError, match="Run make package"):
        sbom.write(tmp_path / "scim.zip", tmp_path / "scim.cdx.json")


def test_what_is_asked_for_is_read_as_it_stands() -> None:
    assert all(f'"{item}"' in sbom._project() for item in direct(ROOT / "requirements.in"))
