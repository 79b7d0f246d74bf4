"""Requests by distribution: sums for all, series for a bounded number, none for those of nobody."""

from __future__ import annotations

from edgecache.observe.counters import Counters
from edgecache.observe.distribution_counters import NONE
from edgecache.observe.labeled_series import NAMES_MAX, OTHER
from tests.world.counting import Counted, count


def test_a_distribution_and_a_result_have_requests_bytes_and_durations() -> None:
    counters = count(
        Counters(),
        Counted("Hit", 3, "EONE", bytes_out=10, bytes_in=1),
        Counted("Miss", 1, "EONE", bytes_out=7, bytes_in=1, taken_s=2),
        Counted("Hit", 1, "ETWO", bytes_out=5),
        Counted("Error", 1, "", status=400),
    )
    sample = counters.snapshot()
    words = sample["words"]
    assert words["distribution_requests"] == {
        "EONE\tHit": 3,
        "EONE\tMiss": 1,
        "ETWO\tHit": 1,
        f"{NONE}\tError": 1,
    }
    assert words["distribution_bytes_out"]["EONE\tHit"] == 30
    assert words["distribution_bytes_in"] == {"EONE": 4, "ETWO": 0, NONE: 0}
    assert words["distribution_statuses"] == {"EONE\t2xx": 4, "ETWO\t2xx": 1, f"{NONE}\t4xx": 1}
    assert sample["histograms"]["distribution_time_taken\tEONE\tMiss"]["sum"] == 2


def test_controls_of_the_former_release_are_told_the_sums() -> None:
    counters = count(Counters(), Counted("Hit", 3, "EONE", bytes_out=10, bytes_in=2))
    sample = count(counters, Counted("Hit", 2, "ETWO", status=206, taken_s=50)).snapshot()
    assert sample["words"]["requests"] == {"Hit": 5}
    assert sample["words"]["statuses"] == {"2xx": 5}
    assert (sample["totals"]["bytes_out"], sample["totals"]["bytes_in"]) == (30, 6)
    time_taken = sample["histograms"]["time_taken"]
    assert sum(time_taken["counts"]) == 5
    assert time_taken["counts"][-1] == 2


def test_distributions_beyond_the_bound_are_other_also_when_the_first_are_gone() -> None:
    counters = Counters()
    for number in range(NAMES_MAX):
        count(counters, Counted("Hit", 1, f"E{number}"))
    before = counters.snapshot()["words"]["distribution_requests"]
    for number in range(NAMES_MAX, 3 * NAMES_MAX):  # of configurations to come
        count(counters, Counted("Hit", 1, f"E{number}"))
    count(counters, Counted("Error", 1, ""))
    after = counters.snapshot()["words"]["distribution_requests"]
    assert after == before | {f"{OTHER}\tHit": 2 * NAMES_MAX, f"{NONE}\tError": 1}
    assert counters.requests == {"Hit": 3 * NAMES_MAX, "Error": 1}
