"""What one viewer's connection does: order, keep-alive, bodies, limits, deadlines."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

import pytest

from edgecache.config.model import Limits
from tests.world.play import Play

HEAD = b"Host: site.test\r\n\r\n"


def test_pipelined_requests_are_answered_in_order(play: Play) -> None:
    viewer = play.viewer()
    viewer.sends(b"".join(b"GET /%d HTTP/1.1\r\n" % n + HEAD for n in range(10)))
    for n in range(10):
        play.origin.hears(f"/{n}")
        play.origin.hears_nothing()
        play.origin.answers(200, str(n), cache="max-age=60")
        viewer.gets(200, str(n))
    viewer.sends(b"".join(b"GET /%d HTTP/1.1\r\n" % n + HEAD for n in range(10)))
    for n in range(10):
        viewer.gets(200, str(n), x_cache="Hit")


def test_a_good_request_is_answered_before_a_bad_one_is_refused(play: Play) -> None:
    viewer = play.viewer().sends(b"GET /a HTTP/1.1\r\n" + HEAD + b"Invalid\r\n\r\n")
    play.origin.answers(200, "a")
    viewer.gets(200, "a")
    got = viewer.gets(400)
    assert got.field("connection") == "close"
    assert viewer.transport.closed


def test_nothing_after_connection_close_is_executed(play: Play) -> None:
    viewer = play.viewer()
    viewer.sends(b"GET /a HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"GET /b HTTP/1.1\r\n" + HEAD)
    play.origin.hears("/a")
    play.origin.answers(200, "a")
    assert viewer.gets(200, "a").field("connection") == "close"
    assert viewer.transport.closed
    play.origin.hears_nothing()


@pytest.mark.parametrize("warm", [False, True])
def test_http_1_0_is_answered_and_closed(play: Play, warm: bool) -> None:
    if warm:
        play.viewer("w").asks("/a")
        play.origin.answers(200, "a", cache="max-age=60")
    viewer = play.viewer().sends(b"GET /a HTTP/1.0\r\n" + HEAD)
    if not warm:
        play.origin.answers(200, "a", cache="max-age=60")
    assert viewer.gets(200, "a").field("connection") == "close"
    assert viewer.transport.closed


def test_http_1_0_may_keep_the_connection(play: Play) -> None:
    viewer = play.viewer().sends(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n" + HEAD)
    play.origin.answers(200, "a", cache="max-age=60")
    assert viewer.gets(200, "a").field("connection") == "keep-alive"
    viewer.sends(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n" + HEAD)
    assert viewer.gets(200, "a").field("connection") == "keep-alive"
    assert not viewer.transport.closed


def test_an_unknown_length_is_chunked_or_ends_with_the_connection(play: Play) -> None:
    play.viewer("new").asks("/a")
    play.origin.answers(200, None)
    play.origin.sends("abc")
    play.origin.ends()
    assert play.viewer("new").gets(200, "abc").field("transfer-encoding") == "chunked"
    old = play.viewer("old").sends(b"GET /b HTTP/1.0\r\n" + HEAD)
    play.origin.answers(200, None)
    play.origin.sends("abc")
    play.origin.ends()
    assert bytes(old.transport.written).endswith(b"\r\n\r\nabc")
    assert old.transport.closed


def test_a_request_body_goes_up_as_it_comes(play: Play) -> None:
    viewer = play.viewer()
    viewer.sends(b"POST /f HTTP/1.1\r\nContent-Length: 6\r\n" + HEAD + b"abc")
    call = play.origin.hears("/f")
    assert call.body is not None
    assert call.body.length == 6
    assert call.body.read_nowait() == b"abc"
    assert call.body.read_nowait() is None
    viewer.sends(b"defGET /next HTTP/1.1\r\n" + HEAD)
    assert call.body.read_nowait() == b"def"
    assert call.body.read_nowait() == b""
    play.origin.hears_nothing()
    play.origin.answers(201, "made")
    viewer.gets(201, "made")
    play.origin.hears("/next")
    play.origin.answers(200, "next")
    viewer.gets(200, "next")


def test_a_chunked_request_body_is_read_and_the_next_request_found(play: Play) -> None:
    viewer = play.viewer()
    viewer.sends(b"POST /f HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"3\r\nab")
    call = play.origin.hears("/f")
    assert call.body is not None
    assert call.body.length is None
    viewer.sends(b"c\r\n0\r\n\r\n")
    assert call.body.read_nowait() == b"ab"
    assert call.body.read_nowait() == b"c"
    assert call.body.read_nowait() == b""
    play.origin.answers(200, "ok")
    viewer.gets(200, "ok")
    assert not viewer.transport.closed


def test_uploads_are_held_back_when_the_origin_is_slow(stage: Callable[..., Play]) -> None:
    play = stage(limits=Limits(buffer_bytes_max=1_000))
    viewer = play.viewer()
    viewer.sends(b"POST /f HTTP/1.1\r\nContent-Length: 5000\r\n" + HEAD + b"x" * 2_000)
    call = play.origin.hears("/f")
    assert not viewer.transport.reading
    assert call.body is not None
    assert len(call.body.read_nowait() or b"") == 2_000
    assert viewer.transport.reading
    play.origin.answers(200, "early")
    got = viewer.gets(200, "early")
    assert got.field("connection") == "close"
    assert viewer.transport.closed


def test_the_body_is_invited_when_it_is_wanted(play: Play) -> None:
    viewer = play.viewer()
    viewer.sends(b"POST /f HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n" + HEAD)
    call = play.origin.hears("/f")
    viewer.gets_nothing()
    assert call.body is not None
    assert call.body.read_nowait() is None
    assert bytes(viewer.transport.written) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_viewer_who_leaves_amid_an_upload_breaks_it_off(play: Play) -> None:
    viewer = play.viewer()
    viewer.sends(b"POST /f HTTP/1.1\r\nContent-Length: 6\r\n" + HEAD + b"abc")
    play.origin.hears("/f")
    viewer.leaves()
    play.origin.hears_nothing()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 8_193 + b" HTTP/1.1\r\n" + HEAD, 414),
        (b"GET /" + b"a" * 70_000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000, 494),
        (b"GET / HTTP/1.1\r\nHost: other.test\r\nX: " + b"a" * 40_000, 494),
        (b"A" * 40_000, 400),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 101 + HEAD, 431),
        (b"GET / HTTP/1.1\nHost: site.test\n\n", 400),
        (b"\r\n\r\n\r\n\r\nGET", 400),
        (b"GET /a HTTP/1.1\r\nHost: site.test\r\nContent-Length: 2\r\n\r\nab", 403),
    ],
)
def test_what_is_refused_is_refused_once_and_closed(play: Play, data: bytes, status: int) -> None:
    viewer = play.viewer().sends(data)
    got = viewer.gets(status)
    assert got.field("connection") == "close"
    assert viewer.transport.closed
    assert not viewer.transport.written
    play.origin.hears_nothing()


@pytest.mark.parametrize("host", [b"", b"HOST: Site.Test:8080\r\n"])
def test_a_head_that_is_too_big_is_refused_by_the_rules_of_its_host(rfc: Play, host: bytes) -> None:
    """RFC 6585 §5; 494 is CloudFront's own."""
    rfc.viewer().sends(b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * 40_000).gets(431)


