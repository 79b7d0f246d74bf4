"""Planted faults: the adversary can fail. `python -m tests.adversary.planted [--only NAME]`.

Each takes one guard of the product away in a copy of the tree and runs the adversary there, with
the profile whose subject the guard is; printed is the second of the run in which it was found.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.adversary.planted_rows import PLANTED, Planted

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("edgecache", "tests", "config", "benchmarks")
STARTED_S_MAX = 120.0  # beyond the minutes: start, end, and playing it again


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one: the second it was found in, and by what."""

    planted: Planted
    second: float | None
    line: str
    took_s: float


def planted_in(folder: Path, planted: Planted) -> None:
    """A copy of the tree in `folder`, without the guard."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    file, code, without = planted.mutation()
    path = folder / "edgecache" / file
    text = path.read_text()
    assert text.count(code) == 1, f"{file} has the guard no more, or twice: {planted.name}"
    path.write_text(text.replace(code, without))


def sought(planted: Planted, seed: int, minutes: float) -> Result:
    """Run the adversary against it until the first finding."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        planted_in(Path(name), planted)
        command = [sys.executable, "-m", "tests.adversary", "--first", "--no-shrink"]
        command += ["--seed", str(seed), "--minutes", str(minutes), "--profile", planted.profile]
        environment = {**os.environ, "PYTHONPATH": name}
        run = subprocess.run(
            command, cwd=name, env=environment, capture_output=True, text=True, check=False,
            timeout=60 * minutes + STARTED_S_MAX,
        )  # fmt: skip
    found = re.search(r"FINDING in second ([\d.]+).*:\n +(.*)", run.stdout)
    took_s = time.monotonic() - began
    if found is None:
        last = (run.stdout + run.stderr).strip().splitlines()[-1:]
        return Result(planted, None, " ".join(last), took_s)
    return Result(planted, float(found[1]), found[2], took_s)


def row(result: Result) -> str:
    """A row of the table in docs/adversary.md."""
    second = "not found" if result.second is None else f"{result.second:.1f}"
    said = re.sub(r"\?\S+", "?…", re.sub(r"/e\d+e/", "/…/", result.line))[:110].replace("|", "/")
    return f"| {result.planted.profile} | {result.planted.name} | {second} | {said} |"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.adversary.planted", description=__doc__)
    parser.add_argument("--only", default="", help="those whose name or profile has this in it")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=1, help="so many of them")
    options = parser.parse_args(arguments)
    chosen = [one for one in PLANTED if options.only in one.name or options.only == one.profile]
    missed = 0
    with ThreadPoolExecutor(options.at_once) as pool:
        seeking = partial(sought, seed=options.seed, minutes=options.minutes)
        for result in pool.map(seeking, chosen):
            missed += result.second is None
            print(row(result), flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
