"""Rows of section 15: HTTP/2 alone. Each beside a viewer of HTTP/1.1 at the same listener."""

from __future__ import annotations

from collections.abc import Callable

from edgecache.config.model import Limits
from edgecache.http.http2 import frames
from edgecache.http.http2.frames import (
    ErrorCode,
    frame,
    reset_frame,
    settings_frame,
    window_frame,
)
from edgecache.http.http2.header_block import integer, literal
from tests.hostile.recorder import Script, response
from tests.hostile.stage import HostilePlay
from tests.hostile.strict import Seen
from tests.hostile.trial import Trial, answered, stage_of
from tests.world.http2_wire import WireClient, block, data, get, open_client, post

PROTOCOL = ErrorCode.PROTOCOL_ERROR
CALM = ErrorCode.ENHANCE_YOUR_CALM
BIG_BYTES = 300_000
SMUGGLED_FIELDS = (  # two requests to an origin that is asked by HTTP/1.1, or another's
    (b"x", b"a\r\n\r\nGET /evil HTTP/1.1\r\nHost: site.test\r\n\r\n"),
    (b"x", b"a\r\nTransfer-Encoding: chunked"), (b"x: y\r\nz", b"a"),
    (b"transfer-encoding", b"chunked"), (b"content-length", b"9"),
    (b"connection", b"content-length"), (b"host", b"evil.test"), (b"x\0", b"y"),
    (b":path", b"/evil"), (b"X", b"y"), (b"x y", b"z"), (b"x:", b"y"),
)  # fmt: skip
SMUGGLED_PATHS = (
    b"/p HTTP/1.1\r\nX: y", b"/p HTTP/1.1", b"/p\x00", b"//site.test\\p", b"http://x/",
)  # fmt: skip


def _big(_seen: Seen) -> Script:
    return response(b"x" * BIG_BYTES, b"Cache-Control: max-age=600")


def _flood(one: Callable[[int], bytes], most: int) -> Callable[[bool], str]:
    """Rounds of frames until the connection ends, which must be before `most` of them."""

    def play(memo: bool) -> str:
        stage = stage_of(memo)
        answered(stage, "before", b"/hit")
        client = open_client(stage)
        client.says(post(1, b"/up"))
        rounds = 0
        while not client.transport.closed:
            rounds += 1
            assert rounds <= most, "it goes on"
            client.says(one(rounds))
            stage.rests()
        assert client.errors()[-1][::2] == ("goaway", CALM)
        answered(stage, "beside", b"/hit")
        asked = len(stage.recorder.seen)
        stage.close()
        return f"ENHANCE_YOUR_CALM after {rounds}, {asked} asked of the origin"

    return play


def _stream(round_: int) -> int:
    return 2 * round_ + 1


def rapid_reset(round_: int) -> bytes:
    stream = _stream(round_)
    return get(stream, b"/p%d" % round_) + reset_frame(stream, ErrorCode.CANCEL)


def made_you_reset(round_: int) -> bytes:
    return get(_stream(round_), b"/p%d" % round_) + window_frame(_stream(round_), 0)


def continuations(round_: int) -> bytes:
    if round_ == 1:
        return frame(frames.HEADERS, 0, 3, b"")
    return frame(frames.CONTINUATION, 0, 3, b"")


def bomb(memo: bool) -> str:
    """One entry of the table, named four thousand times."""
    stage = stage_of(memo)
    client = open_client(stage)
    entry = b"\x40" + integer(1, 7) + b"a" + integer(3_900, 7) + b"x" * 3_900
    client.says(frame(frames.HEADERS, 5, 1, entry + b"\xbe" * 4_000))
    assert client.errors() == [("goaway", 0, CALM)]
    answered(stage, "beside")
    assert len(stage.recorder.seen) == 1
    stage.close()
    return "ENHANCE_YOUR_CALM, nothing asked"


