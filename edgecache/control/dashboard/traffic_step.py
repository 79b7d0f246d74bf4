"""What was counted in one step of time: requests, bytes and durations, as plain sums.

Law: steps add up, over time, over places and over controls; what is told (rates, ratios, quantiles)
is made of sums alone, so that an hour's hit ratio is that of its requests, no mean of means.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from edgecache.observe.histogram import SECONDS, HistogramSample, merge_histograms

BUCKETS = len(SECONDS) + 1
(
    HITS, MISSES, OTHERS, HIT_BYTES, MISS_BYTES, OTHER_BYTES, BYTES_IN, CLIENT_ERRORS, ERRORS,
) = range(9)  # fmt: skip
SUMS = 9
HIT_TIMES, MISS_TIMES = SUMS, SUMS + BUCKETS  # where their histograms begin
NUMBERS = SUMS + 2 * BUCKETS
ABOVE_S = 60.0  # told in the place of "more than the highest bound"

Step = list[int]
"""NUMBERS sums in the order above."""

_LAYOUT = struct.Struct(f"<II{SUMS}Q{2 * BUCKETS}I")  # checksum, when it began, sums, histograms
_CHECKED = struct.Struct("<I")
RECORD_BYTES = _LAYOUT.size
_COUNT_MAX = 2**32 - 1


def empty_step() -> Step:
    """One in which nothing was counted."""
    return [0] * NUMBERS


def add_step(into: Step, more: Sequence[int]) -> None:
    """Count what another has counted."""
    into[:] = map(int.__add__, into, more)


def sum_of(steps: Iterable[Sequence[int]]) -> Step:
    """One step of many."""
    columns = [*zip(*steps, strict=True)]
    return [*map(sum, columns)] if columns else empty_step()


def encode_step(began_at: int, step: Sequence[int]) -> bytes:
    """RECORD_BYTES, with a checksum: a record that was half written is not read as one."""
    times = [min(count, _COUNT_MAX) for count in step[SUMS:]]
    content = _LAYOUT.pack(0, began_at, *step[:SUMS], *times)[_CHECKED.size :]
    return _CHECKED.pack(zlib.crc32(content)) + content


def decode_step(record: bytes) -> tuple[int, tuple[int, ...]] | None:
    """When a step began, and what was counted; None: that is no record of one."""
    if len(record) != RECORD_BYTES:
        return None
    checksum, began_at, *numbers = _LAYOUT.unpack(record)
    if not began_at or checksum != zlib.crc32(record[_CHECKED.size :]):
        return None
    return began_at, tuple(numbers)


def numbers_of(record: bytes) -> tuple[int, ...]:
    """What was counted by a record that this process has made."""
    decoded = decode_step(record)
    assert decoded is not None
    return decoded[1]


def counts_by_bound(histogram: HistogramSample) -> list[int]:
    """The counts of a histogram under this release's bounds."""
    if histogram["bounds"] == _BOUNDS:
        return histogram["counts"]
    ours: HistogramSample = {"bounds": _BOUNDS, "counts": [0] * BUCKETS, "sum": 0.0}
    return merge_histograms(ours, histogram)["counts"]


_BOUNDS = [*SECONDS]


def ratio(part: int, rest: int) -> float | None:
    """`part` of both, 0 to 1; None of nothing."""
    return round(part / (part + rest), 4) if part + rest else None


def quantile_of(counts: Sequence[int], share: float) -> float | None:
    """The upper bound, in seconds, of the part in which that share lies; None of nothing."""
    wanted, seen = share * sum(counts), 0
    if not wanted:
        return None
    for bound, count in zip(SECONDS, counts, strict=False):
        seen += count
        if seen >= wanted:
            return bound
    return ABOVE_S


RATES = {
    "requests_s": (HITS, MISSES, OTHERS),
    "bytes_s": (HIT_BYTES, MISS_BYTES, OTHER_BYTES),
    "bytes_in_s": (BYTES_IN,),
    "errors_s": (ERRORS,),
    "client_errors_s": (CLIENT_ERRORS,),
    "hits_s": (HITS,),
    "misses_s": (MISSES,),
}
"""What is told per second, and which sums it is of."""


def rates(step: Sequence[int], seconds: float) -> dict[str, Any]:
    """RATES of what was counted in so many seconds."""
    return {
        name: round(sum(step[place] for place in places) / seconds, 3)
        for name, places in RATES.items()
    }


def ratios(step: Sequence[int]) -> dict[str, Any]:
    """Hit ratios by requests and by bytes, and quantiles of durations in seconds."""
    hit_times, miss_times = step[HIT_TIMES:MISS_TIMES], step[MISS_TIMES:NUMBERS]
    return {
        "hit_ratio": ratio(step[HITS], step[MISSES]),
        "byte_hit_ratio": ratio(step[HIT_BYTES], step[MISS_BYTES]),
        "hit_p50_s": quantile_of(hit_times, 0.5),
        "hit_p99_s": quantile_of(hit_times, 0.99),
        "miss_p50_s": quantile_of(miss_times, 0.5),
        "miss_p99_s": quantile_of(miss_times, 0.99),
    }


MEASURES = (*RATES, *ratios(empty_step()))
"""All that is told of a step."""
