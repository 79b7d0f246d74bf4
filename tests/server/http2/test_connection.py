"""RFC 9113's MUSTs, as a table of ours: section, what is sent, what is answered."""

from __future__ import annotations

import pytest

from edgecache.config.model import Limits
from edgecache.http.http2 import frames
from edgecache.http.http2.frames import PREFACE, ErrorCode, frame, settings_frame
from edgecache.http.http2.header_block import literal
from tests.world.http2_wire import WireClient, block, data, get, open_client, post
from tests.world.play import Play, Scene

H, D, C = frames.HEADERS, frames.DATA, frames.CONTINUATION
EH, ES, PAD, PRI = frames.END_HEADERS, frames.END_STREAM, frames.PADDED, frames.WITH_PRIORITY
PROTOCOL, FLOW, SIZE = (
    ErrorCode.PROTOCOL_ERROR, ErrorCode.FLOW_CONTROL_ERROR, ErrorCode.FRAME_SIZE_ERROR,
)  # fmt: skip
CLOSED, COMPRESSION = ErrorCode.STREAM_CLOSED, ErrorCode.COMPRESSION_ERROR
CALM, REFUSED = ErrorCode.ENHANCE_YOUR_CALM, ErrorCode.REFUSED_STREAM


def settings(**values: int) -> bytes:
    return settings_frame({getattr(frames, name.upper()): value for name, value in values.items()})


def window(stream: int, count: int) -> bytes:
    return frame(frames.WINDOW_UPDATE, 0, stream, count.to_bytes(4, "big"))


def headers(stream: int, *fields: tuple[bytes, bytes], flags: int = EH | ES) -> bytes:
    return frame(H, flags, stream, b"".join([literal(n, v) for n, v in fields]))


BASE = (
    (b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"site.test"),
)  # fmt: skip
DONE = headers(1, *BASE[:3], (b":authority", b"nobody.test"))  # stream 1 has its answer
OPEN = post(1, b"/up")  # stream 1 is open, and asked for upstream

