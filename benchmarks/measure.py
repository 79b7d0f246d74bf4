"""One measurement of one server in one scenario. Law: no figure without right answers."""

from __future__ import annotations

import resource
import time
from dataclasses import replace
from itertools import count

from benchmarks.h2load import Http2Order, ask_http2
from benchmarks.http3 import Http3Load
from benchmarks.mixes import PLAIN, Mix
from benchmarks.processes import BenchmarkError, Server
from benchmarks.results import Figure
from benchmarks.scenarios import Scenario
from benchmarks.stage import HTTP3, Stage
from benchmarks.viewer import Checking, Http2Viewer, Viewer
from benchmarks.wrk import Load, Order, ask

CHECKED_SHARE = 0.012  # of the answers under load, compared byte by byte
CHECKS_PER_S_FIRST = 300.0  # while nothing is known of the server's speed
CHECKED_BYTES_PER_S = 30_000_000  # the same, for large bodies: the clients' core is shared
WARM_UP_S = 2
FILL_FACTOR = 3  # a fill must outlast what is asked of it: it is slower than the hits
IDLE_CONNECTIONS, IDLE_FILES_SPARE = 10_000, 200
FIRST_HIT_S_MAX = 30.0
_folders = count(1)
_first_numbers = count(1_000_000_000, 10_000_000)


