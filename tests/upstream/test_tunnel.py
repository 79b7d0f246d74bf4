"""A connection that becomes a tunnel: only when asked, only to WebSocket, each end by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from edgecache.upstream.endpoint import Endpoint, Timeouts, WireRequest
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Reply
from edgecache.upstream.pool import Pool
from edgecache.upstream.tunnel import TUNNEL_BYTES_MAX, Tunnel
from tests.upstream.loopback import Run, network, open_connections

ASKS = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
UPGRADE = WireRequest(b"GET", ASKS, timeouts=Timeouts(read_s=0.01), upgrade=True)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
Far = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def asked(far: Far, first: bytes = SWITCHED) -> AsyncIterator[tuple[Reply, Pool]]:
    """The reply to an upgrade: the far side says `first`, and goes on as `far`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(first)
            await far(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = Pool(network(), lambda: 0.0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield await pool.send(Endpoint("127.0.0.1", port), UPGRADE), pool
    finally:
        pool.close()
        server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the other end's end; then a last word of its own."""
    while data := await reader.read(1_000):
        writer.write(data)
    writer.write(b"!")


async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None: ...


async def read_all(tunnel: Tunnel) -> bytes:
    found = b""
    while data := await tunnel.read():
        found += data
    return found


def test_bytes_both_ways_and_each_end_by_itself(run: Run) -> None:
    async def scene() -> None:
        async with asked(echo, SWITCHED + b"first ") as (reply, pool):
            assert reply.head.status == 101
            tunnel = cast(Tunnel, reply.body)
            tunnel.write(b"ping")
            await tunnel.writable()
            tunnel.end_writing()
            assert await read_all(tunnel) == b"first ping!"
            tunnel.hang_up()
            tunnel.close()
            while open_connections(pool):
                await asyncio.get_running_loop().run_in_executor(None, lambda: None)

    run(scene())


def test_what_is_not_read_waits_within_its_bound(run: Run) -> None:
    whole = bytes(40 * TUNNEL_BYTES_MAX)

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole)
        await writer.drain()

    async def scene() -> None:
        async with asked(flood) as (reply, _pool):
            tunnel = cast(Tunnel, reply.body)
            first = await tunnel.read()
            assert len(first) + len(await read_all(tunnel)) == len(whole)

    run(scene())


REFUSED = [
    b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\n\r\n",
]


@pytest.mark.parametrize("first", REFUSED, ids=["h2c", "no connection", "bare"])
def test_another_protocol_is_refused(run: Run, first: bytes) -> None:
    async def scene() -> None:
        with pytest.raises(UpstreamError) as failed:
            async with asked(silent, first):
                raise AssertionError("a tunnel to nowhere")
        assert failed.value.fault is Fault.MALFORMED

    run(scene())


def test_another_status_is_a_response(run: Run) -> None:
    async def scene() -> None:
        first = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno"
        async with asked(silent, first) as (reply, _pool):
            assert reply.head.status == 426
            assert await reply.body.read() == b"no"

    run(scene())
