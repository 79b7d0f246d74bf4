"""What was counted over time, as charts want it: columns of numbers beside one column of times.

Law: a step of which control has no record is null, and one in which nothing was asked is zero. What
is asked is made once for each step, whoever asks, and a bounded number of answers is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from edgecache.control.dashboard.report_differences import ALL, DIMENSIONS, TOTAL, SeriesName
from edgecache.control.dashboard.ring_file import RESOLUTIONS, Resolution
from edgecache.control.dashboard.series_recorder import ReadSteps, SeriesRecorder
from edgecache.control.dashboard.traffic_series import SECONDS_KEPT, SeriesTable, TrafficSeries
from edgecache.control.dashboard.traffic_step import (
    MEASURES,
    decode_step,
    empty_step,
    rates,
    ratios,
    sum_of,
)

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


class SeriesAnswers:
    """Answers to queries of series."""

    def __init__(self, recorder: SeriesRecorder) -> None:
        self._recorder = recorder
        self._kept: dict[SeriesQuery, tuple[int, dict[str, Any]]] = {}

    @property
    def _table(self) -> SeriesTable:
        return self._recorder.table

    async def answer(self, query: SeriesQuery) -> dict[str, Any]:
        """The answer to a query. UnknownSeriesError."""
        wanted = RANGES[query.range]
        until = self._table.second // wanted.step_s * wanted.step_s
        kept = self._kept.get(query)
        if kept is None or kept[0] != until:
            if len(self._kept) >= ANSWERS_KEPT:
                self._kept.clear()
            kept = self._kept[query] = until, await self._made(query, wanted, until)
        return kept[1]

    def newest(self, after: int) -> dict[str, Any]:
        """The total of the last five minutes, by the second, as far as it is newer."""
        wanted, until = RANGES["5m"], self._table.second
        first = max(until - wanted.points, after + 1)
        times = [*range(first, until)]
        whole = self._of_memory(self._table.total, until)
        steps = whole[len(whole) - len(times) :] if times else []
        told = _columns(ALL, steps, SMOOTH_S)
        return _document("5m", wanted.step_s, times, [told], 0)

    async def _made(self, query: SeriesQuery, wanted: SeriesRange, until: int) -> dict[str, Any]:
        times = [until - wanted.step_s * n for n in range(wanted.points, 0, -1)]
        recorded = await self._steps(self._table.total, wanted, until)
        told = []
        for name, series in self._chosen(query):
            steps = await self._steps(series, wanted, until)
            pairs = zip(steps, recorded, strict=True)
            known = [
                _NOTHING if step is None and total is not None else step for step, total in pairs
            ]
            told.append(_columns(name, known, wanted.step_s if wanted.ring else SMOOTH_S))
        folded = self._table.folded().get(query.by, 0)
        return _document(query.range, wanted.step_s, times, told, folded)

    def _chosen(self, query: SeriesQuery) -> list[tuple[SeriesName, TrafficSeries]]:
        series = self._table.series
        if query.by == TOTAL or query.name:
            name = SeriesName(query.by, query.name) if query.by != TOTAL else ALL
            if name not in series:
                raise UnknownSeriesError(f"there is no {query.by} of that name in the series")
            return [(name, series[name])]
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
        """Each second up to `until`, with the two before it."""
        seconds = [decode_step(one) if one is not None else (0, _NOTHING) for one in series.seconds]
        steps = [one[1] for one in seconds if one is not None]
        smooth: ReadSteps = [
            tuple(sum_of(steps[max(at - SMOOTH_S + 1, 0) : at + 1])) for at in range(len(steps))
        ]
        return [None] * (SECONDS_KEPT - len(smooth)) + smooth


_NOTHING = tuple(empty_step())


def _joined(steps: Sequence[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    known = [one for one in steps if one is not None]
    return tuple(sum_of(known)) if known else None


def _columns(name: SeriesName, steps: ReadSteps, seconds: float) -> dict[str, Any]:
    told = [None if one is None else rates(one, seconds) | ratios(one) for one in steps]
    columns = {
        measure: [None if one is None else one[measure] for one in told] for measure in MEASURES
    }
    return {"by": name.by, "name": name.name, **columns}


def _document(
    range: str, step_s: int, times: list[int], series: list[dict[str, Any]], folded: int
) -> dict[str, Any]:
    return {
        "range": range,
        "step_s": step_s,
        "from": times[0] if times else None,
        "to": times[-1] if times else None,
        "times": times,
        "series": series,
        "folded": folded,
        "controls": ["this"],
        "controls_missing": [],
    }
