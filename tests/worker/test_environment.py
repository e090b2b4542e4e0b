"""devhost/environment.sh: what stands between a fresh clone and the first command."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.running import ROOT

SCRIPT = ROOT / "devhost" / "environment.sh"
TOOLS = ("sh", "cat", "cksum", "cut", "ls", "grep", "rm", "tail")
PYTHON = Path(sys.executable).resolve()
NOWHERE = {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This Python, save that it copies a virtual environment where it would make one: that takes seconds.

    The times of the files are copied, too. Otherwise no bytecode of pip would count, and each pip would compile it.
    """
    folder = tmp_path_factory.mktemp("python")
    subprocess.run([PYTHON, "-m", "venv", str(folder / "venv")], check=True)
    copying = f'[ "$1 $2" = "-m venv" ] && exec {shutil.which("cp")} -Rp {folder}/venv "$3"'
    (folder / "python3.13").write_text(f'#!/bin/sh\n{copying}\nexec {PYTHON} "$@"\n')
    (folder / "python3.13").chmod(0o755)
    return folder / "python3.13"


@pytest.fixture
def clone(tmp_path: Path, python: Path) -> Path:
    (tmp_path / "bin").mkdir()
    for name in TOOLS:
        tool = shutil.which(name)
        assert tool is not None, name
        (tmp_path / "bin" / name).symlink_to(Path(tool).resolve())
    (tmp_path / "bin" / "python3.13").symlink_to(python)
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    return tmp_path


def prepare(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(SCRIPT), "requirements.txt"],
        cwd=folder,
        env={"PATH": str(folder / "bin"), "HOME": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_python_a_sentence_says_what_to_install(clone: Path) -> None:
    (clone / "bin" / "python3.13").unlink()
    done = prepare(clone)

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("Python 3.13 with venv and pip is needed and was not found: install it")


def test_an_older_python_and_a_shim_with_nothing_behind_it_are_passed_over(clone: Path) -> None:
    (clone / "bin" / "python3").write_text("#!/bin/sh\nexit 127\n")
    (clone / "bin" / "python3").chmod(0o755)

    assert prepare(clone).returncode == 0
    assert (clone / ".venv" / "bin" / "python").exists()


def test_pyenvs_version_is_found_though_it_is_not_the_default(clone: Path) -> None:
    version = clone / ".pyenv" / "versions" / "3.13.9" / "bin"
    version.mkdir(parents=True)
    (clone / "bin" / "python3.13").rename(version / "python3.13")

    assert prepare(clone).returncode == 0


def test_uvs_version_is_found_though_it_is_not_on_the_path(clone: Path) -> None:
    (clone / "bin" / "python3.13").rename(clone / "python3.13")
    (clone / "bin" / "uv").write_text(
        f"#!/bin/sh\n[ \"$*\" = 'python find --system 3.13' ] && echo {clone}/python3.13\n"
    )
    (clone / "bin" / "uv").chmod(0o755)

    assert prepare(clone).returncode == 0


def test_once_installed_it_does_nothing_until_a_requirement_changes(clone: Path) -> None:
    (clone / "bin" / "python3.13").unlink()
    (clone / "bin" / "python3.13").symlink_to(PYTHON)
    assert "Installing" in prepare(clone).stderr
    assert prepare(clone).stderr == ""
    (clone / "requirements.txt").write_text("# still nothing\n")
    assert "Installing" in prepare(clone).stderr


def test_half_an_environment_is_made_anew(clone: Path) -> None:
    assert prepare(clone).returncode == 0
    shutil.rmtree(next((clone / ".venv" / "lib").glob("*/site-packages/pip")))

    assert prepare(clone, PATH=f"{clone}/.venv/bin:{clone}/bin").returncode == 0


def wheel(folder: Path) -> str:
    """Puts a wheel of a package `sample` there. Returns the hash of it."""
    path = folder / "sample-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sample.py", "")
        archive.writestr("sample-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: sample\nVersion: 1\n")
        archive.writestr("sample-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("sample-1.dist-info/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["right", "wrong", "missing"])
def test_only_a_file_whose_hash_is_locked_is_installed(clone: Path, kind: str) -> None:
    digest = {"right": wheel(clone), "wrong": "0" * 64, "missing": None}[kind]
    (clone / "requirements.txt").write_text("sample==1" + (f" --hash=sha256:{digest}\n" if digest else "\n"))
    done = prepare(clone, **NOWHERE, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(clone))

    assert done.returncode == (0 if kind == "right" else 1)
    assert bool(list((clone / ".venv" / "lib").glob("*/site-packages/sample.py"))) == (kind == "right")


def test_without_a_network_a_sentence_says_what_to_do(clone: Path) -> None:
    (clone / "requirements.txt").write_text(f"no-such-package==1 --hash=sha256:{'0' * 64}\n")
    done = prepare(clone, **NOWHERE)

    assert done.returncode == 1
    assert "check the network and pip's configuration, then run make again" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "Installing" in prepare(clone, **NOWHERE).stderr
