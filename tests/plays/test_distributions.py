"""Several distributions behind one address: each answers to its names, and to its own objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgecache.cache.frontend import FrontendEnvironment, ViewerFrontend
from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    Distribution,
    HeaderSelection,
    Origin,
    OriginRequestPolicy,
)
from edgecache.rules.routing import compile_routes
from edgecache.rules.viewer.geo import GeoPlace
from tests.world.play import Play

Stage = Callable[..., Play]


def site(name: str, *aliases: str, **more: Any) -> Distribution:
    """A distribution with an origin named after it, and one for what it keeps elsewhere."""
    default = {"default_behavior": Behavior(origin=name)}
    return Distribution(
        id=name.upper(),
        domain_name=f"{name}.cloudfront.net",
        aliases=aliases,
        origins=(
            Origin(id=name, domain_name=f"{name}.origin.test"),
            Origin(id="else", domain_name="else.test"),
        ),
        **{**default, **more},
    )


def serves(play: Play, *sites: Distribution) -> None:
    play.listener.frontend.table = compile_routes(Config(distributions=sites))


def answered(play: Play, target: str, body: str) -> str:
    """Which origin hears of `target`; it answers with `body`."""
    origin = play.origin.hears(target).route.origin.id
    play.origin.answers(200, body, cache="max-age=60")
    return origin


@pytest.mark.parametrize("regional", [False, True], ids=["one-tier", "two-tiers"])
def test_k01_the_same_path_in_two_distributions(stage: Stage, regional: bool) -> None:
    play = stage(regional=regional)
    serves(play, site("one", "one.test"), site("two", "two.test"))
    for name in ("one", "two"):
        play.viewer().asks("/a", host=f"{name}.test")
        assert answered(play, "/a", name) == name
        play.viewer().gets(200, name, x_cache="Miss")
    for name in ("one", "two", "one"):
        for host in (f"{name}.test", f"{name}.cloudfront.net", f"{name.upper()}.TEST:8080"):
            play.viewer().asks("/a", host=host).gets(200, name, x_cache="Hit")


def test_k01_an_alias_that_moves_while_a_fill_is_under_way(stage: Stage) -> None:
    play = stage()
    serves(play, site("one", "shop.test"), site("two"))
    play.viewer("a").asks("/a", host="shop.test")
    assert play.origin.hears("/a").route.origin.id == "one"
    serves(play, site("one"), site("two", "shop.test"))
    play.viewer("b").asks("/a", host="shop.test")
    assert play.origin.hears("/a").route.origin.id == "two"
    play.origin.answers(200, "of one", cache="max-age=60")
    play.viewer("a").gets(200, "of one")
    play.viewer("b").gets_nothing()
    play.origin.answers(200, "of two", cache="max-age=60")
    play.viewer("b").gets(200, "of two")
    for host, body in (("shop.test", "of two"), ("one.cloudfront.net", "of one")):
        play.viewer("c").asks("/a", host=host).gets(200, body, x_cache="Hit")


def test_k01_an_alias_that_moves_takes_no_remembered_answer_along(stage: Stage) -> None:
    play = stage()
    serves(play, site("one", "shop.test"), site("two"))
    play.viewer().asks("/a", host="shop.test")
    answered(play, "/a", "of one")
    play.viewer().gets(200)
    play.viewer().asks("/a", host="shop.test").gets(200, "of one", x_cache="Hit")
    serves(play, site("one"), site("two", "shop.test"))
    play.viewer().asks("/a", host="shop.test")
    assert answered(play, "/a", "of two") == "two"
    play.viewer().gets(200, "of two", x_cache="Miss")


@pytest.mark.parametrize(
    "host", ["nobody.test", "off.test", "off.cloudfront.net", "off.example.com", "example.com"]
)
def test_a_name_nobody_answers_to(stage: Stage, host: str) -> None:
    play = stage()
    off = site("off", "off.test", "off.example.com", enabled=False)
    serves(play, site("one", "one.test", "*.example.com"), off)
    play.viewer().asks("/a", host=host).gets(403, x_cache="Error")
    play.origin.hears_nothing()


def test_a_wildcard_answers_where_no_exact_name_does(stage: Stage) -> None:
    play = stage()
    serves(play, site("any", "*.example.com"), site("www", "www.example.com"))
    for host, name in (("www.example.com", "www"), ("a.example.com", "any")):
        play.viewer().asks("/a", host=host)
        assert answered(play, "/a", name) == name
        play.viewer().gets(200, name)


def test_the_path_is_matched_normalized_and_asked_for_as_it_came(stage: Stage) -> None:
    play = stage()
    behavior = Behavior(origin="else", path_pattern="/img/*")
    serves(play, site("one", "one.test", behaviors=(behavior,)))
    for target, name in (
        ("/img/a", "else"),
        ("//img//a", "else"),
        ("/x/../img/a", "else"),
        ("/img/../a", "one"),
        ("/IMG/a", "one"),
        ("/%69mg/a", "one"),
    ):
        play.viewer().asks(target, host="one.test")
        assert answered(play, target, target) == name
        play.viewer().gets(200, target, x_cache="Miss")


def test_the_root_object_stands_for_the_root_alone(stage: Stage) -> None:
    play = stage()
    html = Behavior(origin="else", path_pattern="/site/*.html")
    root = "site/index.html"
    serves(play, site("one", "one.test", behaviors=(html,), default_root_object=root))
    for target, heard, name in (
        ("/", "/site/index.html", "else"),
        ("/?x", "/site/index.html", "else"),
        ("/dir/", "/dir/", "one"),
        ("//", "//", "one"),
    ):
        play.viewer().asks(target, host="one.test")
        if target != "/?x":  # the query is not in the key
            assert answered(play, heard, heard) == name
        play.viewer().gets(200, heard)


def places(address: str) -> GeoPlace:
    return GeoPlace(country={"192.0.2.1": "CH"}.get(address, "JP"))


@pytest.mark.parametrize("regional", [False, True], ids=["one-tier", "two-tiers"])
def test_the_same_bytes_from_another_country(stage: Stage, regional: bool) -> None:
    """Country in the key: no viewer gets another's, though every byte of the request agrees."""
    play = stage(regional=regional)
    keyed = HeaderSelection(behavior="whitelist", items=("CloudFront-Viewer-Country",))
    behavior = Behavior(origin="one", cache_policy=CachePolicy(headers=keyed))
    table = compile_routes(
        Config(distributions=(site("one", "one.test", default_behavior=behavior),))
    )
    world = FrontendEnvironment(place_of=places)
    play.listener.frontend = ViewerFrontend(play.edge, table, "cloudfront", world)
    play.viewer("far").connection.client = ("198.51.100.1", 5)
    for name, country in (("near", "CH"), ("far", "JP")):
        play.viewer(name).asks("/a", host="one.test", cloudfront_viewer_country="XX")
        play.origin.hears("/a", cloudfront_viewer_country=country)
        play.origin.answers(200, country, cache="max-age=60")
        play.viewer(name).gets(200, country, x_cache="Miss")
    for name, country in (("near", "CH"), ("far", "JP"), ("near", "CH")):
        play.viewer(name).asks("/a", host="one.test", cloudfront_viewer_country="XX")
        play.viewer(name).gets(200, country, x_cache="Hit")


