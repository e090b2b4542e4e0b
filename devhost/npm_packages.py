"""Packages from npm, as a package-lock.json names them: fetched once, and kept in .azurite/package."""

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from devhost.errors import DevhostError
from devhost.node import Node, find_node

INSTALLED = Path(__file__).parents[1] / ".azurite" / "package"


def installed(lock_folder: Path, name: str, needed: Path) -> tuple[Node, Path]:
    """Node.js, and the folder with what the package-lock.json in `lock_folder` names. It is fetched once.

    `name` is for people; the file `needed` shows that all is there. When several processes need it at the same time,
    one fetches it and the others wait. Raises DevhostError.
    """
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with (INSTALLED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        node = find_node()
        return node, _install(node, lock_folder, name, needed)


def _install(node: Node, lock_folder: Path, name: str, needed: Path) -> Path:
    content = (lock_folder / "package-lock.json").read_bytes()
    folder = INSTALLED / hashlib.sha256(content).hexdigest()[:12]
    if (folder / needed).exists():
        return folder
    print(f"Installing {name} (once, about half a minute) ...", flush=True)
    # It is installed in another folder, which is then renamed: so nobody finds half an installation.
    with tempfile.TemporaryDirectory(dir=INSTALLED, ignore_cleanup_errors=True) as aside:
        fresh = Path(aside) / "fresh"
        fresh.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copy(lock_folder / file, fresh)
        _npm_ci(node, name, fresh)
        fresh.rename(folder)
    return folder


def _npm_ci(node: Node, name: str, folder: Path) -> None:
    options = ["--ignore-scripts", "--engine-strict=false", "--no-audit", "--no-fund", "--loglevel=error"]
    patience = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]  # npm's default is over a minute
    command = [*node.npm, "ci", *options, *patience]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise DevhostError(
            f"npm could not install {name} ({reason}): check the network and npm's configuration, then try again."
        )
