"""Leases and acknowledgements: when everybody who may serve has heard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.cluster.lease import LEASE_S, Instance
from edgecache.control.nodes import barrier as barrier_module
from edgecache.control.nodes.barrier import DRIFT_S, Barrier
from edgecache.control.state.database import StateDatabase
from edgecache.control.state.migrations import BEFORE
from edgecache.control.state.sqlite import SqliteDatabase
from tests.control.conftest import Opener

A, B = Instance("edge-a", "1"), Instance("edge-b", "1")
SERVES = Instance("edge-s", "1", serves=True)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(opened: Opener) -> Iterator[StateDatabase]:
    state = opened()
    yield state
    state.close()


@pytest.fixture
def barrier(state: StateDatabase, clock: Clock) -> Barrier:
    """One to which no other was before."""
    barrier = Barrier(state, clock)
    barrier.remove(BEFORE)
    return barrier


def serving(barrier: Barrier, node: Instance, seq: int) -> None:
    """A node that goes on serving without a lease comes to be known."""
    barrier.record(node)
    barrier.admit(node, seq)
    barrier.grant(node, seq)


def test_a_new_database_waits_for_whoever_it_has_forgotten(tmp_path: Path, clock: Clock) -> None:
    """Nodes that followed a log that was lost may still have its lease."""
    state = SqliteDatabase(tmp_path / "new")
    barrier = Barrier(state, clock)
    assert barrier.waiting_for(1) == [BEFORE]
    clock.now += LEASE_S + DRIFT_S
    assert barrier.applied_everywhere(1)
    assert barrier.waiting_for(1) == []
    state.close()


def test_nobody_stands_in_the_way_where_nobody_is(barrier: Barrier) -> None:
    assert barrier.applied_everywhere(9)
    assert barrier.low() == 0


def test_all_must_acknowledge(barrier: Barrier) -> None:
    for node in (A, B):
        barrier.grant(node, 4)
    assert barrier.applied_everywhere(4)
    assert barrier.waiting_for(5) == ["edge-a", "edge-b"]
    barrier.acknowledge(A, 5, 0)
    assert barrier.waiting_for(5) == ["edge-b"]
    barrier.acknowledge(B, 6, 0)
    assert barrier.applied_everywhere(5)
    assert barrier.waiting_for(6) == ["edge-a"]


def test_or_their_lease_must_have_run_out(barrier: Barrier, clock: Clock) -> None:
    barrier.grant(A, 4)
    clock.now += LEASE_S
    assert not barrier.applied_everywhere(5)  # clocks may differ a little
    clock.now += DRIFT_S
    assert barrier.applied_everywhere(5)


def test_what_is_left_of_a_lease_is_told(barrier: Barrier, clock: Clock) -> None:
    barrier.grant(A, 0)
    clock.now += 1
    barrier.grant(A, 1)
    serving(barrier, SERVES, 1)
    clock.now += 1
    for node in (A, SERVES):
        assert barrier.lease_s(node.name, node.instance) == pytest.approx(LEASE_S + DRIFT_S - 1)
    assert barrier.lease_s(B.name, B.instance) == 0
    clock.now += LEASE_S
    assert barrier.lease_s(A.name, A.instance) == 0


def test_a_lease_given_before_counts_until_it_ends(barrier: Barrier, clock: Clock) -> None:
    """The answer with the entry is on its way; the node may still serve by the former one."""
    barrier.grant(A, 4)
    clock.now += 1
    barrier.grant(A, 5)
    assert not barrier.applied_everywhere(5)
    clock.now += LEASE_S + DRIFT_S - 1
    assert barrier.applied_everywhere(5)  # by the new one it serves only what 5 permits
    assert not barrier.applied_everywhere(6)


def test_who_comes_later_starts_with_all_there_is(barrier: Barrier) -> None:
    barrier.acknowledge(B, 0, 0)
    barrier.grant(B, 7)
    assert barrier.applied_everywhere(7)


def test_another_run_of_a_node_is_another(barrier: Barrier, clock: Clock) -> None:
    barrier.grant(A, 4)
    heir = Instance("edge-a", "2")
    barrier.acknowledge(heir, 5, 0)
    barrier.grant(heir, 5)
    assert barrier.waiting_for(5) == ["edge-a"]  # its former run may still be there
    clock.now += LEASE_S + DRIFT_S
    assert barrier.applied_everywhere(5)


def test_who_goes_on_serving_is_waited_for(barrier: Barrier, clock: Clock) -> None:
    serving(barrier, SERVES, 4)
    clock.now += 1_000
    assert barrier.waiting_for(5) == ["edge-s"]
    barrier.grant(SERVES, 5)  # back, and told; not yet applied
    clock.now += 1_000
    assert barrier.waiting_for(5) == ["edge-s"]
    barrier.acknowledge(SERVES, 5, 0)
    assert barrier.applied_everywhere(5)


@pytest.mark.parametrize("how", ["left", "removed", "replaced"])
def test_until_it_is_gone(barrier: Barrier, clock: Clock, how: str) -> None:
    serving(barrier, SERVES, 4)
    clock.now += LEASE_S + DRIFT_S
    if how == "left":
        barrier.remove_instance(SERVES)
    elif how == "removed":
        assert barrier.remove("edge-s") == 1
    else:
        serving(barrier, Instance("edge-s", "2", serves=True), 5)
    assert barrier.applied_everywhere(5)


def test_a_twin_on_another_machine_replaces_nobody(barrier: Barrier, clock: Clock) -> None:
    """It serves under the same name, and the other goes on serving what it has."""
    one = Instance("edge-s", "vm1.aa", serves=True)
    serving(barrier, one, 4)
    clock.now += LEASE_S + DRIFT_S
    serving(barrier, Instance("edge-s", "vm2.bb", serves=True), 5)
    assert barrier.waiting_for(5) == ["edge-s"]
    assert barrier.remove("edge-s", "vm1.aa") == 1
    assert barrier.applied_everywhere(5)


def test_leases_outlive_control(tmp_path: Path, clock: Clock) -> None:
    """By time: whoever has one is not written down, so that none waits for a disk."""
    state = SqliteDatabase(tmp_path)
    first = Barrier(state, clock)
    state.execute("PRAGMA query_only = ON")
    first.grant(A, 4)
    state.execute("PRAGMA query_only = OFF")
    barrier = Barrier(state, clock)
    assert barrier.waiting_for(1) == [BEFORE]
    clock.now += LEASE_S
    assert barrier.waiting_for(1) == [BEFORE]
    clock.now += DRIFT_S
    assert barrier.applied_everywhere(9)
    state.close()


def test_who_serves_without_one_is_written_down_before_its_first(
    state: StateDatabase, clock: Clock
) -> None:
    first = Barrier(state, clock)
    assert first.is_recorded(A)
    assert not first.is_recorded(SERVES)
    serving(first, SERVES, 4)
    barrier = Barrier(state, clock)
    clock.now += LEASE_S + DRIFT_S
    assert barrier.waiting_for(4) == ["edge-s"]
    barrier.acknowledge(SERVES, 4, 0)
    assert barrier.applied_everywhere(4)


def test_what_is_gone_is_not_kept_over_a_restart(state: StateDatabase, clock: Clock) -> None:
    first, again = Barrier(state, clock), Instance("edge-s", "2", serves=True)
    serving(first, SERVES, 4)
    serving(first, again, 4)
    first.remove_instance(SERVES)
    assert first.forgets
    first.forget()
    assert not first.forgets
    first.remove_instance(again)
    serving(first, again, 4)  # removed too early: it asked again before that was written
    first.forget()
    clock.now += LEASE_S + DRIFT_S
    barrier = Barrier(state, clock)
    clock.now += LEASE_S + DRIFT_S
    assert barrier.waiting_for(9) == ["edge-s"]
    barrier.acknowledge(SERVES, 9, 0)
    assert barrier.waiting_for(9) == ["edge-s"]
    barrier.acknowledge(again, 9, 0)
    assert barrier.applied_everywhere(9)


def test_the_lowest_of_those_with_a_lease_counts(barrier: Barrier, clock: Clock) -> None:
    barrier.grant(A, 9)
    clock.now += 1
    barrier.grant(B, 9)
    barrier.acknowledge(A, 9, 3)
    assert barrier.low() == 0
    barrier.acknowledge(B, 9, 5)
    assert barrier.low() == 3
    clock.now += LEASE_S + DRIFT_S - 0.5
    assert barrier.low() == 5


def test_who_waits_is_told_at_once(barrier: Barrier) -> None:
    async def play() -> bool:
        barrier.grant(A, 4)
        waiting = asyncio.create_task(barrier.wait(5, 3_600))
        await asyncio.get_running_loop().run_in_executor(None, bool)
        barrier.acknowledge(A, 5, 0)
        return await asyncio.wait_for(waiting, 30)

    assert asyncio.run(play())


def test_and_who_has_waited_long_enough_is_told_so(barrier: Barrier) -> None:
    barrier.grant(A, 4)
    assert not asyncio.run(barrier.wait(5, 0))


def test_a_thousand_nodes_are_looked_through_once_a_second_and_not_at_each_grant(
    state: StateDatabase, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    expired = barrier_module._Known.expired

    def counted(known: barrier_module._Known, now: float) -> bool:
        nonlocal looks
        looks += 1
        return expired(known, now)

    barrier = Barrier(state, clock)
    nodes = [Instance(f"edge-{number}", "1") for number in range(100)]
    for node in nodes:
        barrier.grant(node, 1)
    monkeypatch.setattr(barrier_module._Known, "expired", counted)
    for _ in range(3):
        clock.now += 1
        for node in nodes[1:]:
            barrier.grant(node, 1)
    assert looks < 3 * 3 * len(nodes)
    clock.now += LEASE_S + DRIFT_S - 2
    barrier.grant(nodes[1], 1)
    assert nodes[0] not in barrier._known  # it was silent for as long as its lease


def test_one_that_serves_on_is_forgotten_with_its_successor_which_does_not(
    state: StateDatabase, clock: Clock
) -> None:
    """Its successor comes while its lease lasts, and asks again each second."""
    barrier = Barrier(state, clock)
    former, heir = Instance("edge-s", "vm.1", serves=True), Instance("edge-s", "vm.2")
    barrier.admit(former, barrier.record(former))
    barrier.grant(former, 1)
    for _ in range(5):
        clock.now += 1
        barrier.grant(heir, 1)
    assert former not in barrier._known
    assert barrier.forgets


def test_a_node_has_a_lease_once_it_asks_again(barrier: Barrier, clock: Clock) -> None:
    barrier.grant(A, 4, clock())
    assert barrier.leased() == frozenset()  # the answer may be on its way
    barrier.acknowledge(A, 4, 0)
    assert barrier.leased() == {A}
    assert barrier.leased(LEASE_S) == frozenset()
    clock.now += LEASE_S
    assert barrier.leased() == frozenset()


def test_a_clock_that_moves_ahead_ends_leases(barrier: Barrier, clock: Clock) -> None:
    barrier.grant(A, 4, clock())
    barrier.acknowledge(A, 4, 0)
    clock.now += 60
    barrier.clock_moved()
    assert barrier.leased() == frozenset()
    assert barrier.applied_everywhere(5)
    barrier.grant(A, 5, clock())
    barrier.acknowledge(A, 5, 0)
    assert barrier.leased() == {A}


def test_a_clock_that_is_set_back_leaves_no_lease_of_the_former_time(
    barrier: Barrier, clock: Clock
) -> None:
    clock.now += 3_600
    barrier.grant(A, 4, clock())
    barrier.acknowledge(A, 4, 0)
    clock.now -= 3_600
    barrier.clock_moved()
    assert barrier.leased() == frozenset()
    assert barrier.waiting_for(5) == ["edge-a"]  # though nobody has one: it is not known by whom
    clock.now += LEASE_S + DRIFT_S
    assert barrier.applied_everywhere(5)
