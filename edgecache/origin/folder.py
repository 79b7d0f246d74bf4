"""Folder of a bucket's objects, opened and put. Law: no path from the wire opens a file outside it.

Who may write to the folder is trusted; who asks is not. Everything here blocks on the disk and
belongs in a worker thread. `put_object` is for operators and is not reached over the network; its
law: an object appears whole, by a rename, or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import stat
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from cachetools import LRUCache

from edgecache.origin.errors import S3ErrorCode
from edgecache.origin.versions import BeingWrittenError, Version, Versions, is_version_id

logger = logging.getLogger("edgecache.origin")

KEY_BYTES_MAX = 1024  # S3: "Creating object key names"
ETAGS_MAX = 10_000  # about 3 MB; the objects of a large site
HASH_CHUNK_BYTES = 1_048_576
OBJECT_MODE = 0o644  # as a copy makes it: the server may be another user
WELL_KNOWN = ".well-known/"  # RFC 8615 §3: at the top of a site alone
NO_VERSION = "null"  # S3: the id of what has none

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EISDIR}
_DENIED = {errno.EACCES, errno.EPERM}

_Mark = tuple[str, int, int]  # path, size, mtime_ns


@dataclass(frozen=True, slots=True)
class OpenObject:
    """An object, open for reading. Whoever gets it closes `file`."""

    key: str
    file: FileIO
    size: int  # bytes
    modified_at: int  # epoch seconds
    etag: str  # with its quotes
    version_id: str = ""  # empty where versions are not kept

    def read(self, first: int, count: int) -> bytes:
        """At most `count` bytes from `first`; empty past the end."""
        return os.pread(self.file.fileno(), count, first)


def key_of(raw_path: bytes) -> str | None:
    """The key a path names, percent-decoded once; None when no object can have that name.

    Empty for the bucket itself. Dot segments, empty segments, backslashes and control characters
    are refused rather than cleaned: what one reader cleans away, another reads otherwise. Hidden
    names are no objects: a folder has `.git` and `.env` in it, which nobody put there to be served.
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
    named = key.removeprefix(WELL_KNOWN)
    if any(not segment or segment.startswith(".") for segment in named.split("/")):
        return None
    return key


