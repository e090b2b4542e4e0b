"""A request for the setup page becomes a page: who asks is told by a cookie, for which a link is exchanged once.

Nothing here changes a directory, and no form needs more protection than its cookie: another site cannot send it along.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scim_core.access.audit import AuditEvent
from scim_core.access.rate_limits import RateLimit
from scim_core.access.setup_sessions import LinkRefused, Opened, SetupSessions
from scim_core.clock import Clock, Timer, instant_text
from scim_core.counted_log import CountedLog
from scim_core.endpoint.setup import views
from scim_core.endpoint.setup.upload import uploaded
from scim_core.feed.setup_progress import Progress, SetupProgress
from scim_core.messages import BASE_PATH, SETUP_PATH, Caller, HttpError, ScimRequest, ScimResponse
from scim_core.protocol.mapping_lint import lint_mappings
from scim_core.protocol.nearest_name import UNITS_PER_NAME
from scim_core.protocol.schemas import Catalogue
from scim_core.protocol.sub_catalogues import Catalogues
from scim_core.protocol.synchronization_schema import MappingFileError, object_mappings
from scim_core.registry import Tenant
from scim_core.work import Shares, Work

if TYPE_CHECKING:
    from scim_core.pages.rendering import Pages

COOKIE = "__Secure-scim-setup"
"""The cookie that holds a session. Browsers take one of such a name only with Secure."""

MAX_TARGETS = 300
"""Most targets of a mapping that is looked at. The largest that we know has 69."""

UNITS_PER_SETUP_PAGE = 1_500
"""What it costs to write a page. What has arrived is counted by its rows."""

UNITS_PER_UPLOADED_KILOBYTE = 8
"""What it costs to read a file: one that is full of objects and lists takes some 40 milliseconds for a megabyte."""

UPLOADS = (0.1, 6)
"""Mappings of one setup page: how many a second, and how many at once. Each may compute for two seconds, in one of the
two threads of the instance. A person needs longer than ten seconds to mend one and to download it again."""

SETUP_HANDLERS = frozenset({"setup_page", "setup_open", "setup_mapping", "setup_asset"})
"""The handlers of the setup page. Their answers are for browsers."""

_OFF = "setup pages are off: SCIM_TENANTS is not registry, so there are no setup links"

log = logging.getLogger(__name__)


class SetupEndpoint:
    """Answers browsers. Without `sessions` there are no setup pages."""

    def __init__(
        self,
        sessions: SetupSessions | None,
        progress: SetupProgress,
        catalogues: Catalogues,
        *,
        clock: Clock,
        timer: Timer,
        shares: Shares,
        counted: CountedLog,
    ) -> None:
        self._sessions = sessions
        self._progress = progress
        self._catalogues = catalogues
        self._clock = clock
        self._shares = shares
        self._counted = counted
        self._uploads = RateLimit(*UPLOADS, timer)
        self._uploading: set[str] = set()

    async def answer(self, handler: str, asset: str, request: ScimRequest, caller: Caller) -> ScimResponse:
        """The answer of a route of the setup page. `asset` is the file that is asked for.

        Raises HttpError, StorageBusy, TooMuchWork: `shown` makes a page of what a client would get.
        """
        if handler == "setup_asset":
            from scim_core.pages.answers import asset as file  # noqa: PLC0415 -- an app that shows no page loads no page

            return file(asset)
        if self._sessions is None:
            self._counted.note((_OFF,), "", lambda count, _: log.warning(_OFF, extra={"count": count}))
            raise HttpError(404, "This service has no setup pages. Ask the person who sent you the link.")
        try:
            if handler == "setup_open":
                return await self._open(self._sessions, request, caller)
            return await self._page(self._sessions, handler, request, caller)
        except LinkRefused as refused:
            return self._door(handler, request, caller, refused)

    def shown(self, refusal: ScimResponse) -> ScimResponse:
        """The page for what went wrong, of the error that a SCIM client would get. It names the request."""
        page = self._pages.answer("setup_wrong.html", refusal.status, detail=json.loads(refusal.body)["detail"])
        kept = {name: text for name, text in refusal.headers.items() if name != "Content-Type"}
        return replace(page, headers={**page.headers, **kept})

    @cached_property
    def _pages(self) -> "Pages":
        from scim_core.pages.rendering import Pages  # noqa: PLC0415 -- as above

        shown = {"views": views, "setup_path": SETUP_PATH}
        return Pages(Path(__file__).with_name("templates"), f"{SETUP_PATH}/assets", self._clock, shown)

    async def _open(self, sessions: SetupSessions, request: ScimRequest, caller: Caller) -> ScimResponse:
        """The session for a link that somebody sends in the form. Who has one for the same page keeps it."""
        from scim_core.pages.answers import see_other  # noqa: PLC0415 -- as above
        from scim_core.pages.forms import form_fields  # noqa: PLC0415 -- as above

        _require_own_form(request, caller)
        link = form_fields(request).get("link", "")
        try:
            opened = await sessions.exchange(link, caller.source)
        except LinkRefused as refused:
            if refused.link is not None and await self._is_here(sessions, request, caller, refused):
                return see_other(SETUP_PATH)
            raise
        AuditEvent("setup link opened", "setup", caller.correlation_id, opened.tenant.id, source=caller.address).record(
            logging.INFO
        )
        return see_other(SETUP_PATH, Set_Cookie=self._cookie(opened))

    async def _is_here(
        self, sessions: SetupSessions, request: ScimRequest, caller: Caller, refused: LinkRefused
    ) -> bool:
        """Whether this browser has the session of the link that is used up."""
        try:
            return (await self._tenant(sessions, request, caller)).setup == refused.link
        except LinkRefused:
            return False

    async def _tenant(self, sessions: SetupSessions, request: ScimRequest, caller: Caller) -> Tenant:
        from scim_core.pages.forms import cookie  # noqa: PLC0415 -- as above

        return await sessions.tenant(cookie(request, COOKIE), caller.source)

    def _cookie(self, opened: Opened) -> str:
        """The session until the link ends. No script reads it, and no other site or path gets it."""
        left = datetime.fromisoformat(opened.tenant.setup.expires) - self._clock()
        seconds = max(0, int(left.total_seconds()))
        return f"{COOKIE}={opened.cookie}; Path={SETUP_PATH}; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict"

    async def _page(self, sessions: SetupSessions, handler: str, request: ScimRequest, caller: Caller) -> ScimResponse:
        if handler == "setup_mapping":
            _require_own_form(request, caller)
        tenant = await self._tenant(sessions, request, caller)
        with self._shares.work(f":setup:{tenant.id}") as work:  # what a page computes stops no provisioning
            await work.spend(UNITS_PER_SETUP_PAGE, "a setup page")
            since = datetime.fromisoformat(tenant.setup.created)
            progress = await self._progress.of(tenant.id, since, work, tenant.schemas)
            mapping = None
            if handler == "setup_mapping":
                with self._upload(tenant.id):
                    mapping = await self._checked(work, uploaded(request), self._catalogues.of(tenant.schemas))
            return self._pages.answer("setup.html", **self._values(tenant, progress, mapping, caller))

    @contextmanager
    def _upload(self, tenant: str) -> Iterator[None]:
        """The mapping is looked at, and no other one of this tenant. Raises HttpError 429."""
        if tenant in self._uploading:
            raise HttpError(429, "Another file is being checked for this page. Wait a few seconds.", Retry_After="10")
        wait = self._uploads.take(tenant)
        if wait:
            raise HttpError(429, "Too many files came from this page. Wait a few seconds.", Retry_After=str(wait))
        self._uploading.add(tenant)
        try:
            yield
        finally:
            self._uploading.remove(tenant)

    async def _checked(self, work: Work, content: bytes, catalogue: Catalogue) -> views.CheckedMapping:
        units = UNITS_PER_UPLOADED_KILOBYTE * len(content) // 1024
        try:
            mappings = await work.run(units, "a mapping", lambda: object_mappings(content, MAX_TARGETS))
        except MappingFileError as error:
            return views.CheckedMapping(failure=str(error))
        units = UNITS_PER_NAME * sum(len(item.attribute_mappings) for item in mappings)
        return views.checked(await work.run(units, "a mapping", lambda: lint_mappings(catalogue, mappings)))

    def _values(
        self, tenant: Tenant, progress: Progress, mapping: "views.CheckedMapping | None", caller: Caller
    ) -> dict[str, Any]:
        credential = views.credential_of(tenant, instant_text(self._clock()))
        return {
            "tenant": tenant,
            "credential": credential,
            "entra": views.entra_fields(credential, caller.base_url),
            "okta": views.okta_fields(credential, f"{caller.base_url}{BASE_PATH}"),
            "progress": progress,
            "steps": views.steps(progress),
            "mapping": mapping,
        }

    def _door(self, handler: str, request: ScimRequest, caller: Caller, refused: LinkRefused) -> ScimResponse:
        """The page that asks for the link, with what is wrong with the one that was sent, or with the session."""
        is_told = handler == "setup_open" or refused.link is not None
        if is_told:
            reason = f"{refused.fault}, its secret is right" if refused.link else str(refused.fault)
            AuditEvent("setup link refused", "setup", caller.correlation_id, reason=reason, source=caller.address).note(
                self._counted, caller.source
            )
        status = 403 if is_told or request.method.upper() == "POST" else 200
        return self._pages.answer("setup_door.html", status, refused=refused if is_told else None)


def _require_own_form(request: ScimRequest, caller: Caller) -> None:
    """Raises HttpError 403 for a form that another site has sent. Every browser says where a form comes from."""
    site, origin = request.headers.get("sec-fetch-site", ""), request.headers.get("origin", "")
    if site == "same-origin" or (not site and origin == caller.base_url):
        return
    raise HttpError(403, "This was sent from another page. Open your setup link, and use the form that you see there.")
