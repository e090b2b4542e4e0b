"""What the Functions host does to requests and answers, by an app that shows it: devhost does the same."""

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest

from tests.running import RunningApp
from tests.worker.conftest import BODY_LIMIT
from tests.worker.raw_http import Answer, exchange, send

ALL_ROUTES = ["order/x", "rest/x", "boom", "nothing", "nowhere"]


@dataclass(frozen=True)
class Get:
    """Calls the app at this URL, below its route prefix."""

    url: str

    def __call__(
        self,
        target: str,
        method: str = "GET",
        headers: Mapping[str, str | bytes] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        return send(self.url, f"/pre/fix/{target}", method, headers, body)


@pytest.fixture
def get(odd_app: RunningApp) -> Get:
    return Get(odd_app.url)


def test_the_first_function_by_name_answers_even_where_another_is_more_precise(get: Get) -> None:
    assert get("order/literal").json["function"] == "a_parameter"


def test_a_method_without_a_function_is_404_without_a_body(get: Get) -> None:
    answer = get("only-get", "POST")

    assert (answer.status, answer.body) == (404, b"")


def test_a_path_without_a_function_is_404_without_a_body(odd_app: RunningApp, get: Get) -> None:
    for answer in (get("nowhere"), send(odd_app.url, "/order/x"), send(odd_app.url, "//pre/fix/order/x")):
        assert (answer.status, answer.body) == (404, b"")


def test_the_host_keeps_its_own_paths(odd_app: RunningApp) -> None:
    assert send(odd_app.url, "/admin/functions").status == 404


@pytest.mark.parametrize("path", ["/admin/host/ping", "/Admin/Host/Ping/"])
def test_the_host_says_to_anybody_that_it_lives(odd_app: RunningApp, path: str) -> None:
    answer = send(odd_app.url, path)

    assert (answer.status, answer.body) == (200, b"")
    assert send(odd_app.url, path, "DELETE").status == 404


def test_a_timer_with_a_bad_schedule_is_left_out_and_http_works(odd_app: RunningApp, get: Get) -> None:
    assert get("order/x").status == 200
    assert "The schedule '0 99 * * * *' of never is wrong" in odd_app.said()


def test_letter_case_and_a_trailing_slash_do_not_matter(odd_app: RunningApp) -> None:
    assert send(odd_app.url, "/PRE/fix/Order/Xy/").json["route"] == {"id": "Xy"}


def test_a_parameter_takes_one_segment_and_a_catch_all_the_rest(get: Get) -> None:
    assert get("order/a/b").status == 404
    assert get("rest/a//b/").json["route"] == {"rest": "a//b/"}
    assert get("rest").json["route"] == {}


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("a%20b", "a b"),
        ("urn%3aa:b", "urn:a:b"),
        ("a%2fb", "a%2fb"),
        ("%C3%A9", "é"),
        ("%FF", "%FF"),
        ("%zz", "%zz"),
        ("x/../y", "y"),
        ("./%2e%2E/order/y", "y"),
    ],
)
def test_the_path_is_decoded_once_except_for_slashes(get: Get, sent: str, value: str) -> None:
    assert get(f"order/{sent}").json["route"] == {"id": value}


@pytest.mark.parametrize(
    ("sent", "path"), [("a%20b", "a%20b"), ("%C3%A9", "%C3%A9"), ("a:b%2Fc", "a:b%2Fc"), ("%41", "A")]
)
def test_the_url_holds_the_path_encoded_again_or_through_the_proxy_as_it_came(
    odd_app: RunningApp, get: Get, way: str, sent: str, path: str
) -> None:
    assert get(f"order/{sent}").json["url"] == f"{odd_app.url}/pre/fix/order/{path if way == 'grpc' else sent}"


@pytest.mark.parametrize("way", ["grpc"], indirect=True)
def test_empty_query_values_are_dropped_in_messages(get: Get) -> None:
    assert get("order/x?filter=&a=1&A=2&b=c%20d").json["params"] == {"A": "1,2", "b": "c d"}


def test_the_query_is_in_the_url_as_it_came(get: Get) -> None:
    seen = get("order/x?filter=&a=1&A=2&b=c%20d").json

    assert seen["url"].endswith("/order/x?filter=&a=1&A=2&b=c%20d")


@pytest.mark.parametrize("way", ["grpc"], indirect=True)
def test_a_question_mark_without_a_query_stays_in_the_url(get: Get) -> None:
    assert get("order/x?").json["url"].endswith("/order/x?")


