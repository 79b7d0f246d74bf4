"""The stages of the test run: `python -m tests.stages` runs them and prints each one's seconds.

What they are, and how long each may take, stands in `stages.toml`. A stage that takes three
times its seconds is ended: one that hangs must not take the time of all. On a slower machine than
the table is for, it has as many times more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "stages.toml"
SECONDS_MAX = 1_800  # of all that CI runs; a third of what a run may take there
ENDED_AFTER = 3.0  # times its seconds; additions say little of memory and disks
ADDITIONS = 5_000_000
ADDITIONS_S = 0.4  # for that many, on a machine the table is for
SLOWNESS_MAX = 3.0  # beyond it, a machine is too busy to prove anything
NEWEST = ("3.14", "3.13", "3.12")

Interpreter = Literal["oldest", "newest"]


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stage: a command of the shell, and the seconds it may take."""

    name: str
    command: str
    seconds: int
    quick: bool = False  # of `make check`
    long: bool = False  # of `make test-long` alone
    interpreter: Interpreter | None = None  # of CI alone


def stages(path: Path = TABLE) -> list[Stage]:
    """The table, in its order. msgspec.ValidationError names what is wrong in it."""
    return msgspec.convert(tomllib.loads(path.read_text()), dict[str, list[Stage]])["stage"]


def chosen(all_of_them: Sequence[Stage], options: argparse.Namespace) -> list[Stage]:
    """Those to run: by name, else all that are not long (or, with `--long`, only those)."""
    if options.only:
        return [stage for stage in all_of_them if stage.name in options.only]
    kept = [stage for stage in all_of_them if stage.long == options.long]
    if options.quick:
        kept = [stage for stage in kept if stage.quick]
    return [stage for stage in kept if options.interpreters or stage.interpreter is None]


def interpreter(which: Interpreter) -> str | None:
    """The command of the system's own Python, or of the newest there is beyond 3.11 that runs."""
    if which == "oldest":
        return _first_that_runs(["/usr/bin/python3"])
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = []
    for version in NEWEST:
        candidates.append(shutil.which(f"python{version}") or "")
        candidates += sorted(map(str, versions.glob(f"{version}.*/bin/python3")), reverse=True)
    return _first_that_runs(candidates)


def _first_that_runs(commands: Sequence[str]) -> str | None:
    check = "import ensurepip, ssl, sqlite3, sys; sys.exit(sys.version_info < (3, 11))"
    for command in commands:
        if command and Path(command).exists():
            done = subprocess.run([command, "-c", check], capture_output=True, check=False)
            if done.returncode == 0:
                return command
    return None


def environment_of(stage: Stage) -> Path | None:
    """The folder of programs a stage runs with, made if need be; None when it cannot be had."""
    if stage.interpreter is None:
        return Path(sys.executable).parent
    python = interpreter(stage.interpreter)
    if python is None:
        return None
    folder = ROOT / "var" / "interpreters" / stage.interpreter
    shutil.rmtree(folder, ignore_errors=True)
    if minor_version(python) == minor_version(sys.executable):
        lend_packages(python, folder)
        return folder / "bin"
    target = f"{folder}/bin/.installed"
    make = ["make", "--silent", f"VENV={folder}", f"PYTHON={python}", target]
    make += ["PIP_OPTIONS=--no-compile"]  # most of what is installed is never imported here
    subprocess.run(make, cwd=ROOT, check=True)
    return folder / "bin"


def minor_version(python: str) -> str:
    """Of an interpreter, `3.11`."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def lend_packages(python: str, folder: Path) -> None:
    """Make an environment of another release of our own minor version, with the packages of ours.

    They are the same: the lock's wheels are of a minor version. Installing them takes a minute.
    """
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    ours = sysconfig.get_path("purelib")
    (packages / "lent.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    pytest = folder / "bin" / "pytest"
    pytest.write_text(f"#!{folder}/bin/python\nimport pytest\nraise SystemExit(pytest.main())\n")
    pytest.chmod(0o755)


def slowness(clock: Callable[[], float] = time.perf_counter) -> float:
    """How many times the table's seconds this machine takes: at least 1, at most SLOWNESS_MAX."""
    began, total = clock(), 0
    for number in range(ADDITIONS):
        total += number
    return min(max((clock() - began) / ADDITIONS_S, 1.0), SLOWNESS_MAX)


def run(stage: Stage, programs: Path, environment: Mapping[str, str], slower: float = 1.0) -> int:
    """Run a stage in a process group of its own; its exit code, 124 when it had to be ended."""
    path = f"{programs}{os.pathsep}{environment.get('PATH', os.defpath)}"
    compiled = {"PYTHONDONTWRITEBYTECODE": ""}  # else each of thousands of processes compiles all
    process = subprocess.Popen(
        ["bash", "-c", stage.command],
        cwd=ROOT,
        env={**environment, "PATH": path, **compiled},
        start_new_session=True,
    )
    try:
        return process.wait(stage.seconds * ENDED_AFTER * slower)
    except subprocess.TimeoutExpired:
        return 124
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run_all(some: Sequence[Stage], clock: Callable[[], float] = time.monotonic) -> int:
    """Run stages until one fails; the table of their seconds is printed in any case."""
    lines, code, all_s = [], 0, 0.0
    slower = slowness()
    print(f"this machine takes {slower:.1f} times the seconds of the table", flush=True)
    for stage in some:
        print(f"\n== {stage.name}: {stage.command}", flush=True)
        began = clock()
        programs = environment_of(stage)
        if programs is None:
            lines.append(f"  {stage.name:<16}    not run: no such interpreter here")
            continue
        code = run(stage, programs, os.environ, slower)
        took_s = clock() - began
        all_s += took_s
        lines.append(_line(stage, took_s, code))
        if code:
            break
    lines.append(f"  {'all':<16} {all_s:7.1f} of {sum(stage.seconds for stage in some):5}")
    print("\nstages (seconds taken, of how many):", *lines, sep="\n", flush=True)
    return code


def _line(stage: Stage, took_s: float, code: int) -> str:
    said = f"  {stage.name:<16} {took_s:7.1f} of {stage.seconds:5}"
    if code:
        why = "took too long and was ended" if code == 124 else f"failed with {code}"
        return f"{said}  {why}"
    return f"{said}  over its budget" if took_s > stage.seconds else said


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [stage.name for stage in stages()]
    parser = argparse.ArgumentParser(prog="python -m tests.stages", description=__doc__)
    parser.add_argument("--only", action="append", choices=names, help="this one (repeatable)")
    parser.add_argument("--quick", action="store_true", help="those of `make check`")
    parser.add_argument("--long", action="store_true", help="those of `make test-long`")
    parser.add_argument("--interpreters", action="store_true", help="the oldest and newest, too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code of the first that failed."""
    return run_all(chosen(stages(), _options(arguments)))


if __name__ == "__main__":
    sys.exit(main())
