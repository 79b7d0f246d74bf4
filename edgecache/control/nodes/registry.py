"""Registry of nodes: status, counters, what is wrong. Law: no total goes down with its process.

A node is one run of one process, its *instance*: any number of machines may serve a location under
the same names, and the counters of each run count once, also when it is gone.
`installation_problems` has a line for each thing somebody should look at, and none for what an
operator has asked for.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec.structs import replace

from edgecache.cluster.credentials import NAME_SERVER, is_edge, is_regional, place_of
from edgecache.cluster.lease import Instance
from edgecache.cluster.node_status import NodeStatus
from edgecache.config.model import Config
from edgecache.control.nodes.reported_samples import ReportedSamples
from edgecache.observe.counters import Sample, merge
from edgecache.rules.replay_window import RUNS_MAX, RUNS_PER_SENDER_MAX
from edgecache.runtime.inherited import Unready

ALIVE_S = 10.0  # several reports; Consul's agents call a node failed after about as long
LEFT_S = 60.0  # until what a node sent before it left has come
FORGET_S = 3600.0  # a node silent for this long is no longer listed
NODES_MAX = RUNS_MAX  # more have no credentials
CLOCK_OFF_S_MAX = 2.0  # far beyond NTP; a signed URL or a lease means something else by then
SILENT_S = 4.0  # reports come each second; from when on no viewer is sent to who says nothing
_CLOSED = frozenset({Unready.DRAINING, Unready.STARTING, Unready.STOPPING, Unready.CONFIGURATION})
_NOT_A_PROBLEM = frozenset({Unready.DRAINING, Unready.STARTING})
PLACE_NODES_MAX = RUNS_PER_SENDER_MAX  # of one location: more have no credentials either


ReportObserver = Callable[[str, NodeStatus | None, NodeStatus], None]
"""Told of each report: a node's name, its report before, None of a run that is new, and this."""


class TooManyNodesError(Exception):
    """A new node beyond NODES_MAX, or beyond PLACE_NODES_MAX of its location."""


class ReportingNode(NamedTuple):
    """A process that is alive, and where it can be asked; `address` "": it did not tell.

    Its role and place are its name's, which it has proven; what it says of them it may make up.
    """

    name: str
    machine: str
    address: str

    @property
    def place(self) -> tuple[str, str]:
        """Its role, and its location, its name among regional caches, or the role again."""
        place = place_of(self.name)
        if not (is_edge(place) or is_regional(place)):
            return place, place
        role, _, name = place.partition("-")
        return role, name or role


class ReportedProcess(NamedTuple):
    """A process that is alive, and its newest report."""

    name: str
    machine: str
    status: NodeStatus
    seen_s_ago: float


class Place(NamedTuple):
    """What samples are summed under: the tier is `edge` or `regional`."""

    tier: str
    location: str

    @classmethod
    def of(cls, status: NodeStatus) -> Place:
        """That of a process."""
        return cls(status.role, status.label)


@dataclass(slots=True)
class _Node:
    name: str
    status: NodeStatus
    address: str
    seen_at: float
    first_report: int  # numbers of reports, of all nodes
    last_report: int
    left: bool = False  # it said that it ends, or an operator did
    clock_off_s: float = 0.0  # how far its clock was behind ours by its last report
    clock_shown_s: float = 0.0

    @property
    def machine(self) -> str:
        return Instance(self.name, self.status.instance).machine


