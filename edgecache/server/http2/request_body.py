"""Request body of a stream: what its viewer sends, no more of it than its window lets come.

Law: what was let come and is not taken is bounded by `WINDOW_BYTES` until upstream takes the first
of it, then by `buffer_bytes_max`; all bodies of a connection together by `CONNECTION_BYTES`
(RFC 9113 §5.2). A window is opened again as bytes are taken, by halves, and only as far as uploads
have room in the process's memory. A sum other than Content-Length is malformed (§8.1.1).
"""

from __future__ import annotations

from collections.abc import Callable

from edgecache.http.framing import UntilCloseReader
from edgecache.http.message import BadMessage, BadReason, Fields, HeadLimits
from edgecache.server.request_body import RequestBody
from edgecache.store.memory_account import MemoryAccount

CONNECTION_BYTES = 1024 * 1024  # four bodies at their bound: one slow upstream stops no other


class StreamBody(RequestBody):
    """A ViewerBody, fed by its connection; `on_taken` is told how many bytes were taken."""

    def __init__(
        self,
        length: int | None,
        limits: HeadLimits,
        on_first_read: Callable[[], None],
        on_taken: Callable[[int], None],
        account: MemoryAccount,
    ) -> None:
        super().__init__(length, limits, on_first_read, _nobody, account)
        if length is None:
            self._reader = UntilCloseReader()
        self._on_taken = on_taken
        self.is_read = False  # by upstream: more may come
        self.trailers: Fields = ()

    def feed(self, data: bytes) -> bytes:
        """Take in what arrived. BadMessage when it is more than was announced."""
        untaken = self.waiting_bytes
        more = super().feed(data)
        dropped = len(data) - (self.waiting_bytes - untaken)
        if dropped:
            self._on_taken(dropped)
        if more:
            self.abort()
            raise BadMessage(BadReason.LENGTH)
        return b""

    def end(self) -> None:
        """The viewer has said all. BadMessage when that is less than was announced."""
        try:
            self._reader.eof()
        except BadMessage:
            self.abort()
            raise
        self._wake()

    def read_nowait(self) -> bytes | None:
        before = self.waiting_bytes
        data = super().read_nowait()
        self.is_read = True
        if before > self.waiting_bytes:
            self._on_taken(before - self.waiting_bytes)
        return data

    def close(self) -> None:
        untaken = self.waiting_bytes
        super().close()
        if untaken:
            self._on_taken(untaken)


def _nobody() -> None: ...
