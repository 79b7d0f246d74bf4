"""Slow readers: whatever is sent, over TLS no more of it waits, encrypted, than a few steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.server.output_buffer import STEP_BYTES
from edgecache.store.memory_account import LEAST_BYTES, MemoryHolding
from tests.server.test_tls_connection import over, session
from tests.world.play import Play
from tests.world.viewer import Viewer

BODY = "0123456789abcdef" * 65_536  # 1 MiB
WAITING_BYTES_MAX = 2 * STEP_BYTES + 4_096  # up to the mark, a step beyond it, and a head


def slow(play: Play, name: str = "slow") -> Viewer:
    viewer = over(play, name, session(b"site.test"))
    viewer.transport.is_not_read(viewer.connection)
    return viewer


def takes_all(viewer: Viewer) -> int:
    """It reads to the end, a little at a time; the most that ever waited for it."""
    for _ in range(10_000):
        if not viewer.transport.unsent_bytes:
            break
        viewer.transport.takes(10_000)
        viewer.sends(b"")
    return viewer.transport.unsent_bytes_most


def has_stored(play: Play, body: str = BODY, **fields: str) -> None:
    viewer = over(play, "first", session(b"site.test"))
    viewer.asks("/v")
    play.origin.answers(200, body, cache="max-age=60", **fields)
    viewer.gets(200, body)


def hit(play: Play, viewer: Viewer) -> str:
    has_stored(play)
    for _ in range(2):  # the second is repeated out of the memo
        fast = over(play, "fast", session(b"site.test"))
        fast.asks("/v").gets(200, BODY)
    viewer.asks("/v")
    return BODY


def ranged(play: Play, viewer: Viewer) -> str:
    has_stored(play)
    viewer.asks("/v", range="bytes=16-900015")
    return BODY[16:900_016]


def miss(play: Play, viewer: Viewer) -> str:
    viewer.asks("/v")
    play.origin.answers(200, BODY, cache="max-age=60")
    return BODY


def streamed(play: Play, viewer: Viewer) -> str:
    """In chunks, and not to be stored."""
    viewer.asks("/v")
    play.origin.answers(200, None, cache="no-store")
    for at in range(0, len(BODY), 262_144):
        play.origin.sends(BODY[at : at + 262_144])
    play.origin.ends()
    return BODY


def failed(play: Play, viewer: Viewer) -> str:
    viewer.asks("/v")
    play.origin.answers(503, BODY)
    return BODY


GIVEN = [hit, ranged, miss, streamed, failed]


@pytest.mark.parametrize("given", GIVEN, ids=lambda one: one.__name__)
def test_what_waits_for_a_slow_reader_is_bounded_and_comes_whole(
    play: Play, given: Callable[[Play, Viewer], str]
) -> None:
    viewer = slow(play)
    body = given(play, viewer)
    assert takes_all(viewer) <= WAITING_BYTES_MAX
    got = viewer.got()
    assert got is not None
    assert got.whole
    assert got.body.decode() == body


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_a_connection_that_ends_with_a_hit_ends_after_its_last_byte(
    play: Play, connection: str
) -> None:
    has_stored(play)
    viewer = slow(play)
    viewer.asks("/v", connection=connection)
    assert not viewer.transport.closed
    takes_all(viewer)
    viewer.gets(200, BODY)
    assert viewer.transport.closed is (connection == "close")


def test_at_a_stop_a_hit_is_finished_and_then_the_connection_closed(play: Play) -> None:
    has_stored(play)
    viewer = slow(play).asks("/v")
    viewer.connection.shutdown()
    assert not viewer.transport.closed
    takes_all(viewer)
    viewer.gets(200, BODY)
    assert viewer.transport.closed


def test_the_next_request_is_answered_after_all_of_this_answer(play: Play) -> None:
    has_stored(play)
    viewer = slow(play).asks("/v").asks("/v", range="bytes=0-3")
    takes_all(viewer)
    viewer.gets(200, BODY)
    viewer.gets(206, BODY[:4])


def test_a_viewer_that_leaves_in_the_middle_leaves_nothing(play: Play) -> None:
    has_stored(play)
    for number in range(50):
        viewer = slow(play, f"v{number}").asks("/v")
        viewer.transport.takes(100_000)
        viewer.leaves()
        assert not viewer.connection.outgoing.paused
    over(play, "last", session(b"site.test")).asks("/v").gets(200, BODY)


def test_with_no_memory_left_misses_are_refused_and_hits_are_served(play: Play) -> None:
    over(play, "first", session(b"site.test")).asks("/v")
    play.origin.answers(200, "small", cache="max-age=60")
    play.account.add(MemoryHolding.UNSENT, LEAST_BYTES)
    viewer = over(play, "late", session(b"site.test"))
    got = viewer.asks("/other").gets(503)
    assert got.field("retry-after") == "1"
    play.origin.hears("/v")
    play.origin.hears_nothing()
    over(play, "other", session(b"site.test")).asks("/v").gets(200, "small", x_cache="Hit")
    play.account.add(MemoryHolding.UNSENT, -LEAST_BYTES)
    over(play, "later", session(b"site.test")).asks("/other")
    play.origin.answers(200, "x")


@pytest.mark.parametrize("encrypted", [True, False])
def test_what_is_sent_is_counted_once_it_has_left_the_store(play: Play, encrypted: bool) -> None:
    has_stored(play)
    readers = [play.viewer(f"plain{n}") if not encrypted else slow(play, f"s{n}") for n in range(3)]
    for reader in readers:
        reader.transport.is_not_read(reader.connection)
        reader.asks("/v")
    assert play.account.held[MemoryHolding.SENT] == 0
    assert play.account.held[MemoryHolding.UNSENT] <= 3 * WAITING_BYTES_MAX
    for key in play.edge.store.keys():  # noqa: SIM118  not a dict, and it changes
        play.edge.store.remove(key)
    assert play.account.held[MemoryHolding.SENT] == len(BODY)
    takes_all(readers[0])
    readers[1].leaves()
    assert play.account.held[MemoryHolding.SENT] == len(BODY)
    takes_all(readers[2])
    assert play.account.total == 0


def test_a_viewer_that_ends_tls_after_its_request_gets_all_of_a_hit(play: Play) -> None:
    has_stored(play)
    viewer = slow(play).asks("/v")
    assert len(viewer.transport.written) < len(BODY)
    assert not viewer.connection.eof_received()  # after which a transport of TLS takes nothing
    assert viewer.transport.unsent_bytes > len(BODY) - STEP_BYTES
    assert play.account.held[MemoryHolding.UNSENT] == viewer.transport.unsent_bytes
    viewer.gets(200, BODY)
    assert not viewer.transport.aborted


@pytest.mark.parametrize("why", ["it is much", "memory is short", "more is to come"])
def test_what_a_viewer_that_has_ended_tls_cannot_get_is_broken_off(
    stage: Callable[..., Play], why: str
) -> None:
    play = stage()
    body = BODY * 2 if why == "it is much" else BODY
    has_stored(play, body)
    if why == "more is to come":
        viewer = slow(play).asks("/arrives", connection="close")
        play.origin.answers(200, None, cache="no-store")
        play.origin.sends("a part")
    else:
        viewer = slow(play).asks("/v")
    if why == "memory is short":
        play.account.add(MemoryHolding.UNSENT, LEAST_BYTES // 2)
    viewer.connection.eof_received()
    assert viewer.transport.aborted, "it might look whole"
    viewer.leaves()
    if why == "memory is short":
        play.account.add(MemoryHolding.UNSENT, -LEAST_BYTES // 2)
