"""A tenant sees its own resource types and extensions only: it is answered as by a deployment that has no others.

One deployment has files for everything, and the registry says which tenant has what. The other one has files only for
what that tenant has. Each request to each route must be answered alike by the two.
"""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

import pytest

from scim_core import ScimResponse
from scim_core.access.credential_plans import Wanted
from scim_core.chosen_schemas import ChosenSchemas
from scim_core.endpoint.routes import ROUTES
from scim_core.endpoint.serving import DISCOVERY
from scim_core.protocol import schemas as schemas_module
from scim_core.registry import Access, CredentialKind
from tests.isolation.test_cross_tenant import likeness_of_text
from tests.scim import ENTERPRISE, GLOBAL_RELAY, GROUP, PATCH_OP, SEARCH_REQUEST, UNLIMITED, USER, attribute
from tests.tenancy import HOST, Service, document, settings

DEVICE, BADGE = "urn:example:params:scim:schemas:core:2.0:Device", "urn:example:params:scim:schemas:core:2.0:Badge"
WARRANTY = "urn:example:params:scim:schemas:extension:Warranty:2.0:Device"
DESK = "urn:contoso:params:scim:schemas:extension:Desk:2.0:User"
SECRET = "urn:fabrikam:params:scim:schemas:extension:Secret:2.0:User"
SITE = "urn:example:params:scim:schemas:extension:Site:2.0:Group"

OFF = {"onByDefault": False}
LIGHT = attribute("light")
FILES: dict[str, dict[str, Any]] = {
    "Device": {"id": "Device", "name": "Device", "endpoint": "/Devices", "schema": DEVICE, "indexed": ["serial"]},
    "Badge": {"id": "Badge", "name": "Badge", "endpoint": "/Badges", "schema": BADGE, **OFF},
    DEVICE: {"name": "Device", "attributes": [attribute("serial"), attribute("title")]},
    BADGE: {"name": "Badge", "attributes": [attribute("serial"), attribute("title")]},
    WARRANTY: {"name": "Warranty", "attributes": [attribute("until"), attribute("nights", "integer")], **OFF},
    DESK: {"name": "Desk", "attributes": [attribute("until"), attribute("lamp", "complex", subAttributes=[LIGHT])]},
    SECRET: {"name": "Secret", "attributes": [attribute("until"), attribute("codename")], **OFF},
    SITE: {"name": "Site", "attributes": [attribute("until")]},
}
"""The deployment's own files: two types, and an extension of each type that may have some."""

TYPES = {"Device": DEVICE, "Badge": BADGE, "User": USER, "Group": GROUP}
EXTENSIONS = {ENTERPRISE: "User", GLOBAL_RELAY: "User", DESK: "User", SECRET: "User", SITE: "Group", WARRANTY: "Device"}
OFF_BY_DEFAULT = {"Badge", WARRANTY, SECRET}
CHANGEABLE = [name for name in (*TYPES, *EXTENSIONS) if name not in ("User", "Group")]

VALUES: dict[str, Any] = {
    ENTERPRISE: {"department": "Sales", "manager": {"value": "018f0000-0000-7000-8000-000000000001"}},
    GLOBAL_RELAY: {"extensionAttribute1": "x"},
    DESK: {"until": "x", "lamp": {"light": "warm"}},
    SECRET: {"until": "x", "codename": "Mole"},
    SITE: {"until": "x"},
    WARRANTY: {"until": "x", "nights": 3},
}
NAMES = {ENTERPRISE: "department", GLOBAL_RELAY: "extensionAttribute1", DESK: "lamp.light", SECRET: "codename"}

CHOICES = {
    "what is on by default": ChosenSchemas(),
    "everything": ChosenSchemas().allowing(CHANGEABLE),
    "nothing more than must be": ChosenSchemas().denying(CHANGEABLE),
    **{f"all but {name}": ChosenSchemas().allowing(CHANGEABLE).denying([name]) for name in CHANGEABLE},
}


