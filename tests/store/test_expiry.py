"""The calendar: a key is told of once, and not before its time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgecache.store.expiry import STEP_S, Calendar

TIMES = st.lists(st.floats(1, 10_000), max_size=50)


@given(TIMES, TIMES)
def test_all_are_told_of_in_time_and_none_before(expiries: list[float], looks: list[float]) -> None:
    calendar = Calendar()
    for number, expires_at in enumerate(expiries):
        calendar.note(b"%d" % number, expires_at)
    told: list[bytes] = []
    for now in sorted(looks):
        due = calendar.due(now)
        assert all(expiries[int(key)] <= now for key in due)
        told += due
        late = [at for number, at in enumerate(expiries) if b"%d" % number not in told]
        assert all(at > now - STEP_S for at in late)
        assert len(calendar) == len(late)
    assert len(told) == len(set(told))


def test_what_has_left_is_struck_out_when_it_is_most() -> None:
    calendar = Calendar()
    for _ in range(2_000):
        calendar.note(b"a", 100.0)
    assert calendar.is_overgrown(1)
    calendar.rebuild([(b"a", 100.0)])
    assert not calendar.is_overgrown(1)
    assert calendar.due(100.0 + STEP_S) == [b"a"]
