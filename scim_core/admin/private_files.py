"""Files that hold a directory: only their owner can read them, from their first byte on."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from scim_core.storage.maintenance.archive import ArchiveError

OWNER_ONLY = 0o600

_WRITTEN_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def open_private(path: Path) -> BinaryIO:
    """The file, to read and to append to. It is made if it is not there. Its mode is OWNER_ONLY, whatever the umask.

    Raises ArchiveError for a file that somebody else could have written: an export would sign what is in it. OSError.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, OWNER_ONLY)
    try:
        _require_own(path, os.fstat(descriptor))
        os.fchmod(descriptor, OWNER_ONLY)
        return os.fdopen(descriptor, "ab+")
    except BaseException:
        os.close(descriptor)
        raise


def _require_own(path: Path, found: os.stat_result) -> None:
    own = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    if not stat.S_ISREG(found.st_mode) or not own or found.st_mode & _WRITTEN_BY_OTHERS:
        raise ArchiveError(f"Others can have written {path}. Delete it, or name another file.")
