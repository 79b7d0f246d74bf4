"""A trace shaped as a site's days: what is asked for, in order, the same for the same seed.

After what is published of CDNs: Zipf popularity with exponents of 0.8 to 1.1, a fifth of the
requests for what is asked for once (Maggs and Sitaraman, 2015), sizes over five orders of
magnitude (Berger et al., AdaptSize, NSDI 2017), crawlers that go through everything, two crowds
that are awake at other hours, and URLs that take the place of others.
"""

from __future__ import annotations

import math
import random
from array import array
from itertools import accumulate
from statistics import NormalDist

CLASSES = 64  # of sizes
LEAST_BYTES, MOST_BYTES = 256, 8 * 1_048_576
MEDIAN_BYTES, SIGMA = 8_192, 1.5
EXPONENTS = (0.8, 1.1)  # of the crowds
DAYS = 2
ONCE_SHARE, CRAWLED_SHARE = 0.2, 0.04
CHURN_EVERY = 40  # requests: one of the crowds' URLs is another from then on
CHUNK = 100_000
_NORMAL = NormalDist()
SIZES = tuple(
    int(LEAST_BYTES * (MOST_BYTES / LEAST_BYTES) ** (number / (CLASSES - 1)))
    for number in range(CLASSES)
)


def day_trace(count: int, seed: int = 1) -> array[int]:
    """`count` requests, each the number of its object times CLASSES and its class of size."""
    draw = random.Random(seed)
    objects = max(count // 20, 100)
    ranks = range(objects)
    weights = [list(accumulate((rank + 1) ** -each for rank in ranks)) for each in EXPONENTS]
    holders = [list(ranks), list(range(objects // 2, objects // 2 + objects))]  # half is shared
    fresh = 2 * objects  # the next number nobody has
    crawled = 0
    trace = array("Q")
    for began in range(0, count, CHUNK):
        size = min(CHUNK, count - began)
        drawn = [draw.choices(ranks, cum_weights=each, k=size) for each in weights]
        awake = 0.5 + 0.45 * math.sin(2 * math.pi * DAYS * began / count)
        for number in range(size):
            kind = draw.random()
            if number % CHURN_EVERY == 0:
                holders[draw.randrange(2)][draw.randrange(objects)] = fresh
                fresh += 1
            if kind < ONCE_SHARE:
                asked, fresh = fresh, fresh + 1
            elif kind < ONCE_SHARE + CRAWLED_SHARE:
                asked, crawled = holders[0][crawled % objects], crawled + 1
            else:
                crowd = draw.random() < awake
                asked = holders[crowd][drawn[crowd][number]]
            trace.append(asked * CLASSES + _class_of(asked))
    return trace


def target(record: int) -> str:
    """Where an origin has the object of a record."""
    return f"/sized/{record % CLASSES}/{record // CLASSES}"


def footprint_bytes(trace: array[int]) -> int:
    """What all objects of a trace take together."""
    return sum(SIZES[record % CLASSES] for record in set(trace))


def asked_bytes(trace: array[int]) -> int:
    """What all its answers take together."""
    return sum(SIZES[record % CLASSES] for record in trace)


def _class_of(asked: int) -> int:
    """The class of an object's size: log-normal, and always the same."""
    uniform = (((asked + 1) * 0x9E3779B97F4A7C15) % 2**64 + 0.5) / 2**64
    size = MEDIAN_BYTES * math.exp(SIGMA * _NORMAL.inv_cdf(uniform))
    place = math.log(size / LEAST_BYTES) / math.log(MOST_BYTES / LEAST_BYTES) * (CLASSES - 1)
    return min(max(round(place), 0), CLASSES - 1)
