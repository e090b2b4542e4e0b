"""HTTP without a transport: limits, media types, authentication, and the one place that catches exceptions."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from scim_core.access.audit import correlation_id
from scim_core.access.auth_failures import BEYOND_ITS_REQUESTS, FailureWatch
from scim_core.access.authenticator import NO_TENANT, Authenticator
from scim_core.access.ending import EndingCredentials
from scim_core.access.oauth.answers import translated
from scim_core.access.principal import TENANT_PARAMETER, Principal, require_access, require_application
from scim_core.access.rate_limits import RateLimit, address_of, source_of
from scim_core.access.tenant_cache import TenantCache
from scim_core.clock import Clock, Timer
from scim_core.counted_log import CountedLog
from scim_core.endpoint import hook_turns, mass_change_alarms, problems
from scim_core.endpoint.bodies import require_body
from scim_core.endpoint.bulk_operation import Prepared
from scim_core.endpoint.bulk_run import Answered, Run
from scim_core.endpoint.caching import caching
from scim_core.endpoint.error_responses import response_for
from scim_core.endpoint.feed_handlers import FEED_HANDLERS
from scim_core.endpoint.handlers import Call, Sent
from scim_core.endpoint.log_handlers import LOG_HANDLERS
from scim_core.endpoint.notes import Notes
from scim_core.endpoint.oauth_endpoint import OAuthEndpoint
from scim_core.endpoint.request_spans import describe, method_of
from scim_core.endpoint.routes import CHANGES, Target, has_problems, is_setup
from scim_core.endpoint.serving import Reached, Servings, Sought
from scim_core.endpoint.setup.setup_endpoint import SETUP_HANDLERS, SetupEndpoint
from scim_core.endpoint.who_asks import WhoAsks
from scim_core.feed.attempts import Attempts
from scim_core.feed.hooks.delivery import Hooks
from scim_core.feed.kicks import Kicks
from scim_core.feed.mass_changes import MassChanges
from scim_core.feed.visitors import Visitors
from scim_core.ids import is_id
from scim_core.messages import BASE_PATH, NOBODY, Caller, HttpError, Origin, Result, ScimRequest, ScimResponse
from scim_core.protocol.limits import REQUEST_SECONDS
from scim_core.protocol.representation import Renderer
from scim_core.protocol.search_parameters import query_fields
from scim_core.registry import APPLICATIONS, Access, GroupPatchAnswer
from scim_core.storage.feed_port import Tended
from scim_core.storage.port import Swept
from scim_core.traces import NO_TRACER, Span, SpanKind, Tracer, trace_parent_of
from scim_core.work import UNITS_PER_REQUEST, BeyondShare, Shares

_OUTSIDE_SCIM = frozenset({"token", "authorization_server", "protected_resource"}) | SETUP_HANDLERS

CORRELATION = ("traceparent", "client-request-id", "x-request-id")
"""Headers by which clients name a request in their own logs. The provisioning log keeps them with the change."""

MAX_CORRELATION = 128
"""Characters of such a header that are kept: twice as many as a traceparent has."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gate:
    """What a request passes before a handler runs. Without a registry there are no `tenants`, and no credentials whose
    use is recorded, or that are `ending`.
    """

    authenticator: Authenticator
    oauth: OAuthEndpoint
    watch: FailureWatch
    requests: RateLimit
    counted: CountedLog
    tenants: TenantCache | None
    ending: EndingCredentials | None
    trusted_proxies: int
    shares: Shares


