"""Every way a call to Table Storage can fail, as an error of ours: the only module that looks at Azure's exceptions.

Texts name only status and error code: what the SDK and aiohttp say may hold a URL with a signature.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aiohttp import ClientError
from azure.core.exceptions import AzureError, HttpResponseError

from scim_core.storage.port import RETRY_AFTER_SECONDS, StorageBusy, StorageError, TooLarge, VersionConflict
from scim_core.storage.tables.row_operations import RowOperation

BEING_DELETED_SECONDS = 40
"""How long a deleted table keeps its name."""

_TABLE_MISSING = "TableNotFound"
_TOO_LARGE = frozenset({"EntityTooLarge", "PropertyValueTooLarge", "TooManyProperties", "RequestBodyTooLarge"})
_UNAUTHORIZED = frozenset({401, 403})
_COME_BACK = frozenset({408, 429})


class TableMissing(Exception):
    """The table has not been created yet."""


class RowFailure(Exception):
    """A transaction was refused because of one operation. Nothing of it happened."""

    def __init__(self, operation: RowOperation) -> None:
        self.operation = operation
        super().__init__(f"{operation.verb} of a row of the kind {operation.key.partition(':')[0]}")


class RowExists(RowFailure):
    """The row that was to be inserted exists already."""


class RowMissing(RowFailure):
    """The row that was to be changed or deleted does not exist."""


class RowChanged(RowFailure):
    """The row is no longer in the state that the operation demands."""


class Unanswered(StorageBusy):
    """No answer came, or one that does not say it: what was sent may have happened or not."""


@contextmanager
def translated(operations: Sequence[RowOperation] = ()) -> Iterator[None]:
    """Every failure leaves as StorageError's family, as RowFailure's (of a transaction) or as TableMissing."""
    try:
        yield
    except HttpResponseError as error:
        raise _refusal(error, operations) from None
    except (AzureError, ClientError, OSError) as error:
        raise Unanswered(f"Table Storage did not answer ({type(error).__name__}).") from None


def is_table_missing(error: HttpResponseError) -> bool:
    """Whether this 404 is about the table, and not about a row."""
    return _code(error) == _TABLE_MISSING


def _refusal(error: HttpResponseError, operations: Sequence[RowOperation]) -> Exception:  # noqa: PLR0911
    code, status = _code(error), error.status_code or 0
    if is_table_missing(error):
        return TableMissing()
    if code == "TableBeingDeleted":
        return StorageBusy("The table is being deleted.", BEING_DELETED_SECONDS)
    if code in _TOO_LARGE:
        return TooLarge(f"Table Storage refused the change as too large ({code}).")
    if status in _UNAUTHORIZED:
        return StorageBusy(
            f"Table Storage refused this application ({status} {code}): its identity needs the role "
            "Storage Table Data Contributor, which takes some minutes to take effect."
        )
    if operations and (failure := _row_failure(error, status, code, operations)):
        return failure
    if not 400 <= status < 500 or status in _COME_BACK:  # noqa: PLR2004  the client errors of HTTP
        kind = Unanswered if operations else StorageBusy  # the service may say so of what it has done, or will do
        return kind(f"Table Storage could not answer ({status} {code}).", _retry_after(error))
    return StorageError(f"Table Storage refused a call ({status} {code}).")


def _row_failure(
    error: HttpResponseError, status: int, code: str, operations: Sequence[RowOperation]
) -> Exception | None:
    operation = operations[min(getattr(error, "index", 0), len(operations) - 1)]
    match status:
        case 404:
            return RowMissing(operation)
        case 409 if code == "EntityAlreadyExists":
            return RowExists(operation)
        case 409:  # two transactions met on a row
            return VersionConflict()
        case 412:
            return RowChanged(operation)
    return None


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None)  # not on all errors of the SDK; an enumeration on some, text on others
    return str(getattr(code, "value", code) or "no code")


def _retry_after(error: HttpResponseError) -> int:
    said = getattr(error.response, "headers", {}).get("Retry-After", "")
    return int(said) if said.isdecimal() else RETRY_AFTER_SECONDS
