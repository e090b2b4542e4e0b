"""The feed run sees each change arrive, relays all that waits, and reads a whole snapshot."""

import pytest

from bench import backlog, feed
from bench.backlog import Sent
from bench.feed import Delivered, FeedRun, Relayed, Snapshot
from bench.feed_report import feed_report
from bench.load import Sample
from scim_core.storage.hook_port import HookFormat


async def test_every_change_arrives_is_relayed_and_is_in_the_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "WATCHED", 4)
    monkeypatch.setattr(feed, "CHANGES", 40)
    monkeypatch.setattr(backlog, "WAITING", 12)
    told: list[str] = []
    measured = await feed.run(30, told.append)
    assert [(item.connections, len(item.sample.seconds)) for item in measured.delivered] == [(1, 4), (16, 4)]
    assert [(item.format, item.entries, item.requests) for item in measured.sent] == [
        ("set", 12, 12),
        ("events", 12, 1),
    ]
    assert measured.relayed.changes == 40
    assert 0 < measured.relayed.calls < 40
    assert measured.snapshot.resources == 30
    assert measured.snapshot.size > 30 * 1_000
    assert told == ["deliveries", "what waits for hooks", "a relay of 40 changes", "a snapshot of 30 users"]


def test_the_report_says_how_soon_how_many_and_how_large() -> None:
    slow = Delivered(16, Sample((0.5,) * 90 + (3.0,) * 10, 10.0))
    soon = Delivered(1, Sample((0.25,) * 100, 10.0))
    measured = FeedRun(
        (soon, slow),
        (Sent(HookFormat.SET, 1_000, 1_000, 2.0, 68),),
        Relayed(10_000, 5.0, 700),
        Snapshot(100_000, 120, 2**27, 20.0, 80.0, 120.0),
    )
    lines = feed_report(measured).splitlines()
    assert [line.split()[-3:] for line in lines if line.startswith("a change over")] == [
        ["0.25", "0.25", "pass"],
        ["0.50", "3.00", "MISS"],
    ]
    waited = "1,000 entries that waited, as set: 2.0 s, 500 a second, 1,000 requests, 68 calls of the storage."
    assert waited in lines
    assert "A relay of 10,000 changes: 5.0 s, 2,000 a second, 700 calls of the storage." in lines
    assert (
        "A snapshot of 100,000 users: 20.0 s, 120 pages, 128 MB; the process had 80 MB before, and 120 MB at most."
        in lines
    )
