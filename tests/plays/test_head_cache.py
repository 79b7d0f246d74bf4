"""What the memo repeats is what would be concluded anew: on the wire, in log and counters."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.cache.lookup import decide_entry
from edgecache.cache.outcome import Hit
from edgecache.config.model import CachePolicy, Selection
from edgecache.server.http1.rendered_hit import rendered
from tests.rules.pieces import asks
from tests.world.play import Play, Scene

IDS = re.compile(rb"[\w-]{54}==")
FIELDS: tuple[dict[str, str], ...] = (
    {},
    {"user_agent": "one", "cookie": "a=1"},
    {"user_agent": "other", "referer": "http://site.test/ b"},
    {"if_none_match": '"e"'},
    {"range": "bytes=1-2"},
    {"accept_encoding": "br"},
    {"cache_control": "no-cache"},
    {"cache_control": "max-age=1"},
    {"connection": "close"},
    {"x_forwarded_for": "192.0.2.9"},
    {"host": "other.test"},
)
STEP = st.tuples(st.sampled_from("abc"), st.sampled_from(["/1", "/2?x"]), st.sampled_from(FIELDS))
SCENES: tuple[dict[str, Any], ...] = (
    {},
    {"semantics": "rfc9111"},
    {"policy": CachePolicy(cookies=Selection(behavior="all"))},
)


@settings(max_examples=60)
@given(st.sampled_from(SCENES), st.lists(st.tuples(STEP, st.integers(0, 2)), max_size=14))
def test_a_transcript_is_the_same_with_and_without(
    scene: dict[str, Any], steps: list[tuple[tuple[str, str, dict[str, str]], int]]
) -> None:
    assert transcript(scene, steps, memo=True) == transcript(scene, steps, memo=False)


def transcript(
    scene: dict[str, Any], steps: list[tuple[tuple[str, str, dict[str, str]], int]], *, memo: bool
) -> object:
    """Everything written to every viewer, the log but for ids, and what was counted."""
    play = Play(Scene(memo=memo, **scene))
    for number, ((name, target, fields), seconds) in enumerate(steps):
        viewer = play.viewer(f"{name}{number}" if "connection" in fields else name)
        viewer.asks(target, **fields)
        while any(not future.done() for _, future in play.origin._open):
            play.origin.answers(200, "body", cache="max-age=4", etag='"e"')
        play.advance(seconds)
    play.access_log.flush()
    written = {
        name: IDS.sub(b"ID", bytes(viewer.transport.written))
        for name, viewer in play.viewers.items()
    }
    counted = play.counters.snapshot()
    told = (written, IDS.sub(b"ID", bytes(play.log)), counted["totals"], counted["words"])
    play.close()
    return told


def test_viewers_share_what_was_concluded_for_one_of_them() -> None:
    play = Play(Scene())
    play.viewer("a").asks("/a", user_agent="one", cookie="session=1")
    play.origin.answers(200, "body", cache="max-age=60")
    play.viewer("a").asks("/a", user_agent="one", cookie="session=1")
    play.viewer("b").asks("/a", user_agent="two", cookie="session=2")
    memo = play.head_cache
    assert memo is not None
    assert (len(memo), len(memo.blocks)) == (1, 2)
    play.viewer("b").asks("/a", user_agent="one", cookie="session=1")
    assert [known.times for known in memo] == [1]
    play.close()


def test_what_an_invalidated_or_evicted_entry_held_is_let_go() -> None:
    play = Play(Scene())
    for _ in range(2):
        play.viewer("a").asks("/a")
        if play.origin.heard[-1:] and play.origin._open:
            play.origin.answers(200, "body", cache="max-age=60")
    memo = play.head_cache
    assert memo is not None
    assert len(memo) == 1
    entry = next(iter(memo)).answer.entry
    play.edge.store.remove(entry.key)
    play.advance(1)
    assert len(memo) == 0
    play.close()


def test_a_full_memo_takes_in_what_is_asked_for_a_second_time() -> None:
    play = Play(Scene())
    memo = play.head_cache
    assert memo is not None
    memo._answers_max = 1
    for path in ("/a", "/b"):
        play.viewer().asks(path)
        play.origin.answers(200, "body", cache="max-age=60")
    told = []
    for path in ("/a", "/b", "/b"):
        play.viewer().asks(path)
        told.append([known.start.split(b"\t")[3] for known in memo])
    assert told == [[b"/a"], [b"/a"], [b"/b"]]
    play.close()


def test_an_answer_is_not_tied_to_an_entry_that_has_left() -> None:
    play = Play(Scene())
    play.viewer().asks("/a")
    play.origin.answers(200, "body", cache="max-age=60")
    (entry,) = play.edge.store
    (route,) = play.listener.frontend.table.routes()
    found = decide_entry(entry, asks("/a"), route, play.clock())
    assert isinstance(found, Hit)
    play.edge.store.remove(entry.key)
    rendered(play.listener, found, asks("/a"), play.clock())
    assert entry.answer is None
    play.close()
