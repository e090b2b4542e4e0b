"""function_app.py, indexed by the real worker runtime and called over HTTP by the host's rules."""

import gc
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass

import pytest

from devhost import routes, worker
from devhost.azurite import Azurite
from scim_core import ScimRequest, ScimResponse
from scim_core.protocol.limits import MAX_BODY_BYTES, MAX_BULK_BYTES, MAX_GROUP_BODY_BYTES
from tests.running import ROOT, RunningEndpoint, clean_environment, running_app, running_endpoint
from tests.worker.raw_http import Answer, send

ALL_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
ANSWERS = {
    "/feed/v1/changes": "feed_changes",
    "/feed/v1/jwks": "feed_keys",
    "/Feed/v1/snapshot/": "feed_snapshot",
    "/feed/v1/tenants": "feed_tenants",
    "/feed/v1/more": "zz_fallback",
    "/health": "health",
    "/log/v1/entries": "log_entries",
    "/log/v1/people": "log_people",
    "/log/v1/refusals": "log_refusals",
    "/log/v1/timeline": "log_timeline",
    "/log/v1/why": "log_why",
    "/scim/v2/Bulk": "bulk",
    "/scim/v2/Groups": "groups",
    "/scim/v2/Groups/.search": "groups_search",
    "/scim/v2/Groups/42": "groups_with_id",
    "/scim/v2/Me": "me",
    "/.well-known/oauth-authorization-server": "oauth_authorization_server",
    "/.well-known/oauth-protected-resource": "oauth_protected_resource",
    "/.well-known/oauth-protected-resource/scim/v2": "oauth_protected_resource_scim",
    "/oauth2/token": "oauth_token",
    "/scim/v2/ResourceTypes": "resource_types",
    "/scim/v2/ResourceTypes/User": "resource_types_with_id",
    "/scim/v2/Schemas": "schemas",
    "/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:User": "schemas_with_id",
    "/scim/v2/.search": "search",
    "/scim/v2/ServiceProviderConfig": "service_provider_config",
    "/setup": "setup",
    "/setup/mapping": "setup_below",
    "/setup/assets/style.css": "setup_below",
    "/scim/v2/Users": "users",
    "/scim/v2/Users/.search": "users_search",
    "/scim/v2/users/42/": "users_with_id",
    "/scim/v2/Users/42/more": "zz_fallback",
    "/scim/v2//Users": "zz_fallback",
    "/scim/v2": "zz_fallback",
    "/": "zz_fallback",
}
"""Path -> name of the function that is to answer it."""


WORKERS_LOGGERS = ("azure.functions", "proxy_worker")
"""By them, the worker writes a record or two for each call."""


@pytest.fixture(scope="module")
async def functions() -> AsyncIterator[list[worker.Function]]:
    """The functions of the app, which is imported here: what it sets for the whole process is taken back."""
    before, levels = logging.getLogRecordFactory(), {name: logging.getLogger(name).level for name in WORKERS_LOGGERS}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in clean_environment().items():
            patch.setenv(name, value)
        patch.setenv("SCIM_TOKEN_SHA256", "0" * 64)
        patch.setenv("SCIM_STORAGE_CONNECTION", "UseDevelopmentStorage=true")
        found = (await worker.start(ROOT)).functions
    yield found
    worker.stop()
    logging.setLogRecordFactory(before)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


USABLE = {"SCIM_TOKEN_SHA256": "0" * 64, "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true"}
OPEN = ("/health", "/scim/v2/Users", "/scim/v2/ServiceProviderConfig", "/oauth2/token", "/nowhere")


@dataclass(frozen=True)
class Call:
    """Calls this endpoint as the client that it knows."""

    endpoint: RunningEndpoint

    def __call__(
        self, target: str, method: str = "GET", body: bytes | Iterable[bytes] | None = None, **headers: str
    ) -> Answer:
        sent = {"Authorization": f"Bearer {self.endpoint.token}", "Content-Type": "application/scim+json", **headers}
        return send(self.endpoint.app.url, target, method, sent, body)


@pytest.fixture
def call(endpoint: RunningEndpoint) -> Call:
    return Call(endpoint)


def is_error(answer: Answer, status: int) -> bool:
    """Whether this is a SCIM Error of this status (RFC 7644 section 3.12)."""
    expected = (status, "application/scim+json", str(status))
    return (answer.status, answer.headers["content-type"], answer.json["status"]) == expected


def test_the_worker_indexes_every_function_with_every_method(functions: list[worker.Function]) -> None:
    assert set(ANSWERS.values()) == {function.name for function in functions}
    assert all(function.methods == ALL_METHODS for function in functions)


