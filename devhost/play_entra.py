"""`python -m devhost.play_entra`: plays Entra against a running endpoint, with all four kinds of credentials.

`python -m scim_core.admin` does the operator's part. This program knows only what that prints for Entra's Connectivity
page. Then it does what Entra does: Test Connection, and the life of a user and a group.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import aiohttp

from devhost.authority import Authority
from devhost.errors import DevhostError
from devhost.run import DEFAULT_PORT
from scim_core.access.oauth.token_request import ASSERTION_TYPE

KINDS = ("token", "secret", "federation", "entra")
DEFAULT_AUTHORITY_PORT = 7072
WORKLOAD_IDENTITY = "b5ba7a93-4452-4522-aeb4-a2b5da870c16"
SUBJECT = "d2f8ee76-c549-45b8-a143-f5b640669704"
CUSTOM_APPLICATIONS = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"

_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer of the service: its Entra tenant, and the fields of its Connectivity page."""

    id: str
    kind: str
    entra_tenant: str
    pasted: dict[str, str]

    @property
    def scim_url(self) -> str:
        """The Tenant URL. The page has two names for it."""
        return self.pasted.get("Tenant URL") or self.pasted["SCIM URL"]


async def onboarded(kind: str, url: str) -> Customer:
    """A new customer with a credential of this kind. `url` is scheme and host of the service."""
    entra_tenant, name = str(uuid4()), f"play-{kind}-{secrets.token_hex(4)}"
    pinned = {
        "federation": ["--subject", SUBJECT, "--audience", WORKLOAD_IDENTITY],
        "entra": [],
    }
    entra = ["--entra-tenant", entra_tenant, *pinned[kind]] if kind in pinned else []
    created = await administer("--url", url, "tenants", "create", name, "--kind", kind, *entra)
    return Customer(created["tenant"], kind, entra_tenant, created["connectivity"])


async def administer(*arguments: str) -> Any:
    """What the administration prints. If it fails, raises DevhostError with its sentence."""
    command = [sys.executable, "-m", "scim_core.admin", "--json", *arguments]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=os.environ)
    said, complaint = await process.communicate()
    if process.returncode:
        raise DevhostError(complaint.decode().strip().splitlines()[-1])
    return json.loads(said)


class Entra:
    """The provisioning service of one customer. `tell` gets a line for each exchange."""

    def __init__(self, http: aiohttp.ClientSession, customer: Customer, authority: Authority, *, quiet: bool) -> None:
        self._http = http
        self._customer = customer
        self._authority = authority
        self._quiet = quiet
        self._bearer = ""

    async def bearer(self) -> str:
        """The bearer token for the next requests, obtained as the Connectivity page says."""
        pasted = self._customer.pasted
        match self._customer.kind:
            case "token":
                return pasted["Secret Token"]
            case "entra":
                return self._authority.request_token(self._customer.entra_tenant, CUSTOM_APPLICATIONS)
            case "secret":
                return await self._access_token(
                    pasted["OAuth token endpoint"],
                    {"scope": pasted["OAuth 2.0 scopes"]},
                    Authorization=aiohttp.encode_basic_auth(pasted["Client ID"], pasted["Client secret"]),
                )
        assertion = self._authority.assertion(self._customer.entra_tenant, SUBJECT, WORKLOAD_IDENTITY)
        proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        return await self._access_token(
            pasted["Token URL"], {"client_id": pasted["Client ID"], **proof, "scope": "scim"}
        )

    async def play(self) -> None:
        """Test Connection, then a user and a group are provisioned and removed. Raises DevhostError."""
        self._bearer = await self.bearer()
        name = f"ada-{secrets.token_hex(4)}@contoso.com"
        await self._scim("GET", f"/Users?{_equal('userName', str(uuid4()))}", 200)
        await self._scim("GET", f"/Users?{_equal('userName', name)}", 200)
        user = await self._scim("POST", "/Users", 201, _new_user(name))
        await self._scim("GET", f"/Groups?excludedAttributes=members&{_equal('displayName', name)}", 200)
        group = await self._scim("POST", "/Groups", 201, {"schemas": [_GROUP], "displayName": name, "members": []})
        member = [{"$ref": None, "value": user["id"]}]
        await self._patch(f"/Groups/{group['id']}", 204, "Add", "members", member)
        await self._patch(f"/Users/{user['id']}", 200, "Replace", 'emails[type eq "work"].value', f"new-{name}")
        await self._patch(f"/Users/{user['id']}", 200, "Replace", "active", "False")
        await self._scim("DELETE", f"/Groups/{group['id']}", 204)
        await self._scim("DELETE", f"/Users/{user['id']}", 204)

    async def _patch(self, path: str, status: int, op: str, target: str, value: Any) -> None:
        operation = {"op": op, "path": target, "value": value}
        await self._scim("PATCH", path, status, {"schemas": [_PATCH], "Operations": [operation]})

    async def _scim(self, method: str, path: str, status: int, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self._bearer}"}
        if body is not None:
            headers["Content-Type"] = "application/scim+json; charset=utf-8"
        content = None if body is None else json.dumps(body).encode()
        url = self._customer.scim_url + path
        return await self._send(method, url, status, headers=headers, data=content)

    async def _access_token(self, url: str, fields: dict[str, str], **headers: str) -> str:
        form = {"grant_type": "client_credentials", **fields}
        return str((await self._send("POST", url, 200, data=form, headers=headers))["access_token"])

    async def _send(self, method: str, url: str, status: int, **options: Any) -> Any:
        async with self._http.request(method, url, allow_redirects=False, **options) as response:
            text = await response.text()
            if not self._quiet:
                print(f"  {method:6} {urlsplit(url).path} -> {response.status}")
            if response.status != status:
                raise DevhostError(
                    f"{method} {urlsplit(url).path} answered {response.status}, not {status}: {text[:500]}"
                )
            return json.loads(text) if text else None


