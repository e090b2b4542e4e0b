"""To which addresses a hook may send: to public ones, over https. An operator's mistake must open nothing inside.

A name is resolved once, and the connection goes to what it was resolved to. So a name that says something else the
second time (DNS rebinding) leads nowhere else.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

type NetworkAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
"""An address of either version."""

MAX_URL = 1_000
"""Characters of a hook's URL."""

MAX_PORT = 65_535
"""The largest port of TCP."""

LOOPBACK_SETTING = "SCIM_HOOKS_TO_LOOPBACK"
"""The setting that lets hooks send to this machine, for trying them."""

_PLATFORM = frozenset({ipaddress.ip_address("168.63.129.16")})
"""Azure's own address inside each virtual network. It lies in a public range, and answers only from inside."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAME = r"(?=.{1,253}\.?(?:[:/?]|\Z))[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?"
_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_NAME}|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{{1,5}}))?([/?][!\"$-\[\]-~]*)?",
    re.IGNORECASE,
)
"""Narrower than RFC 3986, so that whoever reads the URL finds the same host in it."""

_PORTS = {"https": 443, "http": 80}


class RefusedTarget(ValueError):
    """A hook must not send there. The text says why, and never holds the URL's path or query."""


@dataclass(frozen=True, slots=True)
class HookTarget:
    """A URL that was read: its scheme, its host without brackets, and its port."""

    url: str
    scheme: str
    host: str
    port: int


def target_of(url: str, *, to_loopback: bool) -> HookTarget:
    """The target of a URL. Raises RefusedTarget for a URL to which no hook may send, whatever its host resolves to."""
    found = _URL.fullmatch(url)
    if len(url) > MAX_URL or found is None or int(found["port"] or 0) > MAX_PORT:
        raise RefusedTarget(
            f"A hook's URL looks like https://example.com/path: at most {MAX_URL} characters of ASCII, a host, and "
            "neither a user name, a password nor a fragment."
        )
    scheme = found["scheme"].lower()
    if scheme == "http" and not to_loopback:
        raise RefusedTarget(
            f"A hook sends to https only. (http to this machine itself needs {LOOPBACK_SETTING}=true, for trying.)"
        )
    return HookTarget(url, scheme, found["host"].strip("[]"), int(found["port"] or _PORTS[scheme]))


def shown_url(url: str) -> str:
    """The URL as people see it: without its query, which can hold a secret of the receiver."""
    before, mark, _ = url.partition("?")
    return f"{before}?…" if mark else before


def require_allowed(target: HookTarget, addresses: Sequence[str], *, to_loopback: bool) -> None:
    """Raises RefusedTarget unless a hook may send to each of the addresses that the target's host has."""
    if not addresses:
        raise RefusedTarget("The host of the hook's URL has no address.")
    for text in addresses:
        address = _inner(ipaddress.ip_address(text))
        if to_loopback and address.is_loopback:
            continue
        if target.scheme != "https":
            raise RefusedTarget("A hook sends to https only; http is for this machine itself.")
        if not _is_public(address):
            raise RefusedTarget("The host of the hook's URL has an address that is not public.")


def _is_public(address: NetworkAddress) -> bool:
    refused = address.is_multicast or address.is_reserved or address in _PLATFORM
    of_site = isinstance(address, ipaddress.IPv6Address) and (address.is_site_local or address.scope_id is not None)
    return address.is_global and not refused and not of_site


def _inner(address: NetworkAddress) -> NetworkAddress:
    """The IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address
