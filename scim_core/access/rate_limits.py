"""How often something may happen: each tenant or source has a bucket of permits. Each process counts for itself.

Azure runs several instances, and each has limits of its own. Three instances together allow three times as much.
"""

import ipaddress
import math
from collections.abc import Mapping
from functools import lru_cache

from scim_core.caches import Bounded
from scim_core.clock import Timer

MAX_BUCKETS = 10_000
"""Tenants or sources remembered. One that is forgotten gets a full bucket again."""

TOKEN_REQUESTS = (10.0, 60)
"""Access tokens of one tenant: how many a second, and how many at once. Entra asks once an hour for each customer. The
source does not count: Entra sends for many customers from the same few addresses."""

FAILURES = (0.5, 30)
"""Failed authentications of one source: how many a second, and how many at once, are told their reason. Further ones
are told to wait. A person with a typing error needs a few."""

LOOK_UPS = (5.0, 50)
"""Look-ups of one source in the registry that find nothing: how many a second, and how many at once. Each one is two
reads. Beyond that, the list of all credentials says what a look-up would say. So nobody is refused by this limit."""

BURST_SECONDS = 4
"""Seconds of unused permits that a tenant can save up, for clients that send in waves."""

UNKNOWN_SOURCE = "unknown"
"""The source of requests without an address, such as all requests on a developer's machine."""

MAX_HOP_CHARACTERS = 100
"""Most characters of an address. The longest one, in brackets and with a port, has 53; the rest is for the name of an
interface."""

REMEMBERED = 1_000
"""Texts whose addresses are remembered. Each request asks for its own three times, and clients have few."""

_IPV6_SOURCE = 64


class RateLimit:
    """At most `rate` permits a second for each key, after `burst` at once."""

    def __init__(self, rate: float, burst: float, timer: Timer) -> None:
        self._rate = rate
        self._burst = burst
        self._timer = timer
        self._buckets: Bounded[str, tuple[float, float]] = Bounded(MAX_BUCKETS)

    def take(self, key: str) -> int:
        """0 when there was a permit, which is now taken. Otherwise the whole seconds until there is one."""
        now = self._timer()
        left, since = self._buckets.get(key) or (self._burst, now)
        left = min(self._burst, left + (now - since) * self._rate)
        if left < 1:
            self._buckets.put(key, (left, now))
            return max(1, math.ceil((1 - left) / self._rate))
        self._buckets.put(key, (left - 1, now))
        return 0

    def give_back(self, key: str) -> None:
        """The permit that was taken last counts as not taken."""
        found = self._buckets.get(key)
        if found is not None:
            self._buckets.put(key, (min(self._burst, found[0] + 1), found[1]))


def source_of(headers: Mapping[str, str], proxies: int) -> str:
    """The source that a request counts for. An IPv6 address counts as its network of 64 bits.

    For one client can have a whole network.
    """
    address = address_of(headers, proxies)
    return str(ipaddress.ip_network((address, _IPV6_SOURCE), strict=False)) if ":" in address else address


def address_of(headers: Mapping[str, str], proxies: int) -> str:
    """Where a request comes from: the address that the outermost of `proxies` trusted proxies saw.

    Each proxy appends one address to X-Forwarded-For. What the client itself writes there stands further left, and is
    ignored. `::ffff:a.b.c.d` is a.b.c.d.
    """
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    if not 0 < proxies <= len(hops) or len(hops[-proxies]) > MAX_HOP_CHARACTERS:
        return UNKNOWN_SOURCE
    return _address(hops[-proxies])


@lru_cache(REMEMBERED)
def _address(hop: str) -> str:
    text = hop.partition("]")[0].removeprefix("[") if hop.startswith("[") else hop
    if text.count(":") == 1:  # an IPv4 address with its port
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return UNKNOWN_SOURCE
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.IPv6Address(int(address)))  # without the name of an interface
    return str(address)
