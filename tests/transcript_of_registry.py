"""Which calls an endpoint makes to its registry, in their order."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.tenancy import Service


@contextmanager
def look_ups(service: Service) -> Iterator[list[str]]:
    """The names of the calls made in this block."""
    made: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("find", "load", "used", "pointers", "open_links", "exchanged"):
            patch.setattr(service.registry, name, _noted(name, getattr(service.registry, name), made))
        yield made


def _noted(name: str, call: Any, made: list[str]) -> Any:
    async def noted(*arguments: Any) -> Any:
        made.append(name)
        return await call(*arguments)

    return noted
