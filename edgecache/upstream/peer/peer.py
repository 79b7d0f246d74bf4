"""Another tier in another process, as an upstream.

Law: it is asked like an origin, by one of us.

When it cannot be reached or does not answer (see `liveness`), and the policy says so, the origin is
asked directly.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from edgecache.http.message import is_short
from edgecache.rules.caching.key import requested_release
from edgecache.rules.routing import Route
from edgecache.upstream.endpoint import Endpoint, Timeouts, WireRequest
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body, Call, Reply, Upstream
from edgecache.upstream.origin_group import patience_s
from edgecache.upstream.peer import heads as peer_fields
from edgecache.upstream.peer.heads import PeerTemplateKey, peer_head, shared_lines, signed_head
from edgecache.upstream.peer.liveness import PeerLiveness
from edgecache.upstream.plan import REGIONAL, PeerPlan
from edgecache.upstream.pool import Pool
from edgecache.upstream.request_body import read_start

logger = logging.getLogger("edgecache.upstream")

REFUSED = (
    "the regional cache refuses this edge: secrets.json holds another peer secret here than there, "
    "or the clocks differ; viewers get 502 for what is not in memory"
)
CONNECT_S = 2.0  # to a process of ours
READ_S = 60.0
MARGIN_S = 10.0  # of the peer's own, beyond what its origins may take
GONE = frozenset(
    {Fault.REFUSED, Fault.CONNECT_TIMEOUT, Fault.CLOSED, Fault.RESPONSE_TIMEOUT, Fault.TLS}
)  # of TLS: it has not proven to be the regional cache, or that one does not take us


class PeerSpelling(Protocol):
    """How marks are told to another process: `InvalidationState`."""

    def spell(self, mark: int) -> bytes: ...
    def read(self, spelled: bytes | None) -> int: ...


class PeerUpstream:
    """A regional cache, seen from who asks it. `sign` gives a credential for a message."""

    def __init__(
        self,
        pool: Pool,
        endpoint: Endpoint,
        sign: Callable[[bytes], bytes],
        fallback: Upstream | None,
        marks: PeerSpelling,
    ) -> None:
        self._pool = pool
        self._endpoint = endpoint
        self._sign = sign
        self._fallback = fallback
        self._marks = marks
        self._liveness = PeerLiveness(pool, endpoint)
        self._refused = False  # as was told already

    def is_silent(self) -> bool:
        """Whether it was asked, and found to answer nobody."""
        return self._liveness.silent

    def with_fallback(self, fallback: Upstream | None) -> PeerUpstream:
        """The same cache, its liveness shared, with `fallback` for when it cannot be reached."""
        other = PeerUpstream(self._pool, self._endpoint, self._sign, fallback, self._marks)
        other._liveness = self._liveness
        return other

    async def fetch(self, call: Call) -> Reply:
        """The peer's response; its own upstream's failure is raised as if it were ours."""
        if call.body is not None:
            call = replace(call, body=await read_start(call.body))
        outgoing, begun = self._outgoing(call), call.begun
        if outgoing.record is not None:
            outgoing.record.origin = REGIONAL
        try:
            if begun is not None and begun.waits:
                sent = begun
                reply = await self._liveness.watch(
                    lambda: self._pool.send(self._endpoint, outgoing, sent), sent=True
                )
            else:
                reply = await self._liveness.watch(
                    lambda: self._pool.send(self._endpoint, outgoing)
                )
        except UpstreamError as error:
            if self._fallback is None or error.fault not in GONE:
                raise
            if call.body is not None and error.sent:
                raise  # what was read of the body cannot be sent again
            return await self._fallback.fetch(call)
        told, fields = peer_fields.split_peer_fields(reply.head.fields)
        fault = told.get(peer_fields.FAULT)
        if fault is not None:
            reply.body.close()
            raise self._failed(_fault_named(fault))
        self._refused = False
        reply.result = told.get(peer_fields.RESULT, b"").decode()
        reply.mark = self._marks.read(told.get(peer_fields.MARK))
        reply.head = replace(reply.head, fields=fields)
        return reply

    def _failed(self, fault: Fault) -> UpstreamError:
        """What a peer told instead of a response; an operator hears of what he must put right."""
        if fault is Fault.PEER and not self._refused:
            logger.error(REFUSED)
        self._refused = fault is Fault.PEER
        return UpstreamError(fault, "regional")

    def plan(self, call: Call) -> PeerPlan | None:
        """See PlanningUpstream: of a GET of no trace."""
        request = call.request
        if call.body is not None or request.method != b"GET":
            return None
        if request.trace is not None or request.amzn_trace:
            return None
        return PeerPlan(
            self._pool, self._endpoint, self._liveness, self._sign,
            lambda mark: self._shared_lines(call, mark),
        ).waiting(_timeouts(call.route))  # fmt: skip

    def _shared_lines(self, call: Call, mark: int) -> bytes:
        request = call.request
        alike = PeerTemplateKey(
            request.fields, request.authority, request.scheme, call.route.distribution.id,
            requested_release(request, call.route), self._marks.spell(mark),
            request.behavior, request.origin_change,
        )  # fmt: skip
        lines_of = shared_lines if is_short(request.fields) else shared_lines.__wrapped__
        return lines_of(alike)

    def _outgoing(self, call: Call) -> WireRequest:
        request = call.request
        shared = self._shared_lines(call, request.mark)
        head, timeouts = (
            peer_head(request, shared + _framing_line(call.body)),
            _timeouts(call.route),
        )
        return WireRequest(
            request.method, head, call.body, timeouts, call.on_interim, sign=self._signed,
            record=request.record,
        )  # fmt: skip

    def _signed(self, head: bytes) -> bytes:
        """The head with a credential for one sending: another connection gets another."""
        return signed_head(head, self._sign)


def _timeouts(route: Route) -> Timeouts:
    """A tier of ours answers at once or waits for its origins as long as that may take."""
    return Timeouts(CONNECT_S, patience_s(route) + MARGIN_S, READ_S)


def _framing_line(body: Body | None) -> bytes:
    """The line that says where the body ends."""
    if body is None:
        return b""
    if body.length is None:
        return b"Transfer-Encoding: chunked\r\n"
    return b"Content-Length: %d\r\n" % body.length


def _fault_named(word: bytes) -> Fault:
    try:
        return Fault(word.decode("latin-1"))
    except ValueError:
        return Fault.MALFORMED
