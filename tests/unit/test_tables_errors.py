"""Every way Azure's SDK can fail, as an error of the port."""

import aiohttp
import pytest
from azure.core.exceptions import ClientAuthenticationError, DecodeError, HttpResponseError, ServiceRequestError
from azure.data.tables import TableErrorCode, TableTransactionError

from scim_core.storage.port import StorageBusy, StorageError, TooLarge, VersionConflict
from scim_core.storage.tables.errors import (
    RowChanged,
    RowExists,
    RowFailure,
    RowMissing,
    TableMissing,
    Unanswered,
    translated,
)
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb

SECRET = "https://account.table.core.windows.net/scim?sig=c2VjcmV0"
OPERATIONS = [RowOperation(Verb.INSERT, Role.INDEX, f"User.userName:{number}") for number in range(3)]


class Answer:
    """As much of an HTTP response as the SDK's errors look at."""

    def __init__(self, status: int, **headers: str) -> None:
        self.status_code, self.reason, self.headers = (
            status,
            SECRET,
            {k.replace("_", "-"): v for k, v in headers.items()},
        )

    def text(self) -> str:
        return SECRET


def failure(status: int, code: str | None = None, **headers: str) -> HttpResponseError:
    error = HttpResponseError(message=SECRET, response=Answer(status, **headers))  # type: ignore[arg-type]
    error.error_code = code  # type: ignore[attr-defined]
    return error


def refusal(status: int, code: str, message: str) -> TableTransactionError:
    error = TableTransactionError(message=message, response=Answer(status))
    error.error_code = code  # type: ignore[attr-defined]
    return error


def translation(error: Exception, operations: list[RowOperation] | None = None) -> Exception:
    with pytest.raises(Exception) as raised, translated(operations or []):  # noqa: PT011  every kind of error
        raise error
    assert "sig=" not in str(raised.value)
    assert raised.value.__suppress_context__
    return raised.value


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (failure(500), StorageBusy),
        (failure(503, TableErrorCode.SERVER_BUSY), StorageBusy),
        (failure(408, TableErrorCode.OPERATION_TIMED_OUT), StorageBusy),
        (failure(429), StorageBusy),
        (failure(401), StorageBusy),
        (failure(403, TableErrorCode.AUTHORIZATION_FAILURE), StorageBusy),
        (failure(409, "TableBeingDeleted"), StorageBusy),
        (failure(413, TableErrorCode.REQUEST_BODY_TOO_LARGE), TooLarge),
        (failure(400, "EntityTooLarge"), TooLarge),
        (failure(404, TableErrorCode.TABLE_NOT_FOUND), TableMissing),
        (failure(404, "TableNotFound"), TableMissing),
        (failure(400, TableErrorCode.INVALID_INPUT), StorageError),
        (failure(404), StorageError),
        (HttpResponseError(SECRET), StorageBusy),
        (DecodeError(SECRET), StorageBusy),
        (ClientAuthenticationError(SECRET), StorageBusy),
        (ServiceRequestError(SECRET), Unanswered),
        (aiohttp.ServerDisconnectedError(SECRET), Unanswered),
        (aiohttp.ClientPayloadError(SECRET), Unanswered),
        (ConnectionResetError(SECRET), Unanswered),
        (TimeoutError(), Unanswered),
    ],
)
def test_a_failed_call_is_an_error_of_the_port_that_tells_no_secret(error: Exception, kind: type[Exception]) -> None:
    assert type(translation(error)) is kind


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "ResourceNotFound", RowMissing),
        (409, "EntityAlreadyExists", RowExists),
        (412, "UpdateConditionNotSatisfied", RowChanged),
    ],
)
def test_a_refused_transaction_names_the_operation(status: int, code: str, kind: type[RowFailure]) -> None:
    for message, number in (("1:No.", 1), ("No.", 0), ("99:No.", 2)):
        found = translation(refusal(status, code, message), OPERATIONS)
        assert isinstance(found, kind)
        assert found.operation is OPERATIONS[number]
        assert "userName:" not in str(found)


def test_transactions_that_meet_on_a_row_are_a_conflict() -> None:
    assert isinstance(translation(refusal(409, "Conflict", "0:No."), OPERATIONS), VersionConflict)


def test_a_transaction_can_fail_as_any_call_can() -> None:
    assert isinstance(translation(failure(503), OPERATIONS), StorageBusy)
    assert isinstance(translation(failure(404, "TableNotFound"), OPERATIONS), TableMissing)
    assert type(translation(refusal(400, "InvalidInput", "0:No."), OPERATIONS)) is StorageError


def test_the_service_says_when_to_come_back() -> None:
    for error, seconds in (
        (failure(503, Retry_After="17"), 17),
        (failure(503, Retry_After="soon"), 5),
        (failure(503), 5),
    ):
        busy = translation(error)
        assert isinstance(busy, StorageBusy)
        assert busy.retry_after == seconds
