"""Replay windows: each number once, in any order, as long as the window reaches; bounded."""

from __future__ import annotations

from random import Random

import pytest

from edgecache.rules.replay_window import (
    SENDER_BYTES,
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


def test_each_sender_has_numbers_of_its_own() -> None:
    memory = ReplayMemory(LASTS_S)
    assert memory.take(b"a", 1, 0, 0) is ReplayVerdict.FIRST
    assert memory.take(b"b", 1, 0, 0) is ReplayVerdict.FIRST
    assert memory.take(b"a", 1, 0, 0) is ReplayVerdict.REPLAYED
    assert memory.size_bytes == 2 * SENDER_BYTES


def test_without_room_a_new_sender_is_refused_until_an_old_one_has_ended() -> None:
    memory = ReplayMemory(LASTS_S, senders_max=2)
    for sender in (b"a", b"b"):
        assert memory.take(sender, 1, 0, 0) is ReplayVerdict.FIRST
    assert memory.take(b"c", 1, 1, 1) is ReplayVerdict.FULL
    assert memory.take(b"a", 2, 80, 80) is ReplayVerdict.FIRST
    assert memory.take(b"c", 1, 90, 90) is ReplayVerdict.FULL
    assert memory.take(b"c", 1, 91, 91) is ReplayVerdict.FIRST  # b has said nothing since 0
    assert memory.take(b"a", 2, 91, 91) is ReplayVerdict.REPLAYED
    assert len(memory) == 2
