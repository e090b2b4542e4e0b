"""Some customers with a past, in memory, and the console that shows them. The same each time."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import scim_core
from scim_core import ScimRequest
from scim_core.access.credential_plans import Wanted
from scim_core.admin.console_server import ConsoleServer
from scim_core.clock import instant_text
from scim_core.console.console import Console
from scim_core.console.deeds import Deeds
from scim_core.console.reading import Reading
from scim_core.console.visitors import Door, Visitor, VisitorRole, actor_of
from scim_core.protocol.schemas import load_catalogue
from scim_core.registry import Access, CredentialKind
from scim_core.storage.hook_port import ALL_TENANTS, DeadBatch, Hook, HookCursor, Stream
from scim_core.storage.tables import TableRegistry, TableStorage
from tests.memory_rows import MemoryRows
from tests.scim import PATCH_OP, Clock, add, remove, replace
from tests.tenancy import HOST, administration_of, settings

CATALOGUE = load_catalogue()
ABSENT = "0199aaaa-0000-7000-8000-0000000000ff"
BEGIN = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
FIRST_NAMES = ("amara", "bruno", "chen", "dana", "emil", "farah", "goran", "hana")
LAST_NAMES = ("berg", "costa", "dubois", "evans")
PASSWORD = "correct-horse-battery-staple"  # a value that no page may show
OPERATOR = Visitor(
    "ann@vendor.example", VisitorRole.OPERATOR, actor_of("oid=1 tid=2", "ann@vendor.example"), b"of the operator"
)
VIEWER = Visitor(
    "vic@vendor.example", VisitorRole.VIEWER, actor_of("oid=3 tid=2", "vic@vendor.example"), b"of the viewer"
)

type Json = dict[str, Any]


async def no_pause(seconds: float) -> None:
    """Nobody waits in tests."""


@dataclass
class World:
    """Storage, registry and the SCIM endpoint over the same rows, with one clock."""

    clock: Clock = field(default_factory=lambda: Clock(BEGIN))
    tokens: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    answers: list[Json] = field(default_factory=list)

    rows: MemoryRows = field(default_factory=MemoryRows)
    schemas: Path | None = None

    def __post_init__(self) -> None:
        self.storage = TableStorage(self.rows, self.clock)
        self.registry = TableRegistry(self.rows)
        self.catalogue = load_catalogue(self.schemas) if self.schemas else CATALOGUE
        self.restart()

    def restart(self) -> None:
        """The process of the SCIM endpoint is another one, which remembers nothing."""
        self.endpoint = scim_core.build(
            settings(SCIM_TENANT_REQUESTS_PER_SECOND="1000000", SCIM_SCHEMA_DIRECTORY=str(self.schemas or "")),
            self.storage,
            self.clock,
            self.registry,
            relays=True,
        )

    @property
    def administration(self) -> Any:
        return administration_of(self.registry, self.clock, no_pause)

    async def customer(self, name: str, label: str = "Entra ID", **wanted: Any) -> str:
        """A customer with a token."""
        tenant = await self.administration.create_tenant(name)
        await self.token(tenant.id, label, **wanted)
        return str(tenant.id)

    async def token(self, tenant: str, label: str, **wanted: Any) -> str:
        """One more token of the customer; requests use the newest that may write."""
        kind = wanted.pop("kind", CredentialKind.TOKEN)
        issued = await self.administration.create_credential(tenant, Wanted(kind, label=label, **wanted))
        if kind is CredentialKind.TOKEN and wanted.get("access", Access.WRITE) is Access.WRITE:
            self.tokens[tenant] = issued.secret
        return str(issued.credential.id)

    async def send(self, tenant: str, method: str, path: str, body: Any = None) -> Json:
        """The answer of the SCIM endpoint, three seconds later."""
        self.clock.advance(seconds=3)
        headers = {"authorization": f"Bearer {self.tokens[tenant]}", "content-type": "application/scim+json"}
        headers["x-forwarded-for"] = "20.190.160.17:40000"
        content = b"" if body is None else json.dumps(body).encode()
        answer = await self.endpoint.handle(ScimRequest(method, f"/scim/v2/{path}", "", headers, content, HOST))
        found: Json = json.loads(answer.body) if answer.body else {}
        self.answers.append(found)
        return found

    async def user(self, tenant: str, name: str, **more: Any) -> str:
        """The id of a new user."""
        made = await self.send(tenant, "POST", "Users", {"userName": name, **more})
        self.ids[name] = made["id"]
        return str(made["id"])

    async def group(self, tenant: str, name: str, *members: str) -> str:
        """The id of a new group."""
        body = {"displayName": name, "members": [{"value": item} for item in members]}
        made = await self.send(tenant, "POST", "Groups", body)
        self.ids[name] = made["id"]
        return str(made["id"])

    async def patch(self, tenant: str, path: str, *operations: Json) -> Json:
        """The answer to a PATCH."""
        return await self.send(tenant, "PATCH", path, {"schemas": [PATCH_OP], "Operations": operations})

    def until(self, *, days: float = 0, hours: float = 0, minutes: float = 0) -> None:
        """It is so long before NOW."""
        self.clock.now = NOW - timedelta(days=days, hours=hours, minutes=minutes)

    async def settle(self) -> None:
        """What runs after the answers has ended."""
        assert self.endpoint._attempts is not None
        assert self.endpoint._kicks is not None
        await self.endpoint._attempts.idle()
        await self.endpoint._kicks.idle()

    def console(self, door: Door, *, acts: bool = True) -> Console:
        """The console over these rows."""
        reading = Reading(self.storage, self.registry, self.catalogue, self.clock)
        deeds = Deeds(self.storage, self.registry, self.catalogue, self.clock, no_pause, base_url=HOST)
        return Console(reading, deeds, door, self.clock, acts=acts)

    def served(self, visitor: Visitor) -> ConsoleServer:
        """The console on loopback, for this visitor's browser."""
        return ConsoleServer(visitor, self.console)


