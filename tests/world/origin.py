"""An origin held by hand: it hears requests, and answers when the play says so."""

from __future__ import annotations

import asyncio
from collections import deque

from edgecache.http.dates import format_date
from edgecache.http.message import Fields, Response, first_value
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Call, Reply, WholeBody
from tests.world.clock import FakeClock, FakeLoop
from tests.world.wire import Wire, cut


class HeldBody:
    """A body whose pieces the play sends one by one."""

    def __init__(self, length: int | None) -> None:
        self.length = length
        self.closed = False
        self._pieces: deque[bytes] = deque()
        self._error: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def put(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._wake()

    def break_off(self) -> None:
        self._error = UpstreamError(Fault.TRUNCATED, "origin")
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self) -> bytes:
        while (data := self.read_nowait()) is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return data

    def read_nowait(self) -> bytes | None:
        if self._pieces:
            return self._pieces.popleft()
        if self._error is not None:
            raise self._error
        return None

    def close(self) -> None:
        self.closed = True
        self._pieces.clear()


class HeldOrigin:
    """The Upstream of a play. Requests wait in order until answered."""

    def __init__(self, clock: FakeClock, loop: FakeLoop) -> None:
        self.heard: list[Call] = []
        self.body: HeldBody | None = None
        self.mark: int | None = None  # of an inner tier, in whose place it stands
        self._clock = clock
        self._loop = loop
        self.wire = Wire.READY
        self._open: deque[tuple[Call, asyncio.Future[Reply]]] = deque()
        self._unread = 0

    async def fetch(self, call: Call) -> Reply:
        future: asyncio.Future[Reply] = self._loop.create_future()
        self.heard.append(call)
        self._open.append((call, future))
        return await future

    def hears(self, target: str, **fields: str | None) -> Call:
        """The next request not yet looked at is for `target`, with these fields (None: without)."""
        self._loop.settle()
        assert self._unread < len(self.heard), f"the origin heard nothing, not {target}"
        call = self.heard[self._unread]
        self._unread += 1
        assert call.request.target.decode() == target
        for name, value in fields.items():
            key = name.replace("_", "-").encode()
            found = first_value(call.request.fields, key)
            assert found == (None if value is None else value.encode()), f"{name}: {found!r}"
        return call

    @property
    def waits(self) -> bool:
        """Whether a request was not looked at yet."""
        return self._unread < len(self.heard)

    def hears_nothing(self) -> None:
        """No request has come that was not looked at."""
        self._loop.settle()
        assert self._unread == len(self.heard), self.heard[self._unread :]

    def answers(
        self,
        status: int = 200,
        body: str | None = "",
        *,
        cache: str | None = None,
        **fields: str,
    ) -> None:
        """Answer the oldest open request; a body of None is sent by `sends` and `ends`."""
        extra = {} if cache is None else {"cache-control": cache}
        all_fields = {"date": format_date(self._clock.now).decode(), **extra, **fields}
        listed: Fields = tuple(
            (name.replace("_", "-").encode(), value.encode()) for name, value in all_fields.items()
        )
        stated = first_value(listed, b"content-length")
        held = HeldBody(int(stated) if stated is not None else None)
        self.body = held
        head = Response(status, b"", listed, self._clock.now, self._clock.now)
        reply = Reply(head, held, mark=self.mark)
        if body is not None:
            data = body.encode()
            held.length = len(data) if stated is None else held.length
            if self.wire is Wire.TOGETHER and held.length == len(data):
                reply.body = WholeBody(data)
            self._comes(held, data, self._next_open(), reply)
        else:
            self._next_open().set_result(reply)
        self._loop.settle()

    def _comes(
        self, held: HeldBody, data: bytes, asked: asyncio.Future[Reply], reply: Reply
    ) -> None:
        """A response with all of its body, cut as the wire cuts."""
        if self.wire in (Wire.TOGETHER, Wire.READY):
            for piece in cut(self.wire, data):
                held.put(piece)
            asked.set_result(reply)
            return
        asked.set_result(reply)
        self._loop.settle()
        if self.wire is Wire.LATE:
            self._loop.awaited.append(lambda: self._brings(held, data))
        else:
            self._brings(held, data)

    def _brings(self, held: HeldBody, data: bytes) -> None:
        for piece in cut(self.wire, data):
            held.put(piece)
            self._loop.settle()

    def delays(self, count: int) -> None:
        """Let the oldest open requests, so many, wait for those that came after them."""
        self._loop.settle()
        for _ in range(count):
            call = self._open.popleft()
            self._open.append(call)

    def interim(self, status: int, **fields: str) -> None:
        """Send a 1xx response to the oldest open request, which stays open."""
        self._loop.settle()
        call = next(call for call, future in self._open if not future.done())
        listed = tuple((name.replace("_", "-").encode(), v.encode()) for name, v in fields.items())
        if call.on_interim is not None:
            call.on_interim(Response(status, b"", listed, self._clock.now, self._clock.now))
        self._loop.settle()

    def fails(self, fault: Fault = Fault.REFUSED) -> None:
        """Fail the oldest open request."""
        self._next_open().set_exception(UpstreamError(fault, "origin"))
        self._loop.settle()

    def sends(self, piece: str) -> None:
        assert self.body is not None
        self.body.put(piece.encode())
        self._loop.settle()

    def ends(self) -> None:
        assert self.body is not None
        self.body.put(b"")
        self._loop.settle()

    def breaks(self) -> None:
        assert self.body is not None
        self.body.break_off()
        self._loop.settle()

    def _next_open(self) -> asyncio.Future[Reply]:
        self._loop.settle()
        while self._open:
            _, future = self._open.popleft()
            if not future.done():
                return future
        raise AssertionError("the origin has no open request to answer")
