"""From which networks a credential may be used: how they are written, and whether an address is in them."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from scim_core.access.rate_limits import UNKNOWN_SOURCE
from scim_core.registry import Access, Credential, RegistryError

MAX_NETWORKS = 20
"""Most networks of one credential. A customer has a few; a longer list belongs into a firewall."""

ANYWHERE = "any"
"""What an operator writes instead of a network to allow every address."""

REFUSAL = (
    "This credential cannot be used from the address of this request. Nothing was read or changed. Ask the operator of "
    "this service to allow the network that you send from."
)
"""What a client is told at an address that its credential does not admit. It tells nothing about the networks."""

REMEMBERED = 1_000
"""Lists of networks that are kept parsed: as many as tenants are remembered."""

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


class NetworkError(RegistryError):
    """A text that is no network, or too many of them. The text says what to write."""


def canonical(texts: Sequence[str]) -> str:
    """These networks as a credential holds them: each once, one space between two. Raises NetworkError.

    ANYWHERE alone stands for none.
    """
    if list(texts) == [ANYWHERE]:
        return ""
    if ANYWHERE in texts:
        raise NetworkError(f"{ANYWHERE} stands for every address. Give it alone, or give networks.")
    found = list(dict.fromkeys(str(_network(text.strip())) for text in texts))
    if len(found) > MAX_NETWORKS:
        raise NetworkError(f"A credential can have {MAX_NETWORKS} networks. Join some of them to larger ones.")
    return " ".join(found)


def admits(credential: Credential, address: str) -> bool:
    """Whether the credential may be used from this address. One with networks never admits an unknown address."""
    if not credential.networks:
        return True
    try:
        found = ipaddress.ip_address(address)
        return any(found in network for network in _networks(credential.networks))
    except ValueError:  # no address, or a row that somebody wrote by hand
        return False


def elsewhere(address: str) -> str:
    """Why a credential is refused at an address that it does not admit, for the audit log."""
    if address == UNKNOWN_SOURCE:
        return (
            "its networks are set, and the address of the request is not known: SCIM_TRUSTED_PROXIES must be the "
            "number of proxies before the app"
        )
    return "the address of the request is in none of its networks"


def preferred(credentials: Sequence[Credential], address: str) -> list[Credential]:
    """Credentials that fit the same token, best first: those that admit the address, then those that may write."""
    return sorted(credentials, key=lambda item: (not admits(item, address), item.access is not Access.WRITE))


@lru_cache(REMEMBERED)
def _networks(texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts.split())


def _network(text: str) -> Network:
    """The network. One of addresses ::ffff:a.b.c.d is the IPv4 network of a.b.c.d (RFC 4291 section 2.5.5.2)."""
    address, _, prefix = text.partition("/")
    try:
        int(prefix or 0)  # Python also reads masks such as 255.255.255.0
        found, first = ipaddress.ip_network(text, strict=False), ipaddress.ip_address(address)
    except ValueError:
        raise NetworkError(f"{text[:60]!r} is no network. Write one like 192.0.2.0/24 or 2001:db8::/32.") from None
    if "%" in address:
        raise NetworkError(f"{text[:60]!r} names an interface of one machine. Leave out % and what follows.")
    if first != found.network_address:
        raise NetworkError(f"{text[:60]!r} is an address within a network. Write {found} for the whole network.")
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(_MAPPED):
        mapped = ipaddress.IPv4Address(int(found.network_address) & 0xFFFF_FFFF)
        return ipaddress.IPv4Network((mapped, found.prefixlen - _MAPPED.prefixlen))
    return found
