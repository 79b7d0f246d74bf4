"""Users' tests over real processes: the same transcripts as in process, and a user's project."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.testing.installation import Edgecache, open_edgecache
from edgecache.testing.processes import DevProcesses, ProcessInstallation
from tests.measurements import tell
from tests.testing.transcript import Case, cases, differences, transcript

pytestmark = pytest.mark.end_to_end
EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "pytest"


@pytest.fixture(scope="module")
def processes() -> Iterator[DevProcesses]:
    started = DevProcesses()
    yield started
    started.stop()


@pytest.fixture
def edgecache(processes: DevProcesses) -> Iterator[Edgecache]:
    made = Edgecache(ProcessInstallation(processes))
    yield made
    made.close()


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.__name__)
def test_a_users_test_is_answered_the_same(case: Case, edgecache: Edgecache) -> None:
    case(edgecache)
    inside = open_edgecache()
    case(inside)
    inside.close()
    assert differences(transcript(inside), transcript(edgecache)) == []


def test_boto3_asks_its_api(edgecache: Edgecache) -> None:
    site = edgecache.distribution(origins=edgecache.origin())
    client = edgecache.boto3_client()
    assert client.get_distribution(Id=site.id)["Distribution"]["DomainName"] == site.domain_name


@pytest.mark.parametrize("mode", ["in_process", "processes"])
def test_a_users_project(mode: str) -> None:
    """examples/pytest, as its user runs it."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "edgecache.testing.pytest_plugin"]
    command += ["-p", "no:cacheprovider", "--edgecache-mode", mode, "--durations=0", str(EXAMPLE)]
    command += ["-n", "2"] if mode == "in_process" else []  # workers do not meet
    asked = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    call = re.search(r"([0-9.]+)s call +\S*test_ttl_and_invalidation", asked.stdout)
    whole = re.search(r"7 passed in ([0-9.]+)s", asked.stdout)
    assert whole is not None, asked.stdout
    taken = call[1] if call else "less than 0.005"
    tell(
        f"a user's test of TTL and invalidation, {mode}: {taken} s of {whole[1]} s for the project"
    )


def test_its_longest_test_has_few_lines() -> None:
    """It was 87 lines, and slept."""
    lines = (EXAMPLE / "test_ttl.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 12
