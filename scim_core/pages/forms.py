"""What a browser sends back: the fields of a form, the values of an address, cookies. All of it is somebody's text."""

from urllib.parse import parse_qsl

from scim_core.messages import HttpError, ScimRequest

MAX_FORM_BYTES = 4_096
"""Longest body of a form. It holds some ids and a token."""

MAX_FIELDS = 20
"""Most fields of a form or of an address: no page has half as many."""

FORM = "application/x-www-form-urlencoded"


def form_fields(request: ScimRequest) -> dict[str, str]:
    """The fields of a form that was sent. Of a field that is there twice, the last. Raises HttpError 400, 413, 415."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        raise HttpError(415, "This page takes what its own form sends.")
    if len(request.body) > MAX_FORM_BYTES:
        raise HttpError(413, f"A form has at most {MAX_FORM_BYTES} bytes.")
    return _fields(request.body.decode("utf-8", "replace"))


def query_fields(request: ScimRequest) -> dict[str, str]:
    """The values after the `?` of an address. Raises HttpError 400."""
    return _fields(request.query)


def cookie(request: ScimRequest, name: str) -> str:
    """The value of a cookie; empty if the browser sent none."""
    pairs = (item.strip().partition("=") for item in request.headers.get("cookie", "").split(";"))
    return next((value for key, _, value in pairs if key == name), "")


def _fields(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise HttpError(400, f"There are more than {MAX_FIELDS} fields.") from None
