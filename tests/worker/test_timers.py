"""Timer-triggered functions on devhost, and the sweep, which is one."""

import httpx
import pytest

from devhost import timers
from devhost.errors import DevhostError
from devhost.worker import Timer
from tests.running import running_endpoint
from tests.worker.processes import until


@pytest.mark.parametrize("schedule", ["*/5 * * * *", "0 */5 * * *", "0 99 * * * *", "nonsense", ""])
def test_a_schedule_that_is_none_stops_the_start(schedule: str) -> None:
    with pytest.raises(DevhostError, match="sweep"):
        timers.check([Timer("sweep", "1", schedule, "timer")])


def test_the_sweep_is_called_when_it_is_due_and_says_what_it_did() -> None:
    with running_endpoint(SCIM_SWEEP_SCHEDULE="* * * * * *") as endpoint:
        assert until(lambda: "sweep was called by its timer" in endpoint.app.said())
        assert "sweep: 0 finished, 0 left" in endpoint.app.said()
        assert httpx.get(f"{endpoint.app.url}/sweep").status_code == 404
