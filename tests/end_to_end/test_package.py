"""The wheel: what is in it, and a first hit from an environment that has it and no repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from edgecache import __version__
from tests.end_to_end.bench import Bench, CountingOrigin, site
from tests.end_to_end.processes import start
from tests.stages import lend_packages, minor_version

pytestmark = pytest.mark.end_to_end
ROOT = Path(__file__).resolve().parent.parent.parent
LINK = re.compile(r"\]\(([^)]+)\)")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; what it depends on is lent by ours."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    lend_packages(sys.executable, folder)
    install = ["install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    pip = [sys.executable, "-m", "pip", "--python", str(folder), *install]
    nowhere = {**os.environ, "PIP_FIND_LINKS": ""}  # a folder of many wheels takes long to read
    subprocess.run(pip, check=True, capture_output=True, env=nowhere)
    return folder / "bin"


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (one for one in opened.namelist() if one.endswith(".dist-info/METADATA"))
        return Parser().parsestr(opened.read(name).decode())


def test_all_of_the_package_is_in_it_and_nothing_else(wheel: Path) -> None:
    kept = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "edgecache", "examples"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    with zipfile.ZipFile(wheel) as opened:
        names = [one for one in opened.namelist() if ".dist-info/" not in one]
    placed = [name.replace("examples/", "edgecache/samples/", 1) for name in kept]
    assert sorted(names) == sorted(placed)
    assert "edgecache/py.typed" in names


def test_its_metadata_says_what_it_is(wheel: Path) -> None:
    said = metadata(wheel)
    assert (said["Name"], said["Version"]) == ("edgecache", __version__)
    assert said["License-Expression"] == "Apache-2.0"
    urls = dict(one.split(", ") for one in said.get_all("Project-URL", []))
    assert {"Homepage", "Documentation", "Changelog", "Source"} <= urls.keys()
    extras = set(said.get_all("Provides-Extra", []))
    assert {"functions", "http3", "postgresql", "testing"} <= extras
    minor = f"Programming Language :: Python :: {minor_version(sys.executable)}"
    assert minor in said.get_all("Classifier", [])


def test_its_description_links_to_nothing_that_only_the_repository_has(wheel: Path) -> None:
    text = metadata(wheel).get_payload()
    assert isinstance(text, str)
    links = [link for link in LINK.findall(text) if not link.startswith("#")]
    assert len(links) > 10
    assert [link for link in links if not link.startswith("https://")] == []
    leading = f"https://edgecache.example/blob/v{__version__}/"
    local = [link.removeprefix(leading) for link in links if link.startswith(leading)]
    assert "docs/api.md" in local
    assert [path for path in local if not (ROOT / path.partition("#")[0]).exists()] == []


@pytest.fixture
def origin() -> Iterator[CountingOrigin]:
    made = CountingOrigin(fields={"cache-control": "max-age=60"})
    yield made
    made.stop()


def test_a_first_hit_from_a_fresh_environment(
    programs: Path, origin: CountingOrigin, tmp_path: Path
) -> None:
    program = str(programs / "edgecache")
    code = "import edgecache; print(edgecache.__file__)"
    where = subprocess.check_output([str(programs / "python"), "-c", code], text=True, cwd=tmp_path)
    assert where.startswith(str(programs.parent))
    for words in (
        ["init", "--origin", f"http://127.0.0.1:{origin.port}"],
        ["check"],
        ["init", "--sample", "signed-cookies"],
    ):
        subprocess.run([program, *words], cwd=tmp_path, check=True, capture_output=True)
    ports = tmp_path / "ports.json"
    free = ["--listen-control=127.0.0.1:0", "--listen=127.0.0.1:0", "--locations=LHR50"]
    process = start([program, "dev", *free, f"--ports-file={ports}"], tmp_path)
    process.until("dev tells its ports", ports.exists)
    bench = Bench(process, json.loads(ports.read_text()))
    process.until("it is ready", lambda: bench.ask("GET", "/_edgecache/ready")[0] == 200)
    made = bench.client().create_distribution(DistributionConfig=site(origin.port))["Distribution"]
    asked = [bench.get(made["DomainName"], "/a").x_cache for _ in range(2)]
    assert asked == ["Miss", "Hit"]
    assert process.stop() == 0, process.stderr