@pytest.mark.parametrize(("path", "name"), ANSWERS.items())
def test_the_host_finds_the_function_meant_for_a_path(functions: list[worker.Function], path: str, name: str) -> None:
    found = routes.find(routes.arrange(functions, ""), "GET", path)

    assert found is not None
    assert found[0].name == name


@pytest.mark.parametrize(("path", "name"), ANSWERS.items())
def test_every_function_answers_over_http_in_scim(endpoint: RunningEndpoint, call: Call, path: str, name: str) -> None:
    answer = call(path)

    of_feed = path.lower().startswith(("/feed/", "/log/")) and name != "feed_keys"
    assert answer.status in ((403, 404) if of_feed else (200, 404, 405, 501))
    plain = name in ("health", "oauth_protected_resource", "oauth_protected_resource_scim", "oauth_token")
    form = "problem+json" if of_feed else "jwk-set+json" if name == "feed_keys" else "scim+json"
    otherwise = "text/html; charset=utf-8" if name.startswith("setup") else f"application/{form}"
    otherwise = "text/css; charset=utf-8" if path.endswith(".css") else otherwise
    assert answer.headers["content-type"] == ("application/json" if plain else otherwise)
    assert f"GET {path} -> {answer.status}" in endpoint.app.said()
    assert f"ms ({name})" in endpoint.app.said()


@pytest.mark.parametrize(
    ("path", "method"),
    [("/scim/v2/Users", "DELETE"), ("/scim/v2/Schemas", "POST"), ("/health", "PUT"), ("/scim/v2/Users/42", "POST")],
)
def test_a_wrong_method_is_405_in_scim_and_not_the_hosts_404(call: Call, path: str, method: str) -> None:
    answer = call(path, method)

    assert is_error(answer, 405)
    assert "GET" in answer.headers["allow"]


def test_an_unknown_path_is_404_in_scim_and_not_the_hosts(call: Call) -> None:
    assert is_error(call("/scim/v2/Nothing"), 404)
    assert is_error(call("/elsewhere"), 404)


def test_a_head_has_no_body(call: Call) -> None:
    answer = call("/scim/v2/Users", "HEAD")
    assert (answer.status, answer.body) == (200, b"")


def test_options_lists_the_methods(call: Call) -> None:
    answer = call("/scim/v2/Users/42", "OPTIONS")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"


def test_doubled_and_trailing_slashes_do_not_matter(call: Call) -> None:
    assert call("/scim/v2//Users/").json["totalResults"] == call("/scim/v2/Users").json["totalResults"]


@pytest.mark.parametrize("id_", ["a%2Fb", "a%252Fb", "%C3%A9", "%FF", "a%20b", "100%25"])
def test_an_odd_id_is_404_in_scim(call: Call, id_: str) -> None:
    assert is_error(call(f"/scim/v2/Users/{id_}"), 404)


async def test_the_endpoint_gets_the_path_decoded_the_query_raw_and_the_body(
    functions: list[worker.Function], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Recorder:
        async def handle(self, request: ScimRequest) -> ScimResponse:
            self.request = request
            return ScimResponse(204, {"ETag": "e"})

    recorder = Recorder()
    monkeypatch.setattr(sys.modules["function_app"], "endpoint", recorder)
    function = next(function for function in functions if function.name == "users_with_id")
    url = "https://scim.example.com:8443/scim/v2/Users/a%20%C3%A9%25?filter=&a=%2B&a=?"
    sent = worker.FunctionRequest("PATCH", url, {"x-one": "1"}, {"a": "+,?"}, {"id": "a"}, b"\xff")

    answer = await worker.invoke(function, sent)

    assert recorder.request == ScimRequest(
        method="PATCH",
        path="/scim/v2/Users/a é%",
        query="filter=&a=%2B&a=?",
        headers={"x-one": "1"},
        body=b"\xff",
        base_url="https://scim.example.com:8443",
    )
    assert (answer.status, answer.headers["ETag"], answer.body) == (204, "e", b"")


@pytest.mark.usefixtures("functions")
def test_what_is_there_at_the_start_is_not_looked_through_for_garbage() -> None:
    assert gc.get_freeze_count() > 10_000
    assert gc.isenabled()


async def test_the_worker_logs_no_line_for_a_call(
    functions: list[worker.Function], caplog: pytest.LogCaptureFixture
) -> None:
    """Each one would cross gRPC, and host.json drops it there: a third of the processor's time."""
    caplog.set_level(logging.INFO)
    fallback = next(function for function in functions if function.name == "zz_fallback")
    sent = worker.FunctionRequest("GET", "https://scim.example.com/nowhere", {"host": "scim.example.com"})

    assert (await worker.invoke(fallback, sent)).status == 404
    assert {record.name for record in caplog.records} == {"scim_core.endpoint.endpoint"}


@pytest.mark.parametrize("name", WORKERS_LOGGERS)
def test_warnings_and_errors_of_the_worker_are_logged(
    functions: list[worker.Function], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    assert functions
    for level in (logging.INFO, logging.WARNING, logging.ERROR):
        logging.getLogger(name).log(level, "said")

    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR]


def test_a_query_is_taken_raw(call: Call) -> None:
    answer = call("/scim/v2/Users?filter=userName%20eq%20%22a%26b%2Bc%22&unknown=a&unknown=b")

    assert (answer.status, answer.json["totalResults"]) == (200, 0)


def test_a_body_in_chunks_is_411_and_creates_nothing(call: Call) -> None:
    assert is_error(call("/scim/v2/Users", "POST", [b'{"userName":', b'"chunked"}']), 411)
    assert call("/scim/v2/Users?filter=userName%20eq%20%22chunked%22").json["totalResults"] == 0


def test_a_body_beyond_every_limit_of_the_app_is_refused_by_the_app(azurite: Azurite) -> None:
    """The host's own refusal is an empty 500, which anybody could cause, and which would raise an alert."""
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())
    limit = int(sample["Values"]["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"])
    with running_endpoint(azurite, FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=str(limit)) as endpoint:
        stranger = send(endpoint.app.url, "/scim/v2/Groups", "POST", body=b" " * (MAX_GROUP_BODY_BYTES + 1))
        known = Call(endpoint)("/scim/v2/Groups", "POST", b" " * (MAX_GROUP_BODY_BYTES + 1))
        bulk = Call(endpoint)("/scim/v2/Bulk", "POST", b" " * (MAX_BULK_BYTES + 1))
        largest = Call(endpoint)("/scim/v2/Groups", "POST", b" " * limit)

    assert is_error(stranger, 401)
    assert is_error(known, 413)
    assert is_error(bulk, 413)
    assert is_error(largest, 413)


