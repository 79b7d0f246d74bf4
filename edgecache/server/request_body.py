"""Request body on its way upstream. Law: at most `buffer_bytes_max` of it wait here.

When uploads have half their share of the process's memory, a body is read only as what came of it
is taken; beyond the share those of which nothing has gone out yet are refused (RFC 9110 §15.6.4).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf

from edgecache.http.framing import (
    BODY_BYTES_PER_S_MIN,
    ChunkedReader,
    LengthReader,
    Reader,
    UntilCloseReader,
)
from edgecache.http.message import BadMessage, HeadLimits
from edgecache.rules.viewer.client_shares import ClientShares
from edgecache.store.memory_account import MemoryAccount, MemoryHolding
from edgecache.upstream.faults import Fault, UpstreamError


class RequestBody:
    """A ViewerBody, fed by its connection. What waits here stands in `account`."""

    holding = MemoryHolding.UPLOADS

    def __init__(
        self,
        length: int | None,
        limits: HeadLimits,
        on_first_read: Callable[[], None],
        on_drained: Callable[[], None],
        account: MemoryAccount,
    ) -> None:
        self.length = length
        self._account = account
        self.waiting_bytes = 0
        self._begun_bytes = 0  # read, and kept until there is a connection for them
        self.open_ended = False
        self.refusal_status = 400  # for a viewer whose body turned out to be none
        self._reader: Reader
        self._reader = ChunkedReader(limits) if length is None else LengthReader(length)
        self._pieces: deque[bytes] = deque()
        self._on_first_read: Callable[[], None] | None = on_first_read
        self._on_drained = on_drained
        self._goes_out = False  # some of what was kept so has gone out
        self._broken = False
        self._closed = False
        self._due = 0.0  # 0: nothing has come
        self._waiter: asyncio.Future[None] | None = None

    @property
    def done(self) -> bool:
        """Its end has arrived."""
        return self._reader.done

    @property
    def behind(self) -> bool:
        """More of it is here than was taken in: feed nothing, a turn later, to go on."""
        return self._reader.behind

    @property
    def broken(self) -> bool:
        """It will never be whole, and that is the viewer's doing."""
        return self._broken

    def feed(self, data: bytes) -> bytes:
        """Take in what arrived; gives what comes after the end. BadMessage when malformed."""
        try:
            pieces = self._reader.feed(data)
        except BadMessage as bad:
            self.refusal_status = bad.status
            self.abort()
            raise
        if pieces and not (self._goes_out or self._account.has_room(self.holding)):
            self.refuse(503)
        if pieces and not (self._closed or self._broken):
            piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self._pieces.append(piece)
            self._wait(len(piece))
        self._wake()
        rest, self._reader.rest = self._reader.rest, b""
        return rest

    def holds_enough(self, bytes_max: int) -> bool:
        """Whether no more of it is to be read until what waits here, of `bytes_max`, is taken."""
        return self.waiting_bytes > (0 if self._account.is_short(self.holding) else bytes_max)

    def due(self, now: float, count: float, idle_s: float) -> float:
        """When it is overdue, if nothing more comes: `count` bytes have come now.

        At most `idle_s` from now, and no later than a sender of BODY_BYTES_PER_S_MIN would need.
        """
        earned = max(self._due, now) + count / BODY_BYTES_PER_S_MIN if self._due else inf
        self._due = min(earned, now + idle_s)
        return self._due

    def abort(self) -> None:
        """It will never be whole: whoever reads it is told."""
        self._broken = True
        self._wake()

    def refuse(self, status: int) -> None:
        """It goes no further: whoever reads it is told, and answers so."""
        if not self._broken:
            self.refusal_status = status
        self.abort()

    def overdue(self, now: float, idle_s: float) -> float:
        """It took too long (RFC 9110 §15.5.9), unless upstream is slow to take it; then more."""
        if self.waiting_bytes == 0:
            self.refuse(408)
        return self.due(now, inf, idle_s)

    def require_sound(self) -> None:
        """UpstreamError when it is broken already: nothing of it need go up."""
        if self._broken:
            raise UpstreamError(Fault.TRUNCATED, "request body", sent=False)

    async def read(self) -> bytes:
        while (data := self.read_nowait()) is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return data

    def read_nowait(self) -> bytes | None:
        if self._broken:
            raise UpstreamError(Fault.TRUNCATED, "request body")
        if self._on_first_read is not None:
            begin, self._on_first_read = self._on_first_read, None
            begin()
        if not self._pieces:
            return b"" if self.done else None
        data = self._pieces.popleft()
        self._wait(-len(data))
        self._on_drained()
        return data

    def close(self) -> None:
        self._closed = True  # what still comes is read, to find its end, and dropped
        self._pieces.clear()
        self._wait(-self.waiting_bytes)
        self.hold(-self._begun_bytes)

    def hold(self, size: int) -> None:
        """So many more bytes are kept by who reads it; fewer when negative."""
        if self._closed:
            size = -self._begun_bytes
        self._goes_out = self._goes_out or size < 0
        self._begun_bytes += size
        self._account.add(self.holding, size)

    def _wait(self, size: int) -> None:
        """So many bytes more wait here."""
        self.waiting_bytes += size
        self._account.add(self.holding, size)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class SentBytes(RequestBody):
    """Bytes that a viewer sends through a tunnel, as a body; it ends when the viewer does."""

    holding = MemoryHolding.TUNNELS

    def __init__(
        self, limits: HeadLimits, on_drained: Callable[[], None], account: MemoryAccount
    ) -> None:
        super().__init__(0, limits, _no_invitation, on_drained, account)
        self.length = None
        self.total_bytes = 0
        self._reader = UntilCloseReader()
        self._goes_out = True

    def feed(self, data: bytes) -> bytes:
        self.total_bytes += len(data)
        return super().feed(data)

    def abort(self) -> None:
        """The viewer sends no more; what it has sent is read all the same."""
        self._reader.eof()
        self._wake()


def _no_invitation() -> None: ...


class UploadPlace:
    """The place of one connection's body among the uploads of its client, while it arrives."""

    __slots__ = ("_network", "_shares")

    def __init__(self, shares: ClientShares) -> None:
        self._shares = shares
        self._network: str | None = None

    def begin(self, network: str, each_max: int) -> bool:
        """Take a place; False where the client has as many as it may."""
        taken = self._shares.take(network, each_max)
        if taken:
            self._network = network
        return taken

    def end(self) -> None:
        """The body is all here, or never will be; said again it does nothing."""
        if self._network is not None:
            self._shares.give_back(self._network)
            self._network = None
