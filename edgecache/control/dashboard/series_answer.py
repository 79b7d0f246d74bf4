"""What was counted over time, as charts want it: columns of numbers beside one column of times.

Law: a step of which control has no record is null, and one in which nothing was asked is zero. What
is asked is made once for each step, whoever asks, and a bounded number of answers is kept.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from edgecache.control.dashboard.report_differences import ALL, DIMENSIONS, TOTAL, SeriesName
from edgecache.control.dashboard.ring_file import RESOLUTIONS, Resolution
from edgecache.control.dashboard.series_recorder import ReadSteps, SeriesRecorder
from edgecache.control.dashboard.traffic_series import SECONDS_KEPT, SeriesTable, TrafficSeries
from edgecache.control.dashboard.traffic_step import (
    HITS,
    MEASURES,
    MISSES,
    NUMBERS,
    OTHERS,
    empty_step,
    numbers_of,
    rates,
    ratios,
    sum_of,
)
from edgecache.control.nodes.other_controls import ControlAnswers

SERIES_TOLD_MAX = 12  # of a dimension: the busiest
ANSWERS_KEPT = 64
SMOOTH_S = 3  # nodes report once a second, now and then twice: a second is the mean of three


class SeriesRange(NamedTuple):
    """A range: the ring it is of (None: memory), steps of it that are one point, and points."""

    ring: Resolution | None
    joined: int
    points: int

    @property
    def step_s(self) -> int:
        """Seconds of a point."""
        return self.joined * (1 if self.ring is None else self.ring.step_s)


RANGES: Mapping[str, SeriesRange] = {
    "5m": SeriesRange(None, 1, SECONDS_KEPT),
    "1h": SeriesRange(RESOLUTIONS[0], 1, 360),
    "6h": SeriesRange(RESOLUTIONS[0], 6, 360),
    "1d": SeriesRange(RESOLUTIONS[1], 5, 288),
    "7d": SeriesRange(RESOLUTIONS[2], 3, 336),
}


class SeriesQuery(NamedTuple):
    """What is asked for: a range, a dimension, and one of its series (empty: the busiest)."""

    range: str
    by: str = TOTAL
    name: str = ""

    @classmethod
    def read(cls, values: Mapping[str, str]) -> SeriesQuery:
        """From a query's values. ValueError."""
        query = cls(values.get("range", "1h"), values.get("by", TOTAL), values.get("name", ""))
        if query.range not in RANGES:
            raise ValueError(f"range: {query.range[:32]!r} is not one of {', '.join(RANGES)}")
        if query.by not in DIMENSIONS:
            raise ValueError(f"by: {query.by[:32]!r} is not one of {', '.join(DIMENSIONS)}")
        return query


class UnknownSeriesError(Exception):
    """There is no series of that name."""


class SeriesSteps(msgspec.Struct, frozen=True, array_like=True):
    """Steps of one series, as they travel between controls; None where there is no record."""

    by: str
    name: str
    steps: ReadSteps

    def __post_init__(self) -> None:
        if any(step is not None and len(step) != NUMBERS for step in self.steps):
            raise ValueError("steps of another release's")


