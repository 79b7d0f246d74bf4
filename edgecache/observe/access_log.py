"""Access log in CloudFront's standard format. Law: a request appends one tuple and never waits.

Formatting and writing happen in `flush`, on another thread; when that is stuck, records are
dropped and counted. CloudFront Developer Guide, "Standard log file format" (33 fields).
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Lock
from urllib.parse import unquote_to_bytes

RECORDS_MAX = 32_768  # a second of the fastest worker
BYTES_MAX = 16 * 1024 * 1024  # of all that wait; nginx bounds its log buffer so
RECORD_BYTES = 1_024  # of a record beside what its viewer sent: 33 values in a tuple
HEAD_BYTES_MAX = 65_536  # what a viewer sent beyond it was no head, and is in no record
FIELD_BYTES_MAX = 8_192  # escaped; CloudFront logs no request whose URL is longer
BATCH_RECORDS = 256  # about 64 KiB, the buffer nginx's documentation shows for access_log
REMEMBERED_MAX = 1_024
REMEMBERED_BYTES_MAX = 2_048  # a browser's head
REMEMBERED_PLACE_BYTES = 8_704  # escaped, each byte may take three

FIELDS = (
    "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) "
    "cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header "
    "cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher "
    "x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port "
    "time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len "
    "sc-range-start sc-range-end"
)
HEADER = f"#Version: 1.0\n#Fields: {FIELDS}\n".encode()

Text = bytes | str | None
Record = tuple[
    float,  # when the request ended, epoch seconds: date and time
    Text,  # x-edge-location
    int,  # sc-bytes
    Text,  # c-ip
    Text,  # cs-method
    Text,  # cs(Host): the distribution's domain name
    Text,  # cs-uri-stem
    int,  # sc-status; 0: the viewer left before an answer
    Text,  # cs(Referer)
    Text,  # cs(User-Agent)
    Text,  # cs-uri-query
    Text,  # cs(Cookie)
    Text,  # x-edge-result-type
    Text,  # x-edge-request-id
    Text,  # x-host-header
    Text,  # cs-protocol
    int,  # cs-bytes
    float,  # time-taken, seconds
    Text,  # x-forwarded-for
    Text,  # ssl-protocol
    Text,  # ssl-cipher
    Text,  # x-edge-response-result-type
    Text,  # cs-protocol-version
    Text,  # fle-status
    Text,  # fle-encrypted-fields
    int,  # c-port
    float,  # time-to-first-byte, seconds
    Text,  # x-edge-detailed-result-type
    Text,  # sc-content-type
    int | None,  # sc-content-len
    int | None,  # sc-range-start
    int | None,  # sc-range-end
]
"""One request, in the documented order; one instant stands for date and time. None: no value."""

_CUT = b"..."
_CUT_AT = FIELD_BYTES_MAX - len(_CUT)
_UNSAFE = bytes((*range(33), *range(127, 256), *b'<>"#%{}|\\^~[]`'))
_SAFE = bytes(set(range(256)) - set(_UNSAFE))
_UNSAFE_BYTE = re.compile(b"[" + re.escape(_UNSAFE) + b"]")
_ESCAPED = {bytes((byte,)): b"%%%02X" % byte for byte in _UNSAFE}


def escaped(value: Text) -> bytes:
    """`value` percent-encoded as CloudFront does it (blanks and percent signs too), or `-`.

    At most FIELD_BYTES_MAX bytes: what is longer is cut, between two escapes, and ends in `...`.
    """
    if not value:
        return b"-"
    if isinstance(value, str):
        value = value.encode("utf-8", "replace")
    if not value.translate(None, _SAFE):
        return value if len(value) <= FIELD_BYTES_MAX else value[:_CUT_AT] + _CUT
    whole = len(value) <= FIELD_BYTES_MAX
    text = _UNSAFE_BYTE.sub(lambda found: _ESCAPED[found[0]], value[:FIELD_BYTES_MAX])
    if whole and len(text) <= FIELD_BYTES_MAX:
        return text
    kept = text[:_CUT_AT]
    half = kept.rfind(b"%", len(kept) - 2)  # of an escape: each has three bytes
    return (kept if half < 0 else kept[:half]) + _CUT


class LogTimestamp:
    """Date and time of an instant in UTC; the last second's is remembered."""

    __slots__ = ("second", "text")

    def __init__(self) -> None:
        self.second = -1
        self.text = b""

    def at(self, instant: float) -> bytes:
        second = int(instant)
        if second != self.second:
            self.text = time.strftime("%Y-%m-%d\t%H:%M:%S", time.gmtime(second)).encode()
            self.second = second
        return self.text


def _number(value: int | None) -> bytes:
    return b"-" if value is None else b"%d" % value


def _joined(*values: Text) -> bytes:
    return b"\t".join([escaped(value) for value in values])


# What belongs to the question comes again with every viewer that asks it, and escaping an agent
# costs more than all the rest of a line; so runs of neighboring fields are remembered together.
remembered_runs = lru_cache(REMEMBERED_MAX)(_joined)


_LINE = b"\t".join(
    (
        *(b"%b", b"%b", b"%d", b"%b", b"%b", b"%03d", b"%b", b"%b", b"%b", b"%b"),
        *(b"%d", b"%.3f", b"%b", b"%d", b"%.3f", b"%b", b"%b", b"%b", b"%b\n"),
    )
)


def format_record(record: Record, stamp: Callable[[float], bytes]) -> bytes:
    """The line of a record, with its line end. `stamp` gives `date TAB time` of an instant."""
    at, location, sent, ip, method, site, stem, status, referer, agent, query = record[:11]
    cookie, result, request_id, host, protocol, received, taken, forwarded = record[11:19]
    tls, cipher, response_result, version, fle, fle_fields, port, first_byte = record[19:27]
    detailed, content_type, length, start, end = record[27:]
    # A head bounds what a stranger chose in it; long ones are not worth remembering.
    run: Callable[..., bytes] = _joined if received > REMEMBERED_BYTES_MAX else remembered_runs
    return _LINE % (
        stamp(at),
        remembered_runs(location),
        sent,
        remembered_runs(ip),
        run(method, site, stem),
        status,
        run(referer, agent, query, cookie),
        remembered_runs(result),
        escaped(request_id),
        run(host, protocol),
        received,
        taken,
        run(forwarded, tls, cipher, response_result, version, fle, fle_fields),
        port,
        first_byte,
        run(detailed, content_type),
        _number(length),
        _number(start),
        _number(end),
    )


def parse_line(line: str) -> list[str]:
    """The 33 values of a line, percent-decoded, each byte one character (Latin-1); `-` stays."""
    values = line.removesuffix("\n").split("\t")
    return [unquote_to_bytes(value).decode("latin-1") for value in values]


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
