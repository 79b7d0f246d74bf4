"""Part of the installation's state that one control knows of, and the sum of such parts.

Law: what adds up is added up as counts, before anything is divided; of what does not (a quantile,
an age), the worst is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from edgecache.control.dashboard.origin_health import ORIGINS_MAX, STATES
from edgecache.control.dashboard.report_differences import (
    ALL,
    BEHAVIOR,
    DISTRIBUTION,
    LOCATION,
    NODE,
    SeriesName,
)
from edgecache.control.dashboard.traffic_step import NUMBERS, empty_step, rates, ratios, sum_of

PART = "/dashboard/part"  # what controls ask each other
WINDOW_S = 5
ROWS_MAX = 64  # of a dimension
_UNCOUNTED = ("errors_s", "client_errors_s", "bytes_in_s")  # by behavior
_ROWS = {
    DISTRIBUTION: "distributions", BEHAVIOR: "behaviors", LOCATION: "locations",
    NODE: "nodes_traffic",
}  # fmt: skip

Figures = dict[str, Any]


class LiveRow(msgspec.Struct, frozen=True, array_like=True):
    """A series now: sums of the last WINDOW_S and LATENCY_WINDOW_S, requests of five minutes."""

    by: str
    name: str
    last: tuple[int, ...]
    lately: tuple[int, ...]
    requests: int

    def __post_init__(self) -> None:
        if not len(self.last) == len(self.lately) == NUMBERS:
            raise ValueError("sums of another release's")


class LivePart(msgspec.Struct, frozen=True, kw_only=True):
    """What one control's nodes report; `nodes` by name and instance."""

    rows: list[LiveRow]
    nodes: dict[str, Figures]
    stores: list[Figures]
    memory: list[Figures]
    origins: list[Figures]
    certificate_begins: dict[str, float]
    certificate_ends: dict[str, float]


def merged(parts: Sequence[LivePart]) -> LivePart:
    """The sum of parts."""
    return LivePart(
        rows=[row for part in parts for row in part.rows],
        nodes={name: one for part in parts for name, one in part.nodes.items()},
        stores=_summed((one for part in parts for one in part.stores), "oldest_s"),
        memory=_summed(one for part in parts for one in part.memory),
        origins=[one for part in parts for one in part.origins],
        certificate_begins=_earliest(part.certificate_begins for part in parts),
        certificate_ends=_earliest(part.certificate_ends for part in parts),
    )


def told_rows(rows: Iterable[LiveRow]) -> dict[str, Any]:
    """The rows of each dimension as the page has them, the busiest first, and the total."""
    of_series: dict[SeriesName, list[LiveRow]] = {}
    for row in rows:
        of_series.setdefault(SeriesName(row.by, row.name), []).append(row)
    told: dict[str, Any] = {word: [] for word in _ROWS.values()}
    for name, parts in of_series.items():
        if name.by in _ROWS:
            figures = _told_row(name.name, parts)
            if name.by == BEHAVIOR:
                figures |= dict.fromkeys(_UNCOUNTED)
            told[_ROWS[name.by]].append(figures)
    for of_it in told.values():
        of_it.sort(key=lambda row: (-row["requests"], row["name"]))
        del of_it[ROWS_MAX:]
    return {"total": _told_row("", of_series.get(ALL, [])), **told}


def told_origins(rows: Iterable[Figures]) -> list[Figures]:
    """Origins by name, the worst first; of one that several controls tell of, the worst state."""
    found: dict[str, Figures] = {}
    for row in rows:
        before = found.get(row["name"])
        found[row["name"]] = row if before is None else _both(before, row)
    told = sorted(found.values(), key=lambda row: (STATES.index(row["state"]), row["name"]))
    return told[:ORIGINS_MAX]


def _told_row(name: str, parts: Sequence[LiveRow]) -> Figures:
    last = sum_of([row.last for row in parts]) if parts else empty_step()
    lately = sum_of([row.lately for row in parts]) if parts else empty_step()
    requests = sum(row.requests for row in parts)
    return {"name": name, **rates(last, WINDOW_S), **ratios(lately), "requests": requests}


def _both(first: Figures, second: Figures) -> Figures:
    added = {
        word: round(first[word] + second[word], 3)
        for word in ("circuits_open", "connections", "requests_s", "errors_s")
    }
    worst = {
        word: max((row[word] for row in (first, second) if row[word] is not None), default=None)
        for word in ("p50_s", "p99_s")
    }
    state = min(first["state"], second["state"], key=STATES.index)
    faults = {**first["faults"]}
    for fault, count in second["faults"].items():
        faults[fault] = faults.get(fault, 0) + count
    return {**first, **added, **worst, "state": state, "faults": faults}


def _summed(rows: Iterable[Figures], worst: str = "") -> list[Figures]:
    """Rows of one tier and location added up, kinds too; of `worst` the largest."""
    found: dict[tuple[str, str], Figures] = {}
    for row in rows:
        place = (row["tier"], row["location"])
        before = found.get(place)
        found[place] = row if before is None else _added(before, row, worst)
    return [row for _, row in sorted(found.items())]


def _added(first: Figures, second: Figures, worst: str) -> Figures:
    total = dict(first)
    for word, value in second.items():
        before = first.get(word)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            total[word] = _added(dict(before), dict(value), worst)
        elif word == worst:
            known = [one for one in (before, value) if one is not None]
            total[word] = max(known, default=None)
        elif isinstance(value, int | float):
            total[word] = round((before or 0) + value, 3)
    return total


def _earliest(moments: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in moments:
        for name, at in one.items():
            found[name] = min(at, found.get(name, at))
    return found
