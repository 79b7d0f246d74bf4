"""Rankings while somebody looks: read from nodes, kept for an hour, and bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeVar

import msgspec
import pytest

from edgecache.cluster.log_readers import READERS_MAX, LogSubscription, ReaderBatch, ReaderBatches
from edgecache.control.dashboard import rankings as module
from edgecache.control.dashboard.rankings import (
    LOOKED_AT_PER_S,
    ROWS_TOLD,
    SLOT_NAMES,
    WATCHED_S,
    RankedPart,
    Rankings,
    sampled_percent,
)
from edgecache.control.nodes.log_readers import LogReaderRegistry
from edgecache.control.nodes.other_controls import ControlAnswers, InstallationNodes
from edgecache.control.nodes.registry import NodeRegistry
from edgecache.observe.traffic_summary import TrafficSummary
from tests.control.dashboard.reports import BEGAN_AT
from tests.observe.test_traffic_summary import row

T = TypeVar("T")


class OtherRankings(ControlAnswers):
    """The rankings of other controls, by their names."""

    def __init__(self) -> None:
        super().__init__(InstallationNodes(NodeRegistry(lambda: 0.0)))
        self.told: dict[str, RankedPart] = {}

    async def ask(self, target: str, kind: type[T]) -> tuple[dict[str, T], list[str]]:
        assert target.startswith("/dashboard/ranked?seconds=")
        sent = {name: msgspec.json.encode(part) for name, part in self.told.items()}
        return {name: msgspec.json.decode(one, type=kind) for name, one in sent.items()}, ["c9"]


class Watched:
    """Rankings whose nodes are asked and answer as a test says."""

    def __init__(self) -> None:
        self.now = float(BEGAN_AT)
        self.requests_s = 100.0
        self.loop = asyncio.new_event_loop()
        ids = count()
        self.readers = LogReaderRegistry(lambda: self.now, lambda: f"r{next(ids)}")
        self.others = OtherRankings()
        self.rankings = Rankings(
            self.readers, lambda: self.now, lambda: self.requests_s, self.at_once, self.no_pause,
            self.others,
        )  # fmt: skip

    async def at_once(self, work: Callable[[], T], /) -> T:
        return work()

    async def no_pause(self, seconds: float) -> None:
        raise AssertionError

    def send(self, *rows: list[bytes]) -> None:
        """A node sends what it saw to all who look."""
        summary = TrafficSummary()
        summary.add(rows)
        for wanted in self.readers.subscriptions():
            batch = ReaderBatch(wanted.id, summary=summary.sample())
            self.readers.deliver("edge-a-1", msgspec.json.encode(ReaderBatches([batch])))

    def passes(self, seconds: int, *rows: list[bytes], step: int = 1) -> None:
        for _ in range(0, seconds, step):
            if rows:
                self.send(*rows)
            self.now += step
            self.loop.run_until_complete(self.rankings.step())

    def looks(self, seconds: int, *rows: list[bytes], step: int = 1) -> None:
        """Somebody looks for so long, in which each step of seconds brings these records."""
        for _ in range(0, seconds, step):
            self.rankings.want()
            self.passes(step, *rows, step=step)

    def told(self, seconds: int = 60) -> dict[str, Any]:
        return self.loop.run_until_complete(self.rankings.answer(seconds))


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.loop.close()


def counts(told: dict[str, Any], ranking: str) -> dict[str, int]:
    return {one["name"]: one["count"] for one in told["ranks"][ranking]["rows"]}


def test_nodes_are_asked_while_somebody_looks_and_not_otherwise(watched: Watched) -> None:
    watched.passes(5)
    assert watched.readers.subscriptions() == ()
    watched.looks(1)
    (wanted,) = watched.readers.subscriptions()
    assert (wanted.summary, wanted.tier, wanted.percent) == (True, "edge", 100.0)
    watched.passes(int(WATCHED_S) - 2)
    assert watched.readers.subscriptions() == (wanted,)
    watched.passes(1)
    assert watched.readers.subscriptions() == ()


def test_what_was_asked_is_ranked(watched: Watched) -> None:
    watched.looks(1)
    watched.looks(4, row(), row(path="/b", result="Miss", reason="absent", taken="0.020"))
    watched.looks(1, row(path="/<b>", result="Error", status="503", referer="https://x/"))
    told = watched.told()
    assert (told["since"], told["until"], told["watched_s"]) == (BEGAN_AT + 1, BEGAN_AT + 6, 5.0)
    assert (told["requests"], told["bytes_out"]) == (9, 900)
    assert told["viewers"] == {"estimate": 1, "error_percent": 1.6}
    assert (told["hit_p50_s"], told["miss_p99_s"]) == (0.0005, 0.02)
    assert counts(told, "objects") == {"h/b": 4, "h/a": 4, "h/<b>": 1}
    (miss,) = told["ranks"]["misses"]["rows"]
    assert miss == {
        "name": "absent h/b", "reason": "absent", "object": "h/b", "count": 4, "at_most": 4,
        "percent": 100.0,
    }  # fmt: skip
    (error,) = told["ranks"]["errors"]["rows"]
    assert (error["status"], error["object"]) == (503, "h/<b>")
    assert counts(told, "countries") == {"-": 9}
    assert told["ranks"]["objects"]["error"] == 0


def test_an_hour_is_kept_by_the_minute(watched: Watched) -> None:
    watched.looks(1)
    for minute in range(14):
        watched.looks(60, row(path=f"/{minute}"), step=5)
    assert set(counts(watched.told(60), "objects")) <= {"h/12", "h/13"}
    assert watched.told(60)["requests"] in range(11, 14)
    assert watched.told(300)["requests"] in range(48, 73)
    assert watched.told(3600)["requests"] in range(165, 169)
    assert len(watched.told(3600)["ranks"]["objects"]["rows"]) == 14 < ROWS_TOLD
    assert len(watched.rankings._slots) == watched.rankings._slots.maxlen == 12
    assert watched.rankings._minutes.maxlen == 60


def test_a_gap_in_which_nobody_looked_is_told(watched: Watched) -> None:
    watched.looks(20, row())
    watched.passes(100)
    watched.looks(20, row())
    told = watched.told(300)
    assert told["watched_s"] == pytest.approx(20 + WATCHED_S + 19, abs=3)
    assert told["until"] - told["since"] == pytest.approx(139, abs=2)


def test_at_many_requests_a_share_is_looked_at(watched: Watched) -> None:
    assert sampled_percent(LOOKED_AT_PER_S) == 100.0
    assert sampled_percent(4 * LOOKED_AT_PER_S) == 25.0
    assert sampled_percent(1e9) == 0.025
    watched.looks(20, row())
    watched.requests_s = 1.9 * LOOKED_AT_PER_S
    watched.looks(1)
    assert watched.told()["sampled_percent"] == 100.0
    watched.requests_s = 4 * LOOKED_AT_PER_S
    watched.looks(2)
    (wanted,) = watched.readers.subscriptions()
    assert wanted.percent == 25.0
    told = watched.told(300)
    assert (told["sampled_percent"], told["requests"]) == (25.0, 0)  # of one share only
    assert told["since"] > BEGAN_AT + 20


def test_where_others_read_already_it_says_so_and_tries_again(watched: Watched) -> None:
    others = [watched.readers.begin(LogSubscription("")) for _ in range(READERS_MAX)]
    watched.looks(2, row())
    assert "16 read already" in watched.told()["problem"]
    watched.readers.end(others[0])
    watched.looks(2, row())
    assert watched.told(300)["problem"] == ""


def test_one_that_stood_still_begins_again(watched: Watched) -> None:
    watched.looks(5, row())
    watched.now += 100
    watched.looks(3, row())
    assert len(watched.readers.subscriptions()) == 1
    assert watched.told()["requests"] >= 1


def test_memory_is_bounded_by_names_and_by_bytes(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.looks(1)
    number = count()
    for _ in range(20):
        watched.looks(10, *[row(path=f"/{next(number)}") for _ in range(100)])
    slot = watched.rankings._slots[-1].sample
    assert max(len(one.counts) for one in slot.rankings.values()) <= SLOT_NAMES
    before, minutes = watched.rankings.size_bytes, len(watched.rankings._minutes)
    monkeypatch.setattr(module, "BYTES_MAX", before // 2)
    watched.looks(61, row())
    assert len(watched.rankings._minutes) < minutes


def test_a_count_is_never_too_high_and_its_error_is_told(watched: Watched) -> None:
    watched.looks(1)
    number = count()
    for _ in range(12):
        rare = [row(path=f"/rare{next(number)}") for _ in range(200)]
        watched.looks(10, *rare, *[row(path="/often")] * 20)
    told = watched.told(900)["ranks"]["objects"]
    best = told["rows"][0]
    sent = 20 * 120
    assert best["name"] == "h/often"
    assert best["count"] <= sent <= best["at_most"] == best["count"] + told["error"]
    assert told["error"] <= told["total"] / SLOT_NAMES * 2


def test_what_nodes_of_other_controls_saw_is_added(watched: Watched) -> None:
    watched.looks(1)
    watched.looks(3, row(), row(path="/b", ip="192.0.2.2"))
    seen = TrafficSummary()
    seen.add([row(), row(path="/c"), row(ip="192.0.2.9")])
    watched.others.told["c2"] = RankedPart(seen.sample(), BEGAN_AT - 20.0, 24.0, 50.0, "")
    told = watched.told()
    assert (told["controls"], told["controls_missing"]) == (["this", "c2"], ["c9"])
    assert (told["requests"], told["viewers"]["estimate"]) == (9, 3)
    assert counts(told, "objects") == {"h/a": 5, "h/b": 3, "h/c": 1}
    assert (told["since"], told["sampled_percent"]) == (BEGAN_AT - 20, 50.0)
