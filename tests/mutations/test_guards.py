"""Each guard against a race is needed: without it, a play that was green is red."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.mutations.forked_runs import ForkedRuns, Run
from tests.mutations.guards import GUARDS, Guard

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    "edgecache",
    "tests/world",
    "tests/conftest.py",
    "tests/__init__.py",
    "tests/measurements.py",
    "tests/skips.py",
    "tests/skips.txt",
    "tests/functions/engine.py",
    "tests/functions/hostile_programs.tsv",
    "tests/control/conftest.py",
    "tests/control/dashboard/browser.py",
    "tests/control/rest/test_app.py",
    "tests/control/state/test_postgresql.py",
    "tests/plays/letters.py",
    "tests/plays/versions.py",
    "tests/rules/private/signers.py",
    "tests/server/http2/conftest.py",
    "tests/server/http2/test_connection.py",
    "tests/upstream/http2/h2_origin.py",
    "tests/upstream/loopback.py",
    "tests/store/disk/disk_world.py",
    "tests/store/reserve/held_bucket.py",
    "tests/simulation",
    "tests/plays/eviction.py",
)
BEING_WRITTEN = shutil.ignore_patterns("*.pyc.*")  # by another process, which then renames it
MOMENTS = count(1_000_000_000)  # epoch seconds


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all that plays need, one of each worker, with what is compiled already."""
    folder = tmp_path_factory.mktemp("staged")
    for name in (*COPIED, "pyproject.toml", *{guard.plays for guard in GUARDS}):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=BEING_WRITTEN)
        else:
            shutil.copy(source, target)
    return folder


@contextmanager
def without(guard: Guard, folder: Path) -> Iterator[None]:
    """The copy without `guard`."""
    root = folder / "edgecache"
    before = {name: (root / name).read_text() for name in guard.files}
    for name, code in before.items():
        put(root / name, guard.taken_from(name, code))
    try:
        yield
    finally:
        for name, code in before.items():
            put(root / name, code)


def put(file: Path, code: str) -> None:
    """Write a source that nothing compiled before is taken for: Python compares their times."""
    file.write_text(code)
    moment = next(MOMENTS)
    os.utime(file, (moment, moment))


@pytest.fixture(scope="session")
def runs(staged: Path) -> Iterator[ForkedRuns]:
    """Runs of plays in the copy."""
    made = ForkedRuns(staged)
    yield made
    made.close()


def play(runs: ForkedRuns, guard: Guard) -> Run:
    quiet = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=native")  # parses no sources
    return runs.run(*quiet, "--exitfirst", guard.plays, "-k", guard.play)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name.replace(" ", "-"))
def test_without_its_guard_a_play_fails(guard: Guard, staged: Path, runs: ForkedRuns) -> None:
    with without(guard, staged):
        run = play(runs, guard)
    assert run.code == 1, run.said
    assert " failed" in run.said
    assert "ImportError" not in run.said


def test_with_every_guard_the_plays_pass(runs: ForkedRuns) -> None:
    run = play(runs, Guard("", "", "", "", "test_"))
    assert run.code == 0, run.said


def test_a_run_that_fails_otherwise_is_no_failed_play(runs: ForkedRuns) -> None:
    """The exit code of a run is pytest's: a file that is not there is no play that failed."""
    assert play(runs, Guard("", "", "", "", "test_", "tests/plays/test_none.py")).code == 4
    assert play(runs, Guard("", "", "", "", "test_no_such_play")).code == 5
