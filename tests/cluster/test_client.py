"""A question to a process of ours: over sockets of both kinds, bounded in time and bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from edgecache.cluster import client as module
from edgecache.cluster.client import exchange
from edgecache.config.listen import TcpAddress, UnixAddress

HEAD = b"GET / HTTP/1.1\r\n\r\n"


async def _asked(answer: bytes, path: str = "") -> bytes:
    """What an exchange with a server that answers so and hangs up gives."""

    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):  # who asked may leave before it has all
                assert await reader.readuntil(b"\r\n\r\n") == HEAD
                writer.write(answer)
                writer.close()
                await writer.wait_closed()
        finally:
            served.set()

    if path:
        server = await asyncio.start_unix_server(serve, path)
        address: TcpAddress | UnixAddress = UnixAddress(path)
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = TcpAddress("127.0.0.1", server.sockets[0].getsockname()[1])
    async with server:
        try:
            return await exchange(address, HEAD)
        finally:
            await served.wait()


def test_all_that_comes_back(tmp_path: Path) -> None:
    assert asyncio.run(_asked(b"x" * 100_000)) == b"x" * 100_000
    assert asyncio.run(_asked(b"unix", str(tmp_path / "s"))) == b"unix"


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        asyncio.run(exchange(UnixAddress(str(tmp_path / "none")), HEAD))


def test_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_BYTES_MAX", 1_000)
    with pytest.raises(OSError, match="more than 1000 bytes"):
        asyncio.run(_asked(b"x" * 200_000))


def test_nothing_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_S_MAX", 0.01)
    with (
        socket.create_server(("127.0.0.1", 0)) as nobody_accepts,
        pytest.raises(OSError, match="no answer within"),
    ):
        asyncio.run(exchange(TcpAddress("127.0.0.1", nobody_accepts.getsockname()[1]), HEAD))
