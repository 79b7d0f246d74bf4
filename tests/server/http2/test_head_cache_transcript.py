"""What HTTP/2's head cache gives again is the same on the wire, in log and counters."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.config.model import CachePolicy, Selection
from tests.world.http2_browser import Http2Browser
from tests.world.play import Play, Scene

IDS = re.compile(rb"[\w-]{54}==")
BY_COOKIE = CachePolicy(cookies=Selection(behavior="all"))
FIELDS: tuple[dict[str, str], ...] = (
    {},
    {"user_agent": "one", "cookie": "a=1"},
    {"user_agent": "other", "referer": "http://site.test/ b"},
    {"if_none_match": '"e"'},
    {"range": "bytes=1-2"},
    {"cache_control": "no-cache"},
    {"x_forwarded_for": "192.0.2.9"},
    {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    {"host": "other.test"},
    {"priority": "u=1"},
)
STEP = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from(["/", "/2?x"]),
    st.sampled_from(["GET", "GET", "HEAD"]),
    st.sampled_from(FIELDS),
)
SCENES: tuple[dict[str, Any], ...] = ({}, {"semantics": "rfc9111"}, {"policy": BY_COOKIE})
Steps = list[tuple[tuple[str, str, str, dict[str, str]], int]]


@settings(max_examples=30)
@given(st.sampled_from(SCENES), st.lists(st.tuples(STEP, st.integers(0, 2)), max_size=16))
def test_a_transcript_is_the_same_with_and_without(scene: dict[str, Any], steps: Steps) -> None:
    assert transcript(scene, steps, memo=True) == transcript(scene, steps, memo=False)


def transcript(scene: dict[str, Any], steps: Steps, *, memo: bool) -> object:
    """All that every browser heard, the log but for ids, and what was counted."""
    play = Play(Scene(memo=memo, http2=True, **scene))
    browsers: dict[str, Http2Browser] = {}
    heard: list[tuple[str, int, int, int, bytes]] = []
    for (name, target, method, fields), seconds in steps:
        browser = browsers.setdefault(name, Http2Browser(play))
        browser.asks(target, method, **fields)
        while any(not future.done() for _, future in play.origin._open):
            play.origin.answers(200, "body", cache="max-age=4", etag='"e"')
        for one in browser.hears():
            payload = IDS.sub(b"ID", one.payload)
            heard.append((name, one.kind, one.flags, one.stream_id, payload))
        play.advance(seconds)
    play.access_log.flush()
    counted = play.counters.snapshot()
    told = (heard, IDS.sub(b"ID", bytes(play.log)), counted["totals"], counted["words"])
    play.close()
    return told
