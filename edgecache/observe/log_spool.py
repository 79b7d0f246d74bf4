"""Spool of the log lines that distributions want in buckets: files of an hour on this machine.

Law: a line that was written here is delivered by whoever runs next, or counted as lost. Each file
belongs to the process that appends to it until that closes it or dies, which its lock tells.
CloudFront Developer Guide, "Standard log file format": PREFIX/ID.YYYY-MM-DD-HH.UNIQUE.gz.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from edgecache.observe.access_log import append_whole
from edgecache.observe.log_record import EXTRA_FIELDS, FIELDS

FILE_BYTES_MAX = 32 * 1024 * 1024  # of one file before gzip; an hour of a busy site has several
LATE_S = 2.0  # lines reach a file a quarter of a second after their request, at full load later
HOUR_S = 3_600
OWNERS = "owners"  # the folder of locks, one for each process that appends
DESTINATION_FILE = "destination.json"
OPEN, CLOSED, PACKED = ".open", ".log", ".gz"
_STAMP = slice(0, 13)  # `YYYY-MM-DD TAB HH` at the start of a line
_SECOND_TABS = EXTRA_FIELDS.count(" ")  # unlike a standard line's
_SECOND_COOKIE = EXTRA_FIELDS.split(" ").index("cookie")
_COOKIE = FIELDS.split(" ").index("cs(Cookie)")
UNIQUE_CHARS = 8
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_MODE = 0o640  # they hold addresses and cookies


class LogDestination(NamedTuple):
    """Bucket and prefix that a distribution's `Logging` names."""

    bucket: str
    prefix: str

    def key(self, name: str) -> str:
        """The key of a file there: a prefix without a slash at its end is given one."""
        slash = "/" if self.prefix and not self.prefix.endswith("/") else ""
        return f"{self.prefix}{slash}{name}"

    @property
    def folder(self) -> str:
        """The name of its folder in the spool."""
        return hashlib.sha256(json.dumps(self).encode()).hexdigest()[:16]


_FileKey = tuple[LogDestination, str, str]  # the distribution's id, the hour


@dataclass(slots=True)
class _OpenFile:
    path: Path
    closes_at: float


