"""`make package`: what is deployed, as one zip: the app, its requirements for Azure's machines, all of it compiled.

The same sources give the same bytes. Without its bytecode the app takes three times as long to start, and the place it
runs from cannot be written to; checked against nothing, the bytecode holds wherever and whenever the zip is unpacked.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONTENT = ("function_app.py", "host.json", "requirements.txt", "scim_core", "LICENSE", "NOTICE")
"""What of this folder goes in; .funcignore keeps out the rest where other tools build the package."""

REQUIREMENTS = Path(".python_packages", "lib", "site-packages")
"""Where the Python worker looks for them in a package that was built elsewhere."""

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""Wheels that run on Flex Consumption's machines."""

PYTHON = "3.13"
RUNS_AT = "/home/site/wwwroot"
"""Where Azure unpacks it: what tracebacks name, instead of a folder of the machine that built it."""

MAX_BYTES = 60 * 1024 * 1024
"""The zip is fetched at each start of an instance: beyond this, starts are slow for no reason of ours."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say


class PackageError(Exception):
    """The package cannot be built; the text says why."""


def main() -> int:
    """The exit status; prints where the package is, its size and its digest."""
    parser = argparse.ArgumentParser(prog="python -m infra.package", description="Builds what is deployed.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist" / "scim.zip", help="default: dist/scim.zip")
    arguments = parser.parse_args()
    try:
        build(arguments.output)
    except PackageError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    content = arguments.output.read_bytes()
    print(f"{arguments.output}: {len(content) / 1024 / 1024:.1f} MB, SHA-256 {hashlib.sha256(content).hexdigest()}")
    return 0


def build(output: Path) -> None:
    """The zip is at `output`, whole or not at all. Raises PackageError."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder, "app")
        _copy(stage)
        _install(stage / REQUIREMENTS)
        _compile(stage)
        fresh = Path(folder, "scim.zip")
        _zip(stage, fresh)
        if fresh.stat().st_size > MAX_BYTES:
            raise PackageError(f"It has {fresh.stat().st_size} bytes; {MAX_BYTES} is the limit. What came in?")
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


def _install(target: Path) -> None:
    """Exactly what requirements.txt pins, each a wheel whose hash it has: nothing is built, and nothing else comes."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--require-hashes", "--no-deps", "--no-compile"]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"]
    command += [f"--platform={platform}" for platform in PLATFORMS]
    command += [f"--target={target}", "--requirement", str(ROOT / "requirements.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), "no reason given")
        raise PackageError(f"pip could not fetch the requirements ({reason[:300]}): check the network, then try again.")
    shutil.rmtree(target / "bin", ignore_errors=True)  # commands for people, which name this machine's Python


def _compile(stage: Path) -> None:
    if sys.version_info[:2] != tuple(map(int, PYTHON.split("."))):
        raise PackageError(f"Python {PYTHON} compiles for Python {PYTHON}; this is {sys.version.split()[0]}.")
    # A few files of libraries are templates that no Python compiles; of ours each one must.
    _compiled(stage, [REQUIREMENTS])
    if not _compiled(stage, [Path("function_app.py"), Path("scim_core")]):
        raise PackageError("A module of the app does not compile: run make lint.")


def _compiled(stage: Path, parts: list[Path]) -> bool:
    """Whether all modules in these parts were compiled: by an interpreter of its own, one after the other.

    What else an interpreter has loaded shows in the bytes of the bytecode, not in what they mean.
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