class Measuring:
    """Measurements of one run."""

    def __init__(self, stage: Stage, seconds: int, *, latency: bool) -> None:
        self._stage = stage
        self._seconds = seconds
        self._latency = latency
        self._mixes: dict[tuple[str, str], Mix] = {}
        self._rates: dict[tuple[str, str], float] = {}

    def measured(self, scenario: Scenario, name: str) -> Figure:
        """One server, once."""
        if scenario.name == "S14":
            return self._first_hit(name, scenario.mix(self._stage, name))
        if scenario.name == "S13":
            return self._among_idle(scenario, name)
        if scenario.kind == HTTP3:
            return Http3Load(self._stage, name).measured(self._seconds)
        server = self._stage.server(scenario.kind, name)
        mix = self._mix(scenario, server)
        if scenario.at_rate_of:
            rate = self._rates.get((scenario.at_rate_of, "nginx"))
            if rate is None:
                raise BenchmarkError(f"{scenario.name} needs {scenario.at_rate_of} before it")
            return self._paced(scenario, server, mix, rate / 2)
        figure = self._loaded(scenario, server, mix)
        if self._latency and not (scenario.filled or scenario.streams):  # h2load tells none
            paced = self._paced(scenario, server, mix, self._rates[scenario.name, name] / 2)
            figure.p50_ms, figure.p99_ms = paced.p50_ms, paced.p99_ms
        return figure

    def at_rate(self, scenario: Scenario, name: str, rate: float) -> Figure:
        """CPU for each of so many requests a second, which come whether or not answers do."""
        server = self._stage.server(scenario.kind, name)
        mix = self._mix(scenario, server)
        before = server.cpu_s()
        load, checked = self._under_load(scenario, server, mix, self._order(mix, rate))
        cpu_s = server.cpu_s() - before
        return Figure(
            requests_per_s=load.requests / load.seconds,
            cpu_us_per_request=cpu_s / (load.requests + checked) * 1_000_000,
            checked=checked,
        )

    def _mix(self, scenario: Scenario, server: Server) -> Mix:
        """What is asked of this server; made, and the cache warmed, the first time."""
        known = self._mixes.get((scenario.name, server.name))
        if known is None:
            known = self._mixes[scenario.name, server.name] = scenario.mix(self._stage, server.name)
            if scenario.hits:
                _warm(server, known, tls=scenario.tls)
            if not scenario.filled:  # what a server learns, it has learned when it is measured
                self._ask(scenario, server, known, replace(self._order(known), seconds=WARM_UP_S))
        return known

    def _ask(self, scenario: Scenario, server: Server, mix: Mix, order: Order) -> Load:
        """Load of the version of HTTP that the scenario is about."""
        url = _url(server, tls=scenario.tls)
        if not scenario.streams:
            return ask(url, order)
        return ask_http2(url, Http2Order(mix, order.folder, order.seconds, scenario.streams))

    def _order(self, mix: Mix, rate: float = 0.0) -> Order:
        folder = mix.write(self._stage.folder / f"mix-{next(_folders)}")
        first = next(_first_numbers) if mix.numbered else 0
        return Order(folder, self._seconds, rate, first)

    def _loaded(self, scenario: Scenario, server: Server, mix: Mix) -> Figure:
        order = self._order(mix)
        if scenario.filled:
            order = self._fill(server, order)
        before = server.cpu_s()
        load, checked = self._under_load(scenario, server, mix, order)
        cpu_s = server.cpu_s() - before
        self._rates[scenario.name, server.name] = load.requests / load.seconds
        return Figure(
            requests_per_s=load.requests / load.seconds,
            bytes_per_s=load.bytes / load.seconds,
            cpu_us_per_request=cpu_s / (load.requests + checked) * 1_000_000,
            rss_mib=server.rss_bytes() / 1_048_576,
            checked=checked,
        )

    def _paced(self, scenario: Scenario, server: Server, mix: Mix, rate: float) -> Figure:
        load, checked = self._under_load(scenario, server, mix, self._order(mix, rate))
        return Figure(
            requests_per_s=load.requests / load.seconds,
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
            checked=checked,
        )

    def _under_load(
        self, scenario: Scenario, server: Server, mix: Mix, order: Order
    ) -> tuple[Load, int]:
        """Load, with answers checked before, meanwhile and after."""
        if scenario.hits:
            _check(scenario, server, mix)
        rate = order.rate or self._rates.get((scenario.name, server.name), 0.0)
        largest = max(len(body) for body in mix.bodies.values())
        first = min(CHECKS_PER_S_FIRST, CHECKED_BYTES_PER_S / largest)
        per_s = rate * CHECKED_SHARE or first
        with Checking(_viewer(scenario, server), mix, per_s) as checking:
            load = self._ask(scenario, server, mix, order)
        if scenario.hits:
            _check(scenario, server, mix)
        return load, checking.checked

    def _fill(self, server: Server, order: Order) -> Order:
        """Ask another edge for what will be asked, so that only the regional cache has it."""
        filling = Order(order.folder, order.seconds * FILL_FACTOR, 0.0, order.first)
        filled = ask(f"http://127.0.0.1:{server.other_port}", filling)
        return Order(order.folder, order.seconds, 0.0, order.first, order.first + filled.requests)

    def _among_idle(self, scenario: Scenario, name: str) -> Figure:
        """The load of S1 among many connections at rest, and what each of those costs.

        On a server of its own: one that has worked before would house them in what it has freed.
        """
        mix = scenario.mix(self._stage, name)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        idle = min(IDLE_CONNECTIONS, hard - IDLE_FILES_SPARE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        server, began = self._stage.serve(name)
        viewers: list[Viewer] = []
        try:
            _arrived(server, began).close()
            _warm(server, mix, tls=False)
            before = server.rss_bytes()
            for _ in range(idle):
                viewers.append(Viewer(server.name, server.port))
                viewers[-1].check(mix, mix.targets[0], 0)
            grown = server.rss_bytes() - before
            figure = self._loaded(scenario, server, mix)
            for viewer in viewers[:: max(1, idle // 100)]:  # they are still served
                viewer.check(mix, mix.targets[0], 0)
        finally:
            for viewer in viewers:
                viewer.close()
            server.stop()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        figure.idle_kib_each = grown / 1024 / idle
        return figure

    def _first_hit(self, name: str, mix: Mix) -> Figure:
        """From the execution of a server to its first answer out of the cache."""
        server, began = self._stage.serve(name, bare=True)
        try:
            viewer = _arrived(server, began)
            viewer.check(mix, mix.targets[0], 0)
            viewer.check(mix, mix.targets[0], 0, hit=True)
            took_s = time.monotonic() - began
            viewer.close()
        finally:
            server.stop()
        return Figure(first_hit_s=took_s)


def _url(server: Server, *, tls: bool) -> str:
    scheme, port = ("https", server.tls_port) if tls else ("http", server.port)
    return f"{scheme}://127.0.0.1:{port}"


def _arrived(server: Server, began: float) -> Viewer:
    """The first viewer of a server that is starting."""
    while True:
        try:
            return Viewer(server.name, server.port)
        except OSError:
            if time.monotonic() - began > FIRST_HIT_S_MAX:
                raise BenchmarkError(f"{server.name} did not start") from None
            time.sleep(0.005)


def _warm(server: Server, mix: Mix, *, tls: bool) -> None:
    """Ask for everything once, so that the cache has it."""
    viewer = Viewer(server.name, server.tls_port if tls else server.port, tls=tls)
    whole = replace(mix, blocks=(PLAIN,), status=200, spans=())
    for target in dict.fromkeys(mix.targets):
        viewer.check(whole, target, 0)
    viewer.close()


def _viewer(scenario: Scenario, server: Server) -> Viewer:
    """One that speaks what the scenario's load does."""
    if scenario.streams:
        return Http2Viewer(server.name, server.tls_port)
    port = server.tls_port if scenario.tls else server.port
    return Viewer(server.name, port, tls=scenario.tls)


def _check(scenario: Scenario, server: Server, mix: Mix) -> None:
    """The right answers come, and from the cache."""
    viewer = _viewer(scenario, server)
    for number in range(16):
        target = mix.targets[number * 37 % len(mix.targets)]
        viewer.check(mix, target, number * 7 % len(mix.blocks), hit=True)
    viewer.close()