def had(chosen: ChosenSchemas) -> set[str]:
    """The types and extensions that a tenant with this choice has."""
    names = {name for name in (*TYPES, *EXTENSIONS) if chosen.has(name, by_default=name not in OFF_BY_DEFAULT)}
    return {name for name in names if EXTENSIONS.get(name, name) in names}


def files_of(folder: Path, names: set[str], *, marked: bool) -> None:
    """The folder has the files of these types and extensions; what is off by default is marked so, or is on."""
    for place in ("schemas", "resource-types"):
        (folder / place).mkdir(parents=True)
    used = names | {TYPES[name] for name in names & TYPES.keys()}
    for number, (name, content) in enumerate(FILES.items()):
        if name in used:
            place = "schemas" if ":" in name else "resource-types"
            said = {"id": name, **content} if marked else {"id": name, **content, "onByDefault": True}
            (folder / place / f"{number}.json").write_text(json.dumps(said))


@dataclass(frozen=True)
class Sent:
    method: str
    path: str
    body: Any = None


@dataclass
class Side:
    """One of the two deployments, with one tenant; each request goes to the resources that this side has."""

    service: Service
    tokens: dict[str, str | None] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def at(cls, folder: Path) -> "Side":
        key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
        side = cls(Service(settings(SCIM_SCHEMA_DIRECTORY=str(folder), SCIM_MASTER_KEY=key, **UNLIMITED)))
        service = side.service
        side.tokens["writes"] = (await service.tenant("A")).secret
        for access in (Access.READ, Access.FEED):
            made = await service.administration.create_credential("a", Wanted(CredentialKind.TOKEN, access=access))
            side.tokens[str(access)] = made.secret
        for access in (Access.READ, Access.FEED):
            made = await service.applications.create(Wanted(CredentialKind.TOKEN, str(access), access=access))
            side.tokens[f"application, {access}"] = made.secret
        return side

    async def send(self, sent: Sent, sender: str = "writes") -> ScimResponse:
        text = json.dumps([sent.path, sent.body])
        for name, resource_id in self.ids.items():
            text = text.replace(f"<{name}>", resource_id)
        path, body = json.loads(text)
        if sender.startswith("application"):
            path += f"{'&' if '?' in path else '?'}tenant=a"
        return await self.service.send(sent.method, path, self.tokens.get(sender), body)

    async def furnish(self, names: set[str]) -> None:
        """There is a resource of each of these types, with values of every extension."""
        for name in TYPES:
            if name not in names:
                self.ids[name] = "018f0000-0000-7000-8000-00000000dead"
                continue
            answer = await self.send(Sent("POST", f"/scim/v2/{name}s", body_of(name, "first")))
            assert answer.status == 201, answer
            self.ids[name] = document(answer)["id"]

    async def choose(self, chosen: ChosenSchemas) -> None:
        await self.service.administration.choose_schemas("a", "schemas test", lambda _: chosen)
        self.service.pass_time(61)


def body_of(name: str, text: str) -> dict[str, Any]:
    """A resource of this type, with values of every extension that there is, of other types too."""
    called = {"User": "userName", "Group": "displayName"}.get(name, "serial")
    return {"schemas": [TYPES[name], *EXTENSIONS], called: text, **VALUES}


def about(name: str) -> list[str]:
    """The extensions that requests to this type name: its own, and one of another type."""
    own = [urn for urn, of in EXTENSIONS.items() if of == name]
    return [*own, WARRANTY if name == "User" else DESK]


def filters(urns: Iterable[str]) -> Iterator[str]:
    for urn in urns:
        name = NAMES.get(urn, "until")
        yield f'{urn}:{name} eq "x"'
        yield f"{urn}:{name} pr"
        yield f'schemas eq "{urn}"'
        yield f"{name} pr"
    yield from (f'schemas eq "{urn}"' for urn in TYPES.values())
    yield from (f'meta.resourceType eq "{name}"' for name in TYPES)
    yield from (f'{urn}:serial eq "first"' for urn in TYPES.values())
    yield 'title eq "x" or userName pr'


