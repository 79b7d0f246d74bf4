"""Each guard against a race is needed: without it, a play that was green is red."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

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
MOMENTS = count(1_000_000_000)  # epoch seconds
RUN_S_MAX = 120  # one file of plays takes a few seconds


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all that plays need, one of each worker: what one run compiles serves the next."""
    folder = tmp_path_factory.mktemp("staged")
    for name in (*COPIED, "pyproject.toml", *{guard.plays for guard in GUARDS}):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
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


def play(folder: Path, guard: Guard) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["--tb=native", guard.plays, "-k", guard.play]  # others parse sources anew
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name.replace(" ", "-"))
def test_without_its_guard_a_play_fails(guard: Guard, staged: Path) -> None:
    with without(guard, staged):
        run = play(staged, guard)
    assert run.returncode == 1, run.stdout + run.stderr
    assert " failed" in run.stdout
    assert "ImportError" not in run.stdout + run.stderr


def test_with_every_guard_the_plays_pass(staged: Path) -> None:
    run = play(staged, Guard("", "", "", "", "test_"))
    assert run.returncode == 0, run.stdout + run.stderr
