"""Connections of HTTP/3: bodies both ways, ends, deadlines, what is kept."""

from __future__ import annotations

import pytest

from edgecache.config.model import Limits
from edgecache.server.http3.connection import GRACE_S_MAX
from edgecache.server.http3.frames import Http3Error
from edgecache.store.memory_account import MemoryHolding
from edgecache.upstream.faults import Fault, UpstreamError
from tests.server.http3.conftest import Connects
from tests.world.http3_viewer import Http3Viewer
from tests.world.play import Play, Scene

MIB = 1024 * 1024


def served(play: Play, viewer: Http3Viewer, body: str) -> None:
    viewer.asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, body, cache="max-age=600")
    viewer.gets(200, body)


def test_a_large_response_comes_whole_and_is_counted_on_its_way(
    connect: Connects, play: Play
) -> None:
    viewer = connect()
    served(play, viewer, "0123456789abcdef" * (MIB // 16))
    assert viewer.answers[0].ended
    play.loop.settle()
    assert play.account.held[MemoryHolding.UNSENT] == 0
    assert not viewer.viewed.streams


def test_who_takes_nothing_is_given_no_more_than_its_windows(connect: Connects, play: Play) -> None:
    """RFC 9000 §4: what waits is by reference; after `write_idle_s_max` the stream is reset."""
    served(play, connect(), "x" * (2 * MIB))
    viewer = connect()
    for name in ("_write_stream_limits", "_write_connection_limits"):  # it opens no window
        setattr(viewer.quic, name, lambda **_: None)
    viewer.begins("/a")
    assert len(viewer.answers[0].body) < MIB <= len(viewer.answers[0].body) + 1_000
    assert viewer.viewed.streams[0].queued_bytes > MIB - 2_000
    for _ in range(3):
        play.advance(play.listener.limits.write_idle_s_max + 0.1)
        viewer.quic.send_ping(5)
        viewer.flushes()
    assert viewer.answers[0].reset == Http3Error.REQUEST_CANCELLED
    assert not viewer.viewed.streams


def test_an_upload_comes_no_faster_than_it_is_taken(connect: Connects, play: Play) -> None:
    """RFC 9000 §4.1: MAX_STREAM_DATA follows what upstream has taken."""
    viewer = connect()
    stream = viewer.begins("/up", "POST", ends=False, content_length=str(MIB))
    viewer.sends_body(stream, b"x" * MIB)
    sender = viewer.quic._streams[stream].sender
    body = viewer.viewed.streams[stream].body
    assert body is not None
    assert sender.highest_offset < MIB
    waiting = body.waiting_bytes
    assert 0 < waiting <= max(65_536, play.listener.limits.buffer_bytes_max)
    assert play.account.held[MemoryHolding.UPLOADS] >= waiting


def test_an_upload_is_read_to_its_end(connect: Connects, play: Play) -> None:
    viewer = connect()
    sent = "0123456789abcdef" * 20_000
    viewer.asks("/up", "POST", sent)
    call, got = play.origin.hears("/up"), b""
    assert call.body is not None
    while len(got) < len(sent):
        piece = call.body.read_nowait()
        got += piece or b""
        viewer.flushes()
    assert got == sent.encode()
    assert call.body.read_nowait() == b""
    play.origin.answers(200, "taken")
    viewer.gets(200, "taken")
    assert not viewer.viewed.streams


def test_trailers_both_ways(connect: Connects, play: Play) -> None:
    """§4.1: a second HEADERS frame; what becomes of them is decided above."""
    viewer = connect()
    stream = viewer.begins("/up", "POST", ends=False)
    viewer.sends_body(stream, b"body", ends=False)
    assert viewer.http3 is not None
    viewer.http3.send_headers(stream, [(b"x-sum", b"1"), (b"connection", b"x")], end_stream=True)
    viewer.flushes()
    call = play.origin.hears("/up")
    assert call.body is not None
    assert call.body.read_nowait() == b"body"
    assert call.body.read_nowait() == b""
    assert call.body.trailers == ((b"x-sum", b"1"),)  # type: ignore[attr-defined]
    served = viewer.viewed.streams[stream]
    served.send_head(200, (), None)
    served.send(b"one")
    served.end(((b"grpc-status", b"0"),))
    viewer.flushes()
    assert viewer.answers[stream].body == b"one"
    assert viewer.answers[stream].ended
    assert viewer.answers[stream].fields == ((b"grpc-status", b"0"),)
    viewer.leaves()


def test_who_leaves_a_request_has_it_ended(connect: Connects, play: Play) -> None:
    viewer = connect()
    stream = viewer.begins("/a")
    play.origin.hears("/a")
    viewer.quic.reset_stream(stream, 0x10C)
    viewer.quic.stop_stream(stream, 0x10C)
    viewer.flushes()
    play.loop.look()
    assert not viewer.viewed.streams
    assert viewer.ended is None
    viewer.asks("/b", host="nobody.test")
    assert viewer.answers[stream + 4].status == 403


def test_a_viewer_that_hangs_up_ends_what_it_asked(connect: Connects, play: Play) -> None:
    viewer = connect()
    viewer.begins("/a")
    viewer.leaves()
    assert not viewer.viewed.streams
    assert len(play.listener.connections) == 0


def handed_over(play: Play, viewer: Http3Viewer) -> None:
    """It is told to ask elsewhere, and what it had sent before would be here."""
    play.listener.hand_over()
    viewer.flushes()
    play.advance(GRACE_S_MAX)
    viewer.flushes()


def test_what_was_asked_before_and_comes_late_is_answered(connect: Connects, play: Play) -> None:
    """Relayed by another process, or lost and sent again: it may come behind a word on GOAWAY."""
    viewer = connect()
    play.listener.hand_over()
    viewer.flushes()
    late = viewer.begins("/late")
    assert viewer.answers[late].reset is None
    play.origin.hears("/late")
    play.origin.answers(200, "late")
    viewer.gets(200, "late")
    play.advance(GRACE_S_MAX)
    viewer.flushes()
    assert viewer.ended is not None
    play.listener.take_back()


def test_a_hand_over_answers_what_was_asked(connect: Connects, play: Play) -> None:
    """RFC 9114 §5.2: GOAWAY, the answers, their arrival, the end."""
    viewer = connect()
    viewer.begins("/a")
    play.origin.hears("/a")
    handed_over(play, viewer)
    assert viewer.ended is None
    assert viewer.viewed.closing
    late = viewer.begins("/late")
    assert viewer.answers[late].reset == Http3Error.REQUEST_REJECTED
    play.origin.answers(200, "one")
    viewer.gets(200, "one")
    assert viewer.ended is not None
    assert viewer.ended.error_code == Http3Error.NO_ERROR
    assert play.counters.http3_ends["no_error"] == 1
    play.listener.take_back()


def test_who_has_nothing_under_way_ends_with_a_hand_over(connect: Connects, play: Play) -> None:
    viewer = connect()
    handed_over(play, viewer)
    assert viewer.ended is not None
    assert viewer.ended.error_code == Http3Error.NO_ERROR
    play.listener.take_back()


def test_a_process_that_ends_answers_first(connect: Connects, play: Play) -> None:
    viewer = connect()
    viewer.begins("/a")
    play.origin.hears("/a")
    viewer.viewed.shutdown()
    viewer.flushes()
    assert viewer.ended is None
    play.origin.answers(200, "one")
    viewer.gets(200, "one")
    assert viewer.ended is not None
    assert not viewer.port.state.connections


def test_who_asks_nothing_is_ended(connect: Connects, play: Play) -> None:
    viewer = connect()
    for _ in range(4):
        play.advance(play.listener.limits.idle_s_max / 3 + 0.1)
        viewer.quic.send_ping(5)  # being alive is not asking
        viewer.flushes()
    assert viewer.ended is not None
    assert len(play.listener.connections) == 0


def test_who_waits_for_an_answer_is_asked_for_a_sign_of_life(connect: Connects, play: Play) -> None:
    """RFC 9000 §10.1.2: an origin may be slower than the idle time."""
    viewer = connect()
    viewer.begins("/a")
    play.origin.hears("/a")
    for _ in range(12):
        play.advance(play.listener.limits.idle_s_max / 4)
        viewer.flushes()
    play.origin.answers(200, "one")
    viewer.gets(200, "one")
    assert viewer.ended is None


def test_a_head_that_does_not_come_whole_is_given_up(connect: Connects, play: Play) -> None:
    viewer = connect()
    stream = viewer.quic.get_next_available_stream_id()
    viewer.says(stream, b"\x01\x20ab")
    for _ in range(3):
        play.advance(play.listener.limits.head_s_max / 2)
        viewer.flushes()
    assert viewer.answers[stream].reset == Http3Error.REQUEST_INCOMPLETE
    assert viewer.ended is None


def test_a_body_that_does_not_come_is_408(connect: Connects, play: Play) -> None:
    viewer = connect()
    stream = viewer.begins("/up", "POST", ends=False, content_length="5")
    viewer.sends_body(stream, b"ab", ends=False)
    call = play.origin.hears("/up")
    assert call.body is not None
    assert call.body.read_nowait() == b"ab"
    for _ in range(3):
        play.advance(play.listener.limits.body_idle_s_max / 2)
        viewer.quic.send_ping(5)
        viewer.flushes()
    with pytest.raises(UpstreamError):
        call.body.read_nowait()
    play.origin.fails(Fault.TRUNCATED)
    viewer.gets(408)


@pytest.mark.parametrize("network", ["192.0.2.1", "2001:db8::1"])
def test_connections_make_way(network: str) -> None:
    play = Play(Scene(limits=Limits(connections_per_address_max=2)))
    made = []
    for number in range(2):
        made.append(Http3Viewer(play.listener, play.loop, (network, 4_000 + number), play.tasks))
        play.viewers[f"v{number}"] = made[-1]  # type: ignore[assignment]
    assert len(play.listener.connections) == 2
    assert made[0].viewed.gives_way
    made[0].viewed.make_way()
    made[0].flushes()
    assert made[0].ended is not None
    assert len(play.listener.connections) == 1
    play.close()
