"""WebSockets on streams: extended CONNECT becomes the GET that HTTP/1.1 has, with a key of ours."""

from __future__ import annotations

import base64
import hashlib

import pytest

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import ErrorCode, Frame, frame, settings_frame
from edgecache.http.http2.header_block import literal, status_field
from edgecache.http.message import Response, first_value
from edgecache.server.websocket import ENDING_S_MAX, IDLE_S_MAX
from edgecache.upstream.interface import Reply
from tests.plays.test_websocket import HeldTunnel
from tests.server.test_tls_connection import logged, secure, session
from tests.world.http2_wire import WireClient, data, get
from tests.world.play import Play, Scene

CONNECT = (
    (b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"),
    (b":path", b"/chat"), (b":authority", b"site.test"),
)  # fmt: skip
FieldsOf = tuple[tuple[bytes, bytes], ...]
VERSION = (b"sec-websocket-version", b"13")


def headers(*fields: tuple[bytes, bytes], ends: bool = False) -> bytes:
    flags = frames.END_HEADERS | (frames.END_STREAM if ends else 0)
    return frame(frames.HEADERS, flags, 1, b"".join([literal(*one) for one in fields]))


OPENS = headers(*CONNECT, VERSION, (b"sec-websocket-protocol", b"chat"))


def accepts(play: Play, status: int = 101, proof: bytes | None = None) -> HeldTunnel:
    """The origin's answer, with the proof that the key was read."""
    held = play.origin.hears("/chat", upgrade="websocket", connection="Upgrade")
    key = first_value(held.request.fields, b"sec-websocket-key") or b""
    assert len(base64.b64decode(key)) == 16
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    tunnel, now = HeldTunnel(), play.clock.now
    fields = (
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-accept", proof or base64.b64encode(digest)),
        (b"sec-websocket-protocol", b"chat"),
    )
    play.origin._next_open().set_result(Reply(Response(status, b"", fields, now, now), tunnel))
    play.loop.settle()
    return tunnel


def of_stream(client: WireClient, kind: int) -> list[Frame]:
    return [one for one in client.hears() if one.kind == kind and one.stream_id == 1]


@pytest.fixture
def tunnel(play: Play, client: WireClient) -> HeldTunnel:
    """One that is open; its response is read."""
    client.says(OPENS)
    opened = accepts(play)
    (head,) = of_stream(client, frames.HEADERS)
    assert head.payload.startswith(status_field(200))
    return opened


def test_it_is_announced(play: Play) -> None:
    """RFC 8441 §3."""
    client = WireClient(play)
    (told,) = [one for one in client.hears() if one.kind == frames.SETTINGS]
    assert bytes((0, frames.ENABLE_CONNECT_PROTOCOL, 0, 0, 0, 1)) in told.payload


def test_the_handshake_is_ours_and_bytes_pass_both_ways(play: Play, client: WireClient) -> None:
    client.says(OPENS)
    tunnel = accepts(play)
    (head,) = of_stream(client, frames.HEADERS)
    assert head.payload.startswith(status_field(200))
    assert not head.flags & frames.END_STREAM
    assert b"chat" in head.payload
    for field in (literal(b"upgrade", b"websocket"), b"sec-websocket-accept"):  # RFC 8441 §5
        assert field not in head.payload
    client.says(data(1, b"ping"))
    tunnel.put(b"pong")
    play.loop.settle()
    assert bytes(tunnel.received) == b"ping"
    assert [one.payload for one in of_stream(client, frames.DATA)] == [b"pong"]


def test_what_is_sent_before_the_answer_is_the_tunnels(play: Play, client: WireClient) -> None:
    client.says(OPENS, data(1, b"early"))
    assert bytes(accepts(play).received) == b"early"


def test_a_key_of_the_viewers_counts_for_nothing(play: Play, client: WireClient) -> None:
    client.says(headers(*CONNECT, VERSION, (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")))
    held = play.origin.hears("/chat", upgrade="websocket")
    keys = [value for name, value in held.request.fields if name == b"sec-websocket-key"]
    assert len(keys) == 1
    assert keys != [b"dGhlIHNhbXBsZSBub25jZQ=="]


REFUSED = [
    ("CONNECT alone", (CONNECT[0], *CONNECT[2:]), b"501"),
    ("UDP", (CONNECT[0], (b":protocol", b"connect-udp"), *CONNECT[2:], VERSION), b"501"),
    ("no version", CONNECT, b"400"),
]  # fmt: skip
MALFORMED = [
    ("a GET with a protocol", ((b":method", b"GET"), *CONNECT[1:], VERSION)),
    ("a protocol twice", (*CONNECT[:2], *CONNECT[1:], VERSION)),
    ("a protocol behind the fields", (CONNECT[0], *CONNECT[2:], VERSION, CONNECT[1])),
    ("no path", (*CONNECT[:3], *CONNECT[4:], VERSION)),
    ("no scheme", (*CONNECT[:2], *CONNECT[3:], VERSION)),
    ("a length", (*CONNECT, VERSION, (b"content-length", b"4"))),
    ("an upgrade", (*CONNECT, VERSION, (b"upgrade", b"websocket"))),
]


@pytest.mark.parametrize(("what", "fields", "status"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_no_websocket_is_refused(
    play: Play,
    client: WireClient,
    what: str,
    fields: tuple[tuple[bytes, bytes], ...],
    status: bytes,
) -> None:
    client.says(headers(*fields))
    (head,) = of_stream(client, frames.HEADERS)
    assert status in head.payload[:6] or head.payload.startswith(status_field(int(status)))
    play.origin.hears_nothing()


@pytest.mark.parametrize(("what", "fields"), MALFORMED, ids=[row[0] for row in MALFORMED])
def test_what_is_malformed_is_reset(
    play: Play, client: WireClient, what: str, fields: FieldsOf
) -> None:
    client.says(headers(*fields))
    assert client.errors() == [("reset", 1, ErrorCode.PROTOCOL_ERROR)]
    play.origin.hears_nothing()
    client.says(get(3))
    play.origin.hears("/")


def test_one_that_ends_as_it_begins_is_reset(play: Play, client: WireClient) -> None:
    client.says(headers(*CONNECT, VERSION, ends=True))
    assert client.errors() == [("reset", 1, ErrorCode.PROTOCOL_ERROR)]


@pytest.mark.parametrize(
    ("status", "proof"),
    [(101, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), (200, None), (204, None)],
    ids=["another's proof", "200", "204"],
)
def test_who_has_not_accepted_opens_nothing(
    play: Play, client: WireClient, status: int, proof: bytes | None
) -> None:
    """A 2xx would be taken for an open WebSocket."""
    client.says(OPENS)
    tunnel = accepts(play, status, proof)
    (head,) = of_stream(client, frames.HEADERS)
    assert head.payload.startswith(status_field(502))
    assert tunnel.closed


@pytest.mark.parametrize("status", [302, 403, 426, 503])
def test_any_other_status_is_passed_on(play: Play, client: WireClient, status: int) -> None:
    client.says(OPENS)
    play.origin.hears("/chat")
    play.origin.answers(status, "no")
    (head,) = of_stream(client, frames.HEADERS)
    assert head.payload.startswith(status_field(status))


def test_the_viewer_ends_its_direction(play: Play, client: WireClient, tunnel: HeldTunnel) -> None:
    client.says(data(1, b"bye", ends=True))
    assert bytes(tunnel.received) == b"bye"
    assert tunnel.ended
    tunnel.put(b"farewell")
    tunnel.put(b"")
    play.loop.settle()
    said = of_stream(client, frames.DATA)
    assert b"".join(one.payload for one in said) == b"farewell"
    assert said[-1].flags & frames.END_STREAM
    assert tunnel.hung_up
    assert not client.connection.streams


def test_the_origin_ends_its_direction(play: Play, client: WireClient, tunnel: HeldTunnel) -> None:
    tunnel.put(b"")
    play.loop.settle()
    assert of_stream(client, frames.DATA)[-1].flags & frames.END_STREAM
    client.says(data(1, b"last"))
    assert bytes(tunnel.received) == b"last"
    play.advance(ENDING_S_MAX + 1)
    play.listener.sweep()
    play.loop.settle()
    assert tunnel.hung_up
    assert not client.connection.streams
    client.says(get(3))  # the connection is as good as before
    play.origin.hears("/")


def test_the_last_words_of_a_viewer_come_after_the_origins(
    play: Play, client: WireClient, tunnel: HeldTunnel
) -> None:
    """A closing handshake: the origin's frame and end, the viewer's frame and end in one read."""
    tunnel.put(b"")
    play.loop.settle()
    client.says(data(1, b"last", ends=True))
    assert bytes(tunnel.received) == b"last"
    assert tunnel.hung_up
    assert not client.connection.streams


def test_an_origin_that_breaks_off_resets_the_stream(
    play: Play, client: WireClient, tunnel: HeldTunnel
) -> None:
    tunnel.break_off()
    play.loop.settle()
    assert client.errors() == [("reset", 1, ErrorCode.INTERNAL_ERROR)]


def test_a_reset_hangs_up(play: Play, client: WireClient, tunnel: HeldTunnel) -> None:
    code = int(ErrorCode.CANCEL).to_bytes(4, "big")
    client.says(frame(frames.RST_STREAM, 0, 1, code))
    assert tunnel.hung_up
    assert not client.connection.streams


def test_ten_idle_minutes_end_it(play: Play, client: WireClient, tunnel: HeldTunnel) -> None:
    play.advance(IDLE_S_MAX - 1)
    play.listener.sweep()
    client.says(data(1, b"alive"))
    assert client.errors() == []
    play.advance(IDLE_S_MAX - 1)
    play.listener.sweep()
    play.loop.settle()
    assert not tunnel.hung_up
    play.advance(2)
    play.listener.sweep()
    play.loop.settle()
    assert client.errors() == [("reset", 1, ErrorCode.CANCEL)]
    assert tunnel.hung_up


def test_a_viewer_that_takes_nothing_is_let_go(play: Play) -> None:
    """As any stream whose window stays closed; until then its origin is not read on."""
    client = WireClient(play, settings=settings_frame({frames.INITIAL_WINDOW_SIZE: 0}))
    client.says(OPENS)
    tunnel = accepts(play)
    tunnel.put(b"x" * 200_000)
    limits = play.listener.limits
    for wait_s in (limits.idle_s_max, limits.write_idle_s_max):
        play.advance(wait_s + 1)
        play.listener.sweep()
        play.loop.settle()
    assert ("reset", 1, ErrorCode.CANCEL) in client.errors()
    assert tunnel.hung_up


def test_a_process_that_ends_does_not_wait_for_it(
    play: Play, client: WireClient, tunnel: HeldTunnel
) -> None:
    client.connection.shutdown()
    play.loop.settle()
    assert tunnel.hung_up
    assert client.transport.closed


def test_what_an_origin_does_not_take_is_bounded(
    play: Play, client: WireClient, tunnel: HeldTunnel
) -> None:
    """The stream's window is not opened again; another stream goes on."""
    tunnel.room = play.loop.create_future()
    client.says(*[data(1, b"x" * 16_000) for _ in range(4)])
    assert not [one for one in client.hears() if one.stream_id == 1]
    client.says(get(3))
    play.origin.hears("/")
    tunnel.room.set_result(None)
    tunnel.room = None
    play.loop.settle()
    assert of_stream(client, frames.WINDOW_UPDATE)
    assert len(tunnel.received) == 64_000


def test_it_counts_among_the_websockets_of_its_client(play: Play, client: WireClient) -> None:
    client.says(OPENS)
    tunnel = accepts(play)
    assert play.listener.connections.websockets.total == 1
    tunnel.put(b"")
    client.says(data(1, b"", ends=True))
    assert play.listener.connections.websockets.total == 0


def test_the_log_says_wss_and_what_passed() -> None:
    play = Play(Scene())
    secure(play, session(b"site.test"))
    client = WireClient(play, settings=settings_frame({}))
    client.says(headers(*[(n, b"https" if n == b":scheme" else v) for n, v in CONNECT], VERSION))
    tunnel = accepts(play)
    client.says(data(1, b"x" * 1_000, ends=True))
    tunnel.put(b"y" * 3_000)
    tunnel.put(b"")
    play.loop.settle()
    (line,) = [one for one in logged(play) if "/chat" in one]
    assert line[16] == "wss"
    assert line[23] == "HTTP/2.0"
    assert int(line[17]) > 1_000
    assert int(line[3]) > 3_000
    play.close()
