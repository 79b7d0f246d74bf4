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
EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


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


def run_project(folder: Path, *options: str) -> str:
    """What pytest prints of a project, run as its user does."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "edgecache.testing.pytest_plugin"]
    command += ["-p", "no:cacheprovider", "--durations=0", *options]
    asked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    return asked.stdout


PROJECTS = [
    ("in_process", "pytest", 7, ("-n", "2")),  # workers do not meet
    ("in_process", "signed-cookies", 6, ()),
    ("processes", "pytest", 13, ("-n", "2", "-c", "pytest.ini", ".", "../signed-cookies")),
]


@pytest.mark.parametrize(("mode", "name", "passed", "options"), PROJECTS)
def test_a_users_project(mode: str, name: str, passed: int, options: tuple[str, ...]) -> None:
    """Samples for pytest, as their users run them."""
    printed = run_project(EXAMPLES / name, "--edgecache-mode", mode, *options)
    whole = re.search(rf"\b{passed} passed in ([0-9.]+)s", printed)
    assert whole is not None, printed
    call = re.search(r"([0-9.]+)s call +\S*test_ttl_and_invalidation", printed)
    taken = call[1] if call else "less than 0.005"
    if name == "pytest":
        tell(f"a user's test of TTL and invalidation, {mode}: {taken} s of {whole[1]} s for all")


def test_its_longest_test_has_few_lines() -> None:
    """It was 87 lines, and slept."""
    lines = (EXAMPLES / "pytest" / "test_ttl.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 12
