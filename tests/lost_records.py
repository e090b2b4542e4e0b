"""Finds log records that the Functions host would drop: those after a request's answer, and those from a thread."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest

from scim_core import Endpoint, ScimRequest, ScimResponse


@dataclass
class _Call:
    """A call of the endpoint. Its tasks and threads have it in their context."""

    thread: int
    answered: bool = False


_call: ContextVar[_Call | None] = ContextVar("call", default=None)
_handle = Endpoint.handle


class _Collecting(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lost: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        call = _call.get()
        if call is not None and (call.answered or call.thread != threading.get_ident()):
            self.lost.append(f"{record.name}: {record.getMessage()}")


@contextmanager
def lost_records(logger: str = "scim_core") -> Iterator[list[str]]:
    """What is logged too late, or elsewhere, while the block runs, by this logger and those below it."""
    collecting = _Collecting()
    logging.getLogger(logger).addHandler(collecting)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Endpoint, "handle", _noted)
            yield collecting.lost
    finally:
        logging.getLogger(logger).removeHandler(collecting)


async def _noted(self: Endpoint, request: ScimRequest, *further: Any) -> ScimResponse:
    call = _Call(threading.get_ident())
    token = _call.set(call)
    try:
        return await _handle(self, request, *further)
    finally:
        call.answered = True
        _call.reset(token)