class LogSpool:
    """The files that one process appends to; any of its threads may call.

    `unique` gives eight characters that no other file has; `clock` epoch seconds. A write that
    fails loses its lines: `lost` counts them, and no part of them stays in the file.
    """

    def __init__(
        self,
        folder: Path,
        unique: Callable[[], str],
        clock: Callable[[], float],
        header: bytes,
        put: Callable[[int, bytes], int] = os.write,
    ) -> None:
        self.interval_s: float = HOUR_S  # between two files of an hour
        self.lost = 0
        self.problem = ""  # of the last write; empty when it went well
        self._folder = folder
        self._owner = unique()
        self._unique = unique
        self._clock = clock
        self._header = header
        self._put = put
        self._open: dict[_FileKey, _OpenFile] = {}
        self._lock = Lock()
        self._claim = -1  # descriptor of this process's lock

    def write(self, destination: LogDestination, distribution: str, lines: list[bytes]) -> None:
        """Append lines of a distribution, each with its end. Never raises for the disk's sake."""
        with self._lock:
            for stamp, group in groupby(lines, lambda line: line[_STAMP]):
                hour = stamp.decode("latin-1").replace("\t", "-")
                of_hour = list(group)
                try:
                    self._append(destination, distribution, hour, b"".join(of_hour))
                    self.problem = ""
                except OSError as error:
                    self.lost += len(of_hour)
                    self.problem = error.strerror or str(error)

    def close_due(self) -> None:
        """Close the files whose interval is over: they are delivered next."""
        now = self._clock()
        with self._lock:
            due = [
                key
                for key, file in self._open.items()
                # A clock that was set back a long way must not keep a file for as long.
                if not file.closes_at - HOUR_S - LATE_S <= now < file.closes_at
            ]
            for key in due:
                self._close(key)

    def close(self) -> None:
        """Close every file, and own none: this process ends."""
        with self._lock:
            for key in list(self._open):
                self._close(key)
            if self._claim >= 0:
                self._claim_path.unlink(missing_ok=True)
                os.close(self._claim)
                self._claim = -1

    @property
    def _claim_path(self) -> Path:
        return self._folder / OWNERS / f"{self._owner}.lock"

    def _append(
        self, destination: LogDestination, distribution: str, hour: str, lines: bytes
    ) -> None:
        key = (destination, distribution, hour)
        descriptor = self._opened(key)
        try:
            size = append_whole(descriptor, lines, self._header, self._put)
        finally:
            os.close(descriptor)
        if size + len(lines) >= FILE_BYTES_MAX:
            self._close(key)

    def _opened(self, key: _FileKey) -> int:
        """A descriptor to append by. A file that somebody took away is begun under another name."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        if key in self._open:
            with contextlib.suppress(FileNotFoundError):
                return os.open(self._open[key].path, flags)
        return os.open(self._begin(key).path, flags | os.O_CREAT | os.O_EXCL, _MODE)

    def _begin(self, key: _FileKey) -> _OpenFile:
        destination, distribution, hour = key
        self._claim_files()
        folder = self._folder / destination.folder
        write_destination(folder, destination, self._unique())
        name = f"{distribution}.{hour}.{self._unique()}.{self._owner}{OPEN}"
        file = self._open[key] = _OpenFile(folder / name, self._closes_at())
        return file

    def _closes_at(self) -> float:
        """The end of this interval, and of this hour; what comes at its very end has a moment."""
        now = self._clock()
        ends = [(now // step + 1) * step for step in (self.interval_s, HOUR_S)]
        return min(ends) + LATE_S

    def _claim_files(self) -> None:
        """Take the lock that says this process lives; it has no name before it is taken."""
        if self._claim >= 0:
            return
        path = self._claim_path
        path.parent.mkdir(parents=True, exist_ok=True)
        unnamed = path.with_suffix(".new")
        descriptor = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.replace(unnamed, path)
        except OSError:
            os.close(descriptor)
            raise
        self._claim = descriptor

    def _close(self, key: _FileKey) -> None:
        file = self._open.pop(key)
        close_file(file.path)


def unique_name(random_bytes: Callable[[int], bytes]) -> str:
    """Eight letters and digits, as CloudFront's files have: 41 random bits.

    Processes of all machines put files of one hour beside each other, and one of the same name
    would take the place of the other.
    """
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in random_bytes(UNIQUE_CHARS))


def split_records(records: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The lines of records: each standard one with its end, and the second one or nothing."""
    line = b""
    for one in records.split(b"\n"):
        if one.count(b"\t") == _SECOND_TABS:
            yield line, one
            line = b""
        else:
            if line:
                yield line, b""
            line = one and one + b"\n"
    if line:
        yield line, b""


def with_cookie(line: bytes, second: bytes) -> bytes:
    """A standard line that shows what its second line alone has."""
    values = line.split(b"\t")
    values[_COOKIE] = second.split(b"\t")[_SECOND_COOKIE]
    return b"\t".join(values)


def write_destination(folder: Path, destination: LogDestination, unique: str) -> None:
    """Say in a folder of the spool where its files go."""
    path = folder / DESTINATION_FILE
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{DESTINATION_FILE}.{unique}"
    whole.write_text(json.dumps(destination._asdict()) + "\n")
    os.replace(whole, path)


def read_destination(folder: Path) -> LogDestination | None:
    """Where the files of a folder go; None when it does not say so."""
    try:
        told = json.loads((folder / DESTINATION_FILE).read_bytes())
        return LogDestination(str(told["bucket"]), str(told["prefix"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def close_file(path: Path) -> None:
    """Give an open file the name of a closed one; one that is gone stays so."""
    stem = path.name.removesuffix(OPEN).rpartition(".")[0]  # without its owner
    try:
        os.replace(path, path.with_name(stem + CLOSED))
    except OSError:
        return  # it is found by its name again, when this process is gone


def owner_of(path: Path) -> str:
    """The process that appends to an open file."""
    return path.name.removesuffix(OPEN).rpartition(".")[2]


def living_owners(folder: Path) -> set[str]:
    """Processes that may still append here; the locks of the others are taken away.

    List the open files before: one takes its lock before it begins its first file.
    """
    living = set()
    for path in (folder / OWNERS).glob("*.lock"):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            living.add(path.stem)
        finally:
            os.close(descriptor)
    return living
