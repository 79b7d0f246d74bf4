"""File operations of the disk store, and the lock of its folder.

Law: the disk store touches files of bodies only through these.

They are few and small so that a test can fail each of them, or stop the world before it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import Protocol


class Files(Protocol):
    """What a disk store asks of a disk. Each call may block, and may raise OSError."""

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it; what is there already is as good."""

    def create(self, path: str) -> int:
        """A descriptor for writing a new file; what stood under the name is emptied."""

    def open(self, path: str) -> int:
        """A descriptor for reading. FileNotFoundError."""

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Append bytes; how many of them were taken."""

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        """At most `length` bytes at `offset`; fewer only at the end."""

    def close(self, descriptor: int) -> None:
        """Give a descriptor back."""

    def remove(self, path: str) -> None:
        """Remove a file. FileNotFoundError."""

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder. OSError when it is not."""

    def names(self, path: str) -> list[str]:
        """What a folder holds, in no order. FileNotFoundError."""

    def identity(self, path: str) -> int:
        """A number that is another when another file stands under the name. FileNotFoundError."""

    def free_bytes(self, path: str) -> int:
        """What is free for us on the file system that holds `path`."""


class RealFiles:
    """Files of the operating system."""

    def make_folder(self, path: str) -> None:
        os.makedirs(path, 0o700, exist_ok=True)

    def create(self, path: str) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def open(self, path: str) -> int:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        return os.write(descriptor, data)

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        return os.pread(descriptor, length, offset)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def remove(self, path: str) -> None:
        os.unlink(path)

    def remove_folder(self, path: str) -> None:
        os.rmdir(path)

    def names(self, path: str) -> list[str]:
        return os.listdir(path)

    def identity(self, path: str) -> int:
        return os.stat(path).st_ino

    def free_bytes(self, path: str) -> int:
        status = os.statvfs(path)
        return status.f_bavail * status.f_frsize


class FolderLock:
    """One process to a folder. BlockingIOError when another has it."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise BlockingIOError(error.errno, "another process keeps its objects here") from error

    def release(self) -> None:
        """Let another process have the folder."""
        os.close(self._descriptor)


def write_whole(files: Files, path: str, data: bytes) -> None:
    """A new file that holds `data`, or none: what was begun is removed. OSError."""
    descriptor = files.create(path)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[files.write(descriptor, rest) :]
        finally:
            files.close(descriptor)
    except OSError:
        with suppress(OSError):
            files.remove(path)
        raise


def read_at(files: Files, path: str, length: int, offset: int) -> bytes:
    """Up to `length` bytes of a file at `offset`. OSError."""
    descriptor = files.open(path)
    try:
        return files.read(descriptor, length, offset)
    finally:
        files.close(descriptor)