def test_what_is_only_sent_makes_one_object_for_all(stage: Stage) -> None:
    play = stage()
    names = ("CloudFront-Viewer-Address", "CloudFront-Is-Mobile-Viewer")
    extra = OriginRequestPolicy(headers=HeaderSelection(behavior="whitelist", items=names))
    behavior = Behavior(origin="one", origin_request_policy=extra)
    serves(play, site("one", "one.test", default_behavior=behavior))
    play.viewer("a").asks("/a", host="one.test")
    port = play.viewer("a").connection.client[1]
    play.origin.hears(
        "/a", cloudfront_viewer_address=f"192.0.2.1:{port}", cloudfront_is_mobile_viewer="false"
    )
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer("a").gets(200, "one")
    play.viewer("b").asks("/a", host="one.test").gets(200, "one", x_cache="Hit")


@pytest.mark.parametrize("regional", [False, True], ids=["one-tier", "two-tiers"])
def test_the_id_of_a_request_reaches_the_origin(stage: Stage, regional: bool) -> None:
    play = stage(regional=regional)
    serves(play, site("one", "one.test"))
    play.viewer().asks("/a", host="one.test", x_amz_cf_id="forged")
    heard = play.origin.hears("/a", x_amz_cf_id=None)
    play.origin.answers(200, "one", cache="max-age=10, stale-while-revalidate=60")
    got = play.viewer().gets(200)
    assert heard.request.id.decode() == got.field("x-amz-cf-id")
    play.advance(11)
    play.viewer().asks("/a", host="one.test").gets(200, "one")
    assert len(play.origin.hears("/a").request.id) == 56  # a refresh of our own has one, too
    play.origin.answers(200, "two")
