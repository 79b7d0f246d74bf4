"""A question to a process of ours: over sockets of both kinds, bounded in time and bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from edgecache.cluster import client as module
from edgecache.cluster.client import ControlQuestion, exchange, put_question
from edgecache.cluster.control_access import ControlAccess
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


def test_of_several_controls_the_first_in_reach_is_asked(tmp_path: Path) -> None:
    async def asked() -> tuple[int, list[bytes]]:
        heard = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.readline())
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            writer.close()

        gone = socket.create_server(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{gone.getsockname()[1]}"
        gone.close()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            control = ControlAccess(nobody, others=(nobody, url, nobody))
            answer = await put_question(control, ControlQuestion("/health"))
            with pytest.raises(OSError, match="refused"):
                await put_question(ControlAccess(nobody, others=(nobody,)), ControlQuestion("/"))
        return answer.status, heard

    assert asyncio.run(asked()) == (200, [b"GET /health HTTP/1.1\r\n"])


def test_what_one_control_may_have_done_is_asked_of_no_other() -> None:
    async def asked() -> int:
        heard = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal heard
            await reader.readline()
            heard += 1
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            with pytest.raises(OSError, match=r"\w"):
                await put_question(ControlAccess(url, others=(url,)), ControlQuestion("/", "POST"))
        return heard

    assert asyncio.run(asked()) == 1
