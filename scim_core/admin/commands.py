"""The commands on tenants and credentials: each calls the administration and prints the result."""

import json
from argparse import Namespace
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from scim_core.access import connectivity
from scim_core.access.administration import Administration
from scim_core.access.credential_plans import MAX_KEEP_DAYS, Issued, Refused, Wanted
from scim_core.access.setup_plans import DEFAULT_LINK_DAYS, url_of
from scim_core.admin.arguments import USUAL
from scim_core.admin.presentation import (
    credential_json,
    credentials_table,
    shown_link,
    shown_state,
    tenant_json,
    tenants_table,
)
from scim_core.registry import Access, CredentialKind, GroupPatchAnswer, RegistryError, Tenant, TenantState

_STATES = {
    TenantState.ACTIVE: "Its requests are answered.",
    TenantState.SUSPENDED: "Its requests are answered with 403, everywhere within a minute.",
    TenantState.DELETING: "It is being deleted. `tenants delete` finishes that.",
}

_DELETED = (
    "Its row stays, so that the token of SCIM_TOKEN_SHA256 opens nothing. `tenants create --reopen` lets it in again."
)


class Commands:
    """Runs one command. `tell` prints a line of the result, `progress` a line about work that goes on."""

    def __init__(
        self,
        administration: Administration,
        arguments: Namespace,
        *,
        base_url: str | None,
        now: str,
        tell: Callable[[str], None],
        progress: Callable[[str], None],
    ) -> None:
        self._administration = administration
        self._arguments = arguments
        self._base_url = base_url
        self._now = now
        self._tell = tell
        self._progress = progress

    async def run(self) -> None:
        """The command is done, and its result is printed. Raises RegistryError, StorageError."""
        name = f"{self._arguments.command}_{self._arguments.action}".replace("-", "_")
        command: Callable[[], Any] = getattr(self, name)
        await command()

    async def tenants_create(self) -> None:
        """A tenant, and a first credential of it."""
        wanted = None if self._arguments.kind == "none" else self._wanted(CredentialKind(self._arguments.kind))
        if wanted is not None or self._arguments.setup_link:
            self._require_base_url()
        if wanted is not None:
            self._administration.require_possible(wanted)
        tenant = await self._administration.create_tenant(
            self._arguments.name, self._arguments.tenant, reopen=self._arguments.reopen
        )
        if wanted is None:
            url, told = await self._asked_link(tenant.id)
            said = f"Tenant {tenant.id} is created. It has no credential yet.{told}"
            self._print(tenant_json(tenant, self._now) | ({"setupLink": url} if url else {}), said)
            return
        try:
            issued = await self._administration.create_credential(tenant.id, wanted)
        except RegistryError as error:
            raise Refused(
                f"{error} The tenant {tenant.id} is created, without a credential: `credentials create` gives it one."
            ) from None
        self._print_issued(issued, f"Tenant {tenant.id} is created.", *await self._asked_link(tenant.id))

    async def tenants_setup_link(self) -> None:
        """A link that opens the setup page of the customer's administrator once."""
        self._require_base_url()
        url, said = await self._link(self._arguments.tenant, self._arguments.expires)
        self._print({"tenant": self._arguments.tenant, "setupLink": url}, said)

    async def tenants_revoke_setup_link(self) -> None:
        """The link, and the session that it was exchanged for, open nothing any more."""
        tenant = await self._administration.revoke_setup(self._arguments.tenant)
        said = f"The setup link of {tenant.id} opens nothing any more, and the page that it opened is closed."
        self._print(tenant_json(tenant, self._now), said)

    async def tenants_list(self) -> None:
        """All tenants."""
        tenants = await self._administration.tenants()
        self._print([tenant_json(item, self._now) for item in tenants], tenants_table(tenants, self._now))

    async def tenants_show(self) -> None:
        """One tenant."""
        await self._print_tenant(await self._administration.tenant(self._arguments.tenant))

    async def tenants_rename(self) -> None:
        """Another display name."""
        await self._print_tenant(await self._administration.rename(self._arguments.tenant, self._arguments.name))

    async def tenants_change(self) -> None:
        """Another answer to a PATCH of a group, or another hold."""
        given = self._arguments
        if given.group_patch_answer is None and given.hold is None:
            raise Refused("Say what to change: --group-patch-answer, or --hold.")
        answer = None
        if given.group_patch_answer is not None:
            answer = GroupPatchAnswer("" if given.group_patch_answer == USUAL else given.group_patch_answer)
        hold = None if given.hold is None else given.hold == "on"
        await self._print_tenant(await self._administration.change_tenant(given.tenant, answer, hold=hold))

    async def tenants_suspend(self) -> None:
        """Its requests are refused."""
        await self._print_tenant(await self._administration.suspend(self._arguments.tenant))

    async def tenants_resume(self) -> None:
        """Its requests are answered."""
        await self._print_tenant(await self._administration.resume(self._arguments.tenant))

    async def tenants_delete(self) -> None:
        """It is gone."""
        tenant_id = self._arguments.tenant
        tenant = await self._administration.tenant(tenant_id)
        if self._arguments.confirm != tenant_id:
            raise Refused(
                f"This would delete {tenant.display_name} with its users, groups and credentials, for good. To do "
                f"that, run the command again with --confirm {tenant_id}"
            )
        rows = await self._administration.delete(tenant_id, self._progress)
        self._print({"id": tenant_id, "deleted": True, "rows": rows}, f"Tenant {tenant_id} is deleted.")

    async def credentials_create(self) -> None:
        """One more credential."""
        self._require_base_url()
        wanted = self._wanted(CredentialKind(self._arguments.kind), self._arguments.client)
        issued = await self._administration.create_credential(self._arguments.tenant, wanted)
        self._print_issued(issued, f"Credential {issued.credential.id} is created.")

    async def credentials_list(self) -> None:
        """The credentials of a tenant."""
        credentials = (await self._administration.tenant(self._arguments.tenant)).credentials
        as_json = [credential_json(item, self._now) for item in credentials]
        self._print(as_json, credentials_table(credentials, self._now))

    async def credentials_rotate(self) -> None:
        """A new one for an old one."""
        self._require_base_url()
        if not 0 <= self._arguments.keep_days <= MAX_KEEP_DAYS:
            raise Refused(f"--keep-days must be from 0 to {MAX_KEEP_DAYS}.")
        old = await self._administration.credential(self._arguments.tenant, self._arguments.credential)
        keep = timedelta(days=self._arguments.keep_days)
        issued = await self._administration.rotate(self._arguments.tenant, old.id, keep, self._wanted(old.kind))
        old = issued.tenant.credential(old.id) or old
        said = f"Credential {issued.credential.id} replaces {old.id}, which is good until {old.expires[:16]}Z."
        self._print_issued(issued, said)

    async def credentials_change(self) -> None:
        """Another access, or other networks."""
        given = self._arguments
        changed = await self._administration.change_credential(
            given.tenant, given.credential, access=self._access, networks=given.networks
        )
        said = f"Credential {changed.id} is changed. Every instance knows of it within a minute."
        self._print(credential_json(changed, self._now), f"{said}\n\n{credentials_table([changed], self._now)}")

    async def credentials_revoke(self) -> None:
        """The credential is good no longer."""
        revoked = await self._administration.revoke(self._arguments.tenant, self._arguments.credential)
        said = f"Credential {revoked.id} is revoked. It stops to work within a minute."
        self._print(credential_json(revoked, self._now), said)

    async def credentials_remove(self) -> None:
        """The credential is revoked and forgotten."""
        await self._administration.remove(self._arguments.tenant, self._arguments.credential)
        said = f"Credential {self._arguments.credential} is removed. It stops to work within a minute."
        self._print({"id": self._arguments.credential, "removed": True}, said)

    def _wanted(self, kind: CredentialKind, client_id: str = "") -> Wanted:
        given = self._arguments
        return Wanted(
            kind,
            label=given.label,
            days=given.days,
            client_id=client_id,
            entra_tenant=given.entra_tenant,
            subject=given.subject,
            audience=given.audience,
            application=given.application,
            reusable=given.reusable,
            access=self._access,
            networks=None if given.networks is None else tuple(given.networks),
        )

    @property
    def _access(self) -> Access | None:
        return Access(self._arguments.access) if self._arguments.access else None

    def _require_base_url(self) -> None:
        """Raises Refused without a URL, before a secret is made: it is shown only once, with this URL."""
        if not self._base_url:
            raise Refused(
                "Give the service's own address: --url https://scim.example.com, or set SCIM_PUBLIC_BASE_URL."
            )

    async def _print_tenant(self, tenant: Tenant) -> None:
        credentials = credentials_table(tenant.credentials, self._now)
        said = _DELETED if tenant.deleted else _STATES[tenant.state]
        since = (tenant.deleted or tenant.since)[:10]
        answer = tenant.group_patch_answer
        said = f"{said} A PATCH of a group answers {answer}." if answer else said
        said = f"{said} After a mass change, deactivations and deletions are held." if tenant.hold else said
        said += shown_link(tenant, self._now)
        if any(tenant.schemas):
            said = f"{said} It has other resource types or extensions than by default: `schemas list {tenant.id}`."
        text = f"{tenant.id}: {tenant.display_name}, {shown_state(tenant)} since {since}. {said}"
        self._print(tenant_json(tenant, self._now), f"{text}\n\n{credentials}")

    async def _asked_link(self, tenant_id: str) -> tuple[str, str]:
        """A setup link of a new tenant, and what to say of it, if it was asked for."""
        if not self._arguments.setup_link:
            return "", ""
        url, said = await self._link(tenant_id, DEFAULT_LINK_DAYS)
        return url, f"\n\n{said}"

    async def _link(self, tenant_id: str, days: int) -> tuple[str, str]:
        """A new setup link, and what to say of it."""
        tenant, secret = await self._administration.link_setup(tenant_id, days)
        url = url_of(self._base_url or "", tenant.id, secret)
        said = (
            "Send this link to the customer's administrator. It opens the setup page once, and the page stays until "
            f"{tenant.setup.expires[:16]}Z:\n\n  {url}\n\n"
            "The page does not show the token: hand it over in another way."
        )
        return url, said

    def _print_issued(self, issued: Issued, said: str, link: str = "", told: str = "") -> None:
        base_url = self._base_url or ""
        as_json = {
            "tenant": issued.tenant.id,
            "credential": credential_json(issued.credential, self._now),
            "secret": issued.secret or None,
            "method": connectivity.METHODS[issued.credential.kind],
            "connectivity": connectivity.fields(issued.credential, issued.secret, base_url),
        }
        as_json |= {"setupLink": link} if link else {}
        self._print(as_json, f"{said}\n\n{connectivity.text(issued, base_url)}{told}")

    def _print(self, as_json: Any, text: str) -> None:
        self._tell(json.dumps(as_json, indent=2) if self._arguments.json else text)
