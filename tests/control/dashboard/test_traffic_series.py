"""Series of reports: seconds, sums that are written, and a bounded number of names."""

from __future__ import annotations

from itertools import pairwise

import pytest

from edgecache.control.dashboard.report_differences import (
    ALL,
    BEHAVIOR,
    DISTRIBUTION,
    LOCATION,
    NODE,
    SeriesName,
)
from edgecache.control.dashboard.ring_file import RESOLUTIONS, SERIES_MAX
from edgecache.control.dashboard.traffic_series import (
    IDLE_S,
    LATENCY_WINDOW_S,
    SECONDS_KEPT,
    SHARES,
    WAITING_NAMES_MAX,
    SeriesTable,
)
from edgecache.control.dashboard.traffic_step import HITS, NUMBERS, sum_of
from edgecache.observe.labeled_series import OTHER
from tests.control.dashboard.reports import BEGAN_AT, ReportingEdge

E1 = SeriesName(DISTRIBUTION, "E1")
OTHERS = SeriesName(DISTRIBUTION, OTHER)


class Clocked:
    """A table on a clock that a test moves."""

    def __init__(self, alone: bool = True) -> None:
        self.now = float(BEGAN_AT)
        self.alone = alone
        self.table = SeriesTable(lambda: self.now, lambda: self.alone)

    def hear(self, *nodes: ReportingEdge) -> None:
        for node in nodes:
            self.table.observe(*node.next())

    def passes(self, seconds: int) -> list[int]:
        ended: list[int] = []
        for _ in range(seconds):
            self.now += 1
            ended += self.table.tick()
        return ended


@pytest.fixture
def world() -> Clocked:
    return Clocked()


def edge(name: str = "edge-a-1") -> ReportingEdge:
    return ReportingEdge(name, started_at=BEGAN_AT)


def test_seconds_end_once_each_and_in_order(world: Clocked) -> None:
    assert [*world.table.tick()] == []
    world.now += 3.5
    assert [*world.table.tick()] == [BEGAN_AT, BEGAN_AT + 1, BEGAN_AT + 2]
    assert world.passes(1) == [BEGAN_AT + 3]


def test_what_is_reported_in_a_second_is_of_it(world: Clocked) -> None:
    node = edge()
    world.hear(node.count(times=3))
    world.passes(1)
    world.hear(node.count(times=4))
    world.passes(1)
    total = world.table.total
    assert (total.last(1)[HITS], total.last(2)[HITS], total.last(9)[HITS]) == (4, 7, 7)
    assert (total.requests, total.lately[HITS]) == (7, 7)
    assert world.table.series[E1].last(1)[HITS] == 4


def test_windows_pass(world: Clocked) -> None:
    world.hear(edge().count(times=3))
    world.passes(LATENCY_WINDOW_S)
    assert world.table.total.lately[HITS] == 3
    world.passes(1)
    assert world.table.total.lately[HITS] == 0
    world.passes(SECONDS_KEPT - LATENCY_WINDOW_S - 1)
    assert world.table.total.requests == 3
    world.passes(1)
    assert world.table.total.requests == 0


def test_a_process_that_was_there_before_tells_where_to_begin(world: Clocked) -> None:
    old = ReportingEdge(started_at=BEGAN_AT - 1).count(times=1_000)
    world.hear(old)
    world.hear(old.count(times=2))
    world.passes(1)
    assert world.table.total.requests == 2


def test_so_does_one_that_may_have_reported_to_another_control() -> None:
    world = Clocked(alone=False)
    node = edge().count(times=1_000)
    world.hear(node)
    world.hear(node.count(times=2))
    world.passes(1)
    assert world.table.total.requests == 2


def test_what_is_written_adds_up_in_each_resolution(world: Clocked) -> None:
    node, written = edge(), []
    for second in range(1_200):
        world.hear(node.count())
        for ended in world.passes(1):
            assert bool(world.table.due(ended)) == ((second + 1) % 10 == 0)
            written += world.table.due(ended)
    for ring in RESOLUTIONS:
        last = {
            one.began_at: one.step
            for one in written
            if one.resolution == ring and one.place == world.table.total.index
        }
        assert sum_of(last.values())[HITS] <= 1_200
        assert [*last] == [*range(BEGAN_AT, BEGAN_AT + 1_200, ring.step_s)]


def test_a_step_is_written_while_it_goes_on_and_whole_at_its_end() -> None:
    world, node, steps = Clocked(), edge(), []
    for _ in range(60):
        world.hear(node.count())
        for ended in world.passes(1):
            steps += world.table.due(ended)
    minute = [
        one.step[HITS]
        for one in steps
        if one.resolution == RESOLUTIONS[1] and one.place == world.table.total.index
    ]
    assert minute == [10, 20, 30, 40, 50, 60]
    of_ten = [one for one in steps if one.resolution == RESOLUTIONS[0] and one.step[HITS] == 10]
    assert len({(one.place, one.began_at) for one in of_ten}) == len(of_ten) == 6 * 5


def test_who_asked_nothing_is_written_for_the_total_alone(world: Clocked) -> None:
    world.hear(edge().count())
    for _ in range(2):
        steps = [
            step for _ in range(10) for end in world.passes(1) for step in world.table.due(end)
        ]
    of_ten = [one for one in steps if one.resolution == RESOLUTIONS[0]]
    assert [(one.place, sum(one.step)) for one in of_ten] == [(world.table.total.index, 0)]


