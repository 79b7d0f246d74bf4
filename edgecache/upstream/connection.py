"""One HTTP/1.1 connection to an upstream.

Law: one exchange at a time, and reuse only after a clean end.

RFC 9112 §9. The protocol class reads heads and bodies as bytes arrive; nothing runs beside it. A
response that comes in one segment is whole when `ask` returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import cast

from msgspec.structs import replace

from edgecache.http.framing import (
    Chunked,
    Length,
    Reader,
    UntilCloseReader,
    known_length,
    outlasts,
    reader_for,
    response_framing,
)
from edgecache.http.head import keeps_alive, parse_response_head
from edgecache.http.message import EARLY_HINTS, BadMessage, BadReason, HeadLimits, Response, without
from edgecache.rules.viewer.access import upgrades
from edgecache.upstream.endpoint import Endpoint, WireRequest
from edgecache.upstream.exchange import ConnectionOwner, Deadline, Exchange, keep_alive_s
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Reply, WholeBody
from edgecache.upstream.request_body import send_until_answered, upload
from edgecache.upstream.response import ResponseBody, ResponseHeads
from edgecache.upstream.tunnel import OpenTunnel

INTERIMS_MAX = 16  # curl stops at 10 or so; each costs a head of at most 32 KiB


class UpstreamConnection(asyncio.Protocol):
    """An HTTP/1.1 client connection. `clock` gives epoch seconds."""

    def __init__(
        self,
        endpoint: Endpoint,
        owner: ConnectionOwner,
        limits: HeadLimits,
        clock: Callable[[], float],
    ) -> None:
        self.endpoint = endpoint
        self.asked = 0  # exchanges begun
        self.heard = False  # a byte of the present exchange's response came
        self.closed = False
        self.opened_at = 0.0  # epoch seconds, for the pool
        self.server_name = ""  # that it was asked for by TLS, the endpoint's own when empty
        self._owner = owner
        self._idle_s = endpoint.idle_s
        self._limits = limits
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._exchange: Exchange | None = None
        self._heads = ResponseHeads(limits)
        self.paused_at: float | None = None  # while nobody reads its answer, by the loop's clock
        self._waits_turn = False  # what was read is taken in further in a later turn of the loop
        self._drained: asyncio.Future[None] | None = None
        self._deadline = Deadline(self._loop, self.late)

    # For the pool.

    @property
    def usable(self) -> bool:
        """At rest and open, as far as we know."""
        return self._exchange is None and not self.closed and not self._transport.is_closing()

    async def ask(self, outgoing: WireRequest) -> Reply:
        """The final response; its body may still be arriving. UpstreamError when there is none."""
        if not self.usable:
            raise UpstreamError(Fault.CLOSED, self.endpoint.where, sent=False)
        exchange = Exchange(outgoing, self._loop.create_future(), self._clock())
        self._exchange = exchange
        self.asked += 1
        self.heard = False
        self._deadline.put(outgoing.timeouts.response_s)
        self._transport.write(outgoing.sent_head())
        try:
            if outgoing.body is not None:
                await send_until_answered(self._send_body(exchange), exchange.arrived)
            else:
                exchange.uploaded = True
            return await exchange.arrived
        except BaseException:  # cancelled, or the body to send failed: nobody reads the response
            if self._exchange is exchange:
                self.abandon()
            raise

    def begin(self, exchange: Exchange, head: bytes) -> None:
        """Send the head of a request; the connection is usable."""
        self._exchange = exchange
        self.asked += 1
        self.heard = False
        self._deadline.put(exchange.outgoing.timeouts.response_s)
        self._transport.write(head)

    async def answer_of(self, exchange: Exchange) -> Reply:
        """As `ask`, of what was sent by `begin` and handed over."""
        try:
            return await exchange.arrived
        except BaseException:
            if self._exchange is exchange:
                self.abandon()
            raise

    def conclude(self, exchange: Exchange) -> None:
        """The whole answer of an exchange that began by `begin` was taken at once."""
        self._exchange = None
        self._part(exchange)

    async def _send_body(self, exchange: Exchange) -> None:
        assert exchange.outgoing.body is not None
        await upload(exchange.outgoing.body, self)
        exchange.uploaded = True

    def break_off(self) -> None:
        """End an answer that nobody reads: others need the connection."""
        if self._exchange is not None:
            self._fail(Fault.TRUNCATED)

    def rest(self, seconds: float) -> None:
        """Close it once it was at rest for so long, if not before."""
        self._deadline.put(min(self._idle_s, seconds))

    def close(self) -> None:
        """Close in order when at rest, else break off."""
        if self._exchange is None:
            self._transport.close()
        else:
            self._transport.abort()

    # For the body that goes out.

    def write(self, data: bytes) -> None:
        if not self.closed:
            self._transport.write(data)

    async def writable(self) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.reader is None:
            self._deadline.put(exchange.outgoing.timeouts.response_s)
        if self._drained is not None:
            await self._drained

    def expect_upload(self, waiting: bool) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.reader is None:
            self._deadline.put(inf if waiting else exchange.outgoing.timeouts.response_s)

    # For the body that comes in.

    def pause(self) -> None:
        if not self._transport.is_closing():
            self.paused_at = self._loop.time()
            self._transport.pause_reading()
            self._deadline.put(inf)

    def resume(self) -> None:
        if self.paused_at is not None and not self._transport.is_closing():
            self.paused_at = None
            exchange = self._exchange
            if exchange is None or exchange.reader is None or not exchange.reader.behind:
                self._transport.resume_reading()
            elif not self._waits_turn:
                self._wait_turn(exchange)
            if exchange is not None:
                self._deadline.put(exchange.read_s)

    def abandon(self) -> None:
        self._exchange = None
        self._deadline.drop()
        self._transport.abort()

    # For the tunnel this connection has become.

    def end_writing(self) -> None:
        if self.closed or self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self.hang_up()  # TLS has no half-close

    def hang_up(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None and exchange.body is not None:
            exchange.body.end()
        self._deadline.drop()
        self._transport.close()

    # For the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self._transport.abort()  # nobody asked: it would be taken for the next answer
            return
        self.heard = True
        if exchange.planned is not None:
            if exchange.planned.take(exchange, data):
                return
            exchange.hand_over()
        try:
            if exchange.reader is None:
                self._read_heads(exchange, data)
            else:
                self._read_body(exchange, exchange.reader, data)
        except BadMessage as bad:
            too_big = bad.why in (BadReason.HEAD_TOO_BIG, BadReason.FIELDS_TOO_MANY)
            self._fail(Fault.HEAD_TOO_BIG if too_big else Fault.MALFORMED)

    def eof_received(self) -> bool:
        """Whether our side stays open: only a tunnel's does."""
        exchange = self._exchange
        if exchange is not None and isinstance(exchange.body, OpenTunnel):
            exchange.body.end()
            return self._transport.can_write_eof()
        self._end_of_body(exchange)
        return False

    def _end_of_body(self, exchange: Exchange | None) -> None:
        if exchange is None:
            return
        if exchange.reader is None:
            self._fail(Fault.CLOSED)
            return
        try:
            exchange.read_to_end()
        except BadMessage:
            self._fail(Fault.TRUNCATED)
        else:
            self._finish(exchange, exchange.reader)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._deadline.drop()
        self.resume_writing()
        if self._exchange is not None:
            # Without an end of file before it this is a reset: even a body until close is cut.
            self._fail(Fault.CLOSED if self._exchange.reader is None else Fault.TRUNCATED)
        self._owner.gone(self)

    # Reading.

    def _read_heads(self, exchange: Exchange, data: bytes) -> None:
        while (parts := self._heads.feed(data)) is not None:
            head, data = parts
            response, minor = parse_response_head(
                head, self._limits, exchange.requested_at, self._clock()
            )
            if response.status == 101 and exchange.outgoing.upgrade:
                self._begin_tunnel(exchange, response, data)
                return
            if response.status >= 200:
                self._begin_body(exchange, response, minor, data)
                return
            self._interim(exchange, response)
            if not data:
                return

    def _interim(self, exchange: Exchange, response: Response) -> None:
        exchange.interims += 1
        if response.status == 101 or exchange.interims > INTERIMS_MAX:
            raise BadMessage(BadReason.STATUS_LINE, 502)  # nobody asked for an upgrade
        on_interim = exchange.outgoing.on_interim
        if response.status == EARLY_HINTS and on_interim is not None:
            on_interim(response)

    def _begin_tunnel(self, exchange: Exchange, response: Response, data: bytes) -> None:
        """The time a tunnel may be idle is for whoever sees both its directions."""
        if not upgrades(response.fields):
            raise BadMessage(BadReason.STATUS_LINE, 502)
        exchange.read_s = inf
        self._deadline.put(inf)
        tunnel = OpenTunnel(self)
        exchange.body, exchange.reader = tunnel, UntilCloseReader()
        self._read_body(exchange, exchange.reader, data)
        exchange.arrived.set_result(Reply(response, tunnel))

    def _begin_body(self, exchange: Exchange, response: Response, minor: int, data: bytes) -> None:
        fields = response.fields
        if self.asked == 1:  # it says the same of each exchange
            self._idle_s = keep_alive_s(fields, self._idle_s)
        framing = response_framing(response.status, exchange.outgoing.method, fields, minor)
        if isinstance(framing, Length) and framing.length == len(data):
            exchange.reusable = keeps_alive(minor, fields)
            self._exchange = None
            self._part(exchange)
            if not exchange.arrived.done():
                exchange.arrived.set_result(Reply(response, WholeBody(data)))
            return
        exchange.reusable = keeps_alive(minor, fields) and outlasts(framing)
        if isinstance(framing, Chunked) and framing.must_close:
            response = replace(response, fields=without(fields, (b"content-length",)))
        body = ResponseBody(known_length(framing), self)
        reader = reader_for(framing, self._limits)
        exchange.body, exchange.reader = body, reader
        self._deadline.put(exchange.read_s)
        self._read_body(exchange, reader, data)
        if not exchange.arrived.done():
            exchange.arrived.set_result(Reply(response, body))

    def _read_body(self, exchange: Exchange, reader: Reader, data: bytes) -> None:
        exchange.read(data)
        if reader.done:
            self._finish(exchange, reader)
        elif reader.behind:
            self._wait_turn(exchange)
        elif self.paused_at is None:
            self._deadline.earn(exchange.earned_s(len(data)), exchange.read_s)

    def _wait_turn(self, exchange: Exchange) -> None:
        """The rest of a read full of tiny chunks is taken in when others have had their turn."""
        self._waits_turn = True
        self._transport.pause_reading()
        self._owner.turns.wait(self._loop, lambda: self._take_turn(exchange))

    def _take_turn(self, exchange: Exchange) -> None:
        self._waits_turn = False
        if self._exchange is exchange and self.paused_at is None:  # else broken off, or enough
            self.data_received(b"")
            if not (self._waits_turn or self.paused_at or self._transport.is_closing()):
                self._transport.resume_reading()

    def _finish(self, exchange: Exchange, reader: Reader) -> None:
        """The body is whole: give the connection back, or close it."""
        assert exchange.body is not None
        self._exchange = None
        self.resume()
        exchange.body.end()
        if exchange.outgoing.record is not None:
            exchange.outgoing.record.ended_at = self._clock()
        exchange.reusable = exchange.reusable and not reader.rest
        self._part(exchange)

    def _part(self, exchange: Exchange) -> None:
        """The exchange is over: be ready for the next one, or close."""
        if not exchange.uploaded:
            self._transport.abort()  # the rest of the request will not come
        elif exchange.reusable and self._idle_s and not self._transport.is_closing():
            self._deadline.put(self._idle_s)
            self._owner.released(self)
        else:
            self._transport.close()

    def _fail(self, fault: Fault) -> None:
        exchange, self._exchange = self._exchange, None
        assert exchange is not None
        exchange.hand_over()
        error = UpstreamError(fault, self.endpoint.where, heard=self.heard)
        if exchange.body is not None:
            exchange.body.end(error)
        if not exchange.arrived.done():
            exchange.arrived.set_exception(error)
            exchange.arrived.exception()  # marks it seen, should its waiter be cancelled meanwhile
        self._transport.abort()

    def late(self) -> None:
        """The time it had is over."""
        if self._exchange is not None:
            self._fail(Fault.RESPONSE_TIMEOUT)
        else:
            self._transport.close()
