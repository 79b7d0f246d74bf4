"""A folder of objects. Law: no path from the wire opens a file outside the folder.

Who may write to the folder is trusted; who asks is not. Everything here blocks on the disk and
belongs in a worker thread.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from cachetools import LRUCache

from edgecache.origin.errors import Code

KEY_BYTES_MAX = 1024  # S3: "Creating object key names"
ETAGS_MAX = 10_000  # about 3 MB; the objects of a large site
HASH_CHUNK_BYTES = 1_048_576

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EISDIR}
_DENIED = {errno.EACCES, errno.EPERM}

_Version = tuple[str, int, int]  # path, size, mtime_ns


@dataclass(frozen=True, slots=True)
class Found:
    """An object, open for reading. Whoever gets it closes `file`."""

    key: str
    file: FileIO
    size: int  # bytes
    modified_at: int  # epoch seconds
    etag: str  # with its quotes

    def read(self, first: int, count: int) -> bytes:
        """At most `count` bytes from `first`; empty past the end."""
        return os.pread(self.file.fileno(), count, first)


def key_of(raw_path: bytes) -> str | None:
    """The key a path names, percent-decoded once; None when no object can have that name.

    Empty for the bucket itself. Dot segments, empty segments, backslashes and control characters
    are refused rather than cleaned: what one reader cleans away, another reads otherwise.
    """
    decoded = urllib.parse.unquote_to_bytes(raw_path)
    if decoded == b"/":
        return ""
    if not decoded.startswith(b"/") or len(decoded) > 1 + KEY_BYTES_MAX:
        return None
    try:
        key = decoded[1:].decode()
    except UnicodeDecodeError:
        return None
    if "\\" in key or any(c < " " or c == "\x7f" for c in key):
        return None
    if any(segment in ("", ".", "..") for segment in key.split("/")):
        return None
    return key


class Folder:
    """Finds and opens objects. Symbolic links are followed as long as they stay inside."""

    def __init__(self, root: str | Path) -> None:
        self._root = os.path.realpath(root)
        self._etags: LRUCache[_Version, str] = LRUCache(ETAGS_MAX)
        self._etags_lock = threading.Lock()
        self._hashing = threading.Lock()  # a hundred asking for one new object read it once

    def open(self, raw_path: bytes) -> Found | Code:
        """The object at a path as it stood on the wire, without the query; or why not.

        OSError for troubles of our own, such as too many open files.
        """
        key = key_of(raw_path)
        if key is None:
            return Code.NO_SUCH_KEY
        if not key:
            return Code.ACCESS_DENIED  # asking for the bucket would list it
        path = os.path.realpath(os.path.join(self._root, key))
        if not path.startswith(self._root.rstrip("/") + "/"):
            return Code.ACCESS_DENIED
        try:
            return self._opened(key, path)
        except OSError as error:
            if error.errno in _ABSENT:
                return Code.NO_SUCH_KEY
            if error.errno in _DENIED:
                return Code.ACCESS_DENIED
            raise

    def _opened(self, key: str, path: str) -> Found | Code:
        # O_NONBLOCK: opening a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with _closed_on_error(FileIO(descriptor, "rb")) as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                file.close()
                return Code.NO_SUCH_KEY
            etag = self._etag(descriptor, (path, facts.st_size, facts.st_mtime_ns))
            return Found(key, file, facts.st_size, facts.st_mtime_ns // 1_000_000_000, etag)

    def _etag(self, descriptor: int, version: _Version) -> str:
        found = self._remembered(version)
        if found is not None:
            return found
        with self._hashing:
            found = self._remembered(version)
            if found is not None:
                return found
            etag = f'"{_md5(descriptor, version[1])}"'
            facts = os.fstat(descriptor)
            if (facts.st_size, facts.st_mtime_ns) == version[1:]:
                with self._etags_lock:
                    self._etags[version] = etag
            return etag

    def _remembered(self, version: _Version) -> str | None:
        with self._etags_lock:
            return self._etags.get(version)


@contextmanager
def _closed_on_error(file: FileIO) -> Iterator[FileIO]:
    try:
        yield file
    except BaseException:
        file.close()
        raise


def _md5(descriptor: int, size: int) -> str:
    """The content's MD5 in hexadecimal: what S3 gives as ETag of an object put whole."""
    digest = hashlib.md5(usedforsecurity=False)
    at = 0
    while chunk := os.pread(descriptor, min(HASH_CHUNK_BYTES, size - at), at):
        digest.update(chunk)
        at += len(chunk)
    return digest.hexdigest()
