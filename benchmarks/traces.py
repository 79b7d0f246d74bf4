"""Traces: what is asked for, in order. Each is the same on every run with the same seed.

Shapes after what is published of CDNs: Zipf popularity with exponents of 0.8 to 1; a fifth to two
thirds of the objects asked for once (Maggs and Sitaraman, "Algorithmic Nuggets in Content
Delivery", 2015); sizes over six orders of magnitude (Berger et al., AdaptSize, NSDI 2017).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import NamedTuple


class Asked(NamedTuple):
    """A request: which object, and its size in bytes."""

    object: int
    size: int


Trace = list[Asked]
EVEN_BYTES = 16_384  # in traces that are not about size
ONCE = 10**9  # objects asked for once are numbered from here
SCANNED = 2 * 10**9
SEEDS_APART = 10  # each trace has a number of its own below


def scans(count: int, seed: int = 0) -> Trace:
    """Zipf 0.9; a quarter asked for once; four scans, each coming back, through as many objects."""
    draw = random.Random(1 + SEEDS_APART * seed)
    objects = count // 10
    usual = iter(_zipf(draw, objects, 0.9, count))
    trace: Trace = []
    left, scanned = 0, 0
    while len(trace) < count:
        if left and draw.random() < 0.5:
            trace.append(Asked(scanned, EVEN_BYTES))
            left, scanned = left - 1, scanned + 1
        elif not left and draw.random() < 2.5 / objects:
            left, scanned = objects // 10, SCANNED + draw.randrange(4) * objects
        elif draw.random() < 0.25:
            trace.append(Asked(ONCE + len(trace), EVEN_BYTES))
        else:
            trace.append(Asked(next(usual), EVEN_BYTES))
    return trace


def mixed_sizes(count: int, seed: int = 0) -> Trace:
    """Zipf 0.85, a fifth asked for once; log-normal sizes around 24 KiB, 1 KiB to 100 MiB."""
    draw = random.Random(2 + SEEDS_APART * seed)
    sizes = _Sizes(draw, 24_576, 2.0, 100 * 1024 * 1024)
    found = []
    for number, usual in enumerate(_zipf(draw, count // 10, 0.85, count)):
        found.append(ONCE + number if draw.random() < 0.2 else usual)
    return [Asked(each, sizes[each]) for each in found]


def drift(count: int, seed: int = 0) -> Trace:
    """Half: the newest are asked for most. Half: Zipf 0.8 whose ranks change hands slowly."""
    draw = random.Random(3 + SEEDS_APART * seed)
    sizes = _Sizes(draw, 16_384, 1.0, 16 * 1024 * 1024)
    objects = count // 10
    ages = _zipf(draw, objects, 0.9, count)
    ranks = _zipf(draw, objects, 0.8, count)
    holders = list(range(objects))
    trace: Trace = []
    for now, (age, rank) in enumerate(zip(ages, ranks, strict=True)):
        if now % 50 == 0:
            one, other = draw.randrange(objects), draw.randrange(min(objects, 1_000))
            holders[one], holders[other] = holders[other], holders[one]
        newest = now * objects // count + objects
        asked = newest - age if draw.random() < 0.5 else ONCE + holders[rank]
        trace.append(Asked(asked, sizes[asked]))
    return trace


def phases(count: int, seed: int = 0) -> Trace:
    """A fourth each: Zipf 1; a loop through more than fits, over it; drift; Zipf 1 again."""
    draw = random.Random(4 + SEEDS_APART * seed)
    part, objects, loop = count // 4, count // 20, count // 30
    first = [Asked(each, EVEN_BYTES) for each in _zipf(draw, objects, 1.0, part)]
    looped = []
    for number, each in enumerate(_zipf(draw, objects, 1.0, part)):
        asked = SCANNED + number % loop if draw.random() < 0.7 else each
        looped.append(Asked(asked, EVEN_BYTES))
    drifted = [Asked(3 * ONCE + each.object, EVEN_BYTES) for each in drift(part, seed)]
    last = [Asked(each, EVEN_BYTES) for each in _zipf(draw, objects, 1.0, part)]
    return [*first, *looped, *drifted, *last]


TRACES: dict[str, Callable[[int, int], Trace]] = {
    "scans": scans,
    "mixed-sizes": mixed_sizes,
    "drift": drift,
    "phases": phases,
}


def footprint_bytes(trace: Trace) -> int:
    """What all objects of a trace take together."""
    return sum(dict(trace).values())


def next_asked(trace: Trace) -> Iterator[int]:
    """For each request, the place of the next one for the same object; -1: there is none."""
    places = [-1] * len(trace)
    later: dict[int, int] = {}
    for place in range(len(trace) - 1, -1, -1):
        asked = trace[place].object
        places[place] = later.get(asked, -1)
        later[asked] = place
    return iter(places)


def _zipf(draw: random.Random, objects: int, exponent: float, count: int) -> list[int]:
    """`count` of the numbers below `objects`, the lower the more often."""
    weights = list(accumulate((rank + 1) ** -exponent for rank in range(objects)))
    return draw.choices(range(objects), cum_weights=weights, k=count)


class _Sizes(dict[int, int]):
    """A size for each object, drawn when it is first asked for; 1 KiB at least."""

    def __init__(self, draw: random.Random, median: int, sigma: float, most: int) -> None:
        super().__init__()
        self._draw, self._mu, self._sigma, self._most = draw, math.log(median), sigma, most

    def __missing__(self, asked: int) -> int:
        drawn = self._draw.lognormvariate(self._mu, self._sigma)
        size = self[asked] = int(min(max(drawn, 1_024), self._most))
        return size
