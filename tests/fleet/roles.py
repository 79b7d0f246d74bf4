"""Roles of a fleet: the configuration that all hosts share, and the processes of each."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.end_to_end.processes import EDGECACHE, Running, start, wait_for
from tests.fleet.databases import DatabasePair
from tests.fleet.event_loop import LoopThread, Origin
from tests.fleet.network import Network
from tests.fleet.register import Register
from tests.fleet.topology import Host, Topology
from tests.fleet.viewers import Viewers
from tests.fleet.writers import Writers

SITE = "EFLEET"
READY_S_MAX = 100.0  # twenty processes start at once
PATHS = tuple(f"/object-{number}" for number in range(40))
SHARED_STATE = ("secrets.json", "operators.json")  # of every control's machine
READY = b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_START = """
state_dir = "state"

[control]
listen = "0.0.0.0:{port}"
advertise = "{address}:{port}"
addresses = {addresses}
health_listen = "127.0.0.1:{health}"
database = "file:dsn"

[cluster]
mutual_tls = false
"""
_REGION = 'region = "{site}"\n'
_NAMED = 'name = "{name}"\n' + _REGION
_REGIONAL = """
[regional]
listen = "0.0.0.0:{port}"
advertise = "{address}:{port}"
health_listen = "127.0.0.1:{health}"
memory_bytes = "64 MiB"
"""
_REGIONAL_CACHES = _REGIONAL.replace("[regional]", "[[regional_caches]]") + _NAMED
_LOCATION = """
[[locations]]
name = "{name}"
listen = "0.0.0.0:{port}"
health_listen = "127.0.0.1:{health}"
memory_bytes = "64 MiB"
"""
_SITE = """
[[distributions]]
id = "{site}"
aliases = ["*"]
origins = [{{ id = "versions", domain_name = "{address}", http_port = {port} }}]
default_behavior = {{ origin = "versions", cache_policy = "Managed-CachingOptimized" }}
"""


def configuration(topology: Topology, control: Host) -> str:
    """The file of every host."""

    def filled(table: str, host: Host) -> str:
        ports = {"port": topology.port(host), "health": topology.health_port(host)}
        place = {"name": host.location or host.name, "site": host.site}
        return table.format(address=topology.address(host), **ports, **place)

    places = {edge.location: edge for edge in topology.of("edge")}
    (origin,) = topology.of("origin")
    addresses = [f"{topology.address(one)}:{topology.port(one)}" for one in topology.of("control")]
    parts = [filled(_START.replace("{addresses}", json.dumps(addresses)), control)]
    tier = topology.of("regional")
    several = len(tier) > 1
    parts += [filled(_REGIONAL_CACHES if several else _REGIONAL, one) for one in tier]
    location = _LOCATION + _REGION if several else _LOCATION
    parts += [filled(location, edge) for edge in places.values()]
    return "".join([*parts, filled(_SITE.replace("{site}", SITE), origin)])


class Fleet:
    """All hosts and what runs on them."""

    def __init__(self, topology: Topology, folder: Path) -> None:
        self.topology, self.folder = topology, folder
        self.network = Network(topology, folder)
        self.register = Register(PATHS)
        self.loop = LoopThread()
        self.viewers = Viewers(self.network, self.register, self.had_no_path)
        sockets = [self.control_socket(control) for control in self.controls]
        self.writers = Writers(SITE, self.register, self.usable_controls, sockets)
        self.databases = DatabasePair(self.network, topology.of("database"))
        self.running: dict[Host, Running] = {}
        self._down: set[Host] = set()
        self._pathless: dict[Host, float] = {}  # until when an edge had no path (monotonic)

    @property
    def controls(self) -> tuple[Host, ...]:
        return self.topology.of("control")

    @property
    def edges(self) -> tuple[Host, ...]:
        return self.topology.of("edge")

    def followed(self, host: Host) -> Host:
        """The control that a host follows: the hosts share them."""
        return self.controls[self.topology.hosts.index(host) % len(self.controls)]

    def control_socket(self, control: Host) -> Path:
        """Where this process reaches a control, without the network."""
        return self._folder(control) / "state" / "control.sock"

    def start(self) -> None:
        """Start everything on the network, which is there; all are ready when this returns."""
        self.loop.start()
        self.loop.run(Origin(self.network, self.register).listen())
        self.databases.start()
        first, *others = self.controls
        self.start_role(first)
        secrets = self._folder(first) / "state" / "secrets.json"
        self.running[first].until("control makes its secrets", secrets.exists)
        self.running[first].until("control answers", self.control_socket(first).exists)
        for host in (*others, *self.topology.of("regional"), *self.edges):
            self.start_role(host)
        for host in self.running:
            self.until_ready(host)

    def stop(self) -> None:
        """Stop everything; what it said is there until the network is removed."""
        self.loop.stop()
        for running in self.running.values():
            running.signal(signal.SIGTERM)
        for running in self.running.values():
            running.stop()
        self.databases.stop()

    def start_role(self, host: Host) -> None:
        """Start the process of a host; its folder is made the first time."""
        folder = self._folder(host)
        if not folder.exists():
            self._furnish(host, folder)
        place: tuple[str, ...] = ("--location", host.location) if host.location else ()
        if host.role == "regional" and len(self.topology.of("regional")) > 1:
            place = ("--name", host.name)
        command = (*self.network.prefix(host), *EDGECACHE, host.role, *place)
        self.running[host] = start(command, folder, host.role)

    def _furnish(self, host: Host, folder: Path) -> None:
        (folder / "state").mkdir(parents=True, mode=0o700)
        control = host if host.role == "control" else self.followed(host)
        (folder / "edgecache.toml").write_text(configuration(self.topology, control))
        if host.role == "control":
            (folder / "dsn").write_text(self.databases.dsn + "\n")
        first = self._folder(self.controls[0]) / "state"
        shared = SHARED_STATE if host.role == "control" else SHARED_STATE[:1]
        for name in shared:
            if host is not self.controls[0] and (first / name).exists():
                shutil.copy(first / name, folder / "state")

    def until_ready(self, host: Host) -> None:
        """Wait until a host says that it is ready; what it says else is the failure."""
        try:
            wait_for(f"{host.name} is ready", lambda: not self.unready(host), READY_S_MAX)
        except AssertionError as error:
            said = self.running[host].stderr
            raise AssertionError(f"{error}: {self.unready(host)}\n{said}") from None

    def unready(self, host: Host) -> str:
        """What a host answers at `/ready` beside 200; empty when it is ready."""
        answer = b""
        try:
            with self.network.socket(host) as asked:
                asked.settimeout(2)
                asked.connect(("127.0.0.1", self.topology.health_port(host)))
                asked.sendall(READY)
                while data := asked.recv(4_096):
                    answer += data
        except OSError as error:
            return str(error)
        return "" if answer.startswith(b"HTTP/1.1 200") else answer.decode()

    def usable_controls(self) -> list[Path]:
        """Where an operator would ask: controls that run, and reach the database that writes."""
        primary = self.databases.primary.host
        return [
            self.control_socket(control)
            for control in self.controls
            if control not in self._down and not self.network.is_cut(control, primary)
        ]

    def has_path(self, edge: Host) -> bool:
        """Whether an edge runs, and can reach the origin itself or by a regional cache."""
        (origin,) = self.topology.of("origin")
        ways = [edge, *(one for one in self.topology.of("regional") if one not in self._down)]
        return edge not in self._down and any(
            not self.network.is_cut(way, origin)
            and (way is edge or not self.network.is_cut(edge, way))
            for way in ways
        )

    def had_no_path(self, edge: Host, since: float) -> bool:
        """Whether an edge was without a path at some time since `since` (monotonic)."""
        return not self.has_path(edge) or self._pathless.get(edge, 0.0) >= since

    def _note_paths(self) -> None:
        for edge in self.edges:
            if not self.has_path(edge):
                self._pathless[edge] = time.monotonic()

    @contextmanager
    def stopped(self, host: Host) -> Iterator[None]:
        """SIGSTOP to all that runs on a host; SIGCONT at the end."""
        pids = self.network.pids(host)
        self._signal(pids, signal.SIGSTOP)
        with self._is_down(host):
            try:
                yield
            finally:
                self._signal(pids, signal.SIGCONT)

    @contextmanager
    def killed(self, host: Host) -> Iterator[None]:
        """SIGKILL to all that runs on a host; what ran is started again at the end, and ready."""
        with self._is_down(host):
            self._signal(self.network.pids(host), signal.SIGKILL)
            wait_for("nothing runs there", lambda: not self.network.pids(host))
            if host in self.running:
                self.running[host].ended()
            yield
            if host.role == "database":
                self._start_database(host)
            else:
                self.start_role(host)
                self.until_ready(host)

    @contextmanager
    def cut_off(self, host: Host) -> Iterator[None]:
        """No packet between a host and any other."""
        others = [one for one in self.topology.hosts if one is not host]
        with self.cut_between([(host, one) for one in others]):
            yield

    @contextmanager
    def cut_between(self, pairs: list[tuple[Host, Host]]) -> Iterator[None]:
        """No packet between these."""
        with self.network.cut(pairs):
            try:
                yield
            finally:
                self._note_paths()

    @contextmanager
    def _is_down(self, host: Host) -> Iterator[None]:
        self._down.add(host)
        try:
            yield
        finally:
            self._note_paths()
            self._down.discard(host)

    def _start_database(self, host: Host) -> None:
        pair = self.databases
        pair.make_standby() if pair.standby.host is host else pair.primary.start()

    def _signal(self, pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _folder(self, host: Host) -> Path:
        return self.folder / host.name
