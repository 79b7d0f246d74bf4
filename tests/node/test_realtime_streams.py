"""Streams of real-time logs over real sockets and files: taken whole, or told why not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from edgecache.config.observation import RealtimeLogStream
from edgecache.node.realtime_streams import (
    JSON_LINES,
    FileStream,
    HttpStream,
    SocketStream,
    realtime_stream,
)
from edgecache.node.send_queue import StreamError
from tests.node.log_machine import threads

LINES = [b"a\tb\n", b"c\td\n"]


def play(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


class Readers:
    """Who reads from a socket: each connection that came, one after the other."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        self.came = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.came.put_nowait((reader, writer))

    async def next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.wait_for(self.came.get(), 10)

    async def close(self) -> None:
        for writer in self.writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.mark.parametrize("unix", [True, False])
def test_a_socket_is_kept_and_made_anew(tmp_path: Path, unix: bool) -> None:
    async def scene() -> None:
        readers = Readers()
        if unix:
            path = str(tmp_path / "logs.sock")
            server = await asyncio.start_unix_server(readers.accept, path)
            stream = SocketStream(f"unix:{path}")
        else:
            server = await asyncio.start_server(readers.accept, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            stream = SocketStream(f"tcp://127.0.0.1:{port}")
        async with server:
            await stream.send(LINES)
            await stream.send(LINES)
            reader, writer = await readers.next()
            assert await reader.readexactly(16) == b"".join(LINES) * 2
            writer.transport.abort()
            while readers.came.empty():  # that it has gone is told once, and a new one is found
                with contextlib.suppress(StreamError):
                    await stream.send(LINES)
                await asyncio.get_running_loop().run_in_executor(None, int)
            reader, _ = await readers.next()
            assert await reader.readexactly(8) == b"".join(LINES)
            await stream.close()
            await readers.close()

    play(scene)


def test_nobody_is_there(tmp_path: Path) -> None:
    async def scene() -> None:
        with pytest.raises(StreamError, match="no such file or directory"):
            await SocketStream(f"unix:{tmp_path}/none.sock").send(LINES)

    play(scene)


def test_a_file_is_appended_to_and_may_be_renamed(tmp_path: Path) -> None:
    async def scene() -> None:
        path = tmp_path / "live.log"
        stream = FileStream(str(path), threads)
        await stream.send(LINES)
        await stream.send(LINES)
        assert path.read_bytes() == b"".join(LINES) * 2
        path.rename(tmp_path / "former.log")
        await stream.send(LINES[:1])
        assert path.read_bytes() == LINES[0]
        await stream.close()
        with pytest.raises(StreamError, match="no such file or directory"):
            await FileStream(str(tmp_path / "none" / "live.log"), threads).send(LINES)

    play(scene)


@pytest.mark.parametrize(("status", "problem"), [(200, ""), (204, ""), (503, "answered 503")])
def test_a_url_is_posted_to(status: int, problem: str) -> None:
    async def scene() -> None:
        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return httpx.Response(status)

        stream = HttpStream("http://logs.test/in", transport=httpx.MockTransport(answer))
        if problem:
            with pytest.raises(StreamError, match=problem):
                await stream.send(LINES)
        else:
            await stream.send(LINES)
        (request,) = asked
        assert (request.method, str(request.url)) == ("POST", "http://logs.test/in")
        assert request.headers["content-type"] == JSON_LINES
        assert request.content == b"".join(LINES)
        await stream.close()
        await stream.close()

    play(scene)


def test_a_url_that_is_not_there_is_told() -> None:
    async def scene() -> None:
        def refuse(_request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("connection refused")

        stream = HttpStream("http://logs.test/in", transport=httpx.MockTransport(refuse))
        with pytest.raises(StreamError, match="connection refused"):
            await stream.send(LINES)
        await stream.close()
        missing = HttpStream("https://logs.test/in", ca_file="/none.pem")
        with pytest.raises(StreamError, match="No such file"):
            await missing.send(LINES)

    play(scene)


@pytest.mark.parametrize(
    ("to", "kind"),
    [
        ("tcp://127.0.0.1:1", SocketStream),
        ("unix:/run/a.sock", SocketStream),
        ("file:/var/log/a.log", FileStream),
        ("http://127.0.0.1/", HttpStream),
        ("https://logs.test/", HttpStream),
    ],
)
def test_its_address_says_which_it_is(to: str, kind: type) -> None:
    assert type(realtime_stream(RealtimeLogStream(stream="s", to=to), threads)) is kind
