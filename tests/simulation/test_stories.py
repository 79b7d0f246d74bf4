"""Stories from seeds: no promise is broken, and the same seed tells the same story.

CI tells 10^5 gets; `python -m tests.simulation` tells as many as one likes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutations.guards import GUARDS
from tests.simulation.__main__ import total_of
from tests.simulation.guard_removal import told_without
from tests.simulation.register import Tally
from tests.simulation.scenario import GETS, play

ROOT = Path(__file__).resolve().parents[2]
STORIES = 30  # `simulation-long` goes on from there
AT_ONCE = 5  # stories of one test, so that workers may share them
MISSED = {  # a guard that is missed, by the stories from this seed on
    "a hit compares its entry's mark": 0,
    "the memo ends with the lease": 2,
    "a mark is taken before upstream is asked": 0,
    "a flight of before is not joined": 0,
}


@pytest.mark.parametrize("first", range(0, STORIES, AT_ONCE))
def test_no_promise_is_broken(first: int) -> None:
    tally = Tally()
    for seed in range(first, first + AT_ONCE):
        tally = total_of(tally, play(seed).tally)
    assert tally.gets >= AT_ONCE * GETS
    assert tally.bound > tally.gets / 10  # or too little was put to the test
    assert tally.hits > tally.gets / 10
    assert tally.hits_due
    assert tally.completed


def test_a_seed_tells_the_same_story_in_every_process() -> None:
    code = "from tests.simulation.scenario import play; told = play(3, 500); print(told)"
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


@pytest.mark.parametrize("name", MISSED)
def test_a_guard_that_is_gone_is_missed(name: str) -> None:
    guard = next(guard for guard in GUARDS if guard.name == name)
    run = told_without(guard, MISSED[name], 5 * GETS)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "again: python -m tests.simulation --seed" in run.stdout