class NodeRegistry:
    """The newest status of every node, and the counters of processes that are gone."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._nodes: dict[tuple[str, str], _Node] = {}
        self._by_place: Counter[str] = Counter()  # how many of them a place has
        self._retired: dict[Place, Sample] = {}
        self._reported = ReportedSamples()
        self._draining: dict[str, bool] = {}  # regional caches, by their names
        self._reports = itertools.count()
        self._began_at = clock()
        self._reset = 0  # the number of the newest reset: what was counted before counts no more
        self.on_report: ReportObserver = lambda name, before, after: None

    def start_over(self, reset: int) -> None:
        """Forget every node and count until it reports that it has begun anew (dev mode)."""
        self._nodes.clear()
        self._by_place.clear()
        self._retired.clear()
        self._draining.clear()
        self._reported, self._reset = ReportedSamples(), reset

    def report(
        self, name: str, status: NodeStatus, address: str = "", clock_off_s: float = 0.0
    ) -> None:
        """Keep the status of node `name`. TooManyNodesError when it is new and there is no room."""
        if status.reset < self._reset:
            return  # of before, and late on its way
        now, number = self._clock(), next(self._reports)
        status = replace(status, sample=self._reported.bounded(status.sample))
        # A node of a former version tells its pid alone, which in a container is always 1: a total
        # that went down gives a new process away.
        if is_regional(name) and not status.leaving:
            self._draining[name.partition("-")[2]] = Unready.DRAINING in status.unready
        key = (name, status.instance or f"pid {status.pid}")
        node = self._nodes.get(key)
        if node is not None and not status.instance and _is_another_process(node.status, status):
            self._give_up([key])
            node = None
        if node is None:
            self._make_room(place_of(name), now)
            self._nodes[key] = _Node(name, status, address, now, number, number)
            self._by_place[place_of(name)] += 1
            self.on_report(name, None, status)
        elif not _is_another_process(node.status, status):  # else it was overtaken on its way
            self.on_report(name, node.status, status)
            node.status, node.address = status, address
        self._nodes[key].seen_at, self._nodes[key].last_report = now, number
        # A report may be late on its way: of two, what differs less is nearer to the truth.
        before = self._nodes[key].clock_off_s
        self._nodes[key].clock_off_s = clock_off_s
        self._nodes[key].clock_shown_s = min(before, clock_off_s, key=abs)

    @property
    def draining_caches(self) -> set[str]:
        """The regional caches that said by their last report that they drain, by name."""
        return {name for name, draining in self._draining.items() if draining}

    @property
    def running_s(self) -> float:
        """How long nodes may have reported here."""
        return self._clock() - self._began_at

    def leave(self, name: str, instance: str) -> None:
        """A node ends: it is listed no more, and what it has counted stays."""
        node = self._nodes.get((name, instance))
        if node is not None:
            node.left = True

    def remove(self, name: str, instance: str = "") -> None:
        """Forget the nodes of a name, or one of them, as if they had left."""
        for node in self._nodes.values():
            if node.name == name and instance in ("", node.status.instance):
                node.left = True

    def listing(self) -> list[dict[str, Any]]:
        """The nodes heard of in the last FORGET_S, by name, with `alive` and `seen_s_ago`."""
        now = self._clock()
        return [
            {
                "name": node.name,
                "role": node.status.role,
                "location": node.status.location,
                "instance": node.status.instance,
                "machine": node.machine,
                "address": node.address,
                "pid": node.status.pid,
                "generation": node.status.generation,
                "applied": node.status.applied,
                "release": node.status.release,
                "alive": now - node.seen_at < ALIVE_S,
                "seen_s_ago": round(now - node.seen_at, 3),
                "ready": not node.status.unready,
                "unready": dict(node.status.unready),
                "connections": node.status.sample["gauges"].get("connections", 0),
                "disk_failing": bool(node.status.sample["gauges"].get("disk_failing", 0)),
                "clock_off_s": round(node.clock_shown_s, 3),
            }
            for node in self._current()
            if now - node.seen_at <= FORGET_S
        ]

    def reporting(self) -> list[ReportingNode]:
        """The nodes that are alive, by name."""
        now = self._clock()
        return [
            ReportingNode(node.name, node.machine, node.address)
            for node in self._current()
            if now - node.seen_at < ALIVE_S
        ]

    def processes(self) -> Iterator[ReportedProcess]:
        """Those that are alive, with what they report, by name."""
        now = self._clock()
        for node in self._current():
            if now - node.seen_at < ALIVE_S:
                yield ReportedProcess(node.name, node.machine, node.status, now - node.seen_at)

    def samples(self) -> dict[Place, Sample]:
        """The sum of samples of each place; gauges of nodes that are alive only."""
        now = self._clock()
        current = {id(node) for node in self._current() if now - node.seen_at < ALIVE_S}
        parts = {place: [sample] for place, sample in self._retired.items()}
        for node in self._nodes.values():
            sample = node.status.sample if id(node) in current else _last_sample(node.status)
            parts.setdefault(Place.of(node.status), []).append(sample)
        return {place: merge(samples) for place, samples in sorted(parts.items())}

    def edge_locations(self) -> set[str]:
        """The locations of which an edge is alive."""
        now = self._clock()
        known = (one for one in self._nodes.values() if now - one.seen_at < ALIVE_S)
        return {one.status.location for one in known if one.status.role == "edge"}

    def certificate_ends(self) -> dict[str, float]:
        """When certificates of nodes that are alive end (epoch seconds), the first of each name."""
        return _earliest(one.status.certificates for one in self.processes())

    def certificate_begins(self) -> dict[str, float]:
        """Since when they are valid (epoch seconds), the oldest of each name."""
        return _earliest(one.status.certificate_begins for one in self.processes())

    def _current(self) -> list[_Node]:
        """Those that have not left and were not replaced, by name and machine."""
        staying = [node for node in self._nodes.values() if not node.left]
        newest: dict[tuple[str, str], int] = {}
        heirs: set[tuple[str, str]] = set()
        for node in staying:
            process = (node.name, node.machine)
            newest[process] = max(newest.get(process, 0), node.first_report)
            if not node.status.leaving:
                heirs.add(process)
        current = [
            node
            for node in staying
            if node.last_report >= newest[node.name, node.machine]
            and not (node.status.leaving and (node.name, node.machine) in heirs)
        ]
        return sorted(current, key=lambda node: (node.name, node.machine, node.first_report))

    def _retire(self, status: NodeStatus) -> None:
        place, last = Place.of(status), _last_sample(status)
        before = self._retired.get(place)
        self._retired[place] = merge([before, last] if before else [last])

    def _make_room(self, place: str, now: float) -> None:
        """Give up nodes that are gone, where a new one of `place` has no room; else it has none."""
        # Not before it is needed, unless it said that it ends: the totals of a node that comes back
        # would count twice.
        self._give_up(
            k for k, one in self._nodes.items() if one.left and now - one.seen_at > LEFT_S
        )
        full = len(self._nodes) >= NODES_MAX
        if not full and self._by_place[place] < PLACE_NODES_MAX:
            return
        neighbors = [key for key, node in self._nodes.items() if place_of(node.name) == place]
        current = {id(node) for node in self._current()}
        gone = [
            key
            for key in (self._nodes if full else neighbors)
            if now - self._nodes[key].seen_at > (FORGET_S if full else ALIVE_S)
            or (id(self._nodes[key]) not in current and not self._nodes[key].status.leaving)
        ]
        if not gone:
            raise TooManyNodesError
        self._give_up(gone)

    def _give_up(self, keys: Iterable[tuple[str, str]]) -> None:
        for key in [*keys]:
            node = self._nodes.pop(key)
            self._by_place[place_of(node.name)] -= 1
            self._retire(node.status)


def _earliest(moments: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The first of each name, by name."""
    found: dict[str, float] = {}
    for one in moments:
        for name, at in one.items():
            found[name] = min(at, found.get(name, at))
    return dict(sorted(found.items()))


