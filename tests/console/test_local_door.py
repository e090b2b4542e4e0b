"""Nobody comes in on the operator's machine but the browser that opened the link."""

import asyncio
from http.client import HTTPConnection

import pytest

from scim_core import ScimResponse
from scim_core.admin.console_server import LOOPBACK
from scim_core.console.local_door import LocalDoor
from scim_core.console.visitors import Visitor
from scim_core.messages import HttpError, ScimRequest
from tests.console.world import OPERATOR, some_customers

HOST = "127.0.0.1:4711"


def door() -> LocalDoor:
    return LocalDoor(OPERATOR, key="the-key", session="the-session", hosts={HOST}, cookie_name="scim_console_4711")


async def come(
    through: LocalDoor, path: str = "/console", query: str = "", host: str = HOST, cookie: str = ""
) -> Visitor | ScimResponse:
    return await through.admit(ScimRequest("GET", path, query, {"host": host, "cookie": cookie}))


async def test_the_link_works_once_and_gives_a_cookie_that_no_script_and_no_other_site_has() -> None:
    through = door()
    answer = await come(through, "/console/enter", "key=the-key")
    assert isinstance(answer, ScimResponse)
    assert (answer.status, answer.headers["Location"]) == (303, "/console")
    assert answer.headers["Set-Cookie"] == "scim_console_4711=the-session; Path=/console; HttpOnly; SameSite=Strict"
    assert await come(through, cookie="scim_console_4711=the-session") == OPERATOR
    with pytest.raises(HttpError, match="was used before"):
        await come(through, "/console/enter", "key=the-key")


@pytest.mark.parametrize(
    ("path", "query", "cookie"),
    [
        ("/console", "", ""),
        ("/console", "key=the-key", ""),
        ("/console", "", "scim_console_4711=another"),
        ("/console", "", "scim_console_4712=the-session"),
        ("/console", "", "scim_console_4711=\u00e9"),
        ("/console/enter", "", ""),
        ("/console/enter", "key=", ""),
        ("/console/enter", "key=the-kez", ""),
        ("/console/enter", "key=%F0%9F%94%91", ""),
    ],
)
async def test_nobody_else_comes_in(path: str, query: str, cookie: str) -> None:
    with pytest.raises(HttpError) as refused:
        await come(door(), path, query, cookie=cookie)
    assert refused.value.status == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:4712", "", "localhost.evil.example:4711"])
async def test_another_name_of_this_machine_gets_nothing(host: str) -> None:
    """DNS rebinding: the page of another name reaches this port, and sends the cookie of nobody."""
    for path, query in (("/console", ""), ("/console/enter", "key=the-key")):
        with pytest.raises(HttpError) as refused:
            await come(door(), path, query, host, "scim_console_4711=the-session")
        assert refused.value.status == 421


async def test_the_server_listens_on_loopback_on_a_port_of_its_own() -> None:
    world = await some_customers()
    async with world.served(OPERATOR) as one, world.served(OPERATOR) as other:
        assert one.port != other.port
        assert one._listener.getsockname()[0] == LOOPBACK
        assert len(one.link.partition("key=")[2]) >= 43

        def asked(path: str, host: str, cookie: str = "") -> tuple[int, str]:
            connection = HTTPConnection(LOOPBACK, one.port)
            connection.request("GET", path, headers={"Host": host, "Cookie": cookie})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status, answer.headers.get("Set-Cookie", "")

        own = f"127.0.0.1:{one.port}"
        path = one.link.removeprefix(one.url)
        assert (await asyncio.to_thread(asked, path, "evil.example"))[0] == 421
        status, cookie = await asyncio.to_thread(asked, path, own)
        assert status == 303
        assert (await asyncio.to_thread(asked, "/console", own, cookie.partition(";")[0]))[0] == 200
        assert (await asyncio.to_thread(asked, "/console", own))[0] == 401
