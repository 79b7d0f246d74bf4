"""RFC 9114's MUSTs, as a table of ours: section, what is sent, what is answered."""

from __future__ import annotations

import pytest

from edgecache.http.http2.header_block import integer
from edgecache.server.http3 import frames
from edgecache.server.http3.frames import Http3Error, frame, settings_frame, varint
from tests.server.http3.conftest import Connects
from tests.world.play import Play

E = Http3Error
CONTROL, ENCODER, DECODER = 2, 6, 10  # ids of the viewer's own streams
SETTINGS = varint(frames.CONTROL_STREAM) + settings_frame({})
GET = (
    (b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"site.test"), (b":path", b"/a"),
)  # fmt: skip
POST = ((b":method", b"POST"), *GET[1:])


def head(*fields: tuple[bytes, bytes]) -> bytes:
    """HEADERS, in literals."""
    section = b"\0\0" + b"".join(
        [integer(len(n), 3, 0x20) + n + integer(len(v), 7) + v for n, v in fields]
    )
    return frame(frames.HEADERS, section)


def data(content: bytes) -> bytes:
    return frame(frames.DATA, content)


# What ends the connection: section, stream, what comes on it behind SETTINGS on control, the error.
ENDS_CONNECTION = [
    ("4.1 DATA without a head", 0, data(b"x"), E.FRAME_UNEXPECTED),
    ("4.1 HEADERS after trailers", 0, head(*POST) + head() + head(), E.FRAME_UNEXPECTED),
    ("4.1 DATA after trailers", 0, head(*POST) + head() + data(b"x"), E.FRAME_UNEXPECTED),
    ("6.2.1 a second control stream", 6, SETTINGS, E.STREAM_CREATION_ERROR),
    ("6.2.2 a push to a server", 6, varint(frames.PUSH_STREAM), E.STREAM_CREATION_ERROR),
    ("7.1 SETTINGS that end too early", CONTROL, frame(0xD, b"\x40"), E.FRAME_ERROR),
    ("7.1 more than one number", CONTROL, frame(frames.MAX_PUSH_ID, b"\1\2"), E.FRAME_ERROR),
    ("7.2.1 DATA on control", CONTROL, data(b"x"), E.FRAME_UNEXPECTED),
    ("7.2.2 HEADERS on control", CONTROL, head(*GET), E.FRAME_UNEXPECTED),
    ("7.2.3 CANCEL_PUSH of nothing", CONTROL, frame(frames.CANCEL_PUSH, b"\0"), E.ID_ERROR),
    ("7.2.3 CANCEL_PUSH elsewhere", 0, frame(frames.CANCEL_PUSH, b"\0"), E.FRAME_UNEXPECTED),
    ("7.2.4 SETTINGS twice", CONTROL, settings_frame({}), E.FRAME_UNEXPECTED),
    ("7.2.4 SETTINGS elsewhere", 0, settings_frame({}), E.FRAME_UNEXPECTED),
    ("7.2.5 PUSH_PROMISE", 0, frame(frames.PUSH_PROMISE, b"\0"), E.FRAME_UNEXPECTED),
    ("7.2.6 GOAWAY elsewhere", 0, frame(frames.GOAWAY, b"\0"), E.FRAME_UNEXPECTED),
    ("7.2.7 MAX_PUSH_ID elsewhere", 0, frame(frames.MAX_PUSH_ID, b"\0"), E.FRAME_UNEXPECTED),
    (
        "7.2.7 MAX_PUSH_ID that goes back", CONTROL,
        frame(frames.MAX_PUSH_ID, b"\5") + frame(frames.MAX_PUSH_ID, b"\4"), E.ID_ERROR,
    ),
    ("7.2.8 a frame of HTTP/2 on control", CONTROL, frame(0x6, b""), E.FRAME_UNEXPECTED),
    ("7.2.8 a frame of HTTP/2 on a request", 0, frame(0x8, b""), E.FRAME_UNEXPECTED),
    (
        "4.2.2 a head above the longest", 0, varint(frames.HEADERS) + varint(1 << 20),
        E.EXCESSIVE_LOAD,
    ),
    (
        "9204 2.2.3 of a dynamic table", 0, frame(frames.HEADERS, b"\1\0\x80"),
        E.QPACK_DECOMPRESSION_FAILED,
    ),
    (
        "9204 4.5 an index that is none", 0, frame(frames.HEADERS, b"\0\0\xff\x7f"),
        E.QPACK_DECOMPRESSION_FAILED,
    ),
    (
        "9204 a bomb of one-byte fields", 0, frame(frames.HEADERS, b"\0\0" + b"\xd1" * 3_000),
        E.EXCESSIVE_LOAD,
    ),
    (
        "9204 4.3.1 a table with room", ENCODER, varint(frames.ENCODER_STREAM) + b"\x3f\x01",
        E.QPACK_ENCODER_STREAM_ERROR,
    ),
    (
        "9204 4.3.3 an insertion", ENCODER, varint(frames.ENCODER_STREAM) + b"\x41a\1b",
        E.QPACK_ENCODER_STREAM_ERROR,
    ),
    (
        "9204 4.4.1 an acknowledgement", DECODER, varint(frames.DECODER_STREAM) + b"\x80",
        E.QPACK_DECODER_STREAM_ERROR,
    ),
    (
        "9218 7.2 the priority of a push", CONTROL,
        frame(frames.PRIORITY_UPDATE_PUSH, b"\0u=1"), E.ID_ERROR,
    ),
    ("9218 7.2 of no request", CONTROL, frame(frames.PRIORITY_UPDATE, b"\1u=1"), E.ID_ERROR),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stream", "said", "code"), [row[1:] for row in ENDS_CONNECTION],
    ids=[row[0] for row in ENDS_CONNECTION],
)  # fmt: skip
def test_what_ends_a_connection(
    connect: Connects, play: Play, stream: int, said: bytes, code: Http3Error
) -> None:
    bystander = connect()
    viewer = connect(bare=True).says(CONTROL, SETTINGS)
    viewer.says(stream, said)
    assert viewer.ended is not None
    assert Http3Error(viewer.ended.error_code) is code
    assert play.counters.http3_ends[code.name.lower()] == 1
    bystander.asks("/a", host="nobody.test").gets(403)


