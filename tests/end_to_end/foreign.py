"""Programs other people made that are no dependency of the tests: under var/, each installed once.

A name holds the version, so that another version is another folder.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "var" / "foreign"
INSTALL_S_MAX = 180  # a registry that needs longer is down


class UnavailableError(Exception):
    """A program cannot be run here, and why."""


def installed(name: str, install: Callable[[Path], Path]) -> Path:
    """What `install` gave for the folder `name`; asked of it when it is not there yet."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = FOLDER / name
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once must not install over each other
        done = folder / "done"
        if not done.exists():
            program = install(folder)
            done.write_text(str(program))
        return Path(done.read_text())


def make_venv(folder: Path, *requirements: str) -> None:
    """An environment of its own for a Python program."""
    ran([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
    if not sys.dont_write_bytecode:
        pip.append("--no-compile")  # most of it is never imported; what is, is compiled then
    ran([*pip, *requirements])


def make_node_modules(folder: Path, *packages: str) -> None:
    """A folder of its own for a program on Node."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise UnavailableError(f"{program} is not installed")
    folder.mkdir(exist_ok=True)
    quiet = ("--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error")
    ran(["npm", "install", "--prefix", str(folder), *quiet, *packages])


def ran(command: list[str], given: str = "") -> str:
    """What a command said on standard output."""
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=INSTALL_S_MAX
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{command[0]} took longer than {INSTALL_S_MAX} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise UnavailableError(f"{' '.join(command[:3])}: {last}")
    return done.stdout
