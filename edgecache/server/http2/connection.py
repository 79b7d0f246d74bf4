"""HTTP/2 connection of a viewer: frames in, streams, deadlines, its end.

Law: every stream counts until nothing is done for it any more, whoever has reset it. Of what comes
together a few requests are served in a turn of the loop; others come between. All deadlines are
absolute and checked by the listener's sweep. What it cannot read on from ends it with GOAWAY, and
so does a hand-over, once what was asked before has its answer (RFC 9113 §6.8).
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, cast

from edgecache.http.framing import BODY_BYTES_PER_S_MIN
from edgecache.http.http2 import frames
from edgecache.http.http2.frames import STREAM_ID_MAX, ErrorCode, Http2ConnectionError
from edgecache.observe.log_record import escaped
from edgecache.rules.viewer.access_list import AccessListMatcher
from edgecache.rules.viewer.client_shares import client_network
from edgecache.rules.viewer.rate_limits import RateLimitRule
from edgecache.server.connection_table import LATE_S
from edgecache.server.http2.frame_receiver import DRAIN_PING, FrameReceiver
from edgecache.server.http2.frame_writer import FrameWriter
from edgecache.server.http2.stream import Http2Stream
from edgecache.server.listener import SHED, Listener
from edgecache.server.output_buffer import untaken_bytes
from edgecache.server.stream_owner import StreamOwner
from edgecache.server.tls import Session


class MultiplexedConnection(StreamOwner[Http2Stream], asyncio.Protocol):
    """One viewer socket."""

    def __init__(
        self,
        config: Any,
        server_state: Any,
        loop: asyncio.AbstractEventLoop,
        source: tuple[str, int] | None = None,
    ) -> None:
        self.listener = cast(Listener, config.loaded_app.listener)
        self.loop = loop
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.writer: FrameWriter = cast(FrameWriter, None)
        self.client: tuple[str, int] = ("", 0)  # the viewer: the peer, or whom it stands for
        self.network = ""
        self.protocol = "h2c" if self.listener.tls is None else "h2"
        self.address = self.port = b""  # the client's, as the log has them
        self.admitted: tuple[AccessListMatcher, ...] = ()
        self.buckets: dict[RateLimitRule, int] = {}
        self.trusted = False  # the peer is a proxy that stands for many viewers
        self.session: Session | None = None
        self.deadline = 0.0
        self.closing = False  # no request is taken any more
        self.ended = False  # the viewer sends no more
        self.streams: dict[int, Http2Stream] = {}
        self.unsent_bytes = -1  # at the last look; -1: there was none
        self._source = source  # by a PROXY header
        self._state = server_state
        self._received: FrameReceiver = cast(FrameReceiver, None)
        self._goaway = False  # was sent
        self._over = False  # it was ended, and says why
        self._waits_turn = False
        self._rested_at = 0.0  # when the last stream ended

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        listener, secured = self.listener, self.listener.tls is not None
        self.writer = FrameWriter(self.transport, self.loop, listener.account, encrypts=secured)
        self._state.connections.add(self)
        peer = transport.get_extra_info("peername")
        self._identify(self._source or (peer[:2] if isinstance(peer, tuple) and peer else ("", 0)))
        now = listener.clock()
        self._received = FrameReceiver(self, now)
        self.deadline = now + listener.limits.head_s_max
        settings = {
            frames.MAX_CONCURRENT_STREAMS: listener.limits.concurrent_streams_max,
            frames.MAX_HEADER_LIST_SIZE: listener.head_limits.head_bytes_max,
            frames.ENABLE_CONNECT_PROTOCOL: 1,
            frames.NO_RFC7540_PRIORITIES: 1,
        }
        self.writer.answer(frames.settings_frame(settings))
        if listener.tls is not None:
            self.session = listener.tls.session(transport.get_extra_info("ssl_object"))
            if self.session.refused or not self.session.adequate_for_http2:
                self.end(ErrorCode.INADEQUATE_SECURITY, "TLS of the connection")
                return
        if not listener.has_room(self):
            listener.request_log.counters.refusals[SHED.reason] += 1
            self.end(ErrorCode.ENHANCE_YOUR_CALM, SHED.why)
            return
        listener.draining.add(self.drain)
        if listener.handing_over:
            self.drain()

    def connection_lost(self, exc: Exception | None) -> None:
        listener = self.listener
        listener.draining.discard(self.drain)
        self._state.connections.discard(self)
        listener.connections.discard(self)
        if listener.access is not None:
            listener.access.leaves(self, broken=exc is not None, ended=self.ended)
        self.closing = True
        for stream in list(self.streams.values()):
            self.let_go(stream)
        self._received.clear()
        self.writer.lost()

    def eof_received(self) -> bool:
        """Who sends no more can open no window, and has left."""
        self.ended = self.closing = True
        self.writer.flush()
        for stream in list(self.streams.values()):
            self.let_go(stream)
        return False

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._received.add(data, self.listener.clock())
        if not self._waits_turn:
            self._work()

    def pause_writing(self) -> None:
        self.unsent_bytes = self.writer.pause()
        self.deadline = self.listener.clock() + self.listener.limits.write_idle_s_max

    def resume_writing(self) -> None:
        self.unsent_bytes = -1
        self.writer.resume()
        for stream in list(self.streams.values()):
            stream.wake()
        self._look_again()
        self._end_if_done()

    def _work(self) -> None:
        """Work off what was read, until it is a turn's worth; all answers in one write."""
        now = self.listener.clock()
        self.writer.held = True
        try:
            more = self._received.work(now)
        except Http2ConnectionError as error:
            self.writer.held = False
            self.end(error.code, error.detail)
            return
        self.writer.held = False
        self.writer.flush()
        if self.writer.overrun:
            self.end(ErrorCode.ENHANCE_YOUR_CALM, "answers are not taken")
        elif more:
            self._wait_turn()
        self._look_again()

    def _wait_turn(self) -> None:
        """Go on when others have had theirs; until then nothing more is read."""
        self._waits_turn = True
        if not self.transport.is_closing():
            self.transport.pause_reading()
            self.listener.turns.wait(self.loop, self._take_turn)

    def _take_turn(self) -> None:
        self._waits_turn = False
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self._work()

    # What Uvicorn and the listener call.

    def shutdown(self) -> None:
        """Finish the requests under way, if there are some, then close."""
        for stream in list(self.streams.values()):
            if stream.tunnel_due:
                self.reset(stream, ErrorCode.CANCEL)  # it has no end to wait for
        self._announce_end(self._received.last_id)

    def drain(self) -> None:
        """Tell the viewer to ask elsewhere; what it asks until it has heard that is answered."""
        if not (self._goaway or self.transport.is_closing()):
            self._goaway = True
            self.writer.answer(frames.goaway_frame(STREAM_ID_MAX, ErrorCode.NO_ERROR))
            self.writer.answer(frames.frame(frames.PING, 0, 0, DRAIN_PING))

    def drained(self) -> None:
        """Our PING was answered: whatever was asked before it is here."""
        if self._goaway:
            self._announce_end(self._received.last_id)

    def finish(self) -> None:
        """The viewer asks nothing more."""
        self.closing = True
        self._end_if_done()

    def close(self) -> None:
        """See `TableConnection`."""
        self.end(ErrorCode.NO_ERROR)

    def make_way(self) -> None:
        """See `TableConnection`."""
        self.end(ErrorCode.NO_ERROR, "room for another")

    def end(self, code: ErrorCode, detail: str = "") -> None:
        """Close at once, and say why (RFC 9113 §5.4.1)."""
        if self._over or self.transport.is_closing():
            return
        self._over = self.closing = True  # the last stream that is let go would end it again
        counters, last_id = self.listener.request_log.counters, self._received.last_id
        counters.http2_ends[code.name.lower()] += 1
        self._received.clear()
        for stream in list(self.streams.values()):
            self.let_go(stream)
        self.writer.flush()
        self.transport.write(frames.goaway_frame(last_id, code, detail))
        self.writer.lost()
        self.transport.close()

    def _announce_end(self, last_id: int) -> None:
        """Nothing above `last_id` is taken any more; close once the others are answered."""
        if self.closing or self.transport.is_closing():
            return
        self._goaway = self.closing = True
        self._received.last_taken = last_id
        self.writer.answer(frames.goaway_frame(last_id, ErrorCode.NO_ERROR))
        self._end_if_done()

    def _end_if_done(self) -> None:
        """Close, once nothing is owed any more to a viewer that asks nothing more."""
        if self.closing and not self.streams and not self.transport.is_closing():
            self.writer.flush()
            if not self.writer.waits:
                self.end(ErrorCode.NO_ERROR)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is asked and nothing is owed."""
        return not (self.streams or self.held_bytes or self.writer.waits or self.closing)

    @property
    def gives_way(self) -> bool:
        """See `TableConnection`. Who asks nothing, or is late with what it began."""
        if self.streams or self.closing or self.writer.waits:
            return False
        return not self.held_bytes or self.listener.clock() - self._received.since >= LATE_S

    @property
    def held_bytes(self) -> int:
        """See `TableConnection`."""
        return self._received.held_bytes

    def _identify(self, client: tuple[str, int]) -> None:
        self.client = client
        self.address, self.port = escaped(client[0]), b"%d" % client[1]
        self.trusted = self.listener.trusts(client[0], named=self._source is not None)
        self.network = "" if self.trusted else client_network(client[0])
        self.listener.connections.add(self)

    # Streams: see the interface.

    def settle(self, stream: Http2Stream) -> None:
        """Forget `stream` if nothing is done for it any more."""
        if stream.task is not None:
            return
        if not (stream.whole or stream.gone):
            self.reset(stream, ErrorCode.INTERNAL_ERROR)  # nobody is left to answer it
            return
        if stream.local_closed and not (stream.remote_closed or stream.gone):
            self._received.ignore(stream.id)  # §8.1: what else is sent of it is not wanted
            self.writer.answer(frames.reset_frame(stream.id, stream.fault))
            stream.remote_closed = True
        elif stream.local_closed and stream.fault and not stream.gone:
            self.writer.answer(frames.reset_frame(stream.id, stream.fault))
        if stream.local_closed or stream.gone:
            self.forget_body(stream)
            self.streams.pop(stream.id, None)
            self._rested_at = self.listener.clock()
            self._look_again()
            self._end_if_done()

    def response_sent(self, stream: Http2Stream) -> None:
        """END_STREAM of the response was framed."""
        self.settle(stream)

    def reset(self, stream: Http2Stream, code: ErrorCode) -> None:
        """End `stream` at once, both ways, and say so."""
        if not stream.gone:
            self.writer.answer(frames.reset_frame(stream.id, code))
            self._received.ignore(stream.id)
            self.let_go(stream)

    def _send_no_more(self, stream: Http2Stream) -> None:
        self.writer.forget(stream)

    def taken(self, stream: Http2Stream, count: int) -> None:
        """So many bytes of its body were taken: more may come."""
        self._received.taken(stream, count)

    # What takes too long.

    def _look_again(self) -> None:
        """When this connection is to be looked at next: not later than anything is overdue."""
        now, limits = self.listener.clock(), self.listener.limits
        if self.writer.paused or self.transport.is_closing():
            return
        received = self._received
        if not received.settled or received.held_bytes:
            self.deadline = received.since + self._whole_s
        else:
            self.deadline = now + limits.idle_s_max
        for stream in self.streams.values():
            if stream.stalled and not stream.deadline:
                stream.deadline = now + limits.write_idle_s_max
                self._see(stream)
            for at in (stream.deadline, stream.tunnel_due):
                self.deadline = min(self.deadline, at or self.deadline)

    def end_overdue(self, now: float) -> None:
        """Close this connection, whose deadline has come, or give it another one."""
        received = self._received
        if self.writer.paused or self.transport.is_closing():
            self._check_unsent(now)
            return
        if not received.settled:
            self.end(ErrorCode.SETTINGS_TIMEOUT, "the preface did not arrive in time")
        elif self._is_late(now):
            self.end(ErrorCode.ENHANCE_YOUR_CALM, "a frame did not arrive in time")
        elif not self.streams and now >= self._idle_since + self.listener.limits.idle_s_max:
            self.end(ErrorCode.NO_ERROR)
        else:
            for stream in list(self.streams.values()):
                if stream.tunnel_due and now >= stream.tunnel_due:
                    self.reset(stream, ErrorCode.CANCEL)
                elif stream.deadline and now >= stream.deadline:
                    self._check_stream(stream, now)
            self._look_again()

    @property
    def _idle_since(self) -> float:
        return max(self._received.since, self._rested_at)

    @property
    def _whole_s(self) -> float:
        """How long what has begun may take: a frame, a header block, the preface."""
        stream = self.streams.get(self._received.partial_stream)
        if stream is not None and stream.body is not None:
            return math.inf  # which has a deadline of its own
        return self.listener.limits.head_s_max

    def _is_late(self, now: float) -> bool:
        """Whether a frame or a header block has begun, and takes too long."""
        return bool(self.held_bytes) and now >= self._received.since + self._whole_s

    def _see(self, stream: Http2Stream) -> None:
        stream.seen_bytes = stream.framed_bytes
        stream.seen_of_all = self.writer.framed_bytes

    def _check_stream(self, stream: Http2Stream, now: float) -> None:
        """What is late of a stream: its body, or who takes the response (RFC 9113 §10.5).

        Who waits for its turn, not for its own window, is let be while others are taken.
        """
        limits = self.listener.limits
        stream.deadline = 0.0
        if stream.stalled:
            taken = stream.framed_bytes - stream.seen_bytes
            if stream.window > 0:
                taken = self.writer.framed_bytes - stream.seen_of_all
            if taken < limits.write_idle_s_max * BODY_BYTES_PER_S_MIN:
                self.reset(stream, ErrorCode.CANCEL)
                return
        body = stream.body
        if body is not None and not (body.done or body.open_ended or stream.remote_closed):
            stream.deadline = body.overdue(now, limits.body_idle_s_max)

    def _check_unsent(self, now: float) -> None:
        """A viewer that takes its responses at less than a rate has left."""
        before, unsent = self.unsent_bytes, untaken_bytes(self.transport)
        idle_s = self.listener.limits.write_idle_s_max
        if unsent and 0 <= before < unsent + idle_s * BODY_BYTES_PER_S_MIN:
            self.transport.abort()
        self.unsent_bytes, self.deadline = unsent, now + idle_s
