"""Records of a process by request id: those of the last moments, and those in its log files.

Law: to remember costs a reference to what was written anyway, and REMEMBERED_BYTES at most; to look
is done by who asks, on a thread that gives way to others, and reads no more than SEARCHED_BYTES.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, cast

from edgecache.observe.log_record import COLUMNS, FIELDS, record_values

REMEMBERED_BYTES = 2 * 1024 * 1024  # about 5,000 requests
LINE_BYTES = 33  # of a bytes object beside its characters
SEARCHED_BYTES = 512 * 1024 * 1024  # of files, the newest first: some million requests
PIECE_BYTES = 1024 * 1024  # read at once: a tenth of a millisecond to look through
REQUEST_ID = re.compile(r"[A-Za-z0-9_=-]{1,64}")
_ID = COLUMNS["x-edge-request-id"]
_STANDARD = FIELDS.count(" ") + 1


class LogHistory:
    """What a process has logged. `folder` has its files, which begin with `process` and have
    `unique` in their names; None: it writes none.
    """

    def __init__(self, folder: Path | None, process: str, unique: str) -> None:
        self._folder = folder
        self._process = process
        self._unique = unique
        self._batches: deque[tuple[int, Sequence[bytes]]] = deque()
        self.size_bytes = 0

    def remember(self, lines: Sequence[bytes]) -> None:
        """Keep records, each with its lines, in the place of the oldest. On the log's thread."""
        size = sum(map(len, lines)) + LINE_BYTES * len(lines)
        self._batches.append((size, lines))
        self.size_bytes += size
        while self.size_bytes > REMEMBERED_BYTES and len(self._batches) > 1:
            self.size_bytes -= self._batches.popleft()[0]

    def find(self, request_id: str) -> list[list[bytes]]:
        """The values of the records of a request by COLUMNS, escaped. May block for seconds.

        Where a process answered it several times, as it does not, each is there.
        """
        wanted = request_id.encode("ascii")
        remembered = b"\t%b\t" % wanted
        batches = list(self._batches)
        rows = [record_values(line) for _, lines in batches for line in lines if remembered in line]
        rows = [row for row in rows if row[_ID] == wanted]
        return rows or list(self._in_files(wanted))

    def _in_files(self, wanted: bytes) -> Iterator[list[bytes]]:
        left, found = SEARCHED_BYTES, False
        for path in self._files():
            if found or left <= 0:
                return
            try:
                with _opened(path) as file:
                    for row, size in _rows(file, wanted, left, as_json=".json" in path.name):
                        left -= size
                        if row is not None:
                            found = True
                            yield row
            except (OSError, EOFError, zlib.error):
                continue  # deleted for its age meanwhile, or not whole yet

    def _files(self) -> list[Path]:
        """Its files, the newest hour first, JSON lines before others: they have more fields."""
        if self._folder is None:
            return []
        name = re.compile(
            rf"{re.escape(self._process)}\.(\d{{4}}-\d\d-\d\d-\d\d)\.{re.escape(self._unique)}"
            r"(-\d+)?\.(log|json|gz|json\.gz)"
        )
        found = []
        for path in self._folder.glob(f"{self._process}.*"):
            if match := name.fullmatch(path.name):
                found.append((match[1], ".json" in path.name, path.name, path))
        return [path for *_, path in sorted(found, reverse=True)]


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _rows(
    file: IO[bytes], wanted: bytes, bytes_max: int, *, as_json: bool
) -> Iterator[tuple[list[bytes] | None, int]]:
    """The records with an id, each once; None with what was read besides."""
    rest = b""
    while bytes_max > 0 and (piece := file.read(PIECE_BYTES)):
        bytes_max -= len(piece)
        text = rest + piece
        end = text.rfind(b"\n") + 1
        rest = text[end:][-PIECE_BYTES:]
        yield None, len(piece)
        at = text.find(wanted, 0, end)
        while at >= 0:
            start, stop = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
            row = (_json_row if as_json else _standard_row)(text[start : stop + 1])
            if row is not None and row[_ID] == wanted:
                yield row, 0
            at = text.find(wanted, stop, end)


def _standard_row(line: bytes) -> list[bytes] | None:
    row = record_values(line)
    return row if line.count(b"\t") + 1 == _STANDARD else None


def _json_row(line: bytes) -> list[bytes] | None:
    row = record_values(b"-\n")
    try:
        document = json.loads(line)
        for name, place in COLUMNS.items():
            if place < len(row):
                row[place] = str(document.get(name, "-")).encode("latin-1")
    except (ValueError, AttributeError):
        return None
    return row
