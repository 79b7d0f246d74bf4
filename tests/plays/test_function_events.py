"""Events of functions to the letter, whatever a function is for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from edgecache.config.model import (
    Behavior,
    CachePolicy,
    CustomErrorResponse,
    HeaderSelection,
    Origin,
    OriginRequestPolicy,
    Selection,
)
from tests.world.functions import associated
from tests.world.peers import PeeredPlay
from tests.world.play import Play, Scene

Stage = Callable[..., Play]
TIERS = pytest.mark.parametrize("regional", [False, True], ids=["one-tier", "two-tiers"])
IDENTITY = "function handler(event) { return event.response || event.request; }"


@pytest.mark.parametrize("memo", [True, False], ids=["head-cache", "no-head-cache"])
def test_a_changed_path_keeps_behavior_and_origin(memo: bool) -> None:
    """In both tiers: the regional cache would find another behavior for the new path."""
    images = Behavior(path_pattern="/images/*", origin="o", cache_policy=CachePolicy(ttl_s_min=600))
    code = "function handler(e) { e.request.uri = '/images/x'; return e.request; }"
    scene = associated(code, site={"behaviors": (images,)})
    with closing(PeeredPlay(Scene(**scene, regional=True, memo=memo))) as play:
        play.viewer().asks("/a")
        call = play.origin.hears("/images/x")
        assert call.route.behavior.path_pattern == "*"
        play.origin.answers(200, "one")
        play.viewer().gets(200, "one")


def test_the_default_root_object_is_for_what_a_function_leaves_at_the_root(stage: Stage) -> None:
    code = """function handler(e) {
        if (e.request.uri === '/' && e.request.querystring.de) e.request.uri = '/de.html';
        return e.request; }"""
    play = stage(**associated(code, site={"default_root_object": "index.html"}))
    for target, heard in (("/", "/index.html"), ("/?de=1", "/de.html?de=1")):
        play.viewer().asks(target)
        play.origin.hears(heard)
        play.origin.answers(200, heard)
        play.viewer().gets(200, heard)


FAILURES = [
    ("function handler(e) { throw new Error('x'); }", 503, "FunctionExecutionError"),
    ("function other(e) { return e.request; }", 503, "FunctionExecutionError"),
    ("function handler(e) { while (true); }", 503, "FunctionExecutionError"),
    ("function handler(e) { return 1; }", 502, "FunctionValidationError"),
    ("function handler(e) { return e; }", 502, "FunctionValidationError"),
    (
        "function handler(e) { var o = e.response || e.request;"
        " o.headers['x-cache'] = {value: 'a'}; return o; }",
        502,
        "FunctionValidationError",
    ),
    (
        "function handler(e) { var o = e.response || e.request;"
        " o.headers.via = {value: 'a'}; return o; }",
        502,
        "FunctionValidationError",
    ),
]


@pytest.mark.parametrize(("code", "status", "word"), FAILURES)
@pytest.mark.parametrize("event", ["request", "response"])
def test_what_a_function_fails_at_is_the_answer(
    stage: Stage, code: str, status: int, word: str, event: str
) -> None:
    pages = (CustomErrorResponse(error_code=status, response_page_path="/p", response_code=200),)
    sources = {event: code}
    play = stage(**associated(**sources, site={"custom_error_responses": pages}))
    for turn in range(3):
        play.viewer().asks("/a")
        if event == "response" and turn == 0:
            play.origin.answers(200, "one", cache="max-age=60")
        got = play.viewer().gets(status)
        assert got.field("x-cache") == f"{word} from cloudfront"
        assert b"CloudFront function" in got.body
        play.origin.hears_nothing() if event == "request" else None
    play.advance(1)
    lines = [line.split("\t") for line in play.log.decode().splitlines()]
    assert [line[13] for line in lines] == [word] * 3
    assert [line[28] for line in lines] == [word] * 3


def test_a_bystander_is_served_beside_a_function_that_fails(stage: Stage) -> None:
    plain = Behavior(path_pattern="/plain/*", origin="o")
    play = stage(**associated("function handler(e) { nothing(); }", site={"behaviors": (plain,)}))
    play.viewer().asks("/plain/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    for _ in range(3):
        play.viewer().asks("/a").gets(503)
        play.viewer().asks("/plain/a").gets(200, "one", x_cache="Hit")


def test_a_response_function_is_not_asked_about_errors_and_functions_answers(stage: Stage) -> None:
    marks = (
        "function handler(e) { e.response.headers['x-seen'] = {value: '1'}; return e.response; }"
    )
    answers = """function handler(e) {
        if (e.request.uri === '/own') return {statusCode: 200, body: 'own'};
        return e.request; }"""
    pages = (CustomErrorResponse(error_code=404, response_page_path="/p", response_code=200),)
    play = stage(**associated(answers, marks, site={"custom_error_responses": pages}))
    assert play.viewer().asks("/own").gets(200, "own").field("x-seen") is None
    for turn in range(2):
        play.viewer().asks("/broken")
        if turn == 0:
            play.origin.answers(500, "no", cache="max-age=60")
        assert play.viewer().gets(500, "no").field("x-seen") is None
    for turn in range(2):
        play.viewer().asks("/gone")
        if turn == 0:
            play.origin.answers(404, "no")
            play.origin.answers(200, "page", cache="max-age=60")
        assert play.viewer().gets(200, "page").field("x-seen") is None
    play.viewer().asks("/here")
    play.origin.answers(200, "one")
    assert play.viewer().gets(200, "one").field("x-seen") == "1"


@TIERS
def test_a_response_function_sets_status_body_and_cookies(stage: Stage, regional: bool) -> None:
    code = """function handler(e) {
        const r = e.response;
        if (e.request.querystring.body)
            return {...r, statusCode: 404, statusDescription: 'Gone Away',
                    body: {encoding: 'base64', data: 'aGk='}};
        r.statusCode = 203; r.statusDescription = 'Own Words';
        r.headers['set-cookie-count'] = {value: '' + Object.keys(r.cookies).length};
        r.cookies.mine.attributes = 'Path=/x';
        return r; }"""
    policy = CachePolicy(cookies=Selection(behavior="all"), query_strings=Selection(behavior="all"))
    play = stage(**associated(response=code), policy=policy, regional=regional)
    for turn in range(2):
        play.viewer().asks("/a")
        if turn == 0:
            play.origin.answers(200, "one", cache="max-age=60", set_cookie="mine=1; Path=/")
        got = play.viewer().gets(203, "one")
        assert got.head.reason == b"Own Words"
        assert got.field("set-cookie") == "mine=1; Path=/x"
        assert got.field("set-cookie-count") == "1"
    for turn in range(2):
        play.viewer().asks("/a?body=1")
        if turn == 0:
            play.origin.answers(200, "one", cache="max-age=60")
        got = play.viewer().gets(404, "hi")
        assert got.field("content-length") == "2"


def test_https_and_signatures_come_before_functions(stage: Stage) -> None:
    code = "function handler(e) { return {statusCode: 200, body: 'own'}; }"
    play = stage(**associated(code, behavior={"viewer_protocol_policy": "redirect-to-https"}))
    play.viewer().asks("/a").gets(301)
    play.listener.scheme = b"https"
    play.viewer("b").asks("/a").gets(200, "own")


@pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
def test_the_same_under_either_semantics_and_for_every_method(stage: Stage, semantics: str) -> None:
    code = """function handler(e) {
        e.request.headers['x-m'] = {value: e.request.method};
        return e.request; }"""
    policy = OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer"))
    play = stage(**associated(code, IDENTITY), semantics=semantics, request_policy=policy)
    for method in ("GET", "POST", "OPTIONS", "DELETE"):
        play.viewer().asks("/a", method, "x" if method == "POST" else "")
        play.origin.hears("/a", x_m=method)
        play.origin.answers(200, method)
        play.viewer().gets(200, method)


def test_what_functions_log(stage: Stage) -> None:
    request = """import cf from 'cloudfront';
    function handler(e) { console.log('one'); console.log({a: 1}); cf.logCustomData('x y');
        cf.logCustomData('from request'); return e.request; }"""
    response = """import cf from 'cloudfront';
    function handler(e) { cf.logCustomData('from response'); return e.response; }"""
    play = stage(**associated(request, response))
    play.listener.request_log.extended = True
    for turn in range(2):
        play.viewer().asks("/a")
        if turn == 0:
            play.origin.answers(200, "one", cache="max-age=60")
        got = play.viewer().gets(200)
    assert [log.lines for log in play.function_logs] == [("one", '{"a":1}')] * 2
    assert play.function_logs[-1].request_id == got.field("x-amz-cf-id")
    first, *_lines, last = play.function_logs[-1].text().splitlines()
    assert first == f"{play.function_logs[-1].request_id} START DistributionID: EPLAY"
    assert last == f"{play.function_logs[-1].request_id} END"
    play.advance(1)
    extras = [line.split("\t") for line in play.log.decode().splitlines()][1::2]
    assert [line[7:9] for line in extras] == [["from%20request", "from%20response"]] * 2


def test_the_origin_is_what_a_function_selects(stage: Stage) -> None:
    code = """import cf from 'cloudfront';
    function handler(e) {
        if (e.request.uri === '/other') cf.selectRequestOriginById('other');
        if (e.request.uri === '/new') cf.updateRequestOrigin({domainName: 'new.test',
            originPath: '/x', timeouts: {readTimeout: 5}, customHeaders: {'x-a': 'b'}});
        if (e.request.uri === '/group') cf.createRequestOriginGroup({
            originIds: ['o', 'other'], failoverCriteria: {statusCodes: [500]}});
        if (e.request.uri === '/none') cf.selectRequestOriginById('none');
        return e.request; }"""
    origins = (Origin(id="o", domain_name="o.test"), Origin(id="other", domain_name="other.test"))
    for regional in (False, True):
        play = stage(**associated(code, site={"origins": origins}), regional=regional)
        play.viewer().asks("/other")
        assert play.origin.hears("/other").route.origin.id == "other"
        play.origin.answers(200, "b", cache="max-age=60")
        play.viewer().gets(200, "b")
        play.viewer().asks("/other").gets(200, "b", x_cache="Hit")
        play.viewer().asks("/new")
        origin = play.origin.hears("/new").route.origin
        assert (origin.domain_name, origin.path, origin.read_timeout_s) == ("new.test", "/x", 5)
        assert origin.custom_headers == {"x-a": "b"}
        play.origin.answers(200, "c")
        play.viewer().gets(200, "c")
        play.viewer().asks("/group")
        assert play.origin.hears("/group").route.origin.id == "o"
        play.origin.answers(500, "broken")
        assert play.origin.hears("/group").route.origin.id == "other"
        play.origin.answers(200, "second")
        play.viewer().gets(200, "second")
        play.viewer().asks("/none").gets(502)
        play.viewer().asks("/a")
        assert play.origin.hears("/a").route.origin.id == "o"
        play.origin.answers(200, "a")
        play.viewer().gets(200, "a")
