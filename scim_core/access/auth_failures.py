"""Refusals that clients can cause at will: failed authentications, and requests beyond a limit.

A refusal takes its permit first. Only then is it in the audit log, where refusals of one kind are counted.
"""

from dataclasses import dataclass

from scim_core.access.audit import AuditEvent
from scim_core.access.rate_limits import FAILURES, RateLimit
from scim_core.clock import Timer
from scim_core.counted_log import CountedLog
from scim_core.messages import Caller, HttpError

RATE_LIMITED = "rate-limited"
"""The audit event of a request that was answered 429. The alert of the same name counts it."""

BEYOND_ITS_REQUESTS = "This customer sends more requests than its limit. Wait."


@dataclass(frozen=True, slots=True)
class Failure:
    """Who failed to authenticate, and how, as far as that is known. `reason` holds no part of the credential."""

    method: str
    reason: str
    tenant: str = ""
    credential: str = ""
    credential_is_good: bool = False


class FailureWatch:
    """Records refusals, and counts failures by source. Each process counts for itself.

    Only failures are told to wait. A good credential always passes, for Entra serves many customers from one address.
    """

    def __init__(self, timer: Timer, requests: RateLimit, counted: CountedLog) -> None:
        """`requests` are the permits of each tenant."""
        self._failures = RateLimit(*FAILURES, timer)
        self._requests = requests
        self._counted = counted

    def failed(self, failure: Failure, caller: Caller, detail: str) -> HttpError | None:
        """The 429 for a failure beyond the limit. None if the failure may be told its reason, which is in `detail`.

        A good credential of a suspended tenant takes a permit of its tenant, for its sender does not guess.
        """
        if failure.credential_is_good:
            wait, why = self._requests.take(failure.tenant), BEYOND_ITS_REQUESTS
        else:
            wait = self._failures.take(caller.source)
            why = "Too many failed authentications from this address. Wait."
        self._note(RATE_LIMITED if wait else "authentication failed", failure, caller)
        return HttpError(429, f"{why} The last reason: {detail}", Retry_After=str(wait)) if wait else None

    def require_permit(self, limit: RateLimit, tenant: str, credential: str, caller: Caller, detail: str) -> None:
        """The tenant has one permit of this limit less. Raises HttpError 429 with this detail if it has none."""
        wait = limit.take(tenant)
        if wait:
            self._note(RATE_LIMITED, Failure("none", "the limit of the tenant", tenant, credential), caller)
            raise HttpError(429, detail, Retry_After=str(wait))

    def beyond_share(self, tenant: str, credential: str, caller: Caller) -> None:
        """Records that a request was answered 429, because too many of the tenant wait for its share of computing."""
        self._note(RATE_LIMITED, Failure("none", "the share of the tenant", tenant, credential), caller)

    def _note(self, event: str, failure: Failure, caller: Caller) -> None:
        AuditEvent(
            event=event,
            method=failure.method,
            correlation_id=caller.correlation_id,
            tenant=failure.tenant,
            credential=failure.credential,
            reason=failure.reason,
            source=caller.address,
        ).note(self._counted, caller.source)
