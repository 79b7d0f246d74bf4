"""Events of Lambda functions to the letter, and what may not come back of them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from edgecache.config.model import (
    CustomErrorResponse,
    OriginRequestPolicy,
)
from edgecache.functions.lambda_pool import LambdaFailure
from tests.world.lambdas import FOUR, failing, header, lambdas, same, triggered
from tests.world.play import Play

Stage = Callable[..., Play]
Cf = dict[str, Any]
TIERS = pytest.mark.parametrize("regional", [False, True], ids=["one-tier", "two-tiers"])
BOTH = pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])


def test_what_a_function_leaves_alone_goes_on_as_it_came(stage: Stage) -> None:
    policy = OriginRequestPolicy()
    play = stage(**triggered(**FOUR), request_policy=policy)
    play.viewer().asks("/a%20b?b=%zz&&")
    call = play.origin.hears("/a%20b?b=%zz&&")
    assert b"host" not in dict(call.request.fields)
    assert b"user-agent" not in dict(call.request.fields)
    play.origin.answers(200, "one", cache="max-age=60", x_odd="a, b")
    got = play.viewer().gets(200, "one")
    assert got.field("x-odd") == "a, b"


def test_events_are_those_of_the_guide(stage: Stage) -> None:
    play = stage(**triggered(**FOUR))
    play.viewer().asks("/a?b=c", cookie="d=e")
    play.origin.answers(200, "one", cache="max-age=60", server="own")
    request_id = play.viewer().gets(200, "one").field("x-amz-cf-id")
    shown = dict(lambdas(play).heard)
    assert {cf["config"]["requestId"] for cf in shown.values()} == {request_id}
    assert shown["viewer-request"]["config"] == {
        "distributionDomainName": "dplay.cloudfront.net",
        "distributionId": "EPLAY",
        "eventType": "viewer-request",
        "requestId": request_id,
    }
    viewer = shown["viewer-request"]["request"]
    assert viewer["clientIp"] == "192.0.2.1"
    assert (viewer["method"], viewer["uri"], viewer["querystring"]) == ("GET", "/a", "b=c")
    assert viewer["headers"]["host"] == [{"key": "Host", "value": "site.test"}]
    assert viewer["headers"]["cookie"] == [{"key": "Cookie", "value": "d=e"}]
    assert set(viewer) == {"clientIp", "headers", "method", "querystring", "uri"}
    origin = shown["origin-request"]["request"]
    assert origin["headers"]["host"] == [{"key": "Host", "value": "origin.test"}]
    assert origin["headers"]["user-agent"] == [{"key": "User-Agent", "value": "Amazon CloudFront"}]
    assert origin["headers"]["x-forwarded-for"][0]["value"] == "192.0.2.1"
    assert origin["headers"]["via"] == [{"key": "Via", "value": "1.1 play"}]
    assert "cookie" not in origin["headers"]
    assert origin["origin"]["custom"] == {
        "customHeaders": {},
        "domainName": "origin.test",
        "keepaliveTimeout": 5,
        "path": "",
        "port": 80,
        "protocol": "http",
        "readTimeout": 30,
        "sslProtocols": ["TLSv1.2"],
    }
    response = shown["origin-response"]["response"]
    assert (response["status"], response["statusDescription"]) == ("200", "OK")
    assert response["headers"]["server"] == [{"key": "Server", "value": "own"}]
    assert shown["origin-response"]["request"]["origin"] == origin["origin"]
    assert shown["viewer-response"]["request"] == viewer
    assert shown["viewer-response"]["response"]["status"] == "200"


def test_a_viewer_response_function_is_not_asked_of_errors_and_pages(stage: Stage) -> None:
    pages = (CustomErrorResponse(error_code=404, response_page_path="/p", response_code=200),)
    site = {"custom_error_responses": pages}
    play = stage(**triggered(viewer_request=same, viewer_response=same, site=site))
    play.viewer().asks("/broken")
    play.origin.answers(500, "no")
    play.viewer().gets(500, "no")
    for turn in range(2):
        play.viewer().asks("/gone")
        if turn == 0:
            play.origin.answers(404, "no", cache="max-age=60")
            play.origin.answers(200, "page", cache="max-age=60")
        play.viewer().gets(200, "page")
    assert set(lambdas(play).events()) == {"viewer-request"}


FAILED = [
    (LambdaFailure.EXECUTION, 503, "LambdaExecutionError"),
    (LambdaFailure.LIMIT, 503, "LambdaLimitExceeded"),
]


@TIERS
@pytest.mark.parametrize(("failure", "status", "word"), FAILED)
@pytest.mark.parametrize("event", sorted(FOUR))
def test_what_a_function_fails_at_is_the_answer_and_is_not_kept(
    stage: Stage, event: str, failure: LambdaFailure, status: int, word: str, regional: bool
) -> None:
    pages = (CustomErrorResponse(error_code=status, response_page_path="/p", response_code=200),)
    handlers: Any = {event: failing(failure)}
    play = stage(**triggered(**handlers, site={"custom_error_responses": pages}), regional=regional)
    at_response = event.endswith("response")
    for turn in range(2):
        play.viewer().asks("/a")
        if at_response and (turn == 0 or event == "origin_response"):
            play.origin.answers(200, "one", cache="max-age=60")
        got = play.viewer().gets(status)
        assert got.field("x-cache") == f"{word} from cloudfront"
        assert b"Lambda function" in got.body
    play.advance(1)
    lines = [line.split("\t") for line in play.log.decode().splitlines()]
    assert [line[13] for line in lines] == [word] * 2
    assert [line[28] for line in lines] == [word] * 2


@pytest.mark.parametrize("event", sorted(FOUR))
@pytest.mark.parametrize(
    "returned", [None, 1, [], "x", {}, {"status": "99"}, {"headers": {"": []}}]
)
def test_what_may_not_come_back_is_a_validation_error(
    stage: Stage, event: str, returned: object
) -> None:
    handlers: Any = {event: lambda _cf: returned}
    play = stage(**triggered(**handlers))
    play.viewer().asks("/a")
    if event.endswith("response"):
        play.origin.answers(200, "one", cache="max-age=60")
    got = play.viewer().gets(502)
    assert got.field("x-cache") == "LambdaValidationError from cloudfront"


@TIERS
@pytest.mark.parametrize("event", ["viewer_request", "origin_request"])
def test_a_body_is_shown_and_goes_on_whole(stage: Stage, event: str, regional: bool) -> None:
    handlers: Any = {event: same}
    play = stage(**triggered(include_body=True, **handlers), regional=regional)
    text = "0123456789abcdef" * 3_000  # more than is shown to viewers' functions
    play.viewer().asks("/a", "POST", text)
    call = play.origin.hears("/a")
    (_, cf), *_ = lambdas(play).heard
    body = cf["request"]["body"]
    limit = 40 * 1024 if event == "viewer_request" else 1024 * 1024
    assert base64.b64decode(body.pop("data")).decode() == text[:limit]
    assert body == {
        "inputTruncated": event == "viewer_request",
        "action": "read-only",
        "encoding": "base64",
    }
    assert read(play, call.body) == text.encode()
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")
    play.viewer().asks("/a")
    assert "body" not in lambdas(play).heard[-1][1]["request"]
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")


@pytest.mark.parametrize("event", ["viewer_request", "origin_request"])
def test_a_function_replaces_a_body(stage: Stage, event: str) -> None:
    def replaces(cf: Cf) -> object:
        encoding = cf["request"]["querystring"]
        data = "new" if encoding == "text" else base64.b64encode(b"new").decode()
        body = {"action": "replace", "encoding": encoding, "data": data}
        return {**cf["request"], "body": body}

    handlers: Any = {event: replaces}
    play = stage(**triggered(include_body=True, **handlers))
    for encoding in ("text", "base64"):
        play.viewer().asks(f"/a?{encoding}", "POST", "former")
        call = play.origin.hears(f"/a?{encoding}")
        assert call.body is not None
        assert call.body.length == 3
        assert read(play, call.body) == b"new"
        play.origin.answers(200, "one")
        play.viewer().gets(200, "one")


def read(play: Play, body: Any) -> bytes:
    """All of a request's body."""

    async def whole() -> bytes:
        data = b""
        while piece := await body.read():
            data += piece
        return data

    return play.loop.run_until_complete(whole())


def test_part_and_validation_become_nothing_else_by_their_status(stage: Stage) -> None:
    """Stored as the whole, a part would be given to everybody."""

    def changes(cf: Cf) -> object:
        return {**cf["response"], "status": "200"}

    play = stage(**triggered(origin_response=changes))
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=1", etag='"1"')
    play.viewer().gets(200, "one")
    play.advance(5)
    play.viewer().asks("/a")
    play.origin.answers(304, "", cache="max-age=60", etag='"1"')
    got = play.viewer().gets(502)
    assert got.field("x-cache") == "LambdaValidationError from cloudfront"


def test_https_comes_before_functions(stage: Stage) -> None:
    behavior = {"viewer_protocol_policy": "redirect-to-https"}
    play = stage(**triggered(viewer_request=same, behavior=behavior))
    play.viewer().asks("/a").gets(301)
    assert lambdas(play).events() == []


def test_generated_headers_are_added_after_viewer_request(stage: Stage) -> None:
    def adds(cf: Cf) -> object:
        cf["request"]["headers"]["cloudfront-viewer-country"] = header("DE")
        return cf["request"]

    play = stage(**triggered(viewer_request=adds))
    play.viewer().asks("/a").gets(502)
