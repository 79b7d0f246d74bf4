"""The order in which residents leave: against a list, whatever comes, and in its promised shape."""

from __future__ import annotations

from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edgecache.store.eviction import (
    LEAVING_FIRST,
    REPRIEVES_MAX,
    TRIAL_SHARE,
    Eviction,
    EvictionReason,
    EvictionRefused,
    Victims,
)
from edgecache.store.s3fifo_queues import Resident

BUDGET = 100_000
SIZES = st.integers(1, 200) | st.integers(1, BUDGET // 3) | st.integers(BUDGET, BUDGET + 1)
WHICH = st.integers(0, 1_000)


class Model(RuleBasedStateMachine):
    """A policy beside the list of who should be here. It names victims; we let them go."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = Eviction[Resident](BUDGET)
        self.here: list[Resident] = []
        self.first: list[Resident] = []

    @rule(name=st.integers(0, 60), size=SIZES)
    def admit(self, name: int, size: int) -> None:
        key = b"%d" % name
        if any(each.key == key for each in self.here):
            return
        taken = self.policy.size_bytes
        new = Resident(key=key, size_bytes=size)
        concluded = self.policy.admit(new)
        if isinstance(concluded, EvictionRefused):
            tight = taken + size > BUDGET
            assert size > BUDGET if concluded is EvictionRefused.TOO_BIG else tight
            return
        self.take_in(new, taken, concluded)

    @rule(which=WHICH, size=SIZES)
    def replace(self, which: int, size: int) -> None:
        old = self.one_of(which)
        if old is None:
            return
        uses, taken = old.uses, self.policy.size_bytes - old.size_bytes
        new = Resident(key=old.key, size_bytes=size)
        concluded = self.policy.replace(old, new)
        self.goes(old)
        if isinstance(concluded, EvictionRefused):
            assert size > BUDGET
            return
        assert new.uses == uses + 1
        self.take_in(new, taken, concluded)

    def take_in(self, new: Resident, taken: int, victims: Victims[Resident]) -> None:
        assert not victims or taken + new.size_bytes > BUDGET, "room was made without need"
        for victim, why in victims:
            assert (why in LEAVING_FIRST) is (victim in self.first)
            assert victim in self.first or not self.first, "others had to leave first"
            self.goes(victim)
        self.here.append(new)

    @rule(which=WHICH, uses=st.integers(1, 5))
    def use(self, which: int, uses: int) -> None:
        found = self.one_of(which)
        if found is not None:
            found.uses += uses

    @rule(which=WHICH)
    def forget(self, which: int) -> None:
        found = self.one_of(which)
        if found is not None:
            self.policy.forget(found)
            self.goes(found)

    @rule(which=WHICH, why=st.sampled_from(LEAVING_FIRST))
    def leave_first(self, which: int, why: EvictionReason) -> None:
        found = self.one_of(which)
        if found is not None:
            self.policy.first(found, why)
            assert self.policy.leaves_first(found)
            if found not in self.first:
                self.first.append(found)

    @rule(which=WHICH, why=st.sampled_from(LEAVING_FIRST))
    def recall(self, which: int, why: EvictionReason) -> None:
        found = self.one_of(which)
        if found is not None and self.policy.recall(found, why):
            assert not self.policy.leaves_first(found)
            self.first.remove(found)

    def one_of(self, which: int) -> Resident | None:
        return self.here[which % len(self.here)] if self.here else None

    def goes(self, resident: Resident) -> None:
        self.here.remove(resident)
        if resident in self.first:
            self.first.remove(resident)

    @invariant()
    def it_knows_who_is_here(self) -> None:
        self.policy.check()
        assert {id(each) for each in self.policy} == {id(each) for each in self.here}
        assert self.policy.size_bytes == sum(each.size_bytes for each in self.here) <= BUDGET


Model.TestCase.settings = settings(deadline=None, max_examples=80, stateful_step_count=50)
TestModel = Model.TestCase


def filled(size: int, *, uses: int = 0) -> tuple[Eviction[Resident], list[Resident]]:
    """A policy full of residents of one size, the oldest first."""
    policy = Eviction[Resident](BUDGET)
    made = [Resident(key=b"%d" % number, size_bytes=size) for number in range(BUDGET // size)]
    for each in made:
        assert policy.admit(each) == []
        each.uses = uses
    return policy, made


def test_a_second_coming_is_no_trial() -> None:
    policy, made = filled(1_000)
    assert policy.admit(Resident(key=b"new", size_bytes=1_000)) == [(made[0], EvictionReason.SIZE)]
    again = Resident(key=b"0", size_bytes=1_000)
    assert policy.admit(again) == [(made[1], EvictionReason.SIZE)]
    for number in range(2 * len(made)):
        victims = policy.admit(Resident(key=b"once-%d" % number, size_bytes=1_000))
        assert not isinstance(victims, EvictionRefused)
        assert again not in [victim for victim, _ in victims]


def test_what_is_big_is_tried_only_where_there_is_room() -> None:
    policy, _ = filled(1_000)
    big = int(BUDGET * TRIAL_SHARE) + 1
    assert policy.admit(Resident(key=b"big", size_bytes=big)) is EvictionRefused.UNPROVEN
    slot = len(policy._ghosts) - 1  # ghosts that share one forget each other
    other = next(name for n in count() if (hash(name := b"%d" % n) ^ hash(b"big")) & slot)
    assert policy.admit(Resident(key=other, size_bytes=big)) is EvictionRefused.UNPROVEN
    victims = policy.admit(Resident(key=b"big", size_bytes=big))
    assert not isinstance(victims, EvictionRefused)
    assert sum(victim.size_bytes for victim, _ in victims) >= big


def test_the_small_outstay_the_big() -> None:
    policy = Eviction[Resident](BUDGET)
    small = [Resident(key=b"small-%d" % number, size_bytes=100) for number in range(20)]
    for each in small:
        policy.admit(each)
    for number in range(3 * BUDGET // 4_000):
        policy.admit(Resident(key=b"big-%d" % number, size_bytes=4_000))
    assert all(each in set(policy) for each in small)


def test_who_has_credit_loses_some_each_time() -> None:
    policy, made = filled(1_000, uses=2)
    for number in range(20):
        policy.admit(Resident(key=b"new-%d" % number, size_bytes=1_000))
        made[-1].uses += 1
    assert made[-1] in set(policy)


def test_the_search_for_a_victim_is_bounded_though_all_were_used() -> None:
    policy, made = filled(10, uses=9)
    assert len(made) > 100 * REPRIEVES_MAX
    victims = policy.admit(Resident(key=b"new", size_bytes=10))
    assert victims == [(made[REPRIEVES_MAX], EvictionReason.SIZE)] or len(victims) == 1
    looked_at = [each for each in made if each._seen]
    assert len(looked_at) <= 2 * REPRIEVES_MAX
