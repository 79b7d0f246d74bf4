"""Session tickets: what opens them, and of which hellos early data is taken."""

from __future__ import annotations

import os

import pytest

from edgecache.server.http3.session_tickets import (
    AGE_ERROR_S_MAX,
    HELLOS_MAX,
    LIFETIME_S,
    SessionTickets,
    TicketFacts,
)

SECRET = bytes(32)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tickets(clock: Clock, secret: bytes = SECRET, context: bytes = b"terms") -> SessionTickets:
    return SessionTickets(secret, context, clock, os.urandom)


def facts(made: SessionTickets, name: str = "site.test") -> TicketFacts:
    return TicketFacts(0x1301, made.age_added(), made.now_ms, b"s" * 32, name)


def test_another_process_of_the_location_opens_it(clock: Clock) -> None:
    made = tickets(clock)
    given = facts(made)
    sealed = made.seal(given)
    assert tickets(clock).open(sealed, "site.test") == given
    assert given.secret not in sealed
    assert b"site.test" not in sealed


@pytest.mark.parametrize("other", [{"secret": b"x" * 32}, {"context": b"smaller windows"}])
def test_who_has_another_secret_or_other_terms_does_not(
    clock: Clock, other: dict[str, bytes]
) -> None:
    made = tickets(clock)
    assert tickets(clock, **other).open(made.seal(facts(made)), "site.test") is None


def test_it_counts_for_its_name_alone(clock: Clock) -> None:
    made = tickets(clock)
    assert made.open(made.seal(facts(made)), "other.test") is None


def test_it_counts_for_an_hour(clock: Clock) -> None:
    made = tickets(clock)
    sealed = made.seal(facts(made))
    clock.now += LIFETIME_S
    assert made.open(sealed, "site.test") is not None
    clock.now += 1
    assert made.open(sealed, "site.test") is None


def test_what_was_changed_at_any_place_is_none(clock: Clock) -> None:
    made = tickets(clock)
    sealed = made.seal(facts(made))
    for at in range(len(sealed)):
        forged = sealed[:at] + bytes((sealed[at] ^ 1,)) + sealed[at + 1 :]
        assert made.open(forged, "site.test") is None
    for size in range(len(sealed)):
        assert made.open(sealed[:size], "site.test") is None


def told_age(given: TicketFacts, age_s: float) -> int:
    """What a viewer says of its ticket's age (RFC 8446 §4.2.11)."""
    return (int(age_s * 1_000) + given.age_added) % (1 << 32)


@pytest.mark.parametrize(
    ("off_s", "taken"),
    [
        (0.0, True), (AGE_ERROR_S_MAX - 0.5, True), (0.5 - AGE_ERROR_S_MAX, True),
        (AGE_ERROR_S_MAX + 0.5, False), (-AGE_ERROR_S_MAX - 0.5, False),
    ],
)  # fmt: skip
def test_the_age_must_agree(clock: Clock, off_s: float, taken: bool) -> None:
    made = tickets(clock)
    given = facts(made)
    clock.now += 100
    assert made.admits_early(given, told_age(given, 100 + off_s), b"binder") is taken


def test_a_hello_counts_once_for_as_long_as_its_age_would_do(clock: Clock) -> None:
    """RFC 8446 §8.2, §8.3: the two together let none pass twice."""
    made = tickets(clock)
    given = facts(made)
    clock.now += 100
    age = told_age(given, 100 + AGE_ERROR_S_MAX - 0.1)  # it may come for almost twenty seconds
    assert made.admits_early(given, age, b"binder")
    for _ in range(30):
        clock.now += 1
        assert not made.admits_early(given, age, b"binder")
    assert tickets(clock).admits_early(given, told_age(given, 130), b"binder")  # another process


def test_where_no_more_can_be_remembered_none_is_taken(clock: Clock) -> None:
    made = tickets(clock)
    given = facts(made)
    for number in range(HELLOS_MAX):
        assert made.admits_early(given, told_age(given, 0), b"%d" % number)
    assert not made.admits_early(given, told_age(given, 0), b"one more")
    clock.now += 2 * AGE_ERROR_S_MAX + 1
    assert made.admits_early(given, told_age(given, 21), b"one more")
    assert len(made._hellos) == 1