def test_the_front_ends_headers_set_scheme_and_host(get: Get) -> None:
    seen = get("order/x", headers={"X-Forwarded-Proto": "https", "DISGUISED-HOST": "scim.example.com"}).json

    assert seen["url"] == "https://scim.example.com/pre/fix/order/x"
    assert seen["headers"]["host"] == "scim.example.com"


def test_header_names_are_lower_case(get: Get) -> None:
    assert get("order/x", headers={"X-Mixed-Case": "Value"}).json["headers"]["x-mixed-case"] == "Value"


def test_a_body_with_its_length_is_passed_on(get: Get) -> None:
    assert get("order/x", "POST", body=b"body").json["body"] == "body"


@pytest.mark.parametrize("way", ["grpc"], indirect=True)
def test_a_body_in_chunks_is_not_passed_on(odd_app: RunningApp, get: Get) -> None:
    seen = get("order/x", "POST", body=[b"bo", b"dy"]).json

    assert (seen["body"], seen["headers"]["transfer-encoding"]) == ("", "chunked")
    assert "no Content-Length" in odd_app.said()


@pytest.mark.parametrize("way", ["grpc"], indirect=True)
def test_a_large_body_in_chunks_is_not_read(get: Get) -> None:
    assert get("order/x", "POST", body=[b"x" * BODY_LIMIT] * 3).json["body"] == ""


@pytest.mark.parametrize("way", ["proxy"], indirect=True)
@pytest.mark.parametrize("length", [1, BODY_LIMIT])
def test_through_the_proxy_a_body_in_chunks_arrives(get: Get, length: int) -> None:
    seen = get("order/x", "POST", body=[b"x"] * length).json

    assert seen["body"] == "x" * length
    assert seen["headers"]["content-length"] == str(length)
    assert "transfer-encoding" not in seen["headers"]


@pytest.mark.parametrize("way", ["proxy"], indirect=True)
def test_through_the_proxy_a_body_in_chunks_breaks_off_at_the_hosts_limit(odd_app: RunningApp) -> None:
    head = b"POST /pre/fix/order/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (BODY_LIMIT, b"x" * BODY_LIMIT)

    answer = exchange(odd_app.url, head + chunk + chunk)

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("way", ["proxy"], indirect=True)
def test_through_the_proxy_a_compressed_body_arrives_as_it_was_sent(get: Get) -> None:
    assert get("order/x", "POST", headers={"Content-Encoding": "gzip"}, body=b"no gzip").json["body"] == "no gzip"


@pytest.mark.parametrize("way", ["proxy"], indirect=True)
def test_through_the_proxy_answers_have_a_length(get: Get) -> None:
    body, empty, head = get("text").headers, get("empty").headers, get("text", "HEAD").headers

    assert (body["content-length"], empty["content-length"], head["content-length"]) == ("4", "0", "4")
    assert "transfer-encoding" not in body


def test_chunks_win_over_a_length(odd_app: RunningApp, way: str) -> None:
    head = b"POST /pre/fix/order/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    answer = exchange(
        odd_app.url, head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert (b'"body": ""' if way == "grpc" else b'"body": "body"') in answer


def test_a_body_that_stalls_is_500(odd_app: RunningApp) -> None:
    head = b"POST /pre/fix/order/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"

    answer = exchange(odd_app.url, head + b"x" * 99)

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["get", "Get", "gEt"])
def test_a_method_may_be_in_any_letter_case(odd_app: RunningApp, method: str) -> None:
    connection = HTTPConnection(odd_app.url.removeprefix("http://"))
    for _ in range(2):
        connection.request(method, "/pre/fix/only-get")
        response = connection.getresponse()
        assert response.status == 200
        assert response.read()
    connection.close()


def test_a_body_that_looks_like_a_method_stays_as_it_is(odd_app: RunningApp) -> None:
    head = b"POST /pre/fix/order/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n"
    with socket.create_connection(("localhost", int(odd_app.url.rpartition(":")[2]))) as connection:
        connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"get /")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert b'"body": "get /"' in answer


def test_an_exception_is_500_without_a_body_and_tells_only_the_log(odd_app: RunningApp, get: Get) -> None:
    answer = get("boom")

    assert (answer.status, answer.body) == (500, b"")
    assert "RuntimeError: secret of GET" in odd_app.said()


@pytest.mark.parametrize("way", ["grpc"], indirect=True)
@pytest.mark.parametrize("route", ["nothing", "odd-header"])
def test_what_cannot_be_sent_is_500(get: Get, route: str) -> None:
    answer = get(route)

    assert (answer.status, answer.body) == (500, b"")


