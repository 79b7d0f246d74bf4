"""CPU of functions: what is within its time is free, what is beyond is paid."""

from __future__ import annotations

import pytest

from edgecache.functions.runner import BURST_S, RUN_S, SHARE, CpuShare, utilization


def test_runs_within_their_time_are_never_throttled() -> None:
    share = CpuShare(0.0)
    for _ in range(10_000):
        assert share.admits(0.0)
        share.spend(RUN_S)


def test_runs_beyond_it_are_throttled_until_time_has_passed() -> None:
    share, runs = CpuShare(0.0), 0
    while share.admits(0.0):
        share.spend(0.05)
        runs += 1
    assert runs == 1 + int(BURST_S / (0.05 - RUN_S))
    assert not share.admits(0.01)
    assert share.admits(1.0)
    for _ in range(100):
        if share.admits(1.0):
            share.spend(0.05)
    later = 0
    for n in range(1_000):
        if share.admits(2.0 + n / 1_000):
            share.spend(0.05)
            later += 1
    assert 1 <= later <= 2 * SHARE / 0.05


@pytest.mark.parametrize(("cpu_s", "percent"), [(0, 1), (25e-6, 2), (5e-4, 50), (1, 100)])
def test_utilization_is_percent_of_a_runs_time(cpu_s: float, percent: int) -> None:
    assert utilization(cpu_s) == percent
