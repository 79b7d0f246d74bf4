"""A viewer of HTTP/3 without a network: an `aioquic` client, and the connection it is served by.

Datagrams go from one to the other when somebody looks. QUIC waits for some milliseconds here and
there (acknowledgements, pacing), in which nothing of a play happens: its clock is the play's with
as much added as has been waited so far.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from math import inf
from types import SimpleNamespace
from typing import Any

from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.tls import SessionTicket
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from edgecache.server.http3.connection import QuicViewerConnection
from edgecache.server.http3.connection_ids import ConnectionIds
from edgecache.server.http3.quic import QuicCertificate, ViewerQuicConnection, quic_configuration
from edgecache.server.http3.session_tickets import SessionTickets
from edgecache.server.listener import Listener
from edgecache.server.tls import Certificate, Session
from tests.world.clock import FakeLoop
from tests.world.http2_viewer import Answer
from tests.world.viewer import Got

SERVER = ("192.0.2.80", 443)
WAITED_S_MAX = 0.04  # for an acknowledgement that is put off, or a paced datagram
CLOSE_S = 60.0
TICK_S = 0.000_1
ROUNDS_MAX = 400
IDS = ConnectionIds(b"secret", 7, os.urandom)


@cache
def quic_test_certificate() -> QuicCertificate:
    """A certificate for site.test that signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "site.test")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(9))
    return QuicCertificate(made.sign(key, hashes.SHA256()), [], key)


class HeadAwareConnection(H3Connection):
    """The library's, which lets a response to HEAD say a length, as 304 may (RFC 9110 §8.6)."""

    def _check_content_length(self, stream: Any) -> None:
        if stream.content_length:
            super()._check_content_length(stream)


