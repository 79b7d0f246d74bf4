"""What lies between processes. Law: a stream is in order or broken, as TCP's; nothing else is sure.

A link has a latency and may lose, which delays as a retransmission does. A link that is cut one way
or both carries nothing until it heals; then what was sent arrives, unless its stream was given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from edgecache.upstream.endpoint import Endpoint
from tests.simulation.machine import Machine, Process

RETRANSMIT_S = 0.2  # Linux's shortest timeout before a segment is sent again
Accept = Callable[["End"], asyncio.Protocol]


@dataclass(slots=True)
class Weather:
    """How links are."""

    latency_s: float = 0.001
    jitter_s: float = 0.002
    loss: float = 0.0  # of one segment
    twice: float = 0.0  # of one question to control being heard again, by a proxy's retry


class Links:
    """All links of a world; places are named as the processes are."""

    def __init__(self, machine: Machine, random: Random) -> None:
        self.machine = machine
        self.weather = Weather()
        self.near = Weather()  # between a control and its database, and two servers of one
        self.near_places: frozenset[str] = frozenset()
        self._random = random
        self._cut: set[tuple[str, str]] = set()
        self._waiting: dict[tuple[str, str], list[Pipe]] = {}

    def cut(self, source: str, target: str) -> None:
        """Nothing passes from `source` to `target` any more; the other way is another link."""
        self._cut.add((source, target))

    def heal(self, source: str, target: str) -> None:
        """What was sent meanwhile arrives."""
        self._cut.discard((source, target))
        for pipe in self._waiting.pop((source, target), []):
            pipe.flush()

    @property
    def cuts(self) -> list[tuple[str, str]]:
        """The links that are cut."""
        return sorted(self._cut)

    def is_cut(self, source: str, target: str) -> bool:
        return (source, target) in self._cut

    def wait_for(self, pipe: Pipe) -> None:
        """Tell `pipe` when its link has healed."""
        self._waiting.setdefault((pipe.source, pipe.target), []).append(pipe)

    def delay(self, source: str, target: str) -> float:
        near = source in self.near_places or target in self.near_places
        weather, random = self.near if near else self.weather, self._random.random
        delay = weather.latency_s + weather.jitter_s * random()
        while random() < weather.loss:
            delay += RETRANSMIT_S
        return delay

    def twice(self) -> bool:
        return self.weather.twice > 0 and self._random.random() < self.weather.twice


class Pipe:
    """One direction of a stream: what is sent arrives once and in order, inside `process`."""

    __slots__ = ("_free_at", "_links", "_stuck", "process", "source", "target")

    def __init__(self, links: Links, source: str, target: str, process: Process | None) -> None:
        self._links = links
        self.source = source
        self.target = target
        self.process = process
        self._free_at = 0.0
        self._stuck: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def send(self, callback: Callable[..., object], *args: Any) -> None:
        """Have `callback` called at the other end."""
        links = self._links
        if links.is_cut(self.source, self.target):
            if not self._stuck:
                links.wait_for(self)
            self._stuck.append((callback, args))
            return
        machine = links.machine
        self._free_at = max(self._free_at, machine.now + links.delay(self.source, self.target))
        machine.at(self._free_at, self.process, callback, *args)

    def flush(self) -> None:
        stuck, self._stuck = self._stuck, []
        for callback, args in stuck:
            self.send(callback, *args)


class End(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, process: Process, pipe: Pipe, address: str) -> None:
        super().__init__()
        self.process = process
        self.other: End | None = None
        self.protocol: asyncio.Protocol | None = None
        self._pipe = pipe
        self._address = address
        self._closed = False
        self._paused = False
        self._unread: list[bytes] = []
        process.at_end.append(self._die)

    def attach(self, protocol: asyncio.Protocol) -> None:
        """From here on `protocol` hears what arrives."""
        self.protocol = protocol
        protocol.connection_made(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self._address, 40_000) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closed and self.other is not None:
            self._pipe.send(self.other.receive, bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def receive(self, data: bytes) -> None:
        if self._closed or self.protocol is None:
            return
        if self._paused:
            self._unread.append(data)
        else:
            self.protocol.data_received(data)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        unread, self._unread = self._unread, []
        for data in unread:
            self.process.call_soon(self.receive, data)

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(ConnectionResetError())

    def _end(self, error: Exception | None) -> None:
        if self._closed:
            return
        self._closed = True
        self.process.at_end.remove(self._die)
        if self.other is not None:
            self._pipe.send(self.other.ended, error)
        if self.protocol is not None:
            self.process.call_soon(self.protocol.connection_lost, None)

    def ended(self, error: Exception | None) -> None:
        """The other end is closed, or (an error) broken."""
        if self._closed or self.protocol is None:
            return
        if error is None and self.protocol.eof_received():
            return
        self._closed = True
        self.process.at_end.remove(self._die)
        self.process.call_soon(self.protocol.connection_lost, error)

    def _die(self) -> None:
        """The process is gone: its kernel resets the connection."""
        self._closed = True
        if self.other is not None:
            self._pipe.send(self.other.ended, ConnectionResetError())

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self._closed

    def get_write_buffer_size(self) -> int:
        return 0


class Dialer:
    """The connector of one process: see upstream.endpoint.Connector. `find` knows who listens."""

    def __init__(
        self, links: Links, process: Process, find: Callable[[str], tuple[Process, Accept] | None]
    ) -> None:
        self._links = links
        self._process = process
        self._find = find

    async def __call__(
        self, endpoint: Endpoint, protocol: Callable[[], asyncio.Protocol]
    ) -> asyncio.BaseTransport:
        own, name = self._process, endpoint.host
        done: asyncio.Future[End] = own.create_future()
        there = Pipe(self._links, own.name, name, None)
        back = Pipe(self._links, name, own.name, own)
        there.send(self._knock, name, there, back, done)
        end = await done
        end.attach(protocol())
        return end

    def _knock(self, name: str, there: Pipe, back: Pipe, done: asyncio.Future[End]) -> None:
        """The other machine's kernel answers, even while the process there is frozen."""
        found = self._find(name)
        if found is None:
            back.send(_fail, done, ConnectionRefusedError())
            return
        process, accept = found
        near, far = End(self._process, there, name), End(process, back, self._process.name)
        near.other, far.other = far, near
        there.process = process
        self._links.machine.at(self._links.machine.now, process, _accepted, far, accept)
        back.send(_succeed, done, near)


def _accepted(end: End, accept: Accept) -> None:
    end.attach(accept(end))


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _succeed(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)
    elif isinstance(value, End):
        value.abort()
