"""`python -m benchmarks.signed`: what a signature costs when it is first seen, and afterwards.

CPU of an edge per hit: the same object without a signature, then through 10,000 signed URLs that
it has never seen, then through them again. One viewer asks, one answer at a time, so each figure
holds a wake-up for each request: compare them with each other, not with those of `benchmarks`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence

from benchmarks import mixes
from benchmarks.mixes import PLAIN, Mix
from benchmarks.processes import CLIENT_CORE, BenchmarkError, Server
from benchmarks.stage import ONE_TIER, Stage, staged
from benchmarks.viewer import Viewer
from edgecache.rules.private.signer import Signer, SigningTerms, load_private_key

URLS = 10_000
SIGNED_S = 86_400
HOT, PRIVATE = mixes.HOT, f"/signed{mixes.HOT}"
UNSIGNED, FIRST, SECOND = "unsigned", "first use", "second use"


def signed(stage: Stage, urls: int, expires: int) -> list[str]:
    """As many targets of the private object; another `expires` makes them all new."""
    pem = (stage.folder / "signer.private.pem").read_bytes()
    signer = Signer("KBENCHMARK0001", load_private_key(pem))
    targets = []
    for number in range(urls):
        target = f"{PRIVATE}?n={number}"
        said = signer.parameters(SigningTerms(f"http://127.0.0.1{target}", expires))
        targets.append(f"{target}&" + "&".join(f"{key}={value}" for key, value in said))
    return targets


def rounds(stage: Stage, count: int, urls: int = URLS) -> Iterator[dict[str, float]]:
    """Microseconds of CPU per request by what was asked; every answer is compared."""
    server = stage.server(ONE_TIER, "edgecache")
    expires = int(time.time()) + SIGNED_S
    _microseconds(server, stage, [HOT] * 100, hits=False)
    for number in range(count):
        targets = signed(stage, urls, expires + number)
        _microseconds(server, stage, targets[:1], hits=False)
        yield {
            UNSIGNED: _microseconds(server, stage, [HOT] * urls),
            FIRST: _microseconds(server, stage, targets[1:]),
            SECOND: _microseconds(server, stage, targets[1:]),
        }


def _microseconds(server: Server, stage: Stage, targets: Sequence[str], hits: bool = True) -> float:
    mix = Mix(targets, dict.fromkeys(targets, stage.files[HOT]), (PLAIN,))
    viewer = Viewer(server.name, server.port)
    before = server.cpu_s()
    for target in targets:
        viewer.check(mix, target, 0, hit=hits)
    spent = server.cpu_s() - before
    viewer.close()
    return spent / len(targets) * 1_000_000


def main() -> int:
    """Run it; 0, or 1 when an answer was not right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--urls", type=int, default=URLS)
    options = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    told: list[dict[str, float]] = []
    try:
        with staged() as stage:
            for figures in rounds(stage, options.rounds, options.urls):
                told.append(figures)
                print("  ".join(f"{name} {value:6.1f} µs" for name, value in figures.items()))
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    for name in (FIRST, SECOND):
        ratios = [figures[name] / figures[UNSIGNED] for figures in told]
        low, high = min(ratios), max(ratios)
        print(f"{name} to {UNSIGNED}: {statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