def test_a_clock_that_is_set_begins_new_seconds(world: Clocked) -> None:
    world.hear(edge().count(times=3))
    world.passes(5)
    for jump in (10_000, -5_000):
        world.now += jump
        assert [*world.table.tick()] == [int(world.now) - 1]
        assert len(world.table.total.seconds) == 1
    world.now -= 2  # a little is waited for
    assert [*world.table.tick()] == []


def crowd(world: Clocked, count: int, times: int = 1, first: int = 0) -> ReportingEdge:
    node = edge(f"edge-a-{first}")
    for number in range(first, first + count):
        node.count(times=times, id=f"E{number:03}")
    world.hear(node)
    return node


def test_series_are_bounded_and_the_rest_is_other(world: Clocked) -> None:
    assert len(SHARES) + 1 + sum(SHARES.values()) == SERIES_MAX
    crowd(world, 90)
    crowd(world, 90, first=90)
    for number in range(200):
        world.hear(ReportingEdge(f"edge-{number}-1", location=f"L{number}", started_at=BEGAN_AT)
                   .count(pattern=f"/{number}"))  # fmt: skip
    world.passes(1)
    series = world.table.series
    assert len(series) == SERIES_MAX
    assert len({one.index for one in series.values()}) == SERIES_MAX
    for by in (DISTRIBUTION, BEHAVIOR, LOCATION, NODE):
        of_it = [one.requests for name, one in series.items() if name.by == by]
        assert len(of_it) == SHARES[by] + 1
        assert sum(of_it) == world.table.total.requests == 380
    assert world.table.folded()[NODE] == 202 - SHARES[NODE]
    assert series[OTHERS].requests > 1


def test_names_without_a_place_are_bounded_too(world: Clocked) -> None:
    node = edge()
    for number in range(WAITING_NAMES_MAX + 100):
        node = ReportingEdge(f"edge-{number}", location=f"L{number}", started_at=BEGAN_AT).count()
        world.hear(node)
    assert world.table.folded()[LOCATION] == WAITING_NAMES_MAX
    assert world.table.size_bytes < 4_000_000


def test_the_busiest_take_the_places_of_the_least_busy(world: Clocked) -> None:
    crowd(world, SHARES[DISTRIBUTION], times=10)
    crowd(world, 1, times=21, first=500)
    crowd(world, 1, times=19, first=600)
    crowd(world, 1, times=20, first=700)
    world.passes(1)
    before = world.table.total.requests
    folded = [one for one in world.table.fold() if one.name.by == DISTRIBUTION]
    assert [one.name.name for one in folded] == ["E500"]
    assert folded[0].into == world.table.series[OTHERS].index
    assert SeriesName(DISTRIBUTION, "E500") in world.table.series
    assert SeriesName(DISTRIBUTION, "E000") not in world.table.series
    written = world.table.unwritten()
    of_ten = [one for one in written if one.resolution == RESOLUTIONS[0]]
    counts = {one.place: one.step[HITS] for one in of_ten}
    assert counts[world.table.series[OTHERS].index] == 60 + 10  # and what E000 had had
    assert counts[world.table.total.index] == before
    assert not [*world.table.fold()]  # what was counted before this counts no more


def test_a_series_of_which_nothing_is_kept_gives_its_place_back(world: Clocked) -> None:
    world.hear(edge().count())
    world.passes(1)
    place = world.table.series[E1].index
    assert world.table.free_idle() == []
    world.table.second += IDLE_S + 2
    assert place in world.table.free_idle()
    assert E1 not in world.table.series
    assert ALL in world.table.series
    assert OTHERS in world.table.series


def test_a_file_that_came_late_takes_what_was_counted(world: Clocked) -> None:
    crowd(world, 3, times=2)
    world.passes(1)
    stranger = {SeriesName(DISTRIBUTION, f"S{number}"): number for number in range(30)}
    world.table.adopt({**stranger, ALL: 30})
    kept = [name for name in world.table.series if name.by == DISTRIBUTION]
    assert len(kept) == SHARES[DISTRIBUTION] + 1
    (survivor,) = {*kept} - {*stranger, OTHERS}
    written = {
        one.place: one.step[HITS]
        for one in world.table.unwritten()
        if one.resolution == RESOLUTIONS[0]
    }
    assert written[world.table.series[survivor].index] == 2
    assert written[world.table.series[OTHERS].index] == 4
    assert written[30] == 6
    assert world.table.total.requests == 6


def test_places_of_the_file_are_gone_on_with(world: Clocked) -> None:
    names = {ALL: 7, E1: 9}
    world.table.adopt(names)
    world.table.resume(9, RESOLUTIONS[1], (3,) * NUMBERS)
    assert {world.table.series[name].index for name in names} == {7, 9}
    assert [name for _, name in world.table.given] == [SeriesName(by, OTHER) for by in SHARES]
    places = sorted(one.index for one in world.table.series.values())
    assert all(one != two for one, two in pairwise(places))
    world.hear(edge().count())
    world.passes(1)
    (minute,) = [
        one
        for one in world.table.unwritten()
        if one.place == 9 and one.resolution == RESOLUTIONS[1]
    ]
    assert minute.step[HITS] == 4
