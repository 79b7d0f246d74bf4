"""Rankings of the last hour: what is asked most, what misses, fails, and by whom.

Law: nodes look at their records while somebody looks at these, and not otherwise (docs/live.md says
what it costs); what was not looked at is told as a later `since`. All of it is bounded: names of a
slot by SLOT_NAMES, slots by their rings, and their bytes by BYTES_MAX, the oldest going first.

Counts are `observe.heavy_hitters`': never too high, and too low by `error` at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from edgecache.cluster.log_readers import LogSubscription
from edgecache.control.nodes.log_readers import LogReaderRegistry, TooManyReadersError
from edgecache.control.nodes.other_controls import ControlAnswers
from edgecache.control.rest.log_readers import PERCENT_MIN
from edgecache.observe.distinct_count import REGISTERS, STANDARD_ERROR
from edgecache.observe.heavy_hitters import CAPACITY, NAME_BYTES, HeavyHitters
from edgecache.observe.traffic_summary import (
    ERRORS,
    HIT,
    MISS,
    MISSES,
    RANKINGS,
    TrafficSample,
    TrafficSummary,
    quantile,
)
from edgecache.runtime.environment import BlockingCalls

PART = "/dashboard/ranked"  # what controls ask each other
WINDOWS_S = (60, 300, 900, 3600)
SLOT_S, MINUTE_S = 10, 60
SLOT_NAMES = 512
ROWS_TOLD = 50
WATCHED_S = 30.0  # after the last question, or the last open page
READ_S = 1.0
BYTES_MAX = 32 * 1024 * 1024
LOOKED_AT_PER_S = 10_000  # records, of all nodes: more are sampled
RESAMPLED = 2  # times as many or as few, before nodes are told of another share
LONGEST_S = 60.0  # told in the place of "more than the highest bound"


class RankingSlot(NamedTuple):
    """What was counted from `began_at` on, for so many seconds (epoch)."""

    began_at: float
    seconds: float
    sample: TrafficSample
    size_bytes: int


class RankedPart(msgspec.Struct, frozen=True):
    """What one control's nodes have seen in a window, as it travels between controls."""

    sample: TrafficSample
    since: float | None
    watched_s: float
    percent: float
    problem: str


