"""To whom a hook sends, over real sockets: to public addresses, over https, to what was looked at, and no further."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from scim_core.feed.hooks.addresses import RefusedTarget, require_allowed, target_of
from scim_core.feed.hooks.sending import HttpSender

SECONDS = 0.3
"""The deadline of an attempt here. A slower machine makes the tests slower, and none of them fail."""

type Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answering: Answering) -> AsyncIterator[tuple[str, list[str]]]:
    """The URL of a server on this machine, and the first lines of the requests that it has got."""
    seen: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.append((await reader.readline()).decode().strip())
            await reader.readuntil(b"\r\n\r\n")
            await answering(reader, writer)
        finally:
            writer.close()

    running = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    try:
        yield f"http://localhost:{port}/hook", seen
    finally:
        running.close()


def saying(status: str, *headers: str) -> Answering:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "", ""]).encode())
        await writer.drain()

    return answer


async def loopback(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


def sender(seconds: float = 30) -> HttpSender:
    return HttpSender(to_loopback=True, resolve=loopback, seconds=seconds)


@pytest.mark.parametrize(
    ("status", "taken", "gone"),
    [
        ("200 OK", True, False),
        ("204 No Content", True, False),
        ("410 Gone", False, True),
        ("429 Slow", False, False),
        ("500 Oh", False, False),
    ],
)
async def test_the_status_decides(status: str, taken: bool, gone: bool) -> None:
    async with server(saying(status)) as (url, seen):
        attempt = await sender().send(url, {"webhook-id": "msg_1"}, b"[]")
    assert (attempt.taken, attempt.gone, attempt.outcome) == (taken, gone, f"answered {status[:3]}")
    assert seen == ["POST /hook HTTP/1.1"]


async def test_no_redirect_is_followed() -> None:
    async with server(saying("200 OK")) as (other, reached):
        async with server(saying("307 Temporary Redirect", f"Location: {other}")) as (url, _):
            attempt = await sender().send(url, {}, b"[]")
        assert (attempt.taken, attempt.outcome, reached) == (False, "answered 307", [])


async def test_an_answer_after_the_deadline_is_none() -> None:
    over = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        await saying("200 OK")(reader, writer)

    async with server(late) as (url, seen):
        attempt = await sender(SECONDS).send(url, {}, b"[]")
        over.set()
    assert (attempt.taken, attempt.outcome) == (False, "no answer in 0.3 seconds")
    assert len(seen) <= 1


async def test_a_connection_that_breaks_is_no_answer() -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with server(reset) as (url, _):
        attempt = await sender().send(url, {}, b"[]")
    assert (attempt.taken, attempt.outcome.startswith("no answer (")) == (False, True)


async def test_a_body_without_an_end_holds_nobody_up() -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        await writer.drain()

    async with server(endless) as (url, _):
        assert (await sender().send(url, {}, b"[]")).taken


async def test_a_name_is_resolved_once_and_the_connection_goes_there() -> None:
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["203.0.113.9"] if len(asked) == 1 else ["127.0.0.1"]

    async with server(saying("200 OK")) as (url, reached):
        port = url.rpartition(":")[2].partition("/")[0]
        sending = HttpSender(to_loopback=False, resolve=rebinding, seconds=SECONDS)
        first = await sending.send(f"https://rebinding.example:{port}/", {}, b"[]")
        second = await sending.send(f"https://rebinding.example:{port}/", {}, b"[]")
    assert not first.taken
    assert second.outcome == "refused: The host of the hook's URL has an address that is not public."
    assert (asked, reached) == (["rebinding.example"] * 2, [])


@asynccontextmanager
async def keeping(*answers: bytes) -> AsyncIterator[tuple[str, list[list[bytes]]]]:
    """The URL of a server that keeps connections, and the bodies that came over each of them.

    `answers` are to one request after another, whatever its connection. The empty one closes the connection.
    """
    seen: list[list[bytes]] = []
    left = list(answers)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append([])
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                seen[-1].append(await reader.readexactly(length))
                answer = left.pop(0)
                if not answer:
                    break
                writer.write(answer)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass  # the sender has closed it
        finally:
            writer.close()

    running = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://localhost:{running.sockets[0].getsockname()[1]}/hook", seen
    finally:
        running.close()


ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


async def test_what_is_sent_in_a_row_has_one_connection_and_one_look_up() -> None:
    asked: list[str] = []

    async def counting(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with keeping(*[ACCEPTED] * 4) as (url, seen):
        sending = HttpSender(to_loopback=True, resolve=counting)
        async with sending.in_a_row() as row:
            outcomes = [(await row.send(url, {}, body)).outcome for body in (b"1", b"2", b"3")]
        await sending.send(url, {}, b"4")
    assert outcomes == ["answered 202"] * 3
    assert seen == [[b"1", b"2", b"3"], [b"4"]]
    assert asked == ["localhost"] * 2


async def test_a_connection_that_the_receiver_has_closed_is_made_again_and_nothing_fails() -> None:
    async with keeping(ACCEPTED, b"", ACCEPTED, ACCEPTED) as (url, seen), sender().in_a_row() as row:
        outcomes = [(await row.send(url, {}, body)).outcome for body in (b"1", b"2", b"3")]
    assert outcomes == ["answered 202"] * 3
    assert seen == [[b"1", b"2"], [b"2", b"3"]]


async def test_a_receiver_that_closes_every_connection_is_tried_once_again_and_no_more() -> None:
    async with keeping(ACCEPTED, b"", b"") as (url, seen), sender().in_a_row() as row:
        outcomes = [(await row.send(url, {}, body)).outcome for body in (b"1", b"2")]
    assert outcomes == ["answered 202", "no answer (ServerDisconnectedError)"]
    assert seen == [[b"1", b"2"], [b"2"]]


async def test_an_answer_with_a_body_costs_its_connection_and_nothing_of_it_is_read() -> None:
    wordy = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nHello"
    async with keeping(wordy, ACCEPTED) as (url, seen), sender().in_a_row() as row:
        outcomes = [(await row.send(url, {}, body)).outcome for body in (b"1", b"2")]
    assert outcomes == ["answered 200", "answered 202"]
    assert seen == [[b"1"], [b"2"]]


async def test_in_a_row_too_nothing_is_sent_to_what_is_not_public() -> None:
    async def inside(_host: str, _port: int) -> list[str]:
        return ["169.254.169.254"]

    async with HttpSender(to_loopback=False, resolve=inside).in_a_row() as row:
        for _ in range(2):
            attempt = await row.send("https://product.example/", {}, b"x")
            assert attempt.outcome == "refused: The host of the hook's URL has an address that is not public."


async def test_a_name_that_resolves_to_something_inside_is_refused_whatever_else_it_has() -> None:
    async def both(_host: str, _port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.4"]

    attempt = await HttpSender(to_loopback=False, resolve=both).send("https://example.com/", {}, b"[]")
    assert attempt.outcome.startswith("refused: ")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.4", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
        *("169.254.169.254", "169.254.130.1", "168.63.129.16", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.4", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
        *("::127.0.0.1", "192.0.2.1", "2001:db8::1", "198.18.0.1"),
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    target = target_of("https://example.com/", to_loopback=False)
    with pytest.raises(RefusedTarget, match="not public"):
        require_allowed(target, [address], to_loopback=False)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
def test_public_addresses_are_allowed(address: str) -> None:
    require_allowed(target_of("https://example.com/", to_loopback=False), [address], to_loopback=False)


def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(RefusedTarget, match="no address"):
        require_allowed(target_of("https://example.com/", to_loopback=False), [], to_loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "example.com",
            "https:///path",
            "https://",
        ),
        *("https://user:secret@example.com/", "https://example.com/#part", "https://example.com\\@10.0.0.4/"),
        *("https://exa mple.com/", "https://example.com:99999/", "https://bücher.example/", "https://[::1/"),
        *("https://example.com/\r\nX: y", "https://example.com/" + "x" * 1_000),
    ],
)
def test_urls_to_which_no_hook_sends(url: str) -> None:
    with pytest.raises(RefusedTarget):
        target_of(url, to_loopback=False)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "017700000001", "localhost", "[::1]", "169.254.169.254"])
async def test_other_spellings_of_an_address_lead_nowhere_else(host: str) -> None:
    attempt = await HttpSender(to_loopback=False).send(f"https://{host}/latest/meta-data", {}, b"[]")
    assert not attempt.taken
    assert attempt.outcome.startswith(("refused: ", "no answer ("))


async def test_the_loopback_setting_opens_this_machine_and_nothing_else() -> None:
    target = target_of("http://localhost:8080/hook", to_loopback=True)
    require_allowed(target, ["127.0.0.1", "::1"], to_loopback=True)
    with pytest.raises(RefusedTarget, match="https only"):
        require_allowed(target_of("http://example.com/", to_loopback=True), ["93.184.216.34"], to_loopback=True)
    with pytest.raises(RefusedTarget, match="not public"):
        require_allowed(target_of("https://example.com/", to_loopback=True), ["169.254.169.254"], to_loopback=True)
