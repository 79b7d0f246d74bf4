"""The former release, built from its commit and installed beside this one."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.end_to_end.processes import DEADLINE_S, Running, start

ROOT = Path(__file__).resolve().parents[2]
FORMER = "b7f8cec9525785dc934a17eec1b5cf0627a4a3ae"  # moved to the commit of each release


def build(folder: Path) -> Path:
    """Its wheel, unpacked in a folder of `folder`; skipped where the commit is not to be had."""
    packed = subprocess.run(["git", "archive", FORMER], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip("the former release's commit is not in this clone")
    source, wheels, site = folder / "source", folder / "wheels", folder / "site"
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as tar:
        tar.extractall(source, filter="data")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    _run([*pip, "wheel", *offline, "-w", str(wheels), str(source)])
    (wheel,) = wheels.glob("*.whl")
    _run([*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)])
    return site


def start_former(site: Path, folder: Path, *arguments: str) -> Running:
    """A command of the former release that goes on, with `edgecache.toml` of the folder."""
    program = f"import sys; sys.path.insert(0, {str(site)!r}); from edgecache.cli.main import main"
    command = [sys.executable, "-P", "-c", f"{program}; main()", *arguments]
    return start(
        [*command, "--config", str(folder / "edgecache.toml")], folder, f"former-{arguments[0]}"
    )


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, "PIP_NO_INPUT": "1"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
