"""An origin's side of one connection: bytes of requests in, bytes of scripted answers out.

Law: it reads no clock and no socket; the two ways to be asked, in memory and on a port, share it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from edgecache.http.framing import ChunkedReader, LengthReader, Reader
from edgecache.http.head import keeps_alive, parse_request_head, response_head
from edgecache.http.message import BadMessage, BadReason, HeadLimits, Request, field_values
from edgecache.testing.scripted_origin import OriginAnswer, ScriptedOrigin

LIMITS = HeadLimits(65_536, 16_384, 200)  # beyond what edgecache sends
UPLOAD_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class OriginReply:
    """What goes out, after so many seconds; `closes`: the connection ends with it."""

    delay_s: float
    data: bytes
    closes: bool


class OriginConversation:
    """Requests and answers of one connection, in their order."""

    def __init__(self, origin: ScriptedOrigin) -> None:
        self._origin = origin
        self._held = b""
        self._head: Request | None = None
        self._reader: Reader
        self._body: list[bytes] = []
        self._body_bytes = 0

    def feed(self, data: bytes) -> Iterator[OriginReply]:
        """The replies to what has come whole with these bytes."""
        self._held += data
        try:
            while self._take():
                assert self._head is not None
                body, head = b"".join(self._body), self._head
                self._head, self._body, self._body_bytes = None, [], 0
                yield reply_bytes(head, self._origin.answer_to(head, body))
        except BadMessage as bad:
            yield OriginReply(
                0.0, response_head(bad.status, b"", ((b"x-reason", bad.why.encode()),)), True
            )

    def _take(self) -> bool:
        """Whether a request is whole."""
        if self._head is None:
            end = self._held.find(b"\r\n\r\n") + 4
            if end == 3:
                if len(self._held) > LIMITS.head_bytes_max:
                    raise BadMessage(BadReason.HEAD_TOO_BIG, 431)
                return False
            head, self._held = self._held[:end], self._held[end:]
            self._head = parse_request_head(head, LIMITS)
            length = self._head.length
            self._reader = ChunkedReader(LIMITS) if length is None else LengthReader(length)
        data, self._held = self._held, b""
        self._keep(self._reader.feed(data))
        while self._reader.behind:
            self._keep(self._reader.feed(b""))
        if self._reader.done:
            self._held = self._reader.rest
        return self._reader.done

    def _keep(self, pieces: list[bytes]) -> None:
        self._body += pieces
        self._body_bytes += sum(map(len, pieces))
        if self._body_bytes > UPLOAD_BYTES_MAX:
            raise BadMessage(BadReason.LENGTH, 413)


def reply_bytes(head: Request, answer: OriginAnswer) -> OriginReply:
    """An answer to a request as it goes on the wire."""
    body = answer.body or b""
    bodiless = answer.status in (204, 304)
    fields = answer.fields if bodiless else (*answer.fields, (b"content-length", b"%d" % len(body)))
    sent = b"" if bodiless or head.method == b"HEAD" else body[: answer.cut]
    options = field_values(head.fields, b"connection")
    alive = keeps_alive(head.minor, [(b"connection", value) for value in options])
    closes = answer.cut is not None or not alive
    data = response_head(answer.status, b"", fields) + sent
    return OriginReply(answer.delay_s, data, closes)


class MemoryOrigin(asyncio.Protocol):
    """An origin at the other end of a connection in memory."""

    def __init__(self, origin: ScriptedOrigin) -> None:
        self._conversation = OriginConversation(origin)
        self._origin = origin
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._timers: set[asyncio.TimerHandle] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._origin.at_change.add(self._changed)

    def _changed(self) -> None:
        if self._origin.is_down:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        for reply in self._conversation.feed(data):
            if reply.delay_s:
                self._send_later(reply)
            else:
                self._send(reply)

    def _send_later(self, reply: OriginReply) -> None:
        """A client that pipelines would get its answers out of order; ours never does."""

        def send() -> None:
            self._timers.discard(timer)
            self._send(reply)

        timer = self._loop.call_later(reply.delay_s, send)
        self._timers.add(timer)

    def _send(self, reply: OriginReply) -> None:
        self._transport.write(reply.data)
        if reply.closes:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._origin.at_change.discard(self._changed)
        for timer in self._timers:
            timer.cancel()