class Endpoint:
    """The SCIM endpoint of one deployment. `handle` never raises."""

    def __init__(
        self,
        servings: Servings,
        gate: Gate,
        kicks: Kicks | None,
        *,
        hooks: Hooks,
        attempts: Attempts | None = None,
        mass_changes: MassChanges,
        visitors: Visitors | None = None,
        setup: SetupEndpoint,
        clock: Clock,
        timer: Timer,
        new_id: Callable[[], str],
        public_base_url: str | None,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._servings = servings
        self._endpoints = {item.name: item.endpoint for item in servings.whole.catalogue}
        self._gate = gate
        self._who = WhoAsks(gate.authenticator, gate.tenants)
        self._hooks = hooks
        self._kicks = kicks
        self._attempts = attempts
        self._mass_changes = mass_changes
        self._setup = setup
        self._notes = Notes(attempts, visitors, clock)
        self._clock = clock
        self._timer = timer
        self._new_id = new_id
        self._public_base_url = public_base_url
        self._tracer = tracer

    async def handle(self, request: ScimRequest) -> ScimResponse:
        """The answer to any request. What goes wrong becomes a SCIM Error body (RFC 7644 section 3.12).

        At the token endpoint it becomes an error of RFC 6749 section 5.2, in the feed problem details (RFC 9457).
        """
        named = trace_parent_of(request.headers)
        with self._tracer.span("request", SpanKind.SERVER, parent=named) as span:
            return await self._handled(request, span, span.trace_parent or named)

    async def _handled(self, request: ScimRequest, span: Span, trace_parent: str) -> ScimResponse:
        principal: Principal | None = None
        caller: Caller | None = None
        sent = Sent()
        sought = Sought(self._servings, request.method.upper(), request.path)
        request_id = correlation_id(request.headers, self._new_id())
        try:
            caller = self._caller(request, request_id, trace_parent)
            async with asyncio.timeout(REQUEST_SECONDS):
                found = await sought.find(partial(self._who.choice, caller, request.query))
                needs = found.target.needs
                if found.target.handler in _OUTSIDE_SCIM:
                    response, principal = await self._outside_scim(found.target, request, caller)
                elif needs is None:
                    response = await self._run(request, found, None, caller, sent)
                else:
                    principal = await self._gate.authenticator.authenticate(caller)
                    sent.origin = _origin(found.target, request.method.upper(), principal, caller)
                    async with self._who.noted(principal):
                        self._require_rate(principal, caller)
                        found = _of_tenant(principal, sought, found)
                        require_access(principal, needs, caller.base_url)
                        principal = await self._addressed(principal, request, found.target)
                        found = _of_tenant(principal, sought, found)
                        try:
                            response = await self._run(request, found, principal, caller, sent)
                        except BeyondShare:
                            self._gate.watch.beyond_share(principal.account, principal.credential, caller)
                            raise
        except Exception as error:  # noqa: BLE001 -- the boundary: everything becomes an answer
            response = self._refusal(error, request, sought.handler, request_id)
            self._notes.not_let_in(error, caller)
        target, handler = sought.target, sought.handler
        kept = caching(request, handler, response.status, differ=self._servings.differ)
        response = replace(response, headers={**response.headers, **kept})
        describe(span, request, principal, target, response)
        if log.isEnabledFor(logging.INFO):
            self._log(request, principal, handler, response, _of_change(target, request_id, principal, response))
        self._gate.counted.catch_up()
        if principal and principal.tenant != APPLICATIONS:  # an application that was refused has no tenant
            if self._kicks and (handler == "bulk" or _may_have_changed(response)):
                mass_change_alarms.suspect(self._mass_changes, principal.tenant, response)
                self._kicks.kick(principal.tenant)
            if self._attempts and (handler in CHANGES or principal.watched):
                self._notes.answered(principal, target, response, sent)
        return replace(response, body=b"") if request.method.upper() == "HEAD" else response

    def _refusal(self, error: Exception, request: ScimRequest, handler: str, request_id: str) -> ScimResponse:
        """The error as an answer, in the form of what was asked. It names the request."""
        if has_problems(request.path):
            return problems.response_for(error, request_id, self._gate.counted)
        response = response_for(error, request_id, self._gate.counted)
        if is_setup(request.path):
            return self._setup.shown(response)
        return translated(response) if handler == "token" else response

    def _require_rate(self, principal: Principal, caller: Caller) -> None:
        """Raises HttpError when the tenant is beyond its limit."""
        self._gate.watch.require_permit(
            self._gate.requests, principal.account, principal.credential, caller, BEYOND_ITS_REQUESTS
        )

    async def _addressed(self, principal: Principal, request: ScimRequest, target: Target) -> Principal:
        """The principal, with the tenant that it names if it is an application's. Raises HttpError as in_tenant does.

        A route about all tenants takes no other principal.
        """
        if target.of_all_tenants or target.of_applications:
            require_application(principal, target.needs)
        if target.of_all_tenants:
            return principal
        if not principal.application and target.needs is not Access.FEED:
            return principal
        named = query_fields(request.query).get(TENANT_PARAMETER, "")
        if principal.application:
            return await self._gate.authenticator.in_tenant(principal, named)
        if named not in ("", principal.tenant):
            raise HttpError(404, NO_TENANT)
        return principal

    async def _run(
        self, request: ScimRequest, found: Reached, principal: Principal | None, caller: Caller, sent: Sent
    ) -> ScimResponse:
        """The handler's answer. What it computes counts against the tenant, or against the route for everybody."""
        target, serving = found.target, found.serving
        require_body(request, target)
        with self._gate.shares.work(principal.account if principal else f":{target.handler}") as work:
            await work.spend(UNITS_PER_REQUEST, "a request")
            call = Call(
                target=target,
                tenant=principal.tenant if principal else "",
                headers=request.headers,
                query=request.query,
                body=request.body,
                service_url=caller.base_url,
                renderer=Renderer(f"{caller.base_url}{BASE_PATH}", self._endpoints, serving.hidden),
                work=work,
                group_patch_answer=principal.group_patch_answer if principal else GroupPatchAnswer.USUAL,
                sent=sent,
            )
            if target.handler == "bulk":
                return await serving.bulk.run(call, caller.began, self._answered(request, principal, caller))
            if target.handler in FEED_HANDLERS:
                return await serving.feed.run(call)
            return await (serving.logs if target.handler in LOG_HANDLERS else serving.handlers).run(call)

    def _answered(self, request: ScimRequest, principal: Principal | None, caller: Caller) -> Answered:
        """Answers the operations of this bulk, with Error bodies. Each has a line in the log, as a request has."""

        async def answered(prepared: Prepared, target: Target | None, run: Run, seconds: float) -> ScimResponse:
            try:
                async with asyncio.timeout(seconds):
                    response = await run()
            except Exception as error:  # noqa: BLE001 -- as for a request: the other operations go on
                response = response_for(error, caller.correlation_id, self._gate.counted)
            if log.isEnabledFor(logging.INFO):
                sent = replace(request, method=prepared.operation.method)
                handler = target.handler if target else "unknown"
                more = _of_change(target, caller.correlation_id, principal, response)
                self._log(sent, principal, handler, response, more)
            if principal:
                self._notes.answered(principal, target, response, prepared.call.sent)
            return response

        return answered

    async def _outside_scim(
        self, target: Target, request: ScimRequest, caller: Caller
    ) -> tuple[ScimResponse, Principal | None]:
        if target.handler in SETUP_HANDLERS:
            return await self._setup.answer(target.handler, target.id, request, caller), None
        match target.handler:
            case "token":
                issued = await self._gate.oauth.token(request, caller)
                self._notes.no_token(issued, caller)
                return issued.response, issued.principal
            case "authorization_server":
                return self._gate.oauth.authorization_server(), None
        return self._gate.oauth.protected_resource(caller), None

    def _caller(self, request: ScimRequest, request_id: str, trace_parent: str) -> Caller:
        return Caller(
            began=self._timer(),
            source=source_of(request.headers, self._gate.trusted_proxies),
            address=address_of(request.headers, self._gate.trusted_proxies),
            correlation_id=request_id,
            base_url=self._public_base_url or request.base_url,
            headers=request.headers,
            trace_parent=trace_parent,
        )

    async def sweep(self) -> Swept:
        """Large changes that were left unfinished are finished, and their number is logged. A timer calls this."""
        swept = await self._servings.whole.handlers.sweep()
        log.log(
            logging.WARNING if swept.left else logging.INFO,
            "sweep: %s finished, %s left",
            swept.finished,
            swept.left,
            extra={"operation": "sweep", "finished": swept.finished, "left": swept.left},
        )
        return swept

    async def tend_feeds(self) -> Tended:
        """Changes that nobody has relayed are, what is too old is deleted, and hooks get what is due. All is logged.

        A timer calls this.
        """
        marked = await self._hooks.marked()  # first, because a tenant whose changes are relayed counts as calm
        tended = await self._servings.whole.feed.tend()
        log.log(
            logging.WARNING if tended.left else logging.INFO,
            "feeds: %s relayed, %s rows too old",
            tended.relayed,
            tended.trimmed,
            extra={"operation": "feeds", "relayed": tended.relayed, "trimmed": tended.trimmed, "left": tended.left},
        )
        await mass_change_alarms.tell(self._mass_changes, tended.losses)
        if self._gate.ending:
            await self._gate.ending.tell()
        if marked:
            await hook_turns.deliver(self._hooks, marked)
        return tended

    def _log(
        self,
        request: ScimRequest,
        principal: Principal | None,
        handler: str,
        response: ScimResponse,
        more: Mapping[str, Any],
    ) -> None:
        """One line for each request, without a client's own texts: paths, queries and details hold identities."""
        method = method_of(request)
        fields = {
            "method": method,
            "operation": handler,
            "status": response.status,
            "tenant": principal.tenant if principal else None,
            "credential": principal.credential if principal else None,
            "source": address_of(request.headers, self._gate.trusted_proxies),
            **more,
        }
        if response.status >= 400 and not is_setup(request.path):  # noqa: PLR2004 -- what is refused there is a page
            body = json.loads(response.body)
            fields["error"] = body.get("scimType") or body.get("error") or problems.name_of(body)
        log.info("%s %s -> %s", method, handler, response.status, extra=fields)


def _of_tenant(principal: Principal, sought: Sought, found: Reached) -> Reached:
    """What is sought among what the principal's tenant has. Raises HttpError as `match`.

    An application that has named no tenant yet is told nothing else than before.
    """
    return found if principal.tenant == APPLICATIONS else sought.of_tenant(principal.schemas)


def _may_have_changed(response: ScimResponse) -> bool:
    """Whether a change may wait for the relay. A refusal with 409 may have deactivated a user (ADR 0036)."""
    effect = response.effect
    return response.status == 409 or (effect is not None and effect.result is not Result.UNCHANGED)  # noqa: PLR2004


def _origin(target: Target, method: str, principal: Principal, caller: Caller) -> Origin:
    """Who changes something by this request, and how to find the request again, here and in the client's own log.

    NOBODY if the route changes nothing, and no setup page shows the request.
    """
    if target.handler not in CHANGES and target.handler != "bulk" and not principal.watched:
        return NOBODY
    return Origin(
        method=method,
        credential=principal.credential,
        credential_id=principal.credential_id,
        request_id=caller.correlation_id,
        holds=principal.holds if principal else False,
        correlation=tuple(
            (name, text)
            for name in CORRELATION
            if (text := caller.headers.get(name, "").strip()[:MAX_CORRELATION]) and text.isprintable()
        ),
        trace_parent=caller.trace_parent,
    )


def _of_change(
    target: Target | None, request_id: str, principal: Principal | None, response: ScimResponse
) -> dict[str, Any]:
    """Who was to change which resource, and what became of it. Of other requests, the id of one that was refused.

    A text of the client is no id of ours, so it does not get into the log.
    """
    if target is None or target.handler not in CHANGES:
        return {"correlation_id": request_id} if response.status >= 400 else {}  # noqa: PLR2004
    effect = response.effect
    named = target.id if is_id(target.id) else None
    return {
        "resource": effect.resource_id if effect else named,
        "result": str(effect.result) if effect else None,
        "changed": list(effect.changed) if effect else None,
        "version_before": (effect.version_before or None) if effect else None,
        "version_after": (effect.version_after or None) if effect else None,
        "credential_id": (principal.credential_id or None) if principal else None,
        "correlation_id": request_id,
    }
