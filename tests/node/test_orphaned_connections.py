"""Siblings: what waits at a socket nobody serves is served by another."""

from __future__ import annotations

import asyncio
import socket

from edgecache.node.orphaned_connections import OrphanListener, accept_waiting, adopt_orphans


class Greeting(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"welcome")
        transport.close()


def listening() -> socket.socket:
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    return server


def test_who_waits_is_let_in() -> None:
    async def scene(server: socket.socket) -> bytes:
        task = asyncio.create_task(adopt_orphans([OrphanListener([server], Greeting)]))
        try:
            reader, writer = await asyncio.open_connection(*server.getsockname())
            async with asyncio.timeout(30):
                said = await reader.read()
            writer.close()
            return said
        finally:
            task.cancel()

    with listening() as server:
        assert asyncio.run(scene(server)) == b"welcome"


def test_no_more_than_so_many_at_a_time() -> None:
    with listening() as server:
        viewers = [socket.create_connection(server.getsockname()) for _ in range(5)]
        door = OrphanListener([server], Greeting)
        first, rest = accept_waiting(door, 3), accept_waiting(door, 3)
        assert (len(first), len(rest)) == (3, 2)
        for one in (*viewers, *first, *rest):
            one.close()


def test_a_socket_nobody_has_listened_on_yet_has_nobody() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.setblocking(False)
        assert accept_waiting(OrphanListener([bound], Greeting)) == []
