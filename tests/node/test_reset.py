"""Reset of a node: nothing is stored or remembered, and no lease crosses a clock that goes back."""

from __future__ import annotations

from typing import Any

from edgecache.cluster.log_entries import LogEntry
from edgecache.node.reset import NodeReset
from edgecache.rules.viewer.rate_limits import own_buckets
from edgecache.runtime.dev_mode import DevMode, make_dev_mode
from tests.world.play import Play


def entry(kind: str, seq: int = 5, **body: Any) -> LogEntry:
    return LogEntry(seq, 1.0, kind, body)


def reset_of(play: Play) -> NodeReset:
    return NodeReset(play.edge, play.counters)


def test_what_is_stored_is_stored_no_more(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "first", cache="max-age=60")
    play.viewer().gets(200, x_cache="Miss")
    reset = reset_of(play)
    assert reset.apply(entry("reset"), play.listener)
    assert (len(play.edge.store), play.counters.stored, reset.number) == (0, 0, 5)
    assert play.counters.requests == {}
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "second", cache="max-age=60")
    play.viewer().gets(200, "second", x_cache="Miss")
    play.viewer().asks("/a")
    play.viewer().gets(200, "second", x_cache="Hit")


def test_what_is_on_its_way_is_not_stored(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    reset_of(play).apply(entry("reset"), play.listener)
    play.origin.answers(200, "late", cache="max-age=60")
    play.viewer().gets(200, "late", x_cache="Miss")
    assert len(play.edge.store) == 0


def test_a_failure_is_not_remembered(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.fails()
    play.viewer().gets(502)
    reset_of(play).apply(entry("reset"), play.listener)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "well", cache="max-age=60")
    play.viewer().gets(200, x_cache="Miss")


def test_origins_and_buckets_begin_anew(play: Play) -> None:
    forgotten: list[str] = []
    buckets = own_buckets(bytes(32), 0.0, 8)
    buckets._words[3] = 7
    reset = reset_of(play)
    reset.forget = [lambda: forgotten.append("circuits"), buckets.clear]
    reset.apply(entry("reset"), play.listener)
    assert forgotten == ["circuits"]
    assert not any(buckets._words)


def test_a_lease_is_taken_all_the_while_the_clock_goes_ahead(play: Play) -> None:
    reset = reset_of(play)
    assert reset.takes_lease()
    assert not reset.apply(entry("clock"), play.listener)
    assert reset.takes_lease()
    assert reset.apply(entry("reset", back=False), play.listener)
    assert reset.takes_lease()


def test_no_lease_crosses_a_clock_that_is_set_back(play: Play) -> None:
    """The first after it was asked for by the former time: it would last as long as that."""
    reset = reset_of(play)
    reset.apply(entry("reset", back=True), play.listener)
    assert play.edge.world.marks.lease_until == 0.0
    assert not reset.takes_lease()
    assert not reset.takes_lease()
    reset.apply(entry("clock", 6), play.listener)
    assert not reset.takes_lease()
    assert reset.takes_lease()


def test_a_process_that_was_stopped_sees_by_itself_that_the_clock_went_back(play: Play) -> None:
    mode = make_dev_mode()
    other, reset, marks = DevMode(mode.fd), reset_of(play), play.edge.world.marks
    other.on_set_back = reset.set_back
    clock = other.clocks().steady
    mode.move(3_600)
    marks.lease_until = clock() + 3
    assert marks.confirmed(0, clock())
    mode.move(0)
    assert not marks.confirmed(0, clock())
    assert not reset.takes_lease()  # its answer was on its way
    assert reset.takes_lease()
