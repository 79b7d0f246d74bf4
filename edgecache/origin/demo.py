"""Demo origin: the bucket of a configuration behind its gate, and a video made at start."""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from edgecache.config.listen import bucket_hosts
from edgecache.config.model import MIB, Config
from edgecache.config.origins import canonical_user_id
from edgecache.origin.bucket import bucket_app
from edgecache.origin.gate import Gate
from edgecache.origin.policy import POLICY_BYTES_MAX, BucketPolicy, read_policy
from edgecache.origin.versions import Versions

logger = logging.getLogger("edgecache.origin")

VIDEO = "media/video.mp4"
VIDEO_BYTES = 20 * MIB  # more than any buffer on its way, little enough to make at a start
MARK = "media/.demo"  # a folder that has it wants the video


def demo_app(config: Config, keys: Callable[[], Mapping[str, str]]) -> Gate:
    """The ASGI application of the configuration's `bucket`; `keys` gives the identity's.

    Makes the video first in a folder that wants it. ValueError for a configuration without a
    bucket, for keys no gate takes, or for a policy nobody understands; OSError when that cannot be
    read.
    """
    bucket = config.bucket
    if bucket is None:
        raise ValueError("the configuration has no bucket")
    folder = Path(bucket.folder)
    if (folder / MARK).exists():
        try:
            ensure_video(folder)
        except OSError as error:  # whoever we run as may be let read only
            logger.warning("bucket.folder: no video was made in it: %s", error)
    rules = [*bucket.cache_control_rules.items()]
    if bucket.cache_control:
        rules.append(("*", bucket.cache_control))
    app = bucket_app(folder, rules, versions=versions_of(config), policy=policy_of(config))
    return Gate(app, keys, hosts=bucket_hosts(bucket))


def versions_of(config: Config) -> Versions | None:
    """The store of the bucket's versions, if they are kept."""
    if config.bucket is None or not config.bucket.versions_max:
        return None
    return Versions(Path(config.state_dir) / "versions", config.bucket.versions_max)


def policy_of(config: Config) -> BucketPolicy | None:
    """The bucket's policy, if it has one. OSError; PolicyError."""
    bucket = config.bucket
    if bucket is None or not bucket.policy_file:
        return None
    with open(bucket.policy_file, "rb") as file:
        document = file.read(POLICY_BYTES_MAX + 1)
    return read_policy(document, bucket.name, canonical_ids(config))


def canonical_ids(config: Config) -> Callable[[str], str]:
    """The canonical id of an identity: the one the configuration gives, else that of its id."""
    ids = {one.id: one.s3_canonical_user_id for one in config.origin_access_identities}
    return lambda identity: ids.get(identity) or canonical_user_id(identity)


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
