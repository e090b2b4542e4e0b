"""Failed authentications: each is recorded, and a source with too many of them is told to wait."""

from dataclasses import dataclass

from scim_core.access.audit import AuditEvent
from scim_core.access.rate_limits import FAILURES, RateLimit
from scim_core.clock import Timer
from scim_core.messages import HttpError


@dataclass(frozen=True, slots=True)
class Failure:
    """Who failed to prove itself how, as far as that is known. `reason` holds nothing of the credential."""

    method: str
    reason: str
    tenant: str = ""
    credential: str = ""
    credential_is_good: bool = False


class FailureWatch:
    """Records failures and counts them by source. Kept in the process, for it alone.

    Only failures are held up, never a credential that is good: many customers' Entra comes from the same addresses.
    """

    def __init__(self, timer: Timer) -> None:
        self._limit = RateLimit(*FAILURES, timer)

    def failed(self, failure: Failure, source: str, correlation_id: str) -> int:
        """0, or the seconds that this source is to wait. The failure is in the audit log either way.

        Where the credential itself was good, as a suspended tenant's is, nobody is guessing: that does not count.
        """
        AuditEvent(
            event="authentication failed",
            method=failure.method,
            correlation_id=correlation_id,
            tenant=failure.tenant,
            credential=failure.credential,
            reason=failure.reason,
            source=source,
        ).record()
        return 0 if failure.credential_is_good else self._limit.take(source)


def held_up(seconds: int, reason: str) -> HttpError:
    """The 429 for a source with too many failures; it learns why the last one failed."""
    detail = f"Too many failed authentications from this address; wait. The last reason: {reason}"
    return HttpError(429, detail, Retry_After=str(seconds))
