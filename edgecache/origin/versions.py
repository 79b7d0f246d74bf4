"""Versions of a bucket's objects. Law: what was served once can be served again, unchanged.

A file of the folder is copied when it is first met with another content, however that came about;
what is sent is the copy. Amazon S3 User Guide, "Using versioning in S3 buckets". Everything here
blocks on the disk and belongs in a worker thread.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COPY_BYTES = 1_048_576
ID_CHARS = 32  # as S3's
TRIES_MAX = 3  # a file that is written to all the time is not copied
NAME = "key"  # the file of a folder of versions that says whose they are

_FILE = re.compile(r"([0-9]{10})\.([0-9a-f]{32})")
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class BeingWrittenError(OSError):
    """A file changed each time it was being copied."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version: one content of an object. `number` counts from 1; `md5` is in hexadecimal."""

    id: str
    number: int
    md5: str
    size: int  # bytes
    modified_at: int  # epoch seconds, of the file it was
    path: Path

    @property
    def etag(self) -> str:
        """The entity tag, with its quotes."""
        return f'"{self.md5}"'


class Versions:
    """The versions kept in `folder`, the newest `kept_max` of each object.

    `random` gives as many bytes as it is asked for. Several processes may use one folder.
    """

    def __init__(
        self, folder: str | Path, kept_max: int, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._folder = Path(folder)
        self._kept_max = kept_max
        self._random = random

    def of(self, key: str) -> list[Version]:
        """All versions of an object, the newest first."""
        versions = []
        try:
            names = os.listdir(self._place(key))
        except FileNotFoundError:
            return []
        for name in names:
            form = _FILE.fullmatch(name)
            if form:
                version = self._version(key, int(form[1]), form[2])
                if version is not None:
                    versions.append(version)
        return sorted(versions, key=lambda version: -version.number)

    def find(self, key: str, version_id: str) -> Version | None:
        """The version of that id, if it is kept."""
        return next((version for version in self.of(key) if version.id == version_id), None)

    def keys(self) -> list[str]:
        """Every object that has versions, in order."""
        object_keys = []
        for place in self._folder.glob("*/*/" + NAME):
            object_keys.append(place.read_text())
        return sorted(object_keys)

    def keep(self, key: str, descriptor: int) -> Version:
        """The version whose content the open file has; it is kept from now on.

        A content other than the newest version's makes a version of its own. OSError when there
        is no room for it; BeingWrittenError when the file does not hold still.
        """
        place = self._place(key)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(place):
            if not (place / NAME).exists():
                self._write(place / NAME, key.encode())
            temporary = place / f".{self._random(8).hex()}"
            try:
                md5 = _copy(descriptor, temporary)
                return self._newest_or_new(key, temporary, md5)
            finally:
                temporary.unlink(missing_ok=True)

    def _newest_or_new(self, key: str, temporary: Path, md5: str) -> Version:
        """The newest version when it has this content, else a new one."""
        versions = self.of(key)
        if versions and versions[0].md5 == md5:
            return versions[0]
        number = versions[0].number + 1 if versions else 1
        os.replace(temporary, self._place(key) / f"{number:010d}.{md5}")
        for old in versions[max(self._kept_max, 1) - 1 :]:
            old.path.unlink(missing_ok=True)
        version = self._version(key, number, md5)
        assert version is not None
        return version

    def _version(self, key: str, number: int, md5: str) -> Version | None:
        path = self._place(key) / f"{number:010d}.{md5}"
        try:
            facts = path.stat()
        except FileNotFoundError:
            return None  # taken away meanwhile: it was too old
        version_id = _id_of(key, number, md5)
        return Version(version_id, number, md5, facts.st_size, int(facts.st_mtime), path)

    def _place(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name[2:]

    def _write(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(f".{self._random(8).hex()}")
        temporary.write_bytes(content)
        os.replace(temporary, path)


def is_version_id(text: str) -> bool:
    """Whether an id could be one of ours."""
    return bool(_ID.fullmatch(text))


def _id_of(key: str, number: int, md5: str) -> str:
    """Made of what it names, so that it is the same for everybody who reads the folder."""
    digest = hashlib.sha256(f"{number}\n{md5}\n{key}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()[:ID_CHARS]


def _copy(descriptor: int, to: Path) -> str:
    """A copy of a file that held still meanwhile; its MD5."""
    for _ in range(TRIES_MAX):
        before = os.fstat(descriptor)
        digest = hashlib.md5(usedforsecurity=False)
        with to.open("wb") as copy:
            at = 0
            while chunk := os.pread(descriptor, COPY_BYTES, at):
                copy.write(chunk)
                digest.update(chunk)
                at += len(chunk)
            copy.flush()
            os.fsync(copy.fileno())
        after = os.fstat(descriptor)
        if _mark(before) == _mark(after) and at == after.st_size:
            os.utime(to, ns=(after.st_atime_ns, after.st_mtime_ns))
            os.chmod(to, stat.S_IRUSR)
            return digest.hexdigest()
    raise BeingWrittenError("the file is being written to")


def _mark(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_size, facts.st_mtime_ns


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the server and an operator's command
        yield
