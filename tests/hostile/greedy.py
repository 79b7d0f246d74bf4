"""Peers that take what they can get of one worker, each over a few sockets, until told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.hostile.bystander import BODY, REQUEST

Attack = Callable[[int], Awaitable[None]]
SLOW_S = 2.0  # the origin's, for a page that it makes for each viewer
IMPATIENT = 300
HEADS = 100
TINY = b"2\r\nab\r\n"
_OK = b"HTTP/1.1 200 OK\r\nCache-Control: "


class GreedyOrigin:
    """Answers by path: a page for long, one that takes its time, a body in tiny chunks."""

    def __init__(self) -> None:
        self.under_way = 0
        self.most = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._one(head, reader, writer)
        writer.close()

    async def _one(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        path = head.split(b" ", 2)[1]
        if head.startswith(b"POST"):
            while (data := await reader.read(1 << 20)) and not data.endswith(b"0\r\n\r\n"):
                pass
        if path.startswith(b"/slow"):
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            try:
                gone = asyncio.ensure_future(reader.read(1))
                await asyncio.wait({gone}, timeout=SLOW_S)
                gone.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await gone
            finally:
                self.under_way -= 1
        if path == b"/tiny":
            writer.write(_OK + b"no-store\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(TINY * 20_000)
                await writer.drain()
        length = b"\r\nContent-Length: %d\r\n\r\n" % len(BODY)
        writer.write(_OK + b"max-age=600" + length + BODY)


_open: list[asyncio.StreamWriter] = []


async def _opened(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that ends with the attack."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    _open.append(writer)
    return reader, writer


async def pipelined_hits(port: int) -> None:
    """One socket that asks without end and reads what it gets."""
    reader, writer = await _opened(port)

    async def read() -> None:
        while await reader.read(1 << 20):
            pass

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        while True:
            writer.write(REQUEST * 2_000)
            await writer.drain()


async def tiny_upload(port: int) -> None:
    """One body in chunks of two bytes."""
    _, writer = await _opened(port)
    writer.write(b"POST /u HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(TINY * 20_000)
        await writer.drain()


async def tiny_downloads(port: int) -> None:
    """Four bodies that the origin sends in chunks of two bytes."""
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(_tiny_download(port))


async def _tiny_download(port: int) -> None:
    reader, writer = await _opened(port)
    writer.write(b"GET /tiny HTTP/1.1\r\nHost: site.test\r\n\r\n")
    while await reader.read(1 << 20):
        pass


async def heads_by_bytes(port: int) -> None:
    """Long heads, each a byte at a time."""
    writers = []
    for _ in range(HEADS):
        _, writer = await _opened(port)
        writer.write(b"GET / HTTP/1.1\r\nHost: site.test\r\nX: " + b"x" * 28_000)
        writers.append(writer)
    while True:
        for writer in writers:
            writer.write(b"x")
            turn = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(turn.set_result, None)
            await turn


async def impatient(port: int) -> None:
    """Many that ask for a slow page each and hang up at once."""
    for number in range(IMPATIENT):
        _, writer = await _opened(port)
        writer.write(b"GET /slow%d HTTP/1.1\r\nHost: site.test\r\n\r\n" % number)
        await writer.drain()
        writer.close()
    await asyncio.Event().wait()


ATTACKS: dict[str, Attack] = {
    "pipelined hits": pipelined_hits,
    "an upload in tiny chunks": tiny_upload,
    "downloads in tiny chunks": tiny_downloads,
    "heads byte by byte": heads_by_bytes,
    "impatient viewers": impatient,
}


async def run_for(attack: Attack, port: int, seconds: float) -> None:
    """The attack, for so long."""
    with suppress(TimeoutError, OSError, ExceptionGroup):
        async with asyncio.timeout(seconds):
            await attack(port)
    for writer in _open:
        writer.transport.abort()
    for writer in _open:
        with suppress(OSError):
            await writer.wait_closed()
    _open.clear()
