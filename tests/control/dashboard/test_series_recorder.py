"""The recorder: what a restart finds, and that a failing disk stops nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from edgecache.control.dashboard.report_differences import ALL, DISTRIBUTION, SeriesName
from edgecache.control.dashboard.ring_file import RESOLUTIONS, RingFile
from edgecache.control.dashboard.series_recorder import SeriesRecorder
from edgecache.control.dashboard.traffic_series import FOLD_S, SHARES, SeriesTable
from edgecache.control.dashboard.traffic_step import HITS
from tests.control.dashboard.reports import BEGAN_AT, ReportingEdge

T = TypeVar("T")
E1 = SeriesName(DISTRIBUTION, "E1")


class Recorded:
    """A recorder on a file of its own; `run` begins another control on it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "traffic.rings"
        self.now = float(BEGAN_AT)
        self.fails = ""
        self.told: list[str] = []
        self.run()

    def run(self) -> None:
        self.table = SeriesTable(lambda: self.now)
        self.recorder = SeriesRecorder(
            self.table, lambda: RingFile(self.path), self.at_once, self.no_pause,
            self.told.append,
        )  # fmt: skip

    async def at_once(self, work: Callable[[], T], /) -> T:
        if self.fails:
            raise OSError(self.fails)
        return work()

    async def no_pause(self, seconds: float) -> None:
        raise AssertionError

    async def passes(self, seconds: int, node: ReportingEdge | None = None) -> None:
        for _ in range(seconds):
            if node is not None:
                self.table.observe(*node.count().next())
            self.now += 1
            await self.recorder.step()

    async def hits(self, ring: int, first: int, last: int, name: SeriesName = ALL) -> list[int]:
        place = self.table.series[name].index
        steps = await self.recorder.read(place, RESOLUTIONS[ring], first, last)
        return [-1 if step is None else step[HITS] for step in steps]


@pytest.fixture
def world(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def edge() -> ReportingEdge:
    return ReportingEdge(started_at=BEGAN_AT)


def test_a_restart_loses_ten_seconds_at_most_and_goes_on(world: Recorded) -> None:
    async def play() -> None:
        node = edge()
        await world.recorder.begin()
        await world.passes(25, node)
        world.run()  # killed: nothing was written of the last five seconds
        await world.recorder.begin()
        name, _, status = node.next()
        world.table.observe(name, None, status)  # which this control has not heard of
        await world.passes(35, node)
        assert await world.hits(0, BEGAN_AT, BEGAN_AT + 50) == [10, 10, 5, 10, 10, 10]
        assert await world.hits(1, BEGAN_AT, BEGAN_AT + 60) == [55, -1]
        assert await world.hits(2, BEGAN_AT, BEGAN_AT, E1) == [55]
        world.recorder.close()

    asyncio.run(play())


def test_one_that_ends_in_order_loses_nothing(world: Recorded) -> None:
    async def play() -> None:
        node = edge()
        await world.recorder.begin()
        await world.passes(25, node)
        world.recorder.close()
        world.run()
        await world.recorder.begin()
        assert await world.hits(0, BEGAN_AT, BEGAN_AT + 20, E1) == [10, 10, 5]
        world.recorder.close()

    asyncio.run(play())


def test_a_process_that_is_told_to_end_writes_what_it_knows(world: Recorded) -> None:
    async def play() -> None:
        node, waits = edge(), 0

        async def pause(seconds: float) -> None:
            nonlocal waits
            waits += 1
            if waits == 8:
                raise asyncio.CancelledError
            world.table.observe(*node.count().next())
            world.now += 1

        world.recorder._pause = pause
        with pytest.raises(asyncio.CancelledError):
            await world.recorder.run()
        world.run()
        await world.recorder.begin()
        assert await world.hits(0, BEGAN_AT, BEGAN_AT) == [7]
        world.recorder.close()

    asyncio.run(play())


def test_where_control_did_not_run_there_is_no_step(world: Recorded) -> None:
    async def play() -> None:
        await world.recorder.begin()
        await world.passes(10)
        world.recorder.close()
        world.now += 20
        world.run()
        await world.recorder.begin()
        await world.passes(10)
        assert await world.hits(0, BEGAN_AT, BEGAN_AT + 30) == [0, -1, -1, 0]
        world.recorder.close()

    asyncio.run(play())


def test_a_failing_disk_is_told_once_and_memory_goes_on(world: Recorded) -> None:
    async def play() -> None:
        node = edge()
        await world.recorder.begin()
        await world.passes(10, node)
        world.fails = "No space left on device"
        await world.passes(30, node)
        assert world.recorder.problem == "No space left on device"
        assert world.table.total.requests == 40
        assert await world.hits(0, BEGAN_AT, BEGAN_AT) == [-1]
        world.fails = ""
        await world.passes(10, node)
        assert await world.hits(0, BEGAN_AT, BEGAN_AT + 40) == [10, -1, -1, -1, 10]
        assert world.recorder.problem == ""
        world.recorder.close()

    asyncio.run(play())
    (line,) = world.told
    assert line.endswith("in memory alone: No space left on device")


def test_without_a_file_there_is_memory(world: Recorded) -> None:
    async def play() -> None:
        world.fails = "Permission denied"
        await world.recorder.begin()
        await world.passes(20, edge())
        assert world.table.total.requests == 20
        assert await world.hits(0, BEGAN_AT, BEGAN_AT + 10) == [-1, -1]
        world.fails = ""
        await world.passes(10)  # and it is taken up when the disk is well
        world.recorder.close()
        world.run()
        await world.recorder.begin()
        assert await world.hits(1, BEGAN_AT, BEGAN_AT) == [20]
        assert await world.hits(1, BEGAN_AT, BEGAN_AT, E1) == [20]
        world.recorder.close()

    asyncio.run(play())


def test_a_series_that_loses_its_place_is_added_to_other(world: Recorded) -> None:
    async def play() -> None:
        await world.recorder.begin()
        crowd = edge()
        for number in range(SHARES[DISTRIBUTION]):
            crowd.count(times=2 + number, id=f"C{number:03}")
        world.table.observe(*crowd.next())
        late = ReportingEdge("edge-b-1", started_at=BEGAN_AT).count(times=50, id="LATE")
        world.table.observe(*late.next())
        await world.passes(FOLD_S)
        other, name = SeriesName(DISTRIBUTION, "other"), SeriesName(DISTRIBUTION, "LATE")
        assert await world.hits(0, BEGAN_AT, BEGAN_AT, other) == [52]
        assert await world.hits(0, BEGAN_AT, BEGAN_AT, name) == [-1]
        world.recorder.close()
        world.run()
        await world.recorder.begin()
        assert name in world.table.series
        assert SeriesName(DISTRIBUTION, "C000") not in world.table.series
        world.recorder.close()

    asyncio.run(play())
