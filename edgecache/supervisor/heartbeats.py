"""Heartbeats of child processes, as their supervisor hears them; and orders to drain.

Law: what a process said last counts only while it goes on saying something. An order outlives the
process it was for: each successor is told it before it serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from edgecache.runtime.heartbeat import BEAT_BYTES_MAX, Beat, Orders
from edgecache.supervisor.child import Child


@dataclass(slots=True, eq=False)
class Pulse:
    """One process: what it said last (None: nothing yet), and when (the loop's clock)."""

    child: Child
    end: socket.socket
    heard_at: float
    beat: Beat | None = None

    def tell(self, orders: Orders) -> None:
        """Tell the process; one that does not read is not waited for."""
        with contextlib.suppress(OSError):
            self.end.send(msgspec.json.encode(orders))


@dataclass(slots=True)
class Heartbeats:
    """Those of all processes of a supervisor, by pid; and the nodes that are to drain."""

    drained: set[str] = field(default_factory=set)
    _pulses: dict[int, Pulse] = field(default_factory=dict)

    @contextlib.contextmanager
    def pair(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        """Our end and a process's, which is closed here once the process has its own copy."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            yield ours, theirs
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    def add(self, child: Child, pid: int, end: socket.socket) -> None:
        """Listen to a process that has just started."""
        loop = asyncio.get_running_loop()
        self._forget(loop, pid)
        pulse = self._pulses[pid] = Pulse(child, end, loop.time())
        loop.add_reader(end.fileno(), self._hear, loop, pid, pulse)
        if child.node in self.drained:
            pulse.tell(Orders(drain=True))

    def of(self, pid: int | None) -> Pulse | None:
        """That of a process; None when it has ended."""
        return None if pid is None else self._pulses.get(pid)

    def drain(self, node: str, *, drain: bool) -> None:
        """Let viewers of a node go elsewhere, or come again."""
        (self.drained.add if drain else self.drained.discard)(node)
        for pulse in self._pulses.values():
            if pulse.child.node == node:
                pulse.tell(Orders(drain=drain))

    def close(self) -> None:
        """Listen to nobody any more."""
        loop = asyncio.get_running_loop()
        for pid in [*self._pulses]:
            self._forget(loop, pid)

    def _hear(self, loop: asyncio.AbstractEventLoop, pid: int, pulse: Pulse) -> None:
        try:
            received = pulse.end.recv(BEAT_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._forget(loop, pid)
            return
        with contextlib.suppress(msgspec.DecodeError):
            pulse.beat = msgspec.json.decode(received, type=Beat)
            pulse.heard_at = loop.time()

    def _forget(self, loop: asyncio.AbstractEventLoop, pid: int) -> None:
        pulse = self._pulses.pop(pid, None)
        if pulse is not None:
            loop.remove_reader(pulse.end.fileno())
            pulse.end.close()
