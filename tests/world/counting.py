"""Requests counted as the request log counts them."""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.observe.counters import Counters


@dataclass(frozen=True)
class Counted:
    """Some requests that ended alike."""

    result: str
    times: int = 1
    distribution: str = "ESITE"
    status: int = 200
    bytes_out: int = 0  # of each
    bytes_in: int = 0
    taken_s: float = 0.002


def count(counters: Counters, *all_counted: Counted) -> Counters:
    """Add them; the counters themselves."""
    for one in all_counted:
        of_site = counters.distributions[one.distribution]
        of_site.statuses[one.status // 100] += one.times
        of_site.bytes_in += one.bytes_in * one.times
        of_result = of_site.behaviors["*"][one.result]
        of_result.bytes_out += one.bytes_out * one.times
        for _ in range(one.times):
            of_result.time_taken.observe(one.taken_s)
    return counters
