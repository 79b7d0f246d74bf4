"""A file of a node's that has the digest of what is in it, and is its owner's alone.

Law: what is read is what was written, whole, or it is not read.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from edgecache.node.last_configuration import (
    LastConfigurationError,
    private_content,
    write_private,
)

FORMAT = 1


class _Heading(msgspec.Struct, frozen=True):
    """The first line of a file."""

    format: int
    sha256: str


def write_digested(path: Path, text: bytes, unique: str) -> None:
    """Replace the file; it is on disk when this returns. OSError changes nothing.

    `unique` is no other process's.
    """
    heading = msgspec.json.encode(_Heading(FORMAT, hashlib.sha256(text).hexdigest()))
    write_private(path, heading + b"\n" + text, unique)


def read_digested(path: Path) -> bytes:
    """What was written. OSError, LastConfigurationError."""
    line, _, text = private_content(path).partition(b"\n")
    try:
        heading = msgspec.json.decode(line, type=_Heading)
    except msgspec.DecodeError:
        raise LastConfigurationError(path, "damaged") from None
    if heading.format != FORMAT:
        raise LastConfigurationError(path, f"of another release (format {heading.format})")
    if heading.sha256 != hashlib.sha256(text).hexdigest():
        raise LastConfigurationError(path, "damaged")
    return text
