"""What HTTP/2's head cache gives again is what would be concluded anew, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edgecache.config.model import CachePolicy, Selection
from edgecache.http.http2 import frames
from edgecache.http.http2.frames import ErrorCode, frame, settings_frame
from edgecache.http.http2.header_decoder import HeaderBlockReader
from edgecache.server.http2.head_cache import Http2HeadCache, path_end, path_place
from tests.world.http2_browser import Http2Browser
from tests.world.http2_wire import get, post
from tests.world.play import Play, Scene

BY_COOKIE = CachePolicy(cookies=Selection(behavior="all"))


@pytest.fixture
def by_cookie() -> Iterator[Play]:
    play = Play(Scene(policy=BY_COOKIE, http2=True))
    yield play
    play.close()


@pytest.fixture
def play() -> Iterator[Play]:
    play = Play(Scene(http2=True))
    yield play
    play.close()


def answered(play: Play, browser: Http2Browser, body: str, path: str = "/a", **more: str) -> None:
    """One request, which goes to the origin."""
    browser.asks(path, **more)
    play.origin.answers(200, body, cache="max-age=60", etag='"e"')
    assert browser.bodies() == [body.encode()]


def warm(play: Play, **more: str) -> Http2Browser:
    """A browser whose block for /a is known."""
    browser = Http2Browser(play)
    answered(play, browser, "body", **more)
    for _ in range(2):  # learned by its head; then by its block
        assert browser.asks("/a", **more).bodies() == [b"body"]
    return browser


def cache_of(play: Play) -> Http2HeadCache:
    cache = play.head_cache
    assert isinstance(cache, Http2HeadCache)
    return cache


def times(play: Play) -> int:
    return sum(known.times for known in cache_of(play))


class Decoded:
    """Counts the header blocks that are decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        whole = HeaderBlockReader._fields

        def counted(reader: HeaderBlockReader, block: bytes) -> Any:
            self.count += 1
            return whole(reader, block)

        monkeypatch.setattr(HeaderBlockReader, "_fields", counted)


