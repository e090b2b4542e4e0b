"""RFC 7644 section 3.2: which paths there are, and which methods they allow."""

import pytest

from tests.scim import ERROR, TOKEN, Client, path

ID = "018f0000-0000-7000-8000-000000000000"
ALLOWED = {
    "/Users": "GET, POST",
    "/Groups": "GET, POST",
    f"/Users/{ID}": "DELETE, GET, PATCH, PUT",
    f"/Groups/{ID}": "DELETE, GET, PATCH, PUT",
    "/Users/.search": "POST",
    "/Groups/.search": "POST",
    "/.search": "POST",
    "/Bulk": "POST",
    "/ServiceProviderConfig": "GET",
    "/ResourceTypes": "GET",
    "/ResourceTypes/User": "GET",
    "/Schemas": "GET",
    "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User": "GET",
    "/Me": "DELETE, GET, PATCH, POST, PUT",
}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "QUERY", "FOO"]


def allowed(url: str) -> set[str]:
    """The methods of a path: those that it has rows for, HEAD where GET is, and OPTIONS."""
    methods = set(ALLOWED[url].split(", "))
    return {*methods, "OPTIONS", *({"HEAD"} if "GET" in methods else ())}


@pytest.mark.parametrize("url", ALLOWED)
@pytest.mark.parametrize("method", METHODS)
async def test_a_method_that_a_path_does_not_have_is_not_allowed(client: Client, method: str, url: str) -> None:
    if method in allowed(url):
        assert (await client.send(method, url, b"{}" if method not in ("GET", "HEAD") else None)).status != 405
        return
    answer = await client.send(method, url)
    assert (answer.status, answer.headers["allow"]) == (405, ", ".join(sorted(allowed(url))))


@pytest.mark.parametrize("url", ALLOWED)
@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", None, "Bearer wrong"])
async def test_options_lists_the_methods_for_everybody(client: Client, url: str, authorization: str | None) -> None:
    answer = await client.send("OPTIONS", url, headers={"authorization": authorization})
    assert (answer.status, answer.headers["allow"], answer.body) == (204, ", ".join(sorted(allowed(url))), b"")


@pytest.mark.parametrize(
    "url", [*(url for url in ALLOWED if "GET" in ALLOWED[url]), "{user}", "{user}?attributes=title"]
)
@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", None, "Bearer wrong"])
async def test_head_is_get_without_a_body(client: Client, url: str, authorization: str | None) -> None:
    user = await client.user()
    found = url.replace("{user}", path(user))
    headers: dict[str, str | None] = {"authorization": authorization}
    get, head = [await client.send(method, found, headers=headers) for method in ("GET", "HEAD")]
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")


async def test_head_of_a_known_version_is_304(client: Client) -> None:
    user = await client.user()
    answer = await client.send("HEAD", path(user), headers={"if-none-match": user["meta"]["version"]})
    assert (answer.status, answer.headers["etag"]) == (304, user["meta"]["version"])


@pytest.mark.parametrize("url", ALLOWED)
@pytest.mark.parametrize("method", ["get", "Get", "gET"])
async def test_methods_are_read_in_any_case(client: Client, method: str, url: str) -> None:
    assert (await client.send(method, url)).status == (await client.send("GET", url)).status


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        "/User",
        "/Userss",
        "/Users/x/y",
        "/Users/x/groups",
        "/Groups/x/.search",
        "/Bulk/1",
        "/Schemas/a/b",
        "/ServiceProviderConfigs",
        "/ServiceProviderConfig/x",
        "/.search/x",
        "/Me/x",
        "/../admin",
        "/Users/../../x",
        "/Users%00",
        "/Users%0d%0aX-Injected:%201",
        "/health",
        "/\u00fc\u4e2d",
        "/" + "a/" * 2000,
        "/" + "x" * 10_000,
    ],
)
@pytest.mark.parametrize("method", METHODS[:6])
async def test_what_is_not_there_is_not_found(client: Client, method: str, url: str) -> None:
    answer = await client.send(method, url)
    assert answer.status == 404
    assert method == "HEAD" or answer.document["schemas"] == [ERROR]
    assert all("\r" not in value and "\n" not in value for value in answer.headers.values())


@pytest.mark.parametrize(
    "url", ["/Users/", "//Users", "/users", "/USERS//", "/Users?x=y", "///uSERS///?x", "/Users/?filter=&&=&x==y"]
)
async def test_slashes_case_and_queries_of_a_path_do_not_matter(client: Client, url: str) -> None:
    user = await client.user()
    assert (await client.get(url)).document["Resources"] == [user]


async def test_paths_outside_the_base_are_not_found_without_a_token(client: Client) -> None:
    assert (await client.get("/../../Users", headers={"authorization": None})).status == 404
