"""One client holds a share of what is slow, of each kind: others are served, and it is told so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from edgecache.config.model import Limits
from tests.plays.test_websocket import KEY, OPENING, accepts
from tests.world.play import Play
from tests.world.viewer import Viewer

SHARE = 3
LIMITS = Limits(
    errands_per_address_max=SHARE, uploads_per_address_max=SHARE,
    websockets_per_address_max=SHARE, streams_per_address_max=SHARE, buffer_bytes_max=65_536,
)  # fmt: skip
UPLOAD = b"POST /up HTTP/1.1\r\nHost: site.test\r\nContent-Length: 10\r\n\r\n"
CROWDED = 503

Asks = Callable[[Play, str], Viewer]


def misses(play: Play, name: str) -> Viewer:
    """It waits for the origin."""
    return play.viewer(name).asks(f"/miss-{name}")


def uploads(play: Play, name: str) -> Viewer:
    return play.viewer(name).sends(UPLOAD + b"begin")


def opens(play: Play, name: str) -> Viewer:
    """A WebSocket."""
    viewer = play.viewer(name)
    viewer.asks("/chat", sec_websocket_key=KEY, **OPENING)
    if viewer.got() is None:
        accepts(play)
    return viewer


def listens(play: Play, name: str) -> Viewer:
    """Events without an end."""
    viewer = play.viewer(name).asks(f"/events-{name}")
    play.origin.answers(200, None, cache="no-store", content_type="text/event-stream")
    play.origin.sends("data: 1\n\n")
    return viewer


def listens_to_what_may_be_stored(play: Play, name: str) -> Viewer:
    viewer = play.viewer(name).asks(f"/events-{name}")
    play.origin.answers(200, None, cache="max-age=60")
    play.origin.sends("data: 1\n\n")
    return viewer


def posts_and_listens(play: Play, name: str) -> Viewer:
    """What it asks for is done, and must not be refused afterwards."""
    viewer = play.viewer(name).asks(f"/answers-{name}", "POST", "question")
    if viewer.got() is None:
        play.origin.answers(200, None, cache="no-store")
        play.origin.sends("data: 1\n\n")
    return viewer


def downloads(play: Play, name: str) -> Viewer:
    """A large body that is not stored."""
    viewer = play.viewer(name).asks(f"/large-{name}")
    play.origin.answers(200, None, cache="no-store", content_length="1000000")
    play.origin.sends("begins")
    return viewer


KINDS = [
    misses,
    uploads,
    opens,
    listens,
    listens_to_what_may_be_stored,
    posts_and_listens,
    downloads,
]


def refused(viewer: Viewer) -> bool:
    """Whether it was told to come back, and nothing else."""
    got = viewer.got()
    if got is None or got.head.status != CROWDED:
        return False
    return got.whole and got.field("retry-after") == "1"


@pytest.mark.parametrize("asks", KINDS)
def test_one_client_has_its_share_and_others_theirs(stage: Callable[..., Play], asks: Asks) -> None:
    play = stage(limits=LIMITS)
    play.address = "2001:db8:0:1::1"
    first = [asks(play, f"a{n}") for n in range(SHARE)]
    assert not any(map(refused, first))
    play.address = "2001:db8:0:1::2"  # of the same /64
    assert refused(asks(play, "late"))
    play.address = "192.0.2.7"
    assert not refused(asks(play, "neighbor"))


@pytest.mark.parametrize("asks", KINDS)
def test_who_leaves_makes_room(stage: Callable[..., Play], asks: Asks) -> None:
    play = stage(limits=LIMITS)
    for turn in "abc":
        viewers = [asks(play, f"{turn}{n}") for n in range(SHARE + 1)]
        assert [refused(viewer) for viewer in viewers] == [False] * SHARE + [True]
        for viewer in viewers:
            viewer.leaves()


@pytest.mark.parametrize("asks", KINDS)
def test_a_hit_is_everybodys(stage: Callable[..., Play], asks: Asks) -> None:
    play = stage(limits=LIMITS)
    reader = play.viewer("reader").asks("/page")
    play.origin.answers(200, "page", cache="max-age=600")
    reader.gets(200, "page")
    for n in range(SHARE + 1):
        asks(play, f"a{n}")
    reader.asks("/page").gets(200, "page", x_cache="Hit")


def test_an_upload_that_is_all_here_is_none(stage: Callable[..., Play]) -> None:
    play = stage(limits=LIMITS)
    for n in range(2 * SHARE):
        viewer = uploads(play, f"a{n}").sends(b"ended")
        play.origin.answers(200, "taken")
        viewer.gets(200, "taken")


def test_what_was_done_is_not_refused_afterwards(stage: Callable[..., Play]) -> None:
    """They were asked for at once, when there was room."""
    play = stage(limits=replace(LIMITS, errands_per_address_max=10))
    viewers = [play.viewer(f"a{n}").asks(f"/{n}", "POST", "question") for n in range(SHARE + 1)]
    for viewer in viewers:
        play.origin.answers(200, None, cache="no-store")
        play.origin.sends("data: 1\n\n")
        got = viewer.got()
        assert got is not None
        assert got.head.status == 200


def test_readers_of_one_fill_hold_one_stream(stage: Callable[..., Play]) -> None:
    play = stage(limits=replace(LIMITS, errands_per_address_max=4 * SHARE))
    viewers = [play.viewer(f"a{n}").asks("/v") for n in range(4 * SHARE)]
    play.origin.answers(200, None, cache="max-age=60")
    play.origin.sends("abc")
    play.origin.ends()
    for viewer in viewers:
        viewer.gets(200, "abc")
