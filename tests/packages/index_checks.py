"""Wheel and sdist as their users get them: checked, installed from a package index, used.

`pytest tests/packages/index_checks.py`: minutes, and a package index. By pip, uv and pipx; what of
it would be installed on macOS is asked for and not tried.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache import __version__
from tests.end_to_end.bench import Bench, CountingOrigin, site
from tests.end_to_end.processes import start
from tests.measurements import tell
from tests.packages.image import copy_repository

ROOT = Path(__file__).resolve().parent.parent.parent
EXTRAS = "functions,http3,postgresql,testing"
TOOLS = ("build>=1.2", "cyclonedx-bom>=7", "pipx>=1.7", "twine>=6.1", "uv>=0.5")
HOME = (
    "UV_TOOL_DIR",
    "UV_TOOL_BIN_DIR",
    "UV_CACHE_DIR",
    "PIPX_HOME",
    "PIPX_BIN_DIR",
    "PIPX_MAN_DIR",
)


def run(folder: Path, *words: object, **more: str) -> str:
    """What a command prints; AssertionError with all of it where it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs that build and check packages."""
    folder = tmp_path_factory.mktemp("tools")
    run(folder, sys.executable, "-m", "venv", folder / "venv")
    run(folder, folder / "venv/bin/pip", "install", "--quiet", *TOOLS)
    return folder / "venv/bin"


@pytest.fixture(scope="module")
def dist(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist of a clone: the wheel is built of the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    clone = copy_repository(ROOT, folder / "clone")
    run(clone, tools / "python", "-m", "build", "--outdir", folder / "dist")
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (made,) = dist.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of a fresh environment with the wheel, all extras, and what they depend on."""
    folder, began = tmp_path_factory.mktemp("fresh"), time.monotonic()
    run(folder, sys.executable, "-m", "venv", folder / "venv")
    run(folder, folder / "venv/bin/pip", "install", "--quiet", f"{wheel}[{EXTRAS}]")
    tell(f"pip install edgecache[{EXTRAS}]: {time.monotonic() - began:.0f} s")
    return folder / "venv/bin"


@pytest.fixture
def origin() -> Iterator[CountingOrigin]:
    made = CountingOrigin(fields={"cache-control": "max-age=60"})
    yield made
    made.stop()


def hit_by(program: Path, origin: CountingOrigin, folder: Path) -> None:
    """`edgecache dev` of a program: a miss, then a hit."""
    began, ports = time.monotonic(), folder / "ports.json"
    free = ("--listen-control=127.0.0.1:0", "--listen=127.0.0.1:0", "--locations=LHR50")
    process = start((str(program), "dev", *free, f"--ports-file={ports}"), folder)
    process.until("dev tells its ports", ports.exists)
    bench = Bench(process, json.loads(ports.read_text()))
    process.until("it is ready", lambda: bench.ask("GET", "/_edgecache/ready")[0] == 200)
    made = bench.client().create_distribution(DistributionConfig=site(origin.port))["Distribution"]
    asked = [bench.get(made["DomainName"], "/a").x_cache for _ in range(2)]
    tell(f"{program.parent.parent.name}: a first hit {time.monotonic() - began:.1f} s after `dev`")
    assert asked == ["Miss", "Hit"]
    assert process.stop() == 0, process.stderr


def test_a_package_index_takes_them(tools: Path, dist: Path) -> None:
    names = sorted(path.name for path in dist.iterdir())
    wheel, sdist = f"edgecache-{__version__}-py3-none-any.whl", f"edgecache-{__version__}.tar.gz"
    assert names == [wheel, sdist]
    told = run(dist, tools / "twine", "check", "--strict", *names)
    assert told.count("PASSED") == 2


def test_the_sdist_has_what_the_wheel_has_and_its_pages(dist: Path, wheel: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        ours = {one for one in archive.namelist() if ".dist-info/" not in one}
    assert {one for one in ours if not one.startswith("edgecache/samples/")} <= names
    assert {"LICENSE", "README.md", "CHANGELOG.md", "docs/install.md", "hatch_build.py"} <= names


def test_pip_s_environment_serves(fresh: Path, origin: CountingOrigin, tmp_path: Path) -> None:
    run(tmp_path, fresh / "pip", "check")
    run(tmp_path, fresh / "edgecache", "init", "--origin", f"http://127.0.0.1:{origin.port}")
    run(tmp_path, fresh / "edgecache", "check")
    hit_by(fresh / "edgecache", origin, tmp_path)


@pytest.mark.parametrize("name", ["pytest", "signed-cookies"])
def test_pip_s_environment_tests_a_project(fresh: Path, name: str, tmp_path: Path) -> None:
    """The plugin by its entry point, as nobody names it."""
    shutil.copytree(ROOT / "examples" / name, tmp_path / name)
    told = run(tmp_path / name, fresh / "pytest", "-q", "-p", "no:cacheprovider")
    assert re.search(r"^\d+ passed", told, re.MULTILINE)


@pytest.mark.parametrize("installer", [("uv", "tool"), ("pipx",)], ids=lambda words: str(words[0]))
def test_a_tool_installer_s_command_serves(
    tools: Path, wheel: Path, installer: tuple[str, ...], origin: CountingOrigin, tmp_path: Path
) -> None:
    places = {name: str(tmp_path / installer[0] / name) for name in HOME}
    program, *words = installer
    run(tmp_path, tools / program, *words, "install", "--python", sys.executable, wheel, **places)
    folder = places["UV_TOOL_BIN_DIR" if program == "uv" else "PIPX_BIN_DIR"]
    assert run(tmp_path, f"{folder}/edgecache", "--version") == f"edgecache {__version__}\n"
    hit_by(Path(folder) / "edgecache", origin, tmp_path)


ELSEWHERE = {
    "macOS": ("macosx_11_0_arm64",),
    "Linux on ARM64": ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_28_aarch64"),
}


@pytest.mark.parametrize("platform", ELSEWHERE)
def test_everything_has_a_wheel_elsewhere_too(wheel: Path, platform: str, tmp_path: Path) -> None:
    """Nobody has tried it there: docs/install.md says so."""
    plain = tmp_path / "requirement.txt"
    plain.write_text(f"edgecache[{EXTRAS}] @ {wheel.as_uri()}\n")
    words = ["install", "--quiet", "--dry-run", "--target", tmp_path / "nowhere", "--no-compile"]
    words += ["--only-binary=:all:", "--python-version", "3.12"]
    words += [f"--platform={tag}" for tag in ELSEWHERE[platform]]
    run(tmp_path, sys.executable, "-m", "pip", *words, "--requirement", plain)


def test_the_bill_of_materials_is_that_of_the_image(tools: Path, tmp_path: Path) -> None:
    """As `make sbom` has it."""
    lines = (ROOT / "Makefile").read_text().replace("\\\n", " ").splitlines()
    (recipe,) = (line.partition("/cyclonedx-py ")[2] for line in lines if "/cyclonedx-py " in line)
    words = recipe.replace("dist/", f"{tmp_path}/").split()
    run(ROOT, tools / "cyclonedx-py", *words)
    said = json.loads((tmp_path / "edgecache.cdx.json").read_text())
    pins = re.findall(
        r"^([a-z0-9-]+)==([^\s;]+)", (ROOT / "requirements-image.lock").read_text(), re.M
    )
    assert {(one["name"], one["version"]) for one in said["components"]} == set(pins)
    assert all(one["externalReferences"] for one in said["components"])  # with the hashes
    subject = said["metadata"]["component"]
    assert (subject["name"], subject["version"]) == ("edgecache", __version__)
