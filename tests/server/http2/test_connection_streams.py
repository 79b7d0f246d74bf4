"""Streams of a connection: windows, bodies, resets, floods."""

from __future__ import annotations

import pytest

from edgecache.config.model import Limits
from edgecache.http.http2 import frames
from edgecache.http.http2.frames import PREFACE, ErrorCode, frame, settings_frame
from tests.server.http2.test_connection import status_in, status_of, window
from tests.world.http2_viewer import Http2Viewer
from tests.world.http2_wire import WireClient, data, get, post
from tests.world.play import Play, Scene

NO_ERROR, CANCEL = ErrorCode.NO_ERROR, ErrorCode.CANCEL
PROTOCOL, CALM = ErrorCode.PROTOCOL_ERROR, ErrorCode.ENHANCE_YOUR_CALM


def viewer(play: Play) -> Http2Viewer:
    play.scene.http2 = True
    made = play.viewer()
    assert isinstance(made, Http2Viewer)
    return made


def stored(play: Play, body: str, path: str = "/x") -> None:
    """An object in the store, by another viewer."""
    play.scene.http2 = False
    play.viewer("first").asks(path)
    play.origin.answers(200, body, cache="max-age=600")
    play.viewer("first").gets(200)


# Responses and windows.


def test_all_answers_to_one_read_go_out_in_one_write(play: Play, client: WireClient) -> None:
    stored(play, "hello")
    writes: list[bytes] = []
    client.transport.write = writes.append  # type: ignore[method-assign, assignment]
    client.says(get(1, b"/x"), get(3, b"/x"), get(5, b"/x"), frame(frames.PING, 0, 0, bytes(8)))
    (written,) = writes
    assert written.count(b"hello") == 3


def test_no_more_is_sent_than_the_windows_let(play: Play) -> None:
    stored(play, "x" * 300_000)
    asker = viewer(play)
    asker.takes = False
    stream = asker.begins("/x")
    assert len(asker.answers[stream].body) == 65_535
    asker.h2.increment_flow_control_window(100_000, stream)
    asker.flushes()
    assert len(asker.answers[stream].body) == 65_535, "that of the connection is closed"
    asker.h2.increment_flow_control_window(50_000)
    asker.flushes()
    assert len(asker.answers[stream].body) == 115_535
    asker.h2.increment_flow_control_window(500_000)
    asker.h2.increment_flow_control_window(500_000, stream)
    asker.flushes()
    assert asker.gets(200).body == b"x" * 300_000


def test_a_window_that_settings_made_smaller_than_nothing(play: Play, client: WireClient) -> None:
    """RFC 9113 §6.9.2: it may be below 0."""
    stored(play, "x" * 300_000)
    client.says(window(0, 1_000_000), get(1, b"/x"))
    assert sum(one.size for one in client.hears() if one.kind == frames.DATA) == 65_535
    client.says(settings_frame({frames.INITIAL_WINDOW_SIZE: 10}), window(1, 65_525))
    assert not [one for one in client.hears() if one.kind == frames.DATA]
    client.says(window(1, 5))
    assert [one.size for one in client.hears() if one.kind == frames.DATA] == [5]
    client.leaves()


def test_streams_without_a_priority_take_turns(play: Play, client: WireClient) -> None:
    stored(play, "x" * 200_000)
    client.says(settings_frame({frames.INITIAL_WINDOW_SIZE: 1_000_000}))
    client.says(get(1, b"/x"), get(3, b"/x"), window(0, 1_000_000))
    order = [one.stream_id for one in client.hears() if one.kind == frames.DATA]
    alone = 5  # frames that the first window let, when the other was not there yet
    assert order[: alone + 8] == [1] * alone + [1, 3] * 4


def test_the_more_urgent_goes_first(play: Play, client: WireClient) -> None:
    stored(play, "x" * 200_000)
    client.says(settings_frame({frames.INITIAL_WINDOW_SIZE: 1_000_000}))
    client.says(
        get(1, b"/x", (b"priority", b"u=5")), get(3, b"/x", (b"priority", b"u=5")),
        get(5, b"/x", (b"priority", b"u=1")),
    )  # fmt: skip
    client.hears()
    client.says(frame(frames.PRIORITY_UPDATE, 0, 0, b"\0\0\0\3u=0"), window(0, 1_000_000))
    order = [one.stream_id for one in client.hears() if one.kind == frames.DATA]
    assert list(dict.fromkeys(order)) == [3, 5, 1]
    assert order == sorted(order, key=order.index), "one after the other"


