"""Rows that pass their calls to other rows, and do something of their own before or after."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import RowOperation
from scim_core.storage.tables.rows import Row, RowPage, Rows

type Call[T] = Callable[[], Awaitable[T]]


class WrappedRows:
    """Every call goes through `_made`, with its kind, its keys, and the function that makes it."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def get(self, tenant: str, key: str, **options: Any) -> Row | None:
        return await self._made("get", (key,), lambda: self._rows.get(tenant, key, **options))

    async def page(self, tenant: str, key_range: KeyRange, **options: Any) -> RowPage:
        about = (key_range.low, key_range.high)
        return await self._made("page", about, lambda: self._rows.page(tenant, key_range, **options))

    async def partition_after(self, partition: str) -> str | None:
        return await self._made("partition", (partition,), lambda: self._rows.partition_after(partition))

    async def transact(self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True) -> list[str]:
        about = tuple(operation.key for operation in operations)
        return await self._made(
            "transact",
            about,
            lambda: self._rows.transact(tenant, operations, repeatable=repeatable),
            repeatable=repeatable,
        )

    async def close(self) -> None:
        await self._rows.close()

    async def _made[T](self, kind: str, about: tuple[str, ...], call: Call[T], *, repeatable: bool = True) -> T:  # noqa: ARG002
        return await call()