def test_a_missing_body_is_400(call: Call) -> None:
    assert is_error(call("/scim/v2/Users", "POST"), 400)


def test_a_user_lives_through_the_whole_of_http(call: Call) -> None:
    created = call("/scim/v2/Users", "POST", '{"userName": "zoë@example.com"}'.encode())
    location = created.headers["location"]
    path = location.removeprefix("http://localhost").partition("/")[2]

    assert created.status == 201
    assert location == created.json["meta"]["location"]
    assert location.isascii()
    assert created.headers["etag"] == created.json["meta"]["version"]
    assert call(f"/{path}").json == created.json
    deleted = call(f"/{path}", "DELETE")
    assert (deleted.status, deleted.body) == (204, b"")
    assert "content-length" not in deleted.headers
    assert is_error(call(f"/{path}"), 404)


def test_a_bulk_is_answered_over_http(call: Call) -> None:
    """Users who are each other's manager, a group of them before them, and what is wrong."""
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    users = [
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": str(number),
            "data": {"userName": f"bulk {number}", enterprise: {"manager": {"value": f"bulkId:{number ^ 1}"}}},
        }
        for number in range(40)
    ]
    members = [{"value": f"bulkId:{number}"} for number in range(40)]
    group = {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"displayName": "bulk", "members": members}}
    wrong = {"method": "POST", "path": "/Bulk", "bulkId": "b", "data": {"Operations": []}}
    answer = call("/scim/v2/Bulk", "POST", json.dumps({"Operations": [group, *users, wrong]}).encode())

    assert answer.status == 200
    results = answer.json["Operations"]
    assert [item["status"] for item in results] == ["201"] * 41 + ["400"]
    shown = call("/scim" + results[0]["location"].partition("/scim")[2]).json
    assert len(shown["members"]) == 40
    first = call("/scim" + results[1]["location"].partition("/scim")[2]).json
    assert first[enterprise]["manager"]["$ref"] == results[2]["location"]
    for item in results[:41]:
        assert call("/scim" + item["location"].partition("/scim")[2], "DELETE").status == 204


