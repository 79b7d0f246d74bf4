"""Python calls per request: counted exactly, and growing only with a reason in the table."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

import edgecache
from edgecache.config.model import AccessList, AccessRule
from tests.measurements import tell
from tests.server.http1.test_head_cache_peer import Ask, warmed
from tests.world.functions import associated
from tests.world.http2_browser import Http2Browser
from tests.world.play import Play, Scene
from tests.world.transcripts import DATE, config, get, response
from tests.world.wired import WiredEdge

PACKAGE = str(Path(edgecache.__file__).parent)
HEAD = "GET {} HTTP/1.1\r\nHost: site.test\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n"


class Counted:
    """Counts calls of functions of this package while it is entered.

    Nothing is collected meanwhile: what former tests have left may call something when it goes.
    """

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Counted:
        gc.disable()
        sys.setprofile(self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        gc.enable()

    def _seen(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            self.calls += 1


def sends(play: Play, target: str) -> None:
    play.viewer("a").sends(HEAD.format(target).encode())


def fetched(play: Play, target: str) -> None:
    sends(play, target)
    play.origin.answers(200, "body", cache="max-age=600")
    play.loop.settle()


def hit_remembered(play: Play, counted: Counted, target: str = "/a") -> None:
    for _ in range(3):
        sends(play, target)
    with counted:
        sends(play, target)


def hit_of_the_first_time(play: Play, counted: Counted) -> None:
    play.counters.distributions["EPLAY"].behaviors["*"]["Hit"]  # made once
    with counted:
        sends(play, "/a")


def hits_of_one_read(play: Play, counted: Counted) -> None:
    """Ten, pipelined; the memo answers none of them."""
    sends(play, "/a")
    with counted:
        play.viewer("a").sends(HEAD.format("/a").encode() * 10)


def miss(play: Play, counted: Counted) -> None:
    fetched(play, "/like")  # what is judged once for all that is alike
    with counted:
        fetched(play, "/b")


# At most so many calls: those of commit a027fe0, and what came since, with its reason.
HEADS = 1  # heads come out of a buffer that is not searched twice
OUTGOING = 2  # the way out of a connection is bounded over TLS, too
SHARING = 23  # a hit asks what may be shared as a fill, a slice and a flight do
ACCOUNT = 7  # bodies in flight stand in the account of memory
JUDGED = 42  # a miss: who may join it, what its answer writes and ends, what of it has no key
ROUTED = -10  # what of the viewer bears on a route is known when it is compiled
NAMES = -3  # names of fields are made anew: to ask whether they may be remembered costs more
RECORD = 2  # when an origin was asked, and what it answered when
APART = 1  # an outcome is sent apart from what a function answers instead of it
PLANS = 2  # where a planned miss is handed over to, or ends as another does
TABLE: list[tuple[Callable[[Play, Counted], None], bool, int]] = [
    (hit_remembered, False, 5),
    (hit_remembered, True, 5),
    (
        hit_of_the_first_time,
        False,
        195 + HEADS + OUTGOING + SHARING + NAMES + ROUTED,
    ),
    (
        hit_of_the_first_time,
        True,
        195 + HEADS + OUTGOING + SHARING + NAMES + ROUTED,
    ),
    # each of them as above, but for what is remembered of the first
    (hits_of_one_read, False, 1_244 + 140 + 10 * (NAMES + ROUTED)),
    (hits_of_one_read, True, 1_244 + 140 + 10 * (NAMES + ROUTED)),
    (miss, False, 249 + HEADS + OUTGOING + ACCOUNT + JUDGED + NAMES - 4 + RECORD + APART + PLANS),
    # the nearer tier has no origin's answer to judge
    (miss, True, 399 + 79 + 2 * NAMES - 4 + RECORD + PLANS),
]


@pytest.mark.parametrize(("scenario", "regional", "calls_max"), TABLE)
def test_a_request_costs_no_more_calls(
    scenario: Callable[[Play, Counted], None], regional: bool, calls_max: int
) -> None:
    counted = Counted()
    for _ in range(2):  # the first time it fills what is remembered of heads and fields
        counted.calls = 0
        play = Play(Scene(regional=regional))
        try:
            fetched(play, "/a")
            scenario(play, counted)
        finally:
            play.close()
    tiers = "two tiers" if regional else "one tier"
    tell(f"{scenario.__name__}, {tiers}: {counted.calls} calls")
    assert 0 < counted.calls <= calls_max


PROOF = 7  # a peer's credential is for this head and this once: its key, its time, its number


def test_a_hit_that_is_remembered_for_peers_costs_no_more_calls() -> None:
    counted, play = Counted(), warmed()
    try:
        head = play.head(Ask())
        with counted:
            assert play.sent(head).startswith(b"HTTP/1.1 200 OK")
        assert play.repeated == 2
    finally:
        play.close()
    tell(f"hit_remembered, for a peer: {counted.calls} calls")
    assert counted.calls <= 7 + PROOF


def test_a_hit_that_is_remembered_behind_an_access_list_costs_no_more_calls() -> None:
    """The list was asked when the connection had its first answer by it."""
    rule = AccessRule(number=1, action="allow", sources=("192.0.2.0/24",))
    counted, play = Counted(), Play(Scene(behavior={"access_list": AccessList(rules=(rule,))}))
    try:
        fetched(play, "/a")
        hit_remembered(play, counted)
    finally:
        play.close()
    assert counted.calls <= 5


READ = 16  # what a read of HTTP/2 costs, whatever it asks
REPEATED = 5  # each hit in it: as many as by HTTP/1.1


@pytest.mark.parametrize(("count", "calls_max"), [(1, READ + REPEATED), (10, READ + 10 * REPEATED)])
def test_a_hit_of_http2_that_is_remembered_costs_no_more_calls(count: int, calls_max: int) -> None:
    """Ten in one read: it is looked up, judged and told each time, and decoded never."""
    counted, play = Counted(), Play(Scene(http2=True))
    try:
        browser = Http2Browser(play).asks("/a")
        play.origin.answers(200, "body", cache="max-age=600")
        for _ in range(2):
            browser.asks("/a")
        browser.hears()
        heads = b"".join([browser.head("/a") for _ in range(count)])
        with counted:
            browser.connection.data_received(heads)
        assert browser.bodies() == [b"body"] * count
    finally:
        play.close()
    tell(f"hit_remembered by HTTP/2, {count} in a read: {counted.calls} calls")
    assert counted.calls <= calls_max


def test_a_hit_of_http2_of_the_first_time_costs_no_more_calls() -> None:
    counted, play = Counted(), Play(Scene(http2=True))
    try:
        browser = Http2Browser(play).asks("/a")
        play.origin.answers(200, "body", cache="max-age=600")
        play.counters.distributions["EPLAY"].behaviors["*"]["Hit"]
        calls = []
        for _ in range(2):
            counted.calls, head = 0, browser.head("/a")
            with counted:
                browser.connection.data_received(head)
            calls.append(counted.calls)
        assert browser.bodies()[-2:] == [b"body"] * 2
    finally:
        play.close()
    tell(f"hit by HTTP/2, of the first time and by its head: {calls} calls")
    assert calls[0] <= 270
    assert calls[1] <= 55


INDEX = """function handler(event) {
    event.request.uri += 'index.html';
    return event.request;
}"""
FRAMES = """function handler(event) {
    event.response.headers['x-frame-options'] = { value: 'DENY' };
    return event.response;
}"""
BY_BYTES = 12  # a hit as above, and what is asked before its functions run
RUN = 10  # each of them: its input, its context, what it says


@pytest.mark.parametrize(
    ("codes", "calls_max"), [((INDEX, ""), BY_BYTES + RUN), ((INDEX, FRAMES), BY_BYTES + 2 * RUN)]
)
def test_a_hit_that_functions_have_seen_costs_no_more_calls(
    codes: tuple[str, str], calls_max: int
) -> None:
    counted, play = Counted(), Play(Scene(**associated(*codes)))
    try:
        fetched(play, "/a/")
        hit_remembered(play, counted, "/a/")
        assert play.viewer("a").got() is not None
    finally:
        play.close()
    tell(f"hit_remembered behind {sum(map(bool, codes))} functions: {counted.calls} calls")
    assert 0 < counted.calls <= calls_max


class CountedProduct(Counted):
    """Counts no calls of what stands for network and time."""

    def _seen(self, frame: FrameType, event: str, argument: object) -> None:
        if TESTING not in frame.f_code.co_filename:
            super()._seen(frame, event, argument)


TESTING = f"{PACKAGE}/testing/"


@pytest.mark.parametrize(
    ("cache", "peered", "calls_max"),
    [
        (b"max-age=60", False, 113),  # 326 by the general path, over the same wire
        (b"no-store", False, 86),  # 283
        (b"max-age=60", True, 230),  # 651, of both tiers
    ],
)
def test_a_planned_miss_costs_no_more_calls(*, cache: bytes, peered: bool, calls_max: int) -> None:
    reply = response(b"Cache-Control: " + cache, b'ETag: "e"', b"Last-Modified: " + DATE)
    edge = WiredEdge(config(), lambda _: [reply], peered=peered)
    viewer = edge.viewer()
    for number in range(8):
        edge.sends(viewer, get(f"/{number}"))
    counted = CountedProduct()
    with counted:
        edge.sends(viewer, get("/last"))
    tell(f"miss by a plan, {cache.decode()}, {1 + peered} tiers: {counted.calls} calls")
    assert 0 < counted.calls <= calls_max
    edge.inside(viewer.transport.close)
    edge.close()
