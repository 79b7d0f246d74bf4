"""A server of the test's on the loopback, and a pool that asks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest

from edgecache.upstream.endpoint import Endpoint, Network, WireRequest
from edgecache.upstream.faults import UpstreamError
from edgecache.upstream.interface import Reply
from edgecache.upstream.pool import Pool, PoolLimits
from edgecache.upstream.resolver import LookupThreads, NameResolver

GET = WireRequest(b"GET", b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
Run = Callable[[Coroutine[None, None, None]], None]
Answer = Callable[["Origin", int, asyncio.StreamWriter], Awaitable[bool]]


class Origin:
    """A server that reads one head after the other and does with each what the test says."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.connections = 0
        self.requests = 0
        self.changed = asyncio.Event()
        self.gate = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._tell()
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                self._tell()
                if not await self.answer(self, number, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    def _tell(self) -> None:
        self.changed.set()


def network() -> Network:
    """The real network, to which every address is a tier of ours."""
    return Network(NameResolver(LookupThreads(), lambda: 0.0))


@asynccontextmanager
async def world(
    answer: Answer, limits: PoolLimits | None = None, connections_max: int = 8, idle_s: float = 60
) -> AsyncIterator[tuple[Pool, Origin, Endpoint]]:
    origin = Origin(answer)
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    pool = Pool(network(), lambda: 0.0, limits)
    try:
        async with asyncio.timeout(20):
            yield pool, origin, Endpoint(host, port, connections_max=connections_max, idle_s=idle_s)
    finally:
        pool.close()
        await until(lambda: open_connections(pool) == 0)
        await shut(server)


def open_connections(pool: Pool) -> int:
    """Connections of a pool, at work or at rest."""
    return len(pool._open)


async def shut(server: asyncio.AbstractServer) -> None:
    """Close the server and wait until its last connection is gone."""
    gone = asyncio.ensure_future(server.wait_closed())
    await turn()  # asked only after `close`, Python 3.11 would not wait
    server.close()
    async with asyncio.timeout(20):
        await gone


async def until(condition: Callable[[], bool]) -> None:
    """Turn the loop until the condition holds."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        while not condition():
            turned = loop.create_future()
            loop.call_later(0.001, turned.set_result, None)
            await turned


async def everything(reply: Reply) -> bytes:
    pieces = []
    while piece := await reply.body.read():
        pieces.append(piece)
    return b"".join(pieces)


def nonce(number: int, origin: Origin) -> bytes:
    return b"%d.%d" % (number, origin.requests)


async def answers(origin: Origin, number: int, writer: asyncio.StreamWriter) -> bool:
    body = nonce(number, origin)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    return True


async def answers_when_let(origin: Origin, number: int, writer: asyncio.StreamWriter) -> bool:
    await origin.gate.wait()
    return await answers(origin, number, writer)


async def turn() -> None:
    passed = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(passed.set_result, None)
    await passed


async def failure(sending: Awaitable[Reply]) -> UpstreamError:
    with pytest.raises(UpstreamError) as failed:
        await sending
    return failed.value
