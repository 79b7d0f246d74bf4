"""Origins as an upstream: attempts, guard, completion timeout.

Law: an origin is asked as its configuration says, and no other way.

CloudFront Developer Guide, "Origin settings": connection attempts and timeouts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from edgecache.http.dates import format_date, parse_date
from edgecache.http.message import Fields, Request, first_value
from edgecache.observe.counters import Counters
from edgecache.rules.caching.stored_parts import answers_range
from edgecache.rules.routing import Route
from edgecache.rules.viewer.access import is_grpc_call, with_passage
from edgecache.upstream.endpoint import Endpoint, WireRequest
from edgecache.upstream.exchange import BegunExchange
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body, Call, Reply, TrailedBody, Upstream
from edgecache.upstream.origin_auth import Prove, wants_proof
from edgecache.upstream.origin_counters import OriginCounters
from edgecache.upstream.origin_group import ATTEMPTED_AGAIN
from edgecache.upstream.origin_guard import OriginGuard, OriginGuards
from edgecache.upstream.origin_request import (
    USER_AGENT,
    endpoint_of,
    head_template,
    wire_request,
)
from edgecache.upstream.plan import OriginPlan
from edgecache.upstream.pool import Pool
from edgecache.upstream.request_body import read_start
from edgecache.upstream.tunnel import TUNNELS_MAX

ATTEMPTS_MAX = 3  # CloudFront's
_RETRIED = frozenset({Fault.REFUSED, Fault.CONNECT_TIMEOUT, Fault.NAME, Fault.CLOSED})
_CONDITIONS = frozenset({b"if-none-match", b"if-modified-since"})


class OriginUpstream:
    """Asks the origin of a call's route over `pool`.

    `prove` gives origins the proofs they want; `via` is our pseudonym, `agent`
    our User-Agent under CloudFront's rules; `cdn_id` our name in CDN-Loop (RFC 8586). Circuits go
    by `clock` (None: the loop's).
    """

    def __init__(
        self,
        pool: Pool,
        *,
        prove: Prove | None = None,
        via: bytes = b"edgecache",
        agent: bytes = USER_AGENT,
        cdn_id: bytes = b"edgecache",
        counted: OriginCounters | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._prove = prove
        self._guards: OriginGuards | None = None  # made with the first call: a loop runs by then
        self._via = via
        self._agent = agent
        self._cdn_id = cdn_id
        self._counted = counted or OriginCounters(Counters(), lambda: 0.0)

    def forget(self) -> None:
        """Know of no origin that it could not be reached."""
        self._guards = None
        self._counted.forget_failures()

    def plan(self, call: Call) -> OriginPlan | None:
        """See PlanningUpstream: of a GET by HTTP/1.1 that no proof goes with."""
        call = replace(call, request=with_passage(call.request, self._cdn_id))
        origin, route = call.route.origin, call.route
        endpoint = endpoint_of(origin, call.request.scheme)
        if call.body is not None or call.request.method != b"GET" or endpoint.http2:
            return None
        if origin.completion_timeout_s is not None or endpoint.negotiates:
            return None
        if self._prove is not None and wants_proof(origin):
            return None
        template = head_template(call, self._via, self._agent)
        if not template.is_plain or template.server_name:
            return None
        plan = OriginPlan(
            self._pool, endpoint, template, lambda: self._guard(route, endpoint), self._counted
        )
        plan.origin = origin.id
        return plan

    async def fetch(self, call: Call) -> Reply:
        """The origin's final response. UpstreamError after the last attempt."""
        call = replace(call, request=with_passage(call.request, self._cdn_id))
        two_way = call.route.behavior.grpc and is_grpc_call(call.request, call.route)
        if call.body is not None and not two_way:
            call = replace(call, body=await read_start(call.body))
        if call.request.record is not None:
            call.request.record.origin = call.route.origin.id
        endpoint = endpoint_of(call.route.origin, call.request.scheme)
        outgoing = wire_request(call, self._via, self._prove, self._agent)
        if two_way:
            endpoint, outgoing = endpoint.by_http2(), replace(outgoing, two_way=True)
        if outgoing.upgrade and endpoint.negotiates:
            endpoint = endpoint.by_http1()
        if outgoing.upgrade:
            endpoint = replace(endpoint, tunnels=True, connections_max=TUNNELS_MAX)
        reply = await self._attempted(call, endpoint, outgoing)
        if _is_misplaced(reply, call.request):
            reply.body.close()  # nothing here could be what it means
            raise UpstreamError(Fault.MALFORMED, endpoint.where)
        return reply

    async def _attempted(self, call: Call, endpoint: Endpoint, outgoing: WireRequest) -> Reply:
        origin, guard = call.route.origin, self._guard(call.route, endpoint)
        repeated = call.request.method in ATTEMPTED_AGAIN and call.body is None
        attempts = origin.connection_attempts if repeated else 1
        begun = call.begun if call.begun is not None and call.begun.waits else None
        if begun is None:
            guard.begin()
        completion_s = origin.completion_timeout_s
        while True:
            try:
                asked, begun = begun, None
                return await self._guarded(guard, endpoint, outgoing, completion_s, asked)
            except UpstreamError as error:
                attempts = min(attempts, _attempts_max(call, error)) - 1
                if attempts <= 0 or not guard.may_retry():
                    raise

    def _guard(self, route: Route, endpoint: Endpoint) -> OriginGuard:
        if self._guards is None:
            self._guards = OriginGuards(self._clock or asyncio.get_running_loop().time)
        return self._guards.of(route, endpoint)

    async def _guarded(
        self, guard: OriginGuard, endpoint: Endpoint, outgoing: WireRequest,
        completion_s: float | None, begun: BegunExchange | None,
    ) -> Reply:  # fmt: skip
        """One attempt, if the origin is to be asked at all; what came of it is remembered.

        `begun`: a plan has begun it, as the origin was to be asked.
        """
        if begun is None:
            guard.admit()
        counted = self._counted
        asked_at = counted.clock() if begun is None else begun.asked_at
        try:
            if begun is not None:
                reply = await self._pool.send(endpoint, outgoing, begun)
            elif completion_s is None:
                reply = await self._pool.send(endpoint, outgoing)
            else:
                reply = await self._sent(endpoint, outgoing, completion_s)
        except UpstreamError as error:
            guard.failed(error, viewers_name=bool(outgoing.server_name))
            counted.failed(endpoint.where, error.fault, guard)
            raise
        guard.answered()
        counted.answered(endpoint.where, reply.head.status, asked_at)
        return reply

    async def _sent(self, endpoint: Endpoint, outgoing: WireRequest, completion_s: float) -> Reply:
        """One attempt, bounded as a whole (ResponseCompletionTimeout)."""
        until = asyncio.get_running_loop().time() + completion_s
        try:
            async with asyncio.timeout_at(until):
                reply = await self._pool.send(endpoint, outgoing)
        except TimeoutError:
            raise UpstreamError(Fault.RESPONSE_TIMEOUT, endpoint.where) from None
        if reply.head.status != 101:
            reply.body = TimedBody(reply.body, until, endpoint.where)
        return reply


class TimedBody:
    """A body whose bytes are waited for until a moment of the loop's clock, and not after it.

    What is here already is read all the same: it is the origin that has no more time.
    """

    def __init__(self, body: Body, until: float, where: str) -> None:
        self.length = body.length
        self._body = body
        self._until = until
        self._where = where

    async def read(self) -> bytes:
        data = self._body.read_nowait()
        if data is not None:
            return data
        try:
            async with asyncio.timeout_at(self._until):
                return await self._body.read()
        except TimeoutError:
            self._body.close()
            raise UpstreamError(Fault.TRUNCATED, self._where) from None

    def read_nowait(self) -> bytes | None:
        return self._body.read_nowait()

    @property
    def trailers(self) -> Fields:
        return self._body.trailers if isinstance(self._body, TrailedBody) else ()

    def close(self) -> None:
        self._body.close()


def _attempts_max(call: Call, error: UpstreamError) -> int:
    """How many attempts there may be from one that failed so on, itself included.

    CloudFront asks again after a response timeout, too ("Origin response timeout"). An origin that
    closes before it says a word, as one does that is being restarted, is asked once more (RFC 9110
    §9.2.2).
    """
    if error.fault is Fault.RESPONSE_TIMEOUT:
        return ATTEMPTS_MAX if call.route.semantics.retries_late_responses else 1
    if error.fault is Fault.CLOSED and error.sent:
        return 1 if error.heard else 2
    return ATTEMPTS_MAX if not error.sent and error.fault in _RETRIED else 1


def _is_misplaced(reply: Reply, request: Request) -> bool:
    """A 304 to no condition, or a part that is not the one asked for."""
    if reply.head.status == 304:
        return not _is_conditional(request)
    asked = first_value(request.fields, b"range")
    if reply.head.status != 206 or asked is None:
        return False
    return not answers_range(asked, reply.head.fields, reply.body.length)


def _is_conditional(request: Request) -> bool:
    return any(name in _CONDITIONS for name, _ in request.fields)


_MOVED = frozenset({b"date", b"expires"})


class MovedDates:
    """`origins`, whose dates are moved by `moved_s` seconds, as it is at the time (dev mode).

    An origin's Date and Expires are told by the machine's own clock, which nobody moves: as they
    are, what comes from an origin an hour after our clock was moved by an hour would be an hour
    old. Last-Modified and what applications say in other fields is left as it is.
    """

    def __init__(self, origins: Upstream, moved_s: Callable[[], float]) -> None:
        self._origins = origins
        self._moved_s = moved_s

    async def fetch(self, call: Call) -> Reply:
        """The final response. UpstreamError when there is none."""
        reply = await self._origins.fetch(call)
        moved_s = self._moved_s()
        if moved_s:
            reply.head = replace(reply.head, fields=moved_dates(reply.head.fields, moved_s))
        return reply


def moved_dates(fields: Fields, moved_s: float) -> Fields:
    """The fields with Date and Expires so much later; what is no date says what it said."""
    return tuple(
        [(name, _moved(value, moved_s) if name in _MOVED else value) for name, value in fields]
    )


def _moved(value: bytes, moved_s: float) -> bytes:
    at = parse_date(value)
    if at is None or at <= 0:  # `Expires: 0` and the epoch: it is stale, whatever the time
        return value
    return format_date(at + moved_s)
