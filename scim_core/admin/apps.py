"""`admin apps`: the credentials of the whole deployment, by which programs of yours reach every customer."""

import json
from argparse import Namespace
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from scim_core.access.applications import Applications
from scim_core.access.credential_plans import MAX_KEEP_DAYS, Issued, Refused, Wanted
from scim_core.access.oauth.access_tokens import SCOPES
from scim_core.access.oauth.metadata import TOKEN_PATH
from scim_core.admin.presentation import credential_json, credentials_table
from scim_core.messages import BASE_PATH, FEED_PATH
from scim_core.registry import Access, CredentialKind


class AppCommands:
    """Runs one command. `tell` prints a line of the result."""

    def __init__(
        self,
        applications: Applications,
        arguments: Namespace,
        *,
        base_url: str | None,
        now: str,
        tell: Callable[[str], None],
    ) -> None:
        self._applications = applications
        self._arguments = arguments
        self._base_url = base_url
        self._now = now
        self._tell = tell

    async def run(self) -> None:
        """The command is done, and its result is printed. Raises RegistryError, StorageError."""
        command: Callable[[], Any] = getattr(self, self._arguments.action)
        await command()

    async def list(self) -> None:
        """All of them."""
        found = await self._applications.credentials()
        self._print([credential_json(item, self._now) for item in found], credentials_table(found, self._now))

    async def create(self) -> None:
        """One more."""
        self._require_base_url()
        issued = await self._applications.create(self._wanted(CredentialKind(self._arguments.kind)))
        self._print_issued(issued, f"Application credential {issued.credential.id} is created.")

    async def rotate(self) -> None:
        """A new one for an old one."""
        self._require_base_url()
        if not 0 <= self._arguments.keep_days <= MAX_KEEP_DAYS:
            raise Refused(f"--keep-days must be from 0 to {MAX_KEEP_DAYS}.")
        old = await self._applications.credential(self._arguments.credential)
        keep = timedelta(days=self._arguments.keep_days)
        issued = await self._applications.rotate(old.id, keep, self._wanted(old.kind))
        old = issued.tenant.credential(old.id) or old
        said = f"Application credential {issued.credential.id} replaces {old.id}, which is good until "
        self._print_issued(issued, f"{said}{old.expires[:16]}Z.")

    async def revoke(self) -> None:
        """It is good no longer."""
        revoked = await self._applications.revoke(self._arguments.credential)
        said = f"Application credential {revoked.id} is revoked. It stops to work within a minute."
        self._print(credential_json(revoked, self._now), said)

    async def remove(self) -> None:
        """It is revoked and forgotten."""
        await self._applications.remove(self._arguments.credential)
        said = f"Application credential {self._arguments.credential} is removed. It stops to work within a minute."
        self._print({"id": self._arguments.credential, "removed": True}, said)

    def _wanted(self, kind: CredentialKind) -> Wanted:
        given = self._arguments
        return Wanted(
            kind,
            label=given.label,
            days=given.days,
            access=Access(given.access) if given.access else None,
            networks=None if given.networks is None else tuple(given.networks),
        )

    def _require_base_url(self) -> None:
        """Raises Refused without a URL, before a secret is made: it is shown only once, with this URL."""
        if not self._base_url:
            raise Refused(
                "Give the service's own address: --url https://scim.example.com, or set SCIM_PUBLIC_BASE_URL."
            )

    def _print_issued(self, issued: Issued, said: str) -> None:
        fields = _fields(issued, self._base_url or "")
        width = max(len(name) for name in fields)
        lines = [f"  {name:{width}}  {value}" for name, value in fields.items()]
        notes = ["This secret is shown only now. It opens every customer: keep it in a vault."]
        if issued.credential.expires:
            notes.append(f"It expires on {issued.credential.expires[:10]}.")
        as_json = {
            "credential": credential_json(issued.credential, self._now),
            "secret": issued.secret,
            "use": fields,
        }
        self._print(as_json, "\n".join([said, "", *lines, "", *notes]))

    def _print(self, as_json: Any, text: str) -> None:
        self._tell(json.dumps(as_json, indent=2) if self._arguments.json else text)


def _fields(issued: Issued, base_url: str) -> dict[str, str]:
    """What a program needs, by its names."""
    credential = issued.credential
    reaches = {"URL": f"{base_url}{FEED_PATH if credential.access is Access.FEED else BASE_PATH}"}
    if credential.kind is CredentialKind.TOKEN:
        return reaches | {"Bearer token": issued.secret}
    return reaches | {
        "OAuth token endpoint": f"{base_url}{TOKEN_PATH}",
        "Client ID": credential.client_id,
        "Client secret": issued.secret,
        "OAuth 2.0 scope": SCOPES[credential.access],
    }
