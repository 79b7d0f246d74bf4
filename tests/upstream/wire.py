"""A connection on a transport of the test's, and what has become of both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

from edgecache.http.message import HeadLimits
from edgecache.runtime.environment import LoopTurns
from edgecache.upstream.connection import UpstreamConnection
from edgecache.upstream.endpoint import Endpoint, WireRequest
from edgecache.upstream.interface import Reply

HEAD = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK5 = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Wire(asyncio.Transport):
    """Records what it is told."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.written = b""
        self.ended = ""  # how: "close" or "abort"
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self._end("close")

    def abort(self) -> None:
        self._end("abort")

    def is_closing(self) -> bool:
        return bool(self.ended)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def _end(self, how: str) -> None:
        if not self.ended:
            self.ended = how
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class World:
    """A connection, its transport, and the owner that keeps it."""

    def __init__(self) -> None:
        self.turns = LoopTurns()
        self.released_times = 0
        self.gone_times = 0
        self.connection = UpstreamConnection(
            Endpoint("a.test", 80), self, HeadLimits(), count(10.0).__next__
        )
        self.wire = Wire(self.connection)
        self.connection.connection_made(self.wire)

    def released(self, connection: UpstreamConnection) -> None:
        self.released_times += 1

    def gone(self, connection: UpstreamConnection) -> None:
        self.gone_times += 1

    async def ask(
        self, *arrivals: bytes | Callable[[], object], outgoing: WireRequest | None = None
    ) -> Reply:
        """Ask, and let the bytes arrive (or the calls happen) one turn after the other."""
        loop = asyncio.get_running_loop()
        asking = loop.create_task(self.connection.ask(outgoing or WireRequest(b"GET", HEAD)))
        await turn()
        for arrival in arrivals:
            if callable(arrival):
                arrival()
            elif not self.wire.ended:
                self.connection.data_received(arrival)
        return await asking


async def turn() -> None:
    """Let everything that is ready run once."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_soon(passed.set_result, None)
    await passed


def play(main: Callable[[World], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await main(World())

    asyncio.run(bounded())


def everything(reply: Reply) -> bytes:
    """All of a body that has arrived whole."""
    pieces = []
    while piece := reply.body.read_nowait():
        pieces.append(piece)
    assert piece == b"", "the body has not ended"
    return b"".join(pieces)
