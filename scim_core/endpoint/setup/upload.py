"""The file that a browser uploads in a form: its bytes, out of a multipart body (RFC 7578) with one file in it."""

import re

from scim_core.messages import SENT_IN_CHUNKS, HttpError, ScimRequest

MAX_UPLOAD_BYTES = 1024 * 1024
"""Largest form with a file. Entra's exports have some 300 KB."""

MAX_PART_HEADER_BYTES = 4_096
"""Longest header of the part with the file: its name, and its type."""

_MULTIPART = "multipart/form-data"
_BOUNDARY = re.compile(r"""boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))""", re.IGNORECASE)


def uploaded(request: ScimRequest) -> bytes:
    """The file. Raises HttpError: 411, 413, 415, and 400 for a body that is not one file in a form."""
    if not request.body and "transfer-encoding" in request.headers:
        raise HttpError(411, SENT_IN_CHUNKS)
    if len(request.body) > MAX_UPLOAD_BYTES:
        raise HttpError(413, f"The file is larger than {MAX_UPLOAD_BYTES // 1024**2} MiB, so it is no such export.")
    content_type = request.headers.get("content-type", "")
    boundary = _BOUNDARY.search(content_type)
    if content_type.partition(";")[0].strip().lower() != _MULTIPART or boundary is None:
        raise HttpError(415, "This page takes what its own form sends: choose a file, then press the button.")
    mark = f"--{boundary[1] or boundary[2]}".encode(errors="replace")
    head, found, rest = request.body.removeprefix(mark).partition(b"\r\n\r\n")
    end = rest.find(b"\r\n" + mark)
    is_form = request.body.startswith(mark) and len(head) <= MAX_PART_HEADER_BYTES
    if not is_form or not found or end < 0 or rest[end + 2 + len(mark) :].strip() != b"--":
        raise HttpError(400, "The form holds no file, or more than one.")
    if not rest[:end]:
        raise HttpError(400, "Choose the file first, then press the button.")
    return rest[:end]
