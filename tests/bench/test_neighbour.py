"""What the neighbour run counts, and that its attacks are what they say."""

import asyncio
import gc
import json
from collections import Counter

import pytest

from bench.attacks import ATTACKS, GROUPS, MIB, Attack
from bench.load import Sample
from bench.neighbour import NO_ANSWER, Attacker, Observed
from bench.neighbour_report import neighbour_report
from bench.operations import Client

_CLIENT = Client("/scim/v2", "token")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.title)
def test_an_attack_keeps_to_the_limits_of_the_transport_and_to_json(attack: Attack) -> None:
    request = attack.request(_CLIENT)
    assert len(request.target) < 8 * 1024
    assert len(request.body) <= 16 * MIB
    if request.body:
        gc.disable()  # there is none in what a parser makes, and searching through millions of lists takes longer
        json.loads(request.body)
        gc.enable()


def test_a_slow_a_refused_and_a_large_one_miss_their_targets() -> None:
    rows = neighbour_report(
        [
            Observed("quiet", Sample((0.01,) * 100, 5), 0, Counter(), 80),
            Observed("slow", Sample((0.01,) * 98 + (1.5, 1.5), 5), 0, Counter({"200": 3}), 80),
            Observed("refused", Sample((0.01,) * 100, 5), 1, Counter({"400": 1, "200": 2}), 80),
            Observed("large", Sample((0.01,) * 100, 5), 0, Counter(), 1_001),
        ],
        20,
    ).splitlines()[-4:]
    assert [row.split().count("MISS") for row in rows] == [0, 1, 1, 1]
    assert rows[2].endswith("2 x 200, 1 x 400")


async def test_the_answers_of_an_attack_are_counted_and_what_has_none_at_the_end_too() -> None:
    answered = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if not answered.is_set():
            answered.set()
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        second.set()
        await asyncio.Event().wait()

    second = asyncio.Event()
    attack = Attack("one", GROUPS, 1, lambda client: client.request("GET", "/Users", 0))
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        attacker = Attacker(f"http://127.0.0.1:{port}", attack, {GROUPS: _CLIENT})
        attacker.start()
        await second.wait()
        attacker.stop()
        server.close_clients()
    assert attacker.answers == {"413": 1, NO_ANSWER: 1}