@pytest.mark.parametrize("way", ["grpc"], indirect=True)
def test_the_headers_before_one_that_cannot_be_sent_remain(get: Get) -> None:
    headers = get("odd-header").headers

    assert ("x-before" in headers, "location" in headers, "x-after" in headers) == (True, False, False)


@pytest.mark.parametrize("way", ["grpc"], indirect=True)
@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_body_that_the_status_forbids_is_not_sent_and_the_connection_ends(odd_app: RunningApp, status: int) -> None:
    answer = exchange(odd_app.url, f"GET /pre/fix/with-body/{status} HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize("way", ["grpc"], indirect=True)
def test_a_body_goes_out_in_chunks_and_an_empty_one_with_its_length(get: Get) -> None:
    body, empty = get("text").headers, get("empty").headers

    assert (body.get("transfer-encoding"), body.get("content-length")) == ("chunked", None)
    assert (empty.get("transfer-encoding"), empty.get("content-length")) == (None, "0")


@pytest.mark.parametrize("route", [*ALL_ROUTES, "empty"])
def test_every_answer_names_kestrel_and_has_a_date(get: Get, route: str) -> None:
    headers = get(route).headers

    assert headers["server"] == "Kestrel"
    assert headers["date"].endswith(" GMT")


def test_text_is_200(get: Get) -> None:
    answer = get("text")

    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/plain; charset=utf-8", b"text")


def test_204_has_neither_body_nor_length(get: Get) -> None:
    answer = get("no-content")

    assert (answer.status, answer.body) == (204, b"")
    assert "content-length" not in answer.headers
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_head_has_the_headers_of_get_and_no_body(get: Get, way: str) -> None:
    answer = get("order/x", "HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "application/json"
    assert ("content-length" in answer.headers) == (way == "proxy")


@pytest.mark.parametrize("route", ALL_ROUTES)
def test_custom_headers_are_on_every_answer(get: Get, route: str) -> None:
    assert get(route).headers["x-custom"] == "host"


def test_a_functions_own_header_wins_over_a_custom_one(get: Get) -> None:
    assert get("order/x").headers["x-own"] == "function"


def test_local_settings_are_in_the_environment_which_wins(get: Get) -> None:
    assert get("order/x").json["settings"] == {"ODD_ONE": "of the file", "ODD_TWO": "of the environment"}


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("order/" + "x" * 8200, {}, 414),
        ("order/%00", {}, 400),
        ("order/x", {"Host": "a b"}, 400),
        ("order/x", {"Host": "[oops"}, 400),
        ("order/x", {"X-Odd": b"\xff"}, 400),
    ],
)
def test_what_kestrel_refuses_reaches_no_function(
    get: Get, target: str, headers: dict[str, str | bytes], status: int
) -> None:
    answer = get(target, headers=headers)

    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("length", [BODY_LIMIT + 1, 999_999_999_999])
def test_a_body_over_the_hosts_limit_is_500_unread_and_the_connection_ends(odd_app: RunningApp, length: int) -> None:
    head = f"POST /pre/fix/order/x HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"

    answer = exchange(odd_app.url, head.encode())

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.endswith(b"\r\n\r\n")
    assert f"a_parameter failed\nThe body is larger than {BODY_LIMIT} bytes" in odd_app.said()


def test_a_body_of_the_hosts_limit_is_passed_on(get: Get) -> None:
    assert len(get("order/x", "POST", body=b"x" * BODY_LIMIT).json["body"]) == BODY_LIMIT


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("X", "x" * 32_000)], 200),
        ([("X", "x" * 32_769)], 431),
        ([("X", "x" * 16_000), ("Y", "y" * 17_000)], 431),
        ([(f"X{number}", "x") for number in range(98)], 200),
        ([(f"X{number}", "x") for number in range(99)], 431),
        ([("X", "x")] * 99, 431),
    ],
    ids=["large", "one too large", "together too large", "many", "too many", "too often"],
)
def test_headers_have_limits(odd_app: RunningApp, headers: list[tuple[str, str]], status: int) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in [("Host", "a"), ("Connection", "close"), *headers])

    answer = exchange(odd_app.url, f"GET /pre/fix/order/x HTTP/1.1\r\n{lines}\r\n".encode())

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert status == 200 or answer.endswith(b"\r\n\r\n")


def test_a_connection_serves_many_requests(odd_app: RunningApp) -> None:
    connection = HTTPConnection(odd_app.url.removeprefix("http://"))
    for _ in range(3):
        connection.request("GET", "/pre/fix/order/x")
        response = connection.getresponse()
        assert response.read()
        assert not response.will_close
    connection.close()