# What ends the connection: section, frames after preface and SETTINGS, the error of GOAWAY.
ENDS_CONNECTION = [
    ("4.2 a frame above the largest size", b"\0\x40\x01\0\0\0\0\0\1", SIZE),
    ("4.2 SETTINGS that is not a multiple of 6", frame(frames.SETTINGS, 0, 0, b"12345"), SIZE),
    ("4.3 a header block that is none", frame(H, EH | ES, 1, b"\x80"), COMPRESSION),
    ("4.3 the table above its bound", frame(H, EH | ES, 1, b"\x3f\xe2\x1f"), COMPRESSION),
    ("4.3 a frame between HEADERS and CONTINUATION", frame(H, ES, 1, b"") + data(1), PROTOCOL),
    ("4.3 of another stream", frame(H, ES, 1, b"") + frame(C, EH, 3, b""), PROTOCOL),
    ("4.3 an unknown frame there", frame(H, ES, 1, b"") + frame(0x55, 0, 1, b""), PROTOCOL),
    ("5.1 DATA of an idle stream", data(1, b"x"), PROTOCOL),
    ("5.1 RST_STREAM of an idle stream", frame(frames.RST_STREAM, 0, 1, bytes(4)), PROTOCOL),
    ("5.1 WINDOW_UPDATE of an idle stream", window(1, 1), PROTOCOL),
    ("5.1 CONTINUATION of an idle stream", frame(C, EH, 1, b""), PROTOCOL),
    ("5.1 HEADERS after the end", get(1) + get(1), CLOSED),
    ("5.1 HEADERS after the answer", DONE + get(1), CLOSED),
    ("5.1 an idle stream, behind an answer", DONE + window(3, 1), PROTOCOL),
    ("5.1.1 a stream of ours", get(2), PROTOCOL),
    ("5.1.1 a smaller number", get(3) + get(1), CLOSED),
    ("6.1 DATA on stream 0", data(0, b"x"), PROTOCOL),
    ("6.1 more padding than payload", OPEN + frame(D, PAD, 1, b"\x05abcd"), PROTOCOL),
    ("6.1 padded, and empty", OPEN + frame(D, PAD, 1, b""), SIZE),
    ("6.2 HEADERS on stream 0", frame(H, EH | ES, 0, block()), PROTOCOL),
    ("6.2 more padding than payload", frame(H, EH | ES | PAD, 1, b"\x09" + bytes(8)), PROTOCOL),
    ("6.2 no priority where it says so", frame(H, EH | ES | PRI, 1, b"\0\0\0\0"), SIZE),
    ("6.3 PRIORITY on stream 0", frame(frames.PRIORITY, 0, 0, bytes(5)), PROTOCOL),
    ("6.4 RST_STREAM on stream 0", frame(frames.RST_STREAM, 0, 0, bytes(4)), PROTOCOL),
    ("6.4 RST_STREAM of 3 bytes", OPEN + frame(frames.RST_STREAM, 0, 1, bytes(3)), SIZE),
    ("6.5 SETTINGS on a stream", frame(frames.SETTINGS, 0, 1), PROTOCOL),
    ("6.5 an ACK that says something", frame(frames.SETTINGS, 1, 0, bytes(6)), SIZE),
    ("6.5.2 ENABLE_PUSH 2", settings(enable_push=2), PROTOCOL),
    ("6.5.2 INITIAL_WINDOW_SIZE 2^31", settings(initial_window_size=2**31), FLOW),
    ("6.5.2 MAX_FRAME_SIZE 16383", settings(max_frame_size=16_383), PROTOCOL),
    ("6.5.2 MAX_FRAME_SIZE 2^24", settings(max_frame_size=2**24), PROTOCOL),
    ("6.6 PUSH_PROMISE", frame(frames.PUSH_PROMISE, EH, 1, bytes(4)), PROTOCOL),
    ("6.7 PING on a stream", frame(frames.PING, 0, 1, bytes(8)), PROTOCOL),
    ("6.7 PING of 7 bytes", frame(frames.PING, 0, 0, bytes(7)), SIZE),
    ("6.8 GOAWAY on a stream", frame(frames.GOAWAY, 0, 1, bytes(8)), PROTOCOL),
    ("6.9 a window of the connection opened by 0", window(0, 0), PROTOCOL),
    ("6.9 WINDOW_UPDATE of 3 bytes", frame(frames.WINDOW_UPDATE, 0, 0, bytes(3)), SIZE),
    ("6.9.1 the connection's window above 2^31-1", window(0, 2**31 - 1), FLOW),
    ("6.9.1 DATA beyond the window", OPEN + data(1, bytes(16_384)) * 4, FLOW),
    ("6.9.2 a window above 2^31-1 by SETTINGS",
     OPEN + window(1, 2**31 - 1 - 65_535) + settings(initial_window_size=65_536), FLOW),
    ("6.10 CONTINUATION after END_HEADERS", get(1) + frame(C, EH, 1, b""), PROTOCOL),
    ("6.10 CONTINUATION on stream 0", frame(H, ES, 1, b"") + frame(C, EH, 0, b""), PROTOCOL),
    ("10.5.1 a header list above twice the largest",
     b"".join([frame(H, ES, 1, b""), *[frame(C, 0, 1, bytes(16_000))] * 5]), CALM),
    ("9218 7.1 the priority of a stream of ours",
     frame(frames.PRIORITY_UPDATE, 0, 0, b"\0\0\0\2u=1"), PROTOCOL),
    ("9218 7.1 PRIORITY_UPDATE on a stream",
     frame(frames.PRIORITY_UPDATE, 0, 1, b"\0\0\0\1u=1"), PROTOCOL),
]  # fmt: skip


@pytest.mark.parametrize(("said", "code"), [r[1:] for r in ENDS_CONNECTION], ids=[
    r[0] for r in ENDS_CONNECTION])  # fmt: skip
