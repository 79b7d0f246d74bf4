"""Replay windows: each number once, in any order, as long as the window reaches; bounded."""

from __future__ import annotations

from random import Random

import pytest

from edgecache.rules.replay_window import (
    RUN_BYTES,
    WINDOW,
    ReplayMemory,
    ReplayVerdict,
    ReplayWindow,
)

LASTS_S = 90.0


@pytest.mark.parametrize("seed", range(5))
def test_it_says_what_a_set_of_all_numbers_says(seed: int) -> None:
    random, window, used = Random(seed), ReplayWindow(), set[int]()
    newest = 0
    for _ in range(20_000):
        jump = random.choice([1, 1, 1, 3, -1, -7, -300, 900, -WINDOW + 9])
        number = max(1, newest + jump)
        assert window.take(number) is (number not in used), number
        used.add(number)
        newest = max(newest, number)


@pytest.mark.parametrize("jump", [1, 7, 8, 9, WINDOW - 9, WINDOW, WINDOW + 1, 10 * WINDOW + 3])
def test_after_a_jump_the_ring_holds_nothing_of_before(jump: int) -> None:
    window = ReplayWindow()
    for number in range(1, 100):
        assert window.take(number)
    assert window.take(99 + jump)
    assert not window.take(99 + jump)
    for number in range(100, 99 + jump):
        reached = 99 + jump - number <= WINDOW - 8
        assert window.take(number) is reached, number
        if number > 3 * WINDOW:
            break
    assert not window.take(50)


@pytest.mark.parametrize("number", [0, -1])
def test_numbers_begin_at_one(number: int) -> None:
    assert not ReplayWindow().take(number)


def test_what_is_older_than_the_window_is_refused_though_it_was_never_used() -> None:
    window = ReplayWindow()
    assert window.take(WINDOW + 100)
    assert not window.take(100)
    assert window.take(WINDOW + 100 - (WINDOW - 8))


def test_each_run_of_each_sender_has_numbers_of_its_own() -> None:
    memory = ReplayMemory(LASTS_S)
    for sender, run in ((b"a", b"1"), (b"a", b"2"), (b"b", b"1")):
        assert memory.take(sender, run, 1, 0, 0) is ReplayVerdict.FIRST
    assert memory.take(b"a", b"1", 1, 0, 0) is ReplayVerdict.REPLAYED
    assert len(memory) == 3
    assert memory.size_bytes == 3 * RUN_BYTES


def test_without_room_a_new_run_is_refused_until_an_old_one_has_ended() -> None:
    memory = ReplayMemory(LASTS_S, runs_max=2)
    for sender in (b"a", b"b"):
        assert memory.take(sender, b"1", 1, 0, 0) is ReplayVerdict.FIRST
    assert memory.take(b"c", b"1", 1, 1, 1) is ReplayVerdict.FULL
    assert memory.take(b"a", b"1", 2, 80, 80) is ReplayVerdict.FIRST
    assert memory.take(b"c", b"1", 1, 90, 90) is ReplayVerdict.FULL
    assert memory.take(b"c", b"1", 1, 91, 91) is ReplayVerdict.FIRST  # b is silent since 0
    assert memory.take(b"a", b"1", 2, 91, 91) is ReplayVerdict.REPLAYED
    assert len(memory) == 2


def test_a_sender_with_too_many_runs_is_refused_alone() -> None:
    memory = ReplayMemory(LASTS_S, runs_max=8, per_sender_max=3)
    taken = [memory.take(b"a", b"%d" % run, 1, run, run) for run in range(5)]
    assert taken == [ReplayVerdict.FIRST] * 3 + [ReplayVerdict.FULL] * 2
    assert memory.take(b"b", b"0", 1, 5, 5) is ReplayVerdict.FIRST
    assert memory.take(b"a", b"0", 1, 5, 5) is ReplayVerdict.REPLAYED, "none of its own is dropped"
    assert memory.take(b"a", b"9", 1, 90, 90) is ReplayVerdict.FULL
    assert memory.take(b"a", b"9", 1, 91, 91) is ReplayVerdict.FIRST  # of run 0 nothing counts now
    assert memory.take(b"a", b"2", 1, 91, 91) is ReplayVerdict.REPLAYED
    assert len(memory) == 4
