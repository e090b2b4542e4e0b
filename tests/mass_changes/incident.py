"""A customer whose wrong scope takes many users away by one credential, while another one makes honest changes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import scim_core
from scim_core.access.credential_plans import Issued
from scim_core.clock import instant_text
from scim_core.model import GROUP
from scim_core.registry import CredentialKind
from scim_core.storage.tables import TableRegistry, TableStorage, keys
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.rows import Rows
from tests.feed.copying import CATALOGUE
from tests.memory_rows import MemoryRows
from tests.scim import PATCH_OP, UNLIMITED, Clock, Json, references, replace
from tests.tenancy import Service, document, settings

TENANT = "contoso"
LATER = datetime(2026, 11, 28, tzinfo=UTC)
"""When the commands of an operator run: days after the mistake."""


@dataclass
class Company:
    """A service with one customer and its two credentials, over rows that can be copied."""

    rows: MemoryRows = field(default_factory=MemoryRows)
    environment: dict[str, str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self.clock = Clock()
        self.storage = TableStorage(self.rows, self.clock)
        self.service = Service(
            settings(**UNLIMITED | self.environment), self.storage, TableRegistry(self.rows), self.clock
        )
        self.sync = await self.service.tenant("Contoso", label="sync")
        self.honest = await self.service.credential(TENANT, CredentialKind.TOKEN, label="honest")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    async def asked(self, by: Issued, method: str, path: str, body: Any = None) -> Any:
        """The answer's status, and its document."""
        answer = await self.service.send(method, f"/scim/v2{path}", by.secret, body)
        return answer.status, document(answer) if answer.body else None

    async def user(self, name: str, **attributes: Any) -> Json:
        status, user = await self.asked(self.honest, "POST", "/Users", {"userName": name, **attributes})
        assert status == 201, user
        created: Json = user
        return created

    async def group(self, name: str, *members: Json) -> Json:
        status, group = await self.asked(
            self.honest, "POST", "/Groups", {"displayName": name, "members": references(*members)}
        )
        assert status == 201, group
        created: Json = group
        return created

    async def patch(self, by: Issued, resource: Json, *operations: Json, url: str = "/Users") -> int:
        body = {"schemas": [PATCH_OP], "Operations": operations}
        status, _ = await self.asked(by, "PATCH", f"{url}/{resource['id']}", body)
        return int(status)

    async def deactivate(self, by: Issued, user: Json) -> int:
        return await self.patch(by, user, replace("active", value=False))

    async def delete(self, by: Issued, resource: Json, url: str = "/Users") -> int:
        status, _ = await self.asked(by, "DELETE", f"{url}/{resource['id']}")
        return int(status)

    def now(self) -> str:
        self.clock.advance(seconds=1)
        now = instant_text(self.clock())
        self.clock.advance(seconds=1)
        return now


class Relaying(Company):
    """The process relays after its answers, as a function app does."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.service.endpoint = scim_core.build(
            self.service.settings,
            self.storage,
            self.clock,
            registry=self.service.registry,
            timer=self.service.timer,
            relays=True,
        )
        return self

    async def idle(self) -> None:
        """What follows the answers is done: attempts are written, and changes are relayed."""
        assert self.service.endpoint._attempts is not None
        assert self.service.endpoint._kicks is not None
        await self.service.endpoint._attempts.idle()
        await self.service.endpoint._kicks.idle()

    async def people(self, number: int) -> list[Json]:
        return [await self.user(f"user{index}@example.com") for index in range(number)]


@dataclass(frozen=True)
class State:
    """The directory: documents and times of creation by type and id, and memberships."""

    resources: dict[tuple[str, str], tuple[str, Json]]
    memberships: set[tuple[str, str]]


async def state(rows: Rows, tenant: str = TENANT) -> State:
    storage = TableStorage(rows)
    resources: dict[tuple[str, str], tuple[str, Json]] = {}
    for resource_type in CATALOGUE:
        after: str | None = None
        while True:
            page = await storage.page(tenant, resource_type.name, after=after, limit=999)
            resources |= {(item.resource_type, item.id): (item.created, item.document) for item in page.resources}
            after = page.last_id
            if after is None:
                break
    edges = await storage.memberships(tenant, after=None, limit=100_000)
    return State(resources, {(edge.group_id, edge.member_id) for edge in edges})


async def kept(rows: Rows, tenant: str = TENANT) -> list[Json]:
    """The rows that deletions have kept."""
    return [row.properties for row in await read_range(rows, tenant, keys.of_kind("gone"))]


def group_key(group: Json) -> tuple[str, str]:
    return GROUP, group["id"]