def test_a_head_may_come_byte_by_byte_but_not_for_ever(play: Play) -> None:
    viewer = play.viewer()
    for byte in b"GET /a HTTP/1.1\r\n" + HEAD:
        viewer.connection.data_received(bytes([byte]))
    play.origin.hears("/a")
    play.origin.answers(200, "a")
    viewer.gets(200, "a")
    viewer.sends(b"G")
    play.advance(9)
    assert not viewer.transport.closed
    viewer.sends(b"E")
    play.advance(1)
    viewer.gets(408)
    assert viewer.transport.closed


def test_connections_that_say_nothing_are_closed(play: Play) -> None:
    silent, idle = play.viewer("silent"), play.viewer("idle").asks("/a")
    play.origin.answers(200, "a")
    idle.gets(200)
    play.advance(10)
    assert silent.transport.closed
    assert not idle.transport.closed
    play.advance(65)
    assert idle.transport.closed
    assert not idle.transport.written


def test_a_viewer_who_reads_nothing_is_cut_and_a_slow_one_is_not(play: Play) -> None:
    play.viewer("w").asks("/a")
    play.origin.answers(200, "a" * 100_000, cache="max-age=600")
    for name in ("dead", "slow"):
        viewer = play.viewer(name)
        viewer.transport.unsent_bytes = 90_000
        viewer.asks("/a")
        viewer.connection.pause_writing()
    for unsent in (80_000, 70_000, 60_000):
        play.viewer("slow").transport.unsent_bytes = unsent
        play.advance(30)
    assert play.viewer("dead").transport.aborted
    assert not play.viewer("slow").transport.closed


