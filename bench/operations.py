"""The operations that are measured, as a client sends them."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench import bare, directory
from bench.bare import POPULATION
from bench.directory import user, user_name
from bench.http_client import Request, Response

MEDIA_TYPE = "application/scim+json"
"""RFC 7644 section 8.1."""

PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
"""RFC 7644 section 3.5.2."""


@dataclass
class Client:
    """Writes requests for one endpoint, with its token. It keeps the addresses of users that a POST created.

    `user_id` and `group_id` give the id of the resource with a number: our own id, unless the endpoint chose it.
    """

    path: str
    token: str
    posted: list[str] = field(default_factory=list)
    user_id: Callable[[int], str] = directory.user_id
    group_id: Callable[[int], str] = directory.group_id

    def request(self, method: str, target: str, expect: int, body: Any = None) -> Request:
        """A request to a target below the SCIM endpoint."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": MEDIA_TYPE}
        if body is None:
            return Request(method, self.path + target, expect, headers)
        encoded = json.dumps(body).encode()
        return Request(method, self.path + target, expect, headers | {"Content-Type": MEDIA_TYPE}, encoded)

    def note(self, response: Response) -> None:
        """Keeps the address of a created user, so that it can be deleted later."""
        if response.status == HTTPStatus.CREATED:
            self.posted.append(urlsplit(response.headers["location"]).path.removeprefix(self.path))


@dataclass(frozen=True)
class Operation:
    """One operation. `calls` names its bare calls, empty if there are none. `request` makes the request with a number.

    An operation that takes much longer than the others has `divisor` times fewer requests.
    """

    title: str
    calls: str
    request: Callable[[Client, int], Request]
    divisor: int = 1

    def requests(self, client: Client, numbers: range) -> Iterator[Request]:
        """The requests of these numbers."""
        return (self.request(client, number) for number in numbers)

    def bare_requests(self, numbers: range) -> Iterator[Request]:
        """The requests of these numbers to the app that makes only the calls."""
        return (Request("POST", f"/bare/{self.calls}/{number}", 200) for number in numbers)

    def calls_request(self, way: str, numbers: range, side_by_side: int) -> Request:
        """The request that makes that app run and time the calls of all these numbers, in one of the WAYS."""
        return Request("POST", f"/calls/{way}/{self.calls}/{numbers.start}/{len(numbers)}/{side_by_side}", 200)


def _match(client: Client, name: str) -> Request:
    return client.request("GET", f"/Users?{urlencode({'filter': f'userName eq "{name}"'})}", 200)


def _list_page(client: Client, _: int) -> Request:
    return client.request("GET", f"/Users?startIndex=1&count={bare.LIST_COUNT}", 200)


def _get_user(client: Client, number: int) -> Request:
    return client.request("GET", f"/Users/{client.user_id(number % POPULATION)}", 200)


def _match_none(client: Client, number: int) -> Request:
    return _match(client, f"nobody.{number:06}@example.com")


def _match_one(client: Client, number: int) -> Request:
    return _match(client, user_name(number % POPULATION))


def _get_group(client: Client, _: int) -> Request:
    return client.request("GET", f"/Groups/{client.group_id(0)}?excludedAttributes=members", 200)


def add_member(client: Client, group: int, member: int) -> Request:
    """PATCH of a group that adds this user, as Entra sends it."""
    return add_members(client, group, [member])


def add_members(client: Client, group: int, members: Iterable[int]) -> Request:
    """PATCH of a group that adds these users, as Entra sends it."""
    return _patch_members(client, group, "Add", members)


def remove_member(client: Client, group: int, member: int) -> Request:
    """PATCH of a group that removes this user, as Entra sends it."""
    return _patch_members(client, group, "Remove", [member])


def _patch_members(client: Client, group: int, op: str, members: Iterable[int]) -> Request:
    operation = {"op": op, "path": "members", "value": [{"value": client.user_id(member)} for member in members]}
    body = {"schemas": [PATCH_URN], "Operations": [operation]}
    return client.request("PATCH", f"/Groups/{client.group_id(group)}", 204, body)


def _patch_group(client: Client, number: int) -> Request:
    return add_member(client, *bare.joining(number))


def _patch_user(client: Client, number: int) -> Request:
    operation = {"op": "Replace", "path": "title", "value": f"Title {number}"}
    body = {"schemas": [PATCH_URN], "Operations": [operation]}
    return client.request("PATCH", f"/Users/{client.user_id(number % POPULATION)}", 200, body)


def _put_user(client: Client, number: int) -> Request:
    body = user(number % POPULATION) | {"nickName": f"Nick {number}"}
    return client.request("PUT", f"/Users/{client.user_id(number % POPULATION)}", 200, body)


def post_user(client: Client, number: int) -> Request:
    """POST of a user that is not there yet."""
    return client.request("POST", "/Users", 201, user(bare.POSTED + number))


def _delete_user(client: Client, _: int) -> Request:
    return client.request("DELETE", client.posted.pop(), 204)


GET_USER = Operation("GET user", "get_user", _get_user)
"""It can be sent at any time, and any number of times."""

OPERATIONS = (
    Operation("list page of 100", "list_page", _list_page, divisor=4),
    GET_USER,
    Operation("match: nobody", "match_none", _match_none),
    Operation("match: one user", "match_one", _match_one),
    Operation("GET group, no members", "get_group", _get_group),
    Operation("PATCH group, 1 member", "patch_group", _patch_group),
    Operation("PATCH user", "patch_user", _patch_user),
    Operation("PUT user", "patch_user", _put_user),
    Operation("POST user", "post_user", post_user),
    Operation("DELETE user", "delete_user", _delete_user),
)
"""The list comes first, while the directory has its first size. DELETE comes after POST, which creates its users."""
