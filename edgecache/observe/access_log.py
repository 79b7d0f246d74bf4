"""Access log: a bounded queue of records, files of an hour, the standard output as a log.

Law: a request appends one tuple and never waits; who writes leaves no half line. Writing happens on
another thread; when that is stuck, records are dropped and counted.

Files are `<folder>/<name>.YYYY-MM-DD-HH.<unique>.log` (UTC), CloudFront's naming with our name of
the process in the place of a distribution's id. A process that starts again within the hour, or
serves beside its successor for a while, appends to the same file: each batch is written under its
lock. Who takes a file away (logrotate) is noticed with the next batch.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Protocol

from edgecache.observe.log_record import LogTimestamp, Record, format_record

RECORDS_MAX = 32_768  # a second of the fastest worker
BYTES_MAX = 16 * 1024 * 1024  # of all that wait; nginx bounds its log buffer so
RECORD_BYTES = 1_024  # of a record beside what its viewer sent: 33 values in a tuple
HEAD_BYTES_MAX = 65_536  # what a viewer sent beyond it was no head, and is in no record
_MODE = 0o640  # they hold addresses and cookies
_TURNS = 5  # to meet a file that is taken away again and again
Put = Callable[[int, bytes], int]
BATCH_RECORDS = 256  # about 64 KiB, the buffer nginx's documentation shows for access_log


class AccessLog:
    """A bounded queue of records, filled by `append` on the serving thread.

    It is emptied by `flush` on any thread, or by `lines` on the serving one and `write` on another:
    lines made by a second thread would make both wait for the interpreter's lock at every turn.
    """

    __slots__ = (
        "_bytes_in", "_bytes_max", "_bytes_out", "_flushing", "_queue", "_records_max", "_stamp",
        "_write", "dropped",
    )  # fmt: skip

    def __init__(
        self,
        write: Callable[[Sequence[bytes]], None],
        records_max: int = RECORDS_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self._write = write
        self._records_max = records_max
        self._bytes_max = bytes_max
        self._bytes_in = 0  # of all that ever came; changed by the serving thread alone
        self._bytes_out = 0  # of all that ever left; changed by who takes lines
        self._queue: deque[Record | bytes] = (
            deque()
        )  # append and popleft are atomic, so no lock is needed
        self._flushing = Lock()  # a last flush may come while one is stuck; append never takes it
        self._stamp = LogTimestamp()
        self.dropped = 0

    def append(self, record: Record) -> None:
        """Keep a record for the next flush, or count it as dropped when the queue is full."""
        waiting = self._bytes_in - self._bytes_out
        if waiting < self._bytes_max and len(self._queue) < self._records_max:
            self._queue.append(record)
            self._bytes_in += RECORD_BYTES + min(record[16], HEAD_BYTES_MAX)
        else:
            self.dropped += 1

    def append_line(self, line: bytes) -> None:
        """Keep a line that is formatted already, with its end, or count it as dropped."""
        waiting = self._bytes_in - self._bytes_out
        if waiting < self._bytes_max and len(self._queue) < self._records_max:
            self._queue.append(line)
            self._bytes_in += len(line)
        else:
            self.dropped += 1

    @property
    def queued_bytes(self) -> int:
        """About what all that waits takes."""
        return self._bytes_in - self._bytes_out

    def flush(self) -> int:
        """Write what is queued now, in whole lines; gives the number of records. May block."""
        with self._flushing:
            waiting = len(self._queue)
            for start in range(0, waiting, BATCH_RECORDS):
                self._write(self.lines(min(BATCH_RECORDS, waiting - start)))
            return waiting

    def lines(self, records_max: int = BATCH_RECORDS) -> list[bytes]:
        """The lines of at most so many records, which leave the queue; empty when there is none.

        Of each record its line, or its two (`log_record`), with the ends.
        """
        take, stamp = self._queue.popleft, self._stamp.at
        records = [take() for _ in range(min(records_max, len(self._queue)))]
        sizes = [len(one) if isinstance(one, bytes) else _record_bytes(one) for one in records]
        self._bytes_out += sum(sizes)
        return [one if isinstance(one, bytes) else format_record(one, stamp) for one in records]

    def write(self, lines: Sequence[bytes]) -> None:
        """Put the lines of records where they belong. May block."""
        with self._flushing:
            self._write(lines)


def _record_bytes(record: Record) -> int:
    """About what one takes while it waits: it holds parts of its request's head."""
    return RECORD_BYTES + min(record[16], HEAD_BYTES_MAX)


def hour_of(instant: float) -> str:
    """The hour of an instant (epoch seconds), as names of files have it."""
    return time.strftime("%Y-%m-%d-%H", time.gmtime(instant))


@contextlib.contextmanager
def locked(descriptor: int) -> Iterator[None]:
    """Have the file of a descriptor for this process alone."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the file of a descriptor is the one at a path now."""
    try:
        there, held = path.stat(), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)


def append_whole(descriptor: int, lines: bytes, header: bytes = b"", put: Put = os.write) -> int:
    """Append `lines`, behind `header` in a file that is empty; its size before.

    OSError: nothing was appended. No other process may write to the file meanwhile.
    """
    size = os.fstat(descriptor).st_size
    left = lines if size else header + lines
    try:
        while left:
            left = left[put(descriptor, left) :]
    except OSError:
        os.ftruncate(descriptor, size)
        raise
    return size


