"""Runs of pytest in a folder, each in a process of its own that begins with what others loaded.

Loading pytest and the libraries takes a run of one play longer than all else. So one process loads
them and forks for each run; of the folder's own modules it has none, since each run changes one.
As a program, in the folder: it reads a run from each line, and writes a line when it has ended.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

RUN_S_MAX = 120  # one file of plays takes a few seconds
OURS = {"edgecache", "tests", "conftest", "__main__", "__mp_main__"}
# What was loaded before pytest cannot be rewritten by it; nothing of a library's has to be.
LATE = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"


class Run(NamedTuple):
    """How a run ended: pytest's exit code, below 0 a signal's number; and what it said."""

    code: int
    said: str


class ForkedRuns:
    """The process that forks, and a file for what the runs say. They are one after another."""

    def __init__(self, folder: Path) -> None:
        self._said, self._loaded = folder / ".said", folder / ".loaded"
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        )

    def run(self, *arguments: str) -> Run:
        """A run of pytest with these arguments; ended by SIGALRM after `RUN_S_MAX`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        wanted = {"arguments": arguments, "said": str(self._said), "loaded": str(self._loaded)}
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return Run(code, self._said.read_text(errors="replace"))

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=RUN_S_MAX)
        assert self._process.returncode == 0


def _run(arguments: Sequence[str], said: str, loaded: str) -> int:
    """What the forked process does."""
    import pytest

    signal.alarm(RUN_S_MAX)
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for number in (1, 2):
        os.dup2(descriptor, number)
    sys.path.insert(0, os.getcwd())
    code = pytest.main([*arguments, "-W", LATE])
    names = [name for name in sys.modules if name.partition(".")[0] not in OURS]
    Path(loaded).write_text("\n".join(names))
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code)


def _forked(arguments: Sequence[str], said: str, loaded: str) -> int:
    """The exit code of a run."""
    pid = os.fork()
    if not pid:
        code = 70  # EX_SOFTWARE (sysexits.h): the run did not even end
        try:
            code = _run(arguments, said, loaded)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _load(file: Path) -> None:
    """What the run before had to load the next one has."""
    for name in file.read_text().split() if file.exists() else ():
        if name not in sys.modules:
            with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"):
                importlib.import_module(name)


def main() -> None:
    """Run what is asked for on standard input, until its end."""
    import pytest  # noqa: F401  so that no run has to

    for line in sys.stdin:
        wanted = json.loads(line)
        print(_forked(**wanted), flush=True)
        _load(Path(wanted["loaded"]))


if __name__ == "__main__":
    main()
