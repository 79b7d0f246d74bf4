"""Settings of plays: each pair of memo, tiers and wire is played; a wire brings every byte."""

from __future__ import annotations

from itertools import product

import pytest

from tests.world.wire import Setting, Wire, cut, settings_of

PLAYS = [f"test_something::test_{number}" for number in range(40)]


def test_settings_are_the_same_in_each_run() -> None:
    assert settings_of("test_a::test_b", tiers=True) == settings_of("test_a::test_b", tiers=True)
    assert len({settings_of(play, tiers=True) for play in PLAYS}) > 20


@pytest.mark.parametrize("tiers", [True, False])
def test_each_pair_is_played(tiers: bool) -> None:
    settings: list[Setting] = [one for play in PLAYS for one in settings_of(play, tiers=tiers)]
    assert {(one.memo, one.wire) for one in settings} == set(product((True, False), Wire))
    counts = (1, 2) if tiers else (None,)
    assert {(one.tiers, one.wire) for one in settings} == set(product(counts, Wire))
    for play in PLAYS:
        own = settings_of(play, tiers=tiers)
        assert {(one.memo, one.tiers) for one in own} == set(product((True, False), counts))
        assert len({one.wire for one in own}) == len(own)


def test_a_wire_may_have_no_part_in_it() -> None:
    wires = {one.wire for play in PLAYS for one in settings_of(play, tiers=True, late=False)}
    assert wires == set(Wire) - {Wire.LATE}


@pytest.mark.parametrize("wire", list(Wire))
@pytest.mark.parametrize("data", [b"", b"1", b"123", b"0123456789" * 100])
def test_what_is_cut_is_whole(wire: Wire, data: bytes) -> None:
    *pieces, end = cut(wire, data)
    assert (b"".join(pieces), end) == (data, b"")
    assert all(pieces)
    if wire is Wire.BYTES and len(data) == 3:
        assert pieces == [b"1", b"2", b"3"]
