"""Steps: what is told of sums, and what of a record on a disk is none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.control.dashboard.traffic_step import (
    ABOVE_S,
    BUCKETS,
    HIT_BYTES,
    HIT_TIMES,
    HITS,
    MEASURES,
    MISS_BYTES,
    MISS_TIMES,
    MISSES,
    NUMBERS,
    OTHERS,
    RECORD_BYTES,
    SUMS,
    counts_by_bound,
    decode_step,
    empty_step,
    encode_step,
    quantile_of,
    rates,
    ratios,
    sum_of,
)
from edgecache.observe.histogram import SECONDS, Histogram

sums = st.lists(st.integers(0, 2**60), min_size=SUMS, max_size=SUMS)
times = st.lists(st.integers(0, 2**32 - 1), min_size=NUMBERS - SUMS, max_size=NUMBERS - SUMS)
steps = st.builds(list.__add__, sums, times)


@settings(max_examples=25)
@given(st.integers(1, 2**32 - 1), steps)
def test_a_record_gives_what_was_written(began_at: int, step: list[int]) -> None:
    record = encode_step(began_at, step)
    assert len(record) == RECORD_BYTES
    assert decode_step(record) == (began_at, tuple(step))


def test_a_record_that_was_half_written_is_none() -> None:
    old, new = encode_step(600, [1] * NUMBERS), encode_step(1_200, [2] * NUMBERS)
    for cut in range(1, RECORD_BYTES - 3):  # the last three bytes are alike
        assert decode_step(new[:cut] + old[cut:]) is None
    assert decode_step(bytes(RECORD_BYTES)) is None
    assert decode_step(b"") is None


def test_a_count_too_large_for_its_place_stays_the_largest() -> None:
    step = [0] * (NUMBERS - 1) + [2**40]
    decoded = decode_step(encode_step(600, step))
    assert decoded is not None
    assert decoded[1][-1] == 2**32 - 1


@settings(max_examples=25)
@given(st.lists(steps, max_size=4))
def test_sums_add_up(many: list[list[int]]) -> None:
    total = sum_of(many)
    assert total == [sum(one[place] for one in many) for place in range(NUMBERS)]


def test_ratios_are_of_hits_and_misses_alone() -> None:
    step = empty_step()
    assert set(ratios(step).values()) == {None}
    step[HITS], step[MISSES], step[OTHERS] = 3, 1, 100
    step[HIT_BYTES], step[MISS_BYTES] = 100, 300
    told = ratios(step)
    assert (told["hit_ratio"], told["byte_hit_ratio"]) == (0.75, 0.25)
    assert rates(step, 2)["requests_s"] == 52.0
    assert {*MEASURES} == {*told, *rates(step, 2)}


def test_quantiles_are_upper_bounds() -> None:
    step = empty_step()
    step[HIT_TIMES], step[HIT_TIMES + 1] = 99, 1
    step[MISS_TIMES + BUCKETS - 1] = 1
    told = ratios(step)
    assert (told["hit_p50_s"], told["hit_p99_s"]) == (0.0005, 0.0005)
    assert told["miss_p50_s"] == ABOVE_S
    assert quantile_of([98, 2] + [0] * (BUCKETS - 2), 0.99) == 0.001


def test_durations_of_another_release_go_under_our_bounds() -> None:
    ours, other = Histogram(), Histogram((0.002, 1.0))
    assert counts_by_bound(ours.snapshot()) == [0] * BUCKETS
    for seconds in (0.001, 0.5, 7.0):
        other.observe(seconds)
    counts = counts_by_bound(other.snapshot())
    assert sum(counts) == 3
    assert [SECONDS[at] for at, count in enumerate(counts[:-1]) if count] == [0.0025, 1.0]
    assert counts[-1] == 1


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_quantile_of_nothing_is_none(share: float) -> None:
    assert quantile_of([0] * BUCKETS, share) is None
