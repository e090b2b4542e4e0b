"""How the Functions host changes an HTTP request before the worker sees it."""

import re
from urllib.parse import parse_qsl, quote, unquote_to_bytes

MAX_REQUEST_LINE = 8 * 1024  # Kestrel's limit; Azure's front end has a lower one
_HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PATH_SAFE = "/%:@!$&'()*+,;=~"


class RefusedError(Exception):
    """The host answers with this status and an empty body, without a call of the function."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


def decode_path(raw: bytes) -> str:
    """The path as in Kestrel: percent-decoded once, except %2F and bytes that are not UTF-8. No dot segments."""
    decoded = _ESCAPES.sub(lambda run: _decode_escapes(run[0]), raw.decode("latin-1"))
    if "\0" in decoded:
        raise RefusedError(400, "a NUL in the path")
    return _without_dot_segments(decoded)


def encode_url(scheme: str, host: str, path: str, query: str) -> str:
    """The URL that the function sees: the decoded path, encoded again, and the query as it came."""
    url = f"{scheme}://{host}{quote(_STRAY_PERCENT.sub('%25', path), safe=_PATH_SAFE)}"
    return f"{url}?{query}" if query else url


def read_headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name. A repeated header has its values joined by commas. Refuses bytes beyond UTF-8."""
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
    return headers


def read_query(query: str) -> dict[str, str]:
    """Parameters by name, in any letter case. Repeated values are joined by commas, and empty values are dropped."""
    values: dict[str, tuple[str, list[str]]] = {}
    for name, value in parse_qsl(query):
        values.setdefault(name.lower(), (name, []))[1].append(value)
    return {name: ",".join(found) for name, found in values.values()}


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
