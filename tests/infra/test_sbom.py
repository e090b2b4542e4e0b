"""What the package contains is written down as it is: library by library, with the version of the project."""

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from infra import sbom
from infra.package import REQUIREMENTS
from scim_core.version import __version__
from tests.requirement_files import direct
from tests.running import ROOT


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


@pytest.mark.usefixtures("_tool")
def test_it_lists_what_lies_in_the_package_and_what_it_is_of(tmp_path: Path) -> None:
    libraries = {"aiohttp": "1.2.3", "nobody_asked_for_it": "4.5"}
    output = tmp_path / "scim.cdx.json"
    sbom.write(package_with(tmp_path / "scim.zip", libraries), output)

    found = json.loads(output.read_text())
    assert found["bomFormat"] == "CycloneDX"
    assert {item["name"]: item["version"] for item in found["components"]} == libraries
    assert all(
        item["purl"] == f"pkg:pypi/{item['name'].replace('_', '-')}@{item['version']}" for item in found["components"]
    )
    assert found["metadata"]["component"]["version"] == __version__
    assert str(tmp_path) not in output.read_text()


@pytest.mark.usefixtures("_tool")
def test_the_same_package_gives_the_same_bytes(tmp_path: Path) -> None:
    package = package_with(tmp_path / "scim.zip", {"aiohttp": "1.2.3"})
    for name in ("one", "two"):
        sbom.write(package, tmp_path / name)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_without_a_package_a_sentence_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(sbom.SbomError, match="Run make package"):
        sbom.write(tmp_path / "scim.zip", tmp_path / "scim.cdx.json")


def test_what_is_asked_for_is_read_as_it_stands() -> None:
    assert all(f'"{item}"' in sbom._project() for item in direct(ROOT / "requirements.in"))
