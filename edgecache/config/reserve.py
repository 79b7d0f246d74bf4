"""Model of the reserve: an S3-compatible store behind the regional caches, and what goes there.

Cloudflare's Cache Reserve is the precedent. No secret stands here: a node signs with its own.
"""

from __future__ import annotations

from edgecache.config.base import KIB, MIB, Model
from edgecache.config.origins import REGION_DEFAULT


class Reserve(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where objects wait that a regional cache has no more room for, before their origin is asked.

    `endpoint` is the store's URL, asked as `ENDPOINT/BUCKET/PREFIX/...`. Requests are signed for
    `region` with the key pair `credential` of `secrets.json`; empty: `AWS_ACCESS_KEY_ID` and
    `AWS_SECRET_ACCESS_KEY` (and `AWS_SESSION_TOKEN`) of the environment. `ca_file` vouches for the
    store's certificate; empty: what this machine trusts. `distributions` are the ids of those that
    use it, and none means all. Why the bounds: `settings.py`.
    """

    endpoint: str
    bucket: str
    prefix: str = "edgecache"
    region: str = REGION_DEFAULT
    credential: str = ""
    ca_file: str = ""
    distributions: tuple[str, ...] = ()
    object_bytes_min: int = 64 * KIB
    object_bytes_max: int = 16 * MIB
    fresh_s_min: float = 36_000
    retention_s: float = 2_592_000
    look_s_max: float = 2
    queue_bytes_max: int = 64 * MIB
    uploads_max: int = 4
