"""A viewer that ends TLS behind its request, over a real transport: all it asked for, or a cut."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
import uvloop

from edgecache.server.dev_certificate import development_certificate
from edgecache.server.output_buffer import FINISH_BYTES_MAX, OutputBuffer
from edgecache.store.memory_account import MemoryAccount

BUFFER_BYTES = 16_384  # of the system's, on either side
DEADLINE_S = 20.0


class Answering(asyncio.Protocol):
    """What a viewer's connection does with an answer that it has."""

    def __init__(self, size: int) -> None:
        self.body = bytes(size)
        self.ended, self.lost = asyncio.Event(), asyncio.Event()
        self.account = MemoryAccount(64 << 20)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.outgoing = OutputBuffer(self.transport, self.account, encrypts=True)

    def data_received(self, data: bytes) -> None:
        self.outgoing.write(b"head", self.body)

    def pause_writing(self) -> None:
        self.outgoing.pause()

    def resume_writing(self) -> None:
        self.outgoing.resumed()

    def eof_received(self) -> None:
        self.outgoing.finish(broken=False)
        self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.outgoing.lost()
        self.lost.set()


class Ending:
    """A client that sends its request and its close_notify at once, and reads when told."""

    def __init__(self, context: ssl.SSLContext, link: socket.socket) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out)
        self._link = link

    async def asks(self) -> None:
        loop = asyncio.get_running_loop()
        shaken = False
        while not shaken:
            try:
                self._tls.do_handshake()
                shaken = True
            except ssl.SSLWantReadError:
                await loop.sock_sendall(self._link, self._out.read())
                self._in.write(await loop.sock_recv(self._link, 65_536))
        self._tls.write(b"request")
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.unwrap()  # our close_notify is written; theirs is not here
        await loop.sock_sendall(self._link, self._out.read())

    async def reads(self) -> tuple[int, bool]:
        """How many bytes came, and whether TLS ended cleanly behind them."""
        loop, count = asyncio.get_running_loop(), 0
        while True:
            try:
                part = self._tls.read(65_536)
                if not part:  # so some versions of Python tell a close_notify
                    return count, True
                count += len(part)
            except ssl.SSLWantReadError:
                data = await loop.sock_recv(self._link, 65_536)
                if data:
                    self._in.write(data)
                else:
                    self._in.write_eof()
            except ssl.SSLZeroReturnError:
                return count, True
            except ssl.SSLError as error:  # an SSLEOFError, in newer versions of Python
                if error.reason != "UNEXPECTED_EOF_WHILE_READING":
                    raise
                return count, False


async def answered(folder: Path, size: int) -> tuple[int, bool, int]:
    """What a viewer gets of an answer of `size`, and what the account has in the end."""
    loop = asyncio.get_running_loop()
    pem = str(development_certificate(folder, ["localhost"], datetime.now(UTC)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    trusting = ssl.create_default_context(cafile=str(folder / "tls" / "ca.pem"))
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    trusting.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # which Python 3.11.2 has by default
    near, far = socket.socketpair()
    for one in (near, far):
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    protocol, viewer = Answering(size), Ending(trusting, far)
    accepting = loop.create_task(loop.connect_accepted_socket(lambda: protocol, near, ssl=context))
    await viewer.asks()
    await accepting
    await protocol.ended.wait()
    count, clean = await viewer.reads()
    far.close()
    await protocol.lost.wait()
    return count, clean, protocol.account.total


@pytest.mark.parametrize(("size", "whole"), [(1_000_000, True), (4 * FINISH_BYTES_MAX, False)])
def test_all_that_waits_comes_or_the_end_is_no_clean_one(
    tmp_path: Path, size: int, whole: bool
) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        waited = asyncio.wait_for(answered(tmp_path, size), DEADLINE_S)
        count, clean, left = runner.run(waited)
    assert clean is whole
    assert (count == size + len(b"head")) is whole
    assert left == 0
