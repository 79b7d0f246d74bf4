"""HTTP/3 connection of a viewer: events of QUIC in, streams, deadlines, its end.

Law: every stream counts until nothing is done for it any more, whoever has reset it. Of what comes
together a few requests are served in a turn of the loop. Deadlines of HTTP are absolute and checked
by the listener's sweep; those of QUIC have one timer. A hand-over ends it with GOAWAY once what was
asked before has its answer, and the answer has arrived (RFC 9114 §5.2). What the library throws
ends this connection and no other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Protocol

from aioquic.quic import events

from edgecache.http.framing import BODY_BYTES_PER_S_MIN
from edgecache.http.http2.frames import Http2ConnectionError
from edgecache.rules.viewer.client_shares import client_network
from edgecache.runtime.environment import REQUESTS_MAX
from edgecache.server.connection_table import LATE_S
from edgecache.server.http3 import frames
from edgecache.server.http3.frames import Http3ConnectionError, Http3Error
from edgecache.server.http3.quic import ViewerQuicConnection
from edgecache.server.http3.stream import Http3Stream
from edgecache.server.http3.stream_receiver import StreamReceiver
from edgecache.server.http3.transmission import DatagramSocket, Transmission
from edgecache.server.listener import Listener
from edgecache.server.stream_owner import StreamOwner
from edgecache.server.tls import Certificate, Session

logger = logging.getLogger("edgecache.server")

LAST_ID = frames.VARINT_MAX & ~3  # GOAWAY that lets everything come yet (§5.2)
GRACE_PTO = 3  # after GOAWAY was heard: what was asked before, and is late or lost, comes till then
GRACE_S_MAX = 1.0
DRAIN_PING = 1
ALIVE_PING = 2
ALIVE_SHARE = 3  # of the idle time, after which who waits for an answer is asked for a sign of life


class DatagramPort(DatagramSocket, Protocol):
    """What has a connection's socket, as the connection sees it."""

    listener: Listener
    state: Any
    """Uvicorn's: the connections it shuts down, and the tasks it waits for."""

    def name(self, connection_id: bytes, connection: QuicViewerConnection) -> None:
        """Datagrams for an id are a connection's from now on."""
        ...

    def unname(self, connection_id: bytes) -> None:
        """Nobody's any more."""
        ...

    def session(self, certificate: Certificate, cipher: str) -> Session:
        """Parameters of TLS, the same object for the same ones."""
        ...

    def proven(self) -> None:
        """A viewer has shown that it is where it says, or is gone."""
        ...


