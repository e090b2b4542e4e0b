"""What a reader does with what is no service: it does not fill its memory or hang, and its credential goes nowhere."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from scim_feed import AsyncFeed, Feed, Refused, Unusable, answers, feed
from scim_feed.following import Surroundings
from tests.consumer.directories import FEED_TOKEN, URL

type Answer = Callable[[httpx.Request], httpx.Response]


class Timer:
    """Each look takes ten seconds."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 10
        return self.now


def asked(answer: Answer, timer: Callable[[], float] | None = None) -> list[Exception]:
    """What becomes of a question, by thread and by task."""
    ends: list[Exception] = []

    def with_timer(reader: Feed | AsyncFeed) -> None:
        if timer:
            reader._around = Surroundings(timer, reader._around.chance, reader._around.new_id)

    async def by_task() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), follow_redirects=True) as http:
            reader = AsyncFeed(URL, FEED_TOKEN, http=http)
            with_timer(reader)
            await reader.tenants()

    with httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True) as http:
        reader = Feed(URL, FEED_TOKEN, http=http)
        with_timer(reader)
        for ask in (reader.tenants, lambda: asyncio.run(by_task())):
            with pytest.raises((Refused, Unusable)) as end:
                ask()
            ends.append(end.value)
    return ends


class Drops(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that never ends."""

    taken = 0

    def __init__(self, size: int) -> None:
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        while True:
            type(self).taken += self._size
            yield b" " * self._size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for drop in self:
            yield drop


@pytest.mark.parametrize(("size", "timer"), [(1024 * 1024, None), (1, Timer())])
def test_an_answer_without_an_end_in_bytes_or_in_time_is_left(size: int, timer: Callable[[], float] | None) -> None:
    Drops.taken = 0
    for end in asked(lambda _: httpx.Response(200, stream=Drops(size)), timer):
        assert str(end) == "The answer does not end."
    assert Drops.taken <= 2 * (answers.MAX_ANSWER_BYTES + size)
    assert timer is None or Drops.taken <= 2 * (feed.ANSWER_SECONDS / 10 + 1)


def test_what_unpacks_to_too_much_is_left() -> None:
    bomb = gzip.compress(b" " * (answers.MAX_ANSWER_BYTES + 1))
    assert len(bomb) < 100_000
    for end in asked(lambda _: httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=bomb)):
        assert str(end) == "The answer does not end."


def test_a_broken_connection_or_body_is_no_answer_this_time() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    broken = {"Content-Encoding": "gzip"}
    for answer in (refuse, lambda _: httpx.Response(200, headers=broken, stream=httpx.ByteStream(b"not gzip"))):
        for end in asked(answer):
            assert isinstance(end, Unusable)
            assert str(end).startswith("no answer: ")


def test_no_redirect_is_followed() -> None:
    hosts = list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(307, headers={"Location": "https://elsewhere.example.com/"})

    for end in asked(answer):
        assert isinstance(end, Refused)
    assert hosts == ["scim.example.com"] * 2


def test_the_credential_is_asked_for_before_each_request_and_goes_into_the_header_only() -> None:
    tokens = iter(["first", "second"])
    seen = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"tenants": []})

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        reader = Feed(URL + "/", lambda: next(tokens), tenant="contoso", http=http)
        assert (reader.tenants(), reader.tenants()) == ([], [])
    assert [request.headers["authorization"] for request in seen] == ["Bearer first", "Bearer second"]
    assert {str(request.url) for request in seen} == {f"{URL}/tenants"}


def test_customers_are_read_page_by_page() -> None:
    pages = {"": (["a", "b"], "p2"), "p2": (["c"], None)}

    def answer(request: httpx.Request) -> httpx.Response:
        names, following = pages[request.url.params.get("page", "")]
        heads = [{"tenant": name, "number": 1, "time": "t"} for name in names]
        return httpx.Response(200, json={"tenants": heads, "next": following})

    async def by_task() -> list[str]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            return [head.tenant for head in await AsyncFeed(URL, "t", http=http).tenants()]

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        assert [head.tenant for head in Feed(URL, "t", http=http).tenants()] == ["a", "b", "c"]
    assert asyncio.run(by_task()) == ["a", "b", "c"]
