"""Comparing with another commit: what is started is of that commit, and the better nginx counts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.comparison import BEFORE, BETTER, NGINX, NGINX_WRITES, compared, tree_of, turns
from benchmarks.processes import BenchmarkError
from benchmarks.results import Figure, Round
from benchmarks.scenarios import Goal

LEAST_CPU, MOST_BYTES = Goal("cpu_us_per_request", 0.5), Goal("bytes_per_s", 1.0, at_least=True)
ROUND: Round = {
    "edgecache": Figure(cpu_us_per_request=20, bytes_per_s=300),
    BEFORE: Figure(cpu_us_per_request=16, bytes_per_s=200),
    NGINX: Figure(cpu_us_per_request=50, bytes_per_s=600),
    NGINX_WRITES: Figure(cpu_us_per_request=40, bytes_per_s=150),
}


@pytest.mark.parametrize(
    ("goal", "before", "better"), [(LEAST_CPU, 1.25, 0.5), (MOST_BYTES, 1.5, 0.5)]
)
def test_the_better_of_both_ways_to_set_nginx_counts(
    goal: Goal, before: float, better: float
) -> None:
    assert compared(goal, [ROUND]) == {BEFORE: [before], BETTER: [better]}


def test_what_was_not_measured_is_not_compared() -> None:
    assert compared(LEAST_CPU, [{"edgecache": Figure(cpu_us_per_request=20)}]) == {}


def test_each_server_is_first_in_its_turn() -> None:
    assert [turns(["a", "b", "c"], number)[0] for number in range(4)] == ["a", "b", "c", "a"]
    assert sorted(turns(["a", "b", "c"], 2)) == ["a", "b", "c"]


def test_a_commit_is_checked_out_imported_from_there_and_gone_afterwards(tmp_path: Path) -> None:
    with tree_of("HEAD", tmp_path) as tree:
        assert (tree / "edgecache" / "__main__.py").exists()
    assert not tree.exists()
    listed = subprocess.run(["git", "worktree", "list"], capture_output=True, text=True, check=True)
    assert str(tmp_path) not in listed.stdout


def test_an_unknown_commit_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="nonsense"), tree_of("nonsense", tmp_path):
        pass
