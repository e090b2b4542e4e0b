"""What RFC 8417 section 2.2 and RFC 9967 say of a security event token: written from their tables, for any issuer."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

REGISTERED = {
    "feed:add": set[str](),
    "feed:remove": set[str](),
    "prov:create:notice": {"attributes"},
    "prov:create:full": {"data"},
    "prov:patch:notice": {"attributes"},
    "prov:patch:full": {"data"},
    "prov:put:notice": {"attributes"},
    "prov:put:full": {"data"},
    "prov:delete": set[str](),
    "prov:activate": set[str](),
    "prov:deactivate": set[str](),
    "misc:asyncresp": {"method", "status"},
}
"""RFC 9967 section 7.4: each event, and what its payload must have by sections 2.3 to 2.5."""

OPTIONAL = {"version"}
"""Section 2.2: what the payload of a provisioning event may have as well. A deletion has nothing (section 2.4.4)."""

PREFIX = "urn:ietf:params:scim:event:"

REQUIRED = {"iss": str, "iat": int, "jti": str, "events": dict}
"""RFC 8417 section 2.2. `aud` is recommended, and `exp` is not; `sub` is forbidden by RFC 9967 section 2.1."""

ALLOWED = {*REQUIRED, "aud", "toe", "txn", "sub_id"}

_PATH = re.compile(r"(urn:[A-Za-z0-9:._-]+)?(:?[A-Za-z$][A-Za-z0-9$_-]*(\.[A-Za-z$][A-Za-z0-9$_-]*)?)?")
"""A path of RFC 7644 section 3.5.2, without value filters."""

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_RELATIVE = re.compile(r"/[A-Za-z]+/[A-Za-z0-9-]+")


def violations(header: Mapping[str, Any], claims: Mapping[str, Any]) -> list[str]:
    """What is not as the RFCs say of this token."""
    return [*_of_header(header), *_of_claims(claims), *_of_events(claims)]


def _of_header(header: Mapping[str, Any]) -> Iterator[str]:
    if header.get("typ") != "secevent+jwt":
        yield "RFC 8417 section 2.3: typ is not secevent+jwt"
    if header.get("alg") in (None, "none"):
        yield "RFC 9967 section 5: it is not signed"


def _of_claims(claims: Mapping[str, Any]) -> Iterator[str]:
    for name, kind in REQUIRED.items():
        if not isinstance(claims.get(name), kind) or not claims[name]:
            yield f"RFC 8417 section 2.2: {name} is required"
    for name in claims.keys() - ALLOWED:
        yield f"{name} is no claim of a SET"
    if not all(isinstance(claims.get(name, 0), int) for name in ("iat", "toe")):
        yield "RFC 7519 section 2: a NumericDate is a number"
    if not all(isinstance(claims.get(name, ""), str) for name in ("txn", "jti")):
        yield "RFC 8417 section 2.2: txn and jti are strings"
    if "aud" not in claims:
        yield "RFC 8417 section 2.2: aud is recommended"


def _of_events(claims: Mapping[str, Any]) -> Iterator[str]:
    events = claims.get("events", {})
    for uri, payload in events.items():
        if not _URI.fullmatch(uri) or not isinstance(payload, dict):
            yield f"RFC 8417 section 2.2: the event {uri} is no URI with an object"
    yield from _of_scim(claims, {uri.removeprefix(PREFIX): events[uri] for uri in events if uri.startswith(PREFIX)})


def _of_scim(claims: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    if ours:
        yield from _of_subject(claims.get("sub_id", {}))
        if "txn" not in claims:
            yield "RFC 9967 section 2.2: txn is required to tell duplicates"
    for name, payload in ours.items():
        if name not in REGISTERED:
            yield f"RFC 9967 section 7.4: {name} is not registered"
            continue
        needed = REGISTERED[name]
        if not needed <= payload.keys() or payload.keys() - needed - (OPTIONAL if needed else set()):
            yield f"RFC 9967 section 2.4: {name} has {sorted(payload)}"
        yield from _of_attributes(payload.get("attributes", []))
    if "prov:delete" in ours and len(ours) > 1:
        yield "RFC 9967 section 2.4.4: a deletion comes alone"


def _of_attributes(attributes: Any) -> Iterator[str]:
    if not isinstance(attributes, list):
        yield "RFC 9967 section 2.2: attributes is an array"
        return
    for attribute in attributes:
        if not isinstance(attribute, str) or not attribute or not _PATH.fullmatch(attribute):
            yield f"RFC 9967 section 2.2: {attribute!r} is no path"


def _of_subject(subject: Any) -> Iterator[str]:
    if not isinstance(subject, dict) or subject.get("format") != "scim":
        yield "RFC 9967 section 2.1: the format of sub_id is scim"
    elif not _RELATIVE.fullmatch(str(subject.get("uri"))):
        yield "RFC 9967 section 2.1: sub_id has the relative path of the resource"
