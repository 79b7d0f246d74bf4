"""`python -m tests.fleet`: hosts, faults, viewers; what was stale, wrong, failed, and how late.

Exit code 0: nothing was. 1: something was, and the lines before say what. 77: no network
namespaces can be made here.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.end_to_end.processes import raise_file_limit
from tests.fleet.faults import befalls, faults
from tests.fleet.network import NoNetworkError
from tests.fleet.roles import PATHS, SITE, Fleet
from tests.fleet.topology import NINE, read_topology
from tests.fleet.writers import OVER_AN_OUTAGE, Row, listed, shares

SKIPPED = 77  # automake's
SHORT = ("edge-3 stopped", "regional-1 killed", "edge-1 cut off")
REST_S, REST_S_SHORT = 40.0, 6.0
VIEWERS, VIEWS_PER_S = 2, 60.0  # of an edge
WRITERS, WRITES_PER_S = 4, 8.0
COMPLETED_S_MAX, COMPLETED_S_MAX_SHORT = 3.2, 6.0  # there, on a machine that may be busy
ACCEPTING_S_MAX = 10.0
_clock = threading.Event()


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
    options = _options()
    raise_file_limit()
    sys.setswitchinterval(0.001)  # what is measured waits for no other thread of ours
    folder = Path(tempfile.mkdtemp(prefix="ecfleet-"))
    folder.chmod(0o755)  # PostgreSQL's user has files in it
    tempfile.tempdir = str(folder)
    fleet = Fleet(read_topology(options.topology), folder)
    try:
        fleet.network.start()
    except NoNetworkError as error:
        print(f"skipped: {error}")
        shutil.rmtree(folder)
        return SKIPPED
    problems: list[str] = []
    try:
        print(f"seed {options.seed}; load {os.getloadavg()[0]:.2f}; in {folder}", flush=True)
        fleet.start()
        problems = _run(fleet, options)
        problems += _tracebacks(fleet)
    finally:
        fleet.stop()
        fleet.network.stop()
    print("\n".join(problems) or "all well")
    return 1 if problems else 0


def _tracebacks(fleet: Fleet) -> list[str]:
    """A line for each process that has failed in a way nobody foresaw."""
    running = fleet.running.items()
    return [f"{host.name}: {one.stderr}" for host, one in running if "Traceback" in one.stderr]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet", description=__doc__)
    parser.add_argument("--short", action="store_true", help="three faults, in 45 s")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault has its turn")
    parser.add_argument("--only", default="", help="faults whose name this expression finds")
    parser.add_argument("--topology", type=Path, default=NINE)
    return parser.parse_args()


def _run(fleet: Fleet, options: argparse.Namespace) -> list[str]:
    """Load, rest, and the faults; what was wrong."""
    print(f"seed {options.seed}; load {os.getloadavg()[0]:.2f}")
    draw = random.Random(options.seed)
    for edge in fleet.edges:
        for _ in range(VIEWERS):
            one = random.Random(draw.random())
            fleet.loop.spawn(fleet.viewers.view(edge, one, VIEWERS / VIEWS_PER_S))
    for paths in shares(PATHS, WRITERS):
        one = random.Random(draw.random())
        fleet.loop.spawn(fleet.writers.write(paths, one))
    _at_rest(fleet, REST_S_SHORT if options.short else REST_S)
    chosen = [one for one in faults(fleet) if re.search(options.only, one.name)]
    turns = (
        [one for one in chosen if one.name in SHORT] if options.short else chosen * options.rounds
    )
    draw.shuffle(turns)
    accepting, failed = dict[str, float](), list[str]()
    for fault in turns:
        print(f"{fault.name} ...", flush=True)
        try:
            accepting[fault.name] = befalls(fleet, fault, draw)
        except AssertionError as error:
            failed.append(f"{fault.name}: {error}")
            break  # what comes after would be blamed for it
    lost = _lost(fleet)
    most_s = COMPLETED_S_MAX_SHORT if options.short else COMPLETED_S_MAX
    return [*failed, *_told(fleet, accepting, most_s), *lost]


def _at_rest(fleet: Fleet, seconds: float) -> None:
    """One writer, who lets each invalidation end before the next; then all of them."""
    writers = fleet.writers
    writers.ledger.phase, writers.active = "at rest", 1
    _clock.wait(seconds)
    writers.ledger.phase, writers.active = f"{WRITES_PER_S:.0f} a second", WRITERS
    writers.every_s = WRITERS / WRITES_PER_S
    _clock.wait(seconds / 2)


def _lost(fleet: Fleet) -> list[str]:
    """A line for each invalidation that was accepted and is not there."""
    accepted = {*fleet.writers.ledger.accepted}
    lost = accepted - fleet.loop.run(listed(fleet.usable_controls()[0], SITE))
    print(f"{len(accepted)} accepted, {len(lost)} of them lost")
    return [f"accepted and lost: {one}" for one in sorted(lost)]


def _told(fleet: Fleet, accepting: dict[str, float], most_s: float) -> list[str]:
    """Print the table; what was beyond its bounds."""
    farthest_s, problems = fleet.topology.farthest_ms / 1e3, []
    print(f"\nfrom accepted to Completed; farthest round trip {farthest_s * 1e3:.0f} ms\n")
    print("| | invalidations | p50 ms | p99 ms | most ms | not accepted | accepting after s |")
    print("|---|---|---|---|---|---|---|")
    for phase, row in fleet.writers.ledger.rows.items():
        print(_line(phase, row, accepting.get(phase, 0.0)))
        outage_s = ACCEPTING_S_MAX if phase == OVER_AN_OUTAGE else 0.0
        problems += [f"{phase}: {late}" for late in row.later_than(most_s + outage_s)]
        if accepting.get(phase, 0.0) > ACCEPTING_S_MAX:
            problems.append(f"{phase}: accepting again after {accepting[phase]:.1f} s")
    tally = fleet.viewers.tally
    print(f"\n{tally}")
    problems += [f"accepted and never Completed: {one}" for one in fleet.writers.ledger.never]
    if not tally.well:
        problems += tally.notes
    return problems


def _line(phase: str, row: Row, accepting_s: float) -> str:
    quantiles = " | ".join(f"{row.quantile(part) * 1e3:.0f}" for part in (0.5, 0.99, 1.0))
    refused = sum(row.refused.values())
    after = f"{accepting_s:.1f}" if accepting_s else ""
    return f"| {phase} | {len(row.took_s)} | {quantiles} | {refused} | {after} |"


if __name__ == "__main__":
    sys.exit(main())
