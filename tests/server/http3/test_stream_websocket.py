"""WebSockets on streams of HTTP/3 (RFC 9220): as by HTTP/2, with the ends that QUIC has."""

from __future__ import annotations

import pytest

from edgecache.server.http3 import frames
from edgecache.server.http3.frames import Http3Error
from edgecache.server.websocket import ENDING_S_MAX, IDLE_S_MAX
from tests.server.http2.test_stream_websocket import accepts
from tests.server.http3.conftest import Connects
from tests.server.http3.test_connection import handed_over
from tests.server.test_tls_connection import logged
from tests.world.http3_viewer import Http3Viewer
from tests.world.play import Play

CONNECT = [
    (b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"),
    (b":authority", b"site.test"), (b":path", b"/chat"),
]  # fmt: skip
VERSION = (b"sec-websocket-version", b"13")
FieldsOf = list[tuple[bytes, bytes]]


def opens(viewer: Http3Viewer) -> int:
    return viewer.sends_head([*CONNECT, VERSION, (b"sec-websocket-protocol", b"chat")], ends=False)


class Chat:
    """A WebSocket that is open."""

    def __init__(self, play: Play, viewer: Http3Viewer) -> None:
        self.play, self.viewer = play, viewer
        self.stream = opens(viewer)
        self.tunnel = accepts(play)
        viewer.flushes()
        self.answer = viewer.answers[self.stream]

    def says(self, data: bytes, *, ends: bool = False) -> None:
        self.viewer.sends_body(self.stream, data, ends=ends)

    def hears(self, data: bytes) -> None:
        """The origin's next bytes, or its end."""
        self.tunnel.put(data)
        self.play.loop.settle()
        self.viewer.flushes()

    def rests(self, seconds: float) -> None:
        """Nothing is said; the connection is asked for signs of life."""
        step = self.play.listener.limits.idle_s_max / 4
        while seconds > 0:
            self.play.advance(min(step, seconds))
            self.viewer.flushes()
            seconds -= step


@pytest.fixture
def chat(play: Play, connect: Connects) -> Chat:
    return Chat(play, connect())


def test_it_is_announced(connect: Connects) -> None:
    """RFC 9220 §3."""
    http3 = connect().http3
    assert http3 is not None
    assert (http3.received_settings or {})[frames.ENABLE_CONNECT_PROTOCOL] == 1


def test_the_handshake_is_ours_and_bytes_pass_both_ways(chat: Chat) -> None:
    assert chat.answer.status == 200
    assert not chat.answer.ended
    names = {name for name, _ in chat.answer.fields}
    assert b"sec-websocket-protocol" in names
    assert names.isdisjoint({b"upgrade", b"connection", b"sec-websocket-accept"})
    chat.says(b"ping")
    chat.hears(b"pong")
    assert bytes(chat.tunnel.received) == b"ping"
    assert bytes(chat.answer.body) == b"pong"


def test_what_is_sent_before_the_answer_is_the_tunnels(connect: Connects, play: Play) -> None:
    viewer = connect()
    stream = opens(viewer)
    viewer.sends_body(stream, b"early", ends=False)
    assert bytes(accepts(play).received) == b"early"


REFUSED = [
    ("CONNECT alone", [CONNECT[0], *CONNECT[2:]], 501),
    ("UDP", [CONNECT[0], (b":protocol", b"connect-udp"), *CONNECT[2:], VERSION], 501),
    ("no version", CONNECT, 400),
]  # fmt: skip
MALFORMED = [
    ("a GET with a protocol", [(b":method", b"GET"), *CONNECT[1:], VERSION]),
    ("no path", [*CONNECT[:4], VERSION]),
    ("a length", [*CONNECT, VERSION, (b"content-length", b"4")]),
    ("an upgrade", [*CONNECT, VERSION, (b"upgrade", b"websocket")]),
]


@pytest.mark.parametrize(("what", "fields", "status"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_no_websocket_is_refused(
    connect: Connects, play: Play, what: str, fields: FieldsOf, status: int
) -> None:
    viewer = connect()
    stream = viewer.sends_head(fields, ends=False)
    assert viewer.answers[stream].status == status
    play.origin.hears_nothing()


@pytest.mark.parametrize(("what", "fields"), MALFORMED, ids=[row[0] for row in MALFORMED])
def test_what_is_malformed_is_reset(
    connect: Connects, play: Play, what: str, fields: FieldsOf
) -> None:
    viewer = connect()
    stream = viewer.sends_head(fields, ends=fields[0] != CONNECT[0])
    assert viewer.answers[stream].reset == Http3Error.MESSAGE_ERROR
    play.origin.hears_nothing()
    viewer.begins("/")
    play.origin.hears("/")


def test_one_that_ends_as_it_begins_is_reset(connect: Connects) -> None:
    viewer = connect()
    stream = viewer.sends_head([*CONNECT, VERSION], ends=True)
    assert viewer.answers[stream].reset == Http3Error.MESSAGE_ERROR


def test_who_has_not_accepted_opens_nothing(connect: Connects, play: Play) -> None:
    viewer = connect()
    stream = opens(viewer)
    tunnel = accepts(play, 200, b"none")
    viewer.flushes()
    assert viewer.answers[stream].status == 502
    assert tunnel.closed


def test_the_viewer_ends_its_direction(chat: Chat) -> None:
    chat.says(b"bye", ends=True)
    assert bytes(chat.tunnel.received) == b"bye"
    assert chat.tunnel.ended
    chat.hears(b"farewell")
    chat.hears(b"")
    assert bytes(chat.answer.body) == b"farewell"
    assert chat.answer.ended
    assert chat.tunnel.hung_up
    assert not chat.viewer.viewed.streams


def test_the_origin_ends_its_direction_and_hears_the_last_words(chat: Chat) -> None:
    chat.hears(b"")
    assert chat.answer.ended
    chat.says(b"last", ends=True)
    assert bytes(chat.tunnel.received) == b"last"
    assert chat.tunnel.hung_up
    assert not chat.viewer.viewed.streams


def test_who_does_not_follow_the_origins_end_is_let_go(chat: Chat) -> None:
    chat.hears(b"")
    chat.rests(ENDING_S_MAX + 2)
    assert chat.tunnel.hung_up
    assert not chat.viewer.viewed.streams
    chat.viewer.begins("/")  # the connection is as good as before
    chat.play.origin.hears("/")


def test_an_origin_that_breaks_off_resets_the_stream(chat: Chat) -> None:
    chat.tunnel.break_off()
    chat.play.loop.settle()
    chat.viewer.flushes()
    assert chat.answer.reset == Http3Error.INTERNAL_ERROR


def test_a_reset_hangs_up(chat: Chat) -> None:
    chat.viewer.quic.reset_stream(chat.stream, int(Http3Error.REQUEST_CANCELLED))
    chat.viewer.flushes()
    assert chat.tunnel.hung_up
    assert not chat.viewer.viewed.streams


def test_a_viewer_that_hangs_up_hangs_up(chat: Chat) -> None:
    chat.viewer.leaves()
    assert chat.tunnel.hung_up


def test_ten_idle_minutes_end_it(chat: Chat) -> None:
    chat.rests(IDLE_S_MAX - 1)
    chat.says(b"alive")
    assert chat.answer.reset is None
    chat.rests(IDLE_S_MAX - 1)
    assert not chat.tunnel.hung_up
    chat.rests(3)
    assert chat.answer.reset == Http3Error.REQUEST_CANCELLED
    assert chat.tunnel.hung_up
    assert chat.viewer.ended is None


def test_a_process_that_ends_does_not_wait_for_it(chat: Chat) -> None:
    chat.viewer.viewed.shutdown()
    chat.viewer.flushes()
    assert chat.tunnel.hung_up
    assert chat.viewer.ended is not None


def test_a_hand_over_lets_it_go_on(chat: Chat) -> None:
    """As by HTTP/2: until `hand_over_s_max`, which the process has."""
    handed_over(chat.play, chat.viewer)
    assert chat.viewer.viewed.closing
    chat.says(b"still")
    assert bytes(chat.tunnel.received) == b"still"
    chat.says(b"", ends=True)
    chat.hears(b"")
    assert chat.viewer.ended is not None
    chat.play.listener.take_back()


def test_what_an_origin_does_not_take_is_bounded(chat: Chat) -> None:
    """The stream's window is not opened again; another stream goes on."""
    chat.tunnel.room = chat.play.loop.create_future()
    chat.says(b"x" * 200_000)
    sender = chat.viewer.quic._streams[chat.stream].sender
    assert sender.highest_offset < 100_000
    chat.viewer.begins("/")
    chat.play.origin.hears("/")
    chat.tunnel.room.set_result(None)
    chat.tunnel.room = None
    chat.play.loop.settle()
    chat.viewer.flushes()
    assert len(chat.tunnel.received) == 200_000


def test_it_counts_among_the_websockets_of_its_client(chat: Chat) -> None:
    websockets = chat.play.listener.connections.websockets
    assert websockets.total == 1
    chat.says(b"", ends=True)
    chat.hears(b"")
    assert websockets.total == 0


def test_the_log_says_what_passed(chat: Chat) -> None:
    chat.says(b"x" * 1_000, ends=True)
    chat.hears(b"y" * 3_000)
    chat.hears(b"")
    (line,) = [one for one in logged(chat.play) if "/chat" in one]
    assert (line[5], line[16], line[23]) == ("GET", "ws", "HTTP/3.0")
    assert int(line[17]) > 1_000
    assert int(line[3]) > 3_000
