"""A viewer that sends without end gets its share of each turn of the loop, and others theirs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.runtime.environment import REQUESTS_MAX
from tests.world.play import Play
from tests.world.viewer import Viewer

HIT = b"GET /a HTTP/1.1\r\nHost: site.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK"


def warm(play: Play) -> None:
    play.viewer("warmer").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "a", cache="max-age=600")
    play.loop.settle()
    play.viewer("warmer").gets(200, "a")


def answered(viewer: Viewer) -> int:
    return bytes(viewer.transport.written).count(OK)


def test_hits_in_one_read_are_answered_a_few_in_a_turn(play: Play) -> None:
    warm(play)
    greedy, other = play.viewer("greedy"), play.viewer("other")
    greedy.connection.data_received(HIT * 1_000)
    assert answered(greedy) == REQUESTS_MAX
    assert not greedy.transport.reading, "the loop would read more before it looks at others"
    other.connection.data_received(HIT)
    assert answered(other) == 1
    play.loop.settle(1)
    assert REQUESTS_MAX < answered(greedy) <= 3 * REQUESTS_MAX
    play.loop.settle(100)
    assert answered(greedy) == 1_000
    assert greedy.transport.reading


def test_many_that_are_greedy_share_one_turn(play: Play) -> None:
    warm(play)
    greedy = [play.viewer(f"greedy {number}") for number in range(10)]
    for viewer in greedy:
        viewer.connection.data_received(HIT * 500)
    play.loop.settle(1)
    assert sum(map(answered, greedy)) <= 12 * REQUESTS_MAX, "each took its share of one turn"
    play.loop.settle(250)
    assert {answered(viewer) for viewer in greedy} == {500}


def test_requests_that_come_one_by_one_wait_for_no_turn(play: Play) -> None:
    warm(play)
    viewer = play.viewer()
    for number in range(1, 100):
        viewer.connection.data_received(HIT)
        assert answered(viewer) == number
    assert viewer.transport.reading


def test_slow_requests_end_a_turn_by_their_time(stage: Callable[..., Play]) -> None:
    play = stage()
    warm(play)
    seconds = iter(range(1_000_000))
    clock, began = play.listener.clock, play.clock.now
    play.listener.clock = lambda: began + next(seconds) * 0.000_5  # half a millisecond each look
    viewer = play.viewer("slow")
    viewer.connection.data_received(HIT * 100)
    assert 1 <= answered(viewer) <= 6
    play.listener.clock = clock
    play.loop.settle(100)
    assert answered(viewer) == 100


def test_a_miss_among_hits_keeps_its_place(play: Play) -> None:
    warm(play)
    viewer = play.viewer()
    viewer.sends(HIT * 40 + b"GET /b HTTP/1.1\r\nHost: site.test\r\n\r\n" + HIT * 40)
    play.origin.hears("/b")
    assert answered(viewer) == 40
    play.origin.answers(200, "b", cache="max-age=600")
    play.advance(0.001)  # a body that comes late
    play.loop.settle(60)
    assert answered(viewer) == 81


def test_what_was_pipelined_before_a_half_close_is_answered(play: Play) -> None:
    warm(play)
    viewer = play.viewer()
    viewer.connection.data_received(HIT * 1_000)
    assert viewer.connection.eof_received()
    play.loop.settle(100)
    assert answered(viewer) == 1_000
    assert viewer.transport.closed


CHUNK = b"2\r\nab\r\n"
UPLOAD = b"POST /u HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_body_in_tiny_chunks_is_read_a_part_in_a_turn(play: Play) -> None:
    viewer = play.viewer()
    viewer.connection.data_received(UPLOAD + CHUNK * 5_000 + b"0\r\n\r\n")
    body = viewer.connection.body
    assert body is not None
    assert 0 < body.waiting_bytes < 5_000
    assert not viewer.transport.reading
    call = play.origin.hears("/u")
    sent = call.body
    assert sent is not None
    play.loop.settle(20)
    got = b""
    while piece := sent.read_nowait():
        got += piece
    assert got == b"ab" * 5_000
    play.origin.answers(200, "done")
    viewer.gets(200, "done")
    play.loop.settle(2)
    assert viewer.transport.reading


@pytest.mark.parametrize("cut", [1, 7, 1_000])
def test_a_head_is_the_same_however_it_is_cut(play: Play, cut: int) -> None:
    warm(play)
    head = HIT[:-2] + b"X: " + b"x" * 20_000 + b"\r\n\r\n"
    viewer = play.viewer()
    for at in range(0, len(head), cut):
        assert not viewer.transport.written
        viewer.connection.data_received(head[at : at + cut])
    viewer.gets(200, "a")
