"""The oracle can fail: what becomes of the stories when a guard of tests/mutations is gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutations.guards import GUARDS, Guard

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("edgecache", "tests/world", "tests/simulation", "tests/mutations", "tests/__init__.py")
BEING_WRITTEN = shutil.ignore_patterns("*.pyc.*")  # by another process, which then renames it
RUN_S_MAX = 900


def told_without(guard: Guard, seed: int, gets: int) -> subprocess.CompletedProcess[str]:
    """The stories from `seed` on, told by a copy of the product without `guard`.

    What is compiled is copied, too; Python knows by its time that the file without it is another.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in COPIED:
            source, target = ROOT / part, folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=BEING_WRITTEN)
            else:
                shutil.copy(source, target)
        for name in guard.files:
            file = folder / "edgecache" / name
            file.write_text(guard.taken_from(name, file.read_text()))
        command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed)]
        command += ["--gets", str(gets)]
        return subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=RUN_S_MAX,
            env={**os.environ, "PYTHONPATH": str(folder)},
        )


def report(seed: int, gets: int, part: str) -> int:
    """Say of each guard which story misses it; 1 when there is one that none does."""
    missed = 0
    for guard in GUARDS:
        if part not in guard.name:
            continue
        run = told_without(guard, seed, gets)
        first = next((x for x in run.stdout.splitlines() if x.startswith("seed ")), "")
        if run.returncode == 0:
            first, missed = "not missed", missed + 1
        print(f"{guard.name}: {first or run.stderr[-300:]}", flush=True)
    return min(missed, 1)
