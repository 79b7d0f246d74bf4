"""What goes out to one viewer: what waits for it stands in the account, whenever it was written."""

from __future__ import annotations

import asyncio

import pytest

from edgecache.server.output_buffer import SMALL_BODY_BYTES, STEP_BYTES, OutputBuffer
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
