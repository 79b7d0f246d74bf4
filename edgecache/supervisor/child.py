"""Child processes: how one is spawned, the pipes to it, its heartbeat. Law: none outlives us.

Each child inherits the reading end of a pipe nobody ever writes to; end of file there means that
the parent is gone, however it went. That needs no signal, and works on every Unix. One that takes
over from another also inherits the writing end of a pipe on which it says that it serves. What a
process said last by its heartbeat counts only while it goes on saying something; an order to drain
outlives the process it was for: each successor is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType

import msgspec

from edgecache.config.listen import Address, TcpAddress
from edgecache.runtime.inherited import (
    BEAT_BYTES_MAX,
    PARENT_FD_ENV,
    Beat,
    Orders,
    Unready,
)
from edgecache.runtime.shared_words import make_shared_words
from edgecache.runtime.stderr_log import PROCESS_ENV

_STDERR_FD = 2


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run: node name, role, command, and the addresses it listens on."""

    name: str
    role: str
    command: tuple[str, ...]
    address: Address | None = None  # where it listens
    location: str = ""
    secure: Address | None = None  # where it speaks TLS
    quic: Address | None = None  # where it speaks HTTP/3
    local: Address | None = None  # where its own user reaches it
    dns: tuple[Address, ...] = ()  # where it answers queries for names
    health: TcpAddress | None = None  # where its supervisor says how its node is
    secured: bool = False  # `address` speaks TLS, to machines of the installation
    proxied: bool = False  # `address` wants a PROXY header first
    logs_to_stdout: bool = False  # its access log goes to our standard output

    @property
    def node(self) -> str:
        """The node it is of: a location, which has several workers, a regional cache, or a role."""
        alone = self.name.removeprefix("regional-") if self.role == "regional" else self.role
        return self.location or alone

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Everywhere it listens."""
        addresses = (self.address, self.secure, self.quic, self.local)
        return tuple(address for address in addresses if address is not None) + self.dns


class ParentPipe:
    """The pipe whose end of file tells every child that this process is gone."""

    def __enter__(self) -> ParentPipe:
        self.reading, self._writing = os.pipe()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.reading)
        os.close(self._writing)


async def spawn(
    child: Child,
    pipe: ParentPipe,
    fds: Iterable[int] = (),
    environment: Mapping[str, str] | None = None,
) -> asyncio.subprocess.Process:
    """Start `child`. OSError when it cannot start.

    Its standard output joins our standard error, unless its access log goes to ours. It inherits
    `fds`; its environment is ours and `environment`. A process group of its own keeps a terminal's
    Ctrl-C for us: we tell the children, in order.
    """
    return await asyncio.create_subprocess_exec(
        *child.command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=None if child.logs_to_stdout else _STDERR_FD,
        pass_fds=(pipe.reading, *fds),
        process_group=0,
        env={
            **os.environ,
            PARENT_FD_ENV: str(pipe.reading),
            PROCESS_ENV: child.name,
            **(environment or {}),
        },
    )


class ServingPipe:
    """The pipe on which a successor reports that it serves. Used with `async with`."""

    async def __aenter__(self) -> ServingPipe:
        reading, self.writing = os.pipe()
        self._reader = asyncio.StreamReader()
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader), os.fdopen(reading, "rb")
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close_writing()
        self._transport.close()

    def close_writing(self) -> None:
        """Close our copy of the writing end: it would hide the end of file the process leaves."""
        if self.writing >= 0:
            os.close(self.writing)
        self.writing = -1

    async def wait_serving(self) -> bool:
        """Wait for the report; False when the process ended without it."""
        return bool(await self._reader.read(1))


def exit_reason(code: int) -> str:
    """How a process ended, from its return code: `exited with 3`, `was killed by SIGKILL`."""
    if code >= 0:
        return f"exited with {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


@dataclass(slots=True)
class LocationWords:
    """The memory that workers of a location share, successors too; by the location's name."""

    count: int  # of words, for each location
    _fds: dict[str, int] = field(default_factory=dict)

    def of(self, child: Child) -> int | None:
        """The descriptor for `child`; None: it shares nothing, or there is none to be had."""
        if child.location and child.location not in self._fds:
            with contextlib.suppress(OSError):
                fd = make_shared_words(self.count)
                if fd is not None:
                    self._fds[child.location] = fd
        return self._fds.get(child.location)

    def close(self) -> None:
        """Let go of all; processes that have one keep it."""
        while self._fds:
            os.close(self._fds.popitem()[1])


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
    _reopen: int = 0

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
            pulse.tell(self._orders(child.node))

    def of(self, pid: int | None) -> Pulse | None:
        """That of a process; None when it has ended."""
        return None if pid is None else self._pulses.get(pid)

    def drain(self, node: str, *, drain: bool) -> None:
        """Let viewers of a node go elsewhere, or come again."""
        (self.drained.add if drain else self.drained.discard)(node)
        for pulse in self._pulses.values():
            if pulse.child.node == node:
                pulse.tell(self._orders(node))

    def reopen_logs(self) -> None:
        """Let every process open its log files anew."""
        self._reopen += 1
        for pulse in self._pulses.values():
            pulse.tell(self._orders(pulse.child.node))

    def _orders(self, node: str) -> Orders:
        return Orders(drain=node in self.drained, reopen=self._reopen)

    def say_that_they_drain(self, node: str) -> bool:
        """Whether every process of a node has said so itself, former ones too."""
        beats = [one.beat for one in self._pulses.values() if one.child.node == node]
        return all(beat is not None and Unready.DRAINING in beat.unready for beat in beats)

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