NAMING = ("sortBy", "attributes", "excludedAttributes")


def queries(urns: Sequence[str]) -> Iterator[dict[str, str]]:
    yield {}
    yield {"startIndex": "2", "count": "1"}
    yield {"cursor": "", "count": "1"}
    yield from ({"filter": text} for text in filters(urns))
    for number, urn in enumerate(urns):
        for place, name in enumerate((f"{urn}:{NAMES.get(urn, 'until')}", NAMES.get(urn, "until"), urn)):
            yield {NAMING[(number + place) % len(NAMING)]: name}  # among the extensions, each form has been in each


def patches() -> Iterator[list[dict[str, Any]]]:
    for urn in EXTENSIONS:
        name, value = NAMES.get(urn, "until"), "y"
        yield [{"op": "add", "path": f"{urn}:{name}", "value": value}]
        yield [{"op": "replace", "path": name, "value": value}]
        yield [{"op": "remove", "path": f"{urn}:{name}"}]
        yield [{"op": "add", "path": urn, "value": {name: value}}]
        yield [{"op": "remove", "path": urn}]
        yield [{"op": "replace", "value": {urn: {name: value}, f"{urn}:{name}": value, name: value}}]
    yield [{"op": "replace", "path": "title", "value": "Boss"}]


def one_of_five[T](some: Iterable[T]) -> Iterator[T]:
    """So many are enough where all are sent in another way. Each extension and each form is among them."""
    return islice(some, 0, None, 5)


def reading() -> Iterator[Sent]:
    """Requests to every route that reads."""
    for name in TYPES:
        path, one = f"/scim/v2/{name}s", f"/scim/v2/{name}s/<{name}>"
        for query in queries(about(name)):
            yield Sent("GET", f"{path}?{urlencode(query)}" if query else path)
            if not query.keys() & {"filter", "sortBy", "cursor", "startIndex"}:
                yield Sent("GET", f"{one}?{urlencode(query)}" if query else one)
        yield Sent("POST", f"{path}/.search", {"schemas": [SEARCH_REQUEST], **query})
        yield Sent("HEAD", path)
    yield from (
        Sent("POST", "/scim/v2/.search", {"schemas": [SEARCH_REQUEST], **query})
        for query in one_of_five(queries([*EXTENSIONS]))
    )
    yield Sent("GET", "/scim/v2/Me")


def discovering() -> Iterator[Sent]:
    """Requests to every route that needs no credential and depends on it, and with methods that a path has not."""
    yield from (Sent("GET", f"/scim/v2/{name}") for name in ("Schemas", "ResourceTypes", "ServiceProviderConfig"))
    yield from (Sent("GET", f"/scim/v2/Schemas/{quote(urn)}") for urn in (*TYPES.values(), *EXTENSIONS))
    for name in TYPES:
        yield Sent("GET", f"/scim/v2/ResourceTypes/{name}")
        for path in (f"/scim/v2/{name}s", f"/scim/v2/{name}s/.search", f"/scim/v2/{name}s/<{name}>"):
            yield Sent("OPTIONS", path)
            yield Sent("BREW", path)
        yield Sent("PUT", f"/scim/v2/{name}s")
        yield Sent("POST", f"/scim/v2/{name}s/<{name}>")


