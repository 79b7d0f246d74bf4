"""The tour of the code is what its script prints, and a request crosses few files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tour import Trace, hit, miss, traced

ROOT = Path(__file__).resolve().parent.parent
HIT_FILES_MAX = 28  # one of them has the line of a record, one which heads are kept, one ids
MISS_FILES_MAX = 42  # one of them counts what a client holds


def test_the_page_is_what_the_script_prints() -> None:
    """In a process of its own: calls are fewer where a cache of this process is warm."""
    run = subprocess.run([sys.executable, "-m", "tests.tour"], cwd=ROOT, capture_output=True)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout.decode() == (ROOT / "docs/tour.md").read_text()


@pytest.mark.parametrize(("path", "files_max"), [(hit, HIT_FILES_MAX), (miss, MISS_FILES_MAX)])
def test_a_request_crosses_few_files(path: Callable[[Trace], None], files_max: int) -> None:
    files = traced(path).files
    assert 0 < len(files) <= files_max, sorted(files)
