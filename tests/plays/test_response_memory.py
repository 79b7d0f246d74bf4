"""What is sent beside the store is counted: blocks fetched ahead, several ranges of a body."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import Limits
from edgecache.server.output_buffer import whole_of
from edgecache.store.memory_account import LEAST_BYTES, READS_WAIT_SHARE, MemoryHolding
from tests.world.play import Play
from tests.world.viewer import Viewer

BLOCK = 131_072
BODY = "0123456789abcdef" * (5 * BLOCK // 16)
SEVERAL = "bytes=0-299999,300001-600000"
Stage = Callable[..., Play]


def slow(play: Play, name: str) -> Viewer:
    viewer = play.viewer(name)
    viewer.transport.is_not_read(viewer.connection)
    return viewer


def has_stored(play: Play) -> None:
    play.viewer("first").asks("/v")
    play.origin.answers(200, BODY, cache="max-age=60", etag='"1"', accept_ranges="bytes")
    play.viewer("first").gets(200, BODY)


def loses_all(play: Play) -> None:
    for key in play.edge.store.keys():  # noqa: SIM118  not a dict, and it changes
        play.edge.store.remove(key)


@pytest.mark.parametrize("end", ["leaves", "reads"])
def test_of_blocks_that_have_left_the_store_two_are_counted_for_a_reader(
    stage: Stage, end: str
) -> None:
    play = stage(limits=Limits(block_bytes=BLOCK, object_bytes_max=1 << 20))
    has_stored(play)
    readers = [slow(play, f"s{n}").asks("/v") for n in range(2)]
    assert play.account.held[MemoryHolding.SENT] == 0
    loses_all(play)
    assert play.account.held[MemoryHolding.SENT] == 2 * BLOCK, "the same two for both"
    for reader in readers:
        reader.leaves() if end == "leaves" else reader.transport.takes(BLOCK * 2)
        play.loop.settle()
    if end == "reads":
        for reader in readers:
            reader.leaves()
    assert play.account.held[MemoryHolding.SENT] == 0


def test_no_copy_of_several_ranges_is_remembered(stage: Stage) -> None:
    play = stage()
    has_stored(play)
    (entry,) = play.edge.store.peek(next(iter(play.edge.store.keys())))
    for _ in range(4):
        assert len(play.viewer().asks("/v", range=SEVERAL).gets(206).body) > 600_000
        play.viewer().asks("/v", range="bytes=1-2").gets(206, "12")
    bodies = [whole_of(known.answer.body) for known in play.head_cache or ()]
    assert all(body is entry.body for body in bodies)


def test_several_ranges_are_counted_and_get_the_whole_when_memory_is_short(stage: Stage) -> None:
    play = stage()
    has_stored(play)
    share_bytes = LEAST_BYTES * READS_WAIT_SHARE
    for number in range(20):
        slow(play, f"s{number}").asks("/v", range=SEVERAL)
    assert share_bytes < play.account.held[MemoryHolding.SENT] < share_bytes + len(BODY)
    play.viewer("late").asks("/v", range=SEVERAL).gets(200, BODY)
    for number in range(20):
        play.viewer(f"s{number}").leaves()
    play.viewer("late").asks("/v", range=SEVERAL).gets(206)
