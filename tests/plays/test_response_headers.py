"""A response headers policy holds on hits and misses, is not stored, and never repeated amiss."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from edgecache.cache.frontend import FrontendEnvironment
from edgecache.config.model import CorsHeaders, ResponseHeadersPolicy, SetHeader
from tests.world.play import Play

Stage = Callable[..., Play]


def site(stage: Stage, policy: ResponseHeadersPolicy, **scene: object) -> Play:
    return stage(behavior={"response_headers_policy": policy}, **scene)


def test_hits_and_misses_are_dressed_alike(stage: Stage) -> None:
    policy = ResponseHeadersPolicy(
        remove=("X-Powered-By", "Server"),
        security=(SetHeader(name="X-Frame-Options", value="DENY"),),
        custom=(SetHeader(name="Cache-Control", value="no-cache", override=True),),
    )
    play = site(stage, policy)
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60", x_powered_by="x", server="nginx")
    for x_cache in ("Miss", "Hit", "Hit"):
        got = play.viewer().gets(200, "one", x_cache=x_cache)
        assert got.field("x-powered-by") is None
        assert got.field("server") == "CloudFront"
        assert got.field("x-frame-options") == "DENY"
        assert got.fields("cache-control") == ["no-cache"]
        play.viewer().asks("/a")
    play.viewer().gets(200)
    entry = next(iter(play.edge.store))
    assert (b"server", b"nginx") in entry.head.fields
    assert (b"cache-control", b"max-age=60") in entry.head.fields


def test_each_origin_hears_of_itself(stage: Stage) -> None:
    play = site(stage, ResponseHeadersPolicy(cors=CorsHeaders(allow_origins=("*.test",))))
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    assert play.viewer().gets(200).field("access-control-allow-origin") is None
    for origin in ("https://a.test", "https://b.test", "https://a.test"):
        got = play.viewer().asks("/a", origin=origin).gets(200, "one", x_cache="Hit")
        assert got.field("access-control-allow-origin") == origin
        assert got.field("vary") == "Origin"
    got = play.viewer().asks("/a", origin="https://evil.example").gets(200, x_cache="Hit")
    assert got.field("access-control-allow-origin") is None


def test_a_page_of_ours_for_a_dead_origin_is_readable_across_origins(stage: Stage) -> None:
    play = site(stage, ResponseHeadersPolicy(cors=CorsHeaders(allow_origins=("*",))))
    play.viewer().asks("/a", origin="https://a.test")
    play.origin.fails()
    assert play.viewer().gets(502).field("access-control-allow-origin") == "*"


def test_server_timing_tells_hit_from_miss(stage: Stage) -> None:
    play = site(stage, ResponseHeadersPolicy(server_timing_percent=100))
    play.viewer().asks("/a")
    play.advance(0.25)
    play.origin.answers(200, "one", cache="max-age=60", server_timing="db;dur=5")
    got = play.viewer().gets(200)
    assert got.field("server-timing") == (
        f'cdn-cache-miss,cdn-pop;desc="LHR50",cdn-rid;desc="{got.field("x-amz-cf-id")}",'
        'cdn-upstream-layer;desc="EDGE",cdn-upstream-fbl;dur=250,cdn-downstream-fbl;dur=250,'
        "db;dur=5"
    )
    for _ in range(3):
        got = play.viewer().asks("/a").gets(200, x_cache="Hit")
        assert got.field("server-timing") == (
            f'cdn-cache-hit,cdn-pop;desc="LHR50",cdn-rid;desc="{got.field("x-amz-cf-id")}",'
            'cdn-hit-layer;desc="EDGE",cdn-downstream-fbl;dur=0'
        )


def test_a_hit_of_the_inner_tier_is_told_as_such(stage: Stage) -> None:
    world = FrontendEnvironment(inner_layer="REC")
    policy = ResponseHeadersPolicy(server_timing_percent=100)
    play = site(stage, policy, regional=True, world=world)
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    timing = play.viewer().gets(200, x_cache="Miss").field("server-timing")
    assert 'cdn-upstream-layer;desc="REC"' in (timing or "")
    play.edge.store.remove(next(iter(play.edge.store)).key)
    timing = play.viewer().asks("/a").gets(200, x_cache="Hit").field("server-timing")
    assert 'cdn-hit-layer;desc="REC"' in (timing or "")


def test_chance_is_drawn_for_every_answer(stage: Stage) -> None:
    draws = itertools.cycle((0.1, 0.9))
    world = FrontendEnvironment(chance=lambda: next(draws))
    play = site(stage, ResponseHeadersPolicy(server_timing_percent=50), world=world)
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    seen = [play.viewer().gets(200).field("server-timing") is not None]
    for _ in range(5):
        got = play.viewer().asks("/a").gets(200)
        seen.append(got.field("server-timing") is not None)
    assert seen == [True, False] * 3


def test_a_viewer_may_force_it(stage: Stage) -> None:
    play = site(stage, ResponseHeadersPolicy(server_timing_percent=0))
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    assert play.viewer().gets(200).field("server-timing") is None
    for _ in range(2):
        got = play.viewer().asks("/a", pragma="server-timing").gets(200, x_cache="Hit")
        assert "cdn-cache-hit" in (got.field("server-timing") or "")
    assert play.viewer().asks("/a").gets(200).field("server-timing") is None


def test_a_date_that_was_removed_is_ours_and_of_now(stage: Stage) -> None:
    play = site(stage, ResponseHeadersPolicy(remove=("Date",)))
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    dates = [play.viewer().gets(200).field("date")]
    for _ in range(2):
        play.advance(2)
        dates.append(play.viewer().asks("/a").gets(200, x_cache="Hit").field("date"))
    assert len(set(dates)) == 3


def test_ranges_are_offered_of_what_is_stored(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    assert play.viewer().gets(200).field("accept-ranges") is None
    assert play.viewer().asks("/a").gets(200, x_cache="Hit").field("accept-ranges") == "bytes"
