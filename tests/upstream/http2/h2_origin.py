"""An origin of HTTP/2 played with the library `h2`, frame by frame, over a transport in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
from msgspec.structs import replace

from edgecache.http.message import HeadLimits
from edgecache.upstream.endpoint import Endpoint, Timeouts, WireRequest
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Reply
from edgecache.upstream.pool import Pool, PoolLimits
from tests.upstream.loopback import turn

ENDPOINT = Endpoint("origin.test", 80, http2=True)
HEAD = b"GET /a?b HTTP/1.1\r\nHost: origin.test\r\nVia: 1.1 us\r\nConnection: keep-alive\r\n\r\n"
POST_HEAD = (
    b"POST /s/M HTTP/1.1\r\nHost: origin.test\r\nContent-Type: application/grpc\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
)
SHORT = Timeouts(connect_s=0.3, response_s=0.1, read_s=0.1)
GET = WireRequest(b"GET", HEAD)
OK = [(":status", "200"), ("x-a", "b")]
PLAY_S_MAX = 10  # a play takes milliseconds; what waits for ever without its guard ends then


class MemoryTransport(asyncio.Transport):
    """The client's side of a connection: what it writes goes to the origin at once."""

    def __init__(self, origin: PlayedOrigin, protocol: asyncio.Protocol, tls: Any = None) -> None:
        super().__init__({"ssl_object": tls} if tls else {})
        self._origin = origin
        self.protocol = protocol
        self.written = bytearray()
        self.closing = self.paused = False

    def write(self, data: Any) -> None:
        if not self.closing:
            self.written += data
            self._origin.hears(self, bytes(data))

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return 0

    def says(self, data: bytes) -> None:
        """Bytes of the origin arrive."""
        if not self.closing:
            self.protocol.data_received(data)


class PlayedOrigin:
    """An origin: a connector for a pool, and what to do with each event of `h2`.

    `reads` False: what is written is kept, for whoever plays the origin with bytes of its own.
    """

    def __init__(self, *, reads: bool = True, settings: dict[int, int] | None = None) -> None:
        self.connections: list[MemoryTransport] = []
        self.events: list[Any] = []
        self.tls: Any = None
        self.greeting: bytes | None = None  # in place of SETTINGS
        self.on_event: Callable[[h2.connection.H2Connection, Any], None] = lambda _, __: None
        self._reads = reads
        self.settings = settings or {}
        self._states: dict[MemoryTransport, h2.connection.H2Connection] = {}

    async def connect(
        self, endpoint: Endpoint, protocol: Callable[[], asyncio.Protocol]
    ) -> asyncio.BaseTransport:
        """See Connector."""
        transport = MemoryTransport(self, protocol(), self.tls)
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        state = self._states[transport] = h2.connection.H2Connection(config)
        if self.settings:
            values: Any = dict(state.local_settings) | self.settings
            state.local_settings = h2.settings.Settings(client=False, initial_values=values)
        self.connections.append(transport)
        transport.protocol.connection_made(transport)
        if self.greeting is not None:
            transport.says(self.greeting)
            return transport
        state.initiate_connection()
        self.flush(transport)
        return transport

    def hears(self, transport: MemoryTransport, data: bytes) -> None:
        """The client has written; `h2` refuses what RFC 9113 forbids."""
        if self._reads and self.greeting is None:
            asyncio.get_running_loop().call_soon(self._read, transport, data)

    def _read(self, transport: MemoryTransport, data: bytes) -> None:
        state = self._states[transport]
        for event in state.receive_data(data):
            self.events.append(event)
            self.on_event(state, event)
        self.flush(transport)

    def state(self, index: int = -1) -> h2.connection.H2Connection:
        """The library's view of a connection."""
        return self._states[self.connections[index]]

    def flush(self, transport: MemoryTransport | None = None) -> None:
        """Send what `h2` has to say."""
        transport = transport or self.connections[-1]
        if data := self._states[transport].data_to_send():
            transport.says(data)

    def says(self, data: bytes) -> None:
        """Bytes of its own, on the last connection."""
        self.connections[-1].says(data)

    def heard(self, kind: type) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def played(main: Callable[[PlayedOrigin, Pool], Coroutine[None, None, None]], **how: Any) -> None:
    """Run a play with an origin and a pool that asks it; nothing is left of it."""

    async def run() -> None:
        origin = PlayedOrigin(**how)
        pool = Pool(origin.connect, lambda: 1_000.0, PoolLimits(HeadLimits(), waiting_max=4))
        try:
            async with asyncio.timeout(PLAY_S_MAX):
                await main(origin, pool)
        finally:
            pool.close()
            await turns()
        assert pool.open_places == 0

    asyncio.run(run())


async def turns(count: int = 6) -> None:
    """Let the loop have so many turns."""
    for _ in range(count):
        await turn()


async def whole(reply: Reply) -> bytes:
    """All of a response's body."""
    parts = []
    while piece := await reply.body.read():
        parts.append(piece)
    return b"".join(parts)


def answers(*, body: bytes = b"", headers: Any = OK, trailers: Any = None) -> Any:
    """A handler that answers each whole request so."""

    def on_event(state: h2.connection.H2Connection, event: Any) -> None:
        if isinstance(event, h2.events.StreamEnded):
            more = bool(body or trailers)
            state.send_headers(event.stream_id, headers, end_stream=not more)
            if body:
                state.send_data(event.stream_id, body, end_stream=not trailers)
            if trailers:
                state.send_headers(event.stream_id, trailers, end_stream=True)

    return on_event


def quick(request: WireRequest) -> WireRequest:
    """The request with little time."""
    return replace(request, timeouts=SHORT)


async def fault(pool: Pool, request: WireRequest = GET) -> Fault:
    try:
        await whole(await pool.send(ENDPOINT, request))
    except UpstreamError as error:
        return error.fault
    raise AssertionError("there is a response")


class SpokenBody:
    """A body said piece by piece."""

    def __init__(self) -> None:
        self.length: int | None = None
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.trailers = ((b"x-sent", b"last"),)

    async def read(self) -> bytes:
        return await self.pieces.get()

    def read_nowait(self) -> bytes | None:
        return None if self.pieces.empty() else self.pieces.get_nowait()

    def close(self) -> None: ...