def test_an_error_of_the_connection(client: WireClient, said: bytes, code: ErrorCode) -> None:
    client.says(said)
    kind, _, error = client.errors()[-1]
    assert (kind, ErrorCode(error)) == ("goaway", code)
    assert client.transport.closed


# What ends a stream alone: section, frames, the error of RST_STREAM; the stream is 1.
ENDS_STREAM = [
    ("5.1 DATA after the end", get(1) + data(1, b"x"), CLOSED),
    ("6.3 PRIORITY of 4 bytes", OPEN + frame(frames.PRIORITY, 0, 1, bytes(4)), SIZE),
    ("6.9 a window opened by 0", OPEN + window(1, 0), PROTOCOL),
    ("6.9.1 a window above 2^31-1", OPEN + window(1, 2**31 - 1), FLOW),
    ("8.1 trailers without END_STREAM", OPEN + headers(1, (b"x-sum", b"1"), flags=EH), PROTOCOL),
    ("8.1 a pseudo-field in trailers", OPEN + headers(1, (b":path", b"/")), PROTOCOL),
    ("8.1.1 DATA where the length is 0",
     post(1, b"/up", (b"content-length", b"0")) + data(1, b"x"), PROTOCOL),
    ("8.1.1 a length, and no body", headers(1, *BASE, (b"content-length", b"1")), PROTOCOL),
    ("8.2.1 a name in upper case", headers(1, *BASE, (b"X-Big", b"1")), PROTOCOL),
    ("8.2.1 a colon in a name", headers(1, *BASE, (b"x:y", b"1")), PROTOCOL),
    ("8.2.1 no name", headers(1, *BASE, (b"", b"1")), PROTOCOL),
    ("8.2.1 a line feed in a value", headers(1, *BASE, (b"x", b"a\nb: c")), PROTOCOL),
    ("8.2.1 a carriage return in a value", headers(1, *BASE, (b"x", b"a\rb")), PROTOCOL),
    ("8.2.1 a NUL in a value", headers(1, *BASE, (b"x", b"a\0b")), PROTOCOL),
    ("8.2.1 a line feed in a name", headers(1, *BASE, (b"x\ny", b"a")), PROTOCOL),
    ("8.2.1 a blank before a value", headers(1, *BASE, (b"x", b" a")), PROTOCOL),
    ("8.2.1 a blank after a value", headers(1, *BASE, (b"x", b"a\t")), PROTOCOL),
    ("8.2.2 Connection", headers(1, *BASE, (b"connection", b"close")), PROTOCOL),
    ("8.2.2 Transfer-Encoding", headers(1, *BASE, (b"transfer-encoding", b"chunked")), PROTOCOL),
    ("8.2.2 Upgrade", headers(1, *BASE, (b"upgrade", b"websocket")), PROTOCOL),
    ("8.2.2 Keep-Alive", headers(1, *BASE, (b"keep-alive", b"1")), PROTOCOL),
    ("8.2.2 TE other than trailers", headers(1, *BASE, (b"te", b"gzip")), PROTOCOL),
    ("8.3 a pseudo-field after a field", headers(1, *BASE[:3], (b"x", b"1"), BASE[3]), PROTOCOL),
    ("8.3 an unknown pseudo-field", headers(1, *BASE, (b":color", b"red")), PROTOCOL),
    ("8.3 :status in a request", headers(1, *BASE, (b":status", b"200")), PROTOCOL),
    ("8.3.1 :path twice", headers(1, *BASE, (b":path", b"/")), PROTOCOL),
    ("8.3.1 no :method", headers(1, *BASE[1:]), PROTOCOL),
    ("8.3.1 no :scheme", headers(1, BASE[0], *BASE[2:]), PROTOCOL),
    ("8.3.1 no :path", headers(1, *BASE[:2], BASE[3]), PROTOCOL),
    ("8.3.1 an empty :path", headers(1, *BASE[:2], (b":path", b""), BASE[3]), PROTOCOL),
    ("8.3.1 a whole URL as :path",
     headers(1, *BASE[:2], (b":path", b"http://x/"), BASE[3]), PROTOCOL),
    ("8.3.1 a line inside :path",
     headers(1, *BASE[:2], (b":path", b"/ HTTP/1.1\r\nx: y"), BASE[3]), PROTOCOL),
    ("8.3.1 Host is not :authority", headers(1, *BASE, (b"host", b"other.test")), PROTOCOL),
    ("8.3.1 Host twice",
     headers(1, *BASE, (b"host", b"site.test"), (b"host", b"site.test")), PROTOCOL),
    ("8441 4 :protocol, which was not announced",
     headers(1, *BASE, (b":protocol", b"websocket")), PROTOCOL),
]  # fmt: skip


