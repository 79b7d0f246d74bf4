"""A disk that fails when told: every operation is counted, and one of them fails or is the last.

After a power cut it keeps what a file system may: of what was not synced, any part.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random

from edgecache.store.disk.files import RealFiles
from edgecache.store.disk.index import NO_NEWS, DiskIndex, Row, Size, Totals

SECTOR_BYTES = 512  # what a disk writes whole
IN_MEMORY = "/dev/shm"  # a thousand small stores have a thousand syncs to wait for elsewhere


def quick_folder() -> Path:
    """A folder of its own, in memory where the system has such a place."""
    return Path(tempfile.mkdtemp(dir=IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None))


class Crash(BaseException):
    """The process is gone: nothing after it has any effect."""


class Faults:
    """Counts operations; the one with number `at` fails with `error`, or is never reached."""

    def __init__(self, at: int = 0, error: int | None = None) -> None:
        self.done = 0
        self.at = at
        self.error = error  # an errno; None: a crash
        self.crashed = False
        self.unsynced: set[str] = set()
        self.images: list[bytes] = []  # of the index, after each commit

    def step(self, path: str = "") -> None:
        """Before an operation."""
        if self.crashed:
            raise Crash
        self.done += 1
        if self.done == self.at:
            if self.error is None:
                self.crashed = True
                raise Crash
            raise OSError(self.error, os.strerror(self.error), path)


class FaultyFiles(RealFiles):
    """The operating system's files, each operation counted."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._paths: dict[int, str] = {}

    def make_folder(self, path: str) -> None:
        self.faults.step(path)
        super().make_folder(path)

    def create(self, path: str) -> int:
        self.faults.step(path)
        descriptor = super().create(path)
        self._paths[descriptor] = path
        self.faults.unsynced.add(path)
        return descriptor

    def open(self, path: str) -> int:
        self.faults.step(path)
        descriptor = super().open(path)
        self._paths[descriptor] = path
        return descriptor

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        try:
            self.faults.step()
        except OSError as error:
            if error.errno == errno.ENOSPC:  # a full disk takes what it still can
                super().write(descriptor, data[: len(data) // 2])
            raise
        return super().write(descriptor, data[: max(1, len(data) * 2 // 3)])

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        self.faults.step()
        return super().read(descriptor, length, offset)

    def close(self, descriptor: int) -> None:
        if self._paths.pop(descriptor, None) is not None:
            super().close(descriptor)
        self.faults.step()

    def remove(self, path: str) -> None:
        self.faults.step(path)
        super().remove(path)

    def remove_folder(self, path: str) -> None:
        self.faults.step(path)
        super().remove_folder(path)

    def names(self, path: str) -> list[str]:
        self.faults.step(path)
        return super().names(path)

    def identity(self, path: str) -> int:
        self.faults.step(path)
        return super().identity(path)

    def free_bytes(self, path: str) -> int:
        self.faults.step(path)
        return super().free_bytes(path)


class FaultyIndex(DiskIndex):
    """The index, whose operations are counted too; what it held after each commit is kept."""

    faults: Faults

    def __init__(self, path: str, faults: Faults) -> None:
        self.faults = faults
        faults.step(path)
        super().__init__(path)
        self._keep_image()

    def find(self, digest: bytes) -> list[Row]:
        self.faults.step()
        return super().find(digest)

    def sizes(self, after: int, count: int) -> list[Size]:
        self.faults.step()
        return super().sizes(after, count)

    def sizes_of(self, ids: Sequence[int]) -> list[Size]:
        self.faults.step()
        return super().sizes_of(ids)

    def due(self, now: float, count: int) -> list[Size]:
        self.faults.step()
        return super().due(now, count)

    def commit(
        self,
        gone: Iterable[int],
        come: Sequence[Row],
        totals: Totals,
        former: Mapping[int, bool] = NO_NEWS,
    ) -> None:
        self.faults.step()
        super().commit(gone, come, totals, former)
        self._keep_image()
        self.faults.step()  # done, and the answer is lost

    def _keep_image(self) -> None:
        self.faults.images.append(self._writer.serialize())


def cut_power(folder: str, faults: Faults, seed: int) -> None:
    """Make of `folder` what a power cut may leave: any commit's index, any part of each file."""
    random = Random(seed)
    index = os.path.join(folder, "index.db")
    for ending in ("", "-wal", "-shm"):
        if os.path.exists(index + ending):
            os.unlink(index + ending)
    if faults.images:
        with open(index, "wb") as file:
            file.write(random.choice(faults.images))
    for path in sorted(faults.unsynced):
        if os.path.exists(path):
            _tear(path, random)


def _tear(path: str, random: Random) -> None:
    match random.randrange(4):
        case 0:
            return  # all of it had been written back
        case 1:
            os.unlink(path)
        case 2:
            os.truncate(path, random.randrange(os.path.getsize(path) + 1))
        case _:  # its length is known, some of its sectors are not written
            with open(path, "r+b") as file:
                for offset in range(0, os.path.getsize(path), SECTOR_BYTES):
                    if random.random() < 0.5:
                        file.seek(offset)
                        file.write(bytes(min(SECTOR_BYTES, os.path.getsize(path) - offset)))