class Rankings:
    """The rankings of a control's nodes. `wall` gives epoch seconds, `requests_s` how many there
    are now; to merge takes a while, and is done on `thread`.
    """

    def __init__(
        self,
        readers: LogReaderRegistry,
        wall: Callable[[], float],
        requests_s: Callable[[], float],
        thread: BlockingCalls,
        pause: Callable[[float], Awaitable[None]],
        controls: ControlAnswers,
    ) -> None:
        self._controls = controls
        self._readers = readers
        self._wall = wall
        self._requests_s = requests_s
        self._thread = thread
        self._pause = pause
        self._reader = ""  # the id of ours
        self._asked_at = -WATCHED_S
        self.percent = 100.0
        self.problem = ""
        self._slots: deque[RankingSlot] = deque(maxlen=2 * MINUTE_S // SLOT_S)
        self._minutes: deque[RankingSlot] = deque(maxlen=WINDOWS_S[-1] // MINUTE_S)
        self._current, self._began_at = TrafficSummary(), 0.0
        self._answers: dict[int, tuple[float, dict[str, Any]]] = {}

    def want(self) -> None:
        """Somebody looks."""
        self._asked_at = self._wall()

    async def run(self) -> None:
        """Read what nodes send while somebody looks, for good."""
        while True:
            await self._pause(READ_S)
            await self.step()

    async def step(self) -> None:
        """One turn of `run`."""
        now = self._wall()
        is_wanted = 0 <= now - self._asked_at < WATCHED_S
        if not is_wanted:
            if self._reader:
                self._end(now)
            return
        if self._reader and self._share_differs():
            self._end(now)
            self._slots.clear()
            self._minutes.clear()
        if not self._reader and not self._begin(now):
            return
        lines = await self._readers.read(self._reader, 0.0)
        if lines is None:  # forgotten: this process stood still
            self._reader = ""
            return
        if lines.summary is not None:
            self._current.merge(lines.summary)
        if now // SLOT_S != self._began_at // SLOT_S:
            self._end_slot(now)

    async def own(self, seconds: int) -> RankedPart:
        """What this control's nodes have seen in the last so many seconds, one of WINDOWS_S."""
        slots = self._of_window(self._wall(), seconds)
        sample = await self._thread(lambda: _merged(one.sample for one in slots).sample(CAPACITY))
        watched_s = round(sum(one.seconds for one in slots), 1)
        since = slots[0].began_at if slots else None
        return RankedPart(sample, since, watched_s, self.percent, self.problem)

    async def answer(self, seconds: int) -> dict[str, Any]:
        """The rankings of all controls."""
        now = self._wall()
        made_at, kept = self._answers.get(seconds, (-LONGEST_S, {}))
        if 0 <= now - made_at < READ_S * (1 if seconds <= WINDOWS_S[1] else SLOT_S):
            return kept
        own = await self.own(seconds)
        said, missing = await self._controls.ask(f"{PART}?seconds={seconds}", RankedPart)
        kept = {"seconds": seconds, "until": now}
        kept |= await self._thread(partial(_told, [own, *said.values()]))
        kept |= {"controls": [self._controls.own_name, *said], "controls_missing": missing}
        self._answers[seconds] = now, kept
        return kept

    @property
    def size_bytes(self) -> int:
        """About what it holds."""
        slots = sum(one.size_bytes for one in (*self._slots, *self._minutes))
        return slots + self._current.size_bytes

    def _share_differs(self) -> bool:
        wanted = sampled_percent(self._requests_s())
        return not self.percent / RESAMPLED < wanted < self.percent * RESAMPLED

    def _begin(self, now: float) -> bool:
        self.percent = sampled_percent(self._requests_s())
        wanted = LogSubscription("", percent=self.percent, summary=True)
        try:
            self._reader, self.problem = self._readers.begin(wanted), ""
        except TooManyReadersError as error:
            self.problem = str(error)
            return False
        self._current, self._began_at = TrafficSummary(), now
        return True

    def _end(self, now: float) -> None:
        self._end_slot(now)
        self._readers.end(self._reader)
        self._reader = ""

    def _end_slot(self, now: float) -> None:
        sample, began_at = self._current.sample(SLOT_NAMES), self._began_at
        self._current, self._began_at = TrafficSummary(), now
        self._slots.append(_slot(began_at, now - began_at, sample))
        minute = began_at // MINUTE_S
        if now // MINUTE_S != minute:
            of_it = [one for one in self._slots if one.began_at // MINUTE_S == minute]
            seconds = sum(one.seconds for one in of_it)
            merged = _merged(one.sample for one in of_it).sample(SLOT_NAMES)
            self._minutes.append(_slot(of_it[0].began_at, seconds, merged))
        while self._minutes and self.size_bytes > BYTES_MAX:
            self._minutes.popleft()

    def _of_window(self, now: float, seconds: int) -> list[RankingSlot]:
        """Whole minutes where they are known, and slots of ten seconds after (or before) them."""
        first = now - seconds
        minutes = [one for one in self._minutes if one.began_at >= first]
        if seconds <= MINUTE_S:
            minutes = []
        known = {one.began_at // MINUTE_S for one in minutes}
        slots = [
            one
            for one in self._slots
            if one.began_at >= first - SLOT_S / 2 and one.began_at // MINUTE_S not in known
        ]
        if self._reader:
            lasts_s = max(now - self._began_at, 0.0)
            slots.append(RankingSlot(self._began_at, lasts_s, self._current.sample(CAPACITY), 0))
        return sorted([*minutes, *slots], key=lambda one: one.began_at)


def sampled_percent(requests_s: float) -> float:
    """How many of a hundred records nodes are to look at."""
    if requests_s <= LOOKED_AT_PER_S:
        return 100.0
    return max(round(100 * LOOKED_AT_PER_S / requests_s, 3), PERCENT_MIN)


def _slot(began_at: float, seconds: float, sample: TrafficSample) -> RankingSlot:
    names = (name for one in sample.rankings.values() for name in one.counts)
    size = REGISTERS + sum(len(name) + NAME_BYTES for name in names)
    return RankingSlot(began_at, seconds, sample, size)


def _merged(samples: Iterable[TrafficSample]) -> TrafficSummary:
    total = TrafficSummary()
    for sample in samples:
        total.merge(sample)
    return total


def _told(parts: Sequence[RankedPart]) -> dict[str, Any]:
    total = _merged(one.sample for one in parts)
    error = round(100 * STANDARD_ERROR, 1)
    return {
        "since": min((one.since for one in parts if one.since is not None), default=None),
        "watched_s": max(one.watched_s for one in parts),
        "sampled_percent": min(one.percent for one in parts),
        "problem": next((one.problem for one in parts if one.problem), ""),
        "requests": total.requests,
        "bytes_out": total.bytes_out,
        "viewers": {"estimate": total.viewers.estimate(), "error_percent": error},
        **_durations(total),
        "ranks": {name: _ranking(name, total.rankings[name]) for name in RANKINGS},
    }


def _durations(total: TrafficSummary) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for outcome in (HIT, MISS):
        histogram = total.latencies.get(outcome)
        for word, share in (("p50", 0.5), ("p99", 0.99)):
            value = None if histogram is None else min(quantile(histogram, share), LONGEST_S)
            found[f"{outcome}_{word}_s"] = value
    return found


def _ranking(name: str, counted: HeavyHitters) -> dict[str, Any]:
    rows = []
    for ranked in counted.top(ROWS_TOLD):
        shown = ranked.name.decode("latin-1")
        row = {
            "name": shown,
            "count": ranked.at_least,
            "at_most": ranked.at_most,
            "percent": round(100 * ranked.at_least / max(counted.total, 1), 2),
        }
        before, _, rest = shown.partition(" ")
        if name == MISSES:
            row |= {"reason": before, "object": rest}
        elif name == ERRORS:
            row |= {"status": int(before) if before.isdecimal() else 0, "object": rest}
        rows.append(row)
    return {"total": counted.total, "error": counted.error, "rows": rows}
