"""Deadlines of a connection and of its streams, and its end."""

from __future__ import annotations

import pytest

from edgecache.config.model import Limits
from edgecache.http.http2 import frames
from edgecache.http.http2.frames import ErrorCode, frame, settings_frame
from edgecache.server.http2.frame_receiver import DRAIN_PING
from edgecache.upstream.faults import Fault, UpstreamError
from tests.server.http2.test_connection import status_of, window
from tests.server.http2.test_connection_streams import stored
from tests.world.http2_wire import WireClient, data, get, post
from tests.world.play import Play

NO_ERROR, CANCEL = ErrorCode.NO_ERROR, ErrorCode.CANCEL
PROTOCOL, CALM = ErrorCode.PROTOCOL_ERROR, ErrorCode.ENHANCE_YOUR_CALM


# What takes too long.


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", ErrorCode.SETTINGS_TIMEOUT),
        (frames.PREFACE[:9], ErrorCode.SETTINGS_TIMEOUT),
        (frames.PREFACE, ErrorCode.SETTINGS_TIMEOUT),
        (frames.PREFACE + settings_frame({}) + get(1)[:20], CALM),
        (frames.PREFACE + settings_frame({}) + frame(frames.HEADERS, 0, 1, b"\x82"), CALM),
    ],
)
def test_what_is_begun_is_whole_in_time(play: Play, said: bytes, code: ErrorCode) -> None:
    client = WireClient(play).says(said)
    play.advance(Limits().head_s_max - 1)
    assert not client.transport.closed
    play.advance(2)
    assert client.errors() == [("goaway", 0, code)]


def test_who_asks_nothing_is_let_go(play: Play, client: WireClient) -> None:
    client.says(get(1, b"/x"))
    play.origin.answers(200, "x")
    assert status_of(client) == 200
    play.advance(Limits().idle_s_max - 1)
    assert not client.transport.closed
    play.advance(2)
    assert client.errors() == [("goaway", 1, NO_ERROR)]


def test_a_body_that_does_not_come_is_told_408(play: Play, client: WireClient) -> None:
    client.says(post(1, b"/up"), data(1, b"x"))
    call = play.origin.hears("/up")
    assert call.body is not None
    assert call.body.read_nowait() == b"x"
    play.advance(Limits().body_idle_s_max - 1)
    assert call.body.read_nowait() is None
    play.advance(2)
    with pytest.raises(UpstreamError):
        call.body.read_nowait()
    play.origin.fails(Fault.TRUNCATED)
    assert status_of(client) == 408


def test_a_window_that_stays_closed_is_given_up(play: Play, client: WireClient) -> None:
    stored(play, "x" * 200_000)
    client.says(get(1, b"/x"))
    assert client.errors() == []
    play.advance(Limits().write_idle_s_max - 1)
    client.says(window(1, 100))
    assert client.errors() == []
    play.advance(2)
    assert client.errors() == [("reset", 1, CANCEL)]


# Its end.


def test_a_hand_over_loses_no_request(play: Play, client: WireClient) -> None:
    """RFC 9113 §6.8."""
    client.says(get(1, b"/slow"))
    play.listener.hand_over()
    heard = client.hears()
    assert [one.kind for one in heard] == [frames.GOAWAY, frames.PING]
    assert int.from_bytes(heard[0].payload[:4], "big") == 2**31 - 1
    client.says(get(3, b"/on-its-way"))  # before it has heard
    client.says(frame(frames.PING, frames.ACK, 0, DRAIN_PING))
    assert client.errors() == [("goaway", 3, NO_ERROR)]
    assert not client.transport.closed
    client.says(get(5, b"/too-late"))
    play.origin.hears("/slow")
    play.origin.answers(200, "one")
    play.loop.look()
    play.origin.hears("/on-its-way")
    play.origin.answers(200, "two")
    play.loop.look()
    kinds = [one.kind for one in client.hears() if one.stream_id in (1, 3)]
    assert kinds == [frames.HEADERS, frames.DATA] * 2
    play.origin.hears_nothing()
    assert client.transport.closed


def test_who_ends_its_side_has_left(play: Play, client: WireClient) -> None:
    client.says(get(1, b"/slow"))
    play.origin.hears("/slow")
    assert client.connection.eof_received() is False
    client.leaves()
    assert all(task.done() for task in play.tasks)


def test_a_viewers_goaway_lets_what_it_asked_be_answered(play: Play, client: WireClient) -> None:
    client.says(get(1, b"/x"), frame(frames.GOAWAY, 0, 0, bytes(8)))
    play.origin.hears("/x")
    play.origin.answers(200, "x")
    assert status_of(client) == 200
    assert client.transport.closed
