"""A client of QUIC on a socket of its own, and the port of HTTP/3 it speaks to, in a play."""

from __future__ import annotations

import contextlib
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from cryptography.hazmat.primitives import serialization

from edgecache.server.http3.connection_ids import ConnectionIds
from edgecache.server.http3.datagram_relay import DatagramRelay
from edgecache.server.http3.port import PortParts, QuicPort
from edgecache.server.http3.retry_tokens import RetryTokens
from edgecache.server.tls import POLICIES, Certificate, TlsPort, context_of
from tests.world.http3_viewer import quic_test_certificate
from tests.world.play import Play

SECRET = b"of the location"
STEP_S = 0.002
QUIET_ROUNDS = 20  # longer than an acknowledgement is put off
ROUNDS_MAX = 2_000


def tls_port(*names: bytes) -> TlsPort:
    """A port of TLS that has one certificate."""
    made, pem = quic_test_certificate(), serialization.Encoding.PEM
    key = made.key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    minimum, suites = POLICIES["TLSv1.2_2021"]
    shown = Certificate(
        context_of(minimum, suites), minimum, frozenset(names), frozenset(names), object(),
        datetime.now(UTC) + timedelta(9), pem=(made.leaf.public_bytes(pem), key),
    )  # fmt: skip
    return TlsPort((shown,))


class UdpStage:
    """Ports of processes of one location, each on its own address."""

    def __init__(self, play: Play, folder: Path) -> None:
        self.play, self.folder = play, folder
        self.listener = play.listener.secured(tls_port(b"site.test", b"other.test"), None)
        self.ports: list[QuicPort] = []
        self.clients: list[UdpClient] = []
        self.state: Any = SimpleNamespace(connections=set(), tasks=play.tasks)

    def port(self, owner: int) -> QuicPort:
        """The port of the process of that number."""
        sock = udp_socket()
        ids = ConnectionIds(SECRET, owner, os.urandom)
        tokens, relay = RetryTokens(SECRET), DatagramRelay(str(self.folder), owner)
        parts = PortParts(self.listener, self.state, ids, tokens, relay, os.urandom, self.play.loop)
        port = QuicPort(parts, [sock])
        port.address = sock.getsockname()  # type: ignore[attr-defined]
        self.ports.append(port)
        return port

    def client(self, port: QuicPort, name: str = "site.test") -> UdpClient:
        """A client of a port, which has not said anything yet."""
        self.clients.append(UdpClient(self.play, port.address, name))  # type: ignore[attr-defined]
        return self.clients[-1]

    def close(self) -> None:
        """Everybody leaves; connections are forgotten as QUIC wants it."""
        for client in self.clients:
            client.socket.close()
        for connection in list(self.state.connections):
            connection.close()
        self.play.loop.settle()
        self.play.clock.now += 100
        self.play.loop.settle()
        for port in self.ports:
            assert not port._by_id, "an id is left"
            port.finish()


def udp_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


class UdpClient:
    """One connection."""

    def __init__(self, play: Play, server: Any, name: str) -> None:
        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=["h3"], server_name=name, verify_mode=0
        )
        self.quic = QuicConnection(configuration=configuration)
        self.http3: H3Connection | None = None
        self.socket = udp_socket()
        self.server = server  # where its datagrams go
        self.statuses: dict[int, int] = {}
        self.bodies: dict[int, bytes] = {}
        self.heard: list[bytes] = []
        self._play, self._first = play, server
        self.quic.connect(server, play.loop.time())

    @property
    def ended(self) -> int | None:
        """The error its connection has ended with."""
        event = self.quic._close_event
        return None if event is None else event.error_code

    def sends(self) -> int:
        """Send what it has; how many datagrams."""
        datagrams = self.quic.datagrams_to_send(self._play.loop.time())
        for datagram, _ in datagrams:
            self.socket.sendto(datagram, self.server)
        self._play.loop.settle()
        return len(datagrams)

    def receives(self) -> int:
        """Take what has come; how many datagrams."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                datagram = self.socket.recv(65_535)
                count += 1
                self.heard.append(datagram)
                self.quic.receive_datagram(datagram, self._first, self._play.loop.time())
        return count

    def speaks(self) -> UdpClient:
        """Let datagrams go to and fro until there are none."""
        quiet = 0
        for _ in range(ROUNDS_MAX):
            said = self.sends() + self.receives()
            due = self.quic.get_timer()
            if due is not None and due <= self._play.loop.time():
                self.quic.handle_timer(self._play.loop.time())
            self._takes()
            quiet = 0 if said else quiet + 1
            if quiet > QUIET_ROUNDS:
                return self
            self._play.clock.now += STEP_S
        raise AssertionError("datagrams without end")

    def asks(self, path: bytes = b"/a", host: bytes = b"site.test") -> int:
        """A request; its stream."""
        if self.http3 is None:
            self.http3 = H3Connection(self.quic)
        stream = self.quic.get_next_available_stream_id()
        head = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", host)]
        self.http3.send_headers(stream, [*head, (b":path", path)], end_stream=True)
        self.speaks()
        return stream

    def moves(self) -> None:
        """Its address changes, and nothing else."""
        self.socket.close()
        self.socket = udp_socket()

    def _takes(self) -> None:
        while (event := self.quic.next_event()) is not None:
            for one in () if self.http3 is None else self.http3.handle_event(event):
                if isinstance(one, HeadersReceived):
                    self.statuses[one.stream_id] = int(dict(one.headers)[b":status"])
                elif isinstance(one, DataReceived):
                    self.bodies[one.stream_id] = self.bodies.get(one.stream_id, b"") + one.data
