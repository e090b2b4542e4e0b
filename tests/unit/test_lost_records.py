"""The check that every test makes of the log finds what it looks for."""

import asyncio
import logging

import pytest

from scim_core.endpoint.handlers import Handlers
from scim_core.messages import ScimResponse
from tests.lost_records import lost_records
from tests.scim import Client

log = logging.getLogger("elsewhere")


async def test_a_record_after_the_answer_or_from_a_thread_is_found(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def later() -> None:
        await asyncio.sleep(0)
        log.warning("before the answer")
        await answered.wait()
        log.warning("after the answer")

    async def run(*_: object) -> ScimResponse:
        tasks.append(asyncio.create_task(later()))
        await asyncio.to_thread(log.warning, "from a thread")
        log.warning("in time")
        return ScimResponse(204)

    answered = asyncio.Event()
    monkeypatch.setattr(Handlers, "run", run)
    with lost_records("elsewhere") as lost:
        await client.get("/Users")
        answered.set()
        await asyncio.gather(*tasks)
        log.warning("outside of a request")

    assert lost == ["elsewhere: from a thread", "elsewhere: after the answer"]
