"""What goes to an origin waits for windows and for the transport, and not for ever."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from edgecache.http.http2.frames import DATA, END_STREAM, FrameReader
from edgecache.upstream.http2.frame_sender import UNREAD_BYTES_MAX, FrameSender, SendWindow
from tests.upstream.loopback import turn


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.reader = FrameReader()
        self.unread = 0
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.reader.add(bytes(data))

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return self.unread

    def abort(self) -> None:
        self.aborted = True

    def sizes(self) -> list[tuple[int, bool]]:
        """Of each DATA frame since the last look: its size, and whether it ends the stream."""
        found = []
        while (frame := self.reader.next()) is not None:
            assert frame.kind == DATA
            found.append((frame.size, frame.flags == END_STREAM))
        return found


def run(main: Any) -> None:
    async def with_sender() -> None:
        wire = Wire()
        sender = FrameSender(cast(asyncio.Transport, wire), asyncio.get_running_loop())
        await main(wire, sender)

    asyncio.run(with_sender())


async def turns() -> None:
    for _ in range(3):
        await turn()


def test_data_is_cut_by_windows_and_the_largest_frame() -> None:
    async def main(wire: Wire, sender: FrameSender) -> None:
        window = SendWindow(1, 40_000, ended=False)
        sending = asyncio.create_task(sender.send_data(window, b"a" * 50_000, ends=True))
        await turns()
        assert wire.sizes() == [(16_384, False), (16_384, False), (7_232, False)]
        window.left += 10_000
        window.wake()
        await sending
        assert wire.sizes() == [(10_000, True)]
        assert (window.ended, window.left, sender.window) == (True, 0, 65_535 - 50_000)

    run(main)


def test_an_end_needs_no_window() -> None:
    async def main(wire: Wire, sender: FrameSender) -> None:
        window = SendWindow(1, 0, ended=False)
        await sender.send_data(window, b"", ends=True)
        assert wire.sizes() == [(0, True)]

    run(main)


def test_a_window_below_zero_sends_nothing() -> None:
    """SETTINGS may make it so (RFC 9113 §6.9.2)."""

    async def main(wire: Wire, sender: FrameSender) -> None:
        window = SendWindow(1, -5, ended=False)
        sending = asyncio.create_task(sender.send_data(window, b"abc", ends=False))
        await turns()
        assert wire.sizes() == []
        window.stop()
        await sending
        assert wire.sizes() == []

    run(main)


def test_who_reads_nothing_is_waited_for_and_then_let_go() -> None:
    async def main(wire: Wire, sender: FrameSender) -> None:
        sender.pause()
        window = SendWindow(1, 100, ended=False)
        sending = asyncio.create_task(sender.send_data(window, b"abc", ends=False))
        await turns()
        assert wire.sizes() == []
        sender.resume()
        await sending
        assert wire.sizes() == [(3, False)]
        sender.pause()
        wire.unread = UNREAD_BYTES_MAX + 1
        sender.write(b"")
        assert wire.aborted

    run(main)
