"""A token request: the form and the header that authenticate a client (RFC 6749 sections 2.3.1 and 4.4.2)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, unquote_plus

from scim_core.access.auth_failures import Failure
from scim_core.access.oauth.access_tokens import SCOPE, SCOPES, accesses_of
from scim_core.access.oauth.answers import OAuthError, invalid_request
from scim_core.messages import SENT_IN_CHUNKS
from scim_core.registry import Access

MAX_FORM_BYTES = 16 * 1024
"""Largest form. An assertion of Entra takes 2 KB, all other fields together less than 1 KB."""

MAX_FIELDS = 50
"""Most fields of a form; clients send fewer than ten."""

MAX_ASSERTION_CHARACTERS = 8 * 1024
"""Longest assertion that is read. Entra's have two thousand characters."""

MAX_CLIENT_ID_CHARACTERS = 100
"""Longest client id that is looked up. Ours have 21 characters."""

MAX_HEADER_CHARACTERS = 1024
"""Longest Authorization header that is read: twice the length of our ids and secrets."""

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""RFC 7523 section 2.2."""

GRANT_TYPE = "client_credentials"

_FORM = "application/x-www-form-urlencoded"
_KNOWN = frozenset(
    {"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope"},
)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The client that asks, its proof (the assertion if there is one, else the secret), and what access it asks for."""

    client_id: str
    secret: str = field(repr=False)
    assertion: str = field(repr=False)
    accesses: tuple[Access, ...] = (Access.WRITE,)


def read_token_request(headers: Mapping[str, str], body: bytes) -> TokenRequest:
    """The request. Unknown fields are ignored: clients send baseAddress, resource and others.

    Raises OAuthError: invalid_request, unsupported_grant_type, invalid_scope, and invalid_client when the credentials
    in header and body differ or are missing.
    """
    fields = _fields(headers, body)
    if "grant_type" not in fields:
        raise invalid_request("grant_type is missing. Send grant_type=client_credentials.")
    if fields["grant_type"] != GRANT_TYPE:
        raise OAuthError(400, "unsupported_grant_type", f"Only grant_type={GRANT_TYPE} is supported.")
    accesses = accesses_of(fields.get("scope", SCOPE))
    if not accesses:
        *first, last = SCOPES.values()
        raise OAuthError(
            400,
            "invalid_scope",
            f"The scopes are {', '.join(first)} and {last}. Leave scope out, or send scope={SCOPE}.",
        )
    basic = _basic(headers.get("authorization", ""))
    is_assertion = "client_assertion" in fields or "client_assertion_type" in fields
    proof = _with_assertion(fields, basic) if is_assertion else _with_secret(fields, basic)
    return replace(proof, accesses=accesses)


def _with_assertion(fields: Mapping[str, str], basic: tuple[str, str] | None) -> TokenRequest:
    """RFC 7523 section 2.2: an assertion comes alone. It needs a client id, for Entra's subject is none of our ids."""
    if basic is not None or "client_secret" in fields:
        raise invalid_request("A client assertion and a client secret were sent. Send one of them.")
    if fields.get("client_assertion_type") != ASSERTION_TYPE:
        raise invalid_request(f"client_assertion_type must be {ASSERTION_TYPE}.")
    assertion, client_id = fields.get("client_assertion", ""), fields.get("client_id", "")
    if not assertion or not client_id:
        raise invalid_request("client_assertion and client_id must both be sent.")
    if len(assertion) > MAX_ASSERTION_CHARACTERS:
        raise invalid_request("The client assertion is too long.")
    return TokenRequest(_client_id(client_id), "", assertion)


def _with_secret(fields: Mapping[str, str], basic: tuple[str, str] | None) -> TokenRequest:
    """From the header, the body, or both if they agree: Entra offers the choice Both (entra.md section 2.2)."""
    client_id, secret = fields.get("client_id", ""), fields.get("client_secret", "")
    if basic is None:
        if not client_id or not secret:
            raise _not_a_client("The client id or the client secret was not sent.", "none")
        return TokenRequest(_client_id(client_id), secret, "")
    if client_id not in ("", basic[0]) or secret not in ("", basic[1]):
        raise _not_a_client("The credentials in the Authorization header and in the body differ.", "secret")
    return TokenRequest(_client_id(basic[0]), basic[1], "")


def _fields(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """The known fields with a value. An empty field counts as omitted, a field may come once only (RFC 6749 3.2)."""
    if not body and "transfer-encoding" in headers:
        raise OAuthError(411, "invalid_request", SENT_IN_CHUNKS)
    if len(body) > MAX_FORM_BYTES:
        raise OAuthError(413, "invalid_request", f"The body is larger than {MAX_FORM_BYTES} bytes.")
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _FORM:
        raise invalid_request(f"The body must be a form: Content-Type {_FORM}.")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise invalid_request(
            f"The body must be a form of at most {MAX_FIELDS} fields in percent-encoded UTF-8."
        ) from None
    known = [(name, value) for name, value in pairs if name in _KNOWN and value]
    if len({name for name, _ in known}) != len(known):
        raise invalid_request("A field is in the body more than once. Send each field once.")
    return dict(known)


def _basic(header: str) -> tuple[str, str] | None:
    """Client id and secret of an Authorization header (RFC 6749 section 2.3.1, RFC 7617). None without a header."""
    if not header:
        return None
    if "," in header:  # the host joins repeated headers with one
        raise invalid_request("Two Authorization headers were sent. Send one.")
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(header) > MAX_HEADER_CHARACTERS:
        raise _not_a_client("The Authorization header must be: Basic <client id and client secret>.", "none")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
        client_id, colon, secret = text.partition(":")
        decoded = (unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict"))
    except (binascii.Error, ValueError):
        raise _not_a_client("The Authorization header must hold base64 of text after the word Basic.", "none") from None
    if not colon or not all(decoded):
        raise _not_a_client("The Authorization header must hold a client id and a client secret.", "none")
    return decoded


def _client_id(text: str) -> str:
    if len(text) > MAX_CLIENT_ID_CHARACTERS:
        raise _not_a_client("The client id or the client secret is wrong.", "none")
    return text


def _not_a_client(description: str, method: str) -> OAuthError:
    return OAuthError(401, "invalid_client", description, Failure(method, description))