def update(stream: int, value: bytes) -> bytes:
    """PRIORITY_UPDATE."""
    return frame(frames.PRIORITY_UPDATE, 0, 0, stream.to_bytes(4, "big") + value)


def test_a_priority_before_its_request_counts_above_its_field(
    play: Play, client: WireClient
) -> None:
    """RFC 9218 §7.1: the one that came last; of streams that were passed over nothing is kept."""
    stored(play, "x" * 200_000)
    client.says(settings_frame({frames.INITIAL_WINDOW_SIZE: 1_000_000}))
    client.says(update(3, b"u=6"), update(7, b"u=7"), update(7, b"u=0"))
    client.says(get(1, b"/x", (b"priority", b"u=2")), get(7, b"/x", (b"priority", b"u=7")))
    client.hears()
    client.says(window(0, 1_000_000))
    order = [one.stream_id for one in client.hears() if one.kind == frames.DATA]
    assert list(dict.fromkeys(order)) == [7, 1]
    assert client.connection._received._early_priorities == {}


def test_incremental_ones_take_turns_behind_those_that_are_not(
    play: Play, client: WireClient
) -> None:
    stored(play, "x" * 100_000)
    client.says(settings_frame({frames.INITIAL_WINDOW_SIZE: 1_000_000}))
    client.says(*[get(at, b"/x", (b"priority", b"u=3, i")) for at in (1, 3)])
    client.says(get(5, b"/x", (b"priority", b"u=3")))
    client.hears()
    client.says(window(0, 1_000_000))
    order = [one.stream_id for one in client.hears() if one.kind == frames.DATA]
    count = order.count(5)
    assert order[:count] == [5] * count
    assert order[count : count + 6] in ([1, 3] * 3, [3, 1] * 3)


def test_more_priorities_than_streams_may_be_end_the_connection(
    play: Play, client: WireClient
) -> None:
    """RFC 9218 §7.1."""
    many = play.listener.limits.concurrent_streams_max
    client.says(*[update(2 * at + 1, b"u=1") for at in range(many)], *[update(1, b"u=2")] * 100)
    assert client.errors() == []
    client.says(update(2 * many + 1, b"u=1"))
    assert client.errors() == [("goaway", 0, frames.ErrorCode.PROTOCOL_ERROR)]


def test_how_many_streams_may_be_is_a_limit_of_the_operators() -> None:
    play = Play(Scene(limits=Limits(concurrent_streams_max=3)))
    client = WireClient(play)
    (said,) = [one for one in client.hears() if one.kind == frames.SETTINGS]
    assert bytes((0, frames.MAX_CONCURRENT_STREAMS, 0, 0, 0, 3)) in said.payload
    client.says(PREFACE, settings_frame({}), *[get(at) for at in (1, 3, 5, 7)])
    assert client.errors() == [("reset", 7, frames.ErrorCode.REFUSED_STREAM)]
    play.close()


# Bodies.


def test_an_upload_waits_for_who_takes_it(play: Play, client: WireClient) -> None:
    client.says(post(1, b"/up"), *[data(1, bytes(16_383))] * 4)
    call = play.origin.hears("/up")
    assert [one.kind for one in client.hears() if one.stream_id] == [], "no window is opened"
    assert call.body is not None
    assert len(read_all(call.body)) == 4 * 16_383
    opened = [one for one in client.hears() if one.kind == frames.WINDOW_UPDATE and one.stream_id]
    assert int.from_bytes(opened[-1].payload, "big") > 100_000
    client.says(data(1, b"end", ends=True))
    assert read_all(call.body) == b"end"
    assert call.body.read_nowait() == b""
    play.origin.answers(200, "ok")
    assert status_of(client) == 200


def read_all(body: object) -> bytes:
    found = b""
    while piece := body.read_nowait():  # type: ignore[attr-defined]
        found += piece
    return found


@pytest.mark.parametrize("sent", [b"1234", b"123456"])
def test_a_body_that_is_not_as_long_as_it_said(play: Play, client: WireClient, sent: bytes) -> None:
    """RFC 9113 §8.1.1: nothing upstream may take it for a whole one; 400, then PROTOCOL_ERROR."""
    client.says(post(1, b"/up", (b"content-length", b"5")), data(1, sent, ends=True))
    play.origin.hears_nothing()
    heard = client.hears()
    head = next(one for one in heard if one.kind == frames.HEADERS)
    assert status_in(head.payload) == 400
    assert heard[-1].kind == frames.RST_STREAM
    assert int.from_bytes(heard[-1].payload, "big") == PROTOCOL
    assert not client.connection.streams


