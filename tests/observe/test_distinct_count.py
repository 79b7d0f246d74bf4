"""Distinct values: near the truth, and the same however they were divided."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.observe.distinct_count import REGISTERS, STANDARD_ERROR, DistinctCount


def of(*numbers: int) -> DistinctCount:
    made = DistinctCount()
    made.add(b"192.0.2.%d" % number for number in numbers)
    return made


@pytest.mark.parametrize("count", [0, 1, 2, 10, 100, 1_000, 10_000, 50_000])
def test_the_estimate_is_near(count: int) -> None:
    """The digest is fixed, so this is no matter of luck: three standard errors of any one."""
    found = of(*range(count)).estimate()
    assert abs(found - count) <= 3 * STANDARD_ERROR * count


@given(st.lists(st.integers(0, 999), max_size=50), st.lists(st.integers(0, 999), max_size=50))
def test_merging_is_counting_all_in_one(left: list[int], right: list[int]) -> None:
    merged = of(*left)
    merged.merge(of(*right).sample())
    assert merged.sample() == of(*left, *right).sample()
    assert merged.estimate() == of(*right, *left, *right).estimate()


@pytest.mark.parametrize(
    "sample",
    ["", "%", "AAAA", "A" * 5_464, b64encode(b"\xff" * REGISTERS).decode(), of(1).sample()[:-4]],
)
def test_what_is_no_sample_is_refused(sample: str) -> None:
    made = of(1)
    with pytest.raises(ValueError, match=f"{REGISTERS}|base64|padding|number of data"):
        made.merge(sample)
    assert made.sample() == of(1).sample()
