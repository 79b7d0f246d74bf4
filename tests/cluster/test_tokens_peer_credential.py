"""Peer credentials: issued for a while, admitted while in time, bad ones never remembered."""

from __future__ import annotations

import pytest

from edgecache.cluster.tokens import KNOWN_S, RENEW_S, PeerCredentials, Purpose, Tokens
from tests.world.clock import FakeClock

KEY, OTHER = "k" * 32, "o" * 32


def credentials(clock: FakeClock, *keys: str) -> PeerCredentials:
    return PeerCredentials(Tokens(keys or (KEY,), clock), "LHR50", clock)


def test_one_of_ours_is_admitted() -> None:
    clock = FakeClock()
    assert credentials(clock).admits(credentials(clock).issue())


@pytest.mark.parametrize(
    "credential",
    [
        b"",
        b"x",
        b"\xff" * 40,
        b"x" * 10_000,
        PeerCredentials(Tokens((OTHER,), FakeClock()), "LHR50", FakeClock()).issue(),
        Tokens((KEY,), FakeClock()).issue(Purpose.NODE, "LHR50").encode(),
        Tokens((KEY,), FakeClock()).issue(Purpose.OPERATOR, "LHR50").encode(),
    ],
    ids=["none", "no token", "no ASCII", "too long", "another key", "node", "operator"],
)
def test_anything_else_is_not(credential: bytes) -> None:
    ours = credentials(FakeClock())
    assert not ours.admits(credential)
    assert not ours.admits(credential)


def test_the_same_one_is_sent_for_a_while_and_never_one_too_old() -> None:
    clock = FakeClock()
    ours, theirs = credentials(clock), credentials(clock)
    first = ours.issue()
    clock.now += RENEW_S - 1
    assert ours.issue() == first
    clock.now += 1
    assert ours.issue() != first
    assert theirs.admits(first)


def test_one_that_is_out_of_time_is_refused_though_it_was_good() -> None:
    clock = FakeClock()
    ours = credentials(clock)
    old = ours.issue()
    assert ours.admits(old)
    clock.now += 61
    assert not ours.admits(old)
    assert not credentials(clock).admits(old)


def test_it_may_outlive_its_end_by_what_is_remembered_and_no_longer() -> None:
    clock = FakeClock()
    ours = credentials(clock)
    old = ours.issue()
    clock.now += 60
    assert ours.admits(old)
    clock.now += KNOWN_S
    assert not ours.admits(old)


def test_a_new_key_signs_while_the_old_one_is_still_accepted() -> None:
    clock = FakeClock()
    rotated = credentials(clock, KEY, OTHER)
    assert rotated.admits(credentials(clock).issue())
    assert credentials(clock, OTHER).admits(rotated.issue())
    assert not credentials(clock).admits(rotated.issue())
