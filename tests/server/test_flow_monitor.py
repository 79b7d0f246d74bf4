"""What the flow log is told of connections: intervals, ends, and the kernel's own count."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from edgecache.config.model import FlowLogSettings
from edgecache.observe.flow_log import FlowLog, FlowTotals
from edgecache.server.flow_monitor import FlowMonitor, endpoint, flow_totals
from tests.world.clock import FakeClock


class NoFile:
    lost = 0

    def write(self, batch: bytes) -> None: ...

    def reopen(self) -> None: ...


Traffic = Literal["accept", "reject", "all"]
VIEWER = ("192.0.2.7", 40_000)


class CountedSocket:
    """A socket on which so much has passed as is said."""

    def __init__(self) -> None:
        self.totals: FlowTotals | None = FlowTotals(3, 100)
        self.waiting = 0

    def getsockname(self) -> tuple[str, int]:
        return ("198.51.100.1", 443)


def measure(sock: CountedSocket, *, ended: bool, whole: bool) -> FlowTotals | None:
    del ended
    if sock.totals is None:
        return None
    more = sock.waiting if whole else 0
    return sock.totals._replace(size_bytes=sock.totals.size_bytes + more)


class Watched:
    """A monitor, and the lines it has told, by their fields."""

    def __init__(self, traffic: Traffic = "all") -> None:
        self.clock = FakeClock()
        self.log = FlowLog(NoFile(), "edge-A-1", self.clock)
        self.monitor = FlowMonitor(self.log, FlowLogSettings(traffic=traffic), self.clock, measure)

    def told(self) -> list[tuple[str, str, str, str]]:
        """Source, packets, bytes, and the last two words, of the lines since the last time."""
        lines = [line.split() for line in self.log.lines().decode().splitlines()]
        return [(one[3], one[8], one[9], " ".join(one[-2:])) for one in lines]

    def passes(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.clock.now += 1
            self.monitor.sweep()


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_line_for_each_interval_in_which_something_passed(watched: Watched) -> None:
    sock, key = CountedSocket(), object()
    watched.monitor.open(key, sock, VIEWER)
    watched.passes(60)
    assert watched.told() == [("192.0.2.7", "3", "100", "ACCEPT OK")]
    sock.totals = FlowTotals(5, 150)
    watched.passes(60)
    assert watched.told() == [("192.0.2.7", "2", "50", "ACCEPT OK")]
    watched.passes(60)
    assert watched.told() == [("-", "-", "-", "- NODATA")]  # it is there, and silent
    sock.totals, sock.waiting = FlowTotals(6, 160), 30
    watched.passes(10)
    watched.monitor.close(key, broken=False)
    assert watched.told() == [("192.0.2.7", "1", "40", "ACCEPT OK")]
    assert len(watched.monitor) == 0


def test_what_waits_is_lost_with_a_broken_connection(watched: Watched) -> None:
    sock, key = CountedSocket(), object()
    sock.waiting = 30
    watched.monitor.open(key, sock, VIEWER)
    watched.monitor.close(key, broken=True)
    assert watched.told() == [("192.0.2.7", "3", "100", "ACCEPT OK")]
    watched.monitor.close(key, broken=True)  # which is not there any more
    assert watched.told() == []


def test_who_is_not_let_in_is_told_at_once(watched: Watched) -> None:
    watched.monitor.reject(CountedSocket(), VIEWER)
    assert watched.told() == [("192.0.2.7", "3", "100", "REJECT OK")]


@pytest.mark.parametrize(("traffic", "words"), [("accept", "ACCEPT"), ("reject", "REJECT")])
def test_lines_of_what_is_wanted_alone(traffic: Traffic, words: str) -> None:
    watched = Watched(traffic)
    sock = CountedSocket()
    watched.monitor.open(sock, sock, VIEWER)
    watched.monitor.reject(CountedSocket(), VIEWER)
    watched.monitor.close(sock, broken=False)
    assert [line[3] for line in watched.told()] == [f"{words} OK"]


def test_whom_a_header_names_is_the_source(watched: Watched) -> None:
    sock, viewer = CountedSocket(), object()
    watched.monitor.open(sock, sock, ("10.0.0.1", 1))
    watched.monitor.identify(sock, VIEWER)
    watched.monitor.move(sock, viewer)
    watched.monitor.close(sock, broken=True)  # who has gone before is told nothing of
    watched.monitor.close(viewer, broken=False)
    watched.monitor.open(sock, sock, ("10.0.0.1", 1))
    watched.monitor.identify(sock, VIEWER, accepted=False)
    watched.monitor.close(sock, broken=True)
    assert watched.told() == [
        ("192.0.2.7", "3", "100", "ACCEPT OK"),
        ("192.0.2.7", "3", "100", "REJECT OK"),
    ]


def test_what_the_kernel_does_not_tell_is_a_dash(watched: Watched) -> None:
    sock, key = CountedSocket(), object()
    watched.monitor.open(key, sock, VIEWER)
    sock.totals = None
    watched.monitor.close(key, broken=False)
    assert watched.told() == [("192.0.2.7", "-", "-", "ACCEPT OK")]


def test_connections_are_due_in_their_own_time(watched: Watched) -> None:
    socks = [CountedSocket() for _ in range(3)]
    for sock in socks:
        watched.monitor.open(sock, sock, VIEWER)
        watched.passes(20)
    assert len(watched.told()) == 1
    watched.passes(40)
    assert len(watched.told()) == 2


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        viewer = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    with viewer, accepted:
        yield viewer, accepted


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")


def received(accepted: socket.socket, count: int) -> None:
    while count:
        count -= len(accepted.recv(count))


@LINUX
@pytest.mark.parametrize("ends", ["open", "ended", "reset"])
def test_the_kernel_counts_what_was_sent_and_received(
    pair: tuple[socket.socket, socket.socket], ends: str
) -> None:
    viewer, accepted = pair
    viewer.sendall(b"x" * 70_000)
    received(accepted, 70_000)
    accepted.sendall(b"y" * 30_000)
    received(viewer, 30_000)
    if ends == "ended":
        viewer.shutdown(socket.SHUT_WR)
        assert accepted.recv(1) == b""
    elif ends == "reset":
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        viewer.close()
        with pytest.raises(ConnectionResetError):
            accepted.recv(1)
    totals = flow_totals(accepted, ended=ends == "ended", whole=True)
    assert totals is not None
    assert totals.size_bytes == 100_000
    assert totals.packets > 2


@LINUX
def test_what_waits_to_be_sent_counts_where_it_will_be(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    _viewer, accepted = pair
    accepted.setblocking(False)
    taken = 0
    try:
        while True:
            taken += accepted.send(b"z" * 65_536)
    except BlockingIOError:
        pass
    whole = flow_totals(accepted, ended=False, whole=True)
    sent = flow_totals(accepted, ended=False, whole=False)
    assert whole is not None
    assert sent is not None
    assert whole.size_bytes == taken
    assert sent.size_bytes <= taken


def test_a_closed_socket_tells_nothing() -> None:
    sock: Any = socket.socket()
    sock.close()
    assert flow_totals(sock, ended=False, whole=True) is None
    assert endpoint(sock) == ("", 0)
