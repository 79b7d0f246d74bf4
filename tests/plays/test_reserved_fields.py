"""Fields that are ours to say never come from a viewer, whichever way a request takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgecache.cache.frontend import FrontendEnvironment
from edgecache.config.model import (
    MIB,
    Behavior,
    CachePolicy,
    Config,
    CustomErrorResponse,
    Distribution,
    HeaderSelection,
    Limits,
    Origin,
    OriginGroup,
    OriginRequestPolicy,
)
from edgecache.rules.routing import compile_routes
from edgecache.rules.viewer.geo import GeoPlace
from tests.world.peers import PeeredPlay
from tests.world.play import EVERY_METHOD, Play, Scene

Stage = Callable[..., Play]
FORGED = {
    "cloudfront_viewer_country": "forged",
    "cloudfront_is_mobile_viewer": "forged",
    "cloudfront_viewer_address": "forged",
    "cloudfront_forwarded_proto": "forged",
    "cloudfront_something_new": "forged",
    "edgecache_peer": "forged",
    "edgecache_mark": "forged",
    "edgecache_client": "forged",
    "x_edgecache_identity": "forged",
    "x_amz_cf_id": "forged",
}
NAMES = tuple(name.replace("_", "-") for name in FORGED)
EVERY = HeaderSelection(behavior="whitelist", items=NAMES)
POLICIES: dict[str, dict[str, Any]] = {
    "nothing": {"cache_policy": CachePolicy()},
    "keyed": {"cache_policy": CachePolicy(headers=EVERY)},
    "listed": {
        "cache_policy": CachePolicy(),
        "origin_request_policy": OriginRequestPolicy(headers=EVERY),
    },
    "all": {
        "cache_policy": CachePolicy(),
        "origin_request_policy": OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer")),
    },
    "uncached": {
        "cache_policy": CachePolicy(ttl_s_min=0, ttl_s_default=0, ttl_s_max=0),
        "origin_request_policy": OriginRequestPolicy(headers=EVERY),
    },
}


def site(stage: Stage, first: str, page: str, **more: Any) -> Play:
    """`/a` under one kind of policy, its error pages under another."""
    play = stage(
        world=FrontendEnvironment(place_of=lambda _address: GeoPlace(country="CH")), **more
    )
    distribution = Distribution(
        id="EPLAY",
        aliases=("site.test",),
        origins=tuple(Origin(id=name, domain_name=f"{name}.test") for name in ("o", "p")),
        origin_groups=(OriginGroup(id="g", members=("o", "p"), status_codes=(500, 503)),),
        behaviors=(
            Behavior(
                path_pattern="/e*", origin="o", allowed_methods=EVERY_METHOD, **POLICIES[page]
            ),
        ),
        default_behavior=Behavior(origin="g", allowed_methods=EVERY_METHOD, **POLICIES[first]),
        custom_error_responses=(
            CustomErrorResponse(error_code=404, response_page_path="/e/404"),
            CustomErrorResponse(error_code=502, response_page_path="/e/502"),
        ),
    )
    play.listener.frontend.table = compile_routes(Config(distributions=(distribution,)))
    return play


def heard(play: Play, count: int) -> None:
    """So many requests, and nothing forged in any."""
    play.loop.settle()
    assert len(play.origin.heard) == count
    for call in play.origin.heard:
        forged = [name for name, value in call.request.fields if b"forged" in value]
        assert not forged, (call.request.path, forged)


@pytest.mark.parametrize("regional", [False, True])
@pytest.mark.parametrize("page", POLICIES)
@pytest.mark.parametrize("first", POLICIES)
def test_by_the_first_origin_its_second_and_an_error_page(
    stage: Stage, first: str, page: str, regional: bool
) -> None:
    play = site(stage, first, page, regional=regional)
    play.viewer().asks("/a", **FORGED)
    play.origin.answers(500)
    heard(play, 2)
    play.origin.answers(404)
    heard(play, 3)
    call = play.origin.heard[-1].request
    assert call.path == b"/e/404"
    named = page in ("keyed", "listed", "uncached")
    country = (b"cloudfront-viewer-country", b"CH")
    assert (country in call.fields) is named  # ours, of the page's own policy
    play.origin.answers(200, "page", cache="max-age=60")
    play.viewer().gets(404, "page")


@pytest.mark.parametrize("policy", POLICIES)
def test_by_a_page_for_an_origin_that_fails(stage: Stage, policy: str) -> None:
    play = site(stage, "nothing", policy)
    play.viewer().asks("/a", **FORGED)
    play.origin.fails()
    play.origin.fails()
    heard(play, 3)
    play.origin.answers(200, "page")
    play.viewer().gets(502, "page")


@pytest.mark.parametrize("policy", POLICIES)
def test_by_a_page_for_an_error_that_is_stored(stage: Stage, policy: str) -> None:
    play = site(stage, "nothing", policy)
    play.viewer().asks("/a")
    play.origin.answers(404)
    play.origin.answers(404, "no page")
    play.viewer().gets(404, "no page")
    play.advance(11)
    play.viewer().asks("/a", **FORGED)
    heard(play, 3)
    play.origin.answers(404)
    heard(play, 4)
    play.origin.answers(200, "page")
    play.viewer().gets(404, "page")
    play.viewer("b").asks("/a", **FORGED)
    again = policy in ("keyed", "uncached")  # by the viewer's address, too
    heard(play, 5 if again else 4)
    if again:
        play.origin.answers(200, "page")
    play.viewer("b").gets(404, "page")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
def test_by_methods_that_pass(stage: Stage, method: str, policy: str) -> None:
    play = site(stage, policy, "nothing")
    play.viewer().asks("/a", method, **FORGED)
    heard(play, 1)
    play.origin.answers(200, "")
    play.viewer().gets(200)


@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
@pytest.mark.parametrize("regional", [False, True])
def test_by_refreshes_and_revalidations(stage: Stage, semantics: str, regional: bool) -> None:
    play = stage(
        semantics=semantics, regional=regional,
        request_policy=OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer")),
    )  # fmt: skip
    ours = {name: value for name, value in FORGED.items() if not name.startswith("cloudfront")}
    sent = FORGED if semantics == "cloudfront" else ours  # there another's CloudFront may be ahead
    play.viewer().asks("/a", **sent)
    heard(play, 1)
    play.origin.answers(200, "1", cache="max-age=10, stale-while-revalidate=60", etag='"1"')
    play.viewer().gets(200)
    play.advance(20)
    play.viewer().asks("/a", **sent)
    heard(play, 2)
    play.origin.answers(304, etag='"1"')
    play.viewer().gets(200)
    play.advance(200)
    play.viewer("b").asks("/a", **sent)
    heard(play, 3)
    play.origin.answers(200, "2")
    play.viewer("b").gets(200)


def test_by_requests_for_blocks(stage: Stage) -> None:
    play = stage(
        limits=Limits(block_bytes=MIB),
        request_policy=OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer")),
    )
    play.viewer().asks("/a", range="bytes=5-9", **FORGED)
    heard(play, 1)
    play.viewer().leaves()


def test_by_websockets(stage: Stage) -> None:
    play = stage(
        request_policy=OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer")),
    )
    opening = {
        "connection": "Upgrade", "upgrade": "websocket", "sec_websocket_version": "13",
        "sec_websocket_key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    play.viewer().asks("/a", **opening, **FORGED)
    heard(play, 1)
    play.viewer().leaves()


SAID = {
    "edgecache_fault": "connect-refused",
    "edgecache_result": "Hit",
    "edgecache_mark": "9.9",
    "edgecache_origin_etag": '"x"',
    "x_edgecache_identity": "forged",
    "x_edgecache_something": "new",
}


@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
@pytest.mark.parametrize("kind", [Play, PeeredPlay], ids=["in-process", "wire"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nor_do_they_come_from_an_origin(semantics: Any, kind: type[Play], method: str) -> None:
    """A fault that an origin tells is no fault of a tier, and no mark is an origin's."""
    play = kind(Scene(regional=True, semantics=semantics))
    play.viewer().asks("/a", method)
    play.origin.answers(200, "one", cache="max-age=60", x_other="1", **SAID)
    for x_cache in ("Miss", "Hit") if method == "GET" else ("Miss",):
        got = play.viewer().gets(200, "one", x_cache=x_cache)
        assert got.field("x-other") == "1"
        assert [name for name, _ in got.head.fields if b"edgecache-" in name] == []
        if method == "GET":
            play.viewer().asks("/a", method)
    if method == "GET":
        play.viewer().gets(200)
    play.close()
