"""Network in memory: connections between parts of one process, as TCP's are.

Law: a stream is in order or broken. What is sent arrives in a later turn of the loop; who reads
nothing holds up who writes, as a full socket does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from edgecache.testing.virtual_loop import VirtualLoop
from edgecache.upstream.endpoint import Endpoint

HIGH_BYTES = 65_536  # unread at the other end, above which a writer is to wait: asyncio's own mark
Accept = Callable[[], asyncio.Protocol]
FindListener = Callable[[Endpoint], Accept]
"""Who listens at an endpoint. OSError when nobody does."""


class MemoryTransport(asyncio.Transport):
    """One end of a connection. `peer`: address and port of the other one."""

    def __init__(self, loop: VirtualLoop, peer: tuple[str, int]) -> None:
        super().__init__()
        self.other: MemoryTransport
        self.protocol: asyncio.Protocol
        self._loop = loop
        self._peer = peer
        self._arrived: deque[bytes] = deque()  # not yet read
        self._unread_bytes = 0
        self._ended = False  # the other end sends no more
        self._told_end = False
        self._closed = False
        self._reading = True
        self._held_up = False  # its protocol is to write no more for now
        self._high_bytes = HIGH_BYTES

    # What a protocol asks of a transport.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._peer if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed or not data:
            return
        other = self.other
        if other._closed:
            self._loop.call_soon(self.reset)
            return
        other._arrived.append(bytes(data))
        other._unread_bytes += len(data)
        self._loop.call_soon(other.deliver)
        if other._unread_bytes > self._high_bytes and not self._held_up:
            self._held_up = True
            self.protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        self.other._ended = True
        self._loop.call_soon(self.other.deliver)

    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is not None:
            self._high_bytes = high

    def get_write_buffer_size(self) -> int:
        return self.other._unread_bytes

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self._loop.call_soon(self.deliver)

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self._lose(None)
            self.write_eof()

    def abort(self) -> None:
        if not self._closed:
            self._lose(None)
            self._loop.call_soon(self.other.reset)

    # What the other end does.

    def deliver(self) -> None:
        """Give the protocol what has arrived, if it reads."""
        if self._closed or not self._reading:
            return
        if self._arrived:
            data = b"".join(self._arrived)
            self._arrived.clear()
            self._unread_bytes = 0
            self.other.go_on()
            self.protocol.data_received(data)
            self._loop.call_soon(self.deliver)  # an end comes after what was sent before it
            return
        if self._ended and not (self._told_end or self._arrived or self._closed):
            self._told_end = True
            if not self.protocol.eof_received():
                self.close()

    def go_on(self) -> None:
        """The other end has read: its writer may go on."""
        if self._held_up and not self._closed:
            self._held_up = False
            self._loop.call_soon(self.protocol.resume_writing)

    def reset(self) -> None:
        """The other end has broken off: what was not read is lost."""
        if not self._closed:
            self._lose(ConnectionResetError())

    def _lose(self, error: Exception | None) -> None:
        self._closed = True
        self._arrived.clear()
        self._unread_bytes = 0
        self._loop.call_soon(self.protocol.connection_lost, error)


class MemoryNetwork:
    """Opens connections: see `upstream.endpoint.Connector`. `find` says who listens."""

    def __init__(self, loop: VirtualLoop, find: FindListener) -> None:
        self._loop = loop
        self._find = find

    async def __call__(
        self, endpoint: Endpoint, protocol: Callable[[], asyncio.Protocol]
    ) -> asyncio.BaseTransport:
        return connect(self._loop, protocol(), self._find(endpoint)())


def connect(
    loop: VirtualLoop,
    client: asyncio.Protocol,
    server: asyncio.Protocol,
    address: tuple[str, int] = ("127.0.0.1", 40_000),
) -> MemoryTransport:
    """A connection between two protocols; the client's end. `address` is the client's."""
    near, far = MemoryTransport(loop, ("127.0.0.1", 80)), MemoryTransport(loop, address)
    near.other, far.other = far, near
    near.protocol, far.protocol = client, server
    server.connection_made(far)
    client.connection_made(near)
    return near
