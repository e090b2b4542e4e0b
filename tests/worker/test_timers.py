"""Timer-triggered functions on devhost, and the sweep, which is one."""

from collections.abc import Iterator

import pytest

from devhost import timers
from devhost.azurite import Azurite
from devhost.worker import Timer
from tests.running import RunningApp, running_endpoint
from tests.worker.processes import until
from tests.worker.raw_http import send


@pytest.mark.parametrize("schedule", ["*/5 * * * *", "0 */5 * * *", "0 99 * * * *", "nonsense", ""])
def test_a_timer_whose_schedule_is_none_is_left_out_and_named(schedule: str, caplog: pytest.LogCaptureFixture) -> None:
    good, bad = Timer("backup", "1", "0 */5 * * * *", "timer"), Timer("sweep", "2", schedule, "timer")

    assert timers.usable([bad, good]) == [good]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "sweep" in caplog.text


@pytest.fixture(scope="module")
def often(azurite: Azurite) -> Iterator[RunningApp]:
    """An endpoint whose timers are due each second; for its backup a container is missing."""
    each_second = "* * * * * *"
    with running_endpoint(azurite, SCIM_SWEEP_SCHEDULE=each_second, SCIM_BACKUP_SCHEDULE=each_second) as endpoint:
        yield endpoint.app


def test_the_sweep_is_called_when_it_is_due_and_says_what_it_did(often: RunningApp) -> None:
    assert until(lambda: "sweep was called by its timer" in often.said())
    assert "sweep: 0 finished, 0 left" in often.said()
    assert send(often.url, "/sweep").status == 404


def test_without_a_container_there_is_no_backup(often: RunningApp) -> None:
    calls = often.said().count("sweep was called")
    assert until(lambda: often.said().count("sweep was called") > calls + 1)  # the second of these is a second later
    assert "backup was called" not in often.said()
