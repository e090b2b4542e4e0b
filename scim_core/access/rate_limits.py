"""How often something may happen: a bucket of permits for each tenant or source. Kept in the process, for it alone.

Azure runs several instances, each with limits of its own: what all let through together is so many times as much.
"""

import ipaddress
import math
from collections.abc import Mapping

from scim_core.caches import Bounded
from scim_core.clock import Timer

MAX_BUCKETS = 10_000
"""Tenants or sources remembered. Forgetting one gives it a full bucket again."""

TOKEN_REQUESTS = (10.0, 60)
"""Requests of one source to the token endpoint: a second, and at once. Entra asks once an hour for each customer, and
many customers come from the same few addresses."""

FAILURES = (0.5, 30)
"""Failed authentications of one source that are told why; beyond, they are told to wait. A typing error takes a few."""

LOOK_UPS = (10.0, 100)
"""Look-ups in the registry that one source may cause with credentials not seen within a minute: they cost a round trip.
Whoever repeats one and the same wrong token causes one a minute, so no customer's mistake keeps others out."""

BURST_SECONDS = 4
"""How much of its time a tenant may have saved up, for a client that sends in waves."""

UNKNOWN_SOURCE = "unknown"
"""The source of requests that come without an address: all on a developer's machine."""

_IPV6_SOURCE = 64


class RateLimit:
    """At most `rate` permits a second for each key, after `burst` at once."""

    def __init__(self, rate: float, burst: float, timer: Timer) -> None:
        self._rate = rate
        self._burst = burst
        self._timer = timer
        self._buckets: Bounded[str, tuple[float, float]] = Bounded(MAX_BUCKETS)

    def take(self, key: str) -> int:
        """0 when there was a permit, which is taken; else the whole seconds after which there is one."""
        now = self._timer()
        left, since = self._buckets.get(key) or (self._burst, now)
        left = min(self._burst, left + (now - since) * self._rate)
        if left < 1:
            self._buckets.put(key, (left, now))
            return max(1, math.ceil((1 - left) / self._rate))
        self._buckets.put(key, (left - 1, now))
        return 0


def source_of(headers: Mapping[str, str], proxies: int) -> str:
    """Where a request comes from: the address that the outermost of `proxies` trusted proxies saw.

    Each appends one to X-Forwarded-For, so what the client itself writes there stands further left and counts for
    nothing. Addresses of IPv6 count by their network of 64 bits, which one client has to itself.
    """
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    return _address(hops[-proxies]) if 0 < proxies <= len(hops) else UNKNOWN_SOURCE


def _address(hop: str) -> str:
    text = hop.partition("]")[0].removeprefix("[") if hop.startswith("[") else hop
    if text.count(":") == 1:  # an IPv4 address with its port
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return UNKNOWN_SOURCE
    if address.version == 6:  # noqa: PLR2004
        return str(ipaddress.ip_network((address, _IPV6_SOURCE), strict=False))
    return str(address)
