"""UDP port of a location: which connection a datagram is for, and which become one.

Law: nothing is kept for who has not shown that it can be reached, beyond a few: above
`UNPROVEN_MAX` handshakes under way a viewer is sent Retry (RFC 9000 §8.1.2), which costs us
nothing. A connection is this process's by the ids it has issued; a datagram for an id of another
process is relayed to it, and who asks for one that is no more is told so by a stateless reset
(§10.3). What cannot be read is dropped. A port that hands over reads no more: its successor does,
and relays.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aioquic import tls
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicHeader,
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
)

from edgecache.http.http2.abuse import Allowance
from edgecache.http.http2.frames import Http2ConnectionError
from edgecache.runtime.environment import TURN_S
from edgecache.server.http3.connection import QuicViewerConnection
from edgecache.server.http3.connection_ids import RESET_TOKEN_BYTES, ConnectionIds
from edgecache.server.http3.datagram_relay import DatagramRelay
from edgecache.server.http3.quic import (
    VERSIONS,
    QuicCertificate,
    ViewerQuicConnection,
    initial_close,
    quic_certificate,
    quic_configuration,
    read_header,
)
from edgecache.server.http3.retry_tokens import RetryOrigin, RetryTokens
from edgecache.server.http3.session_tickets import SessionTickets
from edgecache.server.listener import SHED, Listener
from edgecache.server.tls import SESSIONS_MAX, Certificate, Session

DATAGRAM_BYTES_MAX = 65_535
INITIAL_BYTES_MIN = 1_200  # RFC 9000 §14.1
FIRST_ID_BYTES_MIN = 8  # §7.2
UNPROVEN_MAX = 16  # handshakes of viewers that may not be where they say: 5 ms of work each
LOOK_DATAGRAMS = 8  # after so many the clock is looked at
RESETS_AT_ONCE, RESETS_PER_S = 200, 100.0  # stateless: as many as come must not be answered
RESET_BYTES_MIN, RESET_BYTES_MAX = 22, 42  # of a datagram that is answered by one, of ours (§10.3)


@dataclass(frozen=True, slots=True)
class PortParts:
    """What a port is made of: Uvicorn's `state`, and what processes of a location share."""

    listener: Listener
    state: Any
    ids: ConnectionIds
    tokens: RetryTokens
    relay: DatagramRelay
    random_bytes: Callable[[int], bytes]
    loop: asyncio.AbstractEventLoop
    tickets: SessionTickets | None = None  # None: no session is resumed, and there is no 0-RTT


