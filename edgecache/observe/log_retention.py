"""Retention of log files: closed hours are compressed, old ones deleted, the folder is bounded.

Law: it touches what has a log file's name and is closed, and of the processes of a machine one
looks at a time. A file is closed when its hour is over, or when it was given a number because it
had grown too large. What a process is about to append to a file that is closed meanwhile goes to a
new one (`access_log`), so that no line is lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import zlib
from calendar import timegm
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edgecache.observe.access_log import is_at

HOUR_S = 3_600
DAY_S = 86_400
LATE_S = 60.0  # lines of an hour reach their file some time after it; so do clocks that differ
OPEN_SHARE = 4  # a file of this hour that has a fourth of all bytes is closed early
LEVEL = 6  # gzip's own
LOCK_NAME = ".retention.lock"
_NAME = re.compile(
    r"(?P<name>.+)\.(?P<hour>\d{4}-\d\d-\d\d-\d\d)\.(?P<unique>[0-9a-zA-Z]+)(?P<number>-\d+)?"
    r"\.(?P<kind>log|json|gz|json\.gz)"
)
_CHUNK = 262_144
_PART = ".part"  # behind the name of a compressed file that is not whole
_GZIP = 31  # zlib's window bits for a gzip stream
_MODE = 0o640


class ClosedFile(NamedTuple):
    """A log file, and what its name says."""

    starts_at: float  # its hour, epoch seconds
    path: Path
    size: int
    numbered: bool
    packed: bool

    def is_closed(self, now: float) -> bool:
        """Whether nobody should append to it any more."""
        over = now >= self.starts_at + HOUR_S + LATE_S
        return self.packed or self.numbered or over


@dataclass(slots=True)
class LogRetention:
    """The log files of a folder: at most `days_max` old, at most `bytes_max` in all.

    `problem` says what went wrong the last time; empty when nothing did.
    """

    folder: Path
    clock: Callable[[], float]
    days_max: float
    bytes_max: int
    problem: str = ""

    def step(self) -> None:
        """Compress, split and delete what is due, unless another process is at it. May block."""
        self.problem = ""
        with self._telling(self.folder), self._alone() as alone:
            if alone:
                self._step(self.clock())

    @contextlib.contextmanager
    def _telling(self, path: Path) -> Iterator[None]:
        """Keep what goes wrong with `path` as the problem, and go on."""
        try:
            yield
        except OSError as error:
            self.problem = f"{path}: {(error.strerror or str(error)).lower()}"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether this process is the one that looks now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        lock = os.open(self.folder / LOCK_NAME, flags, _MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(lock)

    def _step(self, now: float) -> None:
        for left in self.folder.glob(f"*.gz{_PART}"):
            left.unlink(missing_ok=True)  # of a process that died
        self._delete(now)
        for one in self._files():
            if not one.is_closed(now) and one.size > self.bytes_max // OPEN_SHARE:
                with self._telling(one.path):
                    _split(one.path)
        for one in self._files():
            if one.is_closed(now) and not one.packed:
                with self._telling(one.path):  # one that is another user's holds up no other
                    compress(one.path)
        self._delete(now)

    def _delete(self, now: float) -> None:
        """Delete what is too old, then the oldest of what is too much."""
        files = self._files()
        total = sum(one.size for one in files)
        for one in files:
            old = now >= one.starts_at + HOUR_S + self.days_max * DAY_S
            if one.is_closed(now) and (old or total > self.bytes_max):
                one.path.unlink(missing_ok=True)
                total -= one.size

    def _files(self) -> list[ClosedFile]:
        """The log files, oldest first."""
        found = []
        for path in self.folder.iterdir():
            named = _NAME.fullmatch(path.name)
            with contextlib.suppress(FileNotFoundError, ValueError):
                if named is not None and path.is_file():
                    found.append(_read_name(path, named))
        return sorted(found)


def _read_name(path: Path, named: re.Match[str]) -> ClosedFile:
    year, month, day, hour = (int(part) for part in named["hour"].split("-"))
    starts_at = float(timegm((year, month, day, hour, 0, 0)))
    packed, numbered = named["kind"].endswith("gz"), named["number"] is not None
    return ClosedFile(starts_at, path, path.stat().st_size, numbered, packed)


def _free(path: Path, end: str) -> Path:
    """A path that nobody has: `path` with another end, and a number if need be."""
    base = path.name.removesuffix(path.suffix)
    target, unnumbered, number = path.with_name(base + end), re.sub(r"-\d+\Z", "", base), 0
    while target == path or target.exists() or (number and _is_taken(target, end)):
        number += 1
        target = path.with_name(f"{unnumbered}-{number}{end}")
    return target


def _is_taken(path: Path, end: str) -> bool:
    """Whether a file that was split off before has the number of `path`, compressed or not."""
    base = path.name.removesuffix(end)
    return any(path.with_name(base + other).exists() for other in (".log", ".json", ".gz"))


@contextlib.contextmanager
def _held(path: Path) -> Iterator[int]:
    """A descriptor of a file that nobody writes to meanwhile; -1: somebody does, or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield -1
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor if is_at(descriptor, path) else -1
    except BlockingIOError:
        yield -1
    finally:
        os.close(descriptor)


def _split(path: Path) -> None:
    """Close a file of this hour by giving it a number; what follows goes to a new one."""
    with _held(path) as descriptor:
        if descriptor >= 0:
            path.rename(_free(path, path.suffix))


def compress(path: Path) -> None:
    """Put a closed file's gzip in its place, `.log` as `.gz`, `.json` as `.json.gz`."""
    end = ".gz" if path.suffix == ".log" else path.suffix + ".gz"
    with _held(path) as descriptor:
        if descriptor < 0:
            return
        same = path.with_name(path.name.removesuffix(path.suffix) + end)
        if not _is_packed(same, descriptor):
            target = _free(path, end)
            part = target.with_name(target.name + _PART)
            try:
                _pack(descriptor, part)
            except OSError:
                part.unlink(missing_ok=True)  # where the disk is full, there is no room for it
                raise
            part.rename(target)
        path.unlink()


def _is_packed(path: Path, descriptor: int) -> bool:
    """Whether a process that died then has compressed the file of a descriptor to `path`."""
    try:
        with path.open("rb") as packed:
            packed.seek(-8, os.SEEK_END)
            end = packed.read(8)  # RFC 1952 §2.3: CRC32, ISIZE
    except OSError:
        return False
    size = os.fstat(descriptor).st_size & 0xFFFFFFFF
    if end[4:] != size.to_bytes(4, "little"):
        return False
    return end[:4] == _crc_of(descriptor).to_bytes(4, "little")


def _crc_of(descriptor: int) -> int:
    offset = value = 0
    while data := os.pread(descriptor, _CHUNK, offset):
        offset, value = offset + len(data), zlib.crc32(data, value)
    return value


def _pack(descriptor: int, target: Path) -> None:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    offset = 0
    opened = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    with os.fdopen(opened, "wb") as out:
        while data := os.pread(descriptor, _CHUNK, offset):
            offset += len(data)
            out.write(packer.compress(data))
        out.write(packer.flush())
        out.flush()
        os.fsync(out.fileno())
