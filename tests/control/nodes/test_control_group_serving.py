"""Nodes that go on serving without a lease, where there are several controls."""

from __future__ import annotations

from edgecache.cluster.lease import Instance
from edgecache.control.state.migrations import BEFORE
from tests.control.nodes.test_control_group import (
    ENDS_S,
    Clock,
    Control,
    Two,
    clock,
    invalidated,
    start,
    state,
    two,
)

__all__ = ["clock", "start", "state", "two"]  # fixtures

SERVES = Instance("edge-s-1", "m3.1", serves=True)


def test_a_node_that_goes_on_serving_is_waited_for_however_long_its_control_lives(
    two: Two, clock: Clock
) -> None:
    c, d = two
    d.grant(SERVES, 0)
    seq = invalidated(c, d)
    for _ in range(10):
        clock.now += 1.0
        d.beat()
        c.beat()
    assert c.group.waiting_for(seq) == ["control d"]
    d.barrier.acknowledge(SERVES, seq, 0)
    d.beat()
    c.group.look()
    assert c.group.applied_everywhere(seq)


def test_one_whose_control_has_stopped_is_taken_over(two: Two, clock: Clock) -> None:
    c, d = two
    d.grant(SERVES, 0)
    seq = invalidated(c, d)
    d.beat()
    c.group.look()
    clock.now += ENDS_S
    assert c.group.waiting_for(seq) == ["edge-s-1"]
    c.beat()
    assert c.group.waiting_for(seq) == ["edge-s-1"]
    d.beat()  # it is back: the node is not its own any more
    assert c.group.waiting_for(seq) == ["edge-s-1"]
    assert d.group.waiting_for(seq) == ["control c"]
    c.barrier.acknowledge(SERVES, seq, 0)
    c.beat()
    d.group.look()
    assert c.group.applied_everywhere(seq)
    assert d.group.applied_everywhere(seq)


def test_whoever_takes_one_over_acknowledges_less(two: Two, clock: Clock) -> None:
    """Three controls: what the heir has acknowledged before was without that node."""
    c, d = two
    e = Control("e", c.state, clock)
    e.barrier.remove(BEFORE)
    e.beat()
    d.grant(SERVES, 0)
    seq = invalidated(c, d, e)
    e.beat()
    clock.now += ENDS_S / 2
    e.beat()
    c.beat()
    clock.now += ENDS_S / 2
    e.beat()  # takes it over from d, which has stopped
    c.group.look()
    assert c.group.waiting_for(seq) == ["control e"]


def test_one_that_goes_over_is_never_nobodys(two: Two, clock: Clock) -> None:
    """It is waited for by the new one from before the former one forgets it."""
    c, d = two
    invalidated(c, d)
    d.beat()
    d.grant(SERVES, 1)
    seq = invalidated(c, d)
    c.beat()  # all of its own have acknowledged: there are none
    c.barrier.admit(SERVES, c.group.record(SERVES, seq - 1))
    d.group.look()
    d.beat()
    assert d.group.waiting_for(seq) == ["control c"]
    c.group.look()
    assert c.group.waiting_for(seq) == ["edge-s-1"]
    c.barrier.acknowledge(SERVES, seq, 0)
    assert c.group.is_to_beat
    c.beat()
    d.group.look()
    assert d.group.applied_everywhere(seq)


def test_one_that_comes_serves_nothing_older_than_what_others_have_accepted(two: Two) -> None:
    c, d = two
    seq = invalidated(c)
    d.barrier.admit(SERVES, d.group.record(SERVES, 0))
    d.beat()
    assert d.grant(SERVES, seq - 1) == 0.0
    d.hears(c)
    d.beat()
    assert d.grant(SERVES, seq)


def test_an_operator_removes_it_wherever_it_is(two: Two) -> None:
    c, d = two
    d.grant(SERVES, 0)
    seq = invalidated(c, d)
    assert c.group.remove(SERVES.name) == 1
    d.group.look()
    d.beat()
    c.group.look()
    assert c.group.applied_everywhere(seq)


def test_its_heir_may_follow_another_control(two: Two, clock: Clock) -> None:
    c, d = two
    d.grant(SERVES, 0)
    clock.now += ENDS_S  # it has ended
    d.beat()
    c.beat()
    heir = Instance(SERVES.name, "m3.2", serves=True)
    c.barrier.admit(heir, c.group.record(heir, 0))
    d.group.look()
    d.barrier.forget()
    d.beat()
    seq = invalidated(c, d)
    assert c.group.waiting_for(seq) == ["control d", "edge-s-1"]
    c.barrier.acknowledge(heir, seq, 0)
    d.beat()
    c.group.look()
    assert c.group.applied_everywhere(seq)