@dataclass(frozen=True)
class OpenDoor:
    """A door that lets everybody in as this visitor."""

    visitor: Visitor
    sign_in: str = ""

    async def admit(self, request: ScimRequest) -> Visitor:  # noqa: ARG002 -- as Door.admit
        return self.visitor


_made: list[World] = []


async def some_customers() -> World:
    """The customers below, in rows of their own. They are made once for all tests."""
    if not _made:
        _made.append(await made_customers())
    [made] = _made
    return World(Clock(NOW), dict(made.tokens), dict(made.ids), [], made.rows.copy())


async def made_customers() -> World:
    """Contoso, with the stories of support; Fabrikam, whom hooks and credentials trouble; Northwind, who is new."""
    world = World()
    contoso = await world.customer("Contoso Ltd", "Entra ID, production", days=400)
    fabrikam = await world.customer("Fabrikam Inc.", "Okta", days=30)
    await world.customer("Northwind Traders", "Entra ID", days=90)
    await world.token(fabrikam, "Warehouse sync", access=Access.FEED, days=200)
    retired = await world.token(fabrikam, "Entra ID, pilot", days=300, access=Access.READ)
    world.clock.advance(days=1)
    await world.administration.revoke(fabrikam, retired)
    await _past_of_contoso(world, contoso)
    await _past_of_fabrikam(world, fabrikam)
    await world.settle()
    await _hooks(world, contoso, fabrikam)
    await _mass_change(world)
    world.clock.now = NOW
    return world


async def _past_of_contoso(world: World, tenant: str) -> None:
    world.until(days=24)
    ann = await world.user(
        tenant,
        "ann.jensen@contoso.example",
        displayName="Ann Jensen",
        externalId="E-1007",
        password=PASSWORD,
        emails=[{"value": "ann.jensen@contoso.example", "type": "work"}],
    )
    bob = await world.user(tenant, "bob.okafor@contoso.example", displayName="Bob Okafor", externalId="E-1008")
    eva = await world.user(tenant, "eva.lindqvist@contoso.example", displayName="Eva Lindqvist", externalId="E-1009")
    world.until(days=20, hours=3)
    sales = await world.group(tenant, "Sales Europe", ann, bob)
    everyone = await world.group(tenant, "All employees", ann, bob, eva)
    world.until(days=9, hours=2)
    await world.patch(
        tenant, f"Users/{ann}", replace("title", "Head of Sales"), replace("displayName", "Ann Jensen-Roy")
    )
    world.until(days=6, hours=5)
    await world.patch(tenant, f"Groups/{sales}", add("members", [{"value": eva}]), remove(f'members[value eq "{bob}"]'))
    await world.patch(tenant, f"Groups/{sales}", add("members", [{"value": ABSENT}]))
    world.until(days=3, hours=1)
    await world.send(tenant, "DELETE", f"Users/{bob}")
    world.until(days=1, hours=2)
    await world.send(
        tenant,
        "PUT",
        f"Users/{ann}",
        {
            "userName": "ann.jensen@contoso.example",
            "displayName": "Ann Jensen-Roy",
            "externalId": "E-1007",
            "title": "Head of Sales",
            "active": True,
            "accountEnabled": False,
            "emails": [{"value": "ann.jensen@contoso.example", "type": "work"}],
        },
    )
    world.until(hours=5)
    for number in range(3):
        await world.send(
            tenant, "POST", "Users", {"userName": f"new{number}@contoso.example", "wrkEmail": "x@y.example"}
        )
    world.until(hours=2)
    await world.patch(tenant, f"Users/{eva}", replace("active", value=False))
    world.until(minutes=40)
    await world.send(tenant, "POST", "Users", {"userName": "Ann.Jensen@contoso.example", "externalId": "E-2201"})
    world.until(minutes=39)
    await world.send(tenant, "POST", "Users", {"userName": "zoe.marsh@contoso.example", "active": "perhaps"})
    world.until(minutes=2)
    await world.patch(tenant, f"Groups/{everyone}", remove(f'members[value eq "{eva}"]'))
    await world.patch(tenant, f"Users/{eva}", replace("active", value=True))


