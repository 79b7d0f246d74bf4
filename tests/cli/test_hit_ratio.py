"""Hit ratios: of what a cache may answer, over all processes of a tier, by requests and bytes."""

from __future__ import annotations

from edgecache.cli.hit_ratio import DistributionFigures, distribution_figures
from edgecache.cluster.inspection import StoreStats
from edgecache.observe.counters import Counters, Sample
from tests.world.counting import Counted, count


def node(role: str, sample: Sample) -> StoreStats:
    return StoreStats("n", role, "A", 1, None, sample)


def told(role: str, *counted: Counted) -> StoreStats:
    return node(role, count(Counters(), *counted).snapshot())


def test_processes_of_a_tier_are_summed_and_the_tiers_are_not() -> None:
    nodes = [
        told("edge", Counted("Hit", 3, "EONE", bytes_out=100), Counted("Error", 5, "EONE")),
        told("edge", Counted("RefreshHit", 1, "EONE", bytes_out=200)),
        told("edge", Counted("Miss", 1, "EONE", bytes_out=1_500), Counted("Redirect", 2, "ETWO")),
        told("regional", Counted("Miss", 1, "EONE", bytes_out=1_500)),
    ]
    assert distribution_figures(nodes) == [
        DistributionFigures("edge", "EONE", 10, 4, 0.8, 2_000, 500, 0.25),
        DistributionFigures("edge", "ETWO", 2, 0, None, 0, 0, None),
        DistributionFigures("edge", "all", 12, 4, 0.8, 2_000, 500, 0.25),
        DistributionFigures("regional", "EONE", 1, 0, 0.0, 1_500, 0, 0.0),
    ]


def test_what_a_former_release_counts_is_of_other_distributions() -> None:
    former: Sample = {
        "totals": {"bytes_out": 50},
        "words": {"requests": {"Hit": 1, "Miss": 1}},
        "gauges": {},
        "histograms": {},
    }
    assert distribution_figures([node("edge", former)]) == [
        DistributionFigures("edge", "other", 2, 1, 0.5, 50, 0, None)
    ]