def stalled_windows(memo: bool) -> str:
    """A hundred responses, none of which is taken."""
    stage = stage_of(memo, _big)
    answered_big(stage)
    client = open_client(stage)
    client.says(settings_frame({frames.INITIAL_WINDOW_SIZE: 0}))
    for stream in range(1, 201, 2):
        client.says(get(stream, b"/big"))
    stage.rests()
    held = stage.account.total
    assert held <= 2 * BIG_BYTES, f"{held} bytes: one body, and it is the store's"
    stage.passes(Limits().write_idle_s_max + 2)
    assert {error[0] for error in client.errors()} == {"reset"}
    assert not client.connection.streams
    stage.close()
    return "each is reset in time, the body was held once"


def trickled_window(memo: bool) -> str:
    """A byte a second."""
    stage = stage_of(memo, _big)
    answered_big(stage)
    client = open_client(stage)
    client.says(settings_frame({frames.INITIAL_WINDOW_SIZE: 0}), get(1, b"/big"))
    for _ in range(int(Limits().write_idle_s_max) + 2):
        client.says(window_frame(1, 1))
        stage.passes(1)
    assert client.errors() == [("reset", 1, ErrorCode.CANCEL)]
    stage.close()
    return "reset in time"


def answered_big(stage: HostilePlay) -> None:
    client = stage.client("big")
    client.sends([b"GET /big HTTP/1.1\r\nHost: site.test\r\n\r\n"])
    (one,) = client.answers([b"GET"])
    assert len(one.body) == BIG_BYTES


def smuggled(memo: bool) -> str:
    """What would be two requests to an origin that is asked by HTTP/1.1."""
    stage = stage_of(memo)
    client = open_client(stage)
    for number, attack in enumerate(SMUGGLED_FIELDS):
        client.says(get(2 * number + 1, b"/p", attack))
        stage.rests()
    for number, path in enumerate(SMUGGLED_PATHS):
        client.says(get(2 * (number + len(SMUGGLED_FIELDS)) + 1, path))
        stage.rests()
    for stream, sent in ((101, b"GET /evil HTTP/1.1\r\n\r\n"), (103, b"")):
        client.says(post(stream, b"/p", (b"content-length", b"5")), data(stream, sent, ends=True))
        stage.rests()
    assert not stage.recorder.seen, "nothing of it went up"
    assert not client.transport.closed
    client.says(get(201, b"/after"))
    stage.rests()
    assert [one.target for one in stage.recorder.seen] == [b"/after"]
    stage.close()
    return "reset or 400, nothing went up; the next is answered"


def half_heads(memo: bool) -> str:
    """Connections that begin a preface, a frame, or a header block, and say no more."""
    stage = stage_of(memo)
    starts = [b"", frames.PREFACE[:5], frames.PREFACE]
    clients = [WireClient(stage).says(start) for start in starts]
    begun = [
        get(1)[:12],
        frame(frames.HEADERS, 0, 1, block()),
        frame(frames.PING, 0, 0, bytes(8))[:9],
    ]
    clients += [open_client(stage).says(start) for start in begun]
    stage.passes(Limits().head_s_max + 2)
    assert all(client.transport.closed for client in clients)
    stage.close()
    return "all are ended in time"


def streams_at_once(memo: bool) -> str:
    """Ten thousand requests that wait, on one connection."""
    stage = stage_of(memo)
    client = open_client(stage)
    client.connection.pause_writing()  # which reads nothing
    for stream in range(1, 401, 2):
        if not client.transport.closed:
            client.connection.data_received(get(stream, b"/w%d" % stream))
    assert len(client.connection.streams) <= 128
    stage.rests()
    stage.close()
    return "128 at once, the others are refused"


def _refused(*lists: tuple[tuple[bytes, bytes], ...]) -> Callable[[bool], str]:
    """Header lists that are reset, and of which nothing goes up."""

    def play(memo: bool) -> str:
        stage = stage_of(memo)
        client = open_client(stage)
        for number, fields in enumerate(lists):
            listed = b"".join([literal(name, value) for name, value in fields])
            client.says(frame(frames.HEADERS, 5, 2 * number + 1, listed))
            stage.rests()
        assert [error[::2] for error in client.errors()] == [("reset", PROTOCOL)] * len(lists)
        assert not stage.recorder.seen, "nothing of it went up"
        client.says(get(101, b"/after"))
        stage.rests()
        assert [one.target for one in stage.recorder.seen] == [b"/after"]
        stage.close()
        return "RST_STREAM, nothing went up"

    return play


