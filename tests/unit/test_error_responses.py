"""What an administrator reads in `detail`: where, and what to change, in JSON's words and not in a library's."""

from typing import Never

import pytest

from scim_core.storage.port import StorageBusy, StorageError, VersionConflict
from scim_core.storage.tables import TableStorage
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, Json, endpoint_over, path, replace, sentence


@pytest.mark.parametrize(
    ("attributes", "detail"),
    [
        ({"name": "x y"}, "name must be an object."),
        ({"active": "perhaps"}, "active must be true or false, not 'perhaps'."),
        ({"userName": ["a", "b"]}, "userName must be a string."),
        ({"emails": [{"value": {"x": 1}}]}, "emails.0.value must be a string."),
    ],
)
async def test_a_wrong_type_is_named_with_what_it_should_be(
    client: Client,
    attributes: Json,
    detail: str,
) -> None:
    answer = await client.post("/Users", {"userName": "bjensen", **attributes})

    assert (answer.status, sentence(answer)) == (400, detail)


@pytest.mark.parametrize(
    ("attribute", "value", "detail"),
    [
        ("name", "x y", "name must be an object."),
        ("active", "perhaps", "active must be true or false, not 'perhaps'."),
        ("userName", "", "userName is required: it can be replaced, but not removed."),
    ],
)
async def test_a_refused_patch_value_is_named_likewise(client: Client, attribute: str, value: str, detail: str) -> None:
    answer = await client.patch(path(await client.user()), replace(attribute, value))

    assert (answer.status, sentence(answer)) == (400, f"Operations[0], path '{attribute}': {detail}")


async def test_both_projections_at_once_are_refused_by_their_names(client: Client) -> None:
    answer = await client.get("/Users", attributes="id", excludedAttributes="emails")

    assert answer.status == 400
    assert "attributes and excludedAttributes exclude each other" in answer.document["detail"]


async def test_a_group_that_does_not_exist_is_missing_before_it_is_its_own_member(client: Client) -> None:
    gone = await client.group()
    await client.delete(path(gone))

    operation = {"op": "add", "path": "members", "value": [{"value": gone["id"]}]}

    assert (await client.patch(path(gone), operation)).status == 404


class Failing(TableStorage):
    """A storage whose every read raises this error."""

    def __init__(self, error: Exception) -> None:
        super().__init__(MemoryRows())
        self.error = error

    async def read(self, *_: object) -> Never:
        raise self.error


ID = "01a20ac2-6bcf-71af-9667-1dbb86bf7fe9"


@pytest.mark.parametrize("error", [StorageBusy("throttled", retry_after=7), TimeoutError(), VersionConflict()])
async def test_a_busy_storage_is_503_with_retry_after_and_logged(
    error: Exception, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await Client(endpoint_over(Failing(error), clock)).get(f"/Users/{ID}")

    assert answer.status == 503
    assert int(answer.headers["retry-after"]) == getattr(error, "retry_after", 5)
    assert "the storage is busy" in caplog.text


@pytest.mark.parametrize("error", [StorageError("an index row is gone"), RuntimeError("secret=hunter2"), KeyError("x")])
async def test_anything_unexpected_is_500_with_a_correlation_id_that_the_log_knows(
    error: Exception, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await Client(endpoint_over(Failing(error), clock)).get(f"/Users/{ID}")

    assert answer.status == 500
    assert str(error) not in answer.document["detail"]
    [record] = [record for record in caplog.records if record.message == "request failed"]
    assert vars(record)["correlation_id"] in answer.document["detail"]