def _is_another_process(before: NodeStatus, after: NodeStatus) -> bool:
    if before.pid != after.pid or before.label != after.label:
        return True
    new = dict(_counted(after.sample))
    return any(new.get(name, 0) < count for name, count in _counted(before.sample))


def _counted(sample: Sample) -> Iterator[tuple[tuple[str, str], int]]:
    for name, count in sample["totals"].items():
        yield ("", name), count
    for name, counts in sample["words"].items():
        for word, count in counts.items():
            yield (name, word), count


def _last_sample(status: NodeStatus) -> Sample:
    """What a process that is gone has counted."""
    return {**status.sample, "gauges": {}}


def installation_problems(
    config: Config, nodes: Sequence[Mapping[str, Any]], running_s: float
) -> list[str]:
    """A line for each problem. `nodes` as `/nodes` lists them; control runs for `running_s`."""
    lines = [line for node in nodes for line in _node_problems(node)]
    if running_s > ALIVE_S:
        lines += _missing(config, nodes)
    return lines


def expected(config: Config) -> list[str]:
    """The nodes that a file asks for: locations, and regional caches."""
    regional = [one.name or "regional" for one in config.regional_tier]
    names = [] if config.dns is None else [NAME_SERVER]
    return [*(location.name for location in config.locations), *regional, *names]


