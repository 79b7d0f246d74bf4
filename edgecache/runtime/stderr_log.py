"""Log on standard error, written by a thread. Law: who serves never waits for who reads it.

A pipe whose reader is stuck takes no more than 64 KiB (pipe(7)), and a write to it then waits for
ever. So a thread of its own writes, from a bounded queue; what finds it full is dropped, and how
much that was is told.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from queue import Full, Queue

LINES_MAX = 1_000  # a megabyte or so of tracebacks
LAST_S_MAX = 1.0  # for what is left when the process ends
_STDERR_FD = 2


def _to_stderr(line: bytes) -> None:
    while line:
        line = line[os.write(_STDERR_FD, line) :]


class StderrLog(logging.Handler):
    """Log handler with a bounded queue: log records, and lines said without one."""

    def __init__(self, write: Callable[[bytes], None] = _to_stderr) -> None:
        super().__init__(logging.WARNING)
        self._write = write
        self._queue: Queue[bytes] = Queue(LINES_MAX)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="complaints", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        self.say(self.format(record))

    def say(self, text: str) -> None:
        """Queue one line or more; returns at once, and drops them when the queue is full."""
        try:
            self._queue.put_nowait(text.encode("utf-8", "backslashreplace") + b"\n")
        except Full:
            self._dropped += 1

    def flush(self, s_max: float = LAST_S_MAX) -> None:
        """Wait until the queue is written, at most so long."""
        try:
            self._queue.put(b"", timeout=s_max)
        except Full:
            return
        self._thread.join(s_max)

    def _run(self) -> None:
        while line := self._queue.get():
            if self._dropped:
                line = b"edgecache: %d lines were dropped here\n%b" % (self._dropped, line)
                self._dropped = 0
            with contextlib.suppress(OSError):  # nobody can be told
                self._write(line)


_own: StderrLog | None = None


def install_stderr_log() -> StderrLog:
    """The handler of this process, made at the first call; all that is logged goes to it."""
    global _own
    if _own is None:
        _own = StderrLog()
        logging.getLogger().addHandler(_own)
        atexit.register(_own.flush)
    return _own


def say(line: str) -> None:
    """Write one line of ours, after `edgecache: `."""
    install_stderr_log().say(f"edgecache: {line}")
