"""What was minted and not told yet: a file that only its owner can read, in the folder of azd's environment."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

NAME = "first-hour.json"

OWNER_ONLY = 0o600
FOLDER_OWNER_ONLY = 0o700
"""azd writes its own files into this folder, too, and a signing key passes through one of them."""


def digest(text: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Minted:
    """Which setting was filled, and the SHA-256 of its value. `token` is the Secret Token, if it is one."""

    setting: str
    sha256: str
    token: str = field(default="", repr=False)

    def fills(self, value: str) -> bool:
        """Whether the setting's value is still the one that was minted."""
        return digest(value) == self.sha256

    def keep(self, folder: Path) -> None:
        """It is in the folder, whole, and only its owner can read it from its first byte on."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(FOLDER_OWNER_ONLY)
        fresh = folder / f"{NAME}.new"
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w") as file:
            json.dump(asdict(self), file)
        fresh.replace(folder / NAME)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What is kept there; None if nothing is."""
        try:
            return cls(**json.loads((folder / NAME).read_text()))
        except FileNotFoundError:
            return None


def forget(folder: Path) -> None:
    """Nothing is kept there any more."""
    (folder / NAME).unlink(missing_ok=True)