async def _past_of_fabrikam(world: World, tenant: str) -> None:
    world.until(days=8)
    for number in range(1, 8):
        await world.user(tenant, f"user{number}@fabrikam.example", displayName=f"User {number}")
    world.until(days=4)
    for number in range(4):
        await world.send(tenant, "POST", "Users", {"userName": f"user{number + 1}@fabrikam.example"})


async def _mass_change(world: World) -> None:
    """Tailspin has hold, and its identity provider has a wrong scope since twenty minutes."""
    world.until(days=2)
    tenant = await world.customer("Tailspin Toys", "Entra ID", days=300)
    [credential] = (await world.administration.tenant(tenant)).credentials
    world.ids["Tailspin's Entra ID"] = str(credential.id)
    entra = world.tokens[tenant]
    await world.token(tenant, "HR import", days=300)
    hr = world.tokens[tenant]
    world.tokens[tenant] = entra
    await world.administration.change_tenant(tenant, hold=True)
    names = [
        f"{first}.{last}@tailspin.example" for first in FIRST_NAMES for last in ("berg", "costa", "dubois", "evans")
    ]
    people = [await world.user(tenant, name, displayName=name.partition("@")[0]) for name in names]
    await world.group(tenant, "Warehouse", *people[:9])
    await world.group(tenant, "Assembly", *people[4:20])
    world.until(minutes=20)
    for person in people[:5]:
        await world.send(tenant, "DELETE", f"Users/{person}")
    for person in people[5:22]:
        await world.patch(tenant, f"Users/{person}", replace("active", value=False))
        await world.settle()
    for person in people[22:26]:
        await world.patch(tenant, f"Users/{person}", replace("active", value=False))
    world.tokens[tenant] = hr
    await world.patch(tenant, f"Users/{people[6]}", replace("title", "Foreman"))
    await world.settle()


async def _hooks(world: World, contoso: str, fabrikam: str) -> None:
    good = Hook("5f2c9a70b1d3", "https://hr.vendor.example/scim-events", ALL_TENANTS, HOST, instant_text(BEGIN))
    bad = Hook("a81e07c64f22", "https://fabrikam.vendor.example/in?code=s3cret", fabrikam, HOST, instant_text(BEGIN))
    for hook in (good, bad):
        await world.storage.save_hook(hook)
    world.until(minutes=1)
    at = instant_text(world.clock.now)
    for tenant in (contoso, fabrikam):
        head = await world.storage.feed_head(tenant)
        last = head.next - 1
        cursor = HookCursor(head.epoch, last, outcome="200", time=at)
        await world.storage.save_hook_cursor(tenant, good.id, Stream.EVENTS, cursor)
        if tenant == fabrikam:
            dead = DeadBatch(head.epoch, 2, 4, instant_text(NOW - timedelta(days=1)), "503 Service Unavailable")
            late = HookCursor(
                head.epoch,
                4,
                last=last,
                webhook_id="msg_1",
                attempts=3,
                outcome="timeout",
                time=at,
                due=instant_text(NOW + timedelta(minutes=12)),
            )
            await world.storage.save_hook_cursor(tenant, bad.id, Stream.EVENTS, late, dead)
