"""Control's kind of server, over real sockets: filled by half heads, it answers who comes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from functools import partial
from typing import Any, cast

import uvicorn
import uvloop

from edgecache.config.model import Limits
from edgecache.node.role_server import ServiceServer
from edgecache.node.service_connection import ServiceConnection, ServiceConnections
from edgecache.runtime.environment import pause

HALF = b"GET / HTTP/1.1\r\nHost: a\r\nX-"
WHOLE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
DEADLINE_S = 30


async def application(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"well"})


class Served:
    """A server on a loop of its own process's kind, and its clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        limits = Limits(connections_max=16, connections_per_address_max=16)
        self.places = ServiceConnections(limits, lambda: self.now, lambda _: False)
        settings = uvicorn.Config(
            application,
            http=cast(Any, partial(ServiceConnection, places=self.places)),
            interface="asgi3",
            lifespan="off",
            proxy_headers=False,
            log_config=None,
        )
        self.server = ServiceServer(settings, self.places)
        self.listening = socket.create_server(("127.0.0.1", 0))

    async def asks(self, data: bytes) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection(*self.listening.getsockname())
        self._writers.append(writer)
        writer.write(data)
        return reader

    async def plays(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []
        serving = asyncio.create_task(self.server.serve([self.listening]))
        half = [await self.asks(HALF) for _ in range(40)]
        assert (await (await self.asks(WHOLE)).read()).startswith(b"HTTP/1.1 200 OK\r\n")
        while len(list(self.places)) > 8:  # half of the places: nobody has proven anything
            await pause(0)
        self.now += 11
        for reader in half:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        while list(self.places):
            await pause(0)
        self.server.should_exit = True
        await serving
        for writer in self._writers:
            writer.close()


def test_half_heads_keep_nobody_away_and_end() -> None:
    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await Served().plays()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