@pytest.mark.parametrize("stream", [CONTROL, ENCODER, DECODER])
@pytest.mark.parametrize("reset", [False, True])
def test_streams_that_last_may_not_end(connect: Connects, stream: int, reset: bool) -> None:
    """§6.2.1, RFC 9204 §4.2."""
    kinds = {CONTROL: SETTINGS, ENCODER: b"\2", DECODER: b"\3"}
    viewer = connect(bare=True).says(stream, kinds[stream])
    if reset:
        viewer.quic.reset_stream(stream, 0x100)
        viewer.flushes()
    else:
        viewer.says(stream, ends=True)
    assert viewer.ended is not None
    assert viewer.ended.error_code == E.CLOSED_CRITICAL_STREAM


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (frame(frames.GOAWAY, b"\0"), E.MISSING_SETTINGS),
        (frame(0x21, b""), E.MISSING_SETTINGS),
        (frame(frames.SETTINGS, b"\4\1"), E.SETTINGS_ERROR),
        (frame(frames.SETTINGS, b"\6\1\6\1"), E.SETTINGS_ERROR),
        (frame(frames.SETTINGS, b"\6"), E.FRAME_ERROR),
    ],
)
def test_settings_that_are_none(connect: Connects, settings: bytes, code: Http3Error) -> None:
    """§6.2.1, §7.2.4."""
    viewer = connect(bare=True).says(CONTROL, b"\0", settings)
    assert viewer.ended is not None
    assert Http3Error(viewer.ended.error_code) is code


# What ends a stream: section, what comes on it with its end, the error.
ENDS_STREAM = [
    ("4.1.1 no request", b"", E.REQUEST_INCOMPLETE),
    ("4.1.1 only an unknown frame", frame(0x21, b"x"), E.REQUEST_INCOMPLETE),
    ("4.1.2 more than Content-Length", head(*POST, (b"content-length", b"1")) + data(b"ab"), 1),
    ("4.1.2 less than Content-Length", head(*POST, (b"content-length", b"3")) + data(b"ab"), 1),
    ("4.1.2 no body, and a length", head(*POST, (b"content-length", b"3")), E.MESSAGE_ERROR),
    ("4.2 a name in upper case", head(*GET, (b"X-A", b"1")), E.MESSAGE_ERROR),
    ("4.2 a field of one connection", head(*GET, (b"connection", b"close")), E.MESSAGE_ERROR),
    ("4.2 chunks", head(*POST, (b"transfer-encoding", b"chunked")), E.MESSAGE_ERROR),
    ("4.2 TE", head(*GET, (b"te", b"gzip")), E.MESSAGE_ERROR),
    ("4.2 a line end in a value", head(*GET, (b"x-a", b"1\r\nx-b: 2")), E.MESSAGE_ERROR),
    ("4.3 an unknown pseudo-field", head(*GET, (b":x", b"1")), E.MESSAGE_ERROR),
    ("4.3 one that came before", head(*GET, GET[3]), E.MESSAGE_ERROR),
    ("4.3 one that comes late", head(*GET[:3], (b"x-a", b"1"), GET[3]), E.MESSAGE_ERROR),
    ("4.3.1 without a path", head(*GET[:3]), E.MESSAGE_ERROR),
    ("4.3.1 without a method", head(*GET[1:]), E.MESSAGE_ERROR),
    ("4.3.1 a relative path", head(*GET[:3], (b":path", b"a")), E.MESSAGE_ERROR),
    ("4.3.1 another Host", head(*GET, (b"host", b"other.test")), E.MESSAGE_ERROR),
]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "code"), [row[1:] for row in ENDS_STREAM], ids=[row[0] for row in ENDS_STREAM]
)
def test_what_ends_a_stream(connect: Connects, play: Play, said: bytes, code: int) -> None:
    viewer = connect()
    stream = viewer.quic.get_next_available_stream_id()
    viewer.says(stream, said, ends=True)
    if code == 1:  # of what was asked for upstream the page says it
        assert viewer.answers[stream].status == 400
        assert viewer.answers[stream].reset in (None, E.MESSAGE_ERROR)
    else:
        assert viewer.answers[stream].reset == code
    assert viewer.ended is None
    viewer.asks("/a", host="nobody.test")
    assert viewer.answers[stream + 4].status == 403
    play.loop.look()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((GET[0], (b":scheme", b"https"), *GET[2:]), 400),
        (((b":method", b"CONNECT"), *GET[1:]), 501),
        ((*GET[:3], (b":path", b"/" + b"a" * 9_000)), 414),
        ((*GET, (b"x-a", b"a" * 34_000)), 494),
        ((*GET, (b"expect", b"something")), 417),
    ],
)
def test_what_the_common_rules_refuse_has_their_page(
    connect: Connects, fields: tuple[tuple[bytes, bytes], ...], status: int
) -> None:
    viewer = connect()
    viewer.sends_head([*fields])
    viewer.gets(status)


