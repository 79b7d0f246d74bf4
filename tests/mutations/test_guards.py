"""Each guard against a race is needed: without it, a play that was green is red."""

from __future__ import annotations

import shutil
import subprocess
import sys
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
    "tests/control/conftest.py",
    "tests/control/state/test_postgresql.py",
    "tests/plays/letters.py",
    "tests/plays/versions.py",
    "tests/rules/private/signers.py",
    "tests/store/disk/disk_world.py",
    "tests/store/reserve/held_bucket.py",
)
RUN_S_MAX = 120  # one file of plays takes a few seconds


def stage(folder: Path, guard: Guard) -> None:
    """A copy of what the play needs, in `folder`."""
    for name in (*COPIED, "tests/conftest.py", "pyproject.toml", guard.plays):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def play(folder: Path, guard: Guard) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["--tb=native", guard.plays, "-k", guard.play]  # others parse sources anew
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=RUN_S_MAX)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name.replace(" ", "-"))
def test_without_its_guard_a_play_fails(guard: Guard, tmp_path: Path) -> None:
    stage(tmp_path, guard)
    file = tmp_path / "edgecache" / guard.file
    code = file.read_text()
    assert code.count(guard.code) == 1, f"{guard.file} has the guard no more, or twice"
    file.write_text(code.replace(guard.code, guard.without or "# gone"))
    run = play(tmp_path, guard)
    assert run.returncode == 1, run.stdout + run.stderr
    assert " failed" in run.stdout
    assert "ImportError" not in run.stdout + run.stderr


def test_with_every_guard_the_plays_pass(tmp_path: Path) -> None:
    stage(tmp_path, GUARDS[0])
    run = play(tmp_path, Guard("", "", "", "", "test_"))
    assert run.returncode == 0, run.stdout + run.stderr
