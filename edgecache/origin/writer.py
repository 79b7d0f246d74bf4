"""Writing to a bucket's folder. Law: an object appears whole, by a rename, or not at all.

For operators, who may write to the folder anyway; nothing here is reached over the network.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from edgecache.origin.folder import key_of
from edgecache.origin.versions import Version, Versions

OBJECT_MODE = 0o644  # as a copy makes it: the server may be another user


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
    path = _path(root, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    if versions is not None and path.exists():
        _met(path, key, versions)
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
    return None if versions is None else _met(path, key, versions)


def _met(path: Path, key: str, versions: Versions) -> Version:
    with path.open("rb") as file:
        return versions.met(key, file.fileno())


def _path(root: str | Path, key: str) -> Path:
    if not key or key_of(b"/" + quote(key).encode()) != key:
        raise ValueError(f'"{key}" is not the name of an object')
    top = os.path.realpath(root)
    path = os.path.realpath(os.path.join(top, key))
    if not path.startswith(top.rstrip("/") + "/"):
        raise ValueError(f'"{key}" leads out of the folder')
    return Path(path)
