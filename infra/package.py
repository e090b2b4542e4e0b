"""`make package`: one zip of all that is deployed: the app and its requirements for Azure's machines, compiled.

The same sources give the same bytes. Without bytecode the app takes three times as long to start, and Azure cannot add
it: the folder is read-only. Python uses this bytecode unchecked, so it is valid at every place and time of unpacking.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = ("function_app.py", "http_proxy.py", "open_telemetry.py", "telemetry.py", "scim_core")
CONTENT = (*MODULES, "host.json", "requirements.txt", "LICENSE", "NOTICE")
"""The parts of this folder that are packed. Where other tools build the package, .funcignore keeps out the rest."""

REQUIRED = (ROOT / "requirements.txt",)
REQUIRED_WITH_TELEMETRY = (*REQUIRED, ROOT / "infra" / "requirements-telemetry.txt")

REQUIREMENTS = Path(".python_packages", "lib", "site-packages")
"""Where the Python worker looks for the requirements in a package that was built elsewhere."""

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""Wheels that run on Flex Consumption's machines."""

PYTHON = "3.13"
RUNS_AT = "/home/site/wwwroot"
"""Where Azure unpacks it. Tracebacks name this folder, and not one of the machine that built the package."""

MAX_BYTES = 60 * 1024 * 1024
"""Largest zip. An instance fetches it at each start, so a larger one makes starts slow."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say


class PackageError(Exception):
    """The package cannot be built. The text says why."""


def main() -> int:
    """The exit status. Prints where the package is, its size and its digest."""
    parser = argparse.ArgumentParser(prog="python -m infra.package", description="Builds what is deployed.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / "scim.zip", help="default: dist/scim.zip")
    parser.add_argument("--telemetry", action="store_true", help="with the exporter that SCIM_TELEMETRY needs")
    arguments = parser.parse_args()
    try:
        build(arguments.output, telemetry=arguments.telemetry)
    except PackageError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    content = arguments.output.read_bytes()
    print(f"{arguments.output}: {len(content) / 1024 / 1024:.1f} MB, SHA-256 {hashlib.sha256(content).hexdigest()}")
    return 0


def build(output: Path, *, telemetry: bool = False) -> None:
    """The zip is at `output`, whole or not at all; with `telemetry`, it has the exporter, too. Raises PackageError."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder, "app")
        _copy(stage)
        _install(stage / REQUIREMENTS, REQUIRED_WITH_TELEMETRY if telemetry else REQUIRED)
        _compile(stage)
        fresh = Path(folder, "scim.zip")
        _zip(stage, fresh)
        if fresh.stat().st_size > MAX_BYTES:
            raise PackageError(
                f"The package has {fresh.stat().st_size} bytes. The limit is {MAX_BYTES}. Look for what was added."
            )
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(fresh, output)


def _copy(stage: Path) -> None:
    stage.mkdir()
    for name in CONTENT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, stage / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(source, stage)


def _install(target: Path, files: Sequence[Path]) -> None:
    """Exactly the wheels that these files pin by hash. No package is built, and no other one is fetched."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--require-hashes", "--no-deps", "--no-compile"]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"]
    command += [f"--platform={platform}" for platform in PLATFORMS]
    command += [f"--target={target}", *(f"--requirement={file}" for file in files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), "no reason given")
        raise PackageError(f"pip could not fetch the requirements ({reason[:300]}): check the network, then try again.")
    shutil.rmtree(target / "bin", ignore_errors=True)  # commands for people, which name this machine's Python


def _compile(stage: Path) -> None:
    if sys.version_info[:2] != tuple(map(int, PYTHON.split("."))):
        raise PackageError(
            f"The package needs the bytecode of Python {PYTHON}, but this is Python {sys.version.split()[0]}."
        )
    # A few files of libraries are templates that cannot be compiled. Each file of ours must compile.
    _compiled(stage, [REQUIREMENTS])
    if not _compiled(stage, list(map(Path, MODULES))):
        raise PackageError("A module of the app does not compile: run make lint.")


def _compiled(stage: Path, parts: list[Path]) -> bool:
    """Whether all modules in these parts were compiled. A new interpreter compiles them, one after the other.

    Modules that an interpreter has loaded before can change the bytes of the bytecode, but not its meaning.
    """
    command = [sys.executable, "-m", "compileall", "-q", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(stage), "-p", RUNS_AT, *(str(stage / part) for part in parts)]
    return subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, check=False).returncode == 0


def _zip(stage: Path, output: Path) -> None:
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in stage.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(stage).as_posix(), _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
