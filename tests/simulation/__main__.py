"""Stories by the million: python -m tests.simulation --gets 10000000 --seed 1 --workers 2.

Each story has the seed after the one before it. The first promise broken ends it all with status 1,
its history, and the command that tells the same story again. With `--guards` each guard of
tests/mutations is taken away in turn, and it is said which story misses it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import fields
from itertools import islice

from tests.simulation.register import Tally, Violation
from tests.simulation.scenario import GETS, play

BATCH = 10  # stories told by a worker between two words of how far it is


def main() -> int:
    options = _options().parse_args()
    if options.guards:
        from tests.simulation.guard_removal import report

        return report(options.seed, options.gets, options.guard)
    seeds = range(options.seed, options.seed + stories_of(options))
    began, total = time.perf_counter(), Tally()
    print(f"{len(seeds)} stories from seed {seeds.start}, {options.story_gets} gets each")
    try:
        for number, tally in enumerate(_told(seeds, options), 1):
            total = total_of(total, tally)
            if number % 100 == 0:
                print(_line(total, time.perf_counter() - began), flush=True)
    except Violation as broken:
        print(broken)
        return 1
    print(_line(total, time.perf_counter() - began))
    return 0


def stories_of(options: argparse.Namespace) -> int:
    """How many stories."""
    whole = -(-int(options.gets) // int(options.story_gets))
    return int(options.stories) or max(1, whole)


def _told(seeds: range, options: argparse.Namespace) -> Iterator[Tally]:
    """How each story went, in whatever order they end."""
    if options.workers == 1:
        for seed in seeds:
            yield play(seed, options.story_gets).tally
        return
    batches = iter([seeds[at : at + BATCH] for at in range(0, len(seeds), BATCH)])
    with ProcessPoolExecutor(options.workers) as pool:
        waiting = {
            pool.submit(_batch, batch, options.story_gets)
            for batch in islice(batches, 4 * options.workers)
        }
        while waiting:
            done = next(as_completed(waiting))
            waiting.discard(done)
            found = done.result()
            if isinstance(found, str):
                pool.shutdown(wait=False, cancel_futures=True)
                raise Violation(found)
            yield from found
            for batch in islice(batches, 1):
                waiting.add(pool.submit(_batch, batch, options.story_gets))


def _batch(seeds: range, gets: int) -> list[Tally] | str:
    try:
        return [play(seed, gets).tally for seed in seeds]
    except Violation as broken:
        return str(broken)


def total_of(one: Tally, other: Tally) -> Tally:
    """Both together."""
    total = Tally()
    for field in fields(Tally):
        join = max if field.name == "slowest_s" else sum
        setattr(total, field.name, join((getattr(one, field.name), getattr(other, field.name))))
    return total


def _line(tally: Tally, seconds: float) -> str:
    return (
        f"{tally.gets} gets ({tally.gets / seconds:.0f} a second), {tally.answered} answered with a"
        f" version, {tally.bound} of them after a Completed, {tally.hits} hits, {tally.hits_due} of"
        f" them due; {tally.accepted} invalidations, {tally.completed} Completed, the slowest after"
        f" {tally.slowest_s:.3f} s; {tally.backward} older than one seen before; 0 stale"
    )


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--gets", type=int, default=100_000, help="of all stories together")
    parser.add_argument("--seed", type=int, default=0, help="of the first story")
    parser.add_argument("--stories", type=int, default=0, help="how many, instead of --gets")
    parser.add_argument("--story-gets", type=int, default=GETS, help="of one story")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--guards", action="store_true", help="take each guard away in turn")
    parser.add_argument("--guard", default="", help="only guards whose name has this in it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
