"""Lines to standard error: in order, bounded, and never waited for."""

from __future__ import annotations

import logging
import threading

from edgecache.runtime.stderr_log import LINES_MAX, StderrLog


def test_what_is_said_gets_out_in_order() -> None:
    said: list[bytes] = []
    own = StderrLog(said.append)
    own.say("one")
    own.emit(logging.LogRecord("edgecache", logging.ERROR, "", 0, "two %d", (2,), None))
    own.flush(30)
    assert said == [b"one\n", b"two 2\n"]


def test_a_reader_that_is_stuck_holds_up_nobody_and_what_was_dropped_is_told() -> None:
    said: list[bytes] = []
    reached, stuck = threading.Event(), threading.Event()

    def write(line: bytes) -> None:
        reached.set()
        assert stuck.wait(30)
        said.append(line)

    own = StderrLog(write)
    own.say("first")
    assert reached.wait(30)
    for number in range(LINES_MAX + 5):
        own.say(str(number))
    own.flush(0.01)  # does not wait for it
    stuck.set()
    own.flush(30)
    assert said[1] == b"edgecache: 5 lines were dropped here\n0\n"
    assert len(said) == LINES_MAX + 1


def test_an_error_of_the_pipe_is_no_end() -> None:
    said: list[bytes] = []

    def write(line: bytes) -> None:
        if not said:
            said.append(b"failed")
            raise BrokenPipeError
        said.append(line)

    own = StderrLog(write)
    own.say("lost")
    own.say("told")
    own.flush(30)
    assert said == [b"failed", b"told\n"]