class QuicViewerConnection(StreamOwner[Http3Stream]):
    """One viewer's connection."""

    protocol = "h3"

    def __init__(
        self, port: DatagramPort, quic: ViewerQuicConnection, address: Any, first_id: bytes
    ) -> None:
        self.listener = port.listener
        self.quic = quic
        self.client: tuple[str, int] = ("", 0)
        self.network = ""
        self.trusted = False
        self.session: Session | None = None
        self.certificate: Certificate | None = None  # that it was shown
        self.closing = False  # no request is taken any more
        self.streams: dict[int, Http3Stream] = {}
        self.is_validated = False
        self._validated = asyncio.Event()
        self.loop = port.loop
        self._port, self._state = port, port.state
        self._address = address
        self._named = {first_id, *quic.ids}
        self._received = StreamReceiver(self)
        self._began = self._rested_at = self._heard_at = self.listener.clock()
        self.deadline = self._began + self.listener.limits.head_s_max
        self._control_id = -1
        self._held = self._waits_turn = self._scheduled = False
        self._goaway = False  # was sent
        self._over = False  # nothing is sent any more but the end
        self._gone = False
        self._transmission = Transmission(port, quic, self.listener.account)
        quic.stream_limit = self._received.limit_of
        quic.untaken_bytes = lambda: self._received.untaken_bytes
        self._identify(address)
        port.state.connections.add(self)
        for one in self._named:
            port.name(one, self)

    # Datagrams and time.

    def receive(self, datagram: bytes, address: Any) -> None:
        """Take a datagram; `transmit` is to follow once no more of them are at hand."""
        if self._gone:
            return
        self._held = True
        try:
            self.quic.receive_datagram(datagram, address, self.loop.time())
        except Exception:
            self._fail()
            return
        if not self.quic.has_begun:  # nothing in it could be read: it is nobody's
            self._lose()
            return
        self._heard_at = self.listener.clock()
        if not self._waits_turn:
            self._work()
        self._follow_path()
        if self.quic.has_ended and not self._over:
            self._part()

    def transmit(self) -> None:
        """Send what is to be sent, and set the timer of QUIC."""
        self._held = self._scheduled = False
        if self._gone:
            return
        streams = () if self._over else self.streams.values()
        try:
            self._transmission.send([*streams], self.settle)
        except Exception:
            self._fail()
            return
        if not self._waits_turn:
            self._work()  # sending makes events: ids that were told to the viewer
        self._transmission.count(over=self._over)
        self._end_if_done()
        if not self._gone:
            self._transmission.set_timer(self._on_timer)

    def ready(self) -> None:
        """See `Http3Connection`."""
        if not (self._held or self._scheduled or self._gone):
            self._scheduled = True
            self.loop.call_soon(self.transmit)

    def _on_timer(self) -> None:
        try:
            if self._transmission.timer_fired():
                self.quic.handle_timer(self.loop.time())
        except Exception:
            self._fail()
            return
        self._held = True
        if not self._waits_turn:
            self._work()
        self.transmit()

    def _work(self) -> None:
        """Work off what was read, until it is a turn's worth."""
        now = self.listener.clock()
        self._received.served = 0
        try:
            while (event := self.quic.next_event()) is not None:
                self._take_event(event, now)
                if self._received.served >= REQUESTS_MAX:
                    self._waits_turn = True
                    self.listener.turns.wait(self.loop, self._take_turn)
                    break
        except Http3ConnectionError as error:
            self.end(error.code, error.detail)
        except Http2ConnectionError as error:  # of what is counted as in HTTP/2
            self.end(Http3Error.EXCESSIVE_LOAD, error.detail)
        self._look_again()

    def _take_turn(self) -> None:
        self._waits_turn = False
        if not self._gone:
            self._held = True
            self._work()
            self.transmit()

    def _take_event(self, event: Any, now: float) -> None:
        if isinstance(event, events.StreamDataReceived):
            if not self._over:
                if not self.is_validated:
                    self._know_session()  # its data is early
                stream_id, ended = event.stream_id, event.end_stream
                self._received.take(stream_id, event.data, ended=ended, now=now)
        elif isinstance(event, events.StreamReset | events.StopSendingReceived):
            if not self._over:
                self._received.take_reset(event.stream_id, now)
        elif isinstance(event, events.ConnectionIdIssued):
            self._named.add(event.connection_id)
            self._port.name(event.connection_id, self)
        elif isinstance(event, events.ConnectionIdRetired):
            self._named.discard(event.connection_id)
            self._port.unname(event.connection_id)
        elif isinstance(event, events.HandshakeCompleted):
            self._open()
        elif isinstance(event, events.PingAcknowledged):
            if event.uid == DRAIN_PING:
                grace_s = min(GRACE_S_MAX, GRACE_PTO * self.quic.probe_timeout_s)
                self.loop.call_at(self.loop.time() + grace_s, self._finish)
        elif isinstance(event, events.ConnectionTerminated):
            self._lose()

    def _follow_path(self) -> None:
        """A viewer whose address has changed is another client from now on (RFC 9000 §9)."""
        address = self.quic.validated_address
        if self._over or address is None or address == self._address:
            return
        listener = self.listener
        self._address = address
        listener.connections.discard(self)
        self._identify(address)
        access = listener.access
        admitted = access is None or access.admits_peer(None, self.client)
        if not (admitted and listener.has_room(self)):
            self.end(Http3Error.EXCESSIVE_LOAD, "")

    def _identify(self, address: Any) -> None:
        self.client = (address[0], address[1])
        self.trusted = self.listener.trusts(self.client[0], named=False)
        self.network = "" if self.trusted else client_network(self.client[0])
        self.listener.connections.add(self)

    def _know_session(self) -> None:
        """The hello has settled parameters of TLS, and which names the connection is for."""
        if self.session is None and self.certificate is not None:
            self.session = self._port.session(self.certificate, self.quic.cipher)

    def run(self, stream: Http3Stream, work: Coroutine[None, None, None]) -> None:
        """Run what `stream` waits for; of an early request not before TLS is done (RFC 8470 §3)."""
        if self.is_validated:
            super().run(stream, work)
            return
        super().run(stream, self._run_later(work))
        task = stream.task
        assert task is not None
        task.add_done_callback(lambda _task: work.close())  # which has not begun, if it never will

    async def _run_later(self, work: Coroutine[None, None, None]) -> None:
        await self._validated.wait()
        await work

    def _open(self) -> None:
        """TLS is done: say what we are."""
        self._know_session()
        self.is_validated = True
        self._validated.set()
        self._port.proven()
        limits, quic = self.listener.head_limits, self.quic
        self._control_id = quic.get_next_available_stream_id(is_unidirectional=True)
        settings = {
            frames.MAX_FIELD_SECTION_SIZE: limits.head_bytes_max,
            frames.ENABLE_CONNECT_PROTOCOL: 1,
        }
        start = frames.varint(frames.CONTROL_STREAM) + frames.settings_frame(settings)
        quic.send_stream_data(self._control_id, start)
        self.listener.draining.add(self.drain)
        if self.listener.handing_over:
            self.drain()

    # What Uvicorn and the listener call.

    def shutdown(self) -> None:
        """Finish the requests under way, if there are some, then close."""
        for stream in list(self.streams.values()):
            if stream.tunnel_due:
                self.reset(stream, Http3Error.REQUEST_CANCELLED)  # it has no end to wait for
        self._finish()

    def _finish(self) -> None:
        self._announce_end()
        self.ready()

    def drain(self) -> None:
        """Tell the viewer to ask elsewhere; what it asks until it has heard that is answered."""
        if not (self._goaway or self._over or self._control_id < 0):
            self._goaway = True
            self._tell(frames.frame(frames.GOAWAY, frames.varint(LAST_ID)))
            self.quic.send_ping(DRAIN_PING)
            self.ready()

    def close(self) -> None:
        """See `TableConnection`."""
        self.end(Http3Error.NO_ERROR)

    def make_way(self) -> None:
        """See `TableConnection`."""
        self.end(Http3Error.NO_ERROR, "room for another")

    def end(self, code: Http3Error, detail: str = "") -> None:
        """Close at once, and say why (RFC 9114 §8)."""
        if self._over:
            return
        self._over = self.closing = True  # the last stream that is let go would end it again
        self.listener.request_log.counters.http3_ends[code.name.lower()] += 1
        self._part()
        self.quic.close(error_code=int(code), reason_phrase=detail)
        self.ready()

    def _announce_end(self) -> None:
        """Nothing that was not asked yet is taken any more; close once the rest is answered."""
        if self.closing or self._over:
            return
        self._goaway = self.closing = True
        self._received.last_taken = self._received.last_id
        if self._control_id >= 0:
            last = self._received.last_id + 4
            self._tell(frames.frame(frames.GOAWAY, frames.varint(last)))
        self._end_if_done()

    def _end_if_done(self) -> None:
        """Close, once nothing is owed any more to a viewer that is to ask nothing more."""
        if self.closing and not (self.streams or self._over) and self.quic.acknowledged:
            self.end(Http3Error.NO_ERROR)

    def _tell(self, frame: bytes) -> None:
        self.quic.send_stream_data(self._control_id, frame)

    def _fail(self) -> None:
        """The library has thrown: the connection is lost, and told so nobody."""
        logger.exception("a QUIC connection failed")
        self.listener.request_log.counters.http3_ends["failed"] += 1
        self._lose()

    def _part(self) -> None:
        """The viewer has left, or what was said to it last is on its way."""
        self._over = self.closing = True
        for stream in list(self.streams.values()):
            self.let_go(stream)
        self.listener.draining.discard(self.drain)
        self.listener.connections.discard(self)
        self._state.connections.discard(self)

    def _lose(self) -> None:
        """Nothing comes any more."""
        if self._gone:
            return
        self._gone = True
        self._part()
        self._transmission.stop()
        for one in self._named:
            self._port.unname(one)
        self._named.clear()
        if not self.is_validated:
            self._port.proven()

    def forget(self) -> None:
        """As if it had not come: there is no room for it."""
        self._lose()

    @property
    def at_rest(self) -> bool:
        """Whether nothing is asked and nothing is owed."""
        return not (self.streams or self.held_bytes or self.closing) and self.is_validated

    @property
    def gives_way(self) -> bool:
        """See `TableConnection`. Who asks nothing, or is late with what it began."""
        if self.streams or self.closing:
            return False
        idle = self.is_validated and not self.held_bytes
        return idle or self.listener.clock() - self._began >= LATE_S

    @property
    def held_bytes(self) -> int:
        """See `TableConnection`."""
        return self._received.held_bytes

    # Streams: see the interface.

    def settle(self, stream: Http3Stream) -> None:
        """Forget `stream` if nothing is done for it any more."""
        if stream.task is not None:
            return
        if not (stream.whole or stream.gone):
            self.reset(stream, Http3Error.INTERNAL_ERROR)  # nobody is left to answer it
            return
        if not (stream.local_closed or stream.gone):
            return
        if not (stream.remote_closed or stream.gone):  # §4.1: what else is sent is not wanted
            self._received.ignore(stream.id)
            self.quic.refuse_rest(stream.id, int(stream.fault))
            stream.remote_closed = True
        self.forget_body(stream)
        self.streams.pop(stream.id, None)
        self._rested_at = self.listener.clock()
        self._look_again()
        self.ready()

    def reset(self, stream: Http3Stream, code: Http3Error) -> None:
        """End `stream` at once, both ways, and say so."""
        if not stream.gone:
            self.reject(stream.id, code)
            self.let_go(stream)

    def reject(self, stream_id: int, code: Http3Error) -> None:
        """End a stream of which no request was made, or none any more."""
        self._received.ignore(stream_id)
        self.quic.refuse_rest(stream_id, int(code))
        self.quic.reset(stream_id, int(code))
        self.ready()

    def _send_no_more(self, stream: Http3Stream) -> None:
        self.quic.reset(stream.id, int(Http3Error.REQUEST_CANCELLED))

    def taken(self, stream: Http3Stream, count: int) -> None:
        """So many bytes of its body were taken: more may come."""
        self._received.taken(count)
        self.ready()

    # What takes too long.

    def _look_again(self) -> None:
        """When this connection is to be looked at next: not later than anything is overdue."""
        now, limits = self.listener.clock(), self.listener.limits
        self.deadline = now + limits.idle_s_max / ALIVE_SHARE
        if not self.is_validated or self._received.has_heads:
            self.deadline = min(self.deadline, now + min(1.0, limits.head_s_max))
        for stream in self.streams.values():
            if stream.queued_bytes and not stream.deadline:
                stream.deadline = now + limits.write_idle_s_max
                stream.seen_bytes = self.quic.acknowledged_bytes(stream.id)
            for at in (stream.deadline, stream.tunnel_due):
                self.deadline = min(self.deadline, at or self.deadline)

    def end_overdue(self, now: float) -> None:
        """Close this connection, whose deadline has come, or give it another one."""
        limits = self.listener.limits
        if self._over:
            return
        if not self.is_validated and now >= self._began + limits.head_s_max:
            self._lose()  # who is not known to be there is told nothing (RFC 9000 §8.1)
            return
        self._received.end_late(now, limits.head_s_max)
        if not self.streams and now >= self._rested_at + limits.idle_s_max:
            self.end(Http3Error.NO_ERROR)
            return
        if self.streams and now >= self._heard_at + limits.idle_s_max / ALIVE_SHARE:
            self.quic.send_ping(ALIVE_PING)
            self.ready()
        for stream in list(self.streams.values()):
            if stream.tunnel_due and now >= stream.tunnel_due:
                self.reset(stream, Http3Error.REQUEST_CANCELLED)
            elif stream.deadline and now >= stream.deadline:
                self._check_stream(stream, now)
        self._look_again()

    def _check_stream(self, stream: Http3Stream, now: float) -> None:
        """What is late of a stream: its body, or who takes the response."""
        limits = self.listener.limits
        stream.deadline = 0.0
        if stream.queued_bytes and stream.seen_bytes >= 0:
            taken = self.quic.acknowledged_bytes(stream.id) - stream.seen_bytes
            if taken < limits.write_idle_s_max * BODY_BYTES_PER_S_MIN:
                self.reset(stream, Http3Error.REQUEST_CANCELLED)
                return
        body = stream.body
        if body is not None and not (body.done or body.open_ended or stream.remote_closed):
            stream.deadline = body.overdue(now, limits.body_idle_s_max)