class FakeTimer:
    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class QuicLoop:
    """The loop of a play as QUIC sees it; its timers fire when somebody looks."""

    def __init__(self, loop: FakeLoop) -> None:
        self.waited_s = 0.0
        self._loop = loop
        self._timers: list[tuple[float, FakeTimer, Callable[[], None]]] = []

    def time(self) -> float:
        return self._loop.time() + self.waited_s

    def call_at(self, when: float, callback: Callable[[], None]) -> Any:
        timer = FakeTimer()
        self._timers.append((when, timer, callback))
        return timer

    def call_soon(self, callback: Callable[..., None], *arguments: Any) -> Any:
        return self._loop.call_soon(callback, *arguments)

    def create_task(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(work)
        return task

    @property
    def next_at(self) -> float | None:
        """When the next timer is due."""
        return min((when for when, timer, _ in self._timers if not timer.cancelled), default=None)

    def fire(self) -> None:
        """Call what is due."""
        due = [one for one in self._timers if one[0] <= self.time()]
        self._timers = [one for one in self._timers if one[0] > self.time()]
        for _, timer, callback in due:
            if not timer.cancelled:
                callback()


class FakeQuicPort:
    """A `DatagramPort` whose datagrams stay here."""

    def __init__(self, listener: Listener, loop: FakeLoop, tasks: set[Any]) -> None:
        self.listener = listener
        self.loop: Any = QuicLoop(loop)
        self.state: Any = SimpleNamespace(connections=set(), tasks=tasks)
        self.sent: list[tuple[bytes, Any]] = []
        self.names: dict[bytes, QuicViewerConnection] = {}
        self.unproven = 0

    def send(self, datagram: bytes, address: Any) -> None:
        self.sent.append((datagram, address))

    def name(self, connection_id: bytes, connection: QuicViewerConnection) -> None:
        self.names[connection_id] = connection

    def unname(self, connection_id: bytes) -> None:
        self.names.pop(connection_id, None)

    def session(self, certificate: Certificate, cipher: str) -> Session:
        return Session(certificate, "TLSv1.3", cipher, False)

    def proven(self) -> None:
        self.unproven -= 1


class Http3Viewer:
    """One client with one connection; of what it asks each answer is taken in order."""

    def __init__(
        self,
        listener: Listener,
        loop: FakeLoop,
        client: Any,
        tasks: set[Any],
        *,
        bare: bool = False,
        tickets: SessionTickets | None = None,
        resumes: SessionTicket | None = None,
    ) -> None:
        """`bare`: what it says on streams, SETTINGS too, is the test's to say.

        `tickets` are the server's. Who `resumes` a session says nothing before its first request.
        """
        self._bare = bare
        self._tickets, self._resumes = tickets, resumes
        self.given: list[SessionTicket] = []
        self.port = FakeQuicPort(listener, loop, tasks)
        self.answers: dict[int, Answer] = {}
        self.transport = SimpleNamespace(closed=False)  # as plays ask viewers for
        self.connection: Any = SimpleNamespace(connection_lost=lambda _error: None, client=client)
        self.http3: H3Connection | None = None
        self.ended: events.ConnectionTerminated | None = None
        self.address = client
        self._loop = loop
        self._untaken: list[int] = []
        self._connect()

    def _connect(self) -> None:
        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=["h3"], server_name="site.test", verify_mode=0
        )
        configuration.session_ticket = self._resumes
        keep = None if self._tickets is None else self.given.append
        self.quic = QuicConnection(configuration=configuration, session_ticket_handler=keep)
        first = self.quic.original_destination_connection_id
        self.served = ViewerQuicConnection(
            quic_configuration(self.port.listener.limits.idle_s_max),
            first,
            None,
            IDS,
            lambda _name: quic_test_certificate(),
        )
        self.served.tickets = self._tickets
        self.viewed = QuicViewerConnection(self.port, self.served, self.address, first)
        self.port.unproven += 1
        self.ended = None
        self.quic.connect(SERVER, self.port.loop.time())
        if self._bare:
            self.http3 = None
            self.flushes()
            return
        self.http3 = HeadAwareConnection(self.quic)
        if self._resumes is None:
            self.flushes()

    def flushes(self) -> Http3Viewer:
        """Let datagrams go to and fro until there are none."""
        loop = self.port.loop
        for _ in range(ROUNDS_MAX):
            mine = [] if self.transport.closed else self.quic.datagrams_to_send(loop.time())
            for datagram, _ in mine:
                self.viewed.receive(datagram, self.address)
            if mine:
                self.viewed.transmit()
            loop.fire()
            self._loop.settle()
            theirs, self.port.sent = self.port.sent, []
            for datagram, _ in theirs:
                self.quic.receive_datagram(datagram, SERVER, loop.time())
            due = self.quic.get_timer()
            if due is not None and due <= loop.time():
                self.quic.handle_timer(loop.time())
            self._takes()
            if mine or theirs:
                continue
            timers = [when for when in (due, loop.next_at) if when is not None]
            wait_s = min(timers, default=inf) - loop.time()
            if wait_s > WAITED_S_MAX:
                return self
            loop.waited_s += max(wait_s, TICK_S)
        raise AssertionError("datagrams without end")

    def begins(self, target: str, method: str = "GET", *, ends: bool = True, **fields: str) -> int:
        """The head of a request; its stream."""
        if self.ended is not None and not self.transport.closed:
            self._connect()
        scheme = self.port.listener.scheme
        fields = {"host": "site.test", **fields}
        head = [
            (b":method", method.encode()),
            (b":scheme", scheme),
            (b":authority", fields.pop("host").encode()),
            (b":path", target.encode("latin-1")),
        ]
        head += [
            (name.replace("_", "-").lower().encode(), value.encode("latin-1"))
            for name, value in fields.items()
        ]
        return self.sends_head(head, ends=ends)

    def sends_head(self, head: list[tuple[bytes, bytes]], *, ends: bool = True) -> int:
        """A head as it is; its stream."""
        stream = self.quic.get_next_available_stream_id()
        assert self.http3 is not None
        self.http3.send_headers(stream, head, end_stream=ends)
        self.answers[stream] = Answer()
        self._untaken.append(stream)
        self.flushes()
        return stream

    def says(self, stream: int, *parts: bytes, ends: bool = False) -> Http3Viewer:
        """Bytes of a stream, as they are."""
        self.answers.setdefault(stream, Answer())
        self.quic.send_stream_data(stream, b"".join(parts), ends)
        return self.flushes()

    def asks(self, target: str, method: str = "GET", body: str = "", **fields: str) -> Http3Viewer:
        """One request; `host` defaults to site.test."""
        if body:
            fields["content-length"] = str(len(body.encode()))
        stream = self.begins(target, method, ends=not body, **fields)
        if body:
            self.sends_body(stream, body.encode())
        return self

    def sends_body(self, stream: int, data: bytes, *, ends: bool = True) -> None:
        """DATA, as far as windows let; the rest as they open."""
        assert self.http3 is not None
        self.http3.send_data(stream, data, end_stream=ends)
        self.flushes()

    def leaves(self) -> None:
        """Hang up."""
        self.quic.close(error_code=0x100)
        self.flushes()
        self.transport.closed = True
        self.port.loop.waited_s += CLOSE_S  # for what is late, and is not answered (RFC 9000 §10.2)
        self.port.loop.fire()

    def got(self) -> Got | None:
        """The next response, as far as it has come."""
        self._loop.look()
        self.flushes()
        answer = self.answers[self._untaken[0]] if self._untaken else None
        return None if answer is None or not answer.status else answer.got()

    def gets(
        self, status: int, body: str | None = None, *, x_cache: str | None = None,
        cache_status: str | None = None,
    ) -> Got:  # fmt: skip
        """The next response is whole, and says this."""
        got = self.got()
        assert got is not None, "no response"
        got.says(status, body, x_cache, cache_status)
        assert got.whole, "the response is not whole"
        self._untaken.pop(0)
        return got

    def gets_nothing(self) -> None:
        """No response has come yet."""
        self._loop.look()
        self.flushes()
        assert not any(self.answers[stream].status for stream in self._untaken)

    def _takes(self) -> None:
        self.ended = self.quic._close_event  # the library tells it some time later
        while (event := self.quic.next_event()) is not None:
            if isinstance(event, events.StreamReset) and event.stream_id in self.answers:
                self.answers[event.stream_id].reset = event.error_code
            if self.http3 is None:
                continue
            for one in self.http3.handle_event(event):
                self._take(one)

    def _take(self, event: Any) -> None:
        answer = self.answers.get(getattr(event, "stream_id", -1))
        if answer is None:
            return
        if isinstance(event, HeadersReceived):
            fields = tuple(event.headers)
            status = int(dict(fields).get(b":status", b"0"))
            if not status:
                answer.fields = fields  # trailers
            elif status < 200:
                answer.interims.append(status)
            else:
                answer.status, answer.fields = status, fields[1:]
        elif isinstance(event, DataReceived):
            answer.body += event.data
        if event.stream_ended:
            answer.ended = True
