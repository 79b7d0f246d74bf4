"""Collapsing: one origin request for many viewers."""

from __future__ import annotations

from tests.world.play import Play


def test_second_viewer_waits_for_the_first(play: Play) -> None:
    play.viewer("a").asks("/v.mp4")
    play.origin.hears("/v.mp4")
    play.viewer("b").asks("/v.mp4")
    play.origin.hears_nothing()
    play.origin.answers(200, "body", cache="max-age=60")
    play.viewer("a").gets(200, "body", x_cache="Miss")
    play.viewer("b").gets(200, "body", x_cache="Hit")


def test_a_thousand_viewers_make_one_origin_request(play: Play) -> None:
    names = [f"v{n}" for n in range(1_000)]
    for name in names[:10]:
        play.viewer(name).asks("/hot")
    for name in names[10:]:
        viewer = play.viewer(name)
        viewer.connection.data_received(b"GET /hot HTTP/1.1\r\nHost: site.test\r\n\r\n")
    play.origin.hears("/hot")
    play.origin.hears_nothing()
    play.origin.answers(200, "x", cache="max-age=60")
    results = [play.viewer(name).gets(200, "x").field("x-cache") for name in names]
    assert results.count("Miss from cloudfront") == 1
    assert results.count("Hit from cloudfront") == 999
