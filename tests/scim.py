"""A small SCIM client that calls the endpoint in this process, and judges the form of every answer."""

import json
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import scim_core
from scim_core import Endpoint, ScimResponse, Settings
from scim_core.storage.hook_port import HookStorage
from tests.clients.protocol import violations
from tests.clients.targets import Answer, InProcess, Request

BASE = "https://scim.example.com/scim/v2"
TOKEN = "b6Xk0y6mQ8rW2nV5sJ1tZ7cL4hD9fG3p"

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GLOBAL_RELAY = "urn:ietf:params:scim:schemas:extension:GlobalRelay:2.0:User"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

UNLIMITED = {"SCIM_TENANT_REQUESTS_PER_SECOND": "1000000"}
"""The setting by which a fast machine reaches no limit; tests/oauth/test_limits.py has the limits."""

type Json = dict[str, Any]


@dataclass
class Clock:
    """A clock that moves a millisecond each time it is read. So ids and times are in the order of creation."""

    now: datetime = datetime(2026, 11, 23, 9, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.advance(milliseconds=1)
        return self.now

    def advance(self, **amount: float) -> None:
        self.now += timedelta(**amount)


def usual_settings(**environment: str) -> Settings:
    """The settings of an endpoint whose token is TOKEN, with these."""
    usual = {
        "SCIM_TOKEN_SHA256": sha256(TOKEN.encode()).hexdigest(),
        "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
        **UNLIMITED,
    }
    return Settings.from_environment(usual | environment)


def endpoint_over(storage: HookStorage, clock: Clock, **environment: str) -> Endpoint:
    """An endpoint whose token is TOKEN, with the usual settings and these."""
    return scim_core.build(usual_settings(**environment), storage, clock)


class Client:
    """Sends requests as a provisioning client does. `headers=` replaces or, with None, leaves out a header."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._target = InProcess(endpoint, BASE, TOKEN)

    async def send(
        self, method: str, url: str, body: Any = None, *, headers: dict[str, str | None] | None = None, **query: Any
    ) -> Answer:
        """The answer to a request; `url` is relative to the SCIM base, a body is bytes or becomes JSON."""
        content = b"" if body is None else body if isinstance(body, bytes) else _json(body)
        path, _, raw_query = url.partition("?")
        usual = {"authorization": f"Bearer {TOKEN}"} | ({"content-type": "application/scim+json"} if content else {})
        sent = {name: value for name, value in (usual | (headers or {})).items() if value is not None}
        answer = await self._target.send(Request(method, path, raw_query or urlencode(query), sent, content))
        wrong = [] if answer.status == 304 else violations(method, answer)
        assert not wrong, f"{method} {url}: {wrong}\n{answer.status} {answer.headers}\n{answer.body[:2000]!r}"
        return answer

    async def get(self, url: str, **options: Any) -> Answer:
        return await self.send("GET", url, **options)

    async def post(self, url: str, body: Any, **options: Any) -> Answer:
        return await self.send("POST", url, body, **options)

    async def put(self, url: str, body: Any, **options: Any) -> Answer:
        return await self.send("PUT", url, body, **options)

    async def patch(self, url: str, *operations: Any, **options: Any) -> Answer:
        return await self.send("PATCH", url, {"schemas": [PATCH_OP], "Operations": operations}, **options)

    async def delete(self, url: str, **options: Any) -> Answer:
        return await self.send("DELETE", url, **options)

    async def user(self, user_name: str = "bjensen@example.com", /, **attributes: Any) -> Json:
        """A user that is created with these attributes, as the answer shows it."""
        return await self._created("/Users", {"schemas": [USER], "userName": user_name, **attributes})

    async def group(self, display_name: str = "Employees", *members: Json, **attributes: Any) -> Json:
        """A group that is created with these members, as GET shows it."""
        body = {"schemas": [GROUP], "displayName": display_name, "members": references(*members), **attributes}
        return await self._created("/Groups", body)

    async def _created(self, url: str, body: Json) -> Json:
        answer = await self.post(url, body)
        assert answer.status == 201, answer.document
        created: Json = answer.document
        return created

    async def document(self, resource: Json | str) -> Json:
        """The resource as GET shows it now; it must be there."""
        answer = await self.get(path(resource))
        assert answer.status == 200, answer.document
        shown: Json = answer.document
        return shown

    async def found(self, url: str, filter_text: str, **query: Any) -> list[Json]:
        """The resources that the filter finds, which must all be on the page."""
        answer = await self.get(url, filter=filter_text, **query)
        assert answer.status == 200, answer.document
        resources: list[Json] = answer.document["Resources"]
        assert answer.document["totalResults"] == len(resources)
        return resources

    async def names(self, filter_text: str, url: str = "/Users") -> list[str]:
        """The user names, or display names of groups, that the filter finds, in order."""
        return [item.get("userName") or item["displayName"] for item in await self.found(url, filter_text)]


def sentence(answer: Answer | ScimResponse) -> str:
    """What the answer says of an error, without the id of the request at its end."""
    said, _, request_id = json.loads(answer.body)["detail"].rpartition(" (request ")
    assert request_id.endswith(")"), answer.body
    text: str = said
    return text


def path(resource: Json | str) -> str:
    """The path of a resource, relative to the SCIM base."""
    location: str = resource if isinstance(resource, str) else resource["meta"]["location"]
    return location.removeprefix(BASE)


def references(*resources: Json) -> list[Json]:
    """These resources as members of a group, in the way that Entra names them."""
    return [{"$ref": None, "value": resource["id"]} for resource in resources]


def member_ids(group: Json) -> list[str]:
    """The ids of a group's members, ascending."""
    return sorted(item["value"] for item in group.get("members", ()))


def group_ids(user: Json) -> list[str]:
    """The ids of the groups that a user shows, ascending."""
    return sorted(item["value"] for item in user.get("groups", ()))


def comparable(name: str) -> str:
    """The form in which user names and display names are unique."""
    letters = unicodedata.normalize("NFC", name)
    folded = "".join(letter.casefold() if len(letter.casefold()) == 1 else letter.lower() for letter in letters)
    return unicodedata.normalize("NFC", folded)


def replace(attribute: str, value: Any) -> Json:
    return {"op": "replace", "path": attribute, "value": value}


def add(attribute: str, value: Any) -> Json:
    return {"op": "add", "path": attribute, "value": value}


def remove(attribute: str, **more: Any) -> Json:
    return {"op": "remove", "path": attribute, **more}


def attribute(name: str, kind: str = "string", **characteristics: Any) -> Json:
    """The definition of an attribute in a schema. Characteristics that are not given are the usual ones."""
    usual = {"multiValued": False, "required": False, "mutability": "readWrite", "returned": "default"}
    return {"name": name, "type": kind} | usual | characteristics


def schema_files(directory: Path, **documents: Json) -> Path:
    """The folder, as SCIM_SCHEMA_DIRECTORY names it, with these schemas and resource types in it."""
    for name, document in documents.items():
        folder = directory / ("resource-types" if "endpoint" in document else "schemas")
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(document))
    return directory


def without(document: Json, *names: str) -> Json:
    """The document without these top-level attributes."""
    return {name: value for name, value in document.items() if name not in names}


def _json(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()
