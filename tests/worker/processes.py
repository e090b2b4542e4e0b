"""What a test needs to know of other processes."""

import os
import time
from collections.abc import Callable

PATIENCE_SECONDS = 60


def until(condition: Callable[[], bool]) -> bool:
    """Whether the condition holds now or comes to hold within PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that ended and was not waited for counts as gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
