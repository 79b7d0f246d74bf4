"""What of the library's connection is overridden is still called, and does what it is for."""

from __future__ import annotations

from aioquic.quic.packet import QuicProtocolVersion

from edgecache.server.http3.connection_ids import ID_BYTES
from edgecache.server.http3.quic import UNI_STREAMS_MAX, initial_close, read_header
from tests.server.http3.conftest import Connects
from tests.world.http3_viewer import IDS
from tests.world.play import Play


def test_every_id_a_viewer_has_is_ours(connect: Connects) -> None:
    """Also those that it got later: `_replenish_connection_ids`."""
    viewer = connect()
    told = [viewer.quic._peer_cid, *viewer.quic._peer_cid_available]
    assert len(told) >= 7
    assert {IDS.owner_of(one.cid) for one in told} == {IDS.owner}
    assert {len(one.cid) for one in told} == {ID_BYTES}
    assert all(one.stateless_reset_token == IDS.reset_token(one.cid) for one in told[1:])
    before = viewer.quic._peer_cid.cid
    viewer.quic.change_connection_id()
    viewer.asks("/a", host="nobody.test").gets(403)
    assert before not in viewer.port.names
    assert len(viewer.port.names) >= 8


def test_windows_do_not_double(connect: Connects, play: Play) -> None:
    """`_write_connection_limits`, `_write_stream_limits`: the library's double as they are used."""
    viewer = connect()
    first = viewer.quic._remote_max_data
    stream = viewer.begins("/up", "POST", ends=False)
    viewer.sends_body(stream, b"x" * (2 * 1024 * 1024), ends=False)
    sender = viewer.quic._streams[stream].sender
    body = viewer.viewed.streams[stream].body
    assert body is not None
    allowed = viewer.quic._streams[stream].max_stream_data_remote
    taken = sender.highest_offset - body.waiting_bytes
    assert allowed - taken <= max(65_536, play.listener.limits.buffer_bytes_max) + 16
    assert viewer.quic._remote_max_data <= first + taken + 16


def test_streams_of_one_direction_are_few(connect: Connects) -> None:
    assert connect().quic._remote_max_streams_uni == UNI_STREAMS_MAX


def test_no_ticket_is_given(connect: Connects) -> None:
    """So there is no 0-RTT whose requests could be said again."""
    viewer = connect()
    assert viewer.served._session_ticket_handler is None
    assert viewer.served.tls.new_session_ticket_cb is None
    assert not viewer.quic.tls.session_resumed


def test_a_close_before_there_is_a_connection() -> None:
    datagram = initial_close(QuicProtocolVersion.VERSION_1, b"viewer", b"own id..", 2)
    header = read_header(datagram)
    assert (header.destination_cid, header.source_cid) == (b"viewer", b"own id..")
    assert len(datagram) <= 1_200
