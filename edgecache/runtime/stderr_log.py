"""Log on standard error, written by a thread. Law: who serves never waits for who reads it.

A pipe whose reader is stuck takes no more than 64 KiB (pipe(7)), and a write to it then waits for
ever. So a thread of its own writes, from a bounded queue; what finds it full is dropped, and how
much that was is told. Each line says when, how bad, and which process: as text, as JSON, or, where
systemd's journal listens, by the priority that it reads (sd-daemon(3)), for it has a clock.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from queue import Full, Queue
from typing import NamedTuple

from edgecache.config.model import Process

LINES_MAX = 1_000  # a megabyte or so of tracebacks
LAST_S_MAX = 1.0  # for what is left when the process ends
LEVEL_ENV = "EDGECACHE_LOG_LEVEL"  # for a process and its children: --log-level
FORMAT_ENV = "EDGECACHE_LOG_FORMAT"
PROCESS_ENV = "EDGECACHE_PROCESS"  # its name, from its supervisor
_JOURNAL_ENV = "JOURNAL_STREAM"  # device and inode of what systemd has made our standard error
_STDERR_FD = 2
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}  # syslog(3)
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO}
_LEVELS |= {"warning": logging.WARNING, "error": logging.ERROR}


class StderrEntry(NamedTuple):
    """One message: when (epoch seconds), its level, which process said it, and what."""

    time: float
    level: int
    process: str
    text: str


EntryFormat = Callable[[StderrEntry], str]
"""The lines of an entry, without the last line's end."""


def as_text(entry: StderrEntry) -> str:
    """`2026-11-30T17:47:25.123Z warning edge-LHR50-1: message`; UTC, as in the access log."""
    word = logging.getLevelName(entry.level).lower()
    return f"{_rfc3339(entry.time)} {word} {entry.process}: {entry.text}"


def as_json(entry: StderrEntry) -> str:
    """One object on one line: time, level, process, pid, message."""
    values = {
        "time": _rfc3339(entry.time),
        "level": logging.getLevelName(entry.level).lower(),
        "process": entry.process,
        "pid": os.getpid(),
        "message": entry.text,
    }
    return json.dumps(values, ensure_ascii=False)


def for_journal(entry: StderrEntry) -> str:
    """`<4>edge-LHR50-1: message`; each line is an entry there, and has its priority."""
    priority = _PRIORITIES.get(entry.level, _PRIORITIES[logging.ERROR])
    lines = f"{entry.process}: {entry.text}".splitlines() or [""]
    return "\n".join([f"<{priority}>{line}" for line in lines])


def _rfc3339(instant: float) -> str:
    """In UTC, with milliseconds."""
    second, milli = divmod(int(instant * 1_000), 1_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{milli:03}Z"


def _to_stderr(line: bytes) -> None:
    while line:
        line = line[os.write(_STDERR_FD, line) :]


class StderrLog(logging.Handler):
    """Log handler with a bounded queue: log records, and lines said without one."""

    def __init__(
        self,
        write: Callable[[bytes], None] = _to_stderr,
        process: str = "edgecache",
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(logging.INFO)
        self.render: EntryFormat = as_text
        self._write = write
        self._process = process
        self._clock = clock
        self._queue: Queue[StderrEntry | None] = Queue(LINES_MAX)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="complaints", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        self._put(StderrEntry(record.created, record.levelno, self._process, self.format(record)))

    def say(self, text: str, level: int = logging.INFO) -> None:
        """Queue a message; returns at once, and drops it when the queue is full."""
        if level >= self.level:
            self._put(StderrEntry(self._clock(), level, self._process, text))

    def _put(self, entry: StderrEntry) -> None:
        try:
            self._queue.put_nowait(entry)
        except Full:
            self._dropped += 1

    def flush(self, s_max: float = LAST_S_MAX) -> None:
        """Wait until the queue is written, at most so long."""
        try:
            self._queue.put(None, timeout=s_max)
        except Full:
            return
        self._thread.join(s_max)

    def _run(self) -> None:
        while (entry := self._queue.get()) is not None:
            if self._dropped:
                told = f"{self._dropped} lines were dropped here"
                self._dropped = 0
                self._tell(entry._replace(level=logging.WARNING, text=told))
            self._tell(entry)

    def _tell(self, entry: StderrEntry) -> None:
        line = self.render(entry).encode("utf-8", "backslashreplace") + b"\n"
        with contextlib.suppress(OSError):  # nobody can be told
            self._write(line)


_own: StderrLog | None = None


def install_stderr_log() -> StderrLog:
    """The handler of this process, made at the first call; all that is logged goes to it."""
    global _own
    if _own is None:
        _own = StderrLog(process=os.environ.pop(PROCESS_ENV, "supervisor"))
        logging.getLogger().addHandler(_own)
        atexit.register(_own.flush)
        use_log_settings(Process())
    return _own


def use_log_settings(settings: Process) -> None:
    """Take over level and format of a configuration, where the environment says none.

    Others' packages are heard from warnings on, but where everything is.
    """
    own = install_stderr_log()
    level = _LEVELS.get(os.environ.get(LEVEL_ENV, ""), _LEVELS[settings.log_level])
    own.setLevel(level)
    logging.getLogger("edgecache").setLevel(level)
    if os.environ.get(FORMAT_ENV, settings.log_format) == "json":
        own.render = as_json
    else:
        own.render = for_journal if _is_journal(os.environ.get(_JOURNAL_ENV, "")) else as_text


def _is_journal(stream: str) -> bool:
    """Whether standard error is the `stream` (`DEVICE:INODE`) that systemd's journal reads."""
    try:
        found = os.fstat(_STDERR_FD)
    except OSError:
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"


def say(line: str, level: int = logging.INFO) -> None:
    """Write one message of ours."""
    install_stderr_log().say(line, level)


def warn(line: str) -> None:
    """Write one message of ours that an operator should look at."""
    say(line, logging.WARNING)