async def play(kinds: list[str], url: str, authority: Authority, *, quiet: bool = False) -> list[Customer]:
    """Plays each kind, with one customer each. Returns the customers. Raises DevhostError."""
    customers = []
    async with aiohttp.ClientSession() as http:
        for kind in kinds:
            customer = await onboarded(kind, url)
            customers.append(customer)
            if not quiet:
                print(f"\n{customer.kind}, customer {customer.id}. Pasted into the Connectivity page:\n")
                print("\n".join(f"  {name:24}  {value}" for name, value in customer.pasted.items()), end="\n\n")
            await Entra(http, customer, authority, quiet=quiet).play()
    return customers


def main() -> int:
    """The exit code: 0 when all went as Entra expects, 1 with a sentence when not."""
    parser = argparse.ArgumentParser(prog="python -m devhost.play_entra", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"any of {', '.join(KINDS)} (default: all)")
    usual = f"http://localhost:{os.environ.get('PORT') or DEFAULT_PORT}"
    parser.add_argument("--url", default=usual, help="scheme and host of the service (default: %(default)s)")
    parser.add_argument(
        "--authority-port", type=int, default=DEFAULT_AUTHORITY_PORT, help="the port that serves the keys"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.kinds) - set(KINDS):
        parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(KINDS)}")
    os.environ.setdefault("SCIM_STORAGE_CONNECTION", "UseDevelopmentStorage=true")
    try:
        asyncio.run(_play_alone(arguments.kinds or list(KINDS), arguments.url, arguments.authority_port))
    except aiohttp.ClientConnectionError as error:
        hint = "start `make run` with TENANTS=registry, or say with --url or PORT where it is"
        print(f"devhost.play_entra: nothing answers at {arguments.url} ({error}): {hint}.", file=sys.stderr)
        return 1
    except (DevhostError, aiohttp.ClientError, OSError) as error:
        print(f"devhost.play_entra: {error}", file=sys.stderr)
        return 1
    return 0


async def _play_alone(kinds: list[str], url: str, port: int) -> None:
    authority = await Authority().start(port)
    try:
        customers = await play(kinds, url, authority)
    finally:
        await authority.stop()
    print("\nAll went as Entra expects. `python -m scim_core.admin tenants delete` removes the customers again:")
    print("\n".join(f"  {customer.id}" for customer in customers))


def _equal(attribute: str, value: str) -> str:
    return f"filter={quote(f'{attribute} eq "{value}"', safe='')}"


def _new_user(name: str) -> dict[str, Any]:
    return {
        "schemas": [_USER, _ENTERPRISE],
        "externalId": str(uuid4()),
        "userName": name,
        "active": True,
        "emails": [{"primary": True, "type": "work", "value": name}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Ada"},
        "roles": [],
    }


if __name__ == "__main__":
    sys.exit(main())
