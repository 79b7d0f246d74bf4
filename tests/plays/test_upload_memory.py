"""Uploads: what many send at once stays within a share of memory, and others go on being served."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import Limits
from edgecache.store.memory_account import LEAST_BYTES, SHARES, MemoryHolding
from tests.plays.test_websocket import opened
from tests.world.play import Play
from tests.world.viewer import Viewer

READ_BYTES = 262_144  # what the event loop reads at once
SHARE_BYTES = int(LEAST_BYTES * SHARES[MemoryHolding.UPLOADS])
HEAD = b"POST /up HTTP/1.1\r\nHost: site.test\r\nContent-Length: 1000000000\r\n\r\n"
MANY = 80  # of a read each they have more than all of memory


def reads(viewer: Viewer, data: bytes) -> Viewer:
    """What it sends is read, unless its connection is not read from."""
    return viewer.sends(data) if viewer.transport.reading else viewer


@pytest.mark.parametrize("together", [True, False], ids=["with-the-head", "after-it"])
def test_a_flood_of_large_uploads_has_its_share_and_a_miss_is_served(
    stage: Callable[..., Play], together: bool
) -> None:
    play = stage(limits=Limits(uploads_per_address_max=1_000))
    data = bytes(READ_BYTES)
    viewers = [play.viewer(f"v{n}") for n in range(MANY)]
    for viewer in viewers:
        viewer.sends(HEAD + data if together else HEAD)
    for _ in range(3):
        for viewer in viewers:
            reads(viewer, data)
    assert play.account.held[MemoryHolding.UPLOADS] <= SHARE_BYTES + READ_BYTES
    refused = [one for one in viewers if (got := one.got()) and got.head.status == 503]
    assert len(refused) == (MANY - 16 if together else 0)
    reader = play.viewer("reader").asks("/page")
    assert play.origin.heard[-1].request.path == b"/page"
    for viewer in viewers:
        viewer.leaves()
    assert play.account.held[MemoryHolding.UPLOADS] == 0
    play.origin.answers(200, "page")
    reader.gets(200, "page")


def test_when_uploads_are_short_of_memory_each_is_read_as_it_is_taken(play: Play) -> None:
    others = SHARE_BYTES // 2
    first, second = play.viewer("a").sends(HEAD + b"x"), play.viewer("b").sends(HEAD + b"x")
    assert first.transport.reading
    play.account.add(MemoryHolding.UPLOADS, others)
    second.sends(b"x")
    assert not second.transport.reading
    play.account.add(MemoryHolding.UPLOADS, -others)
    for _ in range(2):
        body = play.origin.hears("/up").body
        assert body is not None
        while body.read_nowait():
            pass
    assert second.transport.reading
    first.leaves()
    second.leaves()


def test_beyond_their_share_there_is_no_new_websocket_and_a_miss_is_served(play: Play) -> None:
    tunnel = opened(play)
    beyond = int(LEAST_BYTES * SHARES[MemoryHolding.TUNNELS]) + 1
    play.account.add(MemoryHolding.TUNNELS, beyond)
    late = play.viewer("late")
    late.asks(
        "/chat", connection="Upgrade", upgrade="websocket", sec_websocket_version="13",
        sec_websocket_key="x",
    )  # fmt: skip
    late.gets(503)
    play.viewer("reader").asks("/page")
    play.origin.hears("/page")
    play.origin.answers(200, "page")
    play.viewer("reader").gets(200, "page")
    play.account.add(MemoryHolding.TUNNELS, -beyond)
    tunnel.break_off()
    play.loop.settle()


def test_a_flood_of_pipelined_requests_has_its_share_and_a_miss_is_served(
    stage: Callable[..., Play],
) -> None:
    play = stage(limits=Limits(connections_per_address_max=1_000))
    share_bytes = int(LEAST_BYTES * SHARES[MemoryHolding.HEADS])
    ahead = b"GET /next HTTP/1.1\r\nHost: site.test\r\n\r\n" * 1_600
    viewers = [play.viewer(f"v{n}").asks(f"/{n}") for n in range(50)]
    for viewer in viewers:
        viewer.sends(ahead)
    assert play.account.held[MemoryHolding.HEADS] <= share_bytes + len(ahead)
    assert [one.connection.closing for one in viewers] == [n > 33 for n in range(50)]
    play.viewer("reader").asks("/page")
    assert play.origin.heard[-1].request.path == b"/page"
    for viewer in viewers[:49]:
        viewer.leaves()
    play.listener.sweep()
    assert play.account.held[MemoryHolding.HEADS] == 0
    play.origin.answers(200, "last")
    got = viewers[49].gets(200, "last")
    assert got.field("connection") == "close"
    assert viewers[49].transport.closed
    play.origin.answers(200, "page")
    play.viewer("reader").gets(200, "page")


def test_who_asks_for_one_thing_after_the_other_is_never_told_to_leave(
    stage: Callable[..., Play],
) -> None:
    """The next request may be here before the task of the last answer has ended: it takes memory
    while it waits, not until the listener has looked at everyone.
    """
    play = stage(limits=Limits(connections_per_address_max=1_000))
    share_bytes = int(LEAST_BYTES * SHARES[MemoryHolding.HEADS])
    cookie = b"c" * 8_000
    viewer = play.viewer("v").asks("/0")
    for number in range(share_bytes // len(cookie) + 20):
        ask = b"GET /%d HTTP/1.1\r\nHost: site.test\r\nCookie: %b\r\n\r\n"
        viewer.sends(ask % (number + 1, cookie))
        play.origin.answers(200, "page")
        viewer.gets(200, "page")
    assert not viewer.connection.closing
    assert play.account.held[MemoryHolding.HEADS] == 0


def test_a_head_is_let_be_though_others_have_the_share(stage: Callable[..., Play]) -> None:
    play = stage()
    viewer = play.viewer("v").asks("/0")
    play.account.add(MemoryHolding.HEADS, int(LEAST_BYTES * SHARES[MemoryHolding.HEADS]) + 1)
    viewer.asks("/1")
    play.origin.answers(200, "zero")
    viewer.gets(200, "zero")
    play.origin.answers(200, "one")
    viewer.gets(200, "one")
    play.listener.sweep()


def test_requests_that_come_with_the_first_have_the_same_share(stage: Callable[..., Play]) -> None:
    play = stage(limits=Limits(connections_per_address_max=1_000))
    share_bytes = int(LEAST_BYTES * SHARES[MemoryHolding.HEADS])
    ahead = b"GET /next HTTP/1.1\r\nHost: site.test\r\n\r\n" * 1_600
    viewers = [play.viewer(f"v{n}") for n in range(50)]
    for number, viewer in enumerate(viewers):
        viewer.sends(b"GET /%d HTTP/1.1\r\nHost: site.test\r\n\r\n" % number + ahead)
    assert share_bytes < play.account.held[MemoryHolding.HEADS] <= share_bytes + len(ahead)
    assert sum(one.connection.held_bytes for one in viewers) <= share_bytes + len(ahead)
    assert [one.connection.closing for one in viewers] == [n > 33 for n in range(50)]
