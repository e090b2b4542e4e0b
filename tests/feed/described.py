"""Whether an answer of the feed is as docs/feed.openapi.yaml says."""

import functools
import json
from collections.abc import Mapping
from urllib.parse import parse_qsl

from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from tests.running import ROOT

FILE = ROOT / "docs" / "feed.openapi.yaml"
HOST = "https://scim.example.com"


@functools.cache
def description() -> OpenAPI:
    """The file. Reading it also checks that it is OpenAPI."""
    kinds = ("application/problem+json", "application/jwk-set+json")
    problems = Config(extra_media_type_deserializers=dict.fromkeys(kinds, json.loads))
    return OpenAPI.from_file_path(str(FILE), config=problems)


def deviations(path: str, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    """What is not as the file says of the answer to a GET; `path` may have a query."""
    path, _, query = path.partition("?")
    named = {name.lower(): value for name, value in headers.items()}
    request = MockRequest(HOST, "get", path, args=dict(parse_qsl(query)))
    response = MockResponse(body, status, dict(named), named["content-type"])
    return [_told(error) for error in description().iter_response_errors(request, response)]


def _told(error: BaseException) -> str:
    errors = getattr(error, "schema_errors", None) or getattr(error.__cause__, "schema_errors", None) or ()
    return f"{error!r} {[item.message for item in errors]}"
