"""Tries a Tenant URL with a credential: Entra's Test Connection, then the whole life of a test user."""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from scim_core.access.oauth.access_tokens import SCOPE
from scim_core.access.oauth.metadata import TOKEN_PATH
from scim_core.access.oauth.token_request import ASSERTION_TYPE, GRANT_TYPE
from scim_core.admin.probe import Answer, Probe, WrongAnswer, explain, split
from scim_core.settings import MAX_TOKEN_MINUTES, MIN_TOKEN_MINUTES

_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_MEDIA_TYPE = "application/scim+json"


@dataclass(frozen=True, slots=True)
class GivenCredential:
    """The credential to try. With a `client_id`, `secret` is that client's secret, or an assertion for it."""

    secret: str = field(repr=False)
    client_id: str = ""
    is_assertion: bool = False
    send: str = "header"
    token_endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried. `wrong` is empty when it went well."""

    name: str
    wrong: str = ""


class OnlyReads(Exception):
    """The credential may only read (RFC 6750 section 3.1). The steps that change something cannot be tried with it."""


class SmokeTest:
    """The steps in order, up to the first that goes wrong. The user is removed in every case.

    With a credential that may only read, and with `only_reads`, the steps end before the first change.
    """

    def __init__(
        self,
        probe: Probe,
        tenant_url: str,
        credential: GivenCredential,
        told: Callable[[Step], None],
        *,
        only_reads: bool = False,
    ) -> None:
        self._tenant_url = tenant_url
        self._probe = probe
        self._credential = credential
        self._told = told
        self._only_reads = only_reads
        self._token = credential.secret
        self._name = f"smoke-test-{secrets.token_hex(8)}@example.com"
        self._user = ""

    async def run(self) -> bool:
        """Whether all went well. `told` gets each step when it is over."""
        steps: list[tuple[str, Callable[[], Any]]] = [
            ("Test Connection", self._test_connection),
            ("groups can be searched", self._ask_for_groups),
        ]
        if not self._only_reads:
            steps += [
                ("a user can be created", self._create),
                ("it can be found by its user name", self._find),
                ("it can be changed", self._change),
                ("it can be disabled", self._disable),
                ("it can be deleted", self._delete),
            ]
        if self._credential.client_id:
            steps.insert(0, ("an access token can be obtained", self._get_access_token))
        try:
            for name, step in steps:
                try:
                    await step()
                except OnlyReads:
                    self._told(Step("the credential may only read, so nothing is changed"))
                    return True
                except WrongAnswer as finding:
                    self._told(Step(name, str(finding)))
                    return False
                self._told(Step(name))
            return True
        finally:
            await self._clean_up()

    @property
    def _host(self) -> str:
        parts = split(self._tenant_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def _base(self) -> str:
        return self._host + split(self._tenant_url).path.rstrip("/")  # flags after ? are for Entra only

    async def _get_access_token(self) -> None:
        """RFC 6749 section 4.4, with the secret where Entra is set to send it, or RFC 7523 section 2.2."""
        credential, headers = self._credential, {"Content-Type": "application/x-www-form-urlencoded"}
        form = {"grant_type": GRANT_TYPE, "scope": SCOPE}
        if credential.is_assertion:
            form |= {"client_id": credential.client_id, "client_assertion_type": ASSERTION_TYPE}
            form["client_assertion"] = credential.secret
        elif credential.send in ("body", "both"):
            form |= {"client_id": credential.client_id, "client_secret": credential.secret}
        if not credential.is_assertion and credential.send in ("header", "both"):
            pair = f"{quote(credential.client_id, safe='')}:{quote(credential.secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        url = credential.token_endpoint or f"{self._host}{TOKEN_PATH}"
        answer = await self._probe.send("POST", url, headers, urlencode(form).encode())
        if answer.status != 200:  # noqa: PLR2004
            raise explain(answer, "issue an access token")
        document = answer.document if isinstance(answer.document, dict) else {}
        seconds = document.get("expires_in")
        if not isinstance(document.get("access_token"), str) or document.get("token_type") != "Bearer":
            raise WrongAnswer("The token endpoint answered without an access_token of token_type Bearer.")
        if not isinstance(seconds, int) or not MIN_TOKEN_MINUTES <= seconds / 60 <= MAX_TOKEN_MINUTES:
            raise WrongAnswer(f"expires_in is {seconds!r}: Entra demands 60 to 360 minutes, in seconds.")
        self._token = document["access_token"]

    async def _test_connection(self) -> None:
        """What Entra asks: for a user that cannot exist."""
        found = await self._list("/Users", f'userName eq "{_guid()}"')
        if found["totalResults"] != 0:
            raise WrongAnswer("A search for a new random user name found a user: the filter is not applied.")

    async def _ask_for_groups(self) -> None:
        await self._list("/Groups", f'displayName eq "{_guid()}"', excludedAttributes="members")

    async def _create(self) -> None:
        body = {"schemas": [_USER], "userName": self._name, "active": True, "displayName": "Smoke Test"}
        created = await self._expect("POST", "/Users", (201, 403), "create a user", body)
        if created.status == 403:  # noqa: PLR2004
            only_reads = 'error="insufficient_scope"' in created.headers.get("www-authenticate", "")
            raise OnlyReads if only_reads else explain(created, "create a user")
        if not isinstance(created.document, dict) or not isinstance(created.document.get("id"), str):
            raise WrongAnswer("The user was created, but the answer has no id.")
        self._user = quote(created.document["id"], safe="")

    async def _find(self) -> None:
        found = await self._list("/Users", f'userName eq "{self._name}"')
        if found["totalResults"] != 1:
            raise WrongAnswer(f"A search for the new user by its name found {found['totalResults']} users.")

    async def _change(self) -> None:
        await self._patch("displayName", "Smoke Test, changed")

    async def _disable(self) -> None:
        await self._patch("active", False)  # noqa: FBT003 -- the value of an attribute

    async def _patch(self, path: str, value: Any) -> None:
        body = {"schemas": [_PATCH], "Operations": [{"op": "replace", "path": path, "value": value}]}
        await self._expect("PATCH", f"/Users/{self._user}", (200, 204), f"change {path}", body)
        user = await self._expect("GET", f"/Users/{self._user}", (200,), "read the user")
        if not isinstance(user.document, dict) or user.document.get(path) != value:
            raise WrongAnswer(f"{path} was changed, but the user does not show it.")

    async def _delete(self) -> None:
        user, self._user = self._user, ""
        await self._expect("DELETE", f"/Users/{user}", (204,), "delete the user")
        await self._expect("GET", f"/Users/{user}", (404,), "forget the user")

    async def _clean_up(self) -> None:
        if not self._user:
            return
        try:
            await self._expect("DELETE", f"/Users/{self._user}", (204, 404), "delete the user")
        except WrongAnswer as finding:
            self._told(Step(f"the user {self._name} can be removed again", str(finding)))

    async def _list(self, path: str, filter_text: str, **query: str) -> dict[str, Any]:
        url = f"{path}?{urlencode({'filter': filter_text, **query})}"
        answer = await self._expect("GET", url, (200,), f"search {path}")
        if not isinstance(answer.document, dict) or not isinstance(answer.document.get("totalResults"), int):
            raise WrongAnswer("The answer is no SCIM ListResponse: is this the address of a SCIM endpoint?")
        return answer.document

    async def _expect(self, method: str, path: str, statuses: tuple[int, ...], what: str, body: Any = None) -> Answer:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": _MEDIA_TYPE}
        if body is not None:
            headers["Content-Type"] = _MEDIA_TYPE
        content = None if body is None else json.dumps(body).encode()
        answer = await self._probe.send(method, self._base + path, headers, content)
        if answer.status not in statuses:
            raise explain(answer, what)
        return answer


def _guid() -> str:
    return str(UUID(bytes=secrets.token_bytes(16), version=4))