def changing() -> Iterator[Sent]:
    """Requests to every route that changes something. Each resource is deleted last."""
    for name in TYPES:
        path, one = f"/scim/v2/{name}s", f"/scim/v2/{name}s/<{name}>"
        yield Sent("POST", path, body_of(name, "second"))
        yield Sent("PUT", one, body_of(name, "third"))
        yield Sent("PUT", one, {"schemas": [DEVICE], "displayName": "fourth", "userName": "fourth", "serial": "fourth"})
        for operations in patches():
            yield Sent("PATCH", one, {"schemas": [PATCH_OP], "Operations": operations})
        yield Sent("PUT", f"{one}?{urlencode({'attributes': DESK})}", body_of(name, "fifth"))
    yield Sent("POST", "/scim/v2/Bulk", {"Operations": list(operations_of_a_bulk())})
    yield from (Sent("DELETE", f"/scim/v2/{name}s/<{name}>") for name in TYPES)


def operations_of_a_bulk() -> Iterator[dict[str, Any]]:
    for name in TYPES:
        yield {"method": "POST", "path": f"/{name}s", "bulkId": f"new{name}", "data": body_of(name, "of a bulk")}
        yield {"method": "PATCH", "path": f"/{name}s/bulkId:new{name}", "data": [{"op": "remove", "path": "title"}]}
        for operations in one_of_five(patches()):
            yield {"method": "PATCH", "path": f"/{name}s/<{name}>", "data": {"Operations": operations}}
        yield {"method": "DELETE", "path": f"/{name}s/bulkId:new{name}"}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the deployment that has all files."""
    folder = tmp_path_factory.mktemp("all")
    files_of(folder, {*TYPES, *EXTENSIONS}, marked=True)
    return folder


@pytest.fixture(scope="module", params=CHOICES)
def choice(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Choice":
    """What a tenant chose, and the files of a deployment that has nothing else."""
    chosen = CHOICES[request.param]
    names, folder = had(chosen), tmp_path_factory.mktemp("few")
    files_of(folder, names, marked=False)
    built_in = folder / "built in"
    shutil.copytree(schemas_module.DEFINITIONS, built_in)
    for file in (built_in / "schemas").iterdir():
        urn = json.loads(file.read_text())["id"]
        if urn in EXTENSIONS and urn not in names:
            file.unlink()
    return Choice(chosen, names, folder, built_in, one_is_hidden=request.param.startswith("all but"))


@pytest.fixture
async def sides(everything: Path, choice: "Choice", monkeypatch: pytest.MonkeyPatch) -> "Sides":
    """The deployment that has everything, whose tenant had everything first; and the one that has the tenant's only."""
    all_side = await Side.at(everything)
    await all_side.choose(ChosenSchemas().allowing(CHANGEABLE))
    await all_side.furnish({*TYPES})
    await all_side.choose(choice.chosen)
    monkeypatch.setattr(schemas_module, "DEFINITIONS", choice.built_in)
    few_side = await Side.at(choice.folder)
    few_side.service.pass_time(122)
    await few_side.furnish(choice.names)
    return Sides(all_side, few_side, choice)


_CURSOR = re.compile(r'(?<="nextCursor":)"[^"]+"')


def likeness(answer: ScimResponse) -> tuple[int, dict[str, str], str]:
    """The answer without what is new in each one. A cursor is sealed with chance."""
    status, headers, text = likeness_of_text(answer)
    return status, headers, _CURSOR.sub("CURSOR", text)


@dataclass(frozen=True)
class Choice:
    """What a tenant chose, the names of what it has then, and the files of those alone."""

    chosen: ChosenSchemas
    names: set[str]
    folder: Path
    built_in: Path
    one_is_hidden: bool

    def concerns(self, sent: Sent) -> bool:
        """Whether this choice sends it. Where one is hidden, what names another one alone is for other choices."""
        hidden = {*TYPES, *EXTENSIONS} - self.names
        text = unquote(sent.path) + json.dumps(sent.body)
        named = {urn for urn in EXTENSIONS if urn in text}
        to_hidden = any(f"/{name}s" in sent.path for name in hidden)
        return not self.one_is_hidden or len(named) != 1 or bool(named & hidden) or to_hidden


