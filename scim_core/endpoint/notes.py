"""What a request leaves behind after its answer: in the provisioning log, and for an open setup page."""

import json

from scim_core.access.auth_failures import Failure
from scim_core.access.authenticator import Denied
from scim_core.access.principal import Principal
from scim_core.access.token_format import TOKEN_PREFIX, Form, form, is_cut
from scim_core.clock import Clock
from scim_core.endpoint.attempted import attempt_of
from scim_core.endpoint.handlers import Sent
from scim_core.endpoint.oauth_endpoint import TokenAnswer
from scim_core.endpoint.routes import CHANGES, Target
from scim_core.feed.attempts import Attempts
from scim_core.feed.setup_progress import CREATED, LOGGED
from scim_core.feed.visitors import Visitors
from scim_core.messages import Caller, Origin, ScimResponse
from scim_core.model import Json
from scim_core.registry import Access
from scim_core.service.change_notes import origin_note
from scim_core.setup_link import starting
from scim_core.storage.feed_port import Attempt, AttemptOutcome, Mistake


class Notes:
    """The notes of one process. Nothing is noted without `attempts`, and no stranger without `visitors`."""

    def __init__(self, attempts: Attempts | None, visitors: Visitors | None, clock: Clock) -> None:
        self._attempts = attempts
        self._visitors = visitors
        self._clock = clock

    def answered(self, principal: Principal, target: Target | None, response: ScimResponse, sent: Sent) -> None:
        """The log will have the answer to a change that was refused or ignored in part, a setup page any other.

        A creation that was ignored in part is in both. For a page reads the first rows of its own, and the newest of
        the log.
        """
        if self._attempts is None or target is None:
            return
        is_change = target.handler in CHANGES
        attempt = attempt_of(target, sent.origin, response, sent.value, self._clock()) if is_change else None
        if attempt is not None:
            self._attempts.note(principal.tenant, attempt)
        watched = principal.watched and not principal.application and target.needs is not Access.FEED
        if watched and (attempt is None or response.status == CREATED):
            is_logged = attempt is not None
            self._attempts.note(principal.tenant, self._seen(target, sent.origin, response, is_logged=is_logged))

    def not_let_in(self, error: Exception, caller: Caller | None) -> None:
        """A setup page will tell that a credential is not good, if this is why the request was refused."""
        if isinstance(error, Denied) and caller is not None:
            self._denied(error.failure, error.status, error.detail, caller)

    def no_token(self, answer: TokenAnswer, caller: Caller) -> None:
        """A setup page will tell that a client got no access token, if its secret is why."""
        if answer.failure is not None:
            self._denied(answer.failure, answer.response.status, answer.sentence, caller)

    def _seen(self, target: Target, origin: Origin, response: ScimResponse, *, is_logged: bool) -> Attempt:
        """Of the request this keeps who made it, and the names of its route."""
        name = target.resource_type.name if target.resource_type else ""
        note = {**origin_note(origin), "status": response.status, "operation": target.handler}
        if is_logged:
            note[LOGGED] = True
        about = f"{origin.method} {name} {response.status // 100}{' logged' if is_logged else ''}"
        return Attempt(self._clock(), AttemptOutcome.ANSWERED, name, "", _text(note), about=about)

    def _denied(self, failure: Failure, status: int, sentence: str, caller: Caller) -> None:
        token = caller.headers.get("authorization", "").partition(" ")[2].strip()
        start = starting(token) if token.startswith(TOKEN_PREFIX) and not failure.tenant else ""
        if self._visitors is None or not (failure.tenant or start):
            return
        mistake = Mistake.REFUSED if failure.tenant else _mistake(token)
        note = {"request": caller.correlation_id, "status": status, "mistake": mistake, "sentence": sentence}
        attempt = Attempt(self._clock(), AttemptOutcome.DENIED, "", "", _text(note), about=mistake)
        self._visitors.note(attempt, named=failure.tenant, start=start)


def _mistake(token: str) -> Mistake:
    if form(token) is not Form.MISTYPED:
        return Mistake.UNKNOWN
    return Mistake.CUT if is_cut(token) else Mistake.MISTYPED


def _text(note: Json) -> str:
    return json.dumps(note, separators=(",", ":"))