METHOD, SCHEME = (b":method", b"GET"), (b":scheme", b"http")
HOST, PATH = (b":authority", b"site.test"), (b":path", b"/p")
PSEUDO = (METHOD, SCHEME, HOST, PATH)
chunked = _refused(
    (*PSEUDO, (b"transfer-encoding", b"chunked")), (*PSEUDO, (b"transfer-encoding", b"gzip")),
)  # fmt: skip
pseudo_fields = _refused(
    (*PSEUDO, PATH), (METHOD, SCHEME, HOST), (SCHEME, HOST, PATH), (METHOD, HOST, PATH),
    (METHOD, SCHEME, HOST, (b"x", b"y"), PATH), (*PSEUDO, (b"host", b"evil.test")),
    (*PSEUDO, (b"host", b"site.test"), (b"host", b"site.test")), (*PSEUDO, (b":host", b"evil")),
)  # fmt: skip
one_connections = _refused(
    (*PSEUDO, (b"X-Upper", b"y")), (*PSEUDO, (b"connection", b"close")),
    (METHOD, SCHEME, HOST, (b":path", b"p")), (METHOD, SCHEME, HOST, (b":path", b"*")),
    (*PSEUDO, (b"upgrade", b"h2c")), (*PSEUDO, (b"te", b"trailers, gzip")), (*PSEUDO, (b"", b"y")),
)  # fmt: skip

CONNECT, PROTOCOL_FIELD = (b":method", b"CONNECT"), (b":protocol", b"websocket")
VERSION = (b"sec-websocket-version", b"13")
NO_TUNNELS = (
    (CONNECT, SCHEME, HOST, PATH), (CONNECT, (b":authority", b"site.test:443")),
    (CONNECT, (b":protocol", b"connect-udp"), SCHEME, HOST, PATH, VERSION),
    (METHOD, PROTOCOL_FIELD, SCHEME, HOST, PATH, VERSION),
    (CONNECT, PROTOCOL_FIELD, PROTOCOL_FIELD, SCHEME, HOST, PATH, VERSION),
    (CONNECT, SCHEME, HOST, PATH, VERSION, PROTOCOL_FIELD),
    (CONNECT, PROTOCOL_FIELD, HOST, PATH, VERSION),
    (CONNECT, PROTOCOL_FIELD, SCHEME, HOST, VERSION), (CONNECT, PROTOCOL_FIELD, SCHEME, HOST, PATH),
    (CONNECT, PROTOCOL_FIELD, SCHEME, HOST, PATH, VERSION, (b"content-length", b"30")),
    (CONNECT, PROTOCOL_FIELD, SCHEME, HOST, PATH, VERSION, (b"upgrade", b"h2c")),
    (CONNECT, PROTOCOL_FIELD, SCHEME, HOST, PATH, VERSION, (b"connection", b"x")),
)  # fmt: skip
_REQUEST = b"GET /evil HTTP/1.1\r\nHost: site.test\r\n\r\n"


