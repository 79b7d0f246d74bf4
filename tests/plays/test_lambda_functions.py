"""Lambda functions at the four events, around a real cache with its real key."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Origin,
    OriginGroup,
    Selection,
)
from tests.world.lambdas import FOUR, failing, header, lambdas, same, triggered
from tests.world.peers import PeeredPlay
from tests.world.play import Play, Scene

Stage = Callable[..., Play]
Cf = dict[str, Any]
TIERS = pytest.mark.parametrize("regional", [False, True], ids=["one-tier", "two-tiers"])
BOTH = pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])


@TIERS
@BOTH
def test_viewers_functions_run_always_and_origins_on_misses_and_validations(
    stage: Stage, regional: bool, semantics: str
) -> None:
    play = stage(**triggered(**FOUR), regional=regional, semantics=semantics)
    every = ["viewer-request", "origin-request", "origin-response", "viewer-response"]
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60", etag='"1"')
    play.viewer().gets(200, "one", x_cache="Miss")
    assert lambdas(play).events() == every
    for _ in range(3):
        play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
        assert lambdas(play).events() == ["viewer-request", "viewer-response"]
    play.advance(61)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, "", cache="max-age=60", etag='"1"')
    play.viewer().gets(200, "one", x_cache="RefreshHit")
    assert lambdas(play).events() == every


def test_the_head_cache_never_answers_for_a_request_a_function_would_have_seen(
    stage: Stage,
) -> None:
    play = stage(**triggered(viewer_response=same))
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    for count in range(5):
        play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
        assert len(lambdas(play).heard) == count + 2


@TIERS
def test_a_viewer_request_function_makes_the_key_and_keeps_behavior(
    stage: Stage, regional: bool
) -> None:
    def rewrites(cf: Cf) -> object:
        cf["request"]["uri"] = "/images/x"
        cf["request"]["querystring"] = "v=1"
        return cf["request"]

    images = Behavior(path_pattern="/images/*", origin="o", cache_policy=CachePolicy(ttl_s_min=600))
    scene = triggered(viewer_request=rewrites, site={"behaviors": (images,)})
    play = stage(**scene, regional=regional)
    play.viewer().asks("/a?b")
    assert play.origin.hears("/images/x?v=1").route.behavior.path_pattern == "*"
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one", x_cache="Miss")
    play.viewer().asks("/other").gets(200, "one", x_cache="Hit")


@pytest.mark.parametrize("memo", [True, False], ids=["head-cache", "no-head-cache"])
def test_a_changed_path_keeps_its_behavior_over_the_wire_between_tiers(memo: bool) -> None:
    def rewrites(cf: Cf) -> object:
        return {**cf["request"], "uri": "/images/x"}

    images = Behavior(path_pattern="/images/*", origin="o", cache_policy=CachePolicy(ttl_s_min=600))
    scene = triggered(viewer_request=rewrites, origin_request=same, site={"behaviors": (images,)})
    with closing(PeeredPlay(Scene(**scene, regional=True, memo=memo))) as play:
        play.viewer().asks("/a")
        assert play.origin.hears("/images/x").route.behavior.path_pattern == "*"
        play.origin.answers(200, "one")
        play.viewer().gets(200, "one")
        assert lambdas(play).events() == ["viewer-request", "origin-request"]


@TIERS
def test_what_a_function_answers_at_viewer_request_is_never_stored(
    stage: Stage, regional: bool
) -> None:
    def answers(cf: Cf) -> object:
        headers = {"location": header("/new"), "cache-control": header("max-age=60")}
        return {"status": "302", "statusDescription": "Found", "headers": headers, "body": "go"}

    play = stage(**triggered(viewer_request=answers, viewer_response=same), regional=regional)
    for _ in range(2):
        got = play.viewer().asks("/a").gets(302, "go")
        assert got.field("location") == "/new"
        assert got.field("x-cache") == "LambdaGeneratedResponse from cloudfront"
    play.origin.hears_nothing()
    assert lambdas(play).events() == ["viewer-request"] * 2
    assert not list(play.edge.store)


@TIERS
def test_what_a_function_answers_at_origin_request_is_stored(stage: Stage, regional: bool) -> None:
    def answers(cf: Cf) -> object:
        if cf["request"]["uri"] != "/own":
            return cf["request"]
        headers = {"cache-control": header("max-age=60"), "x-own": header("1")}
        return {"status": "200", "headers": headers, "body": "aGk=", "bodyEncoding": "base64"}

    play = stage(**triggered(origin_request=answers, origin_response=same), regional=regional)
    got = play.viewer().asks("/own").gets(200, "hi")
    assert got.field("x-cache") == "LambdaGeneratedResponse from cloudfront"
    assert got.field("x-own") == "1"
    for _ in range(2):
        play.viewer().asks("/own").gets(200, "hi", x_cache="Hit")
    play.viewer().asks("/own", range="bytes=1-1").gets(206, "i", x_cache="Hit")
    play.viewer().asks("/own", "HEAD").gets(200, "", x_cache="Hit")
    assert lambdas(play).events() == ["origin-request"]
    play.origin.hears_nothing()
    play.advance(61)
    play.viewer().asks("/own").gets(200, "hi")
    assert lambdas(play).events() == ["origin-request"]
    play.viewer().asks("/own?post", "POST", "x")
    got = play.viewer().gets(200, "hi")
    assert got.field("x-cache") == "LambdaGeneratedResponse from cloudfront"
    got = play.viewer().asks("/own?head", "HEAD").gets(200, "")
    assert got.field("content-length") == "2"


def test_requests_for_one_object_share_a_run(stage: Stage) -> None:
    play = stage(**triggered(origin_request=same))
    lambdas(play).held = True
    for name in "abc":
        play.viewer(name).asks("/a")
    play.origin.hears_nothing()
    assert lambdas(play).events() == ["origin-request"]
    lambdas(play).release()
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    for name in "abc":
        play.viewer(name).gets(200, "one")
    assert lambdas(play).events() == []


def test_a_bystander_does_not_wait_for_a_function(stage: Stage) -> None:
    plain = Behavior(path_pattern="/plain/*", origin="o")
    play = stage(**triggered(viewer_request=same, site={"behaviors": (plain,)}))
    lambdas(play).held = True
    play.viewer("a").asks("/a")
    play.viewer("b").asks("/plain/a")
    play.origin.hears("/plain/a")
    play.origin.answers(200, "plain")
    play.viewer("b").gets(200, "plain")
    lambdas(play).release()
    play.origin.hears("/a")
    play.origin.answers(200, "one")
    play.viewer("a").gets(200, "one")


def test_a_viewer_that_leaves_takes_its_request_along(stage: Stage) -> None:
    play = stage(**triggered(viewer_request=same))
    lambdas(play).held = True
    play.viewer("a").asks("/a")
    play.viewer("a").leaves()
    lambdas(play).release()
    play.origin.hears_nothing()


@TIERS
def test_the_origin_hears_what_a_function_wants(stage: Stage, regional: bool) -> None:
    def changes(cf: Cf) -> object:
        request = cf["request"]
        request["headers"]["x-own"] = header("1")
        request["headers"]["user-agent"] = header("me")
        request["uri"] = "/inner" + request["uri"]
        custom = request["origin"]["custom"]
        custom |= {"domainName": "new.test", "path": "/p", "readTimeout": 7}
        custom["customHeaders"]["x-secret"] = [{"key": "X-Secret", "value": "s"}]
        if request["querystring"] == "host":
            request["headers"]["host"] = [{"key": "Host", "value": "new.test"}]
        return request

    play = stage(**triggered(origin_request=changes), regional=regional)
    for target, host in (("/a", "origin.test"), ("/a?host", "new.test")):
        play.viewer().asks(target)
        call = play.origin.hears("/inner" + target, x_own="1", user_agent="me", host=host)
        origin = call.route.origin
        assert (origin.domain_name, origin.path, origin.read_timeout_s) == ("new.test", "/p", 7)
        assert origin.custom_headers == {"x-secret": "s"}
        play.origin.answers(200, "one", cache="max-age=60")
        play.viewer().gets(200, "one", x_cache="Miss")
        play.viewer().asks(target).gets(200, "one", x_cache="Hit")


@TIERS
def test_an_origin_response_function_changes_what_is_stored(stage: Stage, regional: bool) -> None:
    def changes(cf: Cf) -> object:
        response = cf["response"]
        if response["status"] == "404":
            cached = {**response["headers"], "cache-control": header("max-age=60")}
            return {"status": "200", "statusDescription": "Fine", "headers": cached, "body": "own"}
        response["headers"]["x-own"] = header("1")
        del response["headers"]["x-powered-by"]
        return response

    play = stage(**triggered(origin_response=changes), regional=regional)
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60", x_powered_by="php")
    got = [play.viewer().gets(200, "one", x_cache="Miss")]
    got.append(play.viewer().asks("/a").gets(200, "one", x_cache="Hit"))
    for one in got:
        assert (one.field("x-own"), one.field("x-powered-by")) == ("1", None)
    play.viewer().asks("/gone")
    play.origin.answers(404, "not here")
    assert play.viewer().gets(200, "own", x_cache="Miss").head.reason == b"Fine"
    play.viewer().asks("/gone").gets(200, "own", x_cache="Hit")


def test_a_viewer_response_function_changes_nothing_stored(stage: Stage) -> None:
    def marks(cf: Cf) -> object:
        response = cf["response"]
        response["headers"]["x-frame-options"] = header("DENY")
        response["headers"].pop("x-powered-by", None)
        return response

    play = stage(**triggered(viewer_response=marks))
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60", x_powered_by="php")
    got = [play.viewer().gets(200, "one", x_cache="Miss")]
    got.append(play.viewer().asks("/a").gets(200, "one", x_cache="Hit"))
    got.append(play.viewer().asks("/a", range="bytes=1-1").gets(206, "n", x_cache="Hit"))
    got.append(play.viewer().asks("/a", "HEAD").gets(200, "", x_cache="Hit"))
    for one in got:
        assert (one.field("x-frame-options"), one.field("x-powered-by")) == ("DENY", None)
    assert got[1].field("age") == "0"
    (entry,) = play.edge.store
    assert b"x-frame-options" not in dict(entry.head.fields)


GROUP = {
    "origins": (Origin(id="one", domain_name="o.test"), Origin(id="p", domain_name="p.test")),
    "origin_groups": (OriginGroup(id="o", members=("one", "p"), status_codes=(500, 502, 503)),),
}


def test_a_function_that_fails_sends_no_request_to_the_second_origin(stage: Stage) -> None:
    play = stage(**triggered(origin_request=failing(), site=GROUP))
    play.viewer().asks("/a").gets(503)
    assert lambdas(play).events() == ["origin-request"]


def test_a_function_is_run_once_for_each_origin_that_is_tried(stage: Stage) -> None:
    play = stage(**triggered(origin_request=same, site=GROUP))
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(500, "broken")
    play.origin.hears("/a")
    play.origin.answers(200, "second")
    play.viewer().gets(200, "second")
    names = [cf["request"]["origin"]["custom"]["domainName"] for _, cf in lambdas(play).heard]
    assert names == ["o.test", "p.test"]


def test_cookies_of_the_key_are_those_a_function_leaves(stage: Stage) -> None:
    def buckets(cf: Cf) -> object:
        cf["request"]["headers"]["cookie"] = [{"key": "Cookie", "value": "b=1"}]
        return cf["request"]

    policy = CachePolicy(cookies=Selection(behavior="all"))
    play = stage(**triggered(viewer_request=buckets), policy=policy)
    play.viewer("a").asks("/a", cookie="b=2; x=1")
    play.origin.hears("/a", cookie="b=1")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer("a").gets(200, "one")
    play.viewer("b").asks("/a", cookie="y=7").gets(200, "one", x_cache="Hit")
