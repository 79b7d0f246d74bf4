"""Access log: a bounded queue of records. Law: a request appends one tuple and never waits.

Formatting and writing happen in `flush`, on another thread; when that is stuck, records are
dropped and counted.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from edgecache.observe.log_record import HEADER, LogTimestamp, Record, format_record

RECORDS_MAX = 32_768  # a second of the fastest worker
BYTES_MAX = 16 * 1024 * 1024  # of all that wait; nginx bounds its log buffer so
RECORD_BYTES = 1_024  # of a record beside what its viewer sent: 33 values in a tuple
HEAD_BYTES_MAX = 65_536  # what a viewer sent beyond it was no head, and is in no record
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
        write: Callable[[bytes], None],
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

    def lines(self, records_max: int = BATCH_RECORDS) -> bytes:
        """The lines of at most so many records, which leave the queue; empty when there is none."""
        take, stamp = self._queue.popleft, self._stamp.at
        records = [take() for _ in range(min(records_max, len(self._queue)))]
        sizes = [len(one) if isinstance(one, bytes) else _record_bytes(one) for one in records]
        self._bytes_out += sum(sizes)
        return b"".join(
            [one if isinstance(one, bytes) else format_record(one, stamp) for one in records]
        )

    def write(self, lines: bytes) -> None:
        """Put lines where they belong. May block."""
        with self._flushing:
            self._write(lines)


def _record_bytes(record: Record) -> int:
    """About what one takes while it waits: it holds parts of its request's head."""
    return RECORD_BYTES + min(record[16], HEAD_BYTES_MAX)


class LogFile:
    """Log file of an hour (UTC): `<folder>/<name>.YYYY-MM-DD-HH.<unique>.log`.

    A failed write loses its batch: `errors` counts those, `lost` their records. Whatever part of
    it reached the file is cut off again, so a file holds whole lines. The next write tries anew.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        unique: str,
        clock: Callable[[], float],
        put: Callable[[int, bytes], int] = os.write,
    ) -> None:
        self._folder = folder
        self._name = name
        self._unique = unique
        self._clock = clock
        self._put = put
        self._hour = ""
        self._file = -1
        self.errors = 0
        self.lost = 0

    def write(self, batch: bytes) -> None:
        """Append a batch of lines to this hour's file. Never raises for the disk's sake."""
        try:
            self._rotate()
            self._append(batch)
        except OSError:
            self.errors += 1
            self.lost += batch.count(b"\n")
            self.close()

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._hour = -1, ""

    def _rotate(self) -> None:
        hour = time.strftime("%Y-%m-%d-%H", time.gmtime(self._clock()))
        if hour == self._hour:
            return
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._name}.{hour}.{self._unique}.log"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o640)  # it holds addresses and cookies
        self._hour = hour

    def _append(self, batch: bytes) -> None:
        size = os.fstat(self._file).st_size
        left = batch if size else HEADER + batch
        try:
            while left:
                left = left[self._put(self._file, left) :]
        except OSError:
            os.ftruncate(self._file, size)
            raise
