"""In CI a test that is skipped must be listed with its reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import unlisted

LISTED = """# a comment
tests/runtime/test_privileges.py::  only root
"""
ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("name", "reason", "refused"),
    [
        ("tests/runtime/test_privileges.py::test_a", "only root may", False),
        ("tests/runtime/test_privileges.py::test_a", "npm is missing", True),
        ("tests/server/test_tls.py::test_b", "only root may", True),
    ],
)
def test_which_skips_are_refused(name: str, reason: str, refused: bool) -> None:
    assert bool(unlisted([(name, reason)], LISTED)) == refused


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_a_skip_nobody_listed_fails_a_run_in_ci(tmp_path: Path, ci: str, code: int) -> None:
    test = tmp_path / "test_skipped.py"
    test.write_text("import pytest\n\n\ndef test_it():\n    pytest.skip('no such tool')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    command += ["-p", "tests.conftest", f"--rootdir={ROOT}"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "CI": ci}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout
    assert ("not listed in skips.txt" in done.stdout) == bool(ci)
    assert ("no such tool" in done.stdout) == bool(ci)