class Folder:
    """Finds and opens objects. Symbolic links are followed as long as they stay inside.

    With `versions` each content met is kept, and it is the kept one that is opened.
    """

    def __init__(self, root: str | Path, versions: Versions | None = None) -> None:
        self._root = os.path.realpath(root)
        self._versions = versions
        self._etags: LRUCache[_Mark, str] = LRUCache(ETAGS_MAX)
        self._versions_by_mark: LRUCache[_Mark, Version] = LRUCache(ETAGS_MAX)
        self._remembering = threading.Lock()
        self._hashing = threading.Lock()  # a hundred asking for one new object read it once

    def open(self, raw_path: bytes, version_id: str | None = None) -> OpenObject | S3ErrorCode:
        """The object at a path as it stood on the wire, without the query; or why not.

        With a `version_id` that version of it, though the file be gone. OSError for troubles of our
        own, such as too many open files.
        """
        key = key_of(raw_path)
        if key is None:
            return S3ErrorCode.NO_SUCH_KEY
        if not key:
            return S3ErrorCode.ACCESS_DENIED  # asking for the bucket would list it
        if version_id is not None and version_id != NO_VERSION:
            return self._open_version(key, version_id)
        path = os.path.realpath(os.path.join(self._root, key))
        if not path.startswith(self._root.rstrip("/") + "/"):
            return S3ErrorCode.ACCESS_DENIED
        try:
            return self._open_file(key, path)
        except OSError as error:
            if error.errno in _ABSENT:
                return S3ErrorCode.NO_SUCH_KEY
            if error.errno in _DENIED:
                return S3ErrorCode.ACCESS_DENIED
            raise

    def _open_version(self, key: str, version_id: str) -> OpenObject | S3ErrorCode:
        if not is_version_id(version_id):
            return S3ErrorCode.INVALID_ARGUMENT
        version = self._versions.find(key, version_id) if self._versions else None
        copy = _open_copy(key, version) if version else None
        return copy or S3ErrorCode.NO_SUCH_VERSION

    def _open_file(self, key: str, path: str) -> OpenObject | S3ErrorCode:
        # O_NONBLOCK: opening a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with _closed_on_error(FileIO(descriptor, "rb")) as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                file.close()
                return S3ErrorCode.NO_SUCH_KEY
            mark = (path, facts.st_size, facts.st_mtime_ns)
            copy = self._open_kept_version(key, descriptor, mark)
            if copy is not None:
                file.close()
                return copy
            etag = self._etag(descriptor, mark)
            return OpenObject(key, file, facts.st_size, facts.st_mtime_ns // 1_000_000_000, etag)

    def _open_kept_version(self, key: str, descriptor: int, mark: _Mark) -> OpenObject | None:
        """The version that the file is; None where versions are not kept, or this one cannot be.

        An object is served all the same when there is no room for a copy of it.
        """
        if self._versions is None:
            return None
        try:
            version = self._version_of_file(key, descriptor, mark)
            copy = _open_copy(key, version)
            if copy is None:  # taken away behind our back
                with self._remembering:
                    self._versions_by_mark.pop(mark, None)
                copy = _open_copy(key, self._version_of_file(key, descriptor, mark))
        except BeingWrittenError:
            return None
        except OSError as error:
            logger.error("%s: no version is kept: %s", key, error)
            return None
        return copy

    def _version_of_file(self, key: str, descriptor: int, mark: _Mark) -> Version:
        assert self._versions is not None
        with self._remembering:
            version = self._versions_by_mark.get(mark)
        if version is not None:
            return version
        with self._hashing:
            version = self._versions.keep(key, descriptor)
            facts = os.fstat(descriptor)
            if (facts.st_size, facts.st_mtime_ns) == mark[1:]:
                with self._remembering:
                    self._versions_by_mark[mark] = version
            return version

    def _etag(self, descriptor: int, mark: _Mark) -> str:
        known = self._known_etag(mark)
        if known is not None:
            return known
        with self._hashing:
            known = self._known_etag(mark)
            if known is not None:
                return known
            etag = f'"{_md5(descriptor, mark[1])}"'
            facts = os.fstat(descriptor)
            if (facts.st_size, facts.st_mtime_ns) == mark[1:]:
                with self._remembering:
                    self._etags[mark] = etag
            return etag

    def _known_etag(self, mark: _Mark) -> str | None:
        with self._remembering:
            return self._etags.get(mark)


def put_object(
    root: str | Path,
    key: str,
    content: BinaryIO,
    versions: Versions | None = None,
    random: Callable[[int], bytes] = os.urandom,
) -> Version | None:
    """`content` is the object `key` of the folder `root` from now on; the version it is.

    The former content is kept, too, though it may never have been asked for. ValueError for a
    name no object can have, or one that leads out of the folder; OSError.
    """
    path = _object_path(root, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    if versions is not None and path.exists():
        _keep_version(path, key, versions)
    temporary = path.with_name(f".{random(8).hex()}")
    try:
        with temporary.open("xb") as file:
            shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), OBJECT_MODE)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return None if versions is None else _keep_version(path, key, versions)


def _open_copy(key: str, version: Version) -> OpenObject | None:
    """A kept version, open for reading; None when it is not there any more."""
    try:
        file = FileIO(version.path, "rb")
    except FileNotFoundError:
        return None
    size, modified_at, etag = version.size, version.modified_at, version.etag
    return OpenObject(key, file, size, modified_at, etag, version.id)


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


def _keep_version(path: Path, key: str, versions: Versions) -> Version:
    with path.open("rb") as file:
        return versions.keep(key, file.fileno())


def _object_path(root: str | Path, key: str) -> Path:
    if not key or key_of(b"/" + quote(key).encode()) != key:
        raise ValueError(f'"{key}" is not the name of an object')
    top = os.path.realpath(root)
    path = os.path.realpath(os.path.join(top, key))
    if not path.startswith(top.rstrip("/") + "/"):
        raise ValueError(f'"{key}" leads out of the folder')
    return Path(path)
