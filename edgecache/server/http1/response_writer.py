"""Deliveries: an outcome becomes bytes on one connection. Law: a broken body is an aborted socket.

A response whose body breaks off must not look whole (RFC 9112 §8): the connection is reset.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

from msgspec.structs import replace

from edgecache.cache.fill import FillBody
from edgecache.cache.frontend import ViewerFrontend
from edgecache.cache.outcome import CacheResult, Errand, Outcome, Refusal
from edgecache.http.head import LAST_CHUNK, chunk, keeps_alive, response_head
from edgecache.http.message import Fields, Request, Response, end_to_end
from edgecache.rules.reasons import MissReason
from edgecache.rules.viewer.access import UPGRADED
from edgecache.server.error_response import CLOSING
from edgecache.server.http1.websocket import relay
from edgecache.server.listener import FAILED
from edgecache.server.rendered_hit import RenderedHit
from edgecache.server.request_log import RequestOutcome, RequestSummary
from edgecache.store.memory_account import BEHIND_BYTES, MemoryHolding
from edgecache.upstream.interface import Body, Fault, UpstreamError
from edgecache.upstream.tunnel import Tunnel

if TYPE_CHECKING:
    from edgecache.server.http1.connection import ViewerConnection
    from edgecache.server.http1.request_body import RequestBody

logger = logging.getLogger("edgecache.server")

FAULT_DETAILS = {
    Fault.REFUSED: "OriginConnectError",
    Fault.CONNECT_TIMEOUT: "OriginConnectError",
    Fault.NAME: "OriginDnsError",
    Fault.FORBIDDEN: "OriginAddressForbidden",
    Fault.TLS: "OriginConnectError",
    Fault.MALFORMED: "OriginInvalidResponseError",
    Fault.HEAD_TOO_BIG: "OriginHeaderTooBigError",
    Fault.TOO_BIG: "OriginError",
    Fault.BUSY: "CapacityExceeded",
    Fault.OPEN: "OriginCircuitOpen",
}


def stays(request: Request) -> bool:
    """Whether its viewer wants the connection kept (RFC 9112 §9.3)."""
    return keeps_alive(request.minor, request.fields)


class ResponseWriter:
    """One request's way out: a reply on `connection`, counted and recorded once."""

    def __init__(
        self, connection: ViewerConnection, request: Request | None, asked: RequestSummary
    ) -> None:
        self._connection = connection
        self._listener = connection.listener
        self._request = request
        self._asked = asked
        self._minor = 1 if request is None else request.minor
        self._stays = request is None or stays(request)
        self._began = connection.began
        self._id = self._listener.ids.next()
        self._first_byte_s = 0.0
        self.streams = False  # what was written so far is a part of a body
        self.sent_bytes = 0
        self.seen_bytes = 0  # of these, when an overdue connection was looked at

    async def run(self, errand: Errand, body: RequestBody | None) -> None:
        """Do the errand and send what came of it, or the page that says why nothing did."""
        listener = self._listener
        try:
            errand = errand.identified(self._id)
            if body is not None:
                body.require_sound()
            outcome = await self._done(errand, body)
        except UpstreamError as error:
            if body is not None and body.broken:
                self._refuse_body(body.refusal_status)
                return
            detail = FAULT_DETAILS.get(error.fault, "OriginCommError")
            why = "The origin gave no usable response."
            refusal = Refusal(error.status, why, detail, tried=errand.why)
            self.send_refusal(refusal, listener.clock(), errand)
            return
        except asyncio.CancelledError:
            self._tell(RequestOutcome(0, CacheResult.ERROR, 0, detail="ClientHungUpRequest"))
            raise
        except Exception:
            logger.exception("a request failed inside the cache")
            self._connection.closing = True
            self.send_refusal(FAILED, listener.clock())
            return
        finally:
            if body is not None:
                body.close()
        try:
            await self._send(outcome, errand)
        except Exception:
            logger.exception("an answer failed on its way out")
            self._abort()

    def _abort(self) -> None:
        """What was sent must not look whole, nor anything else follow it."""
        self._connection.closing = True
        self._connection.transport.abort()

    async def _done(self, errand: Errand, body: RequestBody | None) -> Outcome:
        """What comes of the errand, unless as many as may are under way."""
        connections = self._listener.connections
        if connections.errands >= self._listener.limits.errands_max:
            raise UpstreamError(Fault.BUSY, "requests under way", sent=False)
        account = self._listener.account
        if not account.admits or (body is not None and not account.has_room(MemoryHolding.UPLOADS)):
            raise UpstreamError(Fault.BUSY, "memory", sent=False)
        if errand.why is MissReason.UPGRADE and not account.has_room(MemoryHolding.TUNNELS):
            raise UpstreamError(Fault.BUSY, "memory", sent=False)
        connections.errands += 1
        try:
            return await self._listener.front.run(errand, body, self._pass_on)
        finally:
            connections.errands -= 1

    def _refuse_body(self, status: int) -> None:
        """The viewer's body is at fault, or what uploads may hold; not the origin."""
        self._connection.closing = True
        refusal = Refusal(status, "Bad request.", "ClientCommError", close=True)
        if status == 503:
            refusal = Refusal(503, "Too many uploads at once.", "CapacityExceeded", close=True)
        self.send_refusal(refusal, self._listener.clock())

    def _pass_on(self, interim: Response) -> None:
        """An interim response goes on to a viewer that can tell it apart (RFC 9110 §15.2)."""
        if self._minor == 1 and not self.sent_bytes:
            fields = end_to_end(interim.fields)
            self._connection.outgoing.write(
                response_head(interim.status, interim.reason, fields), b""
            )

    def _dressed(self, outcome: Outcome, errand: Errand | None) -> Fields:
        if errand is None:
            return self._listener.front.dressed(outcome, self._id, None, 0.0)
        took_s = 0.0
        if errand.route.behavior.response_headers_policy is not None:  # it may want Server-Timing
            took_s = self._listener.clock() - self._began
        return self._listener.front.dressed(
            outcome, self._id, (errand.request, errand.route), took_s
        )

    async def _send(self, outcome: Outcome, errand: Errand) -> None:
        told = RequestOutcome(outcome.status, outcome.result, 0, (), outcome.trace.detail)
        try:
            fields = told.fields = self._dressed(outcome, errand)
            if outcome.status == 101:
                await self._tunnel(fields, cast(Tunnel, outcome.body))
            elif isinstance(outcome.body, bytes | memoryview) or outcome.body is None:
                self._write_whole(outcome, fields, outcome.body or b"")
                await self._connection.outgoing.drained()
            else:
                await self._stream(outcome, fields, outcome.body)
        except UpstreamError:
            told.result, told.detail = CacheResult.ERROR, "AbortedOrigin"
            self._abort()
        except asyncio.CancelledError:
            if outcome.status != 101:  # leaving is how a tunnel ends
                told.result, told.detail = CacheResult.ERROR, "ClientCommError"
            raise
        finally:
            told.bytes_out = self.sent_bytes
            told.first_byte_s = self._first_byte_s
            if outcome.body is not None and not isinstance(outcome.body, bytes | memoryview):
                outcome.body.close()
            self._tell(told)

    async def _tunnel(self, fields: Fields, tunnel: Tunnel) -> None:
        """From here on the viewer's connection is the near end of a WebSocket (RFC 6455 §4.2.2)."""
        connection, asked = self._connection, self._asked
        self._write(response_head(101, b"", (*fields, *UPGRADED)))
        sent = connection.become_tunnel()
        try:
            await relay(connection, sent, tunnel, self._write)
        except asyncio.CancelledError:
            tunnel.hang_up()
            raise
        finally:
            protocol = b"ws" if connection.session is None else b"wss"
            bytes_in = asked.bytes_in + sent.total_bytes
            self._asked = replace(asked, protocol=protocol, bytes_in=bytes_in)
        tunnel.hang_up()

    def _write_whole(self, outcome: Outcome, fields: Fields, body: bytes | memoryview) -> None:
        head = self._head(outcome.status, outcome.reason, fields, outcome.length, chunked=False)
        self._write(head, body)

    async def _stream(self, outcome: Outcome, fields: Fields, body: Body) -> None:
        """Send pieces as they come, no faster than the viewer takes them."""
        chunked = outcome.length is None and self._minor == 1
        if outcome.length is None and not chunked:
            self._connection.closing = True  # the end of the connection is the end of the body
        head = self._head(outcome.status, outcome.reason, fields, outcome.length, chunked=chunked)
        self.streams = True
        while True:
            data = body.read_nowait()
            if data is None:
                if head:
                    self._write(head)
                    head = b""
                data = await body.read()
            if not data:
                break
            self._write(head, chunk(data) if chunked else data)
            head = data = b""
            if self._connection.outgoing.paused:
                await self._read_on(body)
        if head or chunked:
            self._write(head, LAST_CHUNK if chunked else b"")
        self.streams = False

    async def _read_on(self, body: Body) -> None:
        """Wait until the viewer takes more; what has arrived meanwhile waits behind it."""
        account = self._listener.account
        behind = 0 if isinstance(body, FillBody) else BEHIND_BYTES  # a fill counts its own
        account.add(MemoryHolding.ARRIVING, behind)
        try:
            await self._connection.outgoing.drained()
        finally:
            account.add(MemoryHolding.ARRIVING, -behind)

    def send_answer(self, answer: RenderedHit, now: float) -> None:
        """A stored answer, for a connection that does not stay or a viewer of HTTP/1.0."""
        head = answer.head(now)
        if answer.has_id:
            self._id = answer.own_id or self._id
            head = b"%b%b\r\n\r\n" % (head, self._id)
        connection_line = self._connection_line()
        if connection_line is not None:
            head = b"%bConnection: %b\r\n\r\n" % (head[:-2], connection_line)
        self._write(head, answer.body)
        self._tell(RequestOutcome(answer.status, answer.result, self.sent_bytes, answer.fields))
        self._end()

    def send_refusal(self, refusal: Refusal, now: float, errand: Errand | None = None) -> None:
        """A page of our own; `errand` is what failed, if that is why."""
        if refusal.status in CLOSING and isinstance(self._listener.front, ViewerFrontend):
            self._connection.closing = True
        outcome = self._listener.refuse(refusal, self._id, now)
        fields = self._dressed(outcome, errand)
        head_only = self._request is not None and self._request.method == b"HEAD"
        head_only = head_only or self._asked.method == b"HEAD"
        body = b"" if head_only or not isinstance(outcome.body, bytes) else outcome.body
        self._write_whole(outcome, fields, body)
        told = RequestOutcome(
            outcome.status, outcome.result, self.sent_bytes, fields, refusal.detail
        )
        self._tell(told)
        self._end()

    def _end(self) -> None:
        if self._connection.closing:
            self._connection.outgoing.close()

    def _head(
        self, status: int, reason: bytes, fields: Fields, length: int | None, *, chunked: bool
    ) -> bytes:
        if chunked:
            fields = (*fields, (b"transfer-encoding", b"chunked"))
        elif length is not None:
            fields = (*fields, (b"content-length", b"%d" % length))
        line = self._connection_line()
        if line is not None:
            fields = (*fields, (b"connection", line))
        return response_head(status, reason, fields)

    def _connection_line(self) -> bytes | None:
        """The Connection field this reply needs, if any; notes when it is the last one."""
        connection = self._connection
        if self._listener.handing_over or not self._stays:
            connection.closing = True
        if connection.closing or connection.unread_body:
            connection.closing = True
            return b"close"
        return b"keep-alive" if self._minor == 0 else None

    def _write(self, head: bytes, body: bytes | memoryview = b"") -> None:
        size = len(head) + len(body)
        if not self.sent_bytes:
            self._first_byte_s = self._listener.clock() - self._began
        self.sent_bytes += size
        self._connection.outgoing.write(head, body)

    def _tell(self, told: RequestOutcome) -> None:
        now = self._listener.clock()
        taken = now - self._began
        self._listener.teller.tell(self._asked, told, self._connection.client, self._id, now, taken)
