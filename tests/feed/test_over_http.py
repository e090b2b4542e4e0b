"""The feed as a program reads it: over HTTP, over Azurite, while an identity provider provisions as Entra does."""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from devhost.authority import Authority
from devhost.azurite import Azurite
from tests.commands import run_process
from tests.feed.described import deviations
from tests.running import RunningEndpoint, running_authority, running_tenants
from tests.scim import GROUP, PATCH_OP, USER
from tests.tenancy import APPLICATION, ENTRA_TENANT, SUBJECT
from tests.worker.processes import PATIENCE_SECONDS

CHANGES, SNAPSHOT, TENANTS = "/feed/v1/changes", "/feed/v1/snapshot", "/feed/v1/tenants"


@dataclass(frozen=True)
class Deployment:
    """A service of many tenants, the operator's own Entra, and what opens the tenant `default`."""

    endpoint: RunningEndpoint
    authority: Authority
    feed_token: str
    http: httpx.Client

    def command(self, *given: str) -> Any:
        """What the operator's command prints."""
        done = run_process(self.endpoint.storage, "--url", self.endpoint.app.url, "--json", *given)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def scim(self, token: str, method: str, path: str, body: Any = None) -> Any:
        """The answer of SCIM to a client of a customer."""
        answer = self.http.request(method, f"/scim/v2{path}", headers=bearer(token), json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def feed(self, token: str, path: str, status: int = 200, **query: Any) -> Any:
        """The answer of the feed, which is as the description says."""
        answer = self.http.get(path, headers=bearer(token), params=query)
        assert answer.status_code == status, answer.text
        named = f"{path}?{answer.url.query.decode()}"
        assert deviations(named, answer.status_code, dict(answer.headers), answer.content) == []
        return answer.json()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def deployment(azurite: Azurite) -> Iterator[Deployment]:
    feed_token = secrets.token_urlsafe(32)
    with ExitStack() as ends:
        authority = ends.enter_context(running_authority())
        ours = {
            "SCIM_FEED_TOKEN_SHA256": hashlib.sha256(feed_token.encode()).hexdigest(),
            "SCIM_ENTRA_AUTHORITY": authority.url,
            "SCIM_FEED_ENTRA_TENANT": ENTRA_TENANT,
            "SCIM_FEED_ENTRA_AUDIENCE": APPLICATION,
        }
        endpoint = ends.enter_context(running_tenants(azurite, **ours))
        http = ends.enter_context(httpx.Client(base_url=endpoint.app.url, timeout=PATIENCE_SECONDS))
        yield Deployment(endpoint, authority, feed_token, http)


@dataclass
class Customer:
    """A customer whose identity provider provisions."""

    deployment: Deployment
    token: str

    def user(self, name: str, **attributes: Any) -> str:
        body = {"schemas": [USER], "userName": name, "externalId": name, "active": True, **attributes}
        return str(self.deployment.scim(self.token, "POST", "/Users", body)["id"])

    def group(self, name: str) -> str:
        body = {"schemas": [GROUP], "displayName": name, "externalId": name}
        return str(self.deployment.scim(self.token, "POST", "/Groups", body)["id"])

    def patch(self, path: str, *operations: dict[str, Any]) -> None:
        body = {"schemas": [PATCH_OP], "Operations": list(operations)}
        self.deployment.scim(self.token, "PATCH", path, body)

    def join(self, group: str, *users: str) -> None:
        value = [{"value": user} for user in users]
        self.patch(f"/Groups/{group}", {"op": "Add", "path": "members", "value": value})

    def leave(self, group: str, user: str) -> None:
        self.patch(f"/Groups/{group}", {"op": "Remove", "path": "members", "value": [{"value": user}]})

    def delete(self, path: str) -> None:
        self.deployment.scim(self.token, "DELETE", path)

    def directory(self) -> tuple[dict[str, Any], set[tuple[str, str]]]:
        """Resources by id, and pairs of group and member, as SCIM shows them."""
        resources, pairs = {}, set()
        for endpoint in ("Users", "Groups"):
            for shown in self.deployment.scim(self.token, "GET", f"/{endpoint}?count=1000")["Resources"]:
                pairs |= {(shown["id"], member["value"]) for member in shown.pop("members", ())}
                resources[shown["id"]] = plain(shown)
        return resources, pairs


def plain(resource: dict[str, Any]) -> dict[str, Any]:
    """A representation without what a membership changes without an entry: version and time."""
    kept = {name: value for name, value in resource.items() if name not in ("meta", "groups")}
    same = ("resourceType", "created", "location")
    return kept | {"meta": {name: resource["meta"][name] for name in same}}


@pytest.fixture
def customer(deployment: Deployment) -> Iterator[Customer]:
    """The tenant `default`, which is empty before and after."""
    yield Customer(deployment, deployment.endpoint.token)
    found = Customer(deployment, deployment.endpoint.token)
    for endpoint in ("Users", "Groups"):
        for shown in deployment.scim(found.token, "GET", f"/{endpoint}?count=1000")["Resources"]:
            found.delete(f"/{endpoint}/{shown['id']}")


@dataclass
class Copy:
    """A program's copy of a directory, by the documentation alone."""

    read: Callable[..., Any]
    resources: dict[str, Any] = field(default_factory=dict)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    cursor: str = ""
    numbers: list[int] = field(default_factory=list)

    def begin(self, limit: int = 1000) -> None:
        """The copy is made from a snapshot."""
        named: dict[str, Any] = {}
        pairs: set[tuple[str, str]] = set()
        page = None
        while True:
            got = self.read(SNAPSHOT, limit=limit, **({"page": page} if page else {}))
            named |= {item["id"]: plain(item["resource"]) for item in got["resources"]}
            pairs |= {(item["group"], item["member"]) for item in got["memberships"]}
            self.cursor, page = got["cursor"], got["next"]
            if page is None:
                break
        self.resources = named
        self.pairs = {pair for pair in pairs if named.keys() >= {*pair}}

    def follow(self, limit: int = 100, pages: int = 1000) -> None:
        """Page after page is applied until there are no more, or so many were."""
        for _ in range(pages):
            page = self.read(CHANGES, after=self.cursor, limit=limit)
            for entry in page["entries"]:
                self.apply(entry)
            self.cursor = page["cursor"]
            if not page["more"]:
                return

    def apply(self, entry: dict[str, Any]) -> None:
        self.numbers.append(entry["number"])
        gone = entry["change"] == "deleted" or entry.get("resource", ...) is None
        if gone:
            self.resources.pop(entry["id"], None)
            self.pairs = {pair for pair in self.pairs if entry["id"] not in pair}
        elif "resource" in entry:
            self.resources[entry["id"]] = plain(entry["resource"])
        self.pairs |= {(entry["id"], member) for member in entry.get("joined", ())}
        self.pairs -= {(entry["id"], member) for member in entry.get("left", ())}

    def equals(self, customer: Customer) -> bool:
        return (self.resources, self.pairs) == customer.directory()


@pytest.fixture
def copy(deployment: Deployment) -> Copy:
    def read(path: str, **query: Any) -> Any:
        return deployment.feed(deployment.feed_token, path, **query)

    copy = Copy(read)
    copy.begin()
    copy.follow()  # what an earlier test has deleted may not have had its number yet
    copy.numbers.clear()
    return copy


def test_a_copy_follows_what_an_identity_provider_does(customer: Customer, copy: Copy) -> None:
    ann, bob, cid = (customer.user(f"{name}@example.com", displayName=name) for name in ("ann", "bob", "cid"))
    staff, board = customer.group("Staff"), customer.group("Board")
    customer.join(staff, ann, bob, cid)
    customer.join(board, ann)
    copy.follow()
    assert copy.equals(customer)
    customer.patch(f"/Users/{bob}", {"op": "Replace", "path": "active", "value": "False"})
    customer.patch(f"/Users/{ann}", {"op": "Replace", "path": "displayName", "value": "Ann Jensen"})
    customer.patch(f"/Groups/{board}", {"op": "Replace", "path": "displayName", "value": "The Board"})
    customer.leave(staff, cid)
    copy.follow()
    assert copy.equals(customer)
    assert copy.resources[bob]["active"] is False
    customer.delete(f"/Users/{bob}")
    customer.delete(f"/Groups/{board}")
    copy.follow()
    assert copy.equals(customer)
    assert (bob in copy.resources, copy.pairs) == (False, {(staff, ann)})
    assert copy.numbers == list(range(copy.numbers[0], copy.numbers[0] + len(copy.numbers)))


def test_the_entries_say_what_happened_and_are_as_described(
    deployment: Deployment, customer: Customer, copy: Copy
) -> None:
    ann = customer.user("ann@example.com")
    staff = customer.group("Staff")
    customer.join(staff, ann)
    customer.patch(f"/Users/{ann}", {"op": "Replace", "path": "title", "value": "Tour Guide"})
    found = deployment.feed(deployment.feed_token, CHANGES, after=copy.cursor)
    said = [(item["change"], item["type"], item["id"]) for item in found["entries"]]
    assert said == [
        ("created", "User", ann),
        ("created", "Group", staff),
        ("members", "Group", staff),
        ("updated", "User", ann),
    ]
    created, _, members, updated = found["entries"]
    assert created["resource"]["title"] == updated["resource"]["title"] == "Tour Guide", "as it is now"
    assert updated["attributes"] == ["title"]
    assert members["joined"] == [ann]
    shown = deployment.scim(customer.token, "GET", f"/Users/{ann}")
    assert updated["resource"]["meta"]["location"] == shown["meta"]["location"]
    assert updated["version"] == shown["meta"]["version"]
    customer.delete(f"/Users/{ann}")
    later = deployment.feed(deployment.feed_token, CHANGES, after=copy.cursor)["entries"]
    assert [item["resource"] for item in later if item["type"] == "User" and "resource" in item] == [None, None]
    assert later[-1]["was"] == {"userName": "ann@example.com", "externalId": "ann@example.com"}
    assert [ann in item["left"] for item in later if item["change"] == "members" and item.get("left")] != []


def test_a_reader_that_died_before_it_saved_reads_the_page_again_and_is_right(customer: Customer, copy: Copy) -> None:
    staff = customer.group("Staff")
    users = [customer.user(f"user{number}@example.com") for number in range(6)]
    customer.join(staff, *users)
    customer.delete(f"/Users/{users[0]}")
    while True:
        before = copy.cursor
        copy.follow(limit=2, pages=1)
        if copy.cursor == before:
            break
        after, copy.cursor = copy.cursor, before  # it dies, and what it had applied is there twice
        copy.follow(limit=2, pages=1)
        assert copy.cursor == after
    assert copy.equals(customer)


def test_a_snapshot_in_pages_while_changes_go_on_and_then_the_changes_make_the_directory(
    deployment: Deployment, customer: Customer
) -> None:
    staff = customer.group("Staff")
    users = [customer.user(f"user{number}@example.com") for number in range(5)]
    customer.join(staff, *users)
    pages = 0

    def read(path: str, **query: Any) -> Any:
        nonlocal pages
        if path == SNAPSHOT:
            pages += 1
            if pages == 2:
                customer.delete(f"/Users/{users[4]}")
                customer.leave(staff, users[3])
                customer.join(customer.group("Late"), customer.user("late@example.com"), users[0])
        return deployment.feed(deployment.feed_token, path, **query)

    copy = Copy(read)
    copy.begin(limit=2)
    assert pages > 4
    copy.follow()
    assert copy.equals(customer)


def test_cursors_and_pages_that_are_not_from_here_are_400_and_say_so(deployment: Deployment) -> None:
    for path, name in ((CHANGES, "after"), (SNAPSHOT, "page")):
        found = deployment.feed(deployment.feed_token, path, 400, **{name: "not ours"})
        assert found["type"] == "/feed/v1/problems/cursor"


def test_a_reader_that_waits_learns_of_a_change_while_it_waits(
    deployment: Deployment, customer: Customer, copy: Copy
) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(deployment.feed, deployment.feed_token, CHANGES, after=copy.cursor, wait=25)
        with pytest.raises(TimeoutError):
            waiting.result(1.5)
        ann = customer.user("ann@example.com")
        page = waiting.result(PATIENCE_SECONDS)
    assert [(item["change"], item["id"]) for item in page["entries"]] == [("created", ann)]


def test_an_application_and_the_vendors_identity_follow_every_customer(
    deployment: Deployment, customer: Customer
) -> None:
    made = deployment.command("tenants", "create", "Contoso")
    contoso = Customer(deployment, made["secret"])
    app = deployment.command("apps", "create", "our product")["secret"]
    identity = deployment.authority.role_token(ENTRA_TENANT, APPLICATION, SUBJECT, "Feed.Read")
    ann, bob = customer.user("ann@example.com"), contoso.user("bob@example.com")
    for token in (app, identity):
        for tenant, user in (("default", ann), ("contoso", bob)):
            found = deployment.feed(token, SNAPSHOT, tenant=tenant)
            assert [item["id"] for item in found["resources"]] == [user]
            entries = deployment.feed(token, CHANGES, tenant=tenant)["entries"]
            assert {item["id"] for item in entries} >= {user}
        heads = {item["tenant"]: item["number"] for item in deployment.feed(token, TENANTS)["tenants"]}
        assert heads.keys() == {"default", "contoso"}
        assert heads["contoso"] == 1
        deployment.feed(token, CHANGES, 404, tenant="nobody")
        deployment.feed(token, CHANGES, 400)
    deployment.feed(deployment.feed_token, CHANGES, 404, tenant="contoso")
    deployment.feed(deployment.feed_token, TENANTS, 403)
    deployment.feed(contoso.token, CHANGES, 403)
    refused = deployment.http.get("/scim/v2/Users", headers=bearer(app), params={"tenant": "contoso"})
    assert refused.status_code == 403
    deployment.feed(deployment.authority.role_token(ENTRA_TENANT, APPLICATION, SUBJECT, "Other"), CHANGES, 401)


def test_the_log_of_the_service_holds_no_value_of_the_feed(
    deployment: Deployment, customer: Customer, copy: Copy
) -> None:
    customer.user("somebody@example.com", displayName="Somebody")
    copy.follow()
    said = deployment.endpoint.app.said()
    assert "feed_changes" in said
    for value in ("somebody@example.com", "Somebody", deployment.feed_token):
        assert value not in said