def test_a_block_that_is_known_is_not_decoded(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, decoded = warm(play, user_agent="one", cookie="a=1"), Decoded(monkeypatch)
    for _ in range(3):
        assert browser.asks("/a", user_agent="one", cookie="a=1").bodies() == [b"body"]
    assert decoded.count == 0
    assert times(play) == 4


def test_paths_and_what_is_around_them_are_known_apart(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many paths, as many browsers: each is learned once, not each with each."""
    one, other = warm(play, user_agent="one"), Http2Browser(play)
    for _ in range(3):
        assert other.asks("/a", user_agent="other").bodies() == [b"body"]
    answered(play, one, "b", "/b?" + "x" * 130, user_agent="one")
    for _ in range(2):
        assert one.asks("/b?" + "x" * 130, user_agent="one").bodies() == [b"b"]
    decoded = Decoded(monkeypatch)
    assert other.asks("/b?" + "x" * 130, user_agent="other").bodies() == [b"b"]
    assert decoded.count == 0


def test_browsers_that_said_the_same_share_a_block(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever path they began with: it is not in the table."""
    warm(play, user_agent="one")
    other = Http2Browser(play)
    answered(play, other, "other", "/other", user_agent="one")
    decoded = Decoded(monkeypatch)
    assert other.asks("/a", user_agent="one").bodies() == [b"body"]
    assert decoded.count == 0


def test_the_same_bytes_on_another_table_are_another_request(by_cookie: Play) -> None:
    one, other = Http2Browser(by_cookie), Http2Browser(by_cookie)
    answered(by_cookie, one, "for a", cookie="session=a")
    answered(by_cookie, other, "for b", cookie="session=b")
    heads = []
    for _ in range(3):
        heads = [one.head("/a", cookie="session=a"), other.head("/a", cookie="session=b")]
        assert one.says(heads[0]).bodies() == [b"for a"]
        assert other.says(heads[1]).bodies() == [b"for b"]
    assert heads[0] == heads[1], "nothing in these bytes tells them apart"


def test_a_table_that_changes_parts_what_was_known(by_cookie: Play) -> None:
    """The fields' places in it move, and what is 62 now was another field before."""
    browser = Http2Browser(by_cookie)
    answered(by_cookie, browser, "for a", cookie="session=a")
    for _ in range(2):
        assert browser.asks("/a", cookie="session=a").bodies() == [b"for a"]
    answered(by_cookie, browser, "for b", cookie="session=b")
    for cookie, body in (("session=a", b"for a"), ("session=b", b"for b")) * 3:
        assert browser.asks("/a", cookie=cookie).bodies() == [body]


def test_the_block_of_a_trusted_proxy_is_another_than_a_strangers() -> None:
    proxy, stranger, one = "192.0.2.7", "192.0.2.8", {"x_forwarded_for": "203.0.113.1"}
    play = Play(Scene(http2=True, trusted_proxies=(proxy,)))
    believed, other = Http2Browser(play, proxy), Http2Browser(play, stranger)
    answered(play, believed, "body", **one)
    for browser in (believed, other, believed):
        for _ in range(3):
            assert browser.asks("/a", **one).bodies() == [b"body"]
    play.access_log.flush()
    lines = [line.split(b"\t") for line in bytes(play.log).splitlines() if line[:1] != b"#"]
    claimed, own = [b"203.0.113.1"] * 3, [stranger.encode()] * 3
    assert [line[4] for line in lines[1:]] == [*claimed, *own, *claimed]
    play.close()


def test_a_lease_that_has_ended_is_not_given(play: Play) -> None:
    browser = warm(play)
    play.advance(61)
    browser.asks("/a")
    play.origin.answers(200, "newer", cache="max-age=60")
    assert browser.bodies() == [b"newer"]


def test_what_was_invalidated_is_not_given(play: Play) -> None:
    browser = warm(play)
    play.operator.invalidates("/a")
    browser.asks("/a")
    play.origin.answers(200, "newer", cache="max-age=60")
    assert browser.bodies() == [b"newer"]


def test_no_more_is_given_than_the_windows_let(play: Play) -> None:
    browser = warm(play)
    browser.says(settings_frame({frames.INITIAL_WINDOW_SIZE: 3}))
    browser.hears()
    head = browser.head("/a")
    assert browser.says(head).bodies() == [b"bod"]
    stream = int.from_bytes(head[5:9], "big")
    browser.says(frame(frames.WINDOW_UPDATE, 0, stream, (9).to_bytes(4, "big")))
    assert browser.bodies() == [b"y"]


def test_the_window_of_the_connection_is_used_up(play: Play) -> None:
    browser, body = Http2Browser(play), "x" * 10_000
    answered(play, browser, body)
    total = 10_000
    while total < 60_000:
        assert browser.asks("/a").bodies() == [body.encode()]
        total += 10_000
    assert times(play)
    assert [len(one) for one in browser.asks("/a").bodies()] == [5_535]
    browser.says(frame(frames.WINDOW_UPDATE, 0, 0, (10_000).to_bytes(4, "big")))
    assert [len(one) for one in browser.bodies()] == [4_465]


def test_who_takes_nothing_is_given_nothing_more(play: Play) -> None:
    browser = warm(play)
    before = times(play)
    browser.connection.pause_writing()
    browser.asks("/a")
    assert (browser.bodies(), times(play)) == ([], before)
    browser.connection.resume_writing()
    assert browser.bodies() == [b"body"]


def test_a_table_that_is_made_smaller_is_told_first(play: Play) -> None:
    """RFC 7541 §4.2: by the first block after it."""
    browser = warm(play)
    browser.says(settings_frame({frames.HEADER_TABLE_SIZE: 0}))
    browser.hears()
    heads = [one for one in browser.asks("/a").hears() if one.kind == frames.HEADERS]
    assert [one.payload[:1] for one in heads] == [b"\x20"]
    heads = [one for one in browser.asks("/a").hears() if one.kind == frames.HEADERS]
    assert [one.payload[:1] for one in heads] == [b"\x88"]


def test_a_stream_that_was_is_not_answered_again(play: Play) -> None:
    browser = warm(play)
    head = browser.head("/a")
    assert browser.says(head).bodies() == [b"body"]
    browser.says(head)
    assert browser.errors() == [("goaway", 7, ErrorCode.STREAM_CLOSED)]


def test_a_stream_of_ours_is_not_answered(play: Play) -> None:
    browser = warm(play)
    head = bytearray(browser.head("/a"))
    head[8] += 1
    browser.says(bytes(head))
    assert browser.errors() == [("goaway", 5, ErrorCode.PROTOCOL_ERROR)]


def test_a_block_that_was_not_ended_goes_before(play: Play) -> None:
    browser = warm(play)
    known, begun = browser.head("/a"), bytearray(browser.head("/a"))
    begun[4] = frames.END_STREAM
    browser.says(bytes(begun), known)
    assert browser.errors() == [("goaway", 5, ErrorCode.PROTOCOL_ERROR)]


def test_what_is_asked_after_the_last_stream_is_not_answered(play: Play) -> None:
    browser = warm(play)
    browser.says(post(7, b"/held"))
    browser.connection.shutdown()
    browser.hears()
    browser._streams = 9
    assert browser.asks("/a").bodies() == []


def test_one_stream_too_many_is_refused(play: Play) -> None:
    browser = warm(play)
    for _ in range(128):
        browser.asks("/held")
    browser.hears()
    head = browser.head("/a")
    stream = int.from_bytes(head[5:9], "big")
    browser.says(head)
    assert browser.errors() == [("reset", stream, ErrorCode.REFUSED_STREAM)]


def test_a_request_with_a_body_is_not_answered_by_its_block(play: Play) -> None:
    browser = warm(play)
    before = times(play)
    head = bytearray(browser.head("/a"))
    head[4] = frames.END_HEADERS
    browser.says(bytes(head))
    browser.says(frame(frames.DATA, frames.END_STREAM, 7, b"more"))
    assert times(play) == before


@pytest.mark.parametrize("cut", [1, 9, 12, 14])
def test_frames_that_come_in_pieces_are_known(play: Play, cut: int) -> None:
    browser = warm(play)
    before = times(play)
    heads = browser.head("/a") + browser.head("/a") + browser.head("/a")
    browser.says(heads[:cut])
    browser.says(heads[cut : cut + 1])
    browser.says(heads[cut + 1 :])
    assert browser.bodies() == [b"body"] * 3
    assert times(play) == before + 3


def test_padding_and_priority_are_not_of_the_block(play: Play) -> None:
    browser = warm(play)
    plain = browser.head("/a")
    ranked = frame(
        frames.HEADERS, plain[4] | frames.WITH_PRIORITY, 7, bytes(4) + b"\x10" + plain[9:]
    )
    assert browser.says(ranked).bodies() == [b"body"]
    padded = frame(frames.HEADERS, plain[4] | frames.PADDED, 9, b"\x03" + plain[9:] + bytes(3))
    assert browser.says(padded).bodies() == [b"body"]
    short = frame(frames.HEADERS, plain[4] | frames.WITH_PRIORITY, 11, b"\x84")
    browser.says(short, plain)
    assert browser.errors() == [("goaway", 9, ErrorCode.FRAME_SIZE_ERROR)]


def test_what_is_known_of_blocks_is_bounded(play: Play) -> None:
    cache = cache_of(play)
    cache._blocks_max = 3
    browser = Http2Browser(play)
    answered(play, browser, "body")
    for number in range(6):
        for _ in range(3):
            assert browser.asks("/a", x_number=str(number)).bodies() == [b"body"]
    assert (len(cache._known), len(cache.blocks)) == (3, 3)
    for _ in range(3):
        browser.asks("/a", x_long="x" * 1_500)
        browser.says(get(browser._streams, b"/a"))
        browser._streams += 2
    assert all(len(before) + len(after) <= 1_024 for _, before, after in cache._known)
    cache.clear()
    assert not cache._known


@pytest.mark.parametrize(
    ("block", "place", "end"),
    [
        (b"\x82\x87\x84", 2, 3),
        (b"\x82\x04\x02/abcd", 1, 5),
        (b"\x82\x01\x03a.b\x87\x14\x02/a", 7, 11),
        (b"\x82\x87\x04\x7f\x03" + b"/" * 130, 2, 135),
        (b"\xff\x00\x84", None, None),  # a number of two bytes
        (b"\x82\x44\x02/a", None, None),  # put into the table
        (b"\x82\xbe\xbf\xc0\xc1\x84", None, None),  # behind a fourth
        (b"\x82\x00\x01a\x01b\x84", None, None),  # a name in full
        (b"\x80\x84", None, None),
        (b"\x82\x04\x7f\x80\x01" + b"/" * 300, 1, None),
        (b"\x82", None, None),
        (b"\x82\x04", 1, None),
    ],
)
def test_where_a_path_is(block: bytes, place: int | None, end: int | None) -> None:
    assert found(lambda: path_place(block, 0)) == place
    assert found(lambda: path_end(block, path_place(block, 0))) == end


def found(look: Callable[[], int]) -> int | None:
    try:
        return look()
    except IndexError:
        return None
