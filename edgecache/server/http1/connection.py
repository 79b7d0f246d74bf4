"""HTTP/1.1 connection of a viewer, as Uvicorn's protocol class: reads requests, decides, answers.

Law: one request at a time, answered in the order it came. Heads are known to the head cache or read
strictly; what must be awaited runs as one task while reading of the next request is held. Of
requests that come together a few are served in a turn of the loop; others come between. Deadlines
are absolute and checked by the listener's sweep, so that the path of a hit arms no timer: a viewer
that takes or sends at a rate is let be; one that does not holds nothing for longer than its bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, cast

from edgecache.cache.frontend import ViewerErrand
from edgecache.cache.outcome import FetchErrand, Hit, Refusal
from edgecache.http.framing import BODY_BYTES_PER_S_MIN
from edgecache.http.head import keeps_alive
from edgecache.http.message import BadMessage, Request
from edgecache.observe.log_record import escaped
from edgecache.rules.viewer.access_list import AccessListMatcher
from edgecache.rules.viewer.client_shares import client_network
from edgecache.rules.viewer.rate_limits import RateLimitRule
from edgecache.runtime.environment import REQUESTS_MAX, TURN_S
from edgecache.server.connection_table import LATE_S
from edgecache.server.http1.head_cache import may_repeat
from edgecache.server.http1.head_cache_functions import FunctionHit
from edgecache.server.http1.head_reader import HeadReader
from edgecache.server.http1.interface import RunningRequest, StreamProgress
from edgecache.server.http1.overdue import end_overdue
from edgecache.server.http1.rendered_hit import (
    RenderedHitLease,
    rendered,
    write_hit,
    write_last_hit,
)
from edgecache.server.http1.stream import Http1Stream, invitation, own_reply
from edgecache.server.listener import SHED, Listener
from edgecache.server.output_buffer import OutputBuffer
from edgecache.server.request_body import RequestBody, SentBytes, UploadPlace
from edgecache.server.request_log import NOTHING_ASKED, RequestSummary
from edgecache.server.response_writer import ResponseWriter, is_paced
from edgecache.server.tls import Session
from edgecache.server.websocket import ENDING_S_MAX, IDLE_S_MAX
from edgecache.upstream.tunnel import TUNNEL_BYTES_MAX

if TYPE_CHECKING:
    from edgecache.server.http1.planned_miss import PlannedMiss

HELD_BYTES_MAX = 65_536  # of pipelined requests read ahead, as Uvicorn's HIGH_WATER_LIMIT


class ViewerConnection(asyncio.Protocol):
    """One viewer socket."""

    protocol = "http1.1"

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        source: tuple[str, int] | None = None,
    ) -> None:
        self.listener = cast(Listener, config.loaded_app.listener)
        self.loop = _loop or asyncio.get_event_loop()
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.outgoing: OutputBuffer = cast(OutputBuffer, None)
        self.peer: tuple[str, int] = ("", 0)  # the other end of the socket
        self.client: tuple[str, int] = ("", 0)  # the viewer: the peer, or whom it stands for
        self._source = source  # by a PROXY header
        self.address = self.port = b""  # the same, as the log has them
        self.network = ""
        self.buckets: dict[RateLimitRule, int] = {}
        self.admitted: tuple[AccessListMatcher, ...] = ()
        self.trusted = False  # the peer is a proxy that stands for many viewers
        self.session: Session | None = None
        self.deadline = 0.0
        self.closing = False
        self.began = 0.0  # when the first byte of the current request came
        self._state = server_state
        self.heads = HeadReader(self.listener.head_limits, self.listener.account)
        self._parse = self.listener.parse
        self._waits_turn = False  # what is held is served in a later turn of the loop
        self.body: RequestBody | None = None  # arriving
        self._upload = UploadPlace(self.listener.connections.uploads)  # that `body` has
        self._task: RunningRequest | None = None
        self._reading = True
        self.unsent_bytes = -1  # at the last look; -1: there was none
        self.stream: StreamProgress | None = None  # of the errand under way
        self.tunnel_idle_s = 0.0  # above 0: this is no HTTP any more
        self.ended = False  # the viewer sends no more

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        account = self.listener.account
        self.outgoing = OutputBuffer(
            self.transport, account, encrypts=self.listener.tls is not None
        )
        peer = transport.get_extra_info("peername")
        self.peer = (peer[0], peer[1]) if isinstance(peer, tuple) and peer else ("", 0)
        listener = self.listener
        if not (listener.accepts or listener.lets_in(self, self.transport, self.peer)):
            self.closing = True
            self.transport.abort()
            return
        self._state.connections.add(self)
        self._identify(self._source or self.peer)
        self.deadline = listener.clock() + listener.limits.head_s_max
        if listener.tls is not None:
            self.session = listener.tls.session(transport.get_extra_info("ssl_object"))
            if self.session.refused:
                self.closing = True
                self.transport.close()
                return
        if not listener.has_room(self):
            self.refuse(SHED, NOTHING_ASKED, listener.clock())

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self.listener.connections.discard(self)
        if self.listener.access is not None:
            self.listener.access.leaves(self, broken=exc is not None, ended=self.ended)
        self.closing = True
        if self.body is not None:
            self.body.abort()
            self._upload.end()
        if self._task is not None:
            self._task.cancel()
        self.heads.take()
        self.outgoing.lost()

    def eof_received(self) -> bool:
        """Who half-closes still gets its answer; who has left says the same, and has a grace."""
        if self.body is not None and not self.body.done:
            self.body.abort()
        self.ended = True
        owed = bool(self._task or self._waits_turn or (self.heads.held and self.outgoing.paused))
        self.closing = self.closing or not owed
        if self.tunnel_idle_s:
            self.end_tunnel()
        elif self._task is not None:
            grace_s = self.listener.limits.half_closed_s_max
            self.deadline = min(self.deadline, self.listener.clock() + grace_s)
        if self.session is not None:  # TLS has no half-close
            self.outgoing.finish(broken=self.stream is not None and self.stream.streams)
        return owed and self.session is None

    def data_received(self, data: bytes) -> None:
        if self.body is not None:
            self._feed_body(data)
            return
        if self.closing:
            return  # what follows the last request is not executed
        if self._task is not None or self.outgoing.paused:
            self._hold(data)
            return
        now = self.listener.clock()
        heads = self.heads
        if heads.held:
            heads.add(data)
            self._serve(now, begun=True)
            return
        head_cache = self.listener.head_cache
        if head_cache is not None and head_cache.hit(self, data, now):
            return
        self.began = now
        known, plans = self.listener.function_heads, self.listener.miss_plans
        if known is not None and data in known.heads and known.hit(self, data, now):
            return
        if plans is not None and plans.begin(self, data, now):
            return
        heads.add(data)
        self._serve(now)

    def pause_writing(self) -> None:
        self.unsent_bytes = self.outgoing.pause()
        self.deadline = self.listener.clock() + self.listener.limits.write_idle_s_max

    def resume_writing(self) -> None:
        self.unsent_bytes = -1
        if not self.outgoing.resumed() or self._task is not None:
            return
        if self.closing:
            self.transport.close()
        else:
            self.rest()

    # What Uvicorn calls.

    def shutdown(self) -> None:
        """Finish the request under way, if there is one, then close."""
        self.closing = True
        if self.tunnel_idle_s and self._task is not None:
            self._task.cancel()  # it has no end to wait for
        elif self._task is None and not self.outgoing.paused:
            self.transport.close()

    # Serving.

    def _identify(self, client: tuple[str, int]) -> None:
        """The viewer of this connection is known: it is counted among those of its network.

        That of a trusted proxy differs by request, and such a connection is nobody's.
        """
        self.client = client
        self.address, self.port = escaped(client[0]), b"%d" % client[1]
        self.trusted = self.listener.trusts(client[0], named=self._source is not None)
        self.network = "" if self.trusted else client_network(client[0])
        self.listener.connections.add(self)

    def _serve(self, now: float, *, begun: bool = False) -> None:  # `begun`: a head's time runs
        """Serve what is held until a request must wait, or what is left is not a whole head."""
        heads, served = self.heads, 0
        while heads.held and not (self._task or self.closing or self._waits_turn):
            if self.outgoing.paused:
                break
            try:
                head = heads.next()
                if head is None:
                    if served or not begun:
                        self.deadline = now + self.listener.limits.head_s_max
                    break
                self._begin(head, now)
            except BadMessage as bad:
                self.refuse(self.listener.refused(bad), NOTHING_ASKED, now)
            served += 1
            if heads.held and (served == REQUESTS_MAX or self.listener.clock() - now > TURN_S):
                break
        if self._task is not None and heads.held:  # it came with the head of what is under way
            self.closing = self.closing or not heads.count()
        if served and not self.closing and (served > 1 or (heads.held and self._task is None)):
            self._wait_turn()
        elif len(heads) > HELD_BYTES_MAX:
            self._pause_reading()

    def _wait_turn(self) -> None:
        """Go on when others have had theirs; until then nothing more is read."""
        if not self._waits_turn:
            self._waits_turn = True
            self._pause_reading()
            self.listener.turns.wait(self.loop, self._take_turn)

    def _take_turn(self) -> None:
        self._waits_turn = False
        if self.body is not None and self.body.behind:
            self._feed_body(b"")
        elif self._task is None and not (self.closing or self.outgoing.paused):
            self.rest()
        self._resume_reading()

    def _begin(self, head: bytes, now: float) -> None:
        """One request: decide, and answer or set off."""
        listener = self.listener
        request = self._parse(head, listener.head_limits, listener.scheme, self.client)
        if listener.trusted_proxies is not None:
            request = listener.trusted_proxies.resolved(request, trusted=self.trusted)
        known = request.path == b"*" or b"Edgecache-Explain" in head
        if known and (reply := own_reply(listener, head, request, now)):
            self.closing = True
            self.outgoing.write(reply, b"")
            self.transport.close()
            return
        names = listener.site_names(request.host)
        direct = request.client is self.client or listener.from_peers  # else TLS is a proxy's
        summary = RequestSummary.by(request, names, len(head), self.session if direct else None)
        trusted = self.trusted
        decision = listener.decide(request, self.session, now, direct=direct, trusted=trusted)
        if isinstance(decision, Refusal):
            stays = not request.has_body and keeps_alive(request.minor, request.fields)
            self.refuse(decision, summary, now, close=not stays, client=request.client)
        elif not isinstance(decision, Hit) or (
            decision.route.behavior.limit_rate is not None and is_paced(decision, request)
        ):
            self.deadline = now + listener.limits.body_idle_s_max
            if listener.miss_plans is not None and isinstance(decision, FetchErrand):
                listener.miss_plans.learn(self, head, decision, request, summary)
            self._set_off(decision, request, summary)
        else:
            self._send_hit(decision, head, request, summary, now)

    def _send_hit(
        self, hit: Hit, head: bytes, request: Request, summary: RequestSummary, now: float
    ) -> None:
        listener = self.listener
        answer = rendered(listener, hit, request, now)
        lasts = request.minor == 1 and keeps_alive(1, request.fields)
        if listener.handing_over or not lasts:
            write_last_hit(self, answer, summary, request, now)
            return
        head_cache = listener.head_cache
        if head_cache is not None and may_repeat(self, hit, request):
            lease = RenderedHitLease(answer, hit.until, answer)
            head_cache.learn(self, head, request, summary, lease)
        known = listener.function_heads
        if known is not None and hit.runs is not None:
            known.learn(self, head, request, summary, FunctionHit(answer, hit, answer))
        write_hit(self, answer, summary, request, now)

    def _set_off(
        self, errand: Hit | ViewerErrand, request: Request, summary: RequestSummary
    ) -> None:
        """Run an errand, or send a hit that takes its time; the next request is read after it."""
        body = None
        if request.has_body:
            limits, invite = self.listener.head_limits, invitation(request, self.transport)
            body = self.body = RequestBody(
                request.length, limits, invite, self._resume_reading, self.listener.account
            )
        stream = Http1Stream(self, request)
        writer = ResponseWriter(self.listener, stream, summary)
        self.run(
            writer.run_hit(errand, request)
            if isinstance(errand, Hit)
            else writer.run(errand, body),
            stream,
        )
        if body is not None:
            self._feed_body(self.heads.take())
            if self.body is not None:
                self._begin_upload(body, stream)

    def run(self, work: Coroutine[Any, Any, None], stream: Http1Stream) -> None:
        """Answer on a stream by a task; the next request is read after it."""
        self.stream = stream
        self._task = task = self.loop.create_task(work)
        self._state.tasks.add(task)
        task.add_done_callback(self._task_done)

    def begin_planned(self, planned: PlannedMiss, now: float) -> None:
        """A miss is under way without a task."""
        self._task = self.stream = planned
        self.began, self.deadline = now, now + self.listener.limits.body_idle_s_max

    def _begin_upload(self, body: RequestBody, stream: Http1Stream) -> None:
        """Count a body that is not all here, or refuse it."""
        network = "" if self.listener.from_peers else stream.network
        if not self._upload.begin(network, self.listener.limits.uploads_per_address_max):
            body.refuse(503)

    def _feed_body(self, data: bytes) -> None:
        body = self.body
        assert body is not None
        try:
            rest = body.feed(data)
        except BadMessage:
            self.closing = True  # the errand is told by the body, and answers
            self.body = None
            self._upload.end()
            return
        limits = self.listener.limits
        if self.tunnel_idle_s:
            self.keep_tunnel(len(data))
        else:
            now = self.listener.clock()
            self.deadline = body.due(now, len(data), limits.body_idle_s_max)
        bytes_max = TUNNEL_BYTES_MAX if self.tunnel_idle_s else limits.buffer_bytes_max
        if body.done:
            self.body = None
            self._upload.end()
            self._hold(rest)
        elif body.behind:
            self._wait_turn()
        elif body.holds_enough(bytes_max):
            self._pause_reading()

    def _pause_reading(self) -> None:
        if self._reading and not self.closing:
            self._reading = False
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        body = self.body
        if self._reading or self.closing or self._waits_turn or len(self.heads) > HELD_BYTES_MAX:
            return
        if body is None or body.waiting_bytes == 0:
            self._reading = True
            self.transport.resume_reading()

    def _hold(self, data: bytes) -> None:
        if data and not self.heads.hold(data):
            self.closing = True  # its viewer asks again elsewhere (RFC 9112 §9.3.2)
        if len(self.heads) > HELD_BYTES_MAX:
            self._pause_reading()

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._state.tasks.discard(task)
        self.answered()

    def answered(self) -> None:
        """The response to the request under way was sent, or will never be."""
        self._task = self.stream = None
        if self.body is not None:  # answered before it was read: RFC 9112 §9.3
            self.body.close()
            self.body = None
            self._upload.end()
            self.closing = True
        if self.closing:
            self.outgoing.close()
        else:
            self.rest()

    def rest(self) -> None:
        """Between two requests: serve what is held, else wait for more."""
        now = self.listener.clock()
        self.deadline = now + self.listener.limits.idle_s_max
        self.began = now
        if self.heads.held:
            self._serve(now)
        if self.ended and not (self._task or self._waits_turn or self.outgoing.paused):
            self.closing = True  # it asks for nothing more
            self.outgoing.close()
        self._resume_reading()

    def become_tunnel(self) -> SentBytes:
        """What the viewer sends is never a request again."""
        listener = self.listener
        sent = SentBytes(listener.head_limits, self._resume_reading, listener.account)
        self.body = sent
        self.tunnel_idle_s = IDLE_S_MAX
        self._feed_body(self.heads.take())
        return sent

    def keep_tunnel(self, count: int) -> None:
        """So many bytes have passed, either way: a sign of life until one side has ended."""
        now = self.listener.clock()
        latest = now + self.tunnel_idle_s
        if self.tunnel_idle_s == ENDING_S_MAX:
            latest = min(latest, max(self.deadline, now) + count / BODY_BYTES_PER_S_MIN)
        self.deadline = latest

    def end_tunnel(self) -> None:
        """One side has ended: the other has seconds left, more for what comes at a rate."""
        self.tunnel_idle_s = ENDING_S_MAX
        self.deadline = self.listener.clock() + ENDING_S_MAX

    @property
    def takes_answer(self) -> bool:
        """Whether a response can be sent at once, and the next request be read behind it."""
        waits = self.closing or self.outgoing.paused or self.listener.handing_over
        return not waits and not self.transport.is_closing()

    @property
    def at_rest(self) -> bool:
        """Whether nothing is asked and nothing is owed."""
        return not (
            self._task or self.body or self.heads.held or self.outgoing.paused or self.closing
        )

    @property
    def gives_way(self) -> bool:
        """See `TableConnection`. Half heads are how a listener is filled at no cost."""
        if self.heads.held and not (self._task or self._waits_turn or self.closing):
            return not self.outgoing.paused and self.listener.clock() - self.began >= LATE_S
        return self.at_rest

    @property
    def held_bytes(self) -> int:
        """Bytes of requests that were read and not yet served."""
        return len(self.heads)

    def refuse(
        self, refusal: Refusal, summary: RequestSummary, now: float, *, close: bool = False,
        client: tuple[str, int] | None = None,
    ) -> None:  # fmt: skip
        """Answer with our own page, `client`, or else that of the connection."""
        self.closing = self.closing or close or refusal.close
        stream = Http1Stream(self, None)
        if client is not None and self.trusted:
            stream.client = client
        ResponseWriter(self.listener, stream, summary).send_refusal(refusal, now)
        if self.closing:
            self.outgoing.close()

    def close(self) -> None:
        """Close it once what was written is sent."""
        self.transport.close()

    def make_way(self) -> None:
        """See `TableConnection`. The answer to a close_notify would be awaited for seconds."""
        self.closing = True
        if self.transport.get_write_buffer_size():
            self.transport.close()
        else:
            self.transport.abort()

    def end_overdue(self, now: float) -> None:
        """Close this connection, whose deadline has come, or give it another one."""
        end_overdue(self, now)
