"""The installation's state as the page shows it: rates now, nodes, stores, origins, invalidations.

Law: all of it is what nodes have reported and control knows anyway; to look asks no node. What this
control's database does not answer in time is told as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgecache import __version__
from edgecache.control.dashboard.origin_health import OriginHealth
from edgecache.control.dashboard.report_differences import (
    BEHAVIOR,
    DISTRIBUTION,
    LOCATION,
    NODE,
)
from edgecache.control.dashboard.traffic_series import LATENCY_WINDOW_S, SeriesTable, TrafficSeries
from edgecache.control.dashboard.traffic_step import rates, ratios
from edgecache.control.nodes.registry import ReportedProcess
from edgecache.control.state.database import StateBusyError
from edgecache.control.state.invalidations import InvalidationRecord, Invalidations
from edgecache.observe.counters import MEMORY
from edgecache.runtime.inherited import Unready

if TYPE_CHECKING:
    from edgecache.control.rest.app import ControlServices

WINDOW_S = 5
IN_PROGRESS_MAX, COMPLETED_MAX = 50, 20  # invalidations told
COMPLETED_S = 60.0
PATHS_TOLD_MAX = 5
ROWS_MAX = 64  # of a dimension
DAY_S = 86_400.0
_UNCOUNTED = ("errors_s", "client_errors_s", "bytes_in_s")  # by behavior
_STORE_GAUGES = {
    "objects": "store_objects", "bytes": "store_bytes",
    "disk_objects": "disk_objects", "disk_bytes": "disk_bytes",
}  # fmt: skip


@dataclass(slots=True)
class StoreFigures:
    """Figures of a store, or of those of a place: gauges, and totals that were seen before."""

    gauges: dict[str, int] = field(default_factory=dict)
    evicted: int = 0
    stored: int = 0
    oldest_s: float | None = None

    def add(self, process: ReportedProcess) -> None:
        """Count a process's."""
        status = process.status
        for word, name in _STORE_GAUGES.items():
            count = status.sample["gauges"].get(name, 0)
            self.gauges[word] = self.gauges.get(word, 0) + count
        self.evicted += status.sample["totals"].get("evicted", 0)
        self.stored += status.sample["totals"].get("stored", 0)
        if status.store_oldest_s is not None:
            self.oldest_s = max(self.oldest_s or 0.0, status.store_oldest_s)

    def told(self, before: StoreFigures | None, seconds: float) -> dict[str, Any]:
        """As the page has them, with rates since `before`."""
        evicted = max(self.evicted - before.evicted, 0) if before is not None else 0
        stored = max(self.stored - before.stored, 0) if before is not None else 0
        return {
            **self.gauges,
            "evicted_s": round(evicted / seconds, 3),
            "stored_s": round(stored / seconds, 3),
            "oldest_s": self.oldest_s,
        }


