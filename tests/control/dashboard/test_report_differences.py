"""Differences of reports: each request once in each dimension, whatever process reports."""

from __future__ import annotations

from edgecache.control.dashboard.report_differences import (
    ALL,
    BEHAVIOR,
    DISTRIBUTION,
    LOCATION,
    NODE,
    SeriesName,
    differences,
)
from edgecache.control.dashboard.traffic_step import (
    BYTES_IN,
    CLIENT_ERRORS,
    ERRORS,
    HIT_BYTES,
    HIT_TIMES,
    HITS,
    MISS_BYTES,
    MISS_TIMES,
    MISSES,
    NUMBERS,
    OTHERS,
    Step,
)
from tests.control.dashboard.reports import ReportingEdge


def grown(node: ReportingEdge) -> dict[SeriesName, Step]:
    return differences(*node.next())


def test_what_came_since_the_last_report_is_told_apart() -> None:
    node = ReportingEdge().count(times=5)
    node.next()
    assert grown(node) == {}
    node.count("Hit", 2).count("RefreshHit", 1, size=300)
    node.count("Miss", 4, pattern="/api/*", taken_s=0.03).count("Error", 3, "E2", status=503)
    node.count("Error", 1, "", "", status=404)
    found = grown(node)
    total = found[ALL]
    assert [total[place] for place in (HITS, MISSES, OTHERS)] == [3, 4, 4]
    assert [total[place] for place in (HIT_BYTES, MISS_BYTES, BYTES_IN)] == [500, 400, 110]
    assert (total[CLIENT_ERRORS], total[ERRORS]) == (1, 3)
    assert sum(total[HIT_TIMES:MISS_TIMES]) == 3
    assert total[MISS_TIMES + 6] == 4  # up to 50 ms
    assert found[SeriesName(LOCATION, "A")] == found[SeriesName(NODE, "edge-a-1")] == total
    assert found[SeriesName(DISTRIBUTION, "E1")][OTHERS] == 0
    assert found[SeriesName(DISTRIBUTION, "E2")][ERRORS] == 3
    assert found[SeriesName(DISTRIBUTION, "none")][CLIENT_ERRORS] == 1
    assert found[SeriesName(BEHAVIOR, "E1 *")][HITS] == 3
    assert found[SeriesName(BEHAVIOR, "E1 /api/*")][MISSES] == 4
    assert found[SeriesName(BEHAVIOR, "E1 /api/*")][MISS_TIMES + 6] == 4
    for by in (DISTRIBUTION, BEHAVIOR):
        of_it = [step for name, step in found.items() if name.by == by]
        assert [sum(step[place] for step in of_it) for place in (HITS, MISSES, OTHERS)] == [3, 4, 4]


def test_a_new_process_counts_from_nothing() -> None:
    found = grown(ReportingEdge().count(times=5))
    assert found[ALL][HITS] == 5


def test_what_a_regional_cache_is_asked_is_no_viewers() -> None:
    node = ReportingEdge("regional", "regional", "").count("Miss", 2)
    assert set(grown(node)) == {SeriesName(LOCATION, "regional"), SeriesName(NODE, "regional")}


def test_a_reset_of_dev_mode_counts_anew() -> None:
    node = ReportingEdge().count(times=5)
    node.next()
    node.counters.start_over()
    node.reset = 1
    node.count(times=3)
    assert grown(node)[ALL][HITS] == 3


def test_a_count_that_went_down_counts_nothing() -> None:
    node = ReportingEdge().count(times=5)
    node.next()
    node.counters.start_over()
    assert grown(node.count(times=3)) == {}


def test_a_node_of_a_former_release_tells_no_behaviors() -> None:
    node = ReportingEdge().count(times=5)
    name, _, status = node.next()
    bare = {name: getattr(status, name) for name in ("role", "location", "pid", "generation")}
    former = type(status)(**bare, sample=status.sample)
    found = differences(name, None, former)
    assert not [one for one in found if one.by == BEHAVIOR]
    assert found[ALL][HITS] == 5


def test_steps_have_all_numbers() -> None:
    assert {len(step) for step in grown(ReportingEdge().count().count("Miss")).values()} == {
        NUMBERS
    }
