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
from edgecache.control.dashboard.live_part import (
    PART,
    WINDOW_S,
    LivePart,
    LiveRow,
    merged,
    told_origins,
    told_rows,
)
from edgecache.control.dashboard.origin_health import OriginHealth
from edgecache.control.dashboard.traffic_series import LATENCY_WINDOW_S, SeriesTable
from edgecache.control.nodes.other_controls import ControlAnswers
from edgecache.control.nodes.registry import ReportedProcess
from edgecache.control.state.database import StateBusyError
from edgecache.control.state.invalidations import InvalidationRecord, Invalidations
from edgecache.observe.counters import MEMORY
from edgecache.runtime.inherited import Unready

if TYPE_CHECKING:
    from edgecache.control.rest.app import ControlServices

IN_PROGRESS_MAX, COMPLETED_MAX = 50, 20  # invalidations told
COMPLETED_S = 60.0
PATHS_TOLD_MAX = 5
PART_S = 0.9  # who asks sooner is told the same
DAY_S = 86_400.0
_UNKNOWN: dict[str, Any] = {
    "restarts": 0, "cpu_s": 0.0, "resident_bytes": 0, "store": None, "memory": {},
}  # fmt: skip
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
        self,
        control: ControlServices,
        table: SeriesTable,
        invalidations: Invalidations,
        controls: ControlAnswers,
    ) -> None:
        self._controls = controls
        self._control = control
        self._table = table
        self._invalidations = invalidations
        self._told_invalidations: list[dict[str, Any]] = []
        self._origins = OriginHealth()
        self._stores: dict[tuple[str, ...], StoreFigures] = {}
        self._part: LivePart | None = None
        self._part_at = 0.0
        self.of_control: Mapping[str, int] = {}  # bytes by what holds them

    async def document(self, pages: int) -> dict[str, Any]:
        """The state now, for so many pages."""
        control, now = self._control, self._control.wall()
        with contextlib.suppress(StateBusyError):
            self._told_invalidations = await control.run(self._read_invalidations)
        own = self.own()
        said, missing = await self._controls.ask(PART, LivePart)
        whole = merged([own, *said.values()])
        return {
            "time": round(now, 3),
            "generation": control.log.live.generation,
            "release": __version__,
            "uptime_s": round(control.nodes.running_s, 1),
            "pages": pages,
            "window_s": WINDOW_S,
            "latency_window_s": LATENCY_WINDOW_S,
            "problems": control.problems(),
            **told_rows(whole.rows),
            "folded": self._table.folded(),
            "origins": told_origins(whole.origins),
            "nodes": [
                node | whole.nodes.get(f"{node['name']} {node['instance']}", _UNKNOWN)
                for node in map(_with_drain, control.described_nodes())
            ],
            "controls": control.everywhere.controls(),
            "controls_missing": missing,
            "stores": whole.stores,
            "memory": whole.memory,
            "control_memory": {**self.of_control, "resident": _resident(control)},
            "invalidations": self._told_invalidations,
            "certificates": [*_certificates(whole, now)],
        }

    def own(self) -> LivePart:
        """What this control's nodes report, looked at once a second at most."""
        now = self._control.wall()
        if not 0 <= now - self._part_at < PART_S or self._part is None:
            processes = [*self._control.nodes.processes()]
            self._origins.observe(now, [one.status.sample for one in processes])
            stores = self._store_figures(processes)
            seconds = max(now - self._part_at, 1.0)
            self._part = LivePart(
                rows=[*self._rows()],
                nodes=self._node_figures(processes, stores, seconds),
                stores=[*self._told_stores(stores, seconds)],
                memory=[*_memory(processes)],
                origins=self._origins.told(now),
                certificate_begins=self._control.nodes.certificate_begins(),
                certificate_ends=self._control.nodes.certificate_ends(),
            )
            self._stores, self._part_at = stores, now
        return self._part

    def _rows(self) -> Iterator[LiveRow]:
        for name, series in self._table.series.items():
            if series.requests or series is self._table.total:
                last, lately = tuple(series.last(WINDOW_S)), tuple(series.lately)
                yield LiveRow(*name, last, lately, series.requests)

    def _node_figures(
        self,
        processes: list[ReportedProcess],
        stores: dict[tuple[str, ...], StoreFigures],
        seconds: float,
    ) -> dict[str, dict[str, Any]]:
        found = {}
        for process in processes:
            gauges = process.status.sample["gauges"]
            key = (process.name, process.status.instance)
            found[" ".join(key)] = {
                "restarts": gauges.get("process_restarts", 0),
                "cpu_s": gauges.get("process_cpu_ms", 0) / 1000,
                "resident_bytes": gauges.get("process_resident_bytes", 0),
                "store": stores[key].told(self._stores.get(key), seconds),
                "memory": _kinds(gauges),
            }
        return found

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


def _with_drain(node: dict[str, Any]) -> dict[str, Any]:
    return node | {"draining": Unready.DRAINING in node["unready"]}


def _certificates(part: LivePart, now: float) -> Iterator[dict[str, Any]]:
    for name, ends_at in sorted(part.certificate_ends.items()):
        yield {
            "name": name,
            "begins_at": part.certificate_begins.get(name),
            "ends_at": ends_at,
            "days_left": round((ends_at - now) / DAY_S, 2),
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