def _connect(stream: int, fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
    listed = b"".join([literal(name, value) for name, value in fields])
    return frame(frames.HEADERS, frames.END_HEADERS, stream, listed)


def tunnels(memo: bool) -> str:
    """What is no WebSocket, with a request in its DATA; and one that no origin has accepted."""
    stage = stage_of(memo)
    client = open_client(stage)
    for number, fields in enumerate(NO_TUNNELS):
        stream = 2 * number + 1
        client.says(_connect(stream, fields), data(stream, _REQUEST, ends=True))
        stage.rests()
    assert not stage.recorder.seen, "nothing of it went up"
    opening = (CONNECT, PROTOCOL_FIELD, SCHEME, HOST, (b":path", b"/chat"), VERSION)
    client.says(_connect(101, opening), data(101, _REQUEST))
    stage.rests()
    heads = [one for one in client.hears() if one.kind == frames.HEADERS and one.stream_id == 101]
    assert heads[0].payload[:5] == b"\x08\x03502"
    client.says(get(201, b"/after"))
    stage.rests()
    assert [one.target for one in stage.recorder.seen] == [b"/chat", b"/after"]
    stage.close()
    return "501, 400 or RST_STREAM, nothing went up; 200 of an origin is 502"


HTTP2 = [
    Trial("H01", "requests, each reset at once (CVE-2023-44487)", _flood(rapid_reset, 260)),
    Trial("H12", "requests that we are made to reset (CVE-2025-8671)", _flood(made_you_reset, 260)),
    Trial("H03", "CONTINUATION without end (CVE-2024-27316)", _flood(continuations, 30)),
    Trial("H05", "SETTINGS without end", _flood(lambda _n: settings_frame({5: 16_384}) * 100, 20)),
    Trial("H13", "PING without end", _flood(lambda _n: frame(6, 0, 0, bytes(8)) * 100, 20)),
    Trial("H14", "DATA without bytes", _flood(lambda _n: data(1) * 100, 20)),
    Trial("H15", "a hundred windows that stay closed", stalled_windows),
    Trial("H04", "a header block of 4 KiB that makes 16 MiB", bomb),
    Trial("H07", "requests within fields, paths and bodies", smuggled),
    Trial("H16", "prefaces, frames and header blocks half begun", half_heads),
    Trial("H17", "a window opened by a byte a second", trickled_window),
    Trial("H02", "200 requests of who reads nothing", streams_at_once),
    Trial("H18", "PRIORITY and PRIORITY_UPDATE without end",
          _flood(lambda _n: (frame(2, 0, 9, bytes(5)) + frame(16, 0, 0, b"\0\0\0\1u=1")) * 50, 20)),
    Trial("H19", "WINDOW_UPDATE by a byte without end",
          _flood(lambda _n: window_frame(0, 1) * 100, 20)),
    Trial("H20", "CONNECT that is no WebSocket, or that nobody has accepted", tunnels),
    Trial("H08", "Transfer-Encoding", chunked),
    Trial("H10", "pseudo-fields twice, missing, late; two hosts", pseudo_fields),
    Trial("H11", "upper case, fields of one connection, odd paths", one_connections),
]  # fmt: skip


def _smuggles(round_: int) -> bytes:
    value = b"a\r\n\r\nGET /evil HTTP/1.1\r\n\r\n"
    return get(_stream(round_), b"/p", (b"x-%d" % round_, value))


def _opens(round_: int) -> bytes:
    opening = (CONNECT, PROTOCOL_FIELD, SCHEME, HOST, (b":path", b"/t%d" % round_), VERSION)
    return _connect(_stream(round_), opening) + data(_stream(round_), b"x")


def _rounds(one: Callable[[int], bytes], count: int) -> bytes:
    return b"".join([one(number) for number in range(count)])


BEGINNING = frames.PREFACE + settings_frame({frames.INITIAL_WINDOW_SIZE: 0})
ATTEMPTS = tuple(
    BEGINNING + attempt
    for attempt in (
        _rounds(rapid_reset, 20), _rounds(made_you_reset, 20), _rounds(_smuggles, 20),
        _rounds(_opens, 10), frame(frames.HEADERS, 0, 1, b"") + frame(9, 0, 1, b"") * 20,
        settings_frame({5: 16_384}) * 600, frame(6, 0, 0, bytes(8)) * 1_200,
        post(1, b"/up") + data(1) * 1_200, window_frame(0, 1) * 1_200,
        _rounds(lambda n: get(_stream(n), b"/bystander"), 40),
        _rounds(lambda n: frame(16, 0, 0, _stream(n).to_bytes(4, "big") + b"u=1"), 100),
        post(1, b"/up", (b"content-length", b"90")) + data(1, b"half of it"), get(1)[:12],
    )
)  # fmt: skip
"""What a connection of an attacker sends before it is gone: of each kind of the rows above."""