@pytest.mark.parametrize(("said", "code"), [r[1:] for r in ENDS_STREAM], ids=[
    r[0] for r in ENDS_STREAM])  # fmt: skip
def test_an_error_of_a_stream(play: Play, client: WireClient, said: bytes, code: ErrorCode) -> None:
    client.says(said)
    assert client.errors() == [("reset", 1, code)]
    assert not client.transport.closed
    assert not client.connection.streams
    client.says(get(3, b"/next"))  # the connection goes on
    play.origin.hears("/next")
    play.origin.answers(200, "x")
    assert status_of(client) == 200


# What is no error: section, frames, the kinds of frames answered.
TAKEN = [
    ("4.1 reserved flags", frame(frames.PING, 0xFE, 0, bytes(8)), [frames.PING]),
    ("4.1 the reserved bit", b"\0\0\x08\x06\0\x80\0\0\0" + bytes(8), [frames.PING]),
    ("5.1 PRIORITY of an idle stream", frame(frames.PRIORITY, 0, 9, bytes(5)), []),
    ("5.1 WINDOW_UPDATE after the end", DONE + window(1, 9), [H, D]),
    ("5.1 RST_STREAM before the answer went out",
     DONE + frame(frames.RST_STREAM, 0, 1, bytes(4)), []),
    ("5.5 an unknown frame", frame(0x55, 0xFF, 0, b"what"), []),
    ("6.1 padding", OPEN + frame(D, PAD, 1, b"\x02ab\0\0"), [frames.WINDOW_UPDATE]),
    ("6.5.2 an unknown setting", settings_frame({0x7777: 1}), [frames.SETTINGS]),
    ("6.5.3 each SETTINGS is acknowledged", settings() * 2, [frames.SETTINGS] * 2),
    ("6.7 PING with ACK is not answered", frame(frames.PING, 1, 0, bytes(8)), []),
    ("6.9 DATA without bytes at a closed window", OPEN + data(1), []),
    ("6.10 a block in parts",
     frame(H, ES, 1, block()[:9]) + frame(C, 0, 1, b"") + frame(C, EH, 1, block()[9:]), []),
    ("8.1 trailers", OPEN + headers(1, (b"x-sum", b"1")), []),
    ("8.2.2 TE: trailers", headers(1, *BASE, (b"te", b"trailers")), []),
    ("8.3.1 Host in place of :authority", headers(1, *BASE[:3], (b"host", b"site.test")), []),
    ("8.3.1 both, and alike", headers(1, *BASE, (b"host", b"site.test")), []),
    ("9218 7.1 PRIORITY_UPDATE", OPEN + frame(frames.PRIORITY_UPDATE, 0, 0, b"\0\0\0\1u=1"), []),
]  # fmt: skip


@pytest.mark.parametrize(("said", "kinds"), [r[1:] for r in TAKEN], ids=[r[0] for r in TAKEN])
def test_no_error(client: WireClient, said: bytes, kinds: list[int]) -> None:
    client.says(said)
    assert [one.kind for one in client.hears()] == kinds
    assert not client.transport.closed


