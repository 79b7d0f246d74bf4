"""Several controls on one database: nested leases, and when every node of all has applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from edgecache.cluster.lease import LEASE_S, Instance
from edgecache.control.nodes.barrier import DRIFT_S, Barrier
from edgecache.control.nodes.control_group import ControlGroup, ControlIdentity
from edgecache.control.state.database import StateDatabase
from edgecache.control.state.log import ControlLog
from edgecache.control.state.migrations import BEFORE
from tests.control.conftest import Opener

ENDS_S = LEASE_S + DRIFT_S
EDGE, OTHER_EDGE = Instance("edge-a-1", "m1.1"), Instance("edge-b-1", "m2.1")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Control:
    """One run of a control on a database that it shares; what it hears of an entry is up to us."""

    def __init__(self, name: str, state: StateDatabase, clock: Clock, run: str = "1") -> None:
        self.state = state
        self.me = ControlIdentity(name, f"{name}.{run}", f"{name}:8090")
        self.log = ControlLog(state, clock)
        self.barrier = Barrier(state, clock, self.me.instance)
        self.group = ControlGroup(self.me, state, self.barrier, self.log)

    def beat(self) -> None:
        with self.state.writing():
            self.group.beat()

    def grant(self, node: Instance, seq: int) -> float:
        if not self.barrier.is_recorded(node):
            self.barrier.admit(node, self.group.record(node, 0))
        return self.barrier.grant(node, seq)

    def hears(self, other: Control) -> None:
        """Learn of what another one has appended."""
        newest = other.log.live.after(self.log.live.last_seq)
        for entry in newest.entries:
            self.log.live.append(entry, 1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(opened: Opener) -> Iterator[StateDatabase]:
    with closing(opened()) as state:
        yield state


@pytest.fixture
def start(state: StateDatabase, clock: Clock) -> Callable[..., Control]:
    """Start a control, which has waited out all that was before it."""

    def started(name: str, run: str = "1") -> Control:
        control = Control(name, state, clock, run)
        control.barrier.remove(BEFORE)
        control.beat()
        return control

    return started


@pytest.fixture
def two(start: Callable[..., Control]) -> tuple[Control, Control]:
    c, d = start("c"), start("d")
    c.beat()  # and knows d
    return c, d


Two = tuple[Control, Control]


def invalidated(control: Control, *others: Control) -> int:
    seq = control.log.append("invalidation", {})
    for other in others:
        other.hears(control)
    control.group.look()
    return seq


def test_every_control_must_have_acknowledged(two: Two) -> None:
    c, d = two
    assert c.grant(EDGE, 0)
    assert d.grant(OTHER_EDGE, 0)
    seq = invalidated(c, d)
    assert c.group.waiting_for(seq) == ["control d", "edge-a-1"]
    c.barrier.acknowledge(EDGE, seq, 0)
    assert c.group.waiting_for(seq) == ["control d"]
    d.beat()
    c.group.look()
    assert not c.group.applied_everywhere(seq)  # it has heard of it, and its node has not
    d.barrier.acknowledge(OTHER_EDGE, seq, 0)
    assert d.group.is_to_beat
    d.beat()
    assert not d.group.is_to_beat
    assert not c.group.applied_everywhere(seq)
    c.group.look()
    assert c.group.applied_everywhere(seq)
    assert not d.group.applied_everywhere(seq)  # c has not told yet
    c.beat()
    d.group.look()
    assert d.group.applied_everywhere(seq)


def test_or_its_leases_must_have_run_out(two: Two, clock: Clock) -> None:
    """A control that has stopped is waited for as long as a node is, and no longer."""
    c, d = two
    clock.now += 0.9
    assert d.grant(OTHER_EDGE, 0)
    clock.now += 0.05
    seq = invalidated(c)
    clock.now += ENDS_S - 0.001
    c.beat()
    assert c.group.waiting_for(seq) == ["control d"] or c.group.applied_everywhere(seq)
    clock.now += 0.002
    assert c.group.applied_everywhere(seq)


def test_a_control_that_lives_and_whose_node_hangs_is_waited_for_no_longer(
    two: Two, clock: Clock
) -> None:
    """Its beats go on; leases granted before the entry end all the same."""
    c, d = two
    assert d.grant(OTHER_EDGE, 0)
    seq = invalidated(c, d)
    asked = clock.now
    while clock.now < asked + ENDS_S:
        d.beat()
        c.beat()
        assert not c.group.applied_everywhere(seq), clock.now - asked
        clock.now += 0.5
    clock.now = asked + ENDS_S + 0.001
    assert c.group.applied_everywhere(seq)


def test_a_control_that_was_not_heard_of_for_long_keeps_nobody_waiting(
    two: Two, clock: Clock
) -> None:
    c, d = two
    clock.now += ENDS_S
    c.beat()
    seq = invalidated(c)
    assert c.group.applied_everywhere(seq)
    rows = [name for (name,) in c.state.execute("SELECT name FROM controls")]
    assert rows == ["c"]  # and is forgotten
    d.beat()
    assert len(c.state.execute("SELECT name FROM controls").fetchall()) == 2  # it is back


def test_beats_that_were_not_seen_are_of_what_had_seen_the_entry(two: Two, clock: Clock) -> None:
    """What was read of the others before an entry says nothing about it."""
    c, d = two
    clock.now += ENDS_S - 0.5
    d.beat()  # c does not know
    assert d.grant(OTHER_EDGE, 0)
    clock.now += 0.6
    seq = c.log.append("invalidation", {})
    assert not c.group.applied_everywhere(seq)
    c.group.look()
    assert c.group.waiting_for(seq) == ["control d"]


def test_no_lease_ends_later_than_the_controls_own(two: Two, clock: Clock) -> None:
    c, _ = two
    began = clock.now
    clock.now += 0.75
    assert c.grant(EDGE, 0) == pytest.approx(LEASE_S - 0.75)
    assert c.barrier.grant(EDGE, 0, asked_at=clock.now - 0.5) == pytest.approx(LEASE_S - 0.25)
    clock.now = began + LEASE_S
    assert c.grant(EDGE, 0) == 0.0  # it has none itself
    c.beat()
    assert c.grant(EDGE, 0) == LEASE_S


def test_no_lease_is_longer_than_clocks_are_compared_for(two: Two, clock: Clock) -> None:
    """Who waited a second for the answer counts from before it: as long, and no longer."""
    c, _ = two
    assert c.barrier.grant(EDGE, 0, asked_at=clock.now - 1.0) == LEASE_S


def test_a_lease_is_granted_with_all_that_was_there_at_the_last_beat(
    two: Two, clock: Clock
) -> None:
    """A control that has not heard of an entry yet grants by the beat before it, or not at all."""
    c, d = two
    clock.now += 1.0
    seq = invalidated(c)
    d.beat()  # it saw the number
    assert d.grant(EDGE, seq - 1) == pytest.approx(LEASE_S - 1.0)
    clock.now += LEASE_S - 1.0
    d.beat()
    assert d.grant(EDGE, seq - 1) == 0.0
    d.hears(c)
    assert d.grant(EDGE, seq) == LEASE_S


def test_a_control_that_starts_waits_out_what_rows_say(
    start: Callable[..., Control], clock: Clock
) -> None:
    """And what it granted itself, when it ran before."""
    former = start("c")
    assert former.grant(EDGE, 0)
    heir = start("c", "2")
    seq = invalidated(heir)
    assert heir.group.waiting_for(seq) == ["control c"]
    clock.now += ENDS_S
    heir.beat()
    assert heir.group.applied_everywhere(seq)


def test_who_changes_to_another_control_is_waited_out_by_the_former_one(
    two: Two, clock: Clock
) -> None:
    c, d = two
    assert d.grant(EDGE, 0)
    assert c.grant(EDGE, 0)
    seq = invalidated(c, d)
    c.barrier.acknowledge(EDGE, seq, 0)
    d.beat()
    c.group.look()
    assert c.group.waiting_for(seq) == ["control d"]
    d.barrier.remove_instance(EDGE)  # unless it says there that it has
    d.beat()
    c.group.look()
    assert c.group.applied_everywhere(seq)


def test_what_is_waited_for_is_told_when_another_control_says_it(two: Two) -> None:
    c, d = two
    assert d.grant(OTHER_EDGE, 0)
    seq = invalidated(c, d)

    def acknowledged() -> None:
        d.barrier.acknowledge(OTHER_EDGE, seq, 0)
        d.beat()
        c.group.look()

    async def waited() -> bool:
        asyncio.get_running_loop().call_soon(acknowledged)
        return await c.group.wait(seq, 10.0)

    assert asyncio.run(waited())


def test_a_node_of_a_former_release_is_answered_after_the_next_beat(two: Two, clock: Clock) -> None:
    c, _ = two
    clock.now += 0.5
    assert not c.group.has_beaten_since(clock.now)
    c.beat()
    assert c.group.has_beaten_since(clock.now)


def test_invalidations_are_told_until_no_node_of_any_control_needs_them(two: Two) -> None:
    c, d = two
    c.grant(EDGE, 0), d.grant(OTHER_EDGE, 0)
    seq = invalidated(c, d)
    c.barrier.acknowledge(EDGE, seq, seq)
    d.barrier.acknowledge(OTHER_EDGE, seq, 0)
    d.beat()
    c.group.look()
    assert c.group.low() == 0
    d.barrier.acknowledge(OTHER_EDGE, seq, seq)
    d.beat()
    c.group.look()
    assert c.group.low() == seq
