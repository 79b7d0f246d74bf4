"""Turns: who waits goes on in a later turn, one in each, in the order they came."""

from __future__ import annotations

from edgecache.runtime.environment import LoopTurns
from tests.world.clock import FakeClock, FakeLoop


def test_one_goes_on_in_each_turn() -> None:
    loop, turns, said = FakeLoop(FakeClock()), LoopTurns(), list[str]()
    for name in "abc":
        turns.wait(loop, lambda name=name: said.append(name))  # type: ignore[misc]
    assert said == []
    for told in (["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c"]):
        loop.settle(1)
        assert said == told
    turns.wait(loop, lambda: said.append("d"))
    loop.settle(1)
    assert said == ["a", "b", "c", "d"]
    loop.close()


def test_who_waits_again_goes_behind_the_others() -> None:
    loop, turns, said = FakeLoop(FakeClock()), LoopTurns(), list[str]()

    def greedy() -> None:
        said.append("greedy")
        turns.wait(loop, greedy)

    turns.wait(loop, greedy)
    turns.wait(loop, lambda: said.append("other"))
    loop.settle(3)
    assert said == ["greedy", "other", "greedy"]
    loop.close()


def test_a_failure_of_one_stops_no_other() -> None:
    loop, turns, said = FakeLoop(FakeClock()), LoopTurns(), list[str]()
    loop.set_exception_handler(lambda _loop, context: said.append(str(context["exception"])))

    def fails() -> None:
        raise ValueError("failed")

    turns.wait(loop, fails)
    turns.wait(loop, lambda: said.append("other"))
    loop.settle(3)
    assert said == ["failed", "other"]
    loop.close()
