"""Server-sent events of the installation's state: made once a second, for all open pages.

Law: a page has one state at most that waits for it. One that reads slowly misses those between, one
that does not read at all is closed; nobody else notices, and what is made is made once. Nothing is
made while no page is open.

HTML, "Server-sent events"; a stream is resumed by `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

STREAMS_MAX = 32  # pages; each has some 100 KiB that a transport may hold
RETRY_MS = 2_000
BEAT_S = 5.0
WRITE_S_MAX = 30.0  # for one event: who has not read so much by then is gone
BUSY = {"retry-after": "5"}
HEADERS = {
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "x-accel-buffering": "no",  # nginx's word
    "x-content-type-options": "nosniff",
}

Event = bytes


def encode_event(kind: str, data: bytes, id: str = "") -> Event:
    """An event; `data` has no line feed."""
    head = f"event: {kind}\n" + (f"id: {id}\n" if id else "")
    return head.encode() + b"data: " + data + b"\n\n"


class EventPublisher:
    """The newest event, and who waits for it."""

    def __init__(self) -> None:
        self.streams = 0
        self.is_closed = False
        self.newest: Event = b""
        self.number = 0
        self._news = asyncio.Event()

    def publish(self, event: Event) -> None:
        """Let all streams have an event in the place of those that they did not take."""
        self.newest = event
        self.number += 1
        news, self._news = self._news, asyncio.Event()
        news.set()

    def close(self) -> None:
        """End all streams: pages come back to the process that follows, or to this one anew."""
        self.is_closed = True
        self.publish(b"")

    async def after(self, number: int, wait_s: float) -> tuple[int, Event]:
        """The newest event and its number, once that is beyond `number`; none of it in time:
        `number` again.
        """
        if self.number <= number and not self.is_closed:  # who comes late has nothing to wait for
            news = self._news
            try:
                async with asyncio.timeout(wait_s):
                    await news.wait()
            except TimeoutError:
                return number, b""
        return self.number, self.newest

    @property
    def size_bytes(self) -> int:
        """What waits for streams at most, and the newest itself."""
        return len(self.newest) * (1 + self.streams)


@dataclass
class EventStream(Response):
    """A response of events that ends when its reader leaves, or `why_over` says why it is over.

    `first` is sent at the beginning. HTTPException 503 where STREAMS_MAX are open.
    """

    publisher: EventPublisher
    first: Callable[[], Awaitable[Event]]
    why_over: Callable[[], str] = lambda: ""
    encode_end: Callable[[str], Event] = lambda why: b""
    background: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        super().__init__(headers=HEADERS, media_type="text/event-stream")
        del self.headers["content-length"]
        if self.publisher.streams >= STREAMS_MAX:
            raise HTTPException(503, f"{STREAMS_MAX} pages are open already", BUSY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.publisher.streams += 1
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
            else:
                await self._until_either_ends(receive, send)
        finally:
            self.publisher.streams -= 1

    async def _until_either_ends(self, receive: Receive, send: Send) -> None:
        ends = {asyncio.ensure_future(_leave(receive)), asyncio.ensure_future(self._write(send))}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _write(self, send: Send) -> None:
        number = self.publisher.number
        await _send(send, f"retry: {RETRY_MS}\n\n".encode() + await self.first())
        while not (why := self.why_over()):
            number, event = await self.publisher.after(number, BEAT_S)
            if self.publisher.is_closed:
                await _send(send, b"", more=False)
                return
            await _send(send, event or b": beat\n\n")
        await _send(send, self.encode_end(why), more=False)


async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
    async with asyncio.timeout(WRITE_S_MAX):
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _leave(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
