"""Lines to standard error: in order, bounded, never waited for, and each with time and level."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgecache.runtime.stderr_log import (
    FORMAT_ENV,
    LEVEL_ENV,
    LINES_MAX,
    PROCESS_ENV,
    EntryFormat,
    StderrEntry,
    StderrLog,
    as_json,
    as_text,
    for_journal,
)

AT = 1_796_061_600.0425
STAMP = "2026-11-30T18:00:00.042Z"


def _log(said: list[bytes]) -> StderrLog:
    return StderrLog(said.append, "edge-LHR50-1", lambda: AT)


def test_what_is_said_gets_out_in_order() -> None:
    said: list[bytes] = []
    own = _log(said)
    own.say("one")
    record = logging.LogRecord("edgecache", logging.ERROR, "", 0, "two %d", (2,), None)
    record.created = AT
    own.emit(record)
    own.flush(30)
    assert said == [
        f"{STAMP} info edge-LHR50-1: one\n".encode(),
        f"{STAMP} error edge-LHR50-1: two 2\n".encode(),
    ]


def test_what_is_below_the_level_is_not_said() -> None:
    said: list[bytes] = []
    own = _log(said)
    own.setLevel(logging.WARNING)
    own.say("one")
    own.say("two", logging.WARNING)
    own.flush(30)
    assert [line.rpartition(b" ")[2] for line in said] == [b"two\n"]


@pytest.mark.parametrize(
    ("render", "level", "expected"),
    [
        (as_text, logging.DEBUG, f"{STAMP} debug control: a\n  b"),
        (as_text, logging.WARNING, f"{STAMP} warning control: a\n  b"),
        (as_text, logging.CRITICAL, f"{STAMP} critical control: a\n  b"),
        (for_journal, logging.DEBUG, "<7>control: a\n<7>  b"),
        (for_journal, logging.INFO, "<6>control: a\n<6>  b"),
        (for_journal, logging.WARNING, "<4>control: a\n<4>  b"),
        (for_journal, logging.ERROR, "<3>control: a\n<3>  b"),
        (for_journal, logging.CRITICAL, "<3>control: a\n<3>  b"),
    ],
)
def test_forms(render: EntryFormat, level: int, expected: str) -> None:
    assert render(StderrEntry(AT, level, "control", "a\n  b")) == expected


def test_as_json_it_is_one_line() -> None:
    line = as_json(StderrEntry(AT, logging.ERROR, "regional", 'a\n"b" ü'))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": STAMP,
        "level": "error",
        "process": "regional",
        "pid": os.getpid(),
        "message": 'a\n"b" ü',
    }


def test_a_reader_that_is_stuck_holds_up_nobody_and_what_was_dropped_is_told() -> None:
    said: list[bytes] = []
    reached, stuck = threading.Event(), threading.Event()

    def write(line: bytes) -> None:
        reached.set()
        assert stuck.wait(30)
        said.append(line)

    own = StderrLog(write, "control", lambda: AT)
    own.say("first")
    assert reached.wait(30)
    for number in range(LINES_MAX + 5):
        own.say(str(number))
    own.flush(0.01)  # does not wait for it
    stuck.set()
    own.flush(30)
    assert said[1] == f"{STAMP} warning control: 5 lines were dropped here\n".encode()
    assert said[2].endswith(b": 0\n")
    assert len(said) == LINES_MAX + 2


def test_an_error_of_the_pipe_is_no_end() -> None:
    said: list[bytes] = []

    def write(line: bytes) -> None:
        if not said:
            said.append(b"failed")
            raise BrokenPipeError
        said.append(line)

    own = StderrLog(write, "control", lambda: AT)
    own.say("lost")
    own.say("told")
    own.flush(30)
    assert said == [b"failed", f"{STAMP} info control: told\n".encode()]


_SAYS = """
import logging
from edgecache.config.model import Process
from edgecache.runtime.stderr_log import say, use_log_settings, warn
use_log_settings(Process(**%r))
logging.getLogger("edgecache.store").debug("a detail")
logging.getLogger("httpx").info("another's")
say("a fact")
warn("a warning")
logging.getLogger("httpx").warning("another's warning")
"""


@pytest.mark.parametrize(
    ("settings", "environment", "levels"),
    [
        ({}, {}, ["info", "warning", "warning"]),
        ({"log_level": "debug"}, {}, ["debug", "info", "warning", "warning"]),
        ({"log_level": "warning"}, {}, ["warning", "warning"]),
        ({"log_level": "error"}, {}, []),
        ({"log_level": "error"}, {LEVEL_ENV: "info"}, ["info", "warning", "warning"]),
        ({"log_level": "debug"}, {LEVEL_ENV: "warning"}, ["warning", "warning"]),
    ],
)
@pytest.mark.parametrize("by_environment", [True, False])
def test_the_environment_counts_before_the_file(
    settings: dict[str, str],
    environment: dict[str, str],
    levels: list[str],
    by_environment: bool,
    tmp_path: Path,
) -> None:
    if by_environment:
        environment = environment | {FORMAT_ENV: "json"}
        settings = settings | {"log_format": "text"}
    else:
        settings = settings | {"log_format": "json"}
    file, inherited = tmp_path / "stderr", os.environ | environment | {PROCESS_ENV: "regional"}
    with file.open("wb") as out:
        command = [sys.executable, "-c", _SAYS % settings]
        subprocess.run(command, stderr=out, env=inherited, check=True)
    said = [json.loads(line) for line in file.read_text().splitlines()]
    assert [one["level"] for one in said] == levels
    assert {one["process"] for one in said} <= {"regional"}


def test_the_journal_is_told_priorities(tmp_path: Path) -> None:
    file = tmp_path / "stderr"
    with file.open("wb") as out:
        stat = os.fstat(out.fileno())
        stream = {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}", PROCESS_ENV: "control"}
        command = [sys.executable, "-c", _SAYS % {}]
        subprocess.run(command, stderr=out, env=os.environ | stream, check=True)
    assert file.read_text().splitlines()[:2] == ["<6>control: a fact", "<4>control: a warning"]
