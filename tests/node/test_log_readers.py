"""Readers of a node's log: taken up and dropped as control names them, sent, and what is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgecache.cluster.log_readers import (
    READERS_MAX,
    LogSubscription,
    ReaderBatch,
    ReaderBatches,
)
from edgecache.node.log_readers import NodeLogReaders, ReaderWorld
from edgecache.observe.log_history import LogHistory
from tests.node.log_machine import no_pause, threads
from tests.observe.test_log_reader import SOURCE, Seconds, line

STATUS = LogSubscription("r1", "status>=500", ("cs-uri-stem",))


class Channel:
    """Control, as a node hears of it: it takes what it is sent, or does not."""

    def __init__(self) -> None:
        self.log_readers: tuple[LogSubscription, ...] = ()
        self.takes = True
        self.sent: list[list[ReaderBatch]] = []

    async def send_log(self, content: bytes) -> bool:
        """See `ControlChannel`."""
        if self.takes:
            self.sent.append(msgspec.json.decode(content, type=ReaderBatches).batches)
        return self.takes


class Edge:
    """The readers of one process, and whom it calls."""

    def __init__(self, folder: Path | None = None) -> None:
        self.channel = Channel()
        self.sizes: list[int] = []
        self.changes: list[bool] = []
        world = ReaderWorld(Seconds(), no_pause, threads, threads, self.sizes.append)
        history = LogHistory(folder, "edge-A-1", "u1")
        self.readers = NodeLogReaders(SOURCE, history, self.channel, world)
        self.readers.on_change = self.changes.append

    async def step(self, *wanted: LogSubscription) -> list[ReaderBatch]:
        """A turn while these are named; what was sent in it."""
        self.channel.log_readers, self.channel.sent = wanted, []
        await self.readers.step()
        await asyncio.wait_for(_turns(), 5)
        return [batch for sent in self.channel.sent for batch in sent]


async def _turns() -> None:
    for _ in range(3):
        await asyncio.get_running_loop().run_in_executor(None, int)


def play(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def test_lines_are_sent_while_somebody_reads() -> None:
    async def scene() -> None:
        edge = Edge()
        edge.readers.offer([line(b"/before", 503)])
        assert await edge.step(STATUS) == []
        edge.readers.offer([line(b"/a", 503), line(b"/b")])
        assert await edge.step(STATUS) == [ReaderBatch("r1", [["/a"]])]
        assert await edge.step(STATUS) == []
        assert await edge.step() == []
        edge.readers.offer([line(b"/after", 503)])
        assert await edge.step() == []
        assert edge.changes == [False, False]

    play(scene)


def test_each_reader_gets_its_own() -> None:
    async def scene() -> None:
        edge = Edge()
        every = LogSubscription("r2", "", ("sc-status", "tier"), tier="all")
        others = LogSubscription("r3", tier="regional", fields=("tier",))
        await edge.step(STATUS, every, others)
        edge.readers.offer([line(b"/a", 503)])
        assert await edge.step(STATUS, every, others) == [
            ReaderBatch("r1", [["/a"]]),
            ReaderBatch("r2", [["503", "edge"]]),
        ]

    play(scene)


def test_what_control_does_not_take_is_told_as_lost() -> None:
    async def scene() -> None:
        edge = Edge()
        await edge.step(STATUS)
        edge.channel.takes = False
        for _ in range(2):
            edge.readers.offer([line(b"/a", 503)] * 3)
            assert await edge.step(STATUS) == []
        edge.channel.takes = True
        edge.readers.offer([line(b"/b", 503)])
        assert await edge.step(STATUS) == [ReaderBatch("r1", [["/b"]], 6)]

    play(scene)


@pytest.mark.parametrize(
    ("filter", "fields", "extended", "forget"),
    [
        ("status=200", ("cs-uri-stem", "tier", "node", "c-country"), False, False),
        ("reason=absent", ("cs-uri-stem",), True, False),
        ("", ("reason", "origin-fbl"), True, False),
        ("distribution=E1", ("cs-uri-stem",), True, True),
        ("", ("timestamp(ms)",), True, True),
    ],
)
def test_records_are_extended_for_who_looks_at_more(
    filter: str, fields: tuple[str, ...], extended: bool, forget: bool
) -> None:
    async def scene() -> None:
        edge = Edge()
        reader = LogSubscription("r1", filter, fields)
        await edge.step(reader)
        assert edge.readers.extended is extended
        assert edge.changes == [forget]
        await edge.step(reader, LogSubscription("r2", filter, fields))
        assert edge.changes == [forget, False]
        await edge.step()
        assert not edge.readers.extended

    play(scene)


def test_a_reader_of_the_other_tier_has_records_extended() -> None:
    async def scene() -> None:
        edge = Edge()
        other = LogSubscription("r1", "", ("tier",), tier="regional")
        assert await edge.step(other) == []
        assert edge.readers.extended
        assert await edge.step(other) == []
        assert edge.changes == [False]
        await edge.step()
        assert not edge.readers.extended
        assert edge.changes == [False, False]

    play(scene)


def test_a_summary_wants_reasons() -> None:
    async def scene() -> None:
        edge = Edge()
        reader = LogSubscription("r1", summary=True)
        await edge.step(reader)
        assert edge.readers.extended
        edge.readers.offer([line(), line(status=503)])
        (batch,) = await edge.step(reader)
        assert batch.summary is not None
        assert batch.summary.rankings["errors"].counts == {"503 www.example.com/": 1}

    play(scene)


def test_one_request_is_told_from_what_was_logged_and_that_it_was_looked_for() -> None:
    async def scene() -> None:
        edge = Edge()
        edge.readers.offer([line(b"/a", id="a=="), line(b"/b", id="b==")])
        fields = ("cs-uri-stem", "node", "tier", "c-country")
        one = LogSubscription("r1", "", fields, tier="all", request_id="a==")
        none = LogSubscription("r2", "", fields, tier="all", request_id="c==")
        assert await edge.step(one, none) == []
        assert await edge.step(one, none) == [
            ReaderBatch("r1", [["/a", "edge%20LHR50-1", "edge", "DE"]]),
            ReaderBatch("r2", []),
        ]
        edge.readers.offer([line(b"/c", id="c==")])
        (batch,) = await edge.step(one, none)
        assert batch == ReaderBatch("r2", [["/c", "edge%20LHR50-1", "edge", "DE"]])

    play(scene)


def test_there_are_no_more_than_control_has() -> None:
    async def scene() -> None:
        edge = Edge()
        wanted = [
            LogSubscription(f"r{n}", "", ("tier",), tier="all", request_id="a==")
            for n in range(READERS_MAX + 1)
        ]
        await edge.step(*wanted)
        assert len(await edge.step(*wanted)) == READERS_MAX
        assert await edge.step() == []

    play(scene)


def test_a_filter_of_a_later_release_is_left_alone() -> None:
    async def scene() -> None:
        edge = Edge()
        novel = LogSubscription("r2", "novel=1", ("tier",))
        await edge.step(novel, STATUS)
        edge.readers.offer([line(b"/a", 503)])
        assert await edge.step(novel, STATUS) == [ReaderBatch("r1", [["/a"]])]

    play(scene)


def test_what_is_held_is_measured() -> None:
    async def scene() -> None:
        edge = Edge()
        await edge.step(STATUS)
        edge.readers.offer([line(b"/a", 503)] * 100)
        edge.channel.takes = True
        await edge.step(STATUS)
        assert edge.sizes[-1] >= edge.readers.history.size_bytes > 0

    play(scene)
