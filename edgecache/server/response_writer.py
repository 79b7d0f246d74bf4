"""Response writer: sends one outcome, or the page that says why there is none, to a viewer stream.

Law: a body that breaks off is an aborted stream; a response is logged once, however it ends.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import cast

from msgspec.structs import replace

from edgecache.cache.bodies import StoredBody
from edgecache.cache.fill import FillBody
from edgecache.cache.frontend import DecisionErrand, ViewerErrand
from edgecache.cache.outcome import CacheResult, Errand, FetchErrand, Hit, Outcome, Refusal
from edgecache.cache.slices.body import SliceBody
from edgecache.config.model import LimitRate
from edgecache.http.message import (
    EARLY_HINTS,
    Fields,
    FunctionRecord,
    OriginRecord,
    Request,
    Response,
    end_to_end,
)
from edgecache.http.trace_context import Traces
from edgecache.rules.caching.entry_update import SAFE_METHODS
from edgecache.rules.caching.reuse import StorableResponse
from edgecache.rules.caching.storability import less_ours
from edgecache.rules.reasons import MissReason
from edgecache.rules.routing import Route
from edgecache.rules.viewer.client_shares import ClientShares
from edgecache.rules.viewer.rate_limits import BodyPace
from edgecache.runtime.environment import pause
from edgecache.server.error_response import CLOSING, failure
from edgecache.server.listener import FAILED, Listener
from edgecache.server.output_buffer import whole_of
from edgecache.server.request_log import RequestOutcome, RequestSummary
from edgecache.server.stream import ViewerBody, ViewerStream
from edgecache.server.websocket import accepts_websocket
from edgecache.store.entry import Entry
from edgecache.store.memory_account import BEHIND_BYTES, MemoryHolding
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body, TrailedBody, WholeBody
from edgecache.upstream.tunnel import Tunnel

logger = logging.getLogger("edgecache.server")

CALLS = (b"grpc", b"grpcs")  # cs-protocol of calls of gRPC; in clear is our own


def is_paced(hit: Hit, request: Request) -> bool:
    """Whether sending a hit takes its time: its body is more than its rate is not asked for."""
    rate = hit.route.behavior.limit_rate
    if rate is None or not hit.gives_body(request):
        return False
    plan = hit.plan
    size = hit.entry.length if plan.span is None else plan.span.length
    return bool(plan.spans) or size > rate.after_bytes


CROWDED = Refusal(
    503, "Too many of this kind at once from one address.", "CapacityExceeded", reason="crowded"
)
TOO_MANY_UPLOADS = Refusal(
    503, "Too many uploads at once.", "CapacityExceeded", close=True, reason="uploads"
)


def _trailers(body: Body) -> Fields:
    """What is said behind a body, as far as it is for viewers."""
    return less_ours(end_to_end(body.trailers)) if isinstance(body, TrailedBody) else ()


class ResponseWriter:
    """The response to one request, from what is to be fetched for it to its line in the log."""

    __slots__ = (
        "_first_byte_s", "_functions", "_id", "_key", "_listener", "_network", "_route", "_stored",
        "_stream", "_summary", "origin",
    )  # fmt: skip

    def __init__(
        self, listener: Listener, stream: ViewerStream, summary: RequestSummary, id: bytes = b""
    ) -> None:
        self._listener = listener
        self._stream = stream
        self._summary = summary
        self._id = id or listener.ids.next()
        # Who asks for many viewers has no share of its own.
        self._network = "" if listener.from_peers else stream.network
        self._first_byte_s = 0.0
        self._route: Route | None = None
        self.origin = OriginRecord()
        self._functions: FunctionRecord | None = None
        self._key = b""
        self._stored: StorableResponse | None = None

    async def run(self, errand: ViewerErrand, body: ViewerBody | None) -> None:
        """Run the errand and send its outcome, or the page that says why there is none."""
        decision: Hit | Errand | Refusal
        if isinstance(errand, DecisionErrand):
            decision = await self._decided(errand)
        else:
            decision = errand
        if not isinstance(decision, Refusal | Hit):
            await self._run(decision, body)
            return
        if body is not None:  # nobody reads it
            self._stream.close_after()
            body.close()
        if isinstance(decision, Refusal):
            self.send_refusal(decision, self._listener.clock())
        else:
            await self.run_hit(decision, errand.request)

    async def run_hit(self, hit: Hit, request: Request) -> None:
        """Send what a stored entry gives, where that takes its time."""
        if not is_paced(hit, request):
            self.send_hit(hit, request, self._listener.clock())
            return
        try:
            outcome = self._listener.hit_outcome(hit, request, self._listener.clock())
            await self._send(outcome, request, hit.route)
        except Exception:
            logger.exception("a hit failed on its way out: id %s", self._id.decode())
            self._stream.abort()

    async def _decided(self, errand: DecisionErrand) -> Hit | Errand | Refusal:
        """What is decided in the end; FAILED where that is not to be known.

        Something is answered in any case: the next response would else be taken for this one's.
        """
        decision: Hit | ViewerErrand | Refusal = errand
        try:
            while isinstance(decision, DecisionErrand):  # each waits for another fact
                decision = await self._settled(decision)
        except Exception:
            logger.exception("a decision failed inside the cache: id %s", self._id.decode())
            self._stream.close_after()
            return FAILED
        return decision

    async def _settled(self, errand: DecisionErrand) -> Hit | ViewerErrand | Refusal:
        """What is decided once it is known what the decision waits for."""
        errands, limits = self._listener.connections.errands, self._listener.limits
        room = errands.total < limits.errands_max
        if room and errands.take(self._network, limits.errands_per_address_max):
            try:
                await errand.wait()
            finally:
                errands.give_back(self._network)
        return errand.decide(self._listener.clock())

    def _begin_call(self, body: ViewerBody | None) -> None:
        """A call of gRPC: its body goes up beside the answer, for as long as one side speaks."""
        protocol = b"grpcs" if self._summary.protocol == b"https" else b"grpc"
        self._summary = replace(self._summary, protocol=protocol)
        if body is not None:
            body.open_ended = True

    async def _run(self, errand: Errand, body: ViewerBody | None) -> None:
        outcome: Outcome | Refusal | None = None
        listener, self._route = self._listener, errand.route
        self._id, self._functions = errand.request.id or self._id, errand.request.functions
        self._key = errand.key if isinstance(errand, FetchErrand) else b""
        try:
            traces: Traces = (errand.request.trace, errand.request.amzn_trace)
            if listener.tracing is not None:
                traces = listener.tracing.told(traces, listener.clock())
            if traces[0] is not None:
                self._summary = replace(self._summary, told=traces[0])
            errand = errand.identified(self._id, traces, self.origin)
            if errand.why is MissReason.GRPC:
                self._begin_call(body)
            if body is not None:
                body.require_sound()
            outcome = await self._fetch(errand, body)
        except UpstreamError as error:
            if body is not None and body.broken:
                self._refuse_body(body.refusal_status)
                return
            self.send_refusal(failure(error, errand), listener.clock(), errand)
            return
        except asyncio.CancelledError:
            self._record_left(errand)
            raise
        except Exception:
            logger.exception("a request failed inside the cache: id %s", self._id.decode())
            self._stream.close_after()
            self.send_refusal(FAILED, listener.clock())
            return
        finally:
            if body is not None and (outcome is None or errand.why is not MissReason.GRPC):
                body.close()
        try:
            if isinstance(outcome, Refusal):  # a function has answered instead
                self.send_refusal(outcome, listener.clock())
            else:
                await self._send_counted(outcome, errand)
        finally:
            if body is not None:  # of a call it went up until now
                body.close()

    async def _send_counted(self, outcome: Outcome, errand: Errand) -> None:
        """Send an outcome, unless it would hold one more connection to the origin than it may."""
        long_lived = self._long_lived(outcome)
        client = "" if long_lived is None else self._at_origin(errand)
        if long_lived is not None and not long_lived.take(client, self._each_max(outcome, errand)):
            cast(Body, outcome.body).close()
            self.send_refusal(CROWDED, self._listener.clock())
            return
        try:
            await self._send(outcome, errand.request, errand.route)
        except Exception:
            logger.exception("an answer failed on its way out: id %s", self._id.decode())
            self._stream.abort()
        finally:
            if long_lived is not None:
                long_lived.give_back(client)

    def _record_left(self, errand: Errand) -> None:
        """The viewer left before there was an answer."""
        detail = "ClientHungUpRequest"
        self._record(RequestOutcome(0, CacheResult.ERROR, 0, detail=detail, reason=errand.why))

    def send_hit(self, hit: Hit, request: Request, now: float) -> None:
        """Send what a stored entry gives, where hits are not kept as rendered for the wire."""
        self._route, self._key, self._stored = hit.route, hit.entry.key, hit.entry
        if hit.functions is not None:
            self._id, self._functions = hit.functions.id, hit.functions
        outcome, fields = self._listener.hit_response(hit, request, self._id, now)
        body = outcome.body
        self._send_whole(outcome, fields, body if isinstance(body, bytes | memoryview) else b"")
        self._record(self._recorded(outcome, fields))

    def send_refusal(self, refusal: Refusal, now: float, errand: Errand | None = None) -> None:
        """Send a page of our own; `errand` is what failed, if that is why."""
        if refusal.status in CLOSING and not self._listener.from_peers:
            self._stream.close_after()
        if refusal.functions is not None:
            self._id, self._functions = refusal.functions.id, refusal.functions
        self._route = self._route if refusal.asked is None else refusal.asked[1]
        outcome = self._listener.refuse(refusal, self._id, now)
        asked = refusal.asked if errand is None else (errand.request, errand.route)
        fields = self._dressed(outcome, asked)
        of_head = self._summary.method == b"HEAD"
        body = b"" if of_head or not isinstance(outcome.body, bytes) else outcome.body
        self._send_whole(outcome, fields, body)
        self._record(self._recorded(outcome, fields, refusal.detail, refusal.reason))
        refusals = self._listener.request_log.counters.refusals
        refusals[refusal.reason or "other"] += refusal.given is None

    async def _fetch(self, errand: Errand, body: ViewerBody | None) -> Outcome | Refusal:
        """What comes of the errand, unless as many as may are under way."""
        connections, limits = self._listener.connections, self._listener.limits
        if connections.errands.total >= limits.errands_max:
            raise UpstreamError(Fault.BUSY, "requests under way", sent=False)
        account = self._listener.account
        if not account.admits or (body is not None and not account.has_room(MemoryHolding.UPLOADS)):
            raise UpstreamError(Fault.BUSY, "memory", sent=False)
        if errand.why is MissReason.UPGRADE:
            each_max = limits.websockets_per_address_max
            if not connections.websockets.has_room(self._at_origin(errand), each_max):
                raise UpstreamError(Fault.BUSY, "WebSockets of one client", sent=False)
            if not account.has_room(MemoryHolding.TUNNELS):
                raise UpstreamError(Fault.BUSY, "memory", sent=False)
        elif errand.request.method not in SAFE_METHODS and not connections.streams.has_room(
            self._at_origin(errand), self._streams_max(errand)
        ):
            raise UpstreamError(Fault.BUSY, "streams of one client", sent=False)
        if not connections.errands.take(self._network, limits.errands_per_address_max):
            raise UpstreamError(Fault.BUSY, "requests of one client", sent=False)
        try:
            outcome = await self._listener.frontend.run(errand, body, self.send_interim)
        finally:
            connections.errands.give_back(self._network)
        if errand.why is MissReason.UPGRADE and isinstance(outcome, Outcome):
            self._require_handshake(outcome)
        return outcome

    def _require_handshake(self, outcome: Outcome) -> None:
        """UpstreamError where what would look like a WebSocket to the viewer is none."""
        key, status, body = self._stream.websocket_key, outcome.status, outcome.body
        looks_so = status == 101 or 200 <= status < 300
        if key is None or not looks_so or accepts_websocket(status, outcome.fields, key):
            return
        if body is not None and not isinstance(body, bytes | memoryview):
            body.close()
        raise UpstreamError(Fault.MALFORMED, "the answer to a WebSocket's handshake")

    def _long_lived(self, outcome: Outcome) -> ClientShares | None:
        """Where a response counts that holds a connection to the origin for as long as it likes."""
        body, length, limits = outcome.body, outcome.length, self._listener.limits
        if outcome.status == 101:
            return self._listener.connections.websockets
        if body is None or isinstance(
            body, bytes | memoryview | WholeBody | StoredBody | SliceBody
        ):
            return None
        if length is not None and (length <= limits.buffer_bytes_max or isinstance(body, FillBody)):
            return None  # it is here soon, or arrives no slower than the origin sends
        return None if outcome.trace.collapsed else self._listener.connections.streams

    def _each_max(self, outcome: Outcome, errand: Errand) -> int:
        """How many of its kind the client may have by now."""
        if outcome.status == 101:
            return self._listener.limits.websockets_per_address_max
        # What has been done must not be told to be tried again: there was room before it was asked.
        safe = errand.request.method in SAFE_METHODS
        return self._streams_max(errand) if safe else sys.maxsize

    def _streams_max(self, errand: Errand) -> int:
        """Half of the connections of an origin that has fewer than most; calls share them."""
        if errand.why is MissReason.GRPC:
            return self._listener.limits.streams_per_address_max
        least = max(errand.route.origin.connections_max // 2, 1)
        return min(self._listener.limits.streams_per_address_max, least)

    def _at_origin(self, errand: Errand) -> str:
        """The client, as what it holds of an origin's connections is counted."""
        return self._network and f"{self._network} {errand.route.origin.domain_name}"

    def _refuse_body(self, status: int) -> None:
        """The viewer's body is at fault, or what uploads may hold; not the origin."""
        self._stream.close_after()
        refusal = Refusal(status, "Bad request.", "ClientCommError", close=True, reason="body")
        if status == 503:
            refusal = TOO_MANY_UPLOADS
        self.send_refusal(refusal, self._listener.clock())

    def send_interim(self, interim: Response) -> None:
        """An interim response goes on to the viewer, if it is one that viewers are to have."""
        if interim.status != EARLY_HINTS:
            return
        fields = less_ours(end_to_end(interim.fields))
        self._stream.send_interim(interim.status, fields, reason=interim.reason)

    def _dressed(self, outcome: Outcome, asked: tuple[Request, Route] | None) -> Fields:
        took_s = 0.0
        if asked is not None and asked[1].behavior.response_headers_policy is not None:
            took_s = self._listener.clock() - self._stream.began  # it may want Server-Timing
        fields = self._listener.frontend.dressed(outcome, self._id, asked, took_s)
        if asked is None or asked[1].side is None or self._listener.from_peers:
            return fields
        cookie, now = self._summary.cookie, self._listener.clock()
        sent = ((b"cookie", cookie),) if cookie else ()
        return (*fields, *asked[1].side.session_fields(sent, now))

    async def _send(self, outcome: Outcome, request: Request, route: Route) -> None:
        body, stream, self._route = outcome.body, self._stream, route
        self._stored = outcome.stored
        if isinstance(self._stored, Entry):
            self._key = self._stored.key
        detail, length = outcome.trace.detail, outcome.length
        ended = RequestOutcome(outcome.status, outcome.result, 0, (), detail, length=length)
        ended.reason = outcome.trace.why or ""
        try:
            fields = ended.fields = self._dressed(outcome, (request, route))
            if outcome.status == 101:
                await self._tunnel(fields, cast(Tunnel, body))
            elif body and (rate := self._limit_rate(route)) is not None:
                await self._send_at_rate(outcome, fields, body, BodyPace(rate))
            elif isinstance(body, bytes | memoryview) or body is None:
                self._send_whole(outcome, fields, body or b"")
                if stream.paused:
                    await stream.drained()
            else:
                await self._send_body(outcome, fields, body)
        except UpstreamError:
            ended.result, ended.detail = CacheResult.ERROR, "AbortedOrigin"
            stream.abort()
        except asyncio.CancelledError:
            if outcome.status != 101:  # leaving is how a tunnel ends
                ended.result, ended.detail = CacheResult.ERROR, "ClientCommError"
            raise
        finally:
            ended.bytes_out = stream.sent_bytes
            ended.first_byte_s = self._first_byte_s if stream.sent_bytes else 0.0
            if body is not None and not isinstance(body, bytes | memoryview):
                body.close()
            self._record(ended)

    async def _tunnel(self, fields: Fields, tunnel: Tunnel) -> None:
        """From here on the viewer has the near end of a WebSocket (RFC 6455 §4.2.2)."""
        stream, summary = self._stream, self._summary
        self._first_byte_s = self._listener.clock() - stream.began
        try:
            await stream.run_tunnel(fields, tunnel)
        finally:
            protocol = b"ws" if summary.session is None else b"wss"
            bytes_in = summary.bytes_in + stream.tunnel_bytes_in
            self._summary = replace(summary, protocol=protocol, bytes_in=bytes_in)

    def _send_whole(self, outcome: Outcome, fields: Fields, body: bytes | memoryview) -> None:
        stream = self._stream
        self._first_byte_s = self._listener.clock() - stream.began
        stream.send_head(
            outcome.status, fields, outcome.length, reason=outcome.reason, ends=not body
        )
        if body:
            stream.send(body)
        stream.end()

    async def _send_body(self, outcome: Outcome, fields: Fields, body: Body) -> None:
        """Send pieces as they come, no faster than the viewer takes them."""
        stream = self._stream
        self._first_byte_s = self._listener.clock() - stream.began
        stream.send_head(outcome.status, fields, outcome.length, reason=outcome.reason)
        while True:
            data = body.read_nowait()
            if data is None:
                stream.flush()
                data = await body.read()
            if not data:
                break
            stream.send(data)
            data = b""
            if stream.paused:
                await self._read_on(body)
        stream.end(_trailers(body) if self._summary.protocol in CALLS else ())

    def _limit_rate(self, route: Route) -> LimitRate | None:
        """How fast a viewer is sent bodies; tiers of ours as fast as they take them."""
        return None if self._listener.from_peers else route.behavior.limit_rate

    async def _send_at_rate(
        self, outcome: Outcome, fields: Fields, body: Body | bytes | memoryview, pace: BodyPace
    ) -> None:
        """As `_send_body`, a step at a time."""
        stream = self._stream
        self._first_byte_s = self._listener.clock() - stream.began
        stream.send_head(outcome.status, fields, outcome.length, reason=outcome.reason)
        if isinstance(body, bytes | memoryview):
            await self._send_steps(body, pace, 0)
            stream.end()
            return
        behind = 0 if isinstance(body, FillBody) else BEHIND_BYTES
        while True:
            data = body.read_nowait()
            if data is None:
                stream.flush()
                data = await body.read()
            if not data:
                break
            await self._send_steps(data, pace, behind)
        stream.end()

    async def _send_steps(self, data: bytes | memoryview, pace: BodyPace, behind: int) -> None:
        """Send bytes as `pace` lets them go; they are in the account while they wait.

        `behind`: what arrives meanwhile and waits for them, at most.
        """
        stream, account, clock = self._stream, self._listener.account, self._listener.clock
        whole, rest = whole_of(data), memoryview(data)
        account.lend(whole)
        account.add(MemoryHolding.ARRIVING, behind)
        try:
            while rest:
                count = pace.next_step(len(rest))
                stream.send(rest[:count])
                rest = rest[count:]
                if stream.paused:
                    await stream.drained()
                if wait_s := pace.wait_s(count, clock()):
                    await pause(wait_s)
        finally:
            account.add(MemoryHolding.ARRIVING, -behind)
            account.give_back(whole)

    async def _read_on(self, body: Body) -> None:
        """Wait until the viewer takes more; what has arrived meanwhile waits behind it."""
        account = self._listener.account
        behind = 0 if isinstance(body, FillBody) else BEHIND_BYTES  # a fill counts its own
        account.add(MemoryHolding.ARRIVING, behind)
        try:
            await self._stream.drained()
        finally:
            account.add(MemoryHolding.ARRIVING, -behind)

    def _recorded(
        self, outcome: Outcome, fields: Fields, detail: str = "", reason: str = ""
    ) -> RequestOutcome:
        sent, length = self._stream.sent_bytes, outcome.length
        ended = RequestOutcome(outcome.status, outcome.result, sent, fields, detail, length=length)
        ended.reason = reason
        return ended

    def _record(self, ended: RequestOutcome) -> None:
        now, stream = self._listener.clock(), self._stream
        ended.route, ended.origin, ended.functions = self._route, self.origin, self._functions
        ended.key, ended.stored = self._key, self._stored
        taken_s = now - stream.began
        self._listener.request_log.tell(self._summary, ended, stream.client, self._id, now, taken_s)
