"""Output buffer: bytes on their way to one viewer, with back-pressure.

Law: no more is encrypted or copied for a viewer than it takes. A plain transport keeps a body that
waits by reference. TLS encrypts all it is given, at once, into buffers of the connection's own: a
body goes to it in steps, and none while the transport has more waiting than its high-water mark.
Who writes waits in `drained` until all of it is taken.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import sys
import termios
from collections import deque

from edgecache.store.memory_account import LARGE_BYTES, MemoryAccount, MemoryHolding

SMALL_BODY_BYTES = 16_384  # joined to its head; above it two buffers cost less than the copy
FINISH_BYTES_MAX = 1024 * 1024  # a millisecond of encrypting; a block of a large object
STEP_BYTES = 65_536  # four records of TLS (RFC 8446 §5.1), and the plain transport's own mark

_INT = struct.Struct("i")
_NO_BYTES = bytes(_INT.size)


class OutputBuffer:
    """Bytes on their way to the viewer of a transport; `encrypts` when that is TLS.

    While some wait, `account` has them: a large body that the transport keeps by reference as sent,
    the rest as unsent.
    """

    __slots__ = (
        "_account", "_close", "_drained", "_encrypts", "_lent", "_rest", "_transport", "_unsent",
        "_writing", "paused",
    )  # fmt: skip

    def __init__(
        self, transport: asyncio.Transport, account: MemoryAccount, *, encrypts: bool
    ) -> None:
        self._account = account
        self._unsent = 0  # bytes that the account has been told of
        self._writing: bytes | None = None  # the body that is being handed over
        self._lent: bytes | None = None  # the one that the account has
        self.paused = False  # the transport has as much as it takes
        self._transport = transport
        self._encrypts = encrypts
        self._rest: deque[memoryview] = deque()  # not yet handed to the transport
        self._drained: asyncio.Future[None] | None = None
        self._close = False  # once all of it is handed over
        if encrypts:
            transport.set_write_buffer_limits(STEP_BYTES)  # its own mark is eight times that

    def write(self, head: bytes, body: bytes | memoryview) -> None:
        """Send bytes: in one write when they are few, without copying when they are many."""
        if self._rest:
            self._rest += (memoryview(head), memoryview(body))
        elif len(body) <= SMALL_BODY_BYTES:
            self._transport.write(b"".join((head, body)))
        elif not self._encrypts:
            self._writing = whole_of(body)
            self._transport.writelines((head, body))  # uvloop's is one writev, without a copy
            self._writing = None
        else:
            self._writing = whole_of(body)
            self._transport.write(head)
            self._rest.append(memoryview(body))
            self._go_on()
            self._writing = None

    def pause(self) -> int:
        """Stop writing: the transport has enough. Gives `untaken_bytes` of it."""
        self.paused = True
        waiting = self._transport.get_write_buffer_size()
        if self._writing is not None and self._lent is None and len(self._writing) >= LARGE_BYTES:
            self._lent = self._writing
            self._account.lend(self._lent)
        if self._encrypts or self._lent is None:
            self._count(waiting)
        return waiting + _queued_bytes(self._transport)

    def resumed(self) -> bool:
        """Go on writing: the transport takes more. Gives whether all was handed over."""
        self.paused = False
        self._go_on()
        if self.paused:
            return False
        self._settle()
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        return True

    def close(self) -> None:
        """Close the connection once all that was written is sent."""
        self._close = True
        if not self._rest:
            self._transport.close()

    def finish(self, *, broken: bool) -> None:
        """The viewer has ended TLS: the transport takes nothing after this turn of the loop.

        It gets all that waits. Where that is much or memory is short, or when what was written is
        `broken` off, the connection is reset: after a clean end it might look whole.
        """
        size = sum([len(part) for part in self._rest])
        if broken or size > FINISH_BYTES_MAX or (size and self._account.waits):
            self._rest.clear()
            self._transport.abort()
            return
        while self._rest:
            self._transport.write(self._rest.popleft())
        if self.paused:
            self._count(self._transport.get_write_buffer_size())

    def lost(self) -> None:
        """The connection is gone: nobody waits any more."""
        self._rest.clear()
        self.resumed()
        self._settle()

    async def drained(self) -> None:
        """Wait until the viewer has taken enough of what was written."""
        if self.paused and not self._transport.is_closing():
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def _count(self, waiting: int) -> None:
        """So many bytes are in the transport's own buffers."""
        self._account.add(MemoryHolding.UNSENT, waiting - self._unsent)
        self._unsent = waiting

    def _settle(self) -> None:
        """Nothing waits any more."""
        if self._lent is not None:
            self._account.give_back(self._lent)
            self._lent = None
        if self._unsent:
            self._account.add(MemoryHolding.UNSENT, -self._unsent)
            self._unsent = 0

    def _go_on(self) -> None:
        """Hand over what waits, a step at a time, until the transport has enough."""
        rest = self._rest
        while rest and not self.paused and not self._transport.is_closing():
            first = rest[0]
            self._transport.write(first[:STEP_BYTES])
            if len(first) <= STEP_BYTES:
                rest.popleft()
            else:
                rest[0] = first[STEP_BYTES:]
        if self._close and not rest:
            self._transport.close()


def untaken_bytes(transport: asyncio.WriteTransport) -> int:
    """How much of what was written its peer has not taken yet.

    With what the kernel holds, which has room for some MiB and tells a transport only when a third
    of that is free: a viewer of 10 kB/s would seem to take nothing for two minutes. What is left
    comes of the peer's kernel, which opens its window by a segment at least (RFC 9293 §3.8.6.2.2):
    64 KiB at a time over loopback.
    """
    return transport.get_write_buffer_size() + _queued_bytes(transport)


def _queued_bytes(transport: asyncio.BaseTransport) -> int:
    """What the kernel has not seen acknowledged: SIOCOUTQ of tcp(7); elsewhere than on Linux 0."""
    socket = transport.get_extra_info("socket")
    if socket is None or sys.platform != "linux":
        return 0
    try:
        answer = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, _NO_BYTES)
    except (OSError, ValueError):  # closed meanwhile
        return 0
    return int(_INT.unpack(answer)[0])


def whole_of(body: bytes | memoryview) -> bytes:
    """The bytes object that a view is part of, and keeps alive."""
    if isinstance(body, bytes):
        return body
    whole = body.obj
    assert isinstance(whole, bytes)
    return whole