class LiveState:
    """Makes the state. `control` and `invalidations` are asked on the loop and on the state's
    thread, as they want it.
    """

    def __init__(
        self, control: ControlServices, table: SeriesTable, invalidations: Invalidations
    ) -> None:
        self._control = control
        self._table = table
        self._invalidations = invalidations
        self._told_invalidations: list[dict[str, Any]] = []
        self._origins = OriginHealth()
        self._stores: dict[tuple[str, ...], StoreFigures] = {}
        self._stores_at = 0.0
        self.of_control: Mapping[str, int] = {}  # bytes by what holds them

    async def document(self, pages: int) -> dict[str, Any]:
        """The state now, for so many pages."""
        control, now = self._control, self._control.wall()
        with contextlib.suppress(StateBusyError):
            self._told_invalidations = await control.run(self._read_invalidations)
        processes = [*control.nodes.processes()]
        self._origins.observe(now, [one.status.sample for one in processes])
        stores = self._store_figures(processes)
        seconds = max(now - self._stores_at, 1.0)
        return {
            "time": round(now, 3),
            "generation": control.log.live.generation,
            "release": __version__,
            "uptime_s": round(control.nodes.running_s, 1),
            "pages": pages,
            "window_s": WINDOW_S,
            "latency_window_s": LATENCY_WINDOW_S,
            "problems": control.problems(),
            **self._traffic(),
            "origins": self._origins.told(now),
            "nodes": [*self._nodes(processes, stores, seconds)],
            "controls": control.everywhere.controls(),
            "stores": [*self._told_stores(stores, seconds)],
            "memory": [*_memory(processes)],
            "control_memory": {**self.of_control, "resident": _resident(control)},
            "invalidations": self._told_invalidations,
            "certificates": [*self._certificates(now)],
        } | self._seen(stores, now)

    def _seen(self, stores: dict[tuple[str, ...], StoreFigures], now: float) -> dict[str, Any]:
        """Remember what rates are told of the next time."""
        self._stores, self._stores_at = stores, now
        return {}

    def _traffic(self) -> dict[str, Any]:
        rows: dict[str, list[dict[str, Any]]] = {
            by: [] for by in (DISTRIBUTION, BEHAVIOR, LOCATION, NODE)
        }
        for name, series in self._table.series.items():
            if name.by in rows and series.requests:
                row = traffic_row(name.name, series)
                if name.by == BEHAVIOR:
                    row |= dict.fromkeys(_UNCOUNTED)
                rows[name.by].append(row)
        for of_it in rows.values():
            of_it.sort(key=lambda row: (-row["requests"], row["name"]))
            del of_it[ROWS_MAX:]
        return {
            "total": traffic_row("", self._table.total),
            "distributions": rows[DISTRIBUTION],
            "behaviors": rows[BEHAVIOR],
            "locations": rows[LOCATION],
            "nodes_traffic": rows[NODE],
            "folded": self._table.folded(),
        }

    def _nodes(
        self,
        processes: list[ReportedProcess],
        stores: dict[tuple[str, ...], StoreFigures],
        seconds: float,
    ) -> Iterator[dict[str, Any]]:
        reports = {(one.name, one.status.instance): one for one in processes}
        for node in self._control.described_nodes():
            process = reports.get((node["name"], node["instance"]))
            gauges = {} if process is None else process.status.sample["gauges"]
            key = (node["name"], node["instance"])
            store = stores.get(key)
            yield node | {
                "draining": Unready.DRAINING in node["unready"],
                "restarts": gauges.get("process_restarts", 0),
                "cpu_s": gauges.get("process_cpu_ms", 0) / 1000,
                "resident_bytes": gauges.get("process_resident_bytes", 0),
                "store": None if store is None else store.told(self._stores.get(key), seconds),
                "memory": _kinds(gauges),
            }

    def _store_figures(
        self, processes: list[ReportedProcess]
    ) -> dict[tuple[str, ...], StoreFigures]:
        """Of each process, by its name and instance, and of each place, by tier and location."""
        found: dict[tuple[str, ...], StoreFigures] = {}
        for one in processes:
            own, place = (one.name, one.status.instance), _place(one)
            found.setdefault(own, StoreFigures()).add(one)
            found.setdefault(place, StoreFigures()).add(one)
        return found

    def _told_stores(
        self, stores: dict[tuple[str, ...], StoreFigures], seconds: float
    ) -> Iterator[dict[str, Any]]:
        for key, one in sorted(stores.items()):
            if len(key) == PLACE_KEY:
                told = one.told(self._stores.get(key), seconds)
                yield {"tier": key[0], "location": key[1], **told}

    def _certificates(self, now: float) -> Iterator[dict[str, Any]]:
        begins = self._control.nodes.certificate_begins()
        for name, ends_at in self._control.nodes.certificate_ends().items():
            yield {
                "name": name,
                "begins_at": begins.get(name),
                "ends_at": ends_at,
                "days_left": round((ends_at - now) / DAY_S, 2),
            }

    def _read_invalidations(self) -> list[dict[str, Any]]:
        since = self._control.wall() - COMPLETED_S
        found = self._invalidations.lately(since, IN_PROGRESS_MAX, COMPLETED_MAX)
        return [self._told_invalidation(one) for one in found]

    def _told_invalidation(self, one: InvalidationRecord) -> dict[str, Any]:
        is_open = one.completed_at is None
        paths = [*one.paths]
        return {
            "id": one.id,
            "distribution": one.distribution,
            "status": one.status,
            "created_at": one.created_at,
            "completed_at": one.completed_at,
            "soft": one.soft,
            "paths": paths[:PATHS_TOLD_MAX],
            "paths_total": len(paths),
            "waiting_for": self._invalidations.waiting_for(one) if is_open else [],
        }


PLACE_KEY = 3  # texts in the key of a place, so that it is no process's


def _place(process: ReportedProcess) -> tuple[str, ...]:
    return process.status.role, process.status.label, ""


def traffic_row(name: str, series: TrafficSeries) -> dict[str, Any]:
    """What is told of a series now."""
    return {
        "name": name,
        **rates(series.last(WINDOW_S), WINDOW_S),
        **ratios(series.lately),
        "requests": series.requests,
    }


def _memory(processes: list[ReportedProcess]) -> Iterator[dict[str, Any]]:
    places: dict[tuple[str, str], dict[str, int]] = {}
    for one in processes:
        kinds = places.setdefault((one.status.role, one.status.label), {})
        for kind, size in _kinds(one.status.sample["gauges"]).items():
            kinds[kind] = kinds.get(kind, 0) + size
    for (tier, location), kinds in sorted(places.items()):
        yield {"tier": tier, "location": location, "kinds": kinds}


def _kinds(gauges: Mapping[str, int]) -> dict[str, int]:
    return {
        name.removeprefix(MEMORY): size for name, size in gauges.items() if name.startswith(MEMORY)
    }


def _resident(control: ControlServices) -> int:
    return control.usage().get("process_resident_bytes", 0)
