"""`make sbom`: what the package contains, as a software bill of materials in the form of CycloneDX.

It is made from the package itself and not from the requirements: its components are the libraries in the zip.
"""

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from infra.package import REQUIREMENTS, ROOT
from scim_core.version import __version__

PACKAGE = ROOT / "dist" / "scim.zip"
OUTPUT = ROOT / "dist" / "scim.cdx.json"

TOOL = ROOT / ".venv-release" / "bin" / "cyclonedx-py"
"""The tool has its own environment: infra/requirements-release.txt."""

NAME = "scim-on-azure-functions"


class SbomError(Exception):
    """The bill of materials cannot be made. The text says why."""


def main() -> int:
    """The exit status. Prints where the bill of materials is."""
    try:
        write(PACKAGE, OUTPUT)
    except SbomError as error:
        print(f"sbom: {error}", file=sys.stderr)
        return 1
    print(OUTPUT)
    return 0


def write(package: Path, output: Path) -> None:
    """The bill of materials of this package is at `output`. Raises SbomError."""
    if not package.is_file():
        raise SbomError(f"There is no package at {package}. Run make package.")
    if not TOOL.is_file():
        raise SbomError("The tool that writes it is not installed. Run make sbom.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(package) as archive:
            archive.extractall(folder / "app")
        venv.create(folder / "python", with_pip=False)  # a Python without any library of its own
        project = folder / "pyproject.toml"
        project.write_text(_project())
        command = [str(TOOL), "environment", "--pyproject", str(project), "--output-reproducible", "--validate"]
        command += ["--output-format", "JSON", "--output-file", str(output), str(folder / "python" / "bin" / "python")]
        environment = {**os.environ, "PYTHONPATH": str(folder / "app" / REQUIREMENTS)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SbomError(f"{TOOL.name} failed: {done.stderr.strip()[-300:]}")


def _project() -> str:
    """The project that the bill of materials describes, in the form that the tool reads (PEP 621)."""
    entries = (line.partition("#")[0].strip() for line in (ROOT / "requirements.in").read_text().splitlines())
    direct = ", ".join(f'"{entry}"' for entry in entries if entry)
    return f'[project]\nname = "{NAME}"\nversion = "{__version__}"\nlicense = "Apache-2.0"\ndependencies = [{direct}]\n'


if __name__ == "__main__":
    sys.exit(main())
