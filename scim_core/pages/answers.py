"""Answers for browsers: every one carries the same headers, which allow nothing that a page does not need."""

from functools import cache
from hashlib import sha256
from pathlib import Path

from scim_core.messages import HttpError, ScimResponse

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""Only files of this host are loaded. Nothing inline runs or styles, nobody frames a page, no form leaves it."""

SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""The headers of every answer to a browser: of pages, of files, of redirects."""

PRIVATE = {"Cache-Control": "no-store"}
"""What a page says of a customer stays in no cache."""

ASSET_SECONDS = 86_400
"""For how long a browser keeps a file. Its address changes with its content, so it could be for ever."""

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The files that pages use, by how their names end."""

_ASSETS = Path(__file__).with_name("assets")


def html(text: str, status: int = 200, **headers: str) -> ScimResponse:
    """The page as an answer. More headers are named with `_` for `-`."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    own = {"Content-Type": "text/html; charset=utf-8", **PRIVATE, **SECURITY_HEADERS}
    return ScimResponse(status, own | more, text.encode(errors="backslashreplace"))


def see_other(location: str, **headers: str) -> ScimResponse:
    """The browser goes there with GET: the end of every form. `location` is a path of this host."""
    if (
        not location.startswith("/")
        or location.startswith("//")
        or not location.isascii()
        or not location.isprintable()
    ):
        raise ValueError("a redirect leads to a path of this host")
    return html("", 303, Location=location, **headers)


def asset(name: str) -> ScimResponse:
    """The file of this name that pages use. Raises HttpError 404."""
    content = _assets().get(name)
    if content is None:
        raise HttpError(404, "There is no such file.")
    headers = {
        "Content-Type": MEDIA_TYPES[Path(name).suffix],
        "Cache-Control": f"public, max-age={ASSET_SECONDS}",
        **SECURITY_HEADERS,
    }
    return ScimResponse(200, headers, content)


@cache
def asset_version() -> str:
    """A text that changes with the files that pages use: it is part of their addresses."""
    return sha256(b"".join(_assets().values())).hexdigest()[:12]


@cache
def _assets() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(_ASSETS.iterdir()) if file.suffix in MEDIA_TYPES}
