"""A tree of real files: what Debian packages have put on this machine, and one large one."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

ROOTS = {
    "doc": "/usr/share/doc",
    "zoneinfo": "/usr/share/zoneinfo",
    "perl": "/usr/share/perl",
    "python": "/usr/lib/python3",
    "standard": "/usr/lib/python3.11",
}
EACH_MAX = 110  # files of one root, evenly spread over its names
BYTES_MAX = 2 * 1024 * 1024
LARGE_BYTES = 30 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is asked for, and what must come."""

    target: str
    digest: str


def make_tree(folder: Path) -> list[File]:
    """Link the roots of this machine into `folder`, make a large file, and list what to fetch."""
    files = []
    for name, root in ROOTS.items():
        if Path(root).is_dir():
            (folder / name).symlink_to(root)
            files += [_file(name, root, path) for path in _spread(_regular(root))]
    (folder / "made").mkdir()
    large = folder / "made" / "large file.bin"
    large.write_bytes(hashlib.shake_256(b"large").digest(LARGE_BYTES))
    return [*files, _file("made", str(folder / "made"), str(large))]


def _regular(root: str) -> list[str]:
    """Regular files with plain contents, sorted, so that every run takes the same ones."""
    found = []
    for parent, _, names in os.walk(root):
        for name in names:
            path = os.path.join(parent, name)
            if os.path.islink(path) or not os.path.isfile(path) or not os.access(path, os.R_OK):
                continue
            # Byte code appears and changes while other programs run.
            if os.path.getsize(path) <= BYTES_MAX and "__pycache__" not in path:
                found.append(path)
    return sorted(found)


def _spread(paths: list[str]) -> list[str]:
    step = max(1, -(-len(paths) // EACH_MAX))
    return paths[::step]


def _file(name: str, root: str, path: str) -> File:
    target = quote(f"/{name}/{os.path.relpath(path, root)}")
    return File(target, hashlib.sha256(Path(path).read_bytes()).hexdigest())
