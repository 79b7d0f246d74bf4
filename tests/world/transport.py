"""A transport that keeps what was written to it, and fills up when told."""

from __future__ import annotations

import asyncio
import socket
from typing import Any


class FakeTransport(asyncio.Transport):
    """The other end of one connection."""

    def __init__(self, peer: tuple[str, int] = ("192.0.2.1", 40_000)) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False
        self.aborted = False
        self.ended = False  # no more will be written
        self.reading = True
        self.unsent_bytes = 0
        self.unsent_bytes_most = 0
        self._protocol: asyncio.Protocol | None = None  # of a viewer that takes nothing by itself
        self._full = False
        self._high_bytes = 65_536
        self._peer = peer
        self.socket: socket.socket | None = None  # whose queue holds what was sent

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": self._peer, "socket": self.socket}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closed:
            return
        self.written += data
        if self._protocol is not None:
            self.unsent_bytes += len(data)
            self.unsent_bytes_most = max(self.unsent_bytes_most, self.unsent_bytes)
            if self.unsent_bytes > self._high_bytes and not self._full:
                self._full = True
                self._protocol.pause_writing()

    def is_not_read(self, protocol: asyncio.Protocol) -> None:
        """From now on the other end of `protocol`'s connection takes only what `takes` says."""
        self._protocol = protocol

    def takes(self, size: int) -> None:
        """The other end takes so many bytes of those that wait."""
        self.unsent_bytes = max(0, self.unsent_bytes - size)
        if self._full and self.unsent_bytes <= self._high_bytes // 4:
            self._full = False
            assert self._protocol is not None
            self._protocol.resume_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is not None:
            self._high_bytes = high

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes
