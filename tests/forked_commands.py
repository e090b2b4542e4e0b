"""Commands of `python -m scim_core.admin`, each in a process of its own. Loading the program takes a second, so one
process of a working tree loads it once, and forks for each command.
"""

import atexit
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import Lock

_PROGRAM = """
import json, os, sys
import scim_core.admin.__main__ as program
import scim_core.storage.tables
for line in sys.stdin:
    given, environment, *outputs = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.clear()
        os.environ.update(environment)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, output in enumerate(outputs, 1):
            os.dup2(os.open(output, os.O_WRONLY), number)
        program.log_to_standard_error()
        sys.exit(program.main(given, os.environ))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class ForkedCommands:
    """The commands of a working tree, until this process ends."""

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._one_at_a_time = Lock()
        atexit.register(self._end)

    def run(self, given: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """What the command does in this environment. It has no standard input."""
        asked, answers = self._process.stdin, self._process.stdout
        assert asked
        assert answers
        with self._one_at_a_time, tempfile.NamedTemporaryFile() as output, tempfile.NamedTemporaryFile() as errors:
            asked.write(json.dumps([given, dict(environment), output.name, errors.name]) + "\n")
            asked.flush()
            code = int(answers.readline())
            texts = [Path(file.name).read_text(encoding="utf-8") for file in (output, errors)]
        return subprocess.CompletedProcess(given, code, *texts)

    def _end(self) -> None:
        self._process.communicate()


@cache
def forked_commands(root: Path) -> ForkedCommands:
    """Those of this working tree."""
    return ForkedCommands(root)