def node_names(config: Config) -> list[str]:
    """The names of the processes that a file asks for, and that follow control."""
    workers = [
        f"edge-{location.name}-{number}"
        for location in config.locations
        for number in range(1, location.workers + 1)
    ]
    servers = 0 if config.dns is None else config.dns.workers
    workers += [f"{NAME_SERVER}-{number}" for number in range(1, servers + 1)]
    return [*workers, *(one.place for one in config.regional_tier)]


def closed_locations(
    config: Config, nodes: Iterable[Mapping[str, Any]], drained: Collection[str], running_s: float
) -> list[str] | None:
    """The locations of a name server that viewers are not to be sent to, by name.

    Those are where no process is alive and takes viewers. None: who has just begun to listen
    (`running_s` ago) does not know who is there. `nodes` as `/nodes` lists them; `drained`: by
    operators.
    """
    if running_s <= SILENT_S:
        return None
    open_ones = {
        node["location"]
        for node in nodes
        if node["role"] == "edge"
        and node["seen_s_ago"] < SILENT_S
        and not (_CLOSED & node["unready"].keys())
        and not ({node["name"], node["location"]} & {*drained})
    }
    named = () if config.dns is None else config.dns.locations
    return [one.name for one in named if one.name not in open_ones]


def acknowledged(nodes: Iterable[Mapping[str, Any]], running_s: float, last_seq: int) -> int:
    """The number of the log up to which every name server answers; `last_seq` where there is none.

    Who has just begun to listen (`running_s` ago) does not know which there are: 0.
    """
    if running_s <= SILENT_S:
        return 0
    servers = [one for one in nodes if one["role"] == NAME_SERVER]
    return min((one.get("applied", 0) for one in servers), default=last_seq)


def region_of(config: Config, role: str, location: str) -> str:
    """The region of a location, or of a regional cache by name; empty where the file names none."""
    if role == "edge":
        return next((one.region for one in config.locations if one.name == location), "")
    return next((one.region for one in config.regional_tier if one.name == location), "")


def _node_problems(node: Mapping[str, Any]) -> Iterator[str]:
    name = f"{node['name']}@{node['machine']}" if node["machine"] else node["name"]
    if not node["alive"]:
        yield f"{name}: has not reported for {node['seen_s_ago']:.0f} s"
        return
    for word, detail in node["unready"].items():
        if word not in _NOT_A_PROBLEM:
            yield f"{name}: {detail}"
    if node["disk_failing"]:
        yield f"{name}: its disk fails"
    if abs(node["clock_off_s"]) > CLOCK_OFF_S_MAX:
        ahead = "behind" if node["clock_off_s"] > 0 else "ahead of"
        off_s = abs(node["clock_off_s"])
        yield f"{name}: its clock is {off_s:.1f} s {ahead} control's; set both by NTP"


def _missing(config: Config, nodes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Those of the file of which no process has reported lately; silent ones are told above."""
    labels = {node["location"] or node["role"] for node in nodes}
    for label in expected(config):
        if label not in labels:
            named = any(one.name == label for one in config.regional_caches)
            what = f"regional cache {label}" if named else f"location {label}"
            if label == NAME_SERVER:
                what = "the name server"
            elif label == "regional":
                what = "the regional cache"
            yield f"{what}: no process of it reports"
