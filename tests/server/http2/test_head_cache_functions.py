"""Hits behind functions by HTTP/2, where a window does not let them, or two versions are spoken.

What holds for each version stands in `tests/server/http1/test_head_cache_functions.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import frame, settings_frame
from tests.server.http1.test_head_cache_functions import FRAMES, INDEX, decided, runs
from tests.world.functions import associated
from tests.world.http2_browser import Http2Browser
from tests.world.play import Play, Scene


@pytest.fixture
def play() -> Iterator[Play]:
    play = Play(Scene(http2=True, **associated(INDEX, FRAMES)))
    yield play
    play.close()


def warm(play: Play) -> Http2Browser:
    """A browser whose hit at / is known."""
    browser = Http2Browser(play)
    browser.asks("/")
    play.origin.answers(200, "body", cache="max-age=60")
    assert browser.bodies() == [b"body"]
    assert browser.asks("/").bodies() == [b"body"]
    return browser


def test_all_streams_of_one_read_have_their_functions_run(play: Play) -> None:
    browser, before = warm(play), runs(play.counters)
    with decided(play) as seen:
        browser.says(b"".join([browser.head("/") for _ in range(3)]))
        assert browser.bodies() == [b"body"] * 3
    assert seen == []
    assert runs(play.counters) - before == 6


def test_what_a_window_does_not_let_is_a_streams_and_its_functions_ran_once(play: Play) -> None:
    browser = warm(play)
    browser.says(settings_frame({frames.INITIAL_WINDOW_SIZE: 3}))
    browser.hears()
    before, head = runs(play.counters), browser.head("/")
    with decided(play) as seen:
        assert browser.says(head).bodies() == [b"bod"]
    assert seen == [b"/"]
    assert runs(play.counters) - before == 2
    browser.says(frame(frames.WINDOW_UPDATE, 0, int.from_bytes(head[5:9], "big"), b"\0\0\0\x09"))
    assert browser.bodies() == [b"y"]
