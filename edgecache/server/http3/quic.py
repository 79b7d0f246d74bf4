"""QUIC connection of a viewer: the library's, with ids, windows and certificates of ours.

Law: `aioquic` does packets, keys, losses, paths and their bounds (RFC 9000 §8: three times what
came, until an address is validated); how much a viewer may send is ours to say. The library doubles
its windows as they are used; here they follow what was taken. The library takes all early data of
who resumes; so who sends some that is not to be taken does not resume. Without `tickets` none are
given, and there is no 0-RTT. What is overridden begins with an underscore there: the version is
pinned for it (decision 028), and `tests/server/http3/test_quic.py` shows that each is still called.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import aioquic
from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    END_STATES,
    MAX_EARLY_DATA,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    TRANSPORT_CLOSE_FRAME_CAPACITY,
    QuicConnection,
    QuicConnectionId,
    QuicConnectionState,
)
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import (
    QuicFrameType,
    QuicHeader,
    QuicPacketType,
    QuicProtocolVersion,
    pull_quic_header,
)
from aioquic.quic.packet_builder import QuicPacketBuilder
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edgecache.http.http2.frames import WINDOW_BYTES
from edgecache.server.http2.request_body import CONNECTION_BYTES
from edgecache.server.http3.connection_ids import ID_BYTES, ConnectionIds
from edgecache.server.http3.session_tickets import LIFETIME_S, SessionTickets, TicketFacts
from edgecache.server.tls import Certificate

VERSIONS = [QuicProtocolVersion.VERSION_1]
ALPN = "h3"
UNI_STREAMS_MAX = 16  # that a viewer opens: control, QPACK's two, and what nobody knows
IN_FLIGHT_BYTES_MAX = 1024 * 1024  # given to the library, and not acknowledged
STREAM_STEP_BYTES = 65_536  # given at a time: what waits can still be overtaken

_FIRST, _LAST = (one.replace(tzinfo=UTC) for one in (datetime.min, datetime.max))
_BY_THE_HELLO = object()  # the library wants a certificate before it has a hello

StreamLimit = Callable[[int], int]
"""How many bytes a stream may have brought, by its id; 0: as before."""


class QuicCertificate(NamedTuple):
    """A certificate as the library takes it."""

    leaf: x509.Certificate
    chain: list[x509.Certificate]
    key: Any


def quic_certificate(certificate: Certificate) -> QuicCertificate:
    """That of a port's certificate. ValueError when its PEM is none."""
    leaf, *chain = x509.load_pem_x509_certificates(certificate.pem[0])
    return QuicCertificate(leaf, chain, load_pem_private_key(certificate.pem[1], None))


def early_terms(head_bytes_max: int) -> bytes:
    """What early requests are made by, which may not shrink while tickets of it count.

    `head_bytes_max` is what SETTINGS say of heads.
    """
    told = (CONNECTION_BYTES, WINDOW_BYTES, UNI_STREAMS_MAX, head_bytes_max)
    return f"{aioquic.__version__} {told}".encode()


def quic_configuration(idle_s_max: float) -> QuicConfiguration:
    """Of all connections of a port; a viewer without activity for `idle_s_max` is forgotten."""
    configuration = QuicConfiguration(
        is_client=False,
        alpn_protocols=[ALPN],
        connection_id_length=ID_BYTES,
        idle_timeout=idle_s_max,
        max_data=CONNECTION_BYTES,
        max_stream_data=WINDOW_BYTES,
        supported_versions=[*VERSIONS],
    )
    configuration.certificate = configuration.private_key = _BY_THE_HELLO
    return configuration


