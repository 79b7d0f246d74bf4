"""Folder of spooled log files: closed ones are packed, and the oldest dropped where room ends.

Law: at most one process of a machine works here, whichever holds the lock. A file is packed and
delivered under one name for ever: who does it again writes the same over it.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecache.observe.log_spool import (
    CLOSED,
    OPEN,
    OWNERS,
    PACKED,
    LogDestination,
    close_file,
    living_owners,
    owner_of,
    read_destination,
)

LOCK_NAME = "uploader.lock"
PIECE_BYTES = 256 * 1024  # read at once; zlib lets other threads run meanwhile
GZIP_LEVEL = 6  # gzip's own default
HEADER_LINES = 2  # `#Version` and `#Fields`
_PART = ".part"


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """A packed file on its way. `name` is what it is called there; `at` when it was last written.

    `at` is epoch seconds.
    """

    path: Path
    destination: LogDestination
    name: str
    lines: int
    size_bytes: int
    at: float

    @property
    def key(self) -> str:
        """Its key in the bucket."""
        return self.destination.key(self.name)


class SpoolFolder:
    """All spooled files of a machine. Every method blocks on the disk, and may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = -1
        self.lost = 0  # lines: dropped for room, torn by a kill
        self.problem = ""  # of the last packing; empty when it went well
        self.is_full = False  # files were dropped for room at the last look

    def hold(self) -> bool:
        """Whether this process is the one that works here: it becomes so when nobody else is."""
        if self._lock >= 0:
            return True
        if not self._folder.is_dir():
            return False
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._folder / LOCK_NAME, flags, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        for part in self._files(_PART):
            part.unlink(missing_ok=True)  # of a process that died over it
        return True

    def release(self) -> None:
        """Let another process work here."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def collect(self, bytes_max: int, busy: Collection[Path] = ()) -> list[SpooledFile]:
        """Close what the dead left, pack what is closed, make room; what waits, oldest first.

        `busy` files are being sent and are not dropped. What cannot be packed is tried again.
        """
        left_open = self._files(OPEN)
        living = living_owners(self._folder)
        for path in left_open:
            if owner_of(path) not in living:
                close_file(path)
        self.problem = ""
        packed = {(path.parent, _stem(path)) for path in self._files(PACKED)}
        for path in self._files(CLOSED):
            try:
                self._pack(path, (path.parent, _stem(path)) in packed)
            except OSError as error:
                self.problem = error.strerror or str(error)
        self._make_room(bytes_max, busy)
        return sorted(self._waiting(), key=lambda file: (file.at, file.name))

    @property
    def size_bytes(self) -> int:
        """What all of it takes on the disk."""
        return sum(size for size, _, _ in self._facts(self._files("")))

    def _folders(self) -> Iterator[Path]:
        if self._folder.is_dir():
            for entry in os.scandir(self._folder):
                if entry.is_dir() and entry.name != OWNERS:
                    yield Path(entry.path)

    def _files(self, ending: str) -> list[Path]:
        return [
            Path(entry.path)
            for folder in self._folders()
            for entry in os.scandir(folder)
            if entry.name.endswith(ending)
        ]

    def _facts(self, paths: list[Path]) -> Iterator[tuple[int, float, Path]]:
        for path in paths:
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # closed or packed meanwhile
            yield status.st_size, status.st_mtime, path

    def _pack(self, path: Path, done: bool) -> None:
        """Replace a closed file by its gzip, whose name says how many lines it has."""
        if not done:
            part = path.with_name(f"{_stem(path)}{_PART}")
            status = path.stat()
            lines, torn = _compress(path, part)
            self.lost += torn
            if lines:
                os.utime(part, (status.st_atime, status.st_mtime))
                os.replace(part, path.with_name(f"{_stem(path)}.{lines}{PACKED}"))
            else:
                part.unlink()
        path.unlink(missing_ok=True)

    def _make_room(self, bytes_max: int, busy: Collection[Path]) -> None:
        facts = sorted(self._facts(self._files("")), key=lambda fact: fact[1])
        excess = sum(size for size, _, _ in facts) - bytes_max
        self.is_full = excess > 0
        for size, _, path in facts:
            if excess <= 0:
                return
            if path.name.endswith((PACKED, CLOSED)) and path not in busy:
                self.lost += lines_of(path)
                path.unlink(missing_ok=True)
                excess -= size

    def _waiting(self) -> Iterator[SpooledFile]:
        for folder in self._folders():
            destination = read_destination(folder)
            if destination is None:
                continue
            packed = [Path(one.path) for one in os.scandir(folder) if one.name.endswith(PACKED)]
            for size, at, path in self._facts(packed):
                name = _stem(path) + PACKED
                yield SpooledFile(path, destination, name, lines_of(path), size, at)


def lines_of(path: Path) -> int:
    """How many lines a closed file has, without its header: a packed one's name says it."""
    if path.name.endswith(CLOSED):
        with path.open("rb") as file:
            ends = sum(piece.count(b"\n") for piece in iter(lambda: file.read(PIECE_BYTES), b""))
        return max(ends - HEADER_LINES, 0)
    count = path.name.removesuffix(PACKED).rpartition(".")[2]
    return int(count) if count.isdigit() else 0


def _stem(path: Path) -> str:
    """What a file is called before it is packed, and after."""
    if path.name.endswith(PACKED):
        return path.name.removesuffix(PACKED).rpartition(".")[0]
    return path.name.removesuffix(CLOSED)


def _compress(path: Path, into: Path) -> tuple[int, int]:
    """Pack the whole lines of `path`; how many there are but for the two of its header, and torn.

    A process that was killed may have left a line without an end: it is not delivered.
    """
    with path.open("rb") as source, into.open("wb") as target:
        whole = _whole_bytes(source.fileno())
        torn = int(whole < os.fstat(source.fileno()).st_size)
        ends = 0
        with gzip.GzipFile("", "wb", GZIP_LEVEL, target, mtime=0) as packed:
            for piece in _pieces(source.read, whole):
                ends += piece.count(b"\n")
                packed.write(piece)
        target.flush()
        os.fsync(target.fileno())
    shutil.copymode(path, into)
    return max(ends - HEADER_LINES, 0), torn


def _pieces(read: Callable[[int], bytes], left: int) -> Iterator[bytes]:
    while left and (piece := read(min(PIECE_BYTES, left))):
        left -= len(piece)
        yield piece


def _whole_bytes(descriptor: int) -> int:
    """Bytes of a file through its last line end."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(end - PIECE_BYTES, 0)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
