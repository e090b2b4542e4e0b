"""The boundary between what a client is told and what stays inside."""

import json
import logging
from typing import Any

import pytest
from scim2_models import InvalidValueException, NotFoundException, User

from scim_core import storage
from scim_core.errors import HttpError, error_response, response_for
from scim_core.tolerance import TooManyOperations


def answered(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    response = response_for(error, lambda: "correlation")
    return response.status, json.loads(response.body), response.headers


@pytest.mark.parametrize(
    ("error", "status", "scim_type"),
    [
        (HttpError(418, "No coffee."), 418, None),
        (NotFoundException(detail="Nothing here."), 404, None),
        (InvalidValueException(detail="No."), 400, "invalidValue"),
        (TooManyOperations(), 413, None),
        (storage.UniquenessConflict("userName"), 409, "uniqueness"),
        (storage.NotFound({"x"}), 404, None),
        (storage.TooLarge("The resource is too large."), 413, None),
        (storage.StorageBusy("throttled"), 503, None),
        (storage.VersionConflict(), 503, None),
        (TimeoutError(), 503, None),
        (ValueError("secret"), 500, None),
        (KeyError("secret"), 500, None),
    ],
)
def test_every_error_has_its_answer(error: Exception, status: int, scim_type: str | None) -> None:
    answer, body, headers = answered(error)
    assert (answer, body["status"], body.get("scimType")) == (status, str(status), scim_type)
    assert body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert headers["Content-Type"] == "application/scim+json"
    assert body["detail"].endswith(".")
    assert "secret" not in body["detail"]


def test_an_unexpected_error_is_found_in_the_log_by_its_correlation_id(caplog: pytest.LogCaptureFixture) -> None:
    _, body, _ = answered(RuntimeError("the cause"))
    assert "correlation" in body["detail"]
    [record] = [item for item in caplog.records if item.levelno == logging.ERROR]
    assert record.__dict__["correlation_id"] == "correlation"
    assert "the cause" in str(record.exc_info)


def test_a_busy_storage_says_when_to_come_back() -> None:
    assert answered(storage.StorageBusy("throttled", retry_after=17))[2]["Retry-After"] == "17"
    assert int(answered(TimeoutError())[2]["Retry-After"]) > 0


def test_headers_of_a_refusal_go_out() -> None:
    assert answered(HttpError(401, "Who?", WWW_Authenticate="Bearer"))[2]["WWW-Authenticate"] == "Bearer"


def test_what_pydantic_says_loses_its_links_and_marks() -> None:
    text = "1 validation error for User\nemails.0\n  Input should be a string [type=string_type]\n    For further "
    text += "information visit https://errors.pydantic.dev/2.14/v/string_type"
    assert answered(InvalidValueException(detail=text))[1]["detail"] == "emails.0: Input should be a string"


def test_a_validation_error_names_the_place_and_not_the_value() -> None:
    with pytest.raises(ValueError, match="userName") as caught:
        User.model_validate({"userName": {"secret": 1}})
    _, body, _ = answered(caught.value)
    assert body["scimType"] == "invalidValue"
    assert "userName" in body["detail"]
    assert "secret" not in body["detail"]


def test_a_detail_is_never_longer_than_a_paragraph() -> None:
    assert len(json.loads(error_response(400, "x" * 1_000_000).body)["detail"]) == 500


def test_half_a_surrogate_pair_in_a_detail_does_no_harm() -> None:
    assert json.loads(error_response(400, "\ud800").body)["detail"] == "\ud800"
