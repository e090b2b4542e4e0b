"""What a process costs, read from outside of it."""

import os
import subprocess
import sys
import time

from bench.process import Meter

_WORK = "import time\nwhile time.process_time() < 0.25: pass\nprint(time.process_time(), flush=True)\ninput()"


def test_the_processor_time_of_another_process_is_what_it_says_itself() -> None:
    with subprocess.Popen([sys.executable, "-c", _WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = float(process.stdout.readline())
        metered = Meter(process.pid).cpu_seconds()
        process.communicate(b"\n")
    assert said <= metered < said + 0.1


def test_the_processor_time_of_this_process_goes_on() -> None:
    meter, before = Meter(os.getpid()), time.process_time()
    assert before <= meter.cpu_seconds() <= time.process_time()
