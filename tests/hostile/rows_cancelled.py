"""Section 11, Z17: whoever waits is cancelled, after each turn of the loop that a fill takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from tests.hostile.recorder import Script, told_of
from tests.hostile.stage import HostilePlay, scene_of
from tests.hostile.story import asks
from tests.hostile.strict import Seen
from tests.hostile.trial import Trial, answered

TURNS = 60  # of the loop: more than the fill below takes


def _in_pieces(seen: Seen) -> Script:
    """Head, half a body, the other half, with turns between them."""
    body = told_of(seen)
    head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: %d\r\n\r\n" % len(body)
    return Script((head, body[: len(body) // 2], body[len(body) // 2 :]))


def _leaves(play: HostilePlay) -> None:
    play.viewers["first"].leaves()


def _all_tasks(play: HostilePlay) -> None:
    """Each where it waits; whoever cancels one that has not begun undoes it himself."""
    for task in [*play.tasks]:
        work = task.get_coro()
        if not inspect.iscoroutine(work) or work.cr_frame is None or work.cr_await is not None:
            task.cancel()


def _at_each_turn(ends: Callable[[HostilePlay], None], regional: bool) -> Callable[[bool], str]:
    def trial(memo: bool) -> str:
        whole = 0
        for turn in range(TURNS):
            play = HostilePlay(scene_of(memo, regional=regional), _in_pieces)
            try:
                play.client("first")
                play.viewers["first"].connection.data_received(asks(b"/p"))
                play.loop.settle(turn)
                whole += b"\r\n\r\nGET /p\n" in play.client("first").output
                ends(play)
                play.rests()
                assert not len(play.edge.flights), turn
                answered(play, "second", b"/p")
            finally:
                play.close()
        assert 0 < whole < TURNS, "not every turn of the fill was met"
        return f"{TURNS} turns: nothing is left under way, the next viewer gets the whole"

    return trial


CANCELLED = [
    Trial("Z17", f"{who}, at each turn of a fill{how}", _at_each_turn(ends, regional))
    for who, ends in (("the viewer leaves", _leaves), ("all tasks are cancelled", _all_tasks))
    for how, regional in (("", False), (" through two tiers", True))
]