def test_without_a_token_it_is_401_in_scim(endpoint: RunningEndpoint) -> None:
    answer = send(endpoint.app.url, "/scim/v2/Users")

    assert is_error(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_locations_follow_the_host_that_the_client_named(call: Call) -> None:
    answer = call("/scim/v2/ServiceProviderConfig", Host="scim.example.com:8443")

    assert answer.json["meta"]["location"] == "http://scim.example.com:8443/scim/v2/ServiceProviderConfig"


def test_no_token_and_no_user_name_in_the_log(endpoint: RunningEndpoint, call: Call) -> None:
    call("/scim/v2/Users", "POST", b'{"userName": "secret@example.com"}')

    assert endpoint.token not in endpoint.app.said()
    assert "secret@example.com" not in endpoint.app.said()


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({}, "Set exactly one of SCIM_STORAGE_ACCOUNT_URL"),
        (
            {**USABLE, "SCIM_TOKEN_SHA256": "@Microsoft.KeyVault(SecretUri=x)"},
            "The vault reference of SCIM_TOKEN_SHA256",
        ),
        ({**USABLE, "SCIM_SCHEMA_DIRECTORY": "/nowhere"}, "There is no folder"),
    ],
)
def test_without_usable_settings_everything_is_503_and_the_log_says_why(settings: dict[str, str], cause: str) -> None:
    """An exception at the start would end the host in Azure, again and again, without a word in its log."""
    with running_app(ROOT, settings) as app:
        answers = [send(app.url, target, method) for target in OPEN for method in ("GET", "POST")]
        said = app.said()

    for answer in answers:
        assert (answer.status, answer.headers["retry-after"]) == (503, "60")
        assert answer.json == {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "503"}
    # The host keeps lines of standard error from before the first call only if they hold the word error.
    assert [line for line in said.splitlines() if line.startswith(f"error: {cause}")]
    assert said.count(f"the app does not serve: {cause}") == 1


@pytest.fixture(scope="module")
def proxied(azurite: Azurite) -> Iterator[RunningEndpoint]:
    """The endpoint with requests that come through the host's HTTP proxy."""
    with running_endpoint(azurite, SCIM_HTTP="proxy") as running:
        yield running


def test_through_the_proxy_a_user_is_created_by_a_body_in_chunks(proxied: RunningEndpoint) -> None:
    send_to = Call(proxied)
    created = send_to("/scim/v2/Users", "POST", [b'{"userName":', b'"chunked"}'])
    path = created.headers["location"].removeprefix("http://localhost").partition("/")[2]

    assert (created.status, created.headers["content-type"]) == (201, "application/scim+json")
    assert send_to(f"/{path}").json == created.json
    assert send_to("/scim/v2/Users?filter=userName%20eq%20%22chunked%22&count=").json["totalResults"] == 1
    deleted = send_to(f"/{path}", "DELETE")
    assert (deleted.status, deleted.body) == (204, b"")
    assert is_error(send_to(f"/{path}"), 404)


MEMBER = b'{"value":"%b"},' % (b"x" * 1000)


@pytest.mark.parametrize(
    ("path", "limit", "start", "piece"),
    [
        ("/scim/v2/Users", MAX_BODY_BYTES, b"", b" " * 1024),
        ("/scim/v2/Groups", MAX_GROUP_BODY_BYTES, b'{"members":[', MEMBER),
    ],
)
@pytest.mark.parametrize("in_chunks", [True, False])
def test_through_the_proxy_the_limits_are_the_apps_own(
    proxied: RunningEndpoint, path: str, limit: int, start: bytes, piece: bytes, *, in_chunks: bool
) -> None:
    whole, larger = ([start, *[piece] * (limit // len(piece) + more)] for more in (-1, 4))
    bodies = [whole, larger] if in_chunks else [b"".join(whole), b"".join(larger)]

    assert is_error(Call(proxied)(path, "POST", bodies[0]), 400)  # it is no JSON
    assert is_error(Call(proxied)(path, "POST", bodies[1]), 413)
    assert is_error(send(proxied.app.url, path, "POST", body=bodies[1]), 401)


def test_through_the_proxy_an_empty_body_in_chunks_is_a_missing_one(proxied: RunningEndpoint) -> None:
    assert is_error(Call(proxied)("/scim/v2/Users", "POST", []), 400)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", [*ANSWERS, "/scim/v2/Users/a%2Fb", "/scim/v2/Users/%FF", "/scim/v2/Users?count=x&a="])
def test_both_ways_give_the_same_answer(
    proxied: RunningEndpoint, endpoint: RunningEndpoint, path: str, method: str
) -> None:
    headers = {"Host": "scim.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    headers["traceparent"] = f"00-{'ab' * 16}-{'cd' * 8}-01"  # so that both requests have one id
    mine, other = (Call(one)(path, method, None, **headers) for one in (proxied, endpoint))

    assert mine.status == other.status
    assert mine.body.startswith(b"{") == other.body.startswith(b"{")
    if not path.endswith(("/Users", "/Groups")):  # other tests use the directory of one of the two
        assert mine.body == other.body
    framing = {"date", "content-length", "transfer-encoding"}
    assert {k: v for k, v in mine.headers.items() if k not in framing} == {
        k: v for k, v in other.headers.items() if k not in framing
    }


def test_without_usable_settings_the_proxy_is_not_used() -> None:
    with running_app(ROOT, {"SCIM_HTTP": "proxy"}) as app:
        assert send(app.url, "/scim/v2/Users").status == 503
