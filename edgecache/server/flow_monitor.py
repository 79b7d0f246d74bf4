"""Flow monitor: tells the flow log of each connection what passed on it, by the kernel's count.

Law: who is monitored pays nothing for it: no byte is counted on its way. The kernel has counted all
of them (TCP_INFO of tcp(7), since Linux 4.19), and is asked when an interval of a connection is
over, and at its end. Of TLS these are the bytes on the wire. What the kernel still has to send of a
connection that ends well is sent, and counts.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

from edgecache.config.model import FlowLogSettings
from edgecache.observe.flow_log import Endpoint, FlowLog, FlowRecord, FlowTotals

LOOKED_AT_MAX = 1_000  # in one sweep: some milliseconds; whoever is later has a longer interval
INFO_BYTES = 216  # of struct tcp_info, through tcpi_bytes_retrans
FIN_RECEIVED = frozenset({6, 8, 9, 11})  # TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING
_STATE, _RECEIVED, _SEGMENTS, _SENT = 0, 128, 136, 200  # where members of the struct stand
_CLOSED = 7


class FlowCount:
    """A connection under watch, and what was told of it."""

    __slots__ = ("accepted", "destination", "last", "owned", "since", "socket", "source")

    def __init__(self, sock: Any, source: Endpoint, now: float) -> None:
        self.socket = sock
        self.source = source
        self.destination = endpoint(sock)
        self.since = now  # the start of its interval
        self.last = FlowTotals(0, 0)
        self.accepted = True
        self.owned = False  # the socket is to be closed with it


class FlowMonitor:
    """The connections of one process, each told of every `interval_s` seconds and at its end.

    `clock` gives epoch seconds, of the wall; `measure` what passed on a socket until now. Which
    lines are kept is `traffic`'s to say, as in a VPC.
    """

    def __init__(
        self,
        log: FlowLog,
        settings: FlowLogSettings,
        clock: Callable[[], float],
        measure: Callable[..., FlowTotals | None] | None = None,
    ) -> None:
        self.log = log
        self._interval_s = settings.interval_s
        self._accepts = settings.traffic != "reject"
        self._rejects = settings.traffic != "accept"
        self._clock = clock
        self._measure = measure or flow_totals
        self.descriptors = 0  # that are the flows' own
        self._flows: dict[object, FlowCount] = {}  # by connection; who is told next comes first

    def open(self, connection: object, sock: Any, source: Endpoint, *, owned: bool = False) -> None:
        """Watch `connection`, whose other end is `source`, and whose socket is open until `close`.

        `owned`: the socket is the flow's own, and closed with it.
        """
        flow = self._flows[connection] = FlowCount(sock, source, self._clock())
        flow.owned = owned
        self.descriptors += owned

    def identify(self, connection: object, source: Endpoint, *, accepted: bool = True) -> None:
        """The viewer of `connection` is `source`, and was let in or not."""
        flow = self._flows.get(connection)
        if flow is not None:
            flow.source, flow.accepted = source, accepted

    def move(self, connection: object, successor: object) -> None:
        """`successor` has the socket of `connection` from now on."""
        flow = self._flows.pop(connection, None)
        if flow is not None:
            self._flows[successor] = flow

    def close(self, connection: object, *, broken: bool, ended: bool = False) -> None:
        """Tell the last of `connection`, once, and forget it.

        `broken`: what waits to be sent will not be; `ended`: its other end had ended its side.
        """
        flow = self._flows.pop(connection, None)
        if flow is None:
            return
        self._tell(flow, self._measure(flow.socket, ended=ended, whole=not broken), self._clock())
        if flow.owned:
            flow.socket.close()
            self.descriptors -= 1

    def reject(self, sock: Any, source: Endpoint) -> None:
        """Tell of a connection that was not let in."""
        flow = FlowCount(sock, source, self._clock())
        flow.accepted = False
        self._tell(flow, self._measure(sock, ended=False, whole=False), flow.since)

    def sweep(self) -> None:
        """Once a second: tell of those whose interval is over, of which something passed."""
        now = self._clock()
        for connection in list(self._due(now)):
            flow = self._flows.pop(connection)
            self._flows[connection] = flow
            totals = self._measure(flow.socket, ended=False, whole=False)
            if totals is None or totals != flow.last:
                self._tell(flow, totals, now)
            flow.since = now
        self.log.end_interval(self._interval_s)

    def __len__(self) -> int:
        return len(self._flows)

    def _due(self, now: float) -> list[object]:
        due: list[object] = []
        for connection, flow in self._flows.items():
            if now - flow.since < self._interval_s or len(due) == LOOKED_AT_MAX:
                break
            due.append(connection)
        return due

    def _tell(self, flow: FlowCount, totals: FlowTotals | None, now: float) -> None:
        passed = None
        if totals is not None:
            before, flow.last = flow.last, totals
            packets, size = totals.packets - before.packets, totals.size_bytes - before.size_bytes
            passed = FlowTotals(max(0, packets), max(0, size))
        if self._accepts if flow.accepted else self._rejects:
            source, destination, accepted = flow.source, flow.destination, flow.accepted
            self.log.append(FlowRecord(source, destination, passed, flow.since, now, accepted))


def flow_totals(sock: Any, *, ended: bool, whole: bool) -> FlowTotals | None:
    """What has passed on a TCP socket since its accept; None where the kernel does not tell.

    `ended`: the other end is known to send no more; `whole`: what waits to be sent counts.
    """
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
    except (OSError, ValueError, AttributeError):  # closed meanwhile, or no socket at all
        return None
    if len(info) < INFO_BYTES:
        return None
    (received,) = struct.unpack_from("=Q", info, _RECEIVED)
    segments_out, segments_in, waiting = struct.unpack_from("=III", info, _SEGMENTS)
    sent, again = struct.unpack_from("=QQ", info, _SENT)
    if info[_STATE] in FIN_RECEIVED or (ended and info[_STATE] == _CLOSED):
        received -= 1  # the end itself has a number (RFC 9293 §3.4)
    size = received + sent - again + (waiting if whole else 0)
    return FlowTotals(segments_in + segments_out, size)


def endpoint(sock: Any) -> Endpoint:
    """Where a socket is, by address and port; nowhere where it is closed, or no socket of IP."""
    try:
        name = sock.getsockname()
    except (OSError, AttributeError):
        return "", 0
    return (name[0], name[1]) if isinstance(name, tuple) else ("", 0)
