"""Rows of section 16: HTTP/3 alone. Each beside a viewer of HTTP/1.1 at the same listener.

What comes before a connection (amplification, Retry, forged ids) is played on sockets, in
`tests/server/http3/test_port.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from edgecache.config.model import Limits
from edgecache.server.http3 import frames
from edgecache.server.http3.frames import Http3Error, frame, varint
from tests.hostile.recorder import Script, response
from tests.hostile.rows_http2 import (
    CONNECT,
    HOST,
    NO_TUNNELS,
    PROTOCOL_FIELD,
    SCHEME,
    SMUGGLED_FIELDS,
    SMUGGLED_PATHS,
    VERSION,
)
from tests.hostile.stage import HostilePlay
from tests.hostile.strict import Seen
from tests.hostile.trial import Trial, answered, stage_of
from tests.server.http3.test_stream_receiver import CONTROL, GET, POST, SETTINGS, data, head
from tests.world.http3_viewer import Http3Viewer

BIG_BYTES = 300_000
LOAD = Http3Error.EXCESSIVE_LOAD


def _viewer(stage: HostilePlay, *, bare: bool = True) -> Http3Viewer:
    client = ("203.0.113.9", 40_000 + len(stage.viewers))
    made = Http3Viewer(stage.listener, stage.loop, client, stage.tasks, bare=bare)
    stage.viewers[f"http3 {len(stage.viewers)}"] = made  # type: ignore[assignment]
    return made.says(CONTROL, SETTINGS) if bare else made


def _flood(one: Callable[[Http3Viewer, int], None], most: int) -> Callable[[bool], str]:
    """Rounds until the connection ends, which must be before `most` of them."""

    def play(memo: bool) -> str:
        stage = stage_of(memo)
        answered(stage, "before", b"/hit")
        viewer, rounds = _viewer(stage), 0
        while viewer.ended is None:
            rounds += 1
            assert rounds <= most, "it goes on"
            one(viewer, rounds)
        assert viewer.ended.error_code == LOAD
        assert not viewer.viewed.streams
        answered(stage, "beside", b"/hit")
        asked = len(stage.recorder.seen)
        stage.close()
        return f"H3_EXCESSIVE_LOAD after {rounds}, {asked} asked of the origin"

    return play


def rapid_reset(viewer: Http3Viewer, round_: int) -> None:
    stream = 4 * round_
    viewer.says(stream, head(*POST[:3], (b":path", b"/p%d" % round_)))
    viewer.quic.reset_stream(stream, Http3Error.REQUEST_CANCELLED)
    with contextlib.suppress(ValueError):  # it is answered already
        viewer.quic.stop_stream(stream, Http3Error.REQUEST_CANCELLED)
    viewer.flushes()


def made_to_reset(viewer: Http3Viewer, round_: int) -> None:
    viewer.says(4 * round_, head(*GET, (b"X-Upper", b"1")), ends=True)


def idle_frames(viewer: Http3Viewer, _round: int) -> None:
    viewer.says(CONTROL, frame(frames.PRIORITY_UPDATE, b"\x04u=1") * 100)


def unknown_frames(viewer: Http3Viewer, round_: int) -> None:
    viewer.says(0, (head(*POST) if round_ == 1 else b"") + frame(0x21, b"") * 100)


def empty_data(viewer: Http3Viewer, round_: int) -> None:
    viewer.says(0, (head(*POST) if round_ == 1 else b"") + data(b"") * 100)


def bomb(viewer: Http3Viewer, _round: int) -> None:
    """Fields of one byte each, of which each makes seventy."""
    viewer.says(0, frame(frames.HEADERS, b"\0\0" + b"\xfa" * 30_000))


def smuggled(memo: bool) -> str:
    """What would be two requests to an origin that is asked by HTTP/1.1."""
    stage = stage_of(memo)
    viewer = _viewer(stage)
    for number, attack in enumerate(SMUGGLED_FIELDS):
        viewer.says(4 * number, head(*GET, attack), ends=True)
    for number, path in enumerate(SMUGGLED_PATHS):
        said = head(*GET[:3], (b":path", path))
        viewer.says(4 * (number + len(SMUGGLED_FIELDS)), said, ends=True)
    for stream, sent in ((100, b"GET /evil HTTP/1.1\r\n\r\n"), (104, b"")):
        said = head(*POST, (b"content-length", b"5")) + (data(sent) if sent else b"")
        viewer.says(stream, said, ends=True)
    assert not stage.recorder.seen, "nothing of it went up"
    assert viewer.ended is None
    viewer.says(200, head(*GET[:3], (b":path", b"/after")), ends=True)
    stage.rests()
    assert [one.target for one in stage.recorder.seen] == [b"/after"]
    viewer.flushes()
    stage.close()
    return "reset or 400, nothing went up; the next is answered"


def _big(_seen: Seen) -> Script:
    return response(b"x" * BIG_BYTES, b"Cache-Control: max-age=600")


def stalled_windows(memo: bool) -> str:
    """Forty responses, none of which is taken."""
    stage = stage_of(memo, _big)
    client = stage.client("big")
    client.sends([b"GET /big HTTP/1.1\r\nHost: site.test\r\n\r\n"])
    client.answers([b"GET"])
    viewer = _viewer(stage)
    for name in ("_write_stream_limits", "_write_connection_limits"):
        setattr(viewer.quic, name, lambda **_: None)
    for number in range(40):
        viewer.says(4 * number, head(*GET[:3], (b":path", b"/big")), ends=True)
    stage.rests()
    held = stage.account.total
    assert held <= 3 * BIG_BYTES + 2 * 1024 * 1024, f"{held} bytes"
    for _ in range(3):
        stage.passes(Limits().write_idle_s_max + 1)
        viewer.quic.send_ping(5)
        viewer.flushes()
    assert not viewer.viewed.streams
    stage.close()
    return "each is reset in time, the body was held once"


def half_heads(memo: bool) -> str:
    """Handshakes, frames and heads that begin and do not go on."""
    stage = stage_of(memo)
    viewer = _viewer(stage)
    starts = [b"\1", b"\1\x40", varint(frames.HEADERS) + varint(60_000) + bytes(3_000)]
    for number, start in enumerate(starts):
        viewer.says(4 * number, start)
    stage.passes(Limits().head_s_max / 2)
    stage.passes(Limits().head_s_max / 2 + 2)
    viewer.flushes()
    assert viewer.viewed.held_bytes == 0
    answered(stage, "beside")
    stage.close()
    return "all are ended in time"


def tunnels(memo: bool) -> str:
    """What is no WebSocket, with a request in its DATA; and one that no origin has accepted."""
    stage = stage_of(memo)
    viewer, sent = _viewer(stage), b"GET /evil HTTP/1.1\r\nHost: site.test\r\n\r\n"
    for number, fields in enumerate(NO_TUNNELS):
        viewer.says(4 * number, head(*fields) + data(sent), ends=True)
    assert not stage.recorder.seen, "nothing of it went up"
    opening = (CONNECT, PROTOCOL_FIELD, SCHEME, HOST, (b":path", b"/chat"), VERSION)
    viewer.says(100, head(*opening) + data(sent))
    stage.rests()
    viewer.says(200, head(*GET[:3], (b":path", b"/after")), ends=True)
    stage.rests()
    assert [one.target for one in stage.recorder.seen] == [b"/chat", b"/after"]
    assert not stage.listener.connections.websockets.total
    stage.close()
    return "501, 400 or reset, nothing went up; what no origin has accepted is none"


HTTP3 = [
    Trial("Q01", "requests, each given up at once (CVE-2023-44487)", _flood(rapid_reset, 260)),
    Trial("Q02", "requests that we are made to reset", _flood(made_to_reset, 260)),
    Trial("Q03", "a field section of 30 KB that makes 2 MB", _flood(bomb, 1)),
    Trial("Q04", "PRIORITY_UPDATE without end", _flood(idle_frames, 20)),
    Trial("Q05", "unknown frames without end", _flood(unknown_frames, 20)),
    Trial("Q06", "DATA without bytes", _flood(empty_data, 20)),
    Trial("Q07", "requests within fields, paths and bodies", smuggled),
    Trial("Q08", "forty windows that stay closed", stalled_windows),
    Trial("Q09", "frames and heads half begun", half_heads),
    Trial("Q10", "CONNECT that is no WebSocket, or that nobody has accepted", tunnels),
]  # fmt: skip