class QuicPort:
    """The sockets of one location in one process. To Uvicorn it is one more of its servers."""

    def __init__(self, parts: PortParts, sockets: list[socket.socket]) -> None:
        self.listener, self.state = parts.listener, parts.state
        self.loop = parts.loop
        self.unproven = 0  # handshakes under way
        self._parts, self._sockets = parts, sockets
        self._sender = sockets[0]
        self._by_id: dict[bytes, QuicViewerConnection] = {}
        self._touched: dict[QuicViewerConnection, None] = {}
        self._certificates: dict[Certificate, QuicCertificate] = {}
        self._sessions: dict[tuple[Certificate, str], Session] = {}
        self._configuration = quic_configuration(self.listener.limits.idle_s_max)
        self._resets = Allowance(RESETS_AT_ONCE, RESETS_PER_S, "stateless resets")
        for one in sockets:
            one.setblocking(False)
            self.loop.add_reader(one.fileno(), self._read, one)
        parts.relay.start(self.loop, self._take_relayed)

    # What Uvicorn and the node call.

    def close(self) -> None:
        """Read no more. Connections go on, by what a successor relays."""
        for one in self._sockets:
            with contextlib.suppress(ValueError):
                self.loop.remove_reader(one.fileno())

    async def wait_closed(self) -> None:
        """See `asyncio.Server`."""

    def finish(self) -> None:
        """The process ends: let go of all."""
        self.close()
        self._parts.relay.close()
        for one in self._sockets:
            one.close()

    # What connections call: see `DatagramPort`.

    def send(self, datagram: bytes, address: Any) -> None:
        """Send a datagram, or lose it."""
        with contextlib.suppress(OSError):  # the kernel has no room, or no way there
            self._sender.sendto(datagram, address)

    def name(self, connection_id: bytes, connection: QuicViewerConnection) -> None:
        """Datagrams for an id are a connection's from now on."""
        self._by_id[connection_id] = connection

    def unname(self, connection_id: bytes) -> None:
        """Nobody's any more."""
        self._by_id.pop(connection_id, None)

    def session(self, certificate: Certificate, cipher: str) -> Session:
        """Parameters of TLS, the same object for the same ones."""
        key = certificate, cipher
        session = self._sessions.get(key)
        if session is None:
            if len(self._sessions) >= SESSIONS_MAX:
                self._sessions.clear()
            session = self._sessions[key] = Session(certificate, "TLSv1.3", cipher, False)
        return session

    def proven(self) -> None:
        """A handshake is no longer under way."""
        self.unproven -= 1

    # Datagrams.

    def _read(self, sock: socket.socket) -> None:
        began, count = self.loop.time(), 0
        with contextlib.suppress(OSError):  # nobody waits; or an ICMP message of one that is gone
            while True:
                datagram, address = sock.recvfrom(DATAGRAM_BYTES_MAX)
                self._take(datagram, address, relayed=False)
                count += 1
                if count % LOOK_DATAGRAMS == 0 and self.loop.time() - began > TURN_S:
                    break
        self._transmit()

    def _take_relayed(self, datagram: bytes, address: Any) -> None:
        self._take(datagram, address, relayed=True)
        self._transmit()

    def _transmit(self) -> None:
        touched, self._touched = self._touched, {}
        for connection in touched:
            connection.transmit()

    def _take(self, datagram: bytes, address: Any, *, relayed: bool) -> None:
        try:
            header = read_header(datagram)
        except ValueError:
            return
        connection = self._by_id.get(header.destination_cid)
        if connection is None:
            connection = self._connection_for(header, datagram, address, relayed=relayed)
        if connection is not None:
            connection.receive(datagram, address)
            self._touched[connection] = None

    def _connection_for(
        self, header: QuicHeader, datagram: bytes, address: Any, *, relayed: bool
    ) -> QuicViewerConnection | None:
        """The new connection that a datagram begins; None: there is none."""
        kind, wanted = header.packet_type, header.destination_cid
        if header.version is not None and header.version not in VERSIONS:
            if kind != QuicPacketType.VERSION_NEGOTIATION and len(datagram) >= INITIAL_BYTES_MIN:
                versions: list[int] = [*VERSIONS]
                self.send(
                    encode_quic_version_negotiation(wanted, header.source_cid, versions), address
                )
            return None
        owner = self._parts.ids.owner_of(wanted)
        begins = kind == QuicPacketType.INITIAL and len(datagram) >= INITIAL_BYTES_MIN
        if owner is not None and not (begins and header.token):
            if owner == self._parts.ids.owner or relayed:
                gone = True
            else:
                gone = not self._parts.relay.send(owner, datagram, address)
            if gone and kind == QuicPacketType.ONE_RTT:
                self._reset(wanted, len(datagram), address)
            return None
        if not begins or len(wanted) < FIRST_ID_BYTES_MIN:
            return None
        return self._begin(header, address, is_ours=owner is not None)

    def _begin(
        self, header: QuicHeader, address: Any, *, is_ours: bool
    ) -> QuicViewerConnection | None:
        """A connection for an Initial; None: Retry first, or there is no room."""
        wanted, viewer_id, listener = header.destination_cid, header.source_cid, self.listener
        original, retry_id = wanted, None
        if is_ours:  # it repeats what Retry came with
            origin = RetryOrigin(address[:2], wanted)
            known = self._parts.tokens.original_id(header.token, origin, listener.clock())
            if known is None:
                listener.request_log.counters.http3_ends["invalid_token"] += 1
                code = QuicErrorCode.INVALID_TOKEN
                self.send(initial_close(VERSIONS[0], viewer_id, wanted, code), address)
                return None
            original, retry_id = known, wanted
        elif self.unproven >= UNPROVEN_MAX or not listener.account.admits:
            self._ask_again(header, address)
            return None
        access = listener.access
        if access is not None and not access.admits_peer(None, address[:2]):
            return None
        connection = self._made(original, retry_id, wanted, address)
        if listener.has_room(connection):
            return connection
        listener.request_log.counters.refusals[SHED.reason] += 1
        connection.forget()
        code = QuicErrorCode.CONNECTION_REFUSED
        self.send(initial_close(VERSIONS[0], viewer_id, wanted, code), address)
        return None

    def _made(
        self, original: bytes, retry_id: bytes | None, wanted: bytes, address: Any
    ) -> QuicViewerConnection:
        port = self.listener.tls
        assert port is not None

        def choose(name: str | None) -> QuicCertificate:
            if not port.certificates:
                raise tls.AlertHandshakeFailure("nobody has a certificate here")
            certificate = connection.certificate = port.chosen(name)
            if not self.listener.allows((name or "").lower().encode("ascii", "replace"), 3):
                raise tls.AlertNoApplicationProtocol("the site is not for HTTP/3")
            return self._quic_certificate(certificate)

        quic = ViewerQuicConnection(
            self._configuration, original, retry_id, self._parts.ids, choose
        )
        quic.tickets = self._parts.tickets
        self.unproven += 1
        connection = QuicViewerConnection(self, quic, address, wanted)
        return connection

    def _quic_certificate(self, certificate: Certificate) -> QuicCertificate:
        known = self._certificates.get(certificate)
        if known is None:
            tls_port = self.listener.tls
            shown = () if tls_port is None else tls_port.certificates
            held = {one: self._certificates[one] for one in shown if one in self._certificates}
            self._certificates = held  # of those that were replaced none is kept
            known = self._certificates[certificate] = quic_certificate(certificate)
        return known

    def _ask_again(self, header: QuicHeader, address: Any) -> None:
        """Retry: who repeats its token is where it says."""
        retry_id, original = self._parts.ids.issue(), header.destination_cid
        origin = RetryOrigin(address[:2], retry_id)
        token = self._parts.tokens.make(origin, original, self.listener.clock())
        self.listener.request_log.counters.http3_retries += 1
        self.send(
            encode_quic_retry(
                version=VERSIONS[0],
                source_cid=retry_id,
                destination_cid=header.source_cid,
                original_destination_cid=original,
                retry_token=token,
            ),
            address,
        )

    def _reset(self, connection_id: bytes, size: int, address: Any) -> None:
        """A stateless reset, shorter than what it answers."""
        length = min(size - 1, RESET_BYTES_MAX)
        if length < RESET_BYTES_MIN - 1:
            return
        try:
            self._resets.use(self.listener.clock())
        except Http2ConnectionError:
            return
        noise = bytearray(self._parts.random_bytes(length - RESET_TOKEN_BYTES))
        noise[0] = noise[0] & 0x3F | 0x40
        self.send(bytes(noise) + self._parts.ids.reset_token(connection_id), address)
