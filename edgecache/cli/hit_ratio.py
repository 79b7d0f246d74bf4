"""Hit ratios of distributions, by requests and by bytes, out of what each process has counted.

Law: as CloudFront's cache statistics have it, only what a cache may answer counts: hits and misses,
no errors, redirects or refusals. What was validated (RefreshHit) is a hit: its body was stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from edgecache.cluster.inspection import StoreStats
from edgecache.control.nodes.reported_samples import ReportedSamples
from edgecache.observe.counters import Sample, merge
from edgecache.observe.labeled_series import SEPARATOR

HITS = ("Hit", "RefreshHit")
MISS = "Miss"
ALL = "all"  # in the place of a distribution's id


class DistributionFigures(msgspec.Struct, frozen=True):
    """What a tier has answered for a distribution; None: nothing that a ratio could be of."""

    tier: str
    distribution: str
    requests: int
    hits: int
    hit_ratio: float | None
    bytes_out: int
    bytes_hit: int
    byte_hit_ratio: float | None


def distribution_figures(nodes: Iterable[StoreStats]) -> list[DistributionFigures]:
    """The figures of each distribution at each tier, over all its processes, and of all of them."""
    samples: defaultdict[str, list[Sample]] = defaultdict(list)
    reported = ReportedSamples()  # of former releases too
    for node in nodes:
        samples[node.role].append(reported.bounded(node.sample))
    return [
        figures
        for tier, ones in sorted(samples.items())
        for figures in _figures_of_tier(tier, merge(ones))
    ]


def _figures_of_tier(tier: str, sample: Sample) -> Iterator[DistributionFigures]:
    requests = _by_distribution(sample["words"]["distribution_requests"])
    octets = _by_distribution(sample["words"]["distribution_bytes_out"])
    for id in sorted(requests):
        yield _figures((tier, id), requests[id], octets.get(id, {}))
    if len(requests) > 1:
        yield _figures((tier, ALL), _sum(requests.values()), _sum(octets.values()))


def _figures(
    whose: tuple[str, str], requests: dict[str, int], octets: dict[str, int]
) -> DistributionFigures:
    hits, misses = sum(requests.get(word, 0) for word in HITS), requests.get(MISS, 0)
    of_hits, of_misses = sum(octets.get(word, 0) for word in HITS), octets.get(MISS, 0)
    return DistributionFigures(
        *whose,
        sum(requests.values()),
        hits,
        _ratio(hits, misses),
        sum(octets.values()),
        of_hits,
        _ratio(of_hits, of_misses),
    )


def _ratio(hits: int, misses: int) -> float | None:
    return round(hits / (hits + misses), 4) if hits + misses else None


def _by_distribution(counts: dict[str, int]) -> dict[str, dict[str, int]]:
    """Counts by result, by id."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for key, count in counts.items():
        id, _, result = key.partition(SEPARATOR)
        found[id][result] = count
    return found


def _sum(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: defaultdict[str, int] = defaultdict(int)
    for part in parts:
        for result, count in part.items():
            total[result] += count
    return total


def percent(ratio: float | None) -> str:
    """A ratio as people read it."""
    return "" if ratio is None else f"{ratio:.1%}"