@dataclass
class Sides:
    all: Side
    few: Side
    choice: Choice

    @property
    def names(self) -> set[str]:
        return self.choice.names

    async def alike(self, sent: Sent, sender: str = "writes") -> ScimResponse:
        """The answer, which is that of the deployment that has only what the tenant has."""
        first, second = await self.all.send(sent, sender), await self.few.send(sent, sender)
        assert likeness(first) == likeness(second), (sender, sent)
        assert first.status < 500 or first.status == 501
        return first


def test_the_requests_go_to_every_route_below_the_base() -> None:
    sent = {(item.method, item.path.split("?")[0].count("/")) for item in (*reading(), *discovering(), *changing())}
    for route in ROUTES:
        if route.handler != "me":
            assert (route.method, len(route.segments) + 2) in sent
    assert {route.handler for route in ROUTES if route.anonymous} == {*DISCOVERY, "service_provider_config"}


async def test_reading_shows_what_the_tenant_has(sides: Sides) -> None:
    for sent in filter(sides.choice.concerns, (*reading(), *discovering())):
        await sides.alike(sent)
    for sender in ("read", "feed", "application, read"):
        for sent in (*discovering(), *(Sent("GET", f"/scim/v2/{name}s/<{name}>") for name in TYPES)):
            await sides.alike(sent, sender)


async def test_changes_see_what_the_tenant_has_and_lose_nothing_of_the_rest(sides: Sides) -> None:
    for sent in filter(sides.choice.concerns, changing()):
        if sent.method != "DELETE":
            await sides.alike(sent)
    await sides.alike(Sent("POST", "/scim/v2/.search", {"schemas": [SEARCH_REQUEST]}))
    await sides.all.choose(ChosenSchemas().allowing(CHANGEABLE))
    for name in TYPES:
        shown = document(await sides.all.send(Sent("GET", f"/scim/v2/{name}s/<{name}>")))
        for urn in {urn for urn, of in EXTENSIONS.items() if of == name} - sides.names:
            assert urn in shown["schemas"]
            assert {key: value for key, value in shown[urn].items() if key in VALUES[urn]}.keys() == VALUES[urn].keys()
        if name not in sides.names:
            assert shown["serial"] == "first"


async def test_deletions_and_refusals_are_those_of_what_the_tenant_has(sides: Sides) -> None:
    for sent in changing():
        if sent.method in ("DELETE", "POST"):
            await sides.alike(sent)
            for sender in ("read", "feed"):
                assert (await sides.alike(sent, sender)).status in (403, 404)


async def test_a_member_of_a_type_that_the_tenant_has_not_is_shown_by_its_id_alone(tmp_path: Path) -> None:
    files_of(tmp_path, {*TYPES, *EXTENSIONS}, marked=True)
    side = await Side.at(tmp_path)
    await side.choose(ChosenSchemas().allowing(CHANGEABLE))
    await side.furnish({*TYPES})
    group = "/scim/v2/Groups/<Group>"
    joining = {"op": "add", "path": "members", "value": [{"value": "<Badge>"}, {"value": "<User>"}]}
    assert (await side.send(Sent("PATCH", group, {"Operations": [joining]}))).status in {200, 204}
    await side.choose(ChosenSchemas().denying(CHANGEABLE))
    badge = side.ids["Badge"]
    for query in ("", "?attributes=members", "?excludedAttributes=displayName"):
        members = document(await side.send(Sent("GET", group + query)))["members"]
        assert [sorted(item) for item in members if item["value"] != badge] == [["$ref", "type", "value"]]
        assert [item for item in members if item["value"] == badge] == [{"value": badge}]
    types = document(await side.send(Sent("GET", f"{group}?attributes=members.type")))["members"]
    assert {"type": "User"} in types
    assert "Badge" not in json.dumps(types)
    for text, total in (
        ('members.type eq "Badge"', 0),
        ('members.type eq "User"', 1),
        (f'members.value eq "{badge}"', 1),
    ):
        found = document(await side.send(Sent("GET", f"/scim/v2/Groups?filter={quote(text)}")))
        assert (text, found["totalResults"]) == (text, total)
    of_type = {"op": "remove", "path": 'members[type eq "Badge"]'}
    await side.send(Sent("PATCH", group, {"Operations": [of_type]}))
    shown = document(await side.send(Sent("GET", group)))
    assert len(shown["members"]) == 2
    answer = await side.send(Sent("PUT", group, shown))
    assert (answer.status, document(answer)["members"]) == (200, shown["members"])
    leaving = {"op": "remove", "path": f'members[value eq "{badge}"]'}
    assert (await side.send(Sent("PATCH", group, {"Operations": [leaving]}))).status in {200, 204}
    assert len(document(await side.send(Sent("GET", group)))["members"]) == 1


