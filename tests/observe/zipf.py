"""Heavy hitters against the truth, on Zipf's law: how many of the most asked are found, and bounds.

`python -m tests.observe.zipf --requests 1000000` tells it of a million, and fails below RECALL_MIN.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from edgecache.observe.heavy_hitters import HeavyHitters

EXPONENT = 0.9
OBJECTS = 100_000
TOP = 100
BATCH = 256  # as the log's thread writes
SECONDS = 20  # samples of so many are added up at control
NODES = 2
RECALL_MIN = 0.95


class Finding(NamedTuple):
    """What came of it: `wrong` are counts outside their bounds."""

    recall: float
    wrong: int
    error: int
    bound: float


def asked(requests: int, seed: int = 1) -> list[bytes]:
    """So many names of objects, by Zipf's law."""
    weights = itertools.accumulate(rank**-EXPONENT for rank in range(1, OBJECTS + 1))
    names = [b"www.example.com/objects/%d" % rank for rank in range(OBJECTS)]
    return random.Random(seed).choices(names, cum_weights=list(weights), k=requests)


def added_up(names: Sequence[bytes]) -> HeavyHitters:
    """What control knows when nodes have counted names and sent a sample each second."""
    total = HeavyHitters()
    part = -(-len(names) // (SECONDS * NODES))
    for start in range(0, len(names), part):
        node = HeavyHitters()
        second = names[start : start + part]
        for at in range(0, len(second), BATCH):
            node.add(Counter(second[at : at + BATCH]))
        total.merge(node.sample())
    return total


def finding(requests: int) -> Finding:
    """Heavy hitters beside the truth."""
    names = asked(requests)
    truth, found = Counter(names), added_up(names)
    most = {name for name, _ in truth.most_common(TOP)}
    told = {row.name for row in found.top(TOP)}
    wrong = sum(not row.at_least <= truth[row.name] <= row.at_most for row in found.top(10**6))
    known = {row.name for row in found.top(10**6)}
    wrong += sum(count > found.error for name, count in truth.items() if name not in known)
    return Finding(len(most & told) / TOP, wrong, found.error, found.total / 1_025)


def main() -> None:
    """Tell it, and fail where it is too little."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    found = finding(parser.parse_args().requests)
    print(found)
    assert found.recall >= RECALL_MIN
    assert not found.wrong
    assert found.error <= found.bound


if __name__ == "__main__":
    main()