# What the common rules refuse has a page, as by HTTP/1.1.
PAGES = [
    ("an unknown host", headers(1, *BASE[:3], (b":authority", b"nobody.test")), 403),
    ("no host at all", headers(1, *BASE[:3]), 400),
    ("userinfo in :authority", headers(1, *BASE[:3], (b":authority", b"a@site.test")), 400),
    ("another scheme", headers(1, BASE[0], (b":scheme", b"ftp"), *BASE[2:]), 400),
    ("the scheme of TLS", headers(1, BASE[0], (b":scheme", b"https"), *BASE[2:]), 400),
    ("CONNECT", headers(1, (b":method", b"CONNECT"), BASE[3]), 501),
    ("a method nobody knows", headers(1, (b":method", b"get"), *BASE[1:]), 501),
    ("a fragment", headers(1, *BASE[:2], (b":path", b"/#x"), BASE[3]), 400),
    ("a backslash", headers(1, *BASE[:2], (b":path", b"/a\\b"), BASE[3]), 400),
    ("a path too long", headers(1, *BASE[:2], (b":path", b"/" + b"x" * 8_200), BASE[3]), 414),
    ("fields too many", headers(1, *BASE, *[(b"x", b"1")] * 101), 431),
    ("a head too big", headers(1, *BASE, *[(b"x", b"y" * 8_000)] * 2), 494),
    ("a control byte in a value", headers(1, *BASE, (b"x", b"a\x01b")), 400),
    ("a length that is none", post(1, b"/", (b"content-length", b"+1")), 400),
    ("two lengths", post(1, b"/", (b"content-length", b"1"), (b"content-length", b"1")), 400),
    ("an expectation", post(1, b"/", (b"expect", b"more")), 417),
]  # fmt: skip


@pytest.mark.parametrize(("said", "status"), [r[1:] for r in PAGES], ids=[r[0] for r in PAGES])
def test_a_page(said: bytes, status: int) -> None:
    play = Play(Scene(limits=Limits(head_bytes_max=16_000)))
    client = open_client(play)
    client.says(said)
    heard = client.hears()
    assert [one.kind for one in heard][:2] == [H, D]
    assert heard[1].flags & ES
    assert status_in(heard[0].payload) == status
    assert not client.transport.closed
    assert not client.connection.streams
    play.close()


@pytest.mark.parametrize("first", [get(1), frame(frames.SETTINGS, 1, 0), window(0, 1)])
def test_settings_come_first(play: Play, first: bytes) -> None:
    """RFC 9113 §3.4."""
    client = WireClient(play)
    client.says(PREFACE, first)
    assert client.errors() == [("goaway", 0, PROTOCOL)]


def test_no_preface_is_an_error(play: Play) -> None:
    client = WireClient(play)
    client.says(PREFACE[:20], b"NO\r\n")
    assert client.errors() == [("goaway", 0, PROTOCOL)]


def test_our_settings_come_first_and_say_what_holds(play: Play) -> None:
    client = WireClient(play)
    first = client.hears()[0]
    said = {
        int.from_bytes(first.payload[at : at + 2], "big"):
        int.from_bytes(first.payload[at + 2 : at + 6], "big")
        for at in range(0, first.size, 6)
    }  # fmt: skip
    assert (first.kind, first.flags) == (frames.SETTINGS, 0)
    assert said == {
        frames.MAX_CONCURRENT_STREAMS: 128,
        frames.MAX_HEADER_LIST_SIZE: 32_768,
        frames.ENABLE_CONNECT_PROTOCOL: 1,
        frames.NO_RFC7540_PRIORITIES: 1,
    }


def status_in(payload: bytes) -> int:
    from hpack import Decoder

    return int(dict(Decoder().decode(payload, raw=True))[b":status"])


def status_of(client: WireClient) -> int:
    """Of the one response that was heard."""
    client.play.loop.look()
    (head,) = [one for one in client.hears() if one.kind == H]
    return status_in(head.payload)
