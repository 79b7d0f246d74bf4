"""Another commit of ours and both ways to set nginx, as servers of a run: `--compare COMMIT`.

What is measured in one run can be compared; what was measured an hour ago on the same machine
cannot. nginx takes part with `sendfile` and `tcp_nopush` and without: the former is better for
large objects, the latter for small ones, and the better one counts.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.processes import BenchmarkError
from benchmarks.results import Round, ratios

if TYPE_CHECKING:
    from benchmarks.scenarios import Goal

ROOT = Path(__file__).resolve().parent.parent
OURS, BEFORE = "edgecache", "edgecache-before"
NGINX, NGINX_WRITES = "nginx", "nginx-sendfile-off"
COMPARED = (OURS, BEFORE, NGINX, NGINX_WRITES)
BETTER = "the better nginx"


@contextmanager
def tree_of(commit: str, folder: Path) -> Iterator[Path]:
    """A checkout of `commit` in `folder`, gone afterwards. BenchmarkError: no such commit."""
    tree = folder / "before"
    _git("worktree", "add", "--detach", "--quiet", str(tree), commit)
    try:
        _prove(tree)
        yield tree
    finally:
        _git("worktree", "remove", "--force", str(tree))


def command_of(tree: Path | None) -> list[str]:
    """How our program is started from a checkout (None: from this one)."""
    started = [sys.executable, "-m", "edgecache"]
    return started if tree is None else ["env", f"PYTHONPATH={tree}", *started]


def compared(goal: Goal, rounds: list[Round]) -> dict[str, list[float]]:
    """The goal's measure of ours over that of the commit before, and of the better nginx."""
    with_best = [{**each, **_best(goal, each)} for each in rounds]
    both = {to: ratios(with_best, goal.of, OURS, to) for to in (BEFORE, BETTER)}
    return {to: values for to, values in both.items() if values}


def _best(goal: Goal, figures: Round) -> Round:
    """The better nginx of a round: the one with less CPU, or with more bytes, as the goal asks."""
    measured = [
        (value, name)
        for name in (NGINX, NGINX_WRITES)
        if name in figures and (value := getattr(figures[name], goal.of)) is not None
    ]
    if not measured:
        return {}
    return {BETTER: figures[(max if goal.at_least else min)(measured)[1]]}


def turns(servers: list[str], number: int) -> list[str]:
    """The order of a round: each server is first in its turn, since none is to be favored."""
    shift = number % len(servers)
    return servers[shift:] + servers[:shift]


def _prove(tree: Path) -> None:
    """What is started from there is of there."""
    command = [*command_of(tree)[:-2], "-c", "import edgecache; print(edgecache.__file__)"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    if not Path(done.stdout.strip() or "/").is_relative_to(tree):
        raise BenchmarkError(f"{tree}: another edgecache is imported: {done.stdout}{done.stderr}")


def _git(*arguments: str) -> None:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