async def test_the_log_is_the_vendors_and_names_what_the_tenant_has_no_more_but_opens_for_no_customer(
    tmp_path: Path,
) -> None:
    files_of(tmp_path, {*TYPES, *EXTENSIONS}, marked=True)
    side = await Side.at(tmp_path)
    await side.choose(ChosenSchemas().allowing(CHANGEABLE))
    await side.furnish({*TYPES})
    await side.choose(ChosenSchemas().denying(CHANGEABLE))
    answer = await side.send(Sent("GET", "/feed/v1/changes"), "feed")
    assert (answer.status, SECRET.encode() in answer.body) == (200, False)
    for path in ("/log/v1/entries", "/log/v1/entries?resource=<User>", "/log/v1/timeline?id=<User>"):
        for sender in side.tokens:
            answer = await side.send(Sent("GET", path), sender)
            assert (answer.status == 200, f"{SECRET}:codename".encode() in answer.body) == (
                (True, True) if sender == "application, read" else (False, False)
            )


async def test_the_feed_and_its_snapshot_show_what_the_tenant_has(sides: Sides) -> None:
    snapshots = []
    for side in (sides.all, sides.few):
        answer = await side.send(Sent("GET", "/feed/v1/snapshot"), "feed")
        of_application = await side.send(Sent("GET", "/feed/v1/snapshot"), "application, feed")
        assert document(of_application)["resources"] == document(answer)["resources"]
        snapshots.append(likeness_of_text(answer)[2].partition('"next"')[0])
    assert snapshots[0] == snapshots[1]
    entries = [
        document(await side.send(Sent("GET", "/feed/v1/changes"), "feed"))["entries"] for side in (sides.all, sides.few)
    ]
    hidden = [item for item in entries[0] if item["type"] not in sides.names]
    assert all(item["omitted"] and item["attributes"] == [] and "resource" not in item for item in hidden)
    shown = [[without_numbers(item) for item in some if item["type"] in sides.names] for some in entries]
    assert shown[0] == shown[1]


def without_numbers(entry: dict[str, Any]) -> Any:
    new = {name: value for name, value in entry.items() if name != "number"}
    return likeness_of_text(ScimResponse(200, {}, json.dumps(new).encode()))


async def test_without_a_credential_discovery_shows_what_is_on_by_default(everything: Path) -> None:
    side = await Side.at(everything)
    await side.choose(ChosenSchemas().allowing(CHANGEABLE).denying([DESK]))
    for sender in ("nobody", "application, read", "application, feed"):
        token = side.tokens.get(sender)
        shown = document(await side.service.send("GET", "/scim/v2/Schemas", token))["Resources"]
        assert {item["id"] for item in shown} == {USER, GROUP, DEVICE, ENTERPRISE, GLOBAL_RELAY, DESK, SITE}
    assert (await side.service.send("OPTIONS", "/scim/v2/Badges")).status == 404
    assert (await side.service.send("OPTIONS", "/scim/v2/Badges", side.tokens["writes"])).status == 204
    assert (await side.service.send("GET", "/scim/v2/Badges")).status == 401
    assert HOST in (await side.service.send("GET", "/scim/v2/Badges")).headers["WWW-Authenticate"]
