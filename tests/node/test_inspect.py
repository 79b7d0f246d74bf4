"""A look at a node leaves no trace, and is for our own alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from edgecache.cache.frontend import ViewerFrontend
from edgecache.cache.peer_frontend import PeerFrontend
from edgecache.config.model import CachePolicy
from edgecache.http.message import Request
from edgecache.node.inspect import Inspector
from edgecache.rules.explanation import LookupExplanation
from edgecache.store.entry import Entry
from edgecache.store.memory import MemoryStore
from tests.rules.pieces import NOW, answer, asks, headers
from tests.store.reserve.held_bucket import SETTINGS, HeldBucket
from tests.world.credentials import sent_by
from tests.world.functions import associated
from tests.world.lambdas import PlayedLambdas, triggered
from tests.world.play import Play, Scene

OURS = ("edgecache-peer: good", "edgecache-explain: 1")
SENDER = sent_by(good="control", edge="edge-a-1")


def question(*lines: str) -> bytes:
    return "\r\n".join(["GET /a HTTP/1.1", *lines, "Host: site.test", "", ""]).encode()


@pytest.fixture
def play() -> Any:
    made = Play(Scene())
    made.listener.explains = explaining(made).reply
    yield made
    made.close()


def explaining(play: Play) -> Inspector:
    return Inspector("edge-LHR50-1", "edge", "LHR50", play.listener.frontend, SENDER)


def told(play: Play, request: Request, at: float = 0.0) -> Any:
    return explaining(play).story(request, at or play.clock())


def test_before_and_after_it_is_stored(play: Play) -> None:
    before = told(play, asks("/a"))
    assert (before.now, before.why, before.stored) == (LookupExplanation.FETCH, "absent", ())
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "body", cache="max-age=60")
    play.viewer().gets(200)
    after = told(play, asks("/a"))
    assert (after.now, after.why) == (LookupExplanation.HIT, "")
    (held,) = after.stored
    assert (held.answers, held.status, held.body_bytes, held.ttl_s) == (True, 200, 4, 60)
    stale = told(play, asks("/a"), play.clock() + 61)
    assert (stale.now, stale.why) == (LookupExplanation.FETCH, "expired")
    passed = told(play, asks("/a", method="POST"))
    assert (passed.now, passed.why) == (LookupExplanation.BYPASS, "method")
    nowhere = told(play, asks("/a", host=b"elsewhere.test"))
    assert nowhere.now is LookupExplanation.REFUSE


def test_what_depends_on_the_version_of_http_is_told_by_it() -> None:
    policy = CachePolicy(headers=headers("CloudFront-Viewer-Http-Version"))
    play = Play(Scene(policy=policy))
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "body", cache="max-age=60")
    play.viewer().gets(200)
    words = [told(play, asks("/a", f"Edgecache-Http-Version: {one}")).now for one in (1, 2, 3)]
    assert words == ["hit", "fetch", "fetch"]
    play.close()


def test_functions_tell_what_they_change() -> None:
    request = """function handler(e) {
        if (e.request.uri === '/own') return {statusCode: 404};
        e.request.uri = '/b'; e.request.headers['x-a'] = {value: '1'};
        delete e.request.querystring.q; return e.request; }"""
    response = "function handler(e) { e.response.statusCode = 203; return e.response; }"
    play = Play(Scene(**associated(request, response)))
    before = told(play, asks("/a?q=1"))
    assert (before.now, before.why) == (LookupExplanation.FETCH, "absent")
    assert before.functions == (
        'at-viewer-request: - querystring.q.value "1"',
        'at-viewer-request: uri "/a" -> "/b"',
        'at-viewer-request: + headers.x-a.value "1"',
    )
    play.viewer().asks("/a?q=1")
    play.origin.hears("/b")
    play.origin.answers(200, "body", cache="max-age=60")
    play.viewer().gets(203)
    after = told(play, asks("/other"))
    assert after.now is LookupExplanation.HIT
    assert after.functions[-1] == "at-viewer-response: statusCode 200 -> 203"
    own = told(play, asks("/own"))
    assert (own.now, own.why) == (LookupExplanation.REFUSE, "FunctionGeneratedResponse")
    assert "at-viewer-request: + statusCode 404" in own.functions
    play.close()
    broken = Play(Scene(**associated("function handler() { throw new Error('x'); }")))
    assert told(broken, asks("/a")).functions == ("FunctionExecutionError: Error: x (line 1)",)
    broken.close()


def test_lambda_functions_tell_what_they_made_of_a_path_last() -> None:
    def rewrites(cf: dict[str, Any]) -> object:
        return {**cf["request"], "uri": "/b"}

    scene = triggered(viewer_request=rewrites, viewer_response=lambda cf: cf["response"])
    play = Play(Scene(**scene))
    play.viewer().asks("/a?q=1")
    play.origin.hears("/b?q=1")
    play.origin.answers(200, "body", cache="max-age=60")
    play.viewer().gets(200)
    lambdas = play.scene.lambdas
    assert isinstance(lambdas, PlayedLambdas)
    play.advance(3)
    front = play.listener.frontend
    asked = Inspector(
        "edge-LHR50-1", "edge", "LHR50", front, SENDER, stories=lambda: lambdas.stories
    )
    story = asked.story(asks("/a"), play.clock())
    assert story.functions == ('viewer-request:1 at viewer-request, 3 s ago: uri "/a" -> "/b"',)
    assert asked.story(asks("/c"), play.clock()).functions == ()
    play.close()


def test_a_reserve_is_asked_before_the_origin() -> None:
    play = Play(Scene(reserve=HeldBucket()))
    absent = told(play, asks("/a"))
    assert (absent.now, absent.why) == ("fetch", "absent, unless the reserve has it")
    play.close()
    elsewhere = HeldBucket(replace(SETTINGS, distributions=("EANOTHER",)))
    play = Play(Scene(reserve=elsewhere))
    assert told(play, asks("/a")).why == "absent"
    play.close()


def test_over_the_wire_it_is_json_and_the_end_of_the_connection(play: Play) -> None:
    viewer = play.viewer().sends(question("Edgecache-Peer: good", "Edgecache-Explain: 1"))
    head, _, body = bytes(viewer.transport.written).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in head
    assert json.loads(body)["now"] == "fetch"
    assert viewer.transport.closed
    play.origin.hears_nothing()
    play.access_log.flush()
    assert not play.log
    assert not play.counters.requests


@pytest.mark.parametrize(
    "lines",
    [
        ("Edgecache-Explain: 1",),
        ("Edgecache-Peer: bad", "Edgecache-Explain: 1"),
        ("Edgecache-Peer: edge", "Edgecache-Explain: 1"),
        ("Edgecache-Explain: 1", "Edgecache-Peer: good"),
        ("Edgecache-Peer: good",),
    ],
)
def test_a_stranger_is_served_and_the_origin_never_sees_it(
    play: Play, lines: tuple[str, ...]
) -> None:
    viewer = play.viewer()
    viewer._methods.append(b"GET")
    viewer.sends(question(*lines))
    asked = play.origin.hears("/a")
    assert not any(name.startswith(b"edgecache-") for name, _ in asked.request.fields)
    play.origin.answers(200, "body")
    play.viewer().gets(200, body="body")


def test_a_look_makes_nothing_more_recent() -> None:
    entries = [Entry(b"%02d" % number, answer(200), b"x" * 100) for number in range(41)]
    store = MemoryStore(40 * entries[0].size_bytes)
    for each in entries[:40]:
        store.put(each)
    assert store.peek(b"00") == (entries[0],)
    assert store.peek(b"99") == ()
    store.put(entries[40])
    assert not store.has(b"00"), "the look counted as a use"
    assert store.has(b"01")


def test_the_front_of_peers_explains_what_an_edge_would_ask(play: Play) -> None:
    assert isinstance(play.listener.frontend, ViewerFrontend)
    front = PeerFrontend(play.edge, play.listener.frontend.table, SENDER)
    ours = Inspector("regional", "regional", "", front, SENDER)
    known = asks("/a", *OURS, "edgecache-distribution: EPLAY")
    assert ours.story(known, NOW).now is LookupExplanation.FETCH
    assert ours.story(asks("/a", *OURS), NOW).now is LookupExplanation.REFUSE
    strange = asks("/a", "edgecache-explain: 1")
    assert ours.reply(question("Edgecache-Explain: 1"), strange, NOW) == b""
    signed = question("Edgecache-Peer: good", "Edgecache-Explain: 1")
    assert ours.reply(signed, known, NOW).startswith(b"HTTP/1.1 200 ")
    known = replace(known, peer="control")  # as the frontend of peers has found it out
    assert ours.reply(b"", known, NOW).startswith(b"HTTP/1.1 200 ")
    assert ours.reply(b"", replace(known, peer="edge-a-1"), NOW) == b""
