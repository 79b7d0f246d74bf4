"""The calendar: an entry is told of once, not before its time, and not when it has left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgecache.store.entry import Entry
from edgecache.store.eviction import STEP_S, STEPS, ExpiryWheel
from tests.rules.pieces import answer

YEAR_S = 31_536_000
TIMES = st.lists(st.floats(1, 10_000) | st.floats(1, YEAR_S), max_size=50)


def expiring(at: float) -> Entry:
    made = Entry(b"k", answer(200), b"")
    made.expires_at = at
    return made


@given(TIMES, TIMES, st.sets(st.integers(0, 49)))
def test_all_are_told_of_in_time_and_none_before(
    expiries: list[float], looks: list[float], leave: set[int]
) -> None:
    calendar = ExpiryWheel()
    entries = [expiring(at) for at in expiries]
    for entry in entries:
        calendar.note(entry, 0.0)
    left = {entries[number] for number in leave if number < len(entries)}
    for entry in left:
        calendar.strike(entry)
    told: set[Entry] = set()
    for now in sorted(looks):
        due = calendar.due(now)
        assert all(entry.expires_at <= now for entry in due)
        assert not due & (told | left)
        told |= due
        waiting = [entry for entry in entries if entry not in told | left]
        for entry in waiting:
            assert entry.expires_at + STEP_S + 2 * entry.expires_at / STEPS > now, "told late"
        assert len(calendar) == len(waiting)


def test_a_year_has_few_steps() -> None:
    calendar = ExpiryWheel()
    for at in range(1, YEAR_S, YEAR_S // 20_000):
        calendar.note(expiring(at), 0.0)
    assert len(calendar._entries) < 500