@pytest.mark.skipif(sys.platform != "linux", reason="SIOCOUTQ is Linux's")
def test_what_a_slow_viewer_takes_of_the_kernel_s_queue_counts(play: Play) -> None:
    """The kernel tells a transport that it has room only when a third of its queue is free."""
    play.viewer("w").asks("/a")
    play.origin.answers(200, "a" * 100_000, cache="max-age=600")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for _ in range(20):
            ours.send(bytes(4_096))
        for name in ("dead", "slow"):
            viewer = play.viewer(name)
            viewer.transport.unsent_bytes = 90_000
            viewer.asks("/a")
            viewer.transport.socket = ours if name == "slow" else None
            viewer.connection.pause_writing()
        for _ in range(4):
            for _ in range(3):
                assert len(theirs.recv(4_096)) == 4_096
            play.advance(30)
        assert play.viewer("dead").transport.aborted
        assert not play.viewer("slow").transport.closed
        play.advance(31)
        assert play.viewer("slow").transport.aborted


def test_requests_read_ahead_are_bounded(play: Play) -> None:
    viewer = play.viewer()
    play.viewer("w").asks("/a")
    play.origin.answers(200, "a", cache="max-age=60")
    viewer.connection.pause_writing()
    viewer.connection.data_received((b"GET /a HTTP/1.1\r\n" + HEAD) * 3_000)
    assert not viewer.transport.reading
    assert not viewer.transport.written
    viewer.connection.resume_writing()
    play.loop.settle(200)  # a few in each turn of the loop
    assert bytes(viewer.transport.written).count(b"HTTP/1.1 200 OK") == 3_000
    assert viewer.transport.reading


def test_too_many_connections_are_shed(stage: Callable[..., Play]) -> None:
    play = stage(limits=Limits(connections_max=2))
    for name in "ab":
        play.viewer(name).asks(f"/{name}")
    got = play.viewer("c").gets(503)
    assert got.field("retry-after")
    assert play.viewer("c").transport.closed


def test_a_connection_at_rest_makes_way_for_a_new_one(stage: Callable[..., Play]) -> None:
    play = stage(limits=Limits(connections_max=2))
    busy, idle = play.viewer("busy").asks("/a"), play.viewer("idle")
    play.viewer("new").gets_nothing()
    assert idle.transport.closed
    assert not busy.transport.closed
    assert not play.viewer("new").transport.closed


def test_each_newcomer_closes_another(stage: Callable[..., Play]) -> None:
    """All come in one turn of the loop, before the first that was closed is gone."""
    play = stage(limits=Limits(connections_max=2))
    idle = [play.viewer(name) for name in "ab"]
    for name in "cd":
        play.viewer(name).asks(f"/{name}")
    assert all(viewer.transport.closed for viewer in idle)
    assert play.viewer("e").gets(503).field("retry-after")


def test_an_unknown_host_is_refused_and_the_origin_left_alone(play: Play) -> None:
    play.viewer().asks("/a", host="other.test").gets(403, x_cache="Error")
    play.origin.hears_nothing()
    play.viewer().asks("/a", host="SITE.test.:80")
    play.origin.hears("/a")
    play.origin.fails()


def test_shutdown_finishes_what_is_under_way(play: Play) -> None:
    busy, idle = play.viewer("busy").asks("/a"), play.viewer("idle")
    busy.connection.shutdown()
    idle.connection.shutdown()
    assert idle.transport.closed
    assert not busy.transport.closed
    play.origin.answers(200, "a")
    assert busy.gets(200, "a").field("connection") == "close"
    assert busy.transport.closed


def test_every_request_is_recorded_once(play: Play) -> None:
    play.viewer().asks("/a?x=1", user_agent="A B")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().asks("/a?x=1", user_agent="A B")
    play.viewer().asks("/a?x=1", host="other.test")
    play.access_log.flush()
    lines = [line.split("\t") for line in play.log.decode().splitlines()]
    assert [(line[7], line[8], line[13]) for line in lines] == [
        ("/a", "200", "Miss"),
        ("/a", "200", "Hit"),
        ("/a", "403", "Error"),
    ]
    assert all(len(line) == 35 for line in lines)
    assert play.counters.requests == {"Miss": 1, "Hit": 1, "Error": 1}
