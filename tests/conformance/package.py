"""The public suite `http-cache-tests`: installed by name and version, never kept in the tree."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "var" / "conformance"
NAME = "http-cache-tests"
VERSION = "0.4.5"
INSTALL_S_MAX = 180  # seven small packages; a registry that needs longer is down


class UnavailableError(Exception):
    """The suite cannot be run here, and why."""


def suite_folder() -> Path:
    """Where the suite's files are, installed first when needed. UnavailableError says why not."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise UnavailableError(f"{program} is not installed")
    found = FOLDER / "node_modules" / NAME
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once must not install over each other
        if _installed_version(found) != VERSION:
            _install()
        if _installed_version(found) != VERSION:
            raise UnavailableError(f"npm left no {NAME} {VERSION} in {FOLDER}")
    return found


def _installed_version(found: Path) -> str:
    try:
        return str(json.loads((found / "package.json").read_text())["version"])
    except (OSError, ValueError, KeyError):
        return ""


def _install() -> None:
    quiet = ("--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error")
    command = ["npm", "install", "--prefix", str(FOLDER), *quiet, f"{NAME}@{VERSION}"]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=INSTALL_S_MAX
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"npm install took longer than {INSTALL_S_MAX} s") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["npm said nothing"])[-1]
        raise UnavailableError(f"npm install failed: {last}")
