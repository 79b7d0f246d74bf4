"""Flow log: a line for each connection and interval, in the format of a VPC's flow logs, version 2.

Law: a line that finds no room is counted, and the next that does is preceded by one with SKIPDATA,
so that who adds lines up knows what is missing. VPC User Guide, "Flow log records": `version
account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action
log-status`, blanks between them, `-` for what is not known. The interface is the process. Source is
who has connected, destination where; packets and bytes are those of both directions, bytes without
the headers of TCP and IP.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

HEADER = (
    b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes "
    b"start end action log-status\n"
)
LINES_BYTES_MAX = 4 * 1024 * 1024  # of all that wait to be written: some 40,000 lines
BATCH_BYTES = 65_536
_TCP = 6  # IANA's protocol number

Endpoint = tuple[str, int]


class FlowTotals(NamedTuple):
    """Packets and bytes of a connection since its accept, both directions."""

    packets: int
    size_bytes: int


class FlowRecord(NamedTuple):
    """One connection in one interval; `totals` None: nothing is known of what passed."""

    source: Endpoint
    destination: Endpoint
    totals: FlowTotals | None
    start: float  # epoch seconds
    end: float
    accepted: bool


def format_flow(record: FlowRecord, interface: str) -> bytes:
    """The line of a record, with its end."""
    (source, source_port), (destination, port) = record.source, record.destination
    packets, size = ("-", "-") if record.totals is None else record.totals
    action = "ACCEPT" if record.accepted else "REJECT"
    line = (
        f"2 - {interface} {source or '-'} {destination or '-'} {source_port} {port} {_TCP} "
        f"{packets} {size} {int(record.start)} {int(record.end)} {action} OK\n"
    )
    return line.encode("ascii", "replace")


def format_gap(interface: str, start: float, end: float, status: str) -> bytes:
    """A line that says of an interval: NODATA or SKIPDATA."""
    return f"2 - {interface} - - - - - - - {int(start)} {int(end)} - {status}\n".encode()


class FlowLogFile(Protocol):
    """Where lines go; `lost` counts those that a disk has not taken."""

    lost: int

    def write(self, batch: bytes) -> None:
        """Append whole lines. May block."""
        ...

    def reopen(self) -> None:
        """Open the file anew before the next lines: somebody has taken it away."""
        ...


class FlowLog:
    """A bounded queue of lines, filled on the serving thread, written to `file` on another.

    `interface` names the process in each line.
    """

    def __init__(
        self,
        file: FlowLogFile,
        interface: str,
        clock: Callable[[], float],
        bytes_max: int = LINES_BYTES_MAX,
    ) -> None:
        self._file = file
        self._interface = interface
        self._clock = clock
        self._bytes_max = bytes_max
        self._lines: deque[bytes] = deque()
        self._lost_since: float | None = None  # epoch seconds; None: since the last line none was
        self._silent_since = clock()
        self.queued_bytes = 0
        self.dropped = 0  # lines, ever

    def append(self, record: FlowRecord) -> None:
        """Keep the line of a record, or count it as dropped."""
        line = format_flow(record, self._interface)
        if self.queued_bytes + len(line) > self._bytes_max:
            self.dropped += 1
            if self._lost_since is None:
                self._lost_since = record.start
            return
        self._tell_lost()
        self._keep(line)

    def end_interval(self, interval_s: float) -> None:
        """Say what there is to say of an interval in which no line was kept for so long."""
        now = self._clock()
        if now - self._silent_since < interval_s:
            return
        if self._lost_since is None:
            self._keep(format_gap(self._interface, self._silent_since, now, "NODATA"))
        elif self.queued_bytes < self._bytes_max:
            self._tell_lost()

    def _tell_lost(self) -> None:
        if self._lost_since is not None:
            self._keep(format_gap(self._interface, self._lost_since, self._clock(), "SKIPDATA"))
            self._lost_since = None

    def _keep(self, line: bytes) -> None:
        self._lines.append(line)
        self.queued_bytes += len(line)
        self._silent_since = self._clock()

    def lines(self) -> bytes:
        """The first lines that wait, which leave the queue; empty when there is none."""
        taken: list[bytes] = []
        size = 0
        while self._lines and size < BATCH_BYTES:
            taken.append(self._lines.popleft())
            size += len(taken[-1])
        self.queued_bytes -= size
        return b"".join(taken)

    def write(self, lines: bytes) -> None:
        """Put lines where they belong. May block."""
        self._file.write(lines)

    def reopen(self) -> None:
        """Open the file anew before the next lines."""
        self._file.reopen()

    @property
    def lost(self) -> int:
        """Lines that found no room, or whose disk failed."""
        return self.dropped + self._file.lost
