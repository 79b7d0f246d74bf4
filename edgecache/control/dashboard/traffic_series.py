"""Series of what nodes report: the last five minutes by the second, and what goes to the file.

Law: memory and file are bounded by SERIES_MAX, each dimension by its share; what finds no place is
counted in `other` of its dimension, and once in ten minutes the busiest of these take the places of
the least busy, whose past is added to `other`'s. What was counted stays in the totals throughout.

Used on the loop; `due` gives what is to be written, which is done elsewhere (`series_keeper`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from edgecache.cluster.node_status import NodeStatus
from edgecache.control.dashboard.report_differences import (
    ALL,
    BEHAVIOR,
    DISTRIBUTION,
    LOCATION,
    NODE,
    SeriesName,
    differences,
)
from edgecache.control.dashboard.ring_file import RESOLUTIONS, Resolution, WrittenStep
from edgecache.control.dashboard.traffic_step import (
    HITS,
    MISSES,
    OTHERS,
    RECORD_BYTES,
    Step,
    add_step,
    empty_step,
    encode_step,
    numbers_of,
    sum_of,
)
from edgecache.observe.labeled_series import OTHER

SECONDS_KEPT = 300
LATENCY_WINDOW_S = 60
SHARES = {DISTRIBUTION: 31, BEHAVIOR: 39, LOCATION: 15, NODE: 38}
"""Series of each dimension beside its `other`; with the total these are SERIES_MAX."""
NAME_CHARS_MAX = 400  # what a place in the file has room for
WAITING_NAMES_MAX = 1_024  # names without a place whose requests are counted
FOLD_S = RESOLUTIONS[-1].step_s
IDLE_S = 7 * 86_400  # all that is kept of one that was silent for so long is over
BUSIER = 2  # times as many requests as who has the place, so that two do not take turns


class FoldedSeries(NamedTuple):
    """A series that has lost its place to another."""

    place: int
    into: int  # the place of its dimension's `other`
    name: SeriesName  # who has the place now


@dataclass(slots=True)
class TrafficSeries:
    """One series: this second, the seconds before, and sums that are not written to the end yet.

    `seconds` has a record, or None where nothing was counted, of each second up to the last.
    """

    index: int
    current: Step = field(default_factory=empty_step)
    seconds: deque[bytes | None] = field(default_factory=lambda: deque(maxlen=SECONDS_KEPT))
    lately: Step = field(default_factory=empty_step)  # sum of the last LATENCY_WINDOW_S
    requests: int = 0  # of the last SECONDS_KEPT
    open: dict[int, Step] = field(default_factory=dict)  # by `step_s`: since the step's start
    busy: int = 0  # requests since the last fold
    seen_at: int = 0

    def end_second(self, at: int) -> None:
        """The second `at` is over."""
        step, seconds = self.current, self.seconds
        if len(seconds) == SECONDS_KEPT:
            self.requests -= _requests(seconds[0])
        record = encode_step(at, step) if any(step) else None
        seconds.append(record)
        if len(seconds) > LATENCY_WINDOW_S:
            gone = seconds[-1 - LATENCY_WINDOW_S]
            if gone is not None:
                for place, count in enumerate(numbers_of(gone)):
                    self.lately[place] -= count
        if record is not None:
            self.current = empty_step()
            requests = step[HITS] + step[MISSES] + step[OTHERS]
            self.requests += requests
            self.busy += requests
            self.seen_at = at
            add_step(self.lately, step)
            for one in self.open.values():
                add_step(one, step)

    def forget_seconds(self) -> None:
        """Those before this are none that one could go on with."""
        self.seconds.clear()
        self.lately, self.requests = empty_step(), 0
        for step_s in self.open:
            self.open[step_s] = empty_step()

    def absorb(self, other: TrafficSeries) -> None:
        """Count what another has of this second, and of steps that are not over."""
        add_step(self.current, other.current)
        for step_s, step in other.open.items():
            add_step(self.open[step_s], step)

    def last(self, seconds: int) -> Step:
        """The sum of so many seconds before this."""
        newest = [*self.seconds][-seconds:]
        return sum_of([numbers_of(one) for one in newest if one is not None])


class SeriesTable:
    """All series of a control. `wall` gives epoch seconds; `alone` says whether nodes report to
    this control only.
    """

    def __init__(self, wall: Callable[[], float], alone: Callable[[], bool] = lambda: True) -> None:
        self._wall = wall
        self._alone = alone
        self._began_at = wall()
        self.second = int(self._began_at)  # the one that is counted now
        self.series: dict[SeriesName, TrafficSeries] = {}
        self._waiting: dict[str, Counter[str]] = {by: Counter() for by in SHARES}
        self._free = [*range(len(SHARES) + 1 + sum(SHARES.values()) - 1, -1, -1)]
        self.given: list[tuple[int, SeriesName]] = []  # places that the file does not know of
        self.total = self._given(ALL)
        for by in SHARES:
            self._given(SeriesName(by, OTHER))

    def adopt(self, names: Mapping[SeriesName, int]) -> None:
        """Use the places that a file has: what was counted until now takes those left free."""
        counted, self.series = self.series, {}
        self.given.clear()
        taken = {*names.values()}
        places = range(len(SHARES) + 1 + sum(SHARES.values()))
        self._free = [index for index in reversed(places) if index not in taken]
        for name, index in names.items():
            one = counted.pop(name) if name in counted else self._opened()
            one.index, self.series[name] = index, one
        for name in sorted(counted, key=lambda name: name.name != OTHER):  # these have to be there
            if name.by not in SHARES or name.name == OTHER or self._has_room(name.by):
                self._take_place(name, counted[name])
            else:
                self.series[SeriesName(name.by, OTHER)].absorb(counted[name])
        self.total = self.series[ALL]

    def resume(self, index: int, resolution: Resolution, step: tuple[int, ...]) -> None:
        """Go on with a step that was begun before this process was."""
        for one in self.series.values():
            if one.index == index:
                add_step(one.open[resolution.step_s], step)

    def observe(self, name: str, before: NodeStatus | None, after: NodeStatus) -> None:
        """Count what a node says that it has counted (a ReportObserver)."""
        if before is None and not self._is_new(after):
            return
        for series, step in differences(name, before, after).items():
            requests = step[HITS] + step[MISSES] + step[OTHERS]
            add_step(self._of(series, requests).current, step)

    def tick(self) -> Iterator[int]:
        """End each second that is over; the seconds that were."""
        now = int(self._wall())
        if abs(now - self.second) > SECONDS_KEPT:  # the clock was set, or the process stopped
            for one in self.series.values():
                one.forget_seconds()
            self.second = now - 1
        while self.second < now:
            for one in self.series.values():
                one.end_second(self.second)
            yield self.second
            self.second += 1

    def due(self, ended: int) -> list[WrittenStep]:
        """The steps to be written after the second `ended`, whole or not; none in most seconds."""
        if (ended + 1) % RESOLUTIONS[0].step_s:
            return []
        return [*self._written(ended)]

    def unwritten(self) -> list[WrittenStep]:
        """What is not written of the seconds that are over."""
        return [*self._written(self.second - 1)]

    def free_idle(self) -> list[int]:
        """Let go of series of which nothing is kept any more; their places."""
        over = [
            name
            for name, one in self.series.items()
            if self.second - one.seen_at > IDLE_S and name.by in SHARES and name.name != OTHER
        ]
        places = [self.series.pop(name).index for name in over]
        self._free += places
        return places

    def fold(self) -> Iterator[FoldedSeries]:
        """Let busier ones have the places of the least busy; who has lost one, once each."""
        for by, waiting in self._waiting.items():
            held = [
                (one.busy, name, one)
                for name, one in self.series.items()
                if name.by == by and name.name != OTHER
            ]
            held.sort(key=lambda one: one[:2])
            for name, requests in waiting.most_common(len(held)):
                if not held or requests <= BUSIER * held[0][0]:
                    break
                _, loser, one = held.pop(0)
                yield self._replaced(loser, one, SeriesName(by, name))
            waiting.clear()
        for one in self.series.values():
            one.busy = 0

    def folded(self) -> dict[str, int]:
        """How many names are in `other`, by dimension, as far as they are told apart."""
        return {by: len(waiting) for by, waiting in self._waiting.items()}

    @property
    def size_bytes(self) -> int:
        """About what it holds."""
        records = sum(len(one.seconds) for one in self.series.values())
        names = sum(map(len, self._waiting.values()))
        return records * (RECORD_BYTES + 41) + len(self.series) * 4_096 + names * 200

    def _is_new(self, status: NodeStatus) -> bool:
        """Whether all that a process has counted was counted since we are here."""
        started_at = status.sample["gauges"].get("process_started_ms", 0) / 1000
        return self._alone() and started_at >= self._began_at

    def _of(self, name: SeriesName, requests: int) -> TrafficSeries:
        name = SeriesName(name.by, name.name[:NAME_CHARS_MAX])
        found = self.series.get(name)
        if found is not None:
            return found
        if self._has_room(name.by):
            return self._given(name)
        waiting = self._waiting[name.by]
        if name.name in waiting or len(waiting) < WAITING_NAMES_MAX:
            waiting[name.name] += requests
        return self.series[SeriesName(name.by, OTHER)]

    def _has_room(self, by: str) -> bool:
        held = sum(name.by == by and name.name != OTHER for name in self.series)
        return held < SHARES[by]

    def _given(self, name: SeriesName) -> TrafficSeries:
        return self._take_place(name, self._opened())

    def _take_place(self, name: SeriesName, one: TrafficSeries) -> TrafficSeries:
        one.index = self._free.pop()
        self.series[name] = one
        self.given.append((one.index, name))
        return one

    def _opened(self, index: int = 0) -> TrafficSeries:
        made = TrafficSeries(index, seen_at=self.second)
        made.open = {one.step_s: empty_step() for one in RESOLUTIONS}
        return made

    def _replaced(self, loser: SeriesName, one: TrafficSeries, name: SeriesName) -> FoldedSeries:
        other = self.series[SeriesName(loser.by, OTHER)]
        other.absorb(one)
        del self.series[loser]
        self.series[name] = self._opened(one.index)
        return FoldedSeries(one.index, other.index, name)

    def _written(self, ended: int) -> Iterator[WrittenStep]:
        for resolution in RESOLUTIONS:
            began_at = ended // resolution.step_s * resolution.step_s
            is_over = (ended + 1) % resolution.step_s == 0
            for one in self.series.values():
                step = one.open[resolution.step_s]
                if one is self.total or any(step):
                    yield WrittenStep(one.index, resolution, began_at, tuple(step))
                if is_over:
                    one.open[resolution.step_s] = empty_step()


def _requests(record: bytes | None) -> int:
    if record is None:
        return 0
    numbers = numbers_of(record)
    return numbers[HITS] + numbers[MISSES] + numbers[OTHERS]