def test_100_continue_when_the_body_is_wanted(play: Play) -> None:
    asker = viewer(play)
    stream = asker.begins("/up", "POST", ends=False, expect="100-continue")
    call = play.origin.hears("/up")
    assert asker.answers[stream].interims == []
    assert call.body is not None
    assert call.body.read_nowait() is None
    asker.flushes()
    assert asker.answers[stream].interims == [100]
    asker.sends_body(stream, b"late")
    assert call.body.read_nowait() == b"late"
    play.origin.answers(200, "ok")
    asker.gets(200, "ok")


def test_early_hints_go_on(play: Play) -> None:
    asker = viewer(play)
    stream = asker.begins("/page")
    play.origin.interim(103, link="</a.css>; rel=preload")
    play.origin.answers(200, "ok")
    asker.gets(200, "ok")
    assert asker.answers[stream].interims == [103]


def test_what_is_answered_before_it_was_read_is_asked_for_no_more(
    play: Play, client: WireClient
) -> None:
    """RFC 9113 §8.1: RST_STREAM with NO_ERROR after the whole response."""
    client.says(post(1, b"/up"), data(1, b"x"))
    play.origin.answers(413, "too much")
    play.loop.settle()
    heard = [one for one in client.hears() if one.stream_id]
    assert [one.kind for one in heard][-2:] == [frames.DATA, frames.RST_STREAM]
    assert heard[-2].flags & frames.END_STREAM
    assert int.from_bytes(heard[-1].payload, "big") == NO_ERROR
    client.says(data(1, b"on its way"), data(1, b"x", ends=True))
    assert client.errors() == []


# Who gives up.


def test_a_reset_ends_what_is_done_for_it(play: Play, client: WireClient) -> None:
    client.says(get(1, b"/slow"))
    play.origin.hears("/slow")
    client.says(frame(frames.RST_STREAM, 0, 1, CANCEL.to_bytes(4, "big")))
    assert not client.connection.streams
    assert not play.tasks or all(task.done() for task in play.tasks)
    play.advance(1)
    assert b"ClientHungUpRequest" in play.log


def test_requests_given_up_at_once_are_bounded(play: Play, client: WireClient) -> None:
    """CVE-2023-44487."""
    reset = CANCEL.to_bytes(4, "big")
    for stream in range(1, 2_000, 2):
        client.says(get(stream, b"/slow%d" % stream), frame(frames.RST_STREAM, 0, stream, reset))
        if client.transport.closed:
            break
    assert stream < 410
    assert client.errors() == [("goaway", stream, CALM)]


def test_resets_that_we_are_made_to_send_are_bounded(play: Play, client: WireClient) -> None:
    """CVE-2025-8671."""
    for stream in range(1, 2_000, 2):
        client.says(get(stream, b"/slow%d" % stream), window(stream, 0))
        if client.transport.closed:
            break
    assert stream < 410
    assert client.errors()[-1] == ("goaway", stream, CALM)


def test_one_stream_too_many_is_refused_and_may_be_asked_again(
    play: Play, client: WireClient
) -> None:
    last = 2 * play.listener.limits.concurrent_streams_max + 1
    for stream in range(1, last, 2):
        client.says(get(stream, b"/%d" % stream))
    assert client.errors() == []
    client.says(get(last, b"/more"))
    assert client.errors() == [("reset", last, ErrorCode.REFUSED_STREAM)]
    client.leaves()


FLOODS = [
    frame(frames.PING, 0, 0, bytes(8)), settings_frame({}), frame(frames.PRIORITY, 0, 5, bytes(5)),
    frame(0x77, 0, 0), frame(frames.PRIORITY_UPDATE, 0, 0, b"\0\0\0\1u=1"), window(0, 1),
    data(1), frame(frames.GOAWAY, 0, 0, bytes(8)),
]  # fmt: skip


@pytest.mark.parametrize("one", FLOODS, ids=range(len(FLOODS)))
def test_frames_that_ask_for_nothing_are_bounded(
    play: Play, client: WireClient, one: bytes
) -> None:
    """CVE-2019-9512, -9513, -9515, -9518, -9511."""
    client.says(post(1, b"/up"))
    for _ in range(30):
        client.says(one * 100)
        play.loop.settle()
    assert client.errors()[-1:] == [("goaway", 1, CALM)]


def test_answers_to_who_reads_nothing_are_bounded(play: Play, client: WireClient) -> None:
    client.connection.pause_writing()
    client.transport.unsent_bytes = 70_000
    for _ in range(15):
        play.clock.now += 1
        client.says(frame(frames.PING, 0, 0, bytes(8)) * 100)
    assert client.transport.closed
