"""How the Functions host changes an HTTP request before the worker sees it."""

import re
from urllib.parse import parse_qsl, quote, unquote_to_bytes

MAX_REQUEST_LINE = 8 * 1024
"""Kestrel's limit, in bytes. Azure's front end has a lower one."""

MAX_HEADERS = 100
"""Kestrel's limit."""

MAX_HEADER_BYTES = 32 * 1024
"""Kestrel's limit for all headers together, as they are sent."""

_HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PATH_SAFE = "/%:@!$&'()*+,;=~"


class RefusedError(Exception):
    """The host answers with this status and an empty body, without a call of the function. `closes`: and hangs up."""

    def __init__(self, status: int, reason: str, *, closes: bool = False) -> None:
        self.status = status
        self.closes = closes
        super().__init__(reason)


def decode_path(raw: bytes) -> str:
    """The path as in Kestrel: percent-decoded once, except %2F and bytes that are not UTF-8. No dot segments."""
    decoded = _ESCAPES.sub(lambda run: _decode_escapes(run[0]), raw.decode("latin-1"))
    if "\0" in decoded:
        raise RefusedError(400, "a NUL in the path")
    return _without_dot_segments(decoded)


def encode_url(scheme: str, host: str, path: str) -> str:
    """The URL that the function sees, up to the query: the decoded path, encoded again."""
    return f"{scheme}://{host}{quote(_STRAY_PERCENT.sub('%25', path), safe=_PATH_SAFE)}"


def read_headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name. A repeated header has its values joined by commas. Refuses bytes beyond UTF-8.

    Azure's front end tells in DISGUISED-HOST which host the client named.
    """
    size = sum(len(name) + len(": ") + len(value) + len("\r\n") for name, value in pairs)
    if len(pairs) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise RefusedError(431, "the headers are too many or too large", closes=True)
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = raw_name.decode("latin-1").lower()
        try:
            value = raw_value.decode()
        except UnicodeDecodeError:
            raise RefusedError(400, f"the header {name} is not UTF-8") from None
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    if not _HOST.fullmatch(headers.get("host", "")):
        raise RefusedError(400, "no usable Host header")
    headers["host"] = headers.get("disguised-host") or headers["host"]
    return headers


def read_query(query: str) -> dict[str, str]:
    """Parameters by name, in any letter case: the last spelling is taken.

    Repeated values are joined by commas, and empty values are dropped.
    """
    spellings: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query):
        spellings[name.lower()] = name
        values.setdefault(name.lower(), []).append(value)
    return {spellings[name]: ",".join(found) for name, found in values.items()}


def _decode_escapes(run: str) -> str:
    pieces = re.split(r"(%2[fF])", run)
    return "".join(piece if piece.upper() == "%2F" else _utf8_or_same(piece) for piece in pieces)


def _utf8_or_same(run: str) -> str:
    try:
        return unquote_to_bytes(run).decode()
    except UnicodeDecodeError:
        return run


def _without_dot_segments(path: str) -> str:
    """RFC 3986 section 5.2.4."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            kept = kept[: max(1, len(kept) - 1)]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)