class ViewerQuicConnection(QuicConnection):
    """One connection. `choose` gives the certificate for a name of SNI, or refuses by an Alert."""

    def __init__(
        self,
        configuration: QuicConfiguration,
        original_id: bytes,
        retry_id: bytes | None,
        ids: ConnectionIds,
        choose: Callable[[str | None], QuicCertificate],
    ) -> None:
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=original_id,
            retry_source_connection_id=retry_id,
        )
        self._ids, self._choose = ids, choose
        self.stream_limit: StreamLimit = lambda _stream_id: 0
        self.untaken_bytes: Callable[[], int] = lambda: 0
        self.tickets: SessionTickets | None = None
        self._name = ""  # that the hello asks for
        first = ids.issue()
        self._host_cids = [QuicConnectionId(first, 0, ids.reset_token(first), True)]
        self.host_cid = self._local_initial_source_connection_id = first
        uni = self._local_max_streams_uni
        uni.value = uni.sent = UNI_STREAMS_MAX

    # What the connection above asks.

    @property
    def ids(self) -> list[bytes]:
        """Those of ours that a viewer may use now."""
        return [one.cid for one in self._host_cids]

    @property
    def handshake_complete(self) -> bool:
        """Whether TLS is done, and the viewer's address validated with it."""
        return bool(self._handshake_complete)

    @property
    def has_begun(self) -> bool:
        """Whether a packet of its viewer could be read."""
        return bool(self._state != QuicConnectionState.FIRSTFLIGHT)

    @property
    def has_ended(self) -> bool:
        """Whether its viewer has left, or was told to."""
        return self._state in END_STATES

    @property
    def cipher(self) -> str:
        """The suite, as TLS names it."""
        schedule = self.tls.key_schedule
        return "" if schedule is None else f"TLS_{schedule.cipher_suite.name}"

    @property
    def validated_address(self) -> Any:
        """Where its viewer is; None: that is not sure yet."""
        path = self._network_paths[0] if self._network_paths else None
        return path.addr if path is not None and path.is_validated else None

    @property
    def may_send(self) -> bool:
        """Whether what it has made keeps to three times what came (RFC 9000 §8.1).

        The library keeps to it but for the words it ends with.
        """
        path = self._network_paths[0]
        return bool(path.is_validated or path.bytes_sent <= 3 * path.bytes_received)

    @property
    def probe_timeout_s(self) -> float:
        """After so long without a word what was sent is sent again (RFC 9002 §6.2.1)."""
        return float(self._loss.get_probe_timeout())

    @property
    def in_flight_bytes(self) -> int:
        """Bytes of streams given to it and not acknowledged: kept to be sent again."""
        return sum(
            [one.sender._buffer_stop - one.sender._buffer_start for one in self._streams.values()]
        )

    @property
    def reassembly_bytes(self) -> int:
        """Bytes that came before those in front of them."""
        return sum([len(one.receiver._buffer) for one in self._streams.values()])

    @property
    def acknowledged(self) -> bool:
        """Whether all that was sent on streams of viewers has arrived."""
        return all(
            one.sender.is_finished for number, one in self._streams.items() if not number & 1
        )

    def takes(self, stream_id: int) -> int:
        """How many more bytes of a stream it takes now: what windows let, a step at most."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return 0
        sender = stream.sender
        if sender._reset_error_code is not None:
            return 0
        unsent = sender._buffer_stop - sender.highest_offset
        return max(
            0,
            min(
                stream.max_stream_data_remote - sender._buffer_stop,
                self._remote_max_data - self._remote_max_data_used - unsent,
                STREAM_STEP_BYTES - unsent,
            ),
        )

    def acknowledged_bytes(self, stream_id: int) -> int:
        """How many bytes of a stream have arrived."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else stream.sender._buffer_start

    def refuse_rest(self, stream_id: int, code: int) -> None:
        """Tell the viewer to send no more on a stream (STOP_SENDING), if it has not said all."""
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.receiver.is_finished:
            stream.receiver.stop(code)

    def reset(self, stream_id: int, code: int) -> None:
        """Send no more on a stream (RESET_STREAM)."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.sender.reset(code)

    # What the library calls.

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        context: Any = self.tls
        context._server_handle_hello = partial(self._take_hello, context._server_handle_hello)
        if self.tickets is not None:
            finish = partial(self._take_finished, self.tickets, context._server_handle_finished)
            context._server_handle_finished = finish

    def _take_hello(self, go_on: Callable[..., None], hello: Any, *outputs: Any) -> None:
        """Show the certificate that the name in the hello asks for (RFC 6066 §3)."""
        start = hello.tell()
        said = tls.pull_client_hello(hello)
        hello.seek(start)
        chosen = self._choose(said.server_name)
        self.tls.certificate, self.tls.certificate_chain = chosen.leaf, chosen.chain
        self.tls.certificate_private_key = chosen.key
        self._name = (said.server_name or "").lower()
        if self.tickets is not None:
            self.tls.get_session_ticket_cb = partial(self._resumed, self.tickets, said)
        go_on(hello, *outputs)

    def _resumed(self, tickets: SessionTickets, hello: Any, ticket: bytes) -> Any:
        """The session that a hello resumes, as the library has it; None: a full handshake."""
        facts = tickets.open(ticket, self._name)
        if facts is None:
            return None
        shared = hello.pre_shared_key
        if hello.early_data:
            told_age, binder = shared.identities[0][1], shared.binders[0]
            if not tickets.admits_early(facts, told_age, binder):
                return None
        return tls.SessionTicket(
            age_add=facts.age_added,
            cipher_suite=tls.CipherSuite(facts.cipher_suite),
            not_valid_after=_LAST,  # that was looked at
            not_valid_before=_FIRST,
            resumption_secret=facts.secret,
            server_name=self._name,
            ticket=ticket,
        )

    def _take_finished(
        self, tickets: SessionTickets, go_on: Callable[..., None], message: Any, output: Any
    ) -> None:
        """The handshake is complete: give a ticket (RFC 8446 §4.6.1) to who can use one."""
        go_on(message, output)
        context: Any = self.tls
        if context._psk_key_exchange_mode is None:
            return
        given = tls.NewSessionTicket(
            ticket_lifetime=LIFETIME_S,
            ticket_age_add=tickets.age_added(),
            max_early_data_size=MAX_EARLY_DATA,
        )
        kept = context._build_session_ticket(given, [])
        given.ticket = tickets.seal(
            TicketFacts(
                int(kept.cipher_suite),
                given.ticket_age_add,
                tickets.now_ms,
                kept.resumption_secret,
                self._name,
            )
        )
        tls.push_new_session_ticket(output, given)

    def _replenish_connection_ids(self) -> None:
        while len(self._host_cids) < min(8, self._remote_active_connection_id_limit):
            made = self._ids.issue()
            number, self._host_cid_seq = self._host_cid_seq, self._host_cid_seq + 1
            self._host_cids.append(QuicConnectionId(made, number, self._ids.reset_token(made)))

    def _write_connection_limits(self, builder: Any, space: Any) -> None:
        """MAX_DATA by what was taken; MAX_STREAMS as streams end, half of them at a time."""
        data = self._local_max_data
        if (data.value - data.used) * 2 < CONNECTION_BYTES:
            held = self.untaken_bytes() + self.reassembly_bytes
            data.value = max(data.value, data.used - held + CONNECTION_BYTES)
        for limit in (data, self._local_max_streams_bidi, self._local_max_streams_uni):
            few = limit.sent - limit.used < limit.value - limit.sent
            if limit.value != limit.sent and (limit is data or few):
                buffer = builder.start_frame(
                    limit.frame_type,
                    capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
                    handler=self._on_connection_limit_delivery,
                    handler_args=(limit,),
                )
                buffer.push_uint_var(limit.value)
                limit.sent = limit.value

    def _write_stream_limits(self, builder: Any, space: Any, stream: Any) -> None:
        """MAX_STREAM_DATA by what was taken."""
        if stream.receiver.is_finished or not stream.max_stream_data_local:
            return
        limit = max(stream.max_stream_data_local, self.stream_limit(stream.stream_id))
        stream.max_stream_data_local = limit
        if stream.max_stream_data_local_sent != limit:
            buffer = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
                handler=self._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            buffer.push_uint_var(stream.stream_id)
            buffer.push_uint_var(limit)
            stream.max_stream_data_local_sent = limit


def read_header(datagram: bytes) -> QuicHeader:
    """The header of a datagram's first packet. ValueError when it has none."""
    return pull_quic_header(Buffer(data=datagram), host_cid_length=ID_BYTES)


def initial_close(version: int, viewer_id: bytes, own_id: bytes, code: int) -> bytes:
    """A datagram that ends a connection before it is one (RFC 9000 §10.2.3).

    `own_id` is the id its first datagram was for: the keys follow from it.
    """
    crypto = CryptoPair()
    crypto.setup_initial(cid=own_id, is_client=False, version=version)
    builder = QuicPacketBuilder(
        host_cid=own_id,
        is_client=False,
        max_datagram_size=SMALLEST_MAX_DATAGRAM_SIZE,
        peer_cid=viewer_id,
        version=version,
    )
    builder.start_packet(QuicPacketType.INITIAL, crypto)
    buffer = builder.start_frame(
        QuicFrameType.TRANSPORT_CLOSE, capacity=TRANSPORT_CLOSE_FRAME_CAPACITY
    )
    buffer.push_uint_var(code)
    buffer.push_uint_var(QuicFrameType.PADDING)
    buffer.push_uint_var(0)
    return bytes(builder.flush()[0][0])
