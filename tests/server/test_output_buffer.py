"""What goes out to one viewer: what waits for it stands in the account, whenever it was written."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from edgecache.server.output_buffer import (
    SMALL_BODY_BYTES,
    STEP_BYTES,
    OutputBuffer,
    untaken_bytes,
)
from edgecache.store.memory_account import LARGE_BYTES, MemoryAccount, MemoryHolding
from tests.world.transport import FakeTransport


class Viewer(asyncio.Protocol):
    """A viewer that takes what it is told to."""

    def __init__(self, *, encrypts: bool) -> None:
        self.account = MemoryAccount(1 << 30)
        self.transport = FakeTransport()
        self.outgoing = OutputBuffer(self.transport, self.account, encrypts=encrypts)
        self.transport.is_not_read(self)

    def pause_writing(self) -> None:
        self.outgoing.pause()

    def resume_writing(self) -> None:
        self.outgoing.resumed()


@pytest.mark.parametrize("before", [0, STEP_BYTES - SMALL_BODY_BYTES, STEP_BYTES])
@pytest.mark.parametrize("encrypts", [False, True])
def test_a_large_body_that_waits_is_counted_whatever_was_written_before(
    before: int, encrypts: bool
) -> None:
    viewer = Viewer(encrypts=encrypts)
    body = bytes(bytearray(4 * LARGE_BYTES))
    for _ in range(before // SMALL_BODY_BYTES):
        viewer.outgoing.write(b"", bytes(SMALL_BODY_BYTES))
    viewer.outgoing.write(b"HTTP/1.1 200 OK\r\n\r\n", body)
    assert viewer.outgoing.paused
    assert viewer.account.held[MemoryHolding.SENT] == len(body)
    while viewer.outgoing.paused:
        viewer.transport.takes(STEP_BYTES)
    assert viewer.transport.written.endswith(body)
    viewer.account.check()


@pytest.mark.skipif(sys.platform != "linux", reason="SIOCOUTQ is Linux's")
def test_what_the_kernel_has_not_sent_is_untaken() -> None:
    """A transport sees none of what its peer takes until a third of the kernel's queue is free."""

    async def scene() -> None:
        arrived: asyncio.Future[asyncio.WriteTransport] = asyncio.get_running_loop().create_future()

        class Server(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.WriteTransport)
                arrived.set_result(transport)

        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        with socket.create_connection(address) as viewer:
            transport = await arrived
            transport.write(bytes(16 * 1024 * 1024))
            waiting, untaken = transport.get_write_buffer_size(), untaken_bytes(transport)
            assert untaken > waiting > 0
            taken = 0
            while taken < 300_000:
                taken += len(viewer.recv(65_536))
            assert transport.get_write_buffer_size() == waiting
            assert untaken - untaken_bytes(transport) > 100_000
            transport.abort()
        server.close()
        await server.wait_closed()
        transport.get_extra_info("socket")._sock.close()
        assert untaken_bytes(transport) == 0

    asyncio.run(scene())