class LogFileName(NamedTuple):
    """What the files of a process are called: `unique` is the same after each of its starts."""

    folder: Path
    process: str
    unique: str
    kind: str = "log"  # or `json`

    def at(self, instant: float) -> Path:
        """The file of an instant's hour."""
        return self.folder / f"{self.process}.{hour_of(instant)}.{self.unique}.{self.kind}"


class LogFile:
    """The log file of this hour, with `header` at its start.

    A failed write loses its batch: `errors` counts those, `lost` their records. Whatever part of
    it reached the file is cut off again, so a file holds whole lines. The next write tries anew.
    """

    def __init__(
        self,
        name: LogFileName,
        clock: Callable[[], float],
        header: bytes = b"",
        put: Put = os.write,
    ) -> None:
        self._name = name
        self._clock = clock
        self._header = header
        self._put = put
        self._path = Path()
        self._file = -1
        self._reopens = False
        self.errors = 0
        self.lost = 0
        self.problem = ""  # of the last write; empty when it went well

    def write(self, batch: bytes) -> None:
        """Append a batch of lines to this hour's file. Never raises for the disk's sake."""
        try:
            self._append(batch)
            self.problem = ""
        except OSError as error:
            self.errors += 1
            self.lost += batch.count(b"\n")
            self.problem = f"{self._path}: {(error.strerror or str(error)).lower()}"
            self.close()

    def reopen(self) -> None:
        """Open the file anew before the next batch. From any thread."""
        self._reopens = True

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _append(self, batch: bytes) -> None:
        path = self._name.at(self._clock())
        for _ in range(_TURNS):
            self._open(path)
            with locked(self._file):
                if is_at(self._file, path):
                    append_whole(self._file, batch, self._header, self._put)
                    return
            self.close()  # it was closed by age or size, or taken away
        raise FileNotFoundError(f"{path} is taken away again and again")

    def _open(self, path: Path) -> None:
        if self._reopens or path != self._path:
            self._reopens = False
            self.close()
        self._path = path
        if self._file >= 0:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path, flags, _MODE)


class LogStream:
    """The standard output as a log, shared with other processes: a batch at a time, under a lock.

    What cannot be written is counted as lost. A line of which a part was written gets its end with
    the next batch. A reader that does not read is waited for, by this thread alone.
    """

    def __init__(self, descriptor: int, lock: Path, put: Put = os.write) -> None:
        self._descriptor = descriptor
        self._lock_path = lock
        self._lock = -1
        self._put = put
        self._broken = False  # the last line that we wrote has no end
        self.errors = 0
        self.lost = 0
        self.problem = ""

    def write(self, batch: bytes) -> None:
        """Write a batch of lines. Never raises for the reader's sake."""
        left = b"\n" + batch if self._broken else batch
        try:
            with locked(self._opened_lock()):
                while left:
                    count = self._put(self._descriptor, left)
                    self._broken = left[count - 1 : count] != b"\n"
                    left = left[count:]
            self.problem = ""
        except OSError as error:
            self.errors += 1
            self.lost += min(left.count(b"\n"), batch.count(b"\n"))  # not an end of one before
            self.problem = f"stdout: {(error.strerror or str(error)).lower()}"

    def reopen(self) -> None:
        """Nothing is to be opened: whoever started us has."""

    def close(self) -> None:
        """Let go of the lock's file; the next write opens it again."""
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def _opened_lock(self) -> int:
        if self._lock < 0:
            self._lock_path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._lock = os.open(self._lock_path, flags, _MODE)
        return self._lock


class LogSink(Protocol):
    """Where lines go: `LogFile` or `LogStream`. It never raises for what is at the other end."""

    lost: int
    problem: str

    def write(self, batch: bytes) -> None:
        """Put whole lines there, or count them as lost. May block."""
        ...

    def reopen(self) -> None:
        """Open what is there anew. From any thread."""
        ...

    def close(self) -> None:
        """Let go of it; the next write takes it again."""
        ...


@dataclass(frozen=True, slots=True)
class LogOutput:
    """A format, and where its lines go."""

    cut: Callable[[Sequence[bytes]], bytes]
    sink: LogSink


@dataclass(slots=True)
class LogOutputs:
    """All outputs of a process's access log: each gets every record."""

    outputs: Sequence[LogOutput]
    extended: bool = False  # whether one writes what the second line of a record has
    shows_cookies: bool = False

    def write(self, records: Sequence[bytes]) -> None:
        """Write the lines of records. May block."""
        for output in self.outputs:
            output.sink.write(output.cut(records))

    @property
    def lost(self) -> int:
        """Lines that could not be written."""
        return sum(output.sink.lost for output in self.outputs)

    @property
    def problem(self) -> str:
        """What the last write failed with; empty when it went well."""
        return "; ".join([one.sink.problem for one in self.outputs if one.sink.problem])

    def reopen(self) -> None:
        """Open the files anew. From any thread."""
        for output in self.outputs:
            output.sink.reopen()
