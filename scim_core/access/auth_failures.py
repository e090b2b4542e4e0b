"""Failed authentications: each is recorded, and a source with too many of them is told to wait."""

from dataclasses import dataclass

from scim_core.access.audit import AuditEvent
from scim_core.access.rate_limits import FAILURES, RateLimit
from scim_core.clock import Timer
from scim_core.messages import Caller, HttpError


@dataclass(frozen=True, slots=True)
class Failure:
    """Who failed to authenticate, and how, as far as that is known. `reason` holds no part of the credential."""

    method: str
    reason: str
    tenant: str = ""
    credential: str = ""
    credential_is_good: bool = False


class FailureWatch:
    """Records failures and counts them by source. Each process counts for itself.

    Only failures are told to wait. A good credential always passes, for Entra serves many customers from one address.
    """

    def __init__(self, timer: Timer) -> None:
        self._limit = RateLimit(*FAILURES, timer)

    def failed(self, failure: Failure, caller: Caller) -> int:
        """0, or the seconds that this source must wait. The failure is in the audit log in both cases.

        A good credential of a suspended tenant does not count, for its sender does not guess.
        """
        AuditEvent(
            event="authentication failed",
            method=failure.method,
            correlation_id=caller.correlation_id,
            tenant=failure.tenant,
            credential=failure.credential,
            reason=failure.reason,
            source=caller.address,
        ).record()
        return 0 if failure.credential_is_good else self._limit.take(caller.source)


def held_up(seconds: int, reason: str) -> HttpError:
    """The 429 for a source with too many failures. Its text says why the last one failed."""
    detail = f"Too many failed authentications from this address. Wait. The last reason: {reason}"
    return HttpError(429, detail, Retry_After=str(seconds))
