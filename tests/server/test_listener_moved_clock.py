"""Sweeps of a listener while its clock is moved: connections keep the real time they had."""

from __future__ import annotations

from tests.world.play import Play

HOUR = 3_600.0


class MovedClock:
    """How far the clock of a play was moved."""

    def __init__(self, play: Play) -> None:
        self.play, self.moved_s = play, 0.0
        play.listener.moved_s = lambda: self.moved_s

    def move(self, seconds: float) -> None:
        self.moved_s += seconds
        self.play.clock.now += seconds


def connected(play: Play) -> bool:
    play.listener.sweep()
    play.loop.look()
    return not play.viewer().transport.closed


def test_a_connection_at_rest_outlives_a_clock_that_is_moved(play: Play) -> None:
    clock = MovedClock(play)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "x", cache="max-age=60")
    play.viewer().gets(200)
    clock.move(HOUR)
    assert connected(play)
    play.clock.now += play.scene.limits.idle_s_max - 1
    assert connected(play)
    play.clock.now += 2
    assert not connected(play)


def test_none_stays_for_as_long_as_the_clock_is_set_back(play: Play) -> None:
    clock = MovedClock(play)
    clock.move(HOUR)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "x", cache="max-age=60")
    play.viewer().gets(200)
    assert connected(play)
    clock.move(-HOUR)
    assert connected(play)
    play.clock.now += play.scene.limits.idle_s_max + 1
    assert not connected(play)


def test_without_it_a_clock_that_steps_ahead_ends_what_is_due(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "x", cache="max-age=60")
    play.viewer().gets(200)
    play.clock.now += HOUR
    assert not connected(play)
