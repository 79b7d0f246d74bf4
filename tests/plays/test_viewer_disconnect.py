"""A viewer that ends its side: what nobody else waits for is let go; what is owed is given."""

from __future__ import annotations

from collections.abc import Callable

from edgecache.config.model import Limits
from tests.world.play import Play


def test_what_only_it_waits_for_is_let_go_after_a_grace(play: Play) -> None:
    viewer = play.viewer().asks("/slow")
    play.origin.hears("/slow")
    assert viewer.connection.eof_received()
    play.advance(0.5)
    assert not viewer.transport.closed
    play.advance(1)
    assert viewer.transport.aborted
    viewer.leaves()
    assert not len(play.edge.flights), "the origin works on for nobody"


def test_an_answer_within_the_grace_is_given_and_the_connection_closed(play: Play) -> None:
    viewer = play.viewer().asks("/soon")
    viewer.connection.eof_received()
    play.advance(0.5)
    play.origin.answers(200, "here", cache="max-age=60")
    viewer.gets(200, "here")
    assert viewer.transport.closed, "it would stay for as long as one at rest"
    assert not viewer.transport.aborted


def test_an_answer_under_way_is_given_as_long_as_it_comes(play: Play) -> None:
    viewer = play.viewer().asks("/long")
    play.origin.answers(200, None, content_length="6")
    viewer.connection.eof_received()
    for piece in ("ab", "cd", "ef"):
        play.origin.sends(piece)
        play.advance(1.5)
    play.origin.ends()
    viewer.gets(200, "abcdef")
    assert not viewer.transport.aborted


def test_a_stream_that_says_nothing_is_let_go(play: Play) -> None:
    viewer = play.viewer().asks("/events")
    play.origin.answers(200, None, cache="no-store")
    play.origin.sends("one")
    viewer.connection.eof_received()
    play.advance(1.5)
    assert not viewer.transport.aborted, "a byte came since the last look"
    play.advance(1.5)
    assert viewer.transport.aborted
    viewer.leaves()
    assert play.origin.body is not None
    assert play.origin.body.closed


def test_others_who_wait_still_get_their_answer(play: Play) -> None:
    leaving, staying = play.viewer("leaving"), play.viewer("staying")
    leaving.asks("/both")
    staying.asks("/both")
    leaving.connection.eof_received()
    play.advance(1.5)
    assert leaving.transport.aborted
    leaving.leaves()
    play.origin.answers(200, "both", cache="max-age=60")
    staying.gets(200, "both")


def test_a_setting_for_viewers_that_half_close(stage: Callable[..., Play]) -> None:
    play = stage(limits=Limits(half_closed_s_max=30))
    viewer = play.viewer().asks("/slow")
    viewer.connection.eof_received()
    for _ in range(20):
        play.advance(1)
    assert not viewer.transport.closed
    play.origin.answers(200, "late")
    viewer.gets(200, "late")
    assert viewer.transport.closed


def test_an_upload_it_left_is_let_go(play: Play) -> None:
    viewer = play.viewer()
    viewer.sends(b"POST /u HTTP/1.1\r\nHost: site.test\r\nContent-Length: 9\r\n\r\nabc")
    viewer.connection.eof_received()
    play.advance(1.5)
    assert viewer.transport.aborted
    viewer.leaves()


def test_what_it_asked_before_it_ended_its_side_is_answered_however_slowly_it_reads(
    play: Play,
) -> None:
    play.viewer("warmer").asks("/big")
    play.origin.answers(200, "x" * 100_000, cache="max-age=60")
    play.viewer("warmer").gets(200)
    viewer = play.viewer()
    viewer.transport.is_not_read(viewer.connection)
    viewer.sends(b"GET /big HTTP/1.1\r\nHost: site.test\r\n\r\n" * 3)
    play.loop.settle()
    assert viewer.connection.eof_received()
    for _ in range(3):
        assert not viewer.transport.closed
        viewer.transport.takes(200_000)
        play.loop.settle()
    assert bytes(viewer.transport.written).count(b"HTTP/1.1 200") == 3
    assert viewer.transport.closed
    assert not viewer.transport.aborted
