"""The demo's origin: the bucket of a configuration behind its gate, and a video made at start."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgecache.config.model import MIB, Config
from edgecache.origin.bucket import bucket_app
from edgecache.origin.gate import Gate

VIDEO = "media/video.mp4"
VIDEO_BYTES = 20 * MIB  # more than any buffer on its way, little enough to make at a start
MARK = "media/.demo"  # a folder that has it wants the video


def demo_app(config: Config, keys: Mapping[str, str]) -> Gate:
    """The ASGI application of the configuration's `bucket`; `keys` are the identity's.

    Makes the video first in a folder that wants it. ValueError for a configuration without a
    bucket, or for keys no gate takes; OSError when the video cannot be written.
    """
    bucket = config.bucket
    if bucket is None:
        raise ValueError("the configuration has no bucket")
    folder = Path(bucket.folder)
    if (folder / MARK).exists():
        ensure_video(folder)
    rules = [*bucket.cache_control_rules.items()]
    if bucket.cache_control:
        rules.append(("*", bucket.cache_control))
    return Gate(bucket_app(folder, rules), keys)


def ensure_video(folder: Path) -> Path:
    """A video-like file of 20 MiB in `folder`, the same bytes on every machine; its path.

    It opens as MP4 does (ISO/IEC 14496-12 §4.2) and holds noise, which no compression shortens.
    It appears whole or not at all, however many processes make it at once. OSError when it
    cannot be written.
    """
    path = folder / VIDEO
    if path.exists() and path.stat().st_size == VIDEO_BYTES:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".video.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(_video())
            os.fchmod(file.fileno(), 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _video() -> Iterator[bytes]:
    brands = b"isom" + struct.pack(">I", 0x200) + b"isomiso2mp41"
    head = struct.pack(">I4s", 8 + len(brands), b"ftyp") + brands
    head += struct.pack(">I4s", VIDEO_BYTES - len(head), b"mdat")
    yield head
    left = VIDEO_BYTES - len(head)
    number = 0
    while left:
        noise = hashlib.shake_256(b"edgecache video %d" % number).digest(min(MIB, left))
        yield noise
        left -= len(noise)
        number += 1