class SeriesAnswers:
    """Answers to queries of series: of this control's and of the others'."""

    def __init__(self, recorder: SeriesRecorder, controls: ControlAnswers) -> None:
        self._recorder = recorder
        self._controls = controls
        self._kept: dict[SeriesQuery, tuple[int, dict[str, Any]]] = {}
        self._turn = asyncio.Lock()

    @property
    def _table(self) -> SeriesTable:
        return self._recorder.table

    async def answer(self, query: SeriesQuery) -> dict[str, Any]:
        """The answer to a query. UnknownSeriesError."""
        wanted = RANGES[query.range]
        until = self._table.second // wanted.step_s * wanted.step_s
        async with self._turn:  # one at a time: the others find it made
            kept = self._kept.get(query)
            if kept is None or kept[0] != until:
                if len(self._kept) >= ANSWERS_KEPT:
                    self._kept.clear()
                kept = self._kept[query] = until, await self._made(query, until)
            return kept[1]

    async def own(self, query: SeriesQuery, until: int = 0) -> list[SeriesSteps]:
        """What this control has: the total, which says when it ran, and what is asked for.

        The last step ends with `until` (epoch seconds); 0: now.
        """
        wanted = RANGES[query.range]
        until = until or self._table.second
        until -= until % wanted.step_s
        chosen = [(ALL, self._table.total), *self._chosen(query)]
        return [
            SeriesSteps(*name, await self._steps(series, wanted, until)) for name, series in chosen
        ]

    async def newest(self, after: int) -> dict[str, Any]:
        """The total of the last five minutes, by the second, as far as it is newer."""
        whole = await self.answer(SeriesQuery("5m"))
        first = bisect_right(whole["times"], after)
        told = [
            {name: one[first:] if isinstance(one, list) else one for name, one in series.items()}
            for series in whole["series"]
        ]
        return _document("5m", whole["times"][first:], told)

    async def _made(self, query: SeriesQuery, until: int) -> dict[str, Any]:
        wanted = RANGES[query.range]
        times = [until - wanted.step_s * n for n in range(wanted.points, 0, -1)]
        own = await self.own(query, until)
        asked = urlencode({**query._asdict(), "until": until})
        said, missing = await self._controls.ask(f"{STEPS}?{asked}", list[SeriesSteps])
        merged = _merged([own, *said.values()], wanted.points)
        recorded = merged.pop(ALL)
        if query.by == TOTAL:
            merged = {ALL: recorded}
        elif query.name and not merged:
            raise UnknownSeriesError(f"there is no {query.by} of that name in the series")
        requests = {name: _requests(steps) for name, steps in merged.items()}
        busiest = sorted(merged, key=lambda name: (-requests[name], name))
        if not query.name and query.by != TOTAL:
            busiest = [name for name in busiest if requests[name]]
        told = []
        for name in busiest[:SERIES_TOLD_MAX]:
            pairs = zip(merged[name], recorded, strict=True)
            known = [
                _NOTHING if step is None and total is not None else step for step, total in pairs
            ]
            seconds = wanted.step_s if wanted.ring else SMOOTH_S
            told.append(await self._recorder.aside(partial(_columns, name, known, seconds)))
        return _document(query.range, times, told) | {
            "folded": self._table.folded().get(query.by, 0),
            "controls": [self._controls.own_name, *said],
            "controls_missing": missing,
        }

    def _chosen(self, query: SeriesQuery) -> list[tuple[SeriesName, TrafficSeries]]:
        series = self._table.series
        if query.by == TOTAL:
            return []
        if query.name:
            name = SeriesName(query.by, query.name)
            return [(name, series[name])] if name in series else []
        of_it = [(name, one) for name, one in series.items() if name.by == query.by]
        of_it.sort(key=lambda one: (-one[1].requests, -one[1].seen_at, one[0].name))
        return of_it[:SERIES_TOLD_MAX]

    async def _steps(self, series: TrafficSeries, wanted: SeriesRange, until: int) -> ReadSteps:
        if wanted.ring is None:
            return self._of_memory(series, until)
        first = until - wanted.points * wanted.step_s
        read = await self._recorder.read(
            series.index, wanted.ring, first, until - wanted.ring.step_s
        )
        return [_joined(read[at : at + wanted.joined]) for at in range(0, len(read), wanted.joined)]

    def _of_memory(self, series: TrafficSeries, until: int) -> ReadSteps:
        """Each of the seconds up to `until`, with the two before it."""
        steps = [_NOTHING if one is None else numbers_of(one) for one in series.seconds]
        smooth: ReadSteps = [
            tuple(sum_of(steps[max(at - SMOOTH_S + 1, 0) : at + 1])) for at in range(len(steps))
        ]
        off = self._table.second - until  # another control's clock is ahead, or behind
        smooth = smooth[: len(smooth) - off] if off > 0 else smooth + [None] * -off
        return ([None] * SECONDS_KEPT + smooth)[-SECONDS_KEPT:]


STEPS = "/dashboard/steps"  # what controls ask each other
_NOTHING = tuple(empty_step())


def _joined(steps: Sequence[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    known = [one for one in steps if one is not None]
    return tuple(sum_of(known)) if known else None


def _merged(controls: Iterable[Iterable[SeriesSteps]], points: int) -> dict[SeriesName, ReadSteps]:
    """The sums of series of several controls."""
    found: dict[SeriesName, ReadSteps] = {}
    for series in controls:
        for one in series:
            name, before = SeriesName(one.by, one.name), found.get(SeriesName(one.by, one.name))
            if len(one.steps) == points:
                pairs = zip(one.steps, before or [None] * points, strict=True)
                found[name] = [_joined(pair) for pair in pairs]
    return found


def _requests(steps: ReadSteps) -> int:
    return sum(step[HITS] + step[MISSES] + step[OTHERS] for step in steps if step is not None)


def _columns(name: SeriesName, steps: ReadSteps, seconds: float) -> dict[str, Any]:
    told = [None if one is None else rates(one, seconds) | ratios(one) for one in steps]
    columns = {
        measure: [None if one is None else one[measure] for one in told] for measure in MEASURES
    }
    return {"by": name.by, "name": name.name, **columns}


def _document(range: str, times: list[int], series: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "range": range,
        "step_s": RANGES[range].step_s,
        "from": times[0] if times else None,
        "to": times[-1] if times else None,
        "times": times,
        "series": series,
    }