def test_what_is_not_known_is_passed_over(connect: Connects, play: Play) -> None:
    """§9: frames, settings and streams."""
    viewer = connect(bare=True)
    viewer.says(CONTROL, b"\0", settings_frame({0x21: 5}), frame(0x21, b"abc"))
    viewer.says(6, varint(0x21), b"anything at all")
    viewer.says(0, frame(0x21, b"x" * 500), head(*GET), frame(0x40, b"abc"), ends=True)
    assert viewer.ended is None
    play.origin.hears("/a")
    play.origin.answers(200, "one")


def test_a_head_in_pieces_and_its_end_apart(connect: Connects, play: Play) -> None:
    """A body-less request begins when its end is there, not as one with a body."""
    viewer = connect()
    stream = viewer.quic.get_next_available_stream_id()
    said = head(*GET)
    for at in range(0, len(said), 7):
        viewer.says(stream, said[at : at + 7])
    play.origin.hears_nothing()
    viewer.says(stream, ends=True)
    play.origin.hears("/a")
    play.origin.answers(200, "one")
    viewer.flushes()


def test_cookies_are_one_field_and_priorities_are_read(connect: Connects, play: Play) -> None:
    viewer = connect()
    viewer.quic.send_stream_data(CONTROL, frame(frames.PRIORITY_UPDATE, b"\0u=1, i"))
    viewer.sends_head([*GET, (b"cookie", b"a=1"), (b"cookie", b"b=2")])
    assert viewer.viewed.streams[0].priority == (1, True)
    play.origin.hears("/a")
    play.origin.answers(200, "one")
    viewer.gets(200, "one")


def test_requests_given_up_are_counted(connect: Connects, play: Play) -> None:
    """CVE-2023-44487: above the allowance the connection ends, and nothing goes on for it."""
    bystander, viewer = connect(address="198.51.100.1"), connect(bare=True)
    viewer.says(CONTROL, SETTINGS)
    asked = 0
    while viewer.ended is None and asked < 400:
        stream = asked * 4
        viewer.says(stream, head(*GET[:3], (b":path", b"/%d" % asked)), ends=True)
        viewer.quic.reset_stream(stream, E.REQUEST_CANCELLED)
        viewer.quic.stop_stream(stream, E.REQUEST_CANCELLED)
        asked += 1
        viewer.flushes()
    assert viewer.ended is not None
    assert viewer.ended.error_code == E.EXCESSIVE_LOAD
    assert not viewer.viewed.streams
    bystander.asks("/a", host="nobody.test").gets(403)


def test_no_more_streams_than_may_be(connect: Connects, play: Play) -> None:
    """RFC 9000 §4.6: so many at once; as they end others may come."""
    viewer = connect()
    for number in range(140):
        viewer.quic.send_stream_data(number * 4, head(*GET[:3], (b":path", b"/%d" % number)), True)
    viewer.flushes()
    assert len(viewer.viewed.streams) == len(play.origin.heard) == 128
    for call in [*play.origin.heard]:
        play.origin.hears(call.request.target.decode())
        play.origin.answers(200, "one")
    viewer.flushes()
    assert len(viewer.viewed.streams) == 12
    for call in play.origin.heard[128:]:
        play.origin.hears(call.request.target.decode())
        play.origin.answers(200, "one")
    viewer.flushes()
    assert not viewer.viewed.streams
