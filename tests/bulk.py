"""Sends bulks, and shows what became of their operations."""

from typing import Any

from tests.scim import Client, Json

BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def post(path: str, bulk_id: str, **data: Any) -> Json:
    return {"method": "POST", "path": path, "bulkId": bulk_id, "data": data}


def user(bulk_id: str, user_name: str | None = None, /, **data: Any) -> Json:
    """A POST of a user."""
    return post("/Users", bulk_id, userName=bulk_id if user_name is None else user_name, **data)


def group(bulk_id: str, *members: str, name: str | None = None) -> Json:
    """A POST of a group with these members: ids, or references."""
    return post("/Groups", bulk_id, displayName=name or bulk_id, members=[{"value": item} for item in members])


def patch(path: str, *operations: Json, **more: Any) -> Json:
    return {"method": "PATCH", "path": path, "data": {"Operations": operations}, **more}


async def bulk(client: Client, *operations: Any, **more: Any) -> list[Json]:
    """The results of the operations. Each is judged by its form."""
    answer = await client.post("/Bulk", {"schemas": [BULK_REQUEST], "Operations": operations, **more})
    assert answer.status == 200, answer.document
    assert answer.document["schemas"] == [BULK_RESPONSE]
    results: list[Json] = answer.document["Operations"]
    for result in results:
        _judge(result)
    return results


def _judge(result: Json) -> None:
    assert set(result) <= {"method", "bulkId", "version", "location", "status", "response"}
    failed = int(result["status"]) >= 400
    assert ("response" in result) is failed
    if failed:
        assert result["response"]["schemas"] == [ERROR]
        assert result["response"]["status"] == result["status"]
        assert 0 < len(result["response"]["detail"]) <= 500
        assert "version" not in result
    elif result.get("method") != "DELETE":
        assert result["version"].startswith('W/"')
    if result.get("method") == "POST":
        left = failed and "Delete it yourself" in result["response"]["detail"]
        assert ("location" in result) is (left or not failed)


def statuses(results: list[Json]) -> list[str]:
    return [result["status"] for result in results]


def id_of(result: Json) -> str:
    """The id of the resource that a result is about."""
    location: str = result["location"]
    return location.rpartition("/")[2]
